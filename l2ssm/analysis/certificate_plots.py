"""Pictures of what certificates are used for; matplotlib is loaded when they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from l2ssm.analysis.style import BAND, COLOURS, INK, QUIET, marker, short, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from l2ssm.certificates.tube import Tube


@styled
def sweep_figure(sweep: Any) -> Figure:
    """Validation error over gain: prescribed, proved and attained by the worst input found; what keeps the fit.

    Args:
        sweep: an `identification.sweep.GainSweep` with at least one fit that did not fail.
    """
    from matplotlib.figure import Figure

    from l2ssm.certificates.statement import rounded_up

    rows = [row for row in sweep.rows if np.isfinite(row.error)]
    figure = Figure(figsize=(8.0, 5.0), layout="constrained")
    axes: Any = figure.subplots()
    curve = [row for row in rows if row.prescribed is not None]
    axes.plot([row.prescribed for row in curve], [row.error for row in curve], color=QUIET, linewidth=1.0)
    for i, name in enumerate(("prescribed", "proved", "found")):
        points = [(getattr(row, name), row.error) for row in rows if getattr(row, name)]
        label = "worst input found" if name == "found" else name
        axes.plot(*np.reshape(points, (-1, 2)).T, label=label, **marker(i))
    for row in rows:
        gains = [gain for gain in (row.prescribed, row.proved, row.found) if gain]
        axes.plot([min(gains), max(gains)], [row.error] * 2, color=BAND, linewidth=1.5, zorder=0) if gains else None
        if row.prescribed is None and row.proved:
            axes.annotate("not prescribed", (row.proved, row.error), (0, 7), textcoords="offset points", ha="right")
    axes.axhspan(0, sweep.limit, color=BAND, alpha=0.5, zorder=0, label="keeps the fit")
    if sweep.chosen is not None:
        axes.axvline(
            sweep.chosen.proved, color=INK, linewidth=1.0, label=f"gamma = {rounded_up(sweep.chosen.proved, 4)}"
        )
    if sweep.linear is not None:
        axes.axvline(sweep.linear, color=QUIET, linewidth=1.0, linestyle=":", label="gain of the linear model")
    axes.set_xscale("log")
    axes.set_ylim(0, 1.1 * max([row.error for row in rows], default=1.0))
    axes.set_xlabel(f"gain ({sweep.unit or 'output units per input unit'})")
    axes.set_ylabel("validation error / standard deviation (1)")
    figure.legend(loc="outside right upper", fontsize=9)
    return figure


@styled
def tube_figure(tube: Tube) -> Figure:
    """One panel an output: the simulation and the interval that no admissible perturbation leaves.

    Args:
        tube: what `deviation_tube` returned.
    """
    from matplotlib.figure import Figure

    outputs = tube.y.shape[1]
    figure = Figure(figsize=(8.5, 1.2 + 2.8 * outputs), layout="constrained")
    panels = figure.subplots(outputs, 1, sharex=True, squeeze=False)[:, 0]
    for i, axes in enumerate(panels):
        _panel(axes, tube, i)
    panels[-1].set_xlabel("time (s)")
    panels[0].set_title(f"Guaranteed for {tube.condition}")
    return figure


def _panel(axes: Axes, tube: Tube, i: int) -> None:
    from l2ssm.analysis.subject import with_unit

    t, y = tube.dt * np.arange(len(tube.y)), tube.y[:, i]
    axes.fill_between(t, y - tube.radius, y + tube.radius, color=BAND, linewidth=0)
    axes.plot(t, y, color=COLOURS[0])
    axes.set_ylabel(with_unit(short(tube.output_names[i]), tube.output_units[i]))
