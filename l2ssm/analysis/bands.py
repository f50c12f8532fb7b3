"""What several models say together: their middle and a band, of signals over time and of frequency responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from l2ssm.analysis.curves import decibel, entry, gain_unit
from l2ssm.analysis.metrics import Array
from l2ssm.errors import OptionError
from l2ssm.systems.frequency import frequency_grid
from l2ssm.systems.state_space import StateSpace

CENTRES = ("mean", "median")
POINTS = 100  # of the logarithmic part of the frequency grid of one system


@dataclass(frozen=True, eq=False)
class Band:
    """centre, low and high, arrays of one shape, elementwise over models."""

    centre: Array
    low: Array
    high: Array


@dataclass(frozen=True, eq=False)
class FrequencyBand:
    """The frequency responses of several systems, one channel.

    Attributes:
        omega: (F,) rad/s, up to Nyquist.
        gain: in dB.
        phase: in degrees, unwrapped.
        unit: of the gain that is 0 dB, "" where not known.
    """

    omega: Array
    gain: Band
    phase: Band
    unit: str


def band_of(samples: ArrayLike, levels: tuple[float, float] = (0.0, 1.0), centre: str = "median") -> Band:
    """The band between two quantiles over the first axis, and the mean or median.

    Args:
        samples: (models, ...).
        levels: two fractions, low < high; (0, 1) is from the smallest to the largest.
        centre: a name of `CENTRES`.

    Raises:
        OptionError: levels that are not 0 <= low < high <= 1, or an unknown centre.

    >>> band = band_of([[1.0], [2.0], [6.0]], centre="mean")
    >>> band.centre.tolist(), band.low.tolist(), band.high.tolist()
    ([3.0], [1.0], [6.0])
    """
    low, high = levels
    if not 0 <= low < high <= 1:
        raise OptionError(f"levels are {levels}, expected two fractions 0 <= low < high <= 1")
    if centre not in CENTRES:
        raise OptionError(f"centre is {centre!r}, expected one of {', '.join(CENTRES)}")
    values = np.asarray(samples, dtype=np.float64)
    middle = values.mean(axis=0) if centre == "mean" else np.median(values, axis=0)
    return Band(np.asarray(middle), *np.quantile(values, levels, axis=0))


def frequency_band(
    systems: Sequence[StateSpace], levels: tuple[float, float] = (0.0, 1.0), channel: tuple[int, int] | None = None
) -> FrequencyBand:
    """Median and band of the gain in dB and of the phase, on a grid that holds every resonance of every system.

    Args:
        systems: at least one, of the same channels and dt.
        levels: see `band_of`.
        channel: (output, input) index; needed where there are several.

    Raises:
        OptionError: no systems, different dt, no channel chosen, one that does not exist, or ill levels.
    """
    if len({G.dt for G in systems}) != 1:
        raise OptionError(f"{len(systems)} systems with dt in {sorted({G.dt for G in systems})}: expected one dt")
    single = [entry(f"system {i}", G, channel) for i, G in enumerate(systems)]
    grids = [frequency_grid(G, POINTS) for G in single]
    omega = np.unique(np.concatenate(grids))
    omega = omega[omega >= max(grid[0] for grid in grids)]
    H = np.array([G.frequency_response(omega)[:, 0, 0] for G in single])
    phase = np.rad2deg(np.unwrap(np.angle(H), axis=1))
    phase -= 360 * np.round((phase[:, :1] - phase[0, 0]) / 360)  # one branch for all
    return FrequencyBand(omega, band_of(decibel(np.abs(H)), levels), band_of(phase, levels), gain_unit(*single))
