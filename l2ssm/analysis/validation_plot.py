"""The picture of a validation: H-infinity over gamma of every draw; matplotlib is loaded when it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from l2ssm.analysis.style import ALARM, marker, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from l2ssm.identification.validate import Validation


@styled
def validation_figure(validation: Validation) -> Figure:
    """One column a row of the table, one point a draw, coloured by the scale of its parameters; the bound is a line."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.6 + 1.1 * len(validation.rows), 4.8), layout="constrained")
    axes: Any = figure.subplots()
    scales = sorted({scale for row in validation.rows for scale in row.scales})
    for column, row in enumerate(validation.rows):
        offsets = np.linspace(-0.3, 0.3, max(len(row.ratios), 1))
        for i, scale in enumerate(scales):
            here = [k for k, drawn in enumerate(row.scales) if drawn == scale]
            points = [max(row.ratios[k], 1e-8) for k in here]
            label = f"scale {scale:g}" if column == 0 else None
            axes.plot(column + offsets[here], points, label=label, **{**marker(i), "markersize": 5})
    axes.axhline(1.0, color=ALARM, linewidth=1.2)
    axes.set_yscale("log")
    axes.set_ylabel("H-infinity norm / gamma (1)")
    axes.set_title("Random parameters against the prescribed gain")
    names = [f"{row.name}\n{row.dtype}" for row in validation.rows]
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right", fontsize=9)
    figure.legend(loc="outside right upper", fontsize=9)
    return figure
