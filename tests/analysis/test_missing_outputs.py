"""Records with outputs that were not measured: every number and every picture is about those that were."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from l2ssm.analysis import plots
from l2ssm.analysis.compare import compare
from l2ssm.analysis.curves import thinned
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.report.figures import _worst_stretch
from l2ssm.report.write import write_report
from l2ssm.systems.state_space import StateSpace

from .systems_under_test import random_modes

G = random_modes(3, 1, 2)


def record(T: int, hide: slice | list[int], channel: int | slice = slice(None), name: str = "a") -> Record:
    """A run of G with noise, of which the rows `hide` of one or of all outputs were not measured."""
    rng = np.random.default_rng(0)
    u = rng.standard_normal((T, 1))
    y = G.simulate(u) + 0.1 * rng.standard_normal((T, 2))
    y[hide, channel] = np.nan
    return Record(u, y, 1.0, name=name, missing=True)


@pytest.mark.parametrize("T", [300, 9000])
def test_every_sample_that_was_measured_can_be_seen(T: int) -> None:
    """Every second one: a line through single points between gaps draws nothing."""
    given = record(T, slice(1, None, 2))
    figure = plots.compare(compare(given, {"model": G}))
    assert given.y is not None
    for i in (0, 1):
        overlay, strip = figure.axes[2 * i : 2 * i + 2]
        measured, simulated = overlay.lines[:2]
        assert measured.get_marker() == strip.lines[0].get_marker() == "."
        assert not np.any(np.isnan(measured.get_ydata()))
        assert np.nanmax(measured.get_ydata()) == np.nanmax(given.y[:, i])
        assert np.all(np.isfinite(simulated.get_ydata()))
        assert "far outside" not in overlay.get_title(loc="left")


def test_a_gap_is_not_where_the_error_is_largest() -> None:
    given = record(9000, slice(1000, 1500), 0)
    assert given.y is not None
    y = given.y.copy()
    y[7000:7050] += 20.0
    long = Record(given.u, y, 1.0, missing=True)
    first, last = _worst_stretch(compare(long, {"model": G})) or (0.0, 0.0)
    assert first <= 7000 <= 7049 <= last


def test_an_output_that_one_record_does_not_have_is_left_out_there(tmp_path: Path) -> None:
    data = Dataset([record(300, slice(None), 1), record(300, [5], 0, "b"), record(200, slice(None), name="c")])
    paths = write_report(G, data, None, tmp_path)
    facts = json.loads(paths.json.read_text("utf-8"))
    channels = {(r["record"], c["name"]): c for r in facts["data"] for c in r["channels"]}
    assert channels["a", "y2"] == {"name": "y2", "unit": "", "role": "output", "not_measured": 300, "min": None,
                                   "max": None, "mean": None, "std": None}  # fmt: skip
    assert channels["b", "y1"]["not_measured"] == 1
    fits = {r["record"]: [row["output"] for row in r["outputs"]] for r in facts["fit"]["records"]}
    assert fits == {"a": ["y1"], "b": ["y1", "y2"], "c": []}
    assert "not measured" in paths.html.read_text("utf-8")
    figure = plots.compare(compare(data, {"model": G}))
    assert [t.get_text() for t in figure.axes[3].texts] == ["not measured here"]


def test_thinning_keeps_the_extremes_beside_a_gap() -> None:
    y = np.zeros(20000)
    y[777], y[778], y[10000:12000] = 5.0, np.nan, np.nan
    t, kept = thinned(np.arange(20000.0), y)
    assert np.nanmax(kept) == 5.0
    assert np.all(np.isnan(kept[(t > 10020) & (t < 11980)]))


def test_a_system_without_gaps_is_drawn_as_a_line() -> None:
    system: StateSpace = random_modes(2, 1, 1)
    u = np.random.default_rng(0).standard_normal((50, 1))
    figure = plots.compare(compare(Record(u, system.simulate(u), 1.0), {"model": system}))
    assert figure.axes[0].lines[0].get_linestyle() == "-"
