"""Pictures over frequency: Bode, singular values, Nyquist, and measured responses over those of systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from l2ssm.analysis import curves
from l2ssm.analysis.frequency_response import FrequencyResponse
from l2ssm.analysis.style import DASHES, INK, QUIET, legend_name, line, marker, styled
from l2ssm.analysis.subject import gain_unit
from l2ssm.errors import OptionError
from l2ssm.systems.state_space import StateSpace
from l2ssm.units import per

NOTHING = -1000.0  # dB; below every axis


@styled
def bode(
    G: StateSpace | Mapping[str, StateSpace], *, hz: bool = False, channel: tuple[int, int] | None = None
) -> Figure:
    """Magnitude (dB) and phase (degrees) over frequency, on a grid that holds every resonance, up to Nyquist.

    Args:
        G: one system, or several by name; single input and single output unless a channel is chosen.
        hz: frequency axis in Hz instead of rad/s.
        channel: (output, input) index of the entry to draw of systems with more channels.

    Raises:
        OptionError: more than one channel and none chosen, or one that does not exist.
    """
    systems = {name: curves.entry(name, system, channel) for name, system in curves.named(G).items()}
    drawn = [curves.bode_curve(system, name, hz, curves.lowest(systems)) for name, system in systems.items()]
    figure = Figure(figsize=(8.5, 6.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for i, curve in enumerate(drawn):
        upper.plot(scaled(curve.omega, hz), curve.gain[:, 0], label=curve.label, **line(i))
        lower.plot(scaled(curve.omega, hz), curve.phase, **line(i))
        _mark_peak(upper, curve, hz, i)
    upper.set_ylabel(f"magnitude ({curves.decibel_unit(systems)})")
    lower.set_ylabel("phase (degrees)")
    lower.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 1.5, 3, 4.5, 9, 10]))
    _frequency_axes([upper, lower], min(c.omega[0] for c in drawn), curves.sample_time(systems), hz)
    figure.legend(loc="outside upper left", ncols=1)
    return figure


@styled
def sigma(G: StateSpace | Mapping[str, StateSpace], *, hz: bool = False) -> Figure:
    """The largest singular value over frequency; of a single system also the range down to the smallest, as a shade.

    Args:
        G: one system, or several by name, of any size.
        hz: frequency axis in Hz instead of rad/s.
    """
    systems = curves.named(G)
    drawn = [curves.sigma_curve(system, name, hz, curves.lowest(systems)) for name, system in systems.items()]
    figure = Figure(figsize=(8.5, 5.0), layout="constrained")
    axes = figure.subplots()
    for i, curve in enumerate(drawn):
        omega, style = scaled(curve.omega, hz), line(i)
        axes.plot(omega, curve.gain[:, 0], label=curve.label, **style)
        if curve.gain.shape[1] > 1 and len(drawn) == 1:
            axes.fill_between(omega, curve.gain[:, -1], curve.gain[:, 0], color=style["color"], alpha=0.12, lw=0)
        _mark_peak(axes, curve, hz, i)
    tops = np.concatenate([c.gain[:, 0] for c in drawn])
    if np.any(np.isfinite(tops)):
        low, high = max(float(np.nanmin(tops)), float(np.nanmax(tops)) - 120), float(np.nanmax(tops))
        axes.set_ylim(low - max(3, 0.1 * (high - low)), high + max(3, 0.1 * (high - low)))
    axes.set_ylabel(f"largest singular value ({curves.decibel_unit(systems)})")
    _frequency_axes([axes], min(c.omega[0] for c in drawn), curves.sample_time(systems), hz)
    figure.legend(loc="outside upper left", ncols=1)
    return figure


@styled
def nyquist(
    G: StateSpace | Mapping[str, StateSpace], *, channel: tuple[int, int] | None = None, hz: bool = False
) -> Figure:
    """H in the complex plane from steady state (dot) to Nyquist, mirrored below in grey; the cross is -1.

    Args:
        G: one system, or several by name; single input and single output unless a channel is chosen.
        channel: (output, input) index of the entry to draw of systems with more channels.
        hz: the frequency of the largest gain in Hz instead of rad/s.

    Raises:
        OptionError: more than one channel and none chosen, or one that does not exist.
    """
    systems = {name: curves.entry(name, system, channel) for name, system in curves.named(G).items()}
    low = curves.lowest(systems)
    figure = Figure(figsize=(7.5, 6.8), layout="constrained")
    axes = figure.subplots()
    for i, (name, system) in enumerate(systems.items()):
        curve = curves.bode_curve(system, name, hz, low)
        grid = np.concatenate([[0.0], curve.omega])
        omega = np.interp(np.arange(8 * grid.size - 7) / 8, np.arange(grid.size), grid)  # circles without corners
        H = system.frequency_response(omega)[:, 0, 0]
        H = np.where(np.isfinite(H), H, np.nan)
        axes.plot(H.real, -H.imag, color=QUIET, lw=0.8)
        axes.plot(H.real, H.imag, label=curve.label, **line(i))
        axes.plot(H.real[0], H.imag[0], "o", ms=6, color=line(i)["color"])
    axes.plot(-1.0, 0.0, "+", ms=12, mew=2, color=INK)
    unit = gain_unit(*systems.values()) or "-"
    axes.set_aspect("equal", adjustable="datalim")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.set(xlabel=f"real part of H ({unit})", ylabel=f"imaginary part of H ({unit})")
    figure.legend(loc="outside upper left", ncols=1)
    return figure


@styled
def frequency(
    found: StateSpace | FrequencyResponse | Mapping[str, StateSpace | FrequencyResponse],
    *,
    channel: tuple[int, int] = (0, 0),
    hz: bool = True,
    confidence: float = 0.95,
) -> Figure:
    """Measured responses with their confidence band, and lines of systems, of one channel: magnitude and phase.

    Points that are smaller than the radius of their band are left out; the band there goes down to nothing. A best
    linear approximation also shows the level of noise (dotted) and of distortion (dashed) in one realization.

    Args:
        found: systems (lines) and results of `frf` and `bla` (points), one or several by name.
        channel: (output, input) index; of several channels the picture names the one it shows.
        hz: frequency axis in Hz instead of rad/s.
        confidence: of the bands.

    Raises:
        OptionError: nothing to draw, different dt, or a channel that does not exist.
    """
    responses = _named(found)
    figure = Figure(figsize=(8.5, 6.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    seen = [_measured(upper, lower, name, one, channel, hz, confidence, i)
            for i, (name, one) in enumerate(responses.items()) if isinstance(one, FrequencyResponse)]  # fmt: skip
    systems = {n: curves.entry(n, one, channel) for n, one in responses.items() if isinstance(one, StateSpace)}
    low = min([*seen, *([curves.lowest(systems)] if systems and not seen else [])])
    for i, (name, one) in enumerate(responses.items()):
        if isinstance(one, StateSpace):
            curve = curves.bode_curve(systems[name], name, hz, low)
            here = curve.omega >= low
            assert curve.phase is not None
            upper.plot(scaled(curve.omega, hz)[here], curve.gain[here, 0], label=name, zorder=3, **line(i))
            lower.plot(scaled(curve.omega, hz)[here], _near_zero(curve.phase[here]), zorder=3, **line(i))
    _limit(upper)
    first = next(iter(responses.values()))
    outs, ins = tuple(first.output_names or ()), tuple(first.input_names or ())
    if len(outs) * len(ins) > 1:
        upper.set_title(f"from {ins[channel[1]]} to {outs[channel[0]]}")
    units = {_unit(one, channel) for one in responses.values()}
    unit = units.pop() if len(units) == 1 else ""
    upper.set_ylabel(f"magnitude (dB re 1 {unit})" if unit else "magnitude (dB)")
    lower.set_ylabel("phase (degrees)")
    lower.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 1.5, 3, 4.5, 9, 10]))
    _frequency_axes([upper, lower], low, first.dt, hz)
    figure.legend(loc="outside upper left", ncols=2)
    return figure


def _named(found: Any) -> dict[str, StateSpace | FrequencyResponse]:
    """One or several responses by the name in the legend; OptionError unless there are some, of one dt."""
    if isinstance(found, (StateSpace, FrequencyResponse)):
        found = {"measured" if isinstance(found, FrequencyResponse) else "G": found}
    kinds = {type(one) for one in found.values()} if isinstance(found, Mapping) else {type(found)}
    if not kinds or not kinds <= {StateSpace, FrequencyResponse}:
        given = ", ".join(sorted(kind.__name__ for kind in kinds)) or "nothing"
        raise OptionError(f"given {given}: expected systems and results of frf and bla, by name")
    dts = {one.dt for one in found.values()}
    if len(dts) != 1:
        raise OptionError(f"{len(found)} responses with dt in {sorted(dts)} s: expected one dt")
    return {legend_name(str(name)): one for name, one in found.items()}


def _measured(
    upper: Axes,
    lower: Axes,
    name: str,
    one: FrequencyResponse,
    channel: tuple[int, int],
    hz: bool,
    level: float,
    order: int,
) -> float:
    """Points, band and levels of one measured response; the lowest frequency, rad/s."""
    i, j = channel
    if not (0 <= i < one.H.shape[1] and 0 <= j < one.H.shape[2]):
        raise OptionError(f"channel={channel} of {name}: expected output and input below {one.H.shape[1:]}")
    radius, size, colour = one.radius(level)[:, i, j], np.abs(one.H[:, i, j]), line(order)["color"]
    sure = radius < size
    low = np.where(sure, curves.decibel(size - radius), NOTHING)
    x, H = scaled(one.omega, hz)[sure], one.H[sure, i, j]
    points = {"color": colour, "marker": ".", "markersize": 4, "linestyle": "none"}
    high = curves.decibel(size + radius)
    upper.fill_between(scaled(one.omega, hz), low, high, color=colour, alpha=0.18, lw=0)
    upper.plot(x, curves.decibel(size[sure]), label=f"{name}, {100 * level:g} % band", **points)
    lower.plot(x, _near_zero(np.rad2deg(np.unwrap(np.angle(H)))), **points)
    for what, values, dashes in (("noise", one.noise, DASHES[2]), ("distortion", one.distortion, DASHES[1])):
        if values is not None and np.max(values) > 1e-9 * np.max(size, initial=0.0):
            drawn = curves.decibel(values[:, i, j])
            label = f"{name}: {what}"
            upper.plot(scaled(one.omega, hz), drawn, color=colour, lw=1.1, linestyle=dashes, label=label)
    return float(one.omega[0])


def _limit(axes: Axes) -> None:
    """At most 100 dB below the highest point."""
    drawn = np.concatenate([np.asarray(one.get_ydata(), dtype=np.float64) for one in axes.lines] or [np.zeros(0)])
    drawn = drawn[np.isfinite(drawn)]
    if drawn.size:
        top, bottom = float(drawn.max()), max(float(drawn.min()), float(drawn.max()) - 100)
        axes.set_ylim(bottom - 0.06 * (top - bottom) - 1, top + 0.06 * (top - bottom) + 1)


def _near_zero(phase: Any) -> Any:
    """The same phase, whole turns away so that its first value is within (-180, 180]."""
    return phase - 360 * np.round(phase[0] / 360) if len(phase) else phase


def _unit(one: StateSpace | FrequencyResponse, channel: tuple[int, int]) -> str:
    y, u = (one.output_units or ())[channel[0]], (one.input_units or ())[channel[1]]
    return per(y, u)


def scaled(omega: Any, hz: bool) -> Any:
    """rad/s, or the same in Hz."""
    return omega / (2 * np.pi) if hz else omega


def _mark_peak(axes: Axes, curve: curves.Curve, hz: bool, i: int) -> None:
    if curve.peak is not None:
        axes.plot(scaled(curve.peak[0], hz), curve.peak[1], **(marker(1) | {"color": line(i)["color"]}), clip_on=False)


def _frequency_axes(axes: Sequence[Axes], low: float, dt: float, hz: bool) -> None:
    """A logarithmic axis with its unit, ending at the Nyquist frequency, which is marked."""
    nyquist = scaled(np.pi / dt, hz)
    for a in axes:
        a.set_xscale("log")
        a.axvline(nyquist, color=QUIET, lw=1, ls=":")
        if not any(np.any(np.isfinite(line_.get_ydata())) for line_ in a.lines[:-1]):
            a.text(0.5, 0.5, "zero at every frequency", transform=a.transAxes, ha="center", color=QUIET)
            a.set_yticks([])
    axes[-1].set_xlim(scaled(low, hz), nyquist * 1.02)
    axes[-1].set_xlabel(f"frequency ({'Hz' if hz else 'rad/s'}), dotted: Nyquist, {curves.frequency(np.pi / dt, hz)}")
