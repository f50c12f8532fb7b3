"""The pictures of a sweep and of a tube show the numbers they are made from."""

from __future__ import annotations

import math

import numpy as np
import pytest

from l2ssm.analysis.certificate_plots import sweep_figure, tube_figure
from l2ssm.certificates.compose import certify
from l2ssm.certificates.tube import deviation_tube
from l2ssm.identification.sweep import GainSweep, SweepRow
from l2ssm.systems.state_space import StateSpace


@pytest.fixture
def sweep():
    rows = (
        SweepRow(None, 300.0, 7.0, (0.1,), 0.10, 1.0),
        SweepRow(2.0, 1.9, 1.8, (0.3,), 0.30, 1.0),
        SweepRow(8.0, 7.5, 7.0, (0.1,), 0.10, 1.0),
        SweepRow(16.0, None, None, (), math.inf, 1.0, "no finite error"),
    )
    return GainSweep(rows, 0.05, "mm/V", 4.0)


def test_sweep(sweep):
    figure = sweep_figure(sweep)
    (axes,) = figure.axes
    drawn = {line.get_label(): line.get_xydata() for line in axes.lines}
    np.testing.assert_array_equal(drawn["prescribed"], [[2.0, 0.3], [8.0, 0.1]])
    np.testing.assert_array_equal(drawn["proved"], [[300.0, 0.1], [1.9, 0.3], [7.5, 0.1]])
    np.testing.assert_array_equal(drawn["worst input found"], [[7.0, 0.1], [1.8, 0.3], [7.0, 0.1]])
    assert "gamma = 7.5" in drawn
    assert axes.get_xlabel() == "gain (mm/V)"
    figure.canvas.draw()


def test_sweep_without_any_result():
    sweep_figure(GainSweep((SweepRow(1.0, None, None, (), math.inf, 1.0, "failed"),), 0.05, "", None)).canvas.draw()


def test_tube():
    G = StateSpace([[0.5]], [[1.0]], [[1.0], [2.0]], [[0.0], [0.0]], 0.1, output_names=["a", "b"], input_units=["V"])
    u = np.sin(np.arange(30))[:, None]
    tube = deviation_tube(G, certify(G), u, peak=0.1)
    figure = tube_figure(tube)
    assert [axes.get_ylabel() for axes in figure.axes] == ["a [-]", "b [-]"]
    assert figure.axes[0].get_title(loc="left") == "Guaranteed for |du| <= 0.1 V"
    for i, axes in enumerate(figure.axes):
        np.testing.assert_allclose(axes.lines[0].get_ydata(), tube.y[:, i])
        low, high = np.min(tube.y[:, i] - tube.radius), np.max(tube.y[:, i] + tube.radius)
        box = axes.collections[0].get_datalim(axes.transData)
        np.testing.assert_allclose([box.y0, box.y1], [low, high])
    figure.canvas.draw()
