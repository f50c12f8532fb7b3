"""The picture of a memory shows the signal, what is recalled, and the error; wrong shapes are refused."""

from __future__ import annotations

import numpy as np
import pytest

from l2ssm.analysis.memory_plot import memory_figure
from l2ssm.errors import DataError


def test_memory_figure():
    t = np.linspace(0, 1, 50)
    u = np.sin(6 * t)
    late = np.where(t > 0.5, u + 0.25, np.nan)
    figure = memory_figure(t, u, {"good": u, "late": late, "bad": u + 1e6}, unit="V")
    good, late_axes, bad, empty = figure.axes
    assert [a.get_title(loc="left") for a in (good, late_axes, bad)] == [
        "good: RMS error 0",
        "late: RMS error 0.25",
        "bad: RMS error 1e+06",
    ]
    np.testing.assert_array_equal(late_axes.lines[0].get_ydata(), u)
    np.testing.assert_array_equal(late_axes.lines[1].get_ydata(), late)
    assert bad.get_ylim()[1] < 2  # what is far off does not spoil the axis
    assert not empty.get_visible()
    assert "(V)" in figure.get_supylabel()


@pytest.mark.parametrize("recalled", [{}, {"short": np.zeros(3)}])
def test_wrong_shapes(recalled):
    with pytest.raises(DataError, match="expected the same"):
        memory_figure(np.arange(5.0), np.zeros(5), recalled)
