"""`residuals`: does what the model leaves over still depend on the input, and is it white? With a verdict in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from l2ssm.analysis.correlation import centred, cross_correlation, squared, whiteness
from l2ssm.analysis.subject import Array, Subject, measured, records_of, scored_from, simulated
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import DataError
from l2ssm.options import fraction, integer

WIDEST = 0.6  # a band wider than this cannot show a dependence worth the name
FEWEST = 10.0  # a residual whose energy sits in fewer samples than this (a diverging run) is not a stationary signal


@dataclass(frozen=True, eq=False)
class Residuals:
    """Correlations of the residual e = y - y_hat over the scored samples, and the bands of their null hypotheses.

    Attributes:
        values: e of every record, each (T - n_init, n_y).
        dt: sampling time in seconds.
        lags: 0, 1, ..., in samples.
        auto: (n_y, lags) autocorrelation of e.
        auto_band: (n_y, lags) white noise stays inside +- this for all lags of one output together.
        cross: (n_y, n_u, lags) correlation of u[t - lag] and e[t].
        cross_band: (n_y, n_u) an e independent of u stays inside +- this; all lags, inputs and outputs together.
        square: (n_y, n_u, lags) correlation of the part of u[t - lag]^2 that is not along u with e[t]: what a missing
            even nonlinearity leaves; NaN where there is no such part (two levels).
        square_band: (n_y, n_u) its band; both tests of the input together alarm with probability `false_alarm`.
        effective: (n_y, n_u) how many independent samples the two coloured signals are worth.
        mean: (n_y,) mean residual, in the unit of the output.
        false_alarm: probability of a wrong alarm of each of the two verdicts.
        input_names, output_names: one a channel.
    """

    values: list[Array]
    dt: float
    lags: Array
    auto: Array
    auto_band: Array
    cross: Array
    cross_band: Array
    square: Array
    square_band: Array
    effective: Array
    mean: Array
    false_alarm: float
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]

    @property
    def dependent(self) -> list[tuple[int, int]]:
        """(output, input) pairs whose correlation leaves the band."""
        return _outside(self.cross, self.cross_band)

    @property
    def nonlinear(self) -> list[tuple[int, int]]:
        """(output, input) pairs whose correlation with the square of the input leaves its band."""
        return _outside(self.square, self.square_band)

    @property
    def coloured(self) -> list[int]:
        """Outputs whose residual is not white."""
        outside = np.abs(self.auto[:, 1:]) > self.auto_band[:, 1:]
        return [int(i) for i in np.flatnonzero(outside.any(axis=1))]

    @property
    def independent(self) -> bool | None:
        """True: no dependence on the input or its square found. False: found. None: this data cannot tell."""
        if self.dependent or self.nonlinear:
            return False
        return None if np.any(~(self.cross_band < WIDEST)) else True

    @property
    def white(self) -> bool:
        """Whether the residual of every output looks like white noise; False also where this data cannot tell."""
        return not self.coloured and self._whiteness_is_judged

    @property
    def _whiteness_is_judged(self) -> bool:
        return bool(np.all(np.isfinite(self.auto)) and np.all(self.auto_band[:, 1:] < WIDEST))

    @property
    def verdict(self) -> str:
        """Two sentences: one on the input, one on whiteness."""
        return f"{self._about_the_input()} {self._about_whiteness()}"

    def _about_the_input(self) -> str:
        if not np.all(np.isfinite(self.mean)):
            return "The simulation diverged: its residual is not finite."
        sure = f"{100 * (1 - self.false_alarm):g} %"
        if self.independent:
            return (
                f"No dependence of the residual on the input or its square at {sure} confidence:"
                " no missing dynamics found."
            )
        if self.independent is None:
            i, j = divmod(int(np.argmin(self.effective)), self.effective.shape[1])
            return (
                f"Too little data to tell whether the residual depends on the input: {self.output_names[i]} against"
                f" {self.input_names[j]} is worth {self.effective[i, j]:.0f} independent samples."
            )
        found = self._strongest(self.dependent, self.cross, self.cross_band, "", "dynamics are missing")
        found += self._strongest(
            self.nonlinear, self.square, self.square_band, "the square of ", "an even nonlinearity is missing"
        )
        return " ".join(found)

    def _strongest(self, pairs: list[tuple[int, int]], rho: Array, band: Array, what: str, meaning: str) -> list[str]:
        if not pairs:
            return []
        i, j = max(pairs, key=lambda p: np.nanmax(np.abs(rho[p])) / band[p])
        lag = int(np.nanargmax(np.abs(rho[i, j])))
        more = f" and {len(pairs) - 1} more pair(s)" if len(pairs) > 1 else ""
        return [
            f"The residual of {self.output_names[i]} depends on {what}{self.input_names[j]}{more} (correlation"
            f" {rho[i, j, lag]:+.2f} at lag {lag} = {lag * self.dt:.3g} s, band {band[i, j]:.2f},"
            f" {100 * (1 - self.false_alarm):g} % confidence): {meaning}."
        ]

    def _about_whiteness(self) -> str:
        if self.white:
            return "The residual is white."
        if not self.coloured and not self._whiteness_is_judged:
            return "Whiteness cannot be judged: a residual does not vary, or a few samples are all of it."
        names = ", ".join(self.output_names[i] for i in self.coloured)
        return (
            f"The residual of {names} is not white: past errors predict later ones"
            " (usual for a free-run simulation, where noise may be coloured)."
        )

    def __str__(self) -> str:
        return self.verdict


def residuals(
    model: Subject,
    data: Dataset | Record,
    n_init: int | None = None,
    max_lag: int = 25,
    false_alarm: float = 0.01,
) -> Residuals:
    """Correlation of the free-run residual with the inputs and its own past, with bands valid for coloured signals.

    Args:
        model: a fitted model, an `Interconnection` or a `StateSpace` (zero initial state).
        data: records with outputs.
        n_init: samples left out at the start of every record; default those the model's initial state uses.
        max_lag: largest lag, in samples.
        false_alarm: probability that a verdict is an alarm although nothing is wrong, 0 < false_alarm < 0.5.

    Raises:
        OptionError: false_alarm, max_lag or n_init out of range, or not a model.
        DataError: channels or dt that do not fit, a record too short for the lags.
    """
    false_alarm, max_lag = fraction("false_alarm", false_alarm, 0.5), integer("max_lag", max_lag, 1)
    records = records_of(data, model)
    first = scored_from([model], n_init)
    for record in records:
        if record.T - first < 4 * max_lag:
            raise DataError(
                f"record {record.name!r} has {record.T - first} samples after n_init = {first}, too few for max_lag ="
                f" {max_lag}; expected at least {4 * max_lag}"
            )
    with np.errstate(invalid="ignore", over="ignore"):
        e = [measured(r) - s for r, s in zip(records, simulated(model, records), strict=True)]
    return _correlate(e, records, first, max_lag, false_alarm)


def _correlate(e: list[Array], records: list[Record], first: int, max_lag: int, false_alarm: float) -> Residuals:
    e, u = [x[first:] for x in e], [r.u[first:] for r in records]
    n_y, n_u, count = e[0].shape[1], u[0].shape[1], max_lag + 1
    auto, auto_band = np.full((n_y, count), np.nan), np.full((n_y, count), np.inf)
    cross, cross_band = np.full((n_y, n_u, count), np.nan), np.full((n_y, n_u), np.inf)
    square, square_band = cross.copy(), cross_band.copy()
    effective = np.zeros((n_y, n_u))
    mean = np.full(n_y, np.nan)
    inputs = [centred([x[:, j] for x in u]) for j in range(n_u)]
    squares = [squared(one) for one in inputs]
    alarm = false_alarm / (n_y * sum(1 + np.any(np.concatenate(one)) for one in squares))  # of one test
    for i in range(n_y):
        size = float(np.max([np.max(np.abs(x[:, i])) for x in e])) or 1.0
        if not np.isfinite(size):
            continue
        scaled = [x[:, i] / size for x in e]  # the scale cancels; squares of huge residuals do not overflow
        mean[i] = size * np.concatenate(scaled).mean()
        e_i = centred(scaled)
        energy = np.concatenate(e_i) ** 2
        effective[i] = energy.sum() ** 2 / np.sum(energy**2) if np.any(energy) else 0.0
        if effective[i, 0] < FEWEST:
            continue
        auto[i], auto_band[i] = whiteness(e_i, max_lag, false_alarm / n_y)
        for j in range(n_u):
            pair = cross_correlation(inputs[j], e_i, max_lag, alarm)
            cross[i, j], cross_band[i, j], effective[i, j] = pair.rho, pair.band, pair.effective
            pair = cross_correlation(squares[j], e_i, max_lag, alarm)
            square[i, j], square_band[i, j] = pair.rho, pair.band
    lags = np.arange(count, dtype=np.float64)
    r = records[0]
    return Residuals(
        e, r.dt, lags, auto, auto_band, cross, cross_band, square, square_band, effective, mean, false_alarm,
        r.input_names, r.output_names,
    )  # fmt: skip


def _outside(rho: Array, band: Array) -> list[tuple[int, int]]:
    outside = np.max(np.nan_to_num(np.abs(rho)), axis=2) > band
    return [(int(i), int(j)) for i, j in np.argwhere(outside)]
