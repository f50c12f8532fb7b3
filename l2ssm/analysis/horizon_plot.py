"""The picture of prediction errors over the horizon; matplotlib is loaded when it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from l2ssm.analysis.style import INK, QUIET, legend_name, line, marker, short, styled
from l2ssm.errors import OptionError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from l2ssm.analysis.horizon import Horizon


@styled
def horizon_figure(found: Horizon | Mapping[str, Horizon]) -> Figure:
    """One panel an output: RMSE over the steps ahead (points), and that of the free run (dotted).

    Of a single model also the error that its noise model expects (dashed).

    Args:
        found: what `l2ssm.horizon` returned, of one model or of several by name.

    Raises:
        OptionError: nothing to draw, or results about different outputs.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import ScalarFormatter

    several = {legend_name(str(k)): one for k, one in found.items()} if isinstance(found, Mapping) else {"": found}
    if len({(one.output_names, one.output_units, one.dt) for one in several.values()}) != 1:
        raise OptionError(f"{len(several)} horizons: expected at least one, all of the same outputs, units and dt")
    first = next(iter(several.values()))
    n_y = len(first.output_names)
    figure = Figure(figsize=(8.0, 1.2 + 2.9 * n_y), layout="constrained")
    panels: Any = figure.subplots(n_y, 1, sharex=True, squeeze=False)[:, 0]
    for i, (axes, name, unit) in enumerate(zip(panels, first.output_names, first.output_units, strict=True)):
        for k, (model, one) in enumerate(several.items()):
            steps, look = one.steps[:-1], marker(k + 1) | {"linestyle": "-", "color": line(k)["color"]}
            axes.plot(steps, one.rmse[:-1, i], label=model or "measured", **look)
            if not model:
                axes.plot(
                    steps, one.expected[:-1, i], label="expected by the noise model", color=QUIET, ls="--", lw=1.3
                )
            free = {"color": look["color"]} if model else {"color": INK, "label": "free run"}
            axes.axhline(one.rmse[-1, i], lw=1.0, ls=":", **free)
        axes.set_ylim(bottom=0)
        axes.set_ylabel(f"RMSE of {short(name)} ({unit or '-'})")
    panels[-1].set_xscale("log")
    panels[-1].set_xticks(sorted({k for one in several.values() for k in one.steps[:-1]}))
    panels[-1].xaxis.set_major_formatter(ScalarFormatter())
    panels[-1].minorticks_off()
    panels[-1].set_xlabel(
        f"steps ahead (samples of {first.dt:.4g} s)" + (", dotted: free run" if len(several) > 1 else "")
    )
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return figure
