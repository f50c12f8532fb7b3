"""`bla`: the best linear approximation of a nonlinear system, and how much of its output is noise and distortion.

The linear system that is closest, in mean square, to a nonlinear one *for a class of inputs*: here random-phase
multisines of a given level and band (Gaussian noise of that spectrum, as the number of lines grows). Robust method:
M realizations of the phases, P periods of each in steady state. The scatter over periods is noise; what the scatter
over realizations has beyond it is nonlinear distortion, which looks like noise but repeats with the input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.random import SeedSequence
from numpy.typing import ArrayLike

from l2ssm.analysis.frequency_response import FrequencyResponse, labels
from l2ssm.analysis.frf import in_samples, same_channels
from l2ssm.analysis.metrics import Array
from l2ssm.analysis.periodic import angular, excited, inverted, period_of, spectra
from l2ssm.analysis.subject import Subject, each_input, network_of
from l2ssm.data.dataset import Dataset
from l2ssm.data.plants.base import Plant
from l2ssm.data.record import Record
from l2ssm.data.signals import multisine
from l2ssm.errors import DataError
from l2ssm.options import integer, positive

System: TypeAlias = Subject | Plant


def bla(
    system: System,
    rms: float | Sequence[float] = 1.0,
    *,
    mean: ArrayLike | None = None,
    band: tuple[float, float] | None = None,
    period: int = 1024,
    realizations: int = 8,
    periods: int = 2,
    settle: int = 1,
    noise: bool = True,
    odd: bool = False,
    seed: int = 0,
) -> FrequencyResponse:
    """The best linear approximation of a model or a plant under multisines of that level, with both its deviations.

    Args:
        system: a model, an `Interconnection`, a `StateSpace`, or a plant of `l2ssm.plants`.
        rms: of every input about its mean, physical units; one number or one an input.
        mean: operating point of the inputs; default the nominal input of a plant, 0 of a model.
        band: excited frequencies in Hz; default 0 to Nyquist.
        period: samples of one period.
        realizations: M >= 2 of the phases; n_u experiments each.
        periods: P >= 2 that are used.
        settle: periods simulated and thrown away first; the transient must have died out after them. A model has no
            noise: what is shown as its noise is what is left of the transient.
        noise: whether a plant is measured with its noise.
        odd: excite odd lines only.
        seed: of phases and noise.

    Raises:
        OptionError: one of these out of range, or not a system.
        DataError: rms or mean of another size than the inputs, or outputs that are not finite.

    >>> from l2ssm.systems.state_space import StateSpace
    >>> G = StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]])
    >>> found = bla(G, period=64, realizations=2)
    >>> bool(np.allclose(found.H, G.frequency_response(found.omega)))
    True
    """
    realizations, periods = integer("realizations", realizations, 2), integer("periods", periods, 2)
    settle, period = integer("settle", settle, 0), integer("period", period, 4)
    run, like, rest = _runner(system, noise)
    n_u = len(like["input_names"])
    level = np.array([positive("rms", r) for r in each_input(rms, n_u, "rms").tolist()])
    centre = each_input(rest if mean is None else mean, n_u, "mean")
    records = []
    for m, source in enumerate(SeedSequence(integer("seed", seed, 0)).spawn(realizations)):
        phases, disturbance = source.spawn(2)
        rng = np.random.default_rng(disturbance)
        lines = [multisine(period, like["dt"], band=band, odd=odd, seed=one) for one in phases.spawn(n_u)]
        for e, u in enumerate(_orthogonal(np.column_stack(lines))):
            whole = centre + level * np.tile(u, (settle + periods, 1))
            y = run(whole, rng)[settle * period :]
            if not np.all(np.isfinite(y)):
                raise DataError(f"the output of realization {m} is not finite: the system diverges at this input")
            records.append(Record(whole[settle * period :], y, name=f"{m}.{e}", **like))
    return bla_of_data(Dataset(records), period=period)


def bla_of_data(data: Dataset | Record, *, period: int | None = None) -> FrequencyResponse:
    """The same from measured records in steady state: each a realization, or n_u in a row where there are n_u inputs.

    `noise` and `distortion` are those of one realization (averaged over its periods); std is that of the mean H, of
    both together.

    Args:
        data: at least two realizations of two or more periods each.
        period: samples; default what is found in the inputs.

    Raises:
        DataError: not periodic, too few periods or realizations, or inputs that cannot be told apart.
        OptionError: a period out of range.

    Source: Pintelon and Schoukens, System Identification: A Frequency Domain Approach, 2nd ed., section 4.3 (robust
    method); Schoukens, Pintelon and Rolain, Mastering System Identification in 100 Exercises, chapter 5.
    """
    records = same_channels(data)
    n = period_of(records) if period is None else in_samples("period", period, records)
    n_u, dt = records[0].n_u, records[0].dt
    count, rest = divmod(len(records), n_u)
    if n is None or min(r.T for r in records) < 2 * n or count < 2 or rest:
        raise DataError(
            f"{len(records)} record(s), {'no period found' if n is None else f'period {n}'}: expected at least two"
            f" realizations, {n_u} record(s) each, of two or more periods"
        )
    pairs = [spectra(r, n) for r in records]
    lines = excited(np.array([U for U, _ in pairs]))
    H, variance = [], []
    for m in range(count):
        group = pairs[m * n_u : (m + 1) * n_u]
        inverse = inverted(np.array([U[lines] for U, _ in group]).swapaxes(0, 1))
        Y = np.array([Y.mean(axis=0)[lines] for _, Y in group]).swapaxes(0, 1)
        scatter = np.array([np.var(Y[:, lines], axis=0, ddof=1) / len(Y) for _, Y in group]).swapaxes(0, 1)
        H.append(np.swapaxes(inverse @ Y, 1, 2))
        variance.append(np.swapaxes(np.abs(inverse) ** 2 @ scatter, 1, 2))
    total, noise = np.var(H, axis=0, ddof=1), np.mean(variance, axis=0)
    distortion = np.sqrt(np.clip(total - noise, 0.0, None))
    words = f"best linear approximation, {count} realizations of {records[0].T // n} periods of {n} samples"
    return FrequencyResponse(
        angular(lines, n, dt), np.mean(H, axis=0), np.sqrt(total / count), count - 1.0, words, dt, *labels(records),
        noise=np.sqrt(noise), distortion=distortion,
    )  # fmt: skip


def _orthogonal(u: Array) -> list[Array]:
    """n_u experiments of the multisines u (T, n_u), orthogonal at every line: phases of a discrete Fourier matrix."""
    n_u, U = u.shape[1], np.fft.rfft(u, axis=0)
    turns = np.exp(2j * np.pi * np.outer(np.arange(n_u), np.arange(n_u)) / n_u)
    return [np.fft.irfft(U * turn, len(u), axis=0) for turn in turns]


def _runner(system: System, noise: bool) -> tuple[Callable[[Array, Any], Array], dict[str, Any], Any]:
    """(u, rng -> y, dt with names and units of the channels, the nominal input)."""
    like: dict[str, Any]
    if isinstance(system, Plant):
        plant = system
        like = {key: getattr(plant, key) for key in ("dt", "input_names", "output_names", "units")}

        def run(u: Array, rng: np.random.Generator) -> Array:
            y = plant.simulate(u)
            return plant.measure(y, rng) if noise else y

        return run, like, plant.u_nominal
    network = network_of(system)
    inputs, outputs = tuple(network.input_names or ()), tuple(network.output_names or ())
    given = zip((*inputs, *outputs), (*(network.input_units or ()), *(network.output_units or ())), strict=True)
    units = {name: unit for name, unit in given if unit}
    like = {"dt": network.dt, "input_names": inputs, "output_names": outputs, "units": units}
    return lambda u, _rng: network.simulate(u), like, 0.0
