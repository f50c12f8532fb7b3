"""Every number that the page prints is one of report.json, rounded; gains have units; poles stay off the circle."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from l2ssm.certificates.compose import certify
from l2ssm.report.write import write_report
from l2ssm.systems.state_space import StateSpace

from ..analysis.systems_under_test import FakeModel, network, random_modes
from .test_report import Page, _experiment

NUMBER = re.compile(r"(?<![\w.^])[-−]?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.]*\w)")
WORDS = {"2", "3", "0", "1", "100"}  # exit codes, "1 - NRMSE", the zero state: sentences, not results


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, bool):
        return
    if isinstance(value, (int, float)):
        yield float(value)
    elif isinstance(value, str):
        yield from (float(one) for one in NUMBER.findall(value))
    else:
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from _numbers(item)


def _is_one_of(printed: str, known: np.ndarray) -> bool:
    """Whether it is the rounding of a known number, in either direction, as it is, in percent or from 1."""
    value = float(printed.replace("−", "-"))
    mantissa = printed.split("e")[0]
    places = len(mantissa.split(".")[1]) if "." in mantissa else 0
    unit = 10.0 ** ((int(printed.split("e")[1]) if "e" in printed else 0) - places)
    candidates = np.concatenate([known, 100 * known, 1 - known, known - 1])
    return bool(np.any(np.abs(np.abs(candidates) - abs(value)) <= unit * (1 + 1e-9)))


@pytest.fixture(scope="module", params=["many channels", "one system"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    folder = tmp_path_factory.mktemp("page")
    units = {"input_units": ("V",) * 3, "output_units": ("cm",) * 3}
    if request.param == "many channels":
        history = [{"step": k, "train_mse": 1.0 / k, "valid_mse": 2.0 / k} for k in range(1, 6)]
        model: Any = FakeModel(network(3, 3, 4, 2, 0.5, **units), 10, {"cell": "bounded", "history": history})
        data = _experiment(model.network)
    else:
        model = random_modes(2, 3, 3, 0.5, **units)
        data = _experiment(model)
    paths = write_report(model, data, certify(model), folder)
    text = Page(re.sub("<style>.*</style>", "", paths.html.read_text("utf-8"), flags=re.S)).text
    return text, json.loads(paths.json.read_text("utf-8"))


def test_every_number_of_the_page_is_in_the_file(written: tuple[str, Any]) -> None:
    text, facts = written
    known = np.array([x for x in _numbers(facts) if math.isfinite(x)])
    counts = np.arange(max(len(facts["operators"]), len(facts["data"])) + 1)  # "2 linear operators"
    missing = [n for n in NUMBER.findall(text) if n not in WORDS and not _is_one_of(n, np.append(known, counts))]
    assert missing == []


def test_the_gain_of_an_operator_between_named_channels_has_its_unit(written: tuple[str, Any]) -> None:
    text, facts = written
    units = {op["unit"] for op in facts["operators"].values()}
    assert units == ({"cm/V"} if facts["model"]["type"] == "StateSpace" else {""})
    assert bool(re.search(r"… [\d.e+]+ cm/V", text)) == (units == {"cm/V"})


def test_the_margin_is_that_of_the_slowest_pole_to_its_last_digits(tmp_path: Path) -> None:
    G = StateSpace.from_modes([1 - 2.0**-40, 0.5], [[1.0], [1.0]], [[1.0, 1.0]], [[0.0]])
    paths = write_report(G, None, None, tmp_path)
    facts = json.loads(paths.json.read_text("utf-8"))
    assert facts["stability"]["margin"] == facts["operators"]["block0"]["margin"] == 2.0**-40
    text = Page(paths.html.read_text("utf-8")).text
    assert "spectral radius 1 - 9.1e-13, margin 9.09e-13" in text
    assert "1.000000" not in text


def test_a_slow_peak_is_not_called_steady_state(tmp_path: Path) -> None:
    """A resonance at 5e-7 rad a sample is 1e5 times as high as the gain at 0."""
    slow = StateSpace.from_modes([(1 - 1e-9) * np.exp(5e-7j)], [[1.0]], [[1.0]], [[0.0]])
    flat = StateSpace.from_modes([0.5 + 0.1j] * 3, np.ones((3, 1)), np.ones((1, 3)), [[0.0]])
    for G, steady in ((slow, False), (flat, True)):
        text = Page(write_report(G, None, None, tmp_path).html.read_text("utf-8")).text
        assert ("0 Hz (steady state)" in text) is steady
        assert (G.hinf().omega_peak == 0.0) is steady
