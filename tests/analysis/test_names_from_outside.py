"""Names and units are words: no mathematics, no hidden curves, the same in both kinds of pictures."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from l2ssm.analysis import plots
from l2ssm.analysis.compare import compare
from l2ssm.analysis.frf import frf
from l2ssm.analysis.gain_curve import gain_curve
from l2ssm.analysis.residuals import residuals
from l2ssm.certificates.compose import certify
from l2ssm.certificates.falsify import worst_input
from l2ssm.data.record import Record
from l2ssm.report.write import write_report
from l2ssm.systems.state_space import StateSpace

from .systems_under_test import network


@pytest.mark.parametrize(
    ("name", "unit"), [("$x$", "US$"), (r"$\frac$", "$"), ("_hidden", "_"), ("^a_b", "\\"), ("温度", "°C")]
)
def test_every_name_and_unit_is_written_as_it_is(name: str, unit: str, tmp_path: Path) -> None:
    labels = {"input_names": (name,), "output_names": (f"y{name}",), "input_units": (unit,), "output_units": (unit,)}
    net = network(1, 1, 3, 1, 0.5, **labels)
    u = np.random.default_rng(0).standard_normal((300, 1))
    data = Record(u, net.simulate(u) + 0.1 * u[::-1], 0.5, name, 0.0, net.input_names, net.output_names)
    paths = write_report(net, data, certify(net), tmp_path)
    drawings = json.loads(re.findall(r'id="drawings">(.*)</script>', paths.html.read_text("utf-8"))[0])
    axes = [axis["title"]["text"] for one in drawings for key, axis in one["layout"].items() if "axis" in key]
    assert f"y{name} ({unit})" in axes
    assert f"{name} ({unit})" in axes
    figure = plots.compare(compare(data, {"model": net}))
    assert not figure.axes[0].yaxis.label.get_parse_math()


def test_powers_of_ten_stay_powers_on_the_axes() -> None:
    figure = plots.bode(StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]]))
    figure.savefig(io.BytesIO(), format="png")
    ticks = [t for t in figure.axes[1].get_xticklabels() if "mathdefault" in t.get_text()]
    assert ticks
    assert all(t.get_parse_math() for t in ticks)


def test_a_curve_with_an_odd_name_is_in_the_legend() -> None:
    G = StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]])
    u = np.random.default_rng(0).standard_normal((300, 1))
    data = Record(u, G.simulate(u), 1.0)
    models = {"_mine": G, "": G}
    for figure in (
        plots.compare(compare(data, models)),
        plots.bode(models),
        plots.sigma(models),
        plots.poles(models),
        plots.nyquist(models),
        plots.step(models),
        plots.frequency({"_mine": G, "": frf(data)}),
        plots.gain(dict.fromkeys(models, gain_curve(G, [1.0], samples=32))),
    ):
        text = " ".join(t.get_text() for t in figure.legends[0].get_texts())
        assert "_mine" in text
        assert "(no name)" in text


def test_words_of_long_names_do_not_overlap() -> None:
    names = tuple(f"Reactor 3 inner coolant valve position, sensor {i}" for i in (1, 2, 3))
    labels = {"input_names": names, "output_names": tuple(f"{n} of" for n in names), "input_units": ("m3/s",) * 3}
    net = network(3, 3, 4, 1, 0.5, **labels)
    u = np.random.default_rng(0).standard_normal((300, 3))
    data = Record(u, net.simulate(u) + 0.1 * u[::-1], 0.5, "", 0.0, net.input_names, net.output_names)
    found = worst_input(net, horizon=64, iterations=1)
    for figure in (
        plots.residuals(residuals(net, data)),
        plots.compare(compare(data, {"model": net})),
        plots.worst(found, net),
        plots.step(net.layers[1].layers[0].G),
    ):
        figure.draw_without_rendering()
        shown = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
        words = [t for t in shown if any(c.isalpha() for c in t.get_text()) and "mathdefault" not in t.get_text()]
        boxes = [t.get_window_extent() for t in words]
        for i, one in enumerate(boxes):
            for k in range(i):
                both = Bbox.intersection(one, boxes[k])
                area = 0 if both is None else both.width * both.height
                assert area < 20, f"{words[i].get_text()!r} over {words[k].get_text()!r}"
