"""The report: the numbers of `analyse`, everything escaped, nothing fetched, missing parts named, forgeries refused.

What a browser makes of the page is tested in test_browser.py.
"""

from __future__ import annotations

import base64
import gzip
import html as markup
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import l2ssm.report
from l2ssm.analysis.summary import analyse
from l2ssm.certificates.certificate import Certificate
from l2ssm.certificates.compose import certify
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import CertificateError
from l2ssm.report.strict_json import dumps, strict
from l2ssm.report.verdict import tiles
from l2ssm.report.write import ReportPaths, write_report
from l2ssm.systems.attention import Attention
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Clocked
from l2ssm.systems.state_space import StateSpace

from ..analysis.systems_under_test import FakeModel, network, random_modes

LIBRARY = Path(l2ssm.report.__file__).parent / "plotly" / "plotly-basic.min.js"
NASTY = "<script>alert('x')</script>&\"h\""


class Page(HTMLParser):
    """Tags, attributes and visible text; fails on tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        else:
            self.text += data


def drawings(path: Path) -> list[dict[str, Any]]:
    """What the interactive figures of a page show."""
    return json.loads(Page(path.read_text(encoding="utf-8")).scripts[0])


def _strings(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _strings(item)


def _experiment(net: Interconnection | StateSpace, T: int = 300, records: int = 2) -> Dataset:
    rng = np.random.default_rng(0)
    units = dict(zip((*net.input_names, *net.output_names), (*net.input_units, *net.output_units), strict=True))
    found = []
    for i in range(records):
        u = rng.standard_normal((T, net.n_u))
        y = net.simulate(u) + 0.1 * rng.standard_normal((T, net.n_y))
        found.append(Record(u, y, net.dt, f"run{i}", 0.0, net.input_names, net.output_names, units))
    return Dataset(found)


@dataclass(frozen=True)
class Case:
    """A 3x3 model with all parts of a report, written once for the tests that only read it."""

    facts: dict[str, Any]
    certificate: Certificate
    paths: ReportPaths


@pytest.fixture(scope="module")
def mimo(tmp_path_factory: pytest.TempPathFactory) -> Case:
    history = [{"step": k, "train_mse": 1.0 / k, "valid_mse": 2.0 / k} for k in range(1, 6)]
    units = {"input_units": ("V",) * 3, "output_units": ("cm",) * 3}
    model = FakeModel(network(3, 3, 4, 2, 0.5, **units), 10, {"cell": "bounded", "seed": 3, "history": history})
    certificate, data = certify(model), _experiment(model.network)
    folder = tmp_path_factory.mktemp("mimo") / "new" / "folder"
    paths = write_report(model, data, certificate, folder, command="l2ssm fit x.csv")
    return Case(analyse(model, certificate, data), certificate, paths)


def test_the_json_file_is_what_analyse_returns(mimo: Case) -> None:
    written = json.loads(mimo.paths.json.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert written.pop("command") == "l2ssm fit x.csv"
    assert written == strict(mimo.facts)
    assert sorted(p.name for p in mimo.paths.html.parent.iterdir()) == ["report.html", "report.json"]


def test_the_page_is_one_well_formed_small_file_that_fetches_nothing(mimo: Case) -> None:
    html = mimo.paths.html.read_text(encoding="utf-8")
    page = Page(html)
    assert len(html) < 3_000_000
    assert not re.search(r"https?:|@import|url\(|<link|<iframe| src=\"(?!data:image/)", html)
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert [attrs.get("type") for tag, attrs in page.tags if tag == "script"] == [
        "application/json",
        "text/plain",
        None,
    ]
    drawings = json.loads(page.scripts[0], parse_constant=pytest.fail)
    assert len(drawings) == html.count('class="plot"')
    assert gzip.decompress(base64.b64decode(page.scripts[1])) == LIBRARY.read_bytes()
    sources = [attrs["src"] for tag, attrs in page.tags if tag == "img"]
    assert len(sources) == 8
    for source in sources:
        assert source is not None
        kind, _, payload = source.partition(";base64,")
        assert kind in ("data:image/svg+xml", "data:image/png")
        if kind.endswith("xml"):
            svg = base64.b64decode(payload).decode()
            assert not re.search(r'href="(?!#)', svg)
            assert "<script" not in svg
    assert all(attrs.get("alt") for tag, attrs in page.tags if tag == "img")


def test_the_verdict_comes_first_and_has_the_numbers(mimo: Case) -> None:
    facts, certificate = mimo.facts, mimo.certificate
    text = Page(mimo.paths.html.read_text(encoding="utf-8")).text
    head = text[: text.index("Data\n")]
    worst = min(row["fit_percent"] for row in facts["fit"]["outputs"])
    for expected in (f"{worst:.1f} %", "γ ≤ ", "γ ≥ ", "cm/V", "verified in ball arithmetic", "Schur stable"):
        assert expected in head
    printed = float(re.findall(r"γ ≤ ([0-9.e+]+)", head)[0])
    attained = float(re.findall(r"γ ≥ ([0-9.e+]+)", head)[0])
    assert certificate.lower is not None
    assert printed >= certificate.gamma
    assert attained <= certificate.lower.gain
    assert certificate.digest in text
    assert "l2ssm verify cert.json" in text


def test_the_energies_of_the_certificate_and_the_response_in_the_data_are_in_the_file(mimo: Case) -> None:
    stored, response = mimo.facts["dissipation"], mimo.facts["frequency_response"]
    assert stored["holds"]
    assert stored["smallest_slack"] >= -stored["rounding"]
    assert stored["supplied"] > stored["delivered"] > 0
    for name in ("data", "model"):
        assert np.shape(response[name]["gain"]) == (len(response["omega_rad_s"]), 3, 3)
    shares = [pole["hankel_share"] for pole in mimo.facts["operators"]["block0"]["poles"]]
    assert sum(shares) == pytest.approx(1.0)
    assert "never negative" in Page(mimo.paths.html.read_text(encoding="utf-8")).text


def test_a_teaching_report_says_what_to_look_for_under_each_figure(tmp_path: Path, mimo: Case) -> None:
    G = random_modes(2, 1, 1)
    html = [write_report(G, _experiment(G), None, tmp_path, teaching=t).html.read_text("utf-8") for t in (True, False)]
    assert html[0].count('class="lesson"') == html[0].count("<figure") > 3
    assert 'class="lesson"' not in html[1]


def test_everything_from_outside_is_escaped(tmp_path: Path) -> None:
    net = network(1, 1, 3, 1, 0.5, input_names=(NASTY,), output_names=("y" + NASTY,), input_units=("<i>",))
    model = FakeModel(net, 0, {"cell": NASTY, NASTY: NASTY, "versions": {NASTY: NASTY}})
    data = _experiment(net)
    renamed = Dataset([data[0].renamed(NASTY), data[1]])
    html = write_report(model, renamed, certify(net, lower=False), tmp_path, command=f"l2ssm {NASTY}").html.read_text(
        encoding="utf-8"
    )
    page = Page(html)
    assert "i" not in {tag for tag, _ in page.tags}
    assert html.count("<script") == len(page.scripts) == 3
    assert "alert" not in html.replace(page.scripts[0], "").replace("&lt;script&gt;alert(", "")
    assert "<" not in page.scripts[0]  # a script that holds data cannot be ended from within
    words = [*_strings(json.loads(page.scripts[0]))]
    assert any("&lt;script&gt;" in word for word in words)  # plotly.js reads its texts as HTML
    assert not any("<" in word for word in words if "%{" not in word)
    assert not any("<script" in word or "<i>" in word for word in words)
    assert NASTY in page.text


@pytest.mark.parametrize("given", ["nothing", "data", "certificate"])
def test_missing_parts_are_named(given: str, tmp_path: Path) -> None:
    G = random_modes(2, 1, 1, input_units=("V",), output_units=("mm",))
    data = _experiment(G) if given == "data" else None
    certificate = certify(G) if given == "certificate" else None
    text = Page(write_report(G, data, certificate, tmp_path).html.read_text(encoding="utf-8")).text
    assert ("Not here: no data was given." in text) == (given != "data")
    assert ("no certificate was given: no gain of the model is proved" in text) == (given != "certificate")
    assert "Not here: the model carries no training history." in text
    assert "Not here: the command was not given." in text


def test_a_fit_to_the_training_data_is_called_that(tmp_path: Path) -> None:
    net = network(1, 1, 3, 1, 0.5)
    data = _experiment(net)
    seen = FakeModel(net, 0, {"data_digest": data.digest})
    for given, training in ((data, True), (Dataset([data[0]]), False)):
        paths = write_report(seen, given, None, tmp_path)
        facts = json.loads(paths.json.read_text(encoding="utf-8"))
        text = Page(paths.html.read_text(encoding="utf-8")).text
        head = text[: text.index("Data\n")]
        assert facts["fit"]["on"] == ("on the TRAINING data" if training else None)
        assert ("on the TRAINING data" in head) is training
        by_question = {tile.question: tile.status for tile in tiles(facts)}
        assert by_question["Fit (free run)"] == ("warn" if training else "good")
    assert analyse(FakeModel(net), data=data)["fit"]["on"] is None


EMPTY = np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0))
ODD = {
    "unstable": StateSpace([[1.1]], [[1.0]], [[1.0]], [[0.0]]),
    "integrator": StateSpace([[1.0]], [[1.0]], [[1.0]], [[0.0]]),
    "zero": StateSpace([[0.5]], [[0.0]], [[1.0]], [[0.0]]),
    "static": StateSpace(*EMPTY, [[2.0]]),
    "static network": Interconnection((Affine([[2.0]], [0.0]),), 1.0, ("u",), ("y",), ("",), ("",)),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_models_get_a_report(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = Record(rng.standard_normal(3000), rng.standard_normal(3000), 1.0)
    paths = write_report(ODD[name], data, None, tmp_path)
    text = Page(paths.html.read_text(encoding="utf-8")).text
    json.loads(paths.json.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert ("not Schur stable: block0" in text) == (name in ("unstable", "integrator"))


def test_a_selective_cell_is_shown_with_frozen_coefficients_and_labelled(tmp_path: Path) -> None:
    one = np.ones((1, 1))
    clocked = Clocked([0.5], [0.2], one, 0 * one, one, 0 * one, one, 0.1 * one, [0.0], [2.0])
    net = Interconnection((clocked,), 1.0, ("u",), ("y",), ("V",), ("mm",))
    paths = write_report(net, None, certify(net, kind="l2", lower=False), tmp_path)
    facts, text = json.loads(paths.json.read_text(encoding="utf-8")), Page(paths.html.read_text(encoding="utf-8")).text
    assert [*facts["operators"]] == ["block0 (frozen at u = 0 V)"]
    assert facts["operators"]["block0 (frozen at u = 0 V)"]["frozen"]
    assert "nothing here bounds it" in text
    assert "block0 (frozen at u = 0 V): peak" in markup.unescape(json.dumps(drawings(paths.html), ensure_ascii=False))
    assert {tile.question: tile.status for tile in tiles(facts)}["Stability"] == "none"


def test_a_model_without_linear_operators_gets_a_report_that_says_why(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    looking = Attention(rng.standard_normal((4, 4)), *rng.standard_normal((2, 2, 4)), [2.0])
    net = Interconnection((looking,), 1.0, *[tuple("abcd")] * 2, *[("",) * 4] * 2)
    paths = write_report(net, None, None, tmp_path)
    facts = json.loads(paths.json.read_text(encoding="utf-8"))
    assert "is a Attention" in facts["missing"]["operators"]
    assert "Not here: block0 is a Attention" in Page(paths.html.read_text(encoding="utf-8")).text


def test_the_worst_direction_and_the_worst_input_are_in_the_file_and_on_the_page(mimo: Case) -> None:
    direction = mimo.facts["operators"]["block0"]["hinf"]["direction"]
    assert sum(one["amplitude"] ** 2 for one in direction["inputs"]) == pytest.approx(1.0)
    worst, lower = mimo.facts["worst_input"], mimo.certificate.lower
    assert lower is not None
    assert lower.du is not None
    assert worst["gain"] == lower.gain
    assert [one["deviation_rms"] for one in worst["inputs"]] == pytest.approx(np.sqrt(np.mean(lower.du**2, axis=0)))
    text = Page(mimo.paths.html.read_text(encoding="utf-8")).text
    assert "worst input direction at the peak" in text
    assert "Worst input found" in text


def test_a_long_record_gets_a_close_up_of_the_worst_stretch(tmp_path: Path) -> None:
    G = random_modes(2, 1, 1)
    u = np.random.default_rng(0).standard_normal(20000)
    y = G.simulate(u)
    y[7000:7100] += 50.0
    paths = write_report(G, Record(u, y, 1.0), None, tmp_path)
    html = paths.html.read_text(encoding="utf-8")
    assert "Where the error is largest" in Page(html).text
    assert len(html) < 3_000_000


def test_a_certificate_file_is_verified_before_it_is_shown(tmp_path: Path) -> None:
    G = random_modes(2, 1, 1)
    path = tmp_path / "my cert.json"
    certify(G).save(path)
    text = Page(write_report(G, None, path, tmp_path).html.read_text(encoding="utf-8")).text
    assert "verified in ball arithmetic" in text
    assert f"l2ssm verify '{path}'" in text
    forged = replace(Certificate.load(path), gamma=1e-3)
    forged.save(tmp_path / "forged.json")
    (tmp_path / "report.html").unlink()
    with pytest.raises(CertificateError):
        write_report(G, None, tmp_path / "forged.json", tmp_path)
    with pytest.raises(CertificateError, match="certify this model"):
        write_report(random_modes(2, 1, 1, seed=1), None, path, tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_an_unverified_certificate_is_not_called_verified(tmp_path: Path) -> None:
    G = random_modes(2, 1, 1)
    unchecked = Certificate.from_json(certify(G).to_json())
    text = Page(write_report(G, None, unchecked, tmp_path).html.read_text(encoding="utf-8")).text
    assert "not verified here" in text
    assert "verified in ball arithmetic" not in text
    by_question = {tile.question: tile.status for tile in tiles(analyse(G, unchecked))}
    assert by_question["Claimed gain"] == "warn"


def test_strict_json_has_no_infinities() -> None:
    assert strict([np.inf, -np.inf, float("nan"), 1.5]) == ["inf", "-inf", None, 1.5]
    x = 0.1 + 0.2
    assert json.loads(dumps({"x": x}))["x"] == x
