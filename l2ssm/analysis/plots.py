"""The pictures. Every function returns a `matplotlib.figure.Figure`; `figure.axes` and `figure.savefig` do the rest.

Okabe-Ito colours, an unit on every axis, no pyplot and no global state: safe in threads, servers and headless machines.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from l2ssm.analysis import curves
from l2ssm.analysis.compare import Comparison, percent
from l2ssm.analysis.memory_plot import memory_figure as memory  # noqa: F401
from l2ssm.analysis.residuals import Residuals
from l2ssm.analysis.style import ALARM, BAND, COLOURS, INK, QUIET, STYLE, line, marker
from l2ssm.analysis.subject import measured
from l2ssm.errors import OptionError
from l2ssm.systems.state_space import StateSpace

P = ParamSpec("P")


def _styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    @wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return styled


def svg(figure: Figure) -> str:
    """The figure as SVG text: glyphs as paths, nothing that is fetched, no date; the same bytes every time."""
    text = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()


def data_uri(figure: Figure, largest: int = 300_000) -> str:
    """The figure as the address of an `img` that needs no file: SVG, or PNG where the SVG has more characters."""
    text = svg(figure)
    if len(text) <= largest:
        return "data:image/svg+xml;base64," + base64.b64encode(text.encode()).decode()
    image = io.BytesIO()
    figure.savefig(image, format="png", metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(image.getvalue()).decode()


@_styled
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
        upper.plot(_scale(curve.omega, hz), curve.gain[:, 0], label=curve.label, **line(i))
        lower.plot(_scale(curve.omega, hz), curve.phase, **line(i))
        _mark_peak(upper, curve, hz, i)
    upper.set_ylabel(f"magnitude ({curves.decibel_unit(systems)})")
    lower.set_ylabel("phase (degrees)")
    lower.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 1.5, 3, 4.5, 9, 10]))
    _frequency_axes([upper, lower], drawn, curves.sample_time(systems), hz)
    figure.legend(loc="outside upper left", ncols=1)
    return figure


@_styled
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
        omega, style = _scale(curve.omega, hz), line(i)
        axes.plot(omega, curve.gain[:, 0], label=curve.label, **style)
        if curve.gain.shape[1] > 1 and len(drawn) == 1:
            axes.fill_between(omega, curve.gain[:, -1], curve.gain[:, 0], color=style["color"], alpha=0.12, lw=0)
        _mark_peak(axes, curve, hz, i)
    tops = np.concatenate([c.gain[:, 0] for c in drawn])
    if np.any(np.isfinite(tops)):
        low, high = max(float(np.nanmin(tops)), float(np.nanmax(tops)) - 120), float(np.nanmax(tops))
        axes.set_ylim(low - max(3, 0.1 * (high - low)), high + max(3, 0.1 * (high - low)))
    axes.set_ylabel(f"largest singular value ({curves.decibel_unit(systems)})")
    _frequency_axes([axes], drawn, curves.sample_time(systems), hz)
    figure.legend(loc="outside upper left", ncols=1)
    return figure


@_styled
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
        times.plot(tau, _scale(np.angle(lam[kept]) / dt, hz), **look)
        delays, outside = delays + int(np.sum(lam == 0)), outside + int(np.sum(bad))
    plane.xaxis.set_major_locator(MaxNLocator(nbins=6))
    plane.yaxis.set_major_locator(MaxNLocator(nbins=6))
    plane.set(aspect="equal", xlabel="real part of z (-)", ylabel="imaginary part of z (-)")
    plane.set_title("z-plane" if not outside else f"z-plane: {outside} not inside the unit circle", color=INK)
    _time_axes(times, dt, hz, delays, outside)
    figure.legend(loc="outside upper left", ncols=min(4, len(systems)))
    return figure


@_styled
def compare(comparison: Comparison, record: int = 0, span: tuple[float, float] | None = None) -> Figure:
    """Measured and simulated outputs of one record over time (s), and the error of every model below each.

    Args:
        comparison: of `compare`; the fits in the titles are those of all its records.
        record: position of the record to draw.
        span: the time range to draw, in seconds of the record's own time axis.
    """
    chosen = comparison.records[record]
    n_y, y, start = len(comparison.output_names), measured(chosen), comparison.n_init
    figure = Figure(figsize=(11, 1.2 + 3.6 * n_y), layout="constrained")
    axes = figure.subplots(2 * n_y, 1, sharex=True, height_ratios=(3, 1.2) * n_y, squeeze=False)[:, 0]
    begin, end = span or (chosen.t[0], chosen.t[-1])
    seen = (chosen.t >= begin) & (chosen.t <= end)
    t = chosen.t[seen]
    for i, (name, unit) in enumerate(zip(comparison.output_names, comparison.output_units, strict=True)):
        overlay, strip = axes[2 * i], axes[2 * i + 1]
        overlay.plot(*curves.thinned(t, y[seen, i]), color=INK, lw=1.4, label="measured" if i == 0 else None)
        fits = []
        for k, (model, outputs) in enumerate(comparison.outputs.items()):
            simulated = curves.clipped(outputs[record][:, i], y[:, i])[seen]
            overlay.plot(*curves.thinned(t, simulated), label=model if i == 0 else None, **line(k))
            strip.plot(*curves.thinned(t, y[seen, i] - simulated), **(line(k) | {"lw": 1.1}))
            called = f"{model} " if len(comparison.outputs) > 1 else ""
            away = " (far outside the picture)" if np.any(np.isnan(simulated)) else ""
            fits.append(f"{called}{percent(comparison.scores[model].fit[i])}{away}")
        overlay.set_title(f"{name}: fit {', '.join(fits)}")
        overlay.set_ylabel(f"{name} ({unit or '-'})")
        strip.set_ylabel(f"error ({unit or '-'})")
        strip.axhline(0, color=QUIET, lw=0.8)
        for a in (overlay, strip):
            if start and begin <= chosen.t[0] + start * chosen.dt:
                a.axvspan(chosen.t[0], chosen.t[0] + start * chosen.dt, color=BAND, alpha=0.7, lw=0,
                          label="initial state, not scored" if (i, a) == (0, overlay) else None)  # fmt: skip
    which = f", record {chosen.name!r} (1 of {len(comparison.records)})" if len(comparison.records) > 1 else ""
    axes[-1].set_xlabel(f"time (s){which}")
    axes[-1].set_xlim(begin, end)
    figure.align_ylabels(axes)
    figure.legend(loc="outside upper left", ncols=min(4, 2 + len(comparison.outputs)))
    return figure


@_styled
def residuals(result: Residuals, outputs: int = 4, inputs: int = 3) -> Figure:
    """Autocorrelation of the residual and its correlation with past inputs; grey: the band if nothing is wrong.

    Args:
        result: of `residuals`.
        outputs, inputs: at most so many rows and input columns are drawn, the first ones.
    """
    rows, columns = min(outputs, len(result.output_names)), min(inputs, len(result.input_names))
    width = 1 + (1 + columns) * min(max(10 / (1 + columns), 2.75), 4.0)
    figure = Figure(figsize=(width, 2.3 * rows + 1), layout="constrained")
    grid = figure.subplots(rows, 1 + columns, sharex=True, squeeze=False)
    for i in range(rows):
        y = result.output_names[i]
        _correlation(grid[i, 0], result.lags[1:], result.auto[i, 1:], result.auto_band[i, 1:], f"{y} with its past")
        for j in range(columns):
            band = np.full(len(result.lags), result.cross_band[i, j])
            _correlation(
                grid[i, 1 + j], result.lags, result.cross[i, j], band, f"{y} with past {result.input_names[j]}"
            )
        grid[i, 0].set_ylabel("correlation (-)")
    _legend_of_correlations(figure, grid[0, 0], result.false_alarm)
    for a in grid[-1]:
        a.set_xlabel(f"lag (samples of {result.dt:.4g} s)")
    return figure


@_styled
def history(steps: Sequence[Mapping[str, Any]]) -> Figure:
    """Training and validation error over the optimisation steps; the step with the best validation error is marked.

    Args:
        steps: mappings with "step", and "train_mse" and "valid_mse" (standardised units) where known.
    """
    if not steps:
        raise OptionError("the training history is empty")
    figure, x = Figure(figsize=(8.5, 4.2), layout="constrained"), curves.column(steps, "step")
    axes = figure.subplots()
    for i, (key, label) in enumerate((("train_mse", "training"), ("valid_mse", "validation"))):
        values = curves.column(steps, key)
        if np.all(np.isnan(values)):
            continue
        axes.plot(x, values, label=label, marker="." if len(x) < 60 else None, **line(i))
        if key == "valid_mse":
            best = int(np.nanargmin(values))
            axes.plot(x[best], values[best], "o", ms=11, mfc="none", mec=INK, mew=1.6, label=f"best (step {x[best]:g})")
        if np.nanmin(values) > 0:
            axes.set_yscale("log")
    axes.set(xlabel="step (optimiser updates)", ylabel="mean squared error (standardised, -)")
    axes.legend()
    return figure


def _scale(omega: Any, hz: bool) -> Any:
    return omega / (2 * np.pi) if hz else omega


def _mark_peak(axes: Axes, curve: curves.Curve, hz: bool, i: int) -> None:
    if curve.peak is not None:
        axes.plot(_scale(curve.peak[0], hz), curve.peak[1], **(marker(1) | {"color": line(i)["color"]}), clip_on=False)


def _frequency_axes(axes: Sequence[Axes], drawn: Sequence[curves.Curve], dt: float, hz: bool) -> None:
    """A logarithmic axis with its unit, ending at the Nyquist frequency, which is marked."""
    nyquist = _scale(np.pi / dt, hz)
    for a in axes:
        a.set_xscale("log")
        a.axvline(nyquist, color=QUIET, lw=1, ls=":")
        if not any(np.any(np.isfinite(line_.get_ydata())) for line_ in a.lines[:-1]):
            a.text(0.5, 0.5, "zero at every frequency", transform=a.transAxes, ha="center", color=QUIET)
            a.set_yticks([])
    axes[-1].set_xlim(_scale(min(c.omega[0] for c in drawn), hz), nyquist * 1.02)
    axes[-1].set_xlabel(f"frequency ({'Hz' if hz else 'rad/s'}), dotted: Nyquist, {curves.frequency(np.pi / dt, hz)}")


def _time_axes(axes: Axes, dt: float, hz: bool, delays: int, outside: int) -> None:
    nyquist = _scale(np.pi / dt, hz)
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


def _legend_of_correlations(figure: Figure, axes: Axes, false_alarm: float) -> None:
    nothing: list[float] = []
    axes.fill_between(
        nothing, nothing, nothing, color=BAND, lw=0, label=f"{100 * (1 - false_alarm):g} % band, all lags"
    )
    axes.plot(nothing, nothing, "o", ms=5, color=COLOURS[0], label="inside")
    axes.plot(nothing, nothing, "D", ms=6, color=ALARM, label="outside: dependence")
    figure.legend(loc="outside upper left", ncols=3)


def _correlation(axes: Axes, lags: Any, rho: Any, band: Any, title: str) -> None:
    axes.set_title(title)
    if not np.all(np.isfinite(rho)):
        axes.text(0.5, 0.5, "does not vary: no test", transform=axes.transAxes, ha="center", color=QUIET)
        return
    axes.fill_between(lags, -band, band, color=BAND, lw=0)
    axes.vlines(lags, 0, rho, color=np.where(out := np.abs(rho) > band, ALARM, COLOURS[0]), lw=1.6)
    axes.plot(lags[~out], rho[~out], "o", ms=4, color=COLOURS[0])
    axes.plot(lags[out], rho[out], "D", ms=5, color=ALARM)
    axes.axhline(0, color=QUIET, lw=0.8)
    reach = max(1.15 * float(np.max(np.abs(rho))), 1.6 * float(np.max(band)))
    axes.set_ylim(-min(reach, 1.1), min(reach, 1.1))
