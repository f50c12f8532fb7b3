"""`horizon`: how the prediction error of a model grows with the number of steps ahead, up to the free run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from l2ssm.analysis.compare import percent
from l2ssm.analysis.metrics import Array, Scores, score
from l2ssm.analysis.subject import PredictingModel, measured, records_of, scored_from
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import OptionError

STEPS = (1, 2, 5, 10, 20, 50, 100)


@dataclass(frozen=True, eq=False)
class Horizon:
    """Prediction errors over the horizon, with the metrics of the free run.

    Attributes:
        steps: k, rising; the last one is inf, the free run.
        scores: for each k over y[n_init:] of all records.
        expected: (len(steps), n_y) the standard deviation that the noise model predicts; NaN for the free run.
        n_init: samples at the start of every record that are not scored.
        dt: sample time in seconds.
        output_names, output_units: one a channel.
    """

    steps: tuple[float, ...]
    scores: tuple[Scores, ...]
    expected: Array
    n_init: int
    dt: float
    output_names: tuple[str, ...]
    output_units: tuple[str, ...]

    @property
    def rmse(self) -> Array:
        """(len(steps), n_y)."""
        return np.array([s.rmse for s in self.scores])

    def __str__(self) -> str:
        rows = [("steps ahead", "time", "output", "RMSE", "unit", "expected", "NRMSE", "fit")]
        for k, s, expected in zip(self.steps, self.scores, self.expected, strict=True):
            ahead = ("free run", "-") if math.isinf(k) else (f"{k:g}", f"{k * self.dt:.4g} s")
            for i, (name, unit) in enumerate(zip(self.output_names, self.output_units, strict=True)):
                noise = f"{expected[i]:.4g}" if np.isfinite(expected[i]) else "-"
                numbers = (f"{s.rmse[i]:.4g}", unit or "-", noise, f"{s.nrmse[i]:.3g}", percent(s.fit[i], 2))
                rows.append((*ahead, name, *numbers))
        widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
        lines = ["  ".join(v.rjust(w) for v, w in zip(row, widths, strict=True)) for row in rows]
        return "\n".join([*lines, f"expected: by the noise model; the first {self.n_init} samples are not scored"])


def horizon(
    model: PredictingModel, data: Dataset | Record, steps: Sequence[int] = STEPS, n_init: int | None = None
) -> Horizon:
    """The error of k-step predictions for every k, and that of the free run, on the same samples.

    Args:
        model: with a noise model, see `fit_noise`.
        data: records with outputs.
        steps: k, integers >= 1.
        n_init: samples not scored; default those the model's initial state uses.

    Raises:
        OptionError: no steps, a step that is no integer >= 1, n_init below what the model uses, no noise model.
        DataError: channels or dt of the data and the model differ, no sample left to score.
    """
    if not steps:
        raise OptionError("steps is empty: expected at least one number of steps ahead")
    first = scored_from([model], n_init)
    records = records_of(data, model)
    ks = (*sorted(set(steps)), math.inf)
    y = [measured(record) for record in records]
    scores = tuple(score(y, [model.predict(record, k=k) for record in records], first) for k in ks)
    expected = np.full((len(ks), y[0].shape[1]), np.nan)
    for i, k in enumerate(ks[:-1]):
        expected[i] = model.noise.deviation(int(k))
    record = records[0]
    units = [record.units.get(n, "") or u for n, u in zip(record.output_names, model.network.output_units, strict=True)]
    return Horizon(ks, scores, expected, first, record.dt, record.output_names, tuple(units))
