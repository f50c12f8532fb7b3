"""The numbers behind the pictures: frequency responses in decibels and degrees, long signals thinned for drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.analysis.style import legend_name
from l2ssm.analysis.subject import gain_unit
from l2ssm.errors import OptionError
from l2ssm.systems.frequency import frequency_grid, singular_values
from l2ssm.systems.state_space import StateSpace

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """One operator over frequency.

    Attributes:
        omega: (F,) in rad/s, ends at Nyquist.
        gain: (F, k) in dB; NaN where the gain is 0 or infinite.
        phase: (F,) unwrapped, in degrees, or None for singular values.
        label: what to write in the legend: the peak, or why there is none.
        peak: (omega in rad/s, dB) of the largest gain, or None.
    """

    omega: Array
    gain: Array
    phase: Array | None
    label: str
    peak: tuple[float, float] | None


def named(systems: StateSpace | Mapping[str, StateSpace], default: str = "G") -> dict[str, StateSpace]:
    """Several systems by name; a single one gets the default name.

    Raises:
        OptionError: not systems, none at all, one without channels, or different sampling times.
    """
    if not isinstance(systems, (StateSpace, Mapping)):
        kind = type(systems).__name__
        raise OptionError(f"cannot draw a {kind}; expected a StateSpace or a mapping, as of linear_operators(model)")
    found = {default: systems} if isinstance(systems, StateSpace) else dict(systems)
    if not found:
        raise OptionError("no linear operator to draw; the model has none, or the mapping is empty")
    for name, G in found.items():
        if not isinstance(G, StateSpace):
            raise OptionError(f"{name!r} is a {type(G).__name__}, expected a StateSpace")
        if 0 in (G.n_u, G.n_y):
            raise OptionError(f"{name!r} has {G.n_u} inputs and {G.n_y} outputs: there is nothing to draw")
    rates = {G.dt for G in found.values()}
    if len(rates) > 1:
        raise OptionError(f"the operators have different dt: {sorted(rates)} s; draw them separately")
    return {legend_name(str(name)): G for name, G in found.items()}


def entry(name: str, G: StateSpace, channel: tuple[int, int] | None) -> StateSpace:
    """The single-input single-output system to draw: G itself, or its entry channel = (output, input)."""
    if channel is None:
        if (G.n_y, G.n_u) != (1, 1):
            raise OptionError(
                f"{name} has {G.n_u} inputs and {G.n_y} outputs: choose channel=(output, input), or draw sigma(...)"
            )
        return G
    i, j = channel if isinstance(channel, Sequence) and len(channel) == 2 else (-1, -1)
    if not (isinstance(i, Integral) and isinstance(j, Integral) and 0 <= i < G.n_y and 0 <= j < G.n_u):
        raise OptionError(f"channel={channel} of {name}: expected output 0..{G.n_y - 1} and input 0..{G.n_u - 1}")
    names, units = (G.input_names or ())[j], (G.input_units or ())[j]
    out, out_unit = (G.output_names or ())[i], (G.output_units or ())[i]
    return StateSpace(G.A, G.B[:, [j]], G.C[[i]], G.D[[i]][:, [j]], G.dt, input_names=[names], input_units=[units],
                      output_names=[out], output_units=[out_unit])  # fmt: skip


def sample_time(systems: Mapping[str, StateSpace]) -> float:
    """The dt in s that all of the `named` systems have."""
    return next(iter(systems.values())).dt


def decibel_unit(systems: Mapping[str, StateSpace]) -> str:
    """ "dB", with the gain that is 0 dB where all channels of all systems agree on its unit."""
    unit = gain_unit(*systems.values())
    return f"dB re 1 {unit}" if unit else "dB"


def decibel(gain: Array) -> Array:
    """20 log10(gain); NaN where the gain is 0, infinite or NaN.

    >>> decibel(np.array([10.0, 0.0])).tolist()
    [20.0, nan]
    """
    usable = np.isfinite(gain) & (gain > 0)
    return np.where(usable, 20 * np.log10(np.where(usable, gain, 1.0)), np.nan)


def bode_curve(G: StateSpace, name: str, hz: bool, low: float) -> Curve:
    """Magnitude and phase of a SISO system from `low` (rad/s) on, on a grid with every resonance and the peak."""
    omega, label, peak = _grid(G, name, hz, low)
    H = G.frequency_response(omega)[:, 0, 0]
    usable = np.isfinite(H) & (H != 0)
    phase = np.full(len(H), np.nan)
    phase[usable] = np.rad2deg(np.unwrap(np.angle(H[usable])))
    return Curve(omega, decibel(np.abs(H))[:, None], phase, label, peak)


def sigma_curve(G: StateSpace, name: str, hz: bool, low: float) -> Curve:
    """All singular values of H, largest first, from `low` (rad/s) on, on a grid with every resonance and the peak."""
    omega, label, peak = _grid(G, name, hz, low)
    H = G.frequency_response(omega)
    finite = np.all(np.isfinite(H), axis=(1, 2))
    values = np.full((len(omega), min(G.n_y, G.n_u)), np.nan)
    values[finite] = singular_values(G, omega[finite])
    return Curve(omega, decibel(values), None, label, peak)


def frequency(omega: float, hz: bool) -> str:
    """A frequency with its unit.

    >>> frequency(2 * np.pi, hz=True), frequency(0.5, hz=False)
    ('1 Hz', '0.5 rad/s')
    """
    return f"{omega / (2 * np.pi):.3g} Hz" if hz else f"{omega:.3g} rad/s"


def lowest(systems: Mapping[str, StateSpace]) -> float:
    """The frequency in rad/s from which on there is something to see of any of the systems."""
    return min(float(frequency_grid(G, points=2)[0]) for G in systems.values())


def _grid(G: StateSpace, name: str, hz: bool, low: float) -> tuple[Array, str, tuple[float, float] | None]:
    """(frequencies, legend text, peak): the pole-aware grid with the peak of the H-infinity norm put in."""
    omega = frequency_grid(G)
    if low < omega[0]:
        omega = np.concatenate([np.geomspace(low, omega[0], 60)[:-1], omega])
    bracket = G.hinf()
    if not np.isfinite(bracket.upper):
        stable = "no finite gain" if G.is_schur() else "unstable, the curve is not a gain"
        return omega, f"{name} ({stable})", None
    if bracket.upper == 0:
        return omega, f"{name} (zero)", None
    level = 20 * np.log10(bracket.lower) if bracket.lower > 0 else np.nan
    place = frequency(bracket.omega_peak if bracket.omega_peak >= omega[0] else 0.0, hz)  # too low to tell from 0
    label = f"{name}: peak {bracket.lower:.4g} ({round(level, 1) + 0.0} dB) at {place}"
    if bracket.omega_peak > omega[0]:
        omega = np.unique(np.append(omega, bracket.omega_peak))
    return omega, label, (max(bracket.omega_peak, float(omega[0])), float(level))


def thinned(t: Array, y: Array, buckets: int = 1500) -> tuple[Array, Array]:
    """The same picture with fewer points: the minimum and the maximum of y in every bucket of samples, in time order.

    Args:
        t: (T,) times.
        y: (T,) values; a bucket of nothing but NaN is a gap.
        buckets: signals of at most twice as many samples are left as they are.

    >>> t, y = np.arange(10000.0), np.zeros(10000)
    >>> y[7777] = 5.0
    >>> len(thinned(t, y)[1]) < 3100, float(thinned(t, y)[1].max())
    (True, 5.0)
    """
    if len(y) <= 2 * buckets:
        return t, y
    edges = np.linspace(0, len(y), buckets + 1).astype(int)[:-1]
    group = np.repeat(np.arange(buckets), np.diff(np.append(edges, len(y))))
    order = np.lexsort((y, group))  # NaN last
    known = np.maximum(np.add.reduceat(~np.isnan(y), edges, dtype=int), 1)
    picked = np.unique(np.concatenate([order[edges], order[edges + known - 1]]))
    return t[picked], y[picked]


def clipped(simulated: Array, y: Array) -> Array:
    """The simulation, NaN where it is further from y than the range of y, so that a diverging run spoils no axis.

    >>> clipped(np.array([1.0, 9e9]), np.array([0.0, 2.0])).tolist()
    [1.0, nan]
    """
    measured = y[~np.isnan(y)]
    if not measured.size:
        return np.where(np.isfinite(simulated), simulated, np.nan)
    low, high = float(measured.min()), float(measured.max())
    room = (high - low) or 1.0
    with np.errstate(invalid="ignore", over="ignore"):
        near = (simulated <= high + room) & (simulated >= low - room)
    return np.where(near, simulated, np.nan)


def column(rows: Sequence[Mapping[str, Any]], key: str) -> Array:
    """One entry of every row as numbers; NaN where it is missing or not finite.

    >>> column([{"step": 1}, {"step": None}], "step").tolist()
    [1.0, nan]
    """
    values = np.array([np.nan if row.get(key) is None else float(row[key]) for row in rows])
    return np.where(np.isfinite(values), values, np.nan)


def errors(steps: Sequence[Mapping[str, Any]]) -> dict[str, Array]:
    """ "training" and "validation": the errors over a training history, those of which at least one is finite."""
    found = {"training": column(steps, "train_mse"), "validation": column(steps, "valid_mse")}
    return {name: values for name, values in found.items() if np.any(np.isfinite(values))}
