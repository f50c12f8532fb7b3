"""Pictures of linear operators beside frequency: poles with time constants, step and impulse responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from l2ssm.analysis import curves
from l2ssm.analysis.frequency_plots import scaled
from l2ssm.analysis.style import ALARM, INK, QUIET, line, marker, short, styled
from l2ssm.errors import OptionError
from l2ssm.options import positive
from l2ssm.systems.state_space import StateSpace
from l2ssm.units import per

LONGEST = 5000  # samples of a response that is drawn
MOST = 4  # channels of a side that are drawn


@styled
def poles(G: StateSpace | Mapping[str, StateSpace], *, hz: bool = False) -> Figure:
    """The poles twice: in the z-plane with the unit circle, and as time constant (s) and oscillation frequency."""
    systems = curves.named(G)
    dt = curves.sample_time(systems)
    figure = Figure(figsize=(11, 5.4), layout="constrained")
    plane, times = figure.subplots(1, 2, width_ratios=(1, 1.15))
    angle = np.linspace(0, 2 * np.pi, 361)
    plane.plot(np.cos(angle), np.sin(angle), color=QUIET, lw=1.2)
    delays = outside = 0
    for i, (name, system) in enumerate(systems.items()):
        lam, look = system.poles(), marker(i)
        label = f"{name} ({system.n_x} poles)" if system.n_x else f"{name} (static)"
        plane.plot(lam.real, lam.imag, label=label, **look)
        bad = np.abs(lam) >= 1
        plane.plot(lam[bad].real, lam[bad].imag, "o", ms=15, mfc="none", mec=ALARM, mew=2)
        kept = ~bad & (np.abs(lam) > 0) & (lam.imag >= 0)
        tau = -dt / np.log(np.abs(lam[kept]))
        times.plot(tau, scaled(np.angle(lam[kept]) / dt, hz), **look)
        delays, outside = delays + int(np.sum(lam == 0)), outside + int(np.sum(bad))
    plane.xaxis.set_major_locator(MaxNLocator(nbins=6))
    plane.yaxis.set_major_locator(MaxNLocator(nbins=6))
    plane.set(aspect="equal", xlabel="real part of z (-)", ylabel="imaginary part of z (-)")
    plane.set_title("z-plane" if not outside else f"z-plane: {outside} not inside the unit circle", color=INK)
    _time_axes(times, dt, hz, delays, outside)
    figure.legend(loc="outside upper left", ncols=min(4, len(systems)))
    return figure


@styled
def step(G: StateSpace | Mapping[str, StateSpace], *, duration: float | None = None) -> Figure:
    """Response of every output (row) to a unit step of every input (column) at 0 s; dotted: where it settles.

    Args:
        G: one system, or several by name, of the same numbers of channels; the first 4 of each are drawn.
        duration: seconds; default five times the slowest time constant, at most 5000 samples.

    Raises:
        OptionError: different channels or dt, or a duration that is not positive.
    """
    return _responses(G, duration, integrated=True)


@styled
def impulse(G: StateSpace | Mapping[str, StateSpace], *, duration: float | None = None) -> Figure:
    """Response of every output (row) to a unit pulse of one sample of every input (column) at 0 s.

    Args, Raises: as of `step`.
    """
    return _responses(G, duration, integrated=False)


def _responses(G: StateSpace | Mapping[str, StateSpace], duration: float | None, integrated: bool) -> Figure:
    systems = curves.named(G)
    sizes = {(system.n_y, system.n_u) for system in systems.values()}
    if len(sizes) != 1:
        raise OptionError(f"systems with (outputs, inputs) {sorted(sizes)}: draw them separately")
    rows, columns = (min(n, MOST) for n in sizes.pop())
    dt, first = curves.sample_time(systems), next(iter(systems.values()))
    count = _samples(systems, duration, dt)
    figure = Figure(figsize=(2.2 + 3.1 * columns + 2.4 * (columns == 1), 1.4 + 2.3 * rows), layout="constrained")
    grid: Any = figure.subplots(rows, columns, sharex=True, squeeze=False)
    t = np.asarray(dt * np.arange(count), dtype=np.float64)
    for k, (name, system) in enumerate(systems.items()):
        for j in range(columns):
            u = np.zeros((count, system.n_u))
            u[: count if integrated else 1, j] = 1.0
            with np.errstate(over="ignore", invalid="ignore"):
                y = system.simulate(u)
            y = np.where(np.isfinite(y), y, np.nan)
            for i in range(rows):
                t_, y_ = curves.thinned(t, y[:, i])
                label = name if (i, j) == (0, 0) else None
                grid[i, j].plot(t_, y_, drawstyle="steps-post" if count < 200 else "default", label=label, **line(k))
        if integrated and system.is_schur():
            settled = system.frequency_response([0.0])[0].real
            for i, j in np.ndindex(rows, columns):
                grid[i, j].axhline(settled[i, j], color=QUIET, lw=1, ls=":")
    _label(grid, first)
    figure.legend(loc="outside upper left", ncols=min(4, len(systems)))
    return figure


def _label(grid: Any, G: StateSpace) -> None:
    ins, outs = tuple(G.input_names or ()), tuple(G.output_names or ())
    in_units, out_units = tuple(G.input_units or ()), tuple(G.output_units or ())
    for i, j in np.ndindex(*grid.shape):
        grid[i, j].set_ylabel(f"{short(outs[i])} ({per(out_units[i], in_units[j]) or '-'})")
        grid[i, j].yaxis.set_major_locator(MaxNLocator(nbins=5))
        grid[i, j].xaxis.set_major_locator(MaxNLocator(nbins=6))
        if i == 0:
            grid[i, j].set_title(f"from {short(ins[j], 24)}")
    for axes in grid[-1]:
        axes.set_xlabel("time (s)")


def _samples(systems: Mapping[str, StateSpace], duration: float | None, dt: float) -> int:
    if duration is not None:
        return int(min(max(np.ceil(positive("duration", duration, "time in seconds") / dt) + 1, 2), LONGEST))
    modulus = [abs(z) for G in systems.values() for z in G.poles()]
    if any(m >= 1 for m in modulus):
        return 60
    slowest = max([-5 / np.log(m) for m in modulus if m > 0], default=0.0)
    return int(min(max(slowest, 20, 2 * len(modulus)), LONGEST))


def _time_axes(axes: Axes, dt: float, hz: bool, delays: int, outside: int) -> None:
    nyquist = scaled(np.pi / dt, hz)
    axes.axhline(nyquist, color=QUIET, lw=1, ls=":")
    if any(np.size(line_.get_xdata()) for line_ in axes.lines[:-1]):
        axes.set_xscale("log")
    else:
        axes.text(0.5, 0.5, "no pole with a time constant", transform=axes.transAxes, ha="center", color=QUIET)
        axes.set_xticks([])
    axes.set_yscale("symlog", linthresh=1e-3 * nyquist)
    axes.set_ylim(-2e-4 * nyquist, 1.4 * nyquist)
    axes.set(xlabel="time constant (s)", ylabel=f"oscillation frequency ({'Hz' if hz else 'rad/s'}), dotted: Nyquist")
    missing = [f"{n} {what}" for n, what in ((delays, "delay (z = 0)"), (outside, "not stable")) if n]
    axes.set_title(f"left out: {', '.join(missing)}" if missing else "time constants and frequencies")
