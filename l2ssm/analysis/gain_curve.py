"""`gain_curve`: how large the gain of a model or a plant is for inputs of each size, by simulation of a few shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from l2ssm.analysis.metrics import Array
from l2ssm.analysis.subject import Subject, each_input, gain_unit, network_of
from l2ssm.data.plants.base import Plant
from l2ssm.data.signals import multisine
from l2ssm.errors import OptionError, SolverError
from l2ssm.options import integer, positive
from l2ssm.units import per

System: TypeAlias = Subject | Plant


@dataclass(frozen=True, eq=False)
class GainCurve:
    """The largest ||y(u0 + du) - y(u0)|| / ||du|| among the tried shapes of du, by their size: a lower bound each.

    Attributes:
        amplitude: (A,) rms of du.
        gain: (A,) NaN where no simulation was finite.
        shape: (A,) which du it was.
        input_unit, unit: of the amplitude and of the gain.
    """

    amplitude: Array
    gain: Array
    shape: tuple[str, ...]
    input_unit: str
    unit: str


def gain_curve(
    system: System,
    amplitudes: Sequence[float],
    *,
    mean: ArrayLike | None = None,
    samples: int = 1024,
    tones: int = 10,
    seed: int = 0,
) -> GainCurve:
    """Gain over amplitude with steps up and down, `tones` sinusoids and a multisine on each input: the same for all.

    A plant starts at the equilibrium of `mean`; a model is first run under it for as many samples. In both cases two
    runs from one initial state are compared, which an incremental certificate bounds.

    Args:
        system: a model, an `Interconnection`, a `StateSpace`, or a plant of `l2ssm.plants`, without noise.
        amplitudes: rms of du, each > 0, in the unit of the input.
        mean: operating point of the inputs; default the nominal input of a plant, 0 of a model.
        samples: length of du.
        tones: number of sinusoids, logarithmic from 2 periods to a quarter of the sampling frequency.
        seed: of the multisine.

    Raises:
        OptionError: amplitudes, samples or tones out of range, or not a system.
        DataError: a mean of another size, or not finite.

    >>> from l2ssm.systems.state_space import StateSpace
    >>> G = StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]])
    >>> found = gain_curve(G, [0.1, 10.0])
    >>> bool(np.ptp(found.gain) < 1e-9), bool(1.99 < found.gain[0] < 2), found.shape[0]
    (True, True, 'sinusoid of 512 samples')
    """
    if np.ndim(amplitudes) != 1 or not len(amplitudes):
        raise OptionError(f"amplitudes are {amplitudes!r}, expected at least one number > 0")
    size = np.array([positive("an amplitude", a) for a in amplitudes])
    samples, tones = integer("samples", samples, 16), integer("tones", tones, 1)
    run, n_u, input_unit, unit = _runner(system, mean, samples)
    shapes = _shapes(samples, tones, n_u, seed)
    base = run(np.zeros((samples, n_u)))
    gain, best = np.full(size.size, np.nan), [""] * size.size
    for i, a in enumerate(size.tolist()):
        for name, shape in shapes.items():
            y = run(a * shape)
            with np.errstate(over="ignore", invalid="ignore"):
                found = float(np.linalg.norm(y - base)) / (a * np.sqrt(samples))
            if np.isfinite(found) and not found <= gain[i]:
                gain[i], best[i] = found, name
    return GainCurve(size, gain, tuple(best), input_unit, unit)


def _shapes(T: int, tones: int, n_u: int, seed: int) -> dict[str, Array]:
    """du (T, n_u) of rms 1 by name."""
    t = np.arange(T)
    waves = {"step up": np.ones(T), "step down": -np.ones(T), "multisine": multisine(T, seed=seed)}
    for periods in np.unique(np.round(np.geomspace(2, T / 4, tones)).astype(int)).tolist():
        waves[f"sinusoid of {T / periods:.4g} samples"] = np.sqrt(2) * np.sin(2 * np.pi * periods * t / T)
    if n_u == 1:
        return {name: wave[:, None] for name, wave in waves.items()}
    return {
        f"{name} on input {j + 1}": wave[:, None] * np.eye(n_u)[j] for name, wave in waves.items() for j in range(n_u)
    }


def _runner(system: System, mean: ArrayLike | None, T: int) -> tuple[Callable[[Array], Array], int, str, str]:
    """(du -> y, number of inputs, unit of the inputs, unit of the gain)."""
    if isinstance(system, Plant):
        plant = system
        u0 = each_input(plant.u_nominal if mean is None else mean, plant.n_u, "mean")
        x0 = plant.equilibrium(u0)
        ins, outs = (_common(plant.units.get(n, "") for n in ns) for ns in (plant.input_names, plant.output_names))

        def simulate(du: Array) -> Array:
            try:
                return plant.simulate(u0 + du, x0)
            except SolverError:
                return np.full((T, plant.n_y), np.nan)

        return simulate, plant.n_u, ins, per(outs, ins)
    network = network_of(system)
    v0 = each_input(0.0 if mean is None else mean, network.n_u, "mean")

    def run(du: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            return network.simulate(v0 + np.vstack([np.zeros_like(du), du]))[T:]

    return run, network.n_u, _common(network.input_units or ()), gain_unit(network)


def _common(units: Iterable[str]) -> str:
    """The unit that all have, "" where they differ."""
    found = set(units)
    return found.pop() if len(found) == 1 else ""
