"""The picture of prediction errors over the horizon; matplotlib is loaded when it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from l2ssm.analysis.horizon import Horizon


def horizon_figure(result: Horizon) -> Figure:
    """One panel an output: RMSE over the steps ahead, what the noise model expects, and the free run as a line.

    Args:
        result: what `l2ssm.horizon` returned.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import ScalarFormatter

    from l2ssm.analysis.style import INK, QUIET, STYLE, line, marker

    steps, n_y = np.array(result.steps[:-1]), len(result.output_names)
    with rc_context(STYLE):
        figure = Figure(figsize=(8.0, 1.2 + 2.9 * n_y), layout="constrained")
        panels: Any = figure.subplots(n_y, 1, sharex=True, squeeze=False)[:, 0]
        for i, (axes, name, unit) in enumerate(zip(panels, result.output_names, result.output_units, strict=True)):
            measured = line(0) | marker(1) | {"linestyle": "-", "color": line(0)["color"]}
            axes.plot(steps, result.rmse[:-1, i], label="measured", **measured)
            axes.plot(steps, result.expected[:-1, i], label="expected by the noise model", color=QUIET, ls="--", lw=1.3)
            axes.axhline(result.rmse[-1, i], label="free run", color=INK, lw=1.0, ls=":")
            axes.set_ylim(bottom=0)
            axes.set_ylabel(f"RMSE of {name} ({unit or '-'})")
        panels[-1].set_xscale("log")
        panels[-1].set_xticks(steps)
        panels[-1].xaxis.set_major_formatter(ScalarFormatter())
        panels[-1].minorticks_off()
        panels[-1].set_xlabel(f"steps ahead (samples of {result.dt:.4g} s)")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return figure
