"""The pictures. Every function returns a `matplotlib.figure.Figure`; `figure.axes` and `figure.savefig` do the rest.

Okabe-Ito colours, an unit on every axis, no pyplot and no global state: safe in threads, servers and headless machines.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image  # what matplotlib writes PNG with

from l2ssm.analysis import curves
from l2ssm.analysis.band_plots import bode_band_figure as bode_band
from l2ssm.analysis.band_plots import simulation_band_figure as simulation_band
from l2ssm.analysis.certificate_plots import sweep_figure as sweep
from l2ssm.analysis.certificate_plots import tube_figure as tube
from l2ssm.analysis.compare import Comparison, percent
from l2ssm.analysis.energy_plots import dissipation, gain, worst
from l2ssm.analysis.frequency_plots import bode, frequency, nyquist, sigma
from l2ssm.analysis.horizon_plot import horizon_figure as horizon
from l2ssm.analysis.memory_plot import memory_figure as memory
from l2ssm.analysis.operator_plots import impulse, poles, step
from l2ssm.analysis.residuals import Residuals
from l2ssm.analysis.style import ALARM, BAND, COLOURS, INK, QUIET, STYLE, legend_name, line, short, styled
from l2ssm.analysis.subject import measured
from l2ssm.analysis.validation_plot import validation_figure as validation
from l2ssm.errors import OptionError
from l2ssm.options import integer

__all__ = [
    "bode",
    "bode_band",
    "compare",
    "data_uri",
    "dissipation",
    "frequency",
    "gain",
    "history",
    "horizon",
    "impulse",
    "memory",
    "nyquist",
    "poles",
    "residuals",
    "sigma",
    "simulation_band",
    "step",
    "svg",
    "sweep",
    "tube",
    "validation",
    "worst",
]

FEWEST_PER_POINT = 8  # characters of an SVG for a point of a curve that is not simplified away, at least
COLOURS_OF_PNG = 64  # enough for lines with smooth edges, and a third of the size


def svg(figure: Figure) -> str:
    """The figure as SVG text: glyphs as paths, nothing that is fetched, no date; the same bytes every time.

    Args:
        figure: a matplotlib figure.
    """
    text = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()


def data_uri(figure: Figure, largest: int = 300_000) -> str:
    """The figure as the address of an `img` that needs no file: SVG, or PNG where the SVG has more characters.

    Args:
        figure: a matplotlib figure.
        largest: characters of the SVG above which it becomes a PNG.
    """
    points = sum(np.size(one.get_xdata()) for axes in figure.axes for one in axes.lines)
    text = svg(figure) if points * FEWEST_PER_POINT <= largest else ""
    if text and len(text) <= largest:
        return "data:image/svg+xml;base64," + base64.b64encode(text.encode()).decode()
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png")
    Image.open(drawn).convert("RGB").quantize(COLOURS_OF_PNG, dither=Image.Dither.NONE).save(
        small, "png", optimize=True
    )
    return "data:image/png;base64," + base64.b64encode(small.getvalue()).decode()


@styled
def compare(comparison: Comparison, record: int = 0, span: tuple[float, float] | None = None) -> Figure:
    """Measured and simulated (or predicted) outputs of one record over time (s), the error of every model below each.

    Args:
        comparison: of `compare`; the fits in the titles are those of all its records.
        record: position of the record to draw.
        span: the time range to draw, in seconds of the record's own time axis.

    Raises:
        OptionError: a record that there is not, or a span without two of its samples.
    """
    if integer("record", record, 0) >= len(comparison.records):
        raise OptionError(f"record is {record}, expected one of the {len(comparison.records)}, counted from 0")
    chosen = comparison.records[record]
    n_y, y, start = len(comparison.output_names), measured(chosen), comparison.n_init
    figure = Figure(figsize=(11, 1.2 + 3.6 * n_y), layout="constrained")
    axes = figure.subplots(2 * n_y, 1, sharex=True, height_ratios=(3, 1.2) * n_y, squeeze=False)[:, 0]
    if span is not None and np.shape(span) != (2,):
        raise OptionError(f"span is {span!r}, expected (begin, end) in seconds")
    begin, end = (chosen.t[0], chosen.t[-1]) if span is None else span
    seen = (chosen.t >= begin) & (chosen.t <= end)
    if span is not None and np.sum(seen) < 2:
        raise OptionError(f"span is {span}, the record from {chosen.t[0]:g} to {chosen.t[-1]:g} s")
    t = chosen.t[seen]
    for i, (name, unit) in enumerate(zip(comparison.output_names, comparison.output_units, strict=True)):
        overlay, strip = axes[2 * i], axes[2 * i + 1]
        known = ~np.isnan(y[seen, i])
        _measured(overlay, t, y[seen, i], known, color=INK, lw=1.4, label="measured" if i == 0 else None)
        fits = []
        for k, (model, outputs) in enumerate(comparison.outputs.items()):
            simulated = curves.clipped(outputs[record][:, i], y[:, i])[seen]
            overlay.plot(*curves.thinned(t, simulated), label=legend_name(model) if i == 0 else None, **line(k))
            _measured(strip, t, y[seen, i] - simulated, known, **(line(k) | {"lw": 1.1}))
            called = f"{model} " if len(comparison.outputs) > 1 else ""
            away = " (far outside the picture)" if np.any(np.isnan(simulated)) else ""
            fits.append(f"{called}{percent(comparison.scores[model].fit[i])}{away}")
        overlay.set_title(f"{name}: fit {', '.join(fits)}")
        overlay.set_ylabel(f"{short(name)} ({unit or '-'})")
        strip.set_ylabel(f"error ({unit or '-'})")
        strip.axhline(0, color=QUIET, lw=0.8)
        for a in (overlay, strip):
            if start and begin <= chosen.t[0] + start * chosen.dt:
                a.axvspan(chosen.t[0], chosen.t[0] + start * chosen.dt, color=BAND, alpha=0.7, lw=0,
                          label="initial state, not scored" if (i, a) == (0, overlay) else None)  # fmt: skip
    which = f", record {chosen.name!r} (1 of {len(comparison.records)})" if len(comparison.records) > 1 else ""
    ahead = "" if np.isinf(comparison.k) else f", predicted {comparison.method}"
    axes[-1].set_xlabel(f"time (s){which}{ahead}")
    axes[-1].set_xlim(begin, end)
    figure.align_ylabels(axes)
    figure.legend(loc="outside upper left", ncols=min(4, 2 + len(comparison.outputs)))
    return figure


@styled
def residuals(result: Residuals, outputs: int = 4, inputs: int = 3) -> Figure:
    """Autocorrelation of the residual and its correlation with past inputs; grey: the band if nothing is wrong.

    The first input whose square a residual depends on gets a column for that, too.

    Args:
        result: of `residuals`.
        outputs, inputs: at most so many rows and input columns are drawn, the first ones.
    """
    rows = min(integer("outputs", outputs, 1), len(result.output_names))
    columns = min(integer("inputs", inputs, 0), len(result.input_names))
    squares = sorted({j for _, j in result.nonlinear})[:1]
    count = 1 + columns + len(squares)
    width = min(max(10 / count, 2.75), 4.0)
    letters = int(5.5 * (width - 1))  # that each of two names in a title has room for
    figure = Figure(figsize=(1 + count * width, 2.3 * rows + 1), layout="constrained")
    grid = figure.subplots(rows, count, sharex=True, squeeze=False)
    for i in range(rows):
        y, past = short(result.output_names[i], letters), [short(name, letters) for name in result.input_names]
        _correlation(grid[i, 0], result.lags[1:], result.auto[i, 1:], result.auto_band[i, 1:], f"{y} with its past")
        for j in range(columns):
            band = np.full(len(result.lags), result.cross_band[i, j])
            _correlation(grid[i, 1 + j], result.lags, result.cross[i, j], band, f"{y} with past {past[j]}")
        for j in squares:
            band = np.full(len(result.lags), result.square_band[i, j])
            name = f"{y} with past {past[j]}²"
            _correlation(grid[i, -1], result.lags, result.square[i, j], band, name)
        grid[i, 0].set_ylabel("correlation (-)")
    _legend_of_correlations(figure, grid[0, 0], result.false_alarm)
    for a in grid[-1]:
        a.set_xlabel(f"lag (samples of {result.dt:.4g} s)")
    return figure


@styled
def history(steps: Sequence[Mapping[str, Any]]) -> Figure:
    """Training and validation error over the optimisation steps; the step with the best validation error is marked.

    Args:
        steps: mappings with "step", and "train_mse" and "valid_mse" (standardised units) where known.

    Raises:
        OptionError: no finite error in it.
    """
    found = curves.errors(steps)
    if not found:
        raise OptionError(f"{len(steps)} steps of training without a finite train_mse or valid_mse: nothing to draw")
    figure, x = Figure(figsize=(8.5, 4.2), layout="constrained"), curves.column(steps, "step")
    axes = figure.subplots()
    for i, (label, values) in enumerate(found.items()):
        axes.plot(x, values, label=label, marker="." if len(x) < 60 else None, **line(i))
        if label == "validation":
            best = int(np.nanargmin(values))
            axes.plot(x[best], values[best], "o", ms=11, mfc="none", mec=INK, mew=1.6, label=f"best (step {x[best]:g})")
        if np.nanmin(values) > 0:
            axes.set_yscale("log")
    axes.set(xlabel="step (optimiser updates)", ylabel="mean squared error (standardised, -)")
    axes.legend()
    return figure


def _measured(axes: Axes, t: Any, values: Any, known: Any, **look: Any) -> None:
    """A line; dots where some samples were not measured, as a line does not show the lone ones between gaps."""
    if not known.any():
        axes.text(0.5, 0.5, "not measured here", transform=axes.transAxes, ha="center", color=QUIET)
    dots = {} if known.all() else {"linestyle": "none", "marker": ".", "markersize": 4}
    axes.plot(*curves.thinned(t[known], values[known]), **(look | dots))


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
