"""The picture of a memory: a signal and what several memories recall of it; matplotlib is loaded when it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from l2ssm.analysis.style import QUIET, line, styled
from l2ssm.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def memory_figure(t: ArrayLike, signal: ArrayLike, recalled: Mapping[str, ArrayLike], *, unit: str = "-") -> Figure:
    """One panel a memory: the signal, what is recalled of it, and the root mean square of the difference.

    Args:
        t: (T,) seconds.
        signal: (T,) what was to be remembered.
        recalled: by name, (T,) what is recalled; NaN where the memory does not claim to know.
        unit: of the signal.

    Raises:
        DataError: nothing recalled, or another number of samples.
    """
    t, signal = np.asarray(t, dtype=np.float64), np.asarray(signal, dtype=np.float64)
    curves = {name: np.asarray(values, dtype=np.float64) for name, values in recalled.items()}
    if not curves or any(values.shape != t.shape for values in (signal, *curves.values())):
        shapes = {name: values.shape for name, values in curves.items()}
        raise DataError(f"t {t.shape}, signal {signal.shape}, recalled {shapes}: expected the same (T,), at least one")
    return _draw(t, signal, curves, unit)


@styled
def _draw(t: Any, signal: Any, curves: Mapping[str, Any], unit: str) -> Figure:
    from matplotlib.figure import Figure

    rows = -(-len(curves) // 2)
    figure = Figure(figsize=(12, 0.7 + 2.3 * rows), layout="constrained")
    grid = figure.subplots(rows, 2, sharex=True, sharey=True, squeeze=False)
    room = 0.15 * float(np.ptp(signal))
    for i, (name, values) in enumerate(curves.items()):
        axes = grid.flat[i]
        error = float(np.sqrt(np.nanmean((values - signal) ** 2)))
        axes.plot(t, signal, color=QUIET, linewidth=1.0)
        axes.plot(t, values, **(line(i) | {"linestyle": "-", "linewidth": 1.4}))
        axes.set_title(f"{name}: RMS error {error:.2g}")
        axes.set_ylim(float(np.min(signal)) - room, float(np.max(signal)) + room)
    for axes in grid.flat[len(curves) :]:
        axes.set_visible(False)
        grid[-2, 1].tick_params(labelbottom=rows > 1)  # the time axis of the column ends a row earlier
    figure.supxlabel("time (s)", fontsize="medium")
    figure.supylabel(f"signal ({unit}), grey; recalled, coloured", fontsize="medium")
    return figure
