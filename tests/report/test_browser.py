"""Reports in headless Chromium: no script error, nothing fetched, every figure drawn, at the desk and on a phone."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import l2ssm.report
from l2ssm.certificates.compose import certify
from l2ssm.data.record import Record
from l2ssm.report.write import write_report
from l2ssm.systems.state_space import StateSpace

from ..analysis.systems_under_test import FakeModel, network, random_modes
from .test_report import NASTY, ODD, _experiment

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
LIBRARY = "99784e3abfb07b142a15e521a439e6d9addceadb3f79553fd24c72774f0649ba"  # of the basic bundle of plotly.js 4.1.1
browser = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine (Debian: apt-get install chromium)")


def opened(page: Path, width: int = 1280) -> tuple[str, list[str]]:
    """(the document after its scripts have run, what was written to the console), without a network."""
    offline = ["--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={page.parent / 'profile'}"]
    plain = ["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"]
    patient = ["--virtual-time-budget=60000", f"--window-size={width},1000", "--dump-dom"]
    command = [CHROMIUM, *plain, *offline, *patient, page.resolve().as_uri()]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return run.stdout, [line for line in run.stderr.splitlines() if "CONSOLE" in line]


def check(page: Path, width: int = 1280) -> str:
    """The document, if all its figures are drawn and nothing was complained about."""
    document, console = opened(page, width)
    assert console == []
    assert re.search(r'<html[^>]* data-figures="drawn"', document)
    figures = page.read_text(encoding="utf-8").count('class="plot"')
    assert figures > 0
    assert len(re.findall(r'class="plot drawn"', document)) == figures
    drawn = document.split('class="plot drawn"')[1:]
    for one in drawn:
        assert 'class="main-svg"' in one
        assert re.search(r'<path class="(js-line|point)"|class="js-fill"|<path class="[^"]*point', one), one[:300]
        top = min((float(y) for y in re.findall(r'class="xgrid[^"]*"[^>]* d="M0,([\d.]+)v', one)), default=1e9)
        for y, box in re.findall(r'<g class="legend"[^>]*translate\(0,([\d.]+)\)[^>]*>(<rect class="bg"[^>]*>)', one):
            height = float(re.findall(r' height="([\d.]+)"', box)[0])
            assert float(y) + height <= top, "the legend covers a panel"
    return document


def test_the_library_is_the_published_one() -> None:
    folder = Path(l2ssm.report.__file__).parent / "plotly"
    assert hashlib.sha256((folder / "plotly-basic.min.js").read_bytes()).hexdigest() == LIBRARY
    assert LIBRARY in (folder / "README.md").read_text(encoding="utf-8")
    assert "MIT License" in (folder / "LICENSE").read_text(encoding="utf-8")


@browser
@pytest.mark.parametrize("width", [1280, pytest.param(500, marks=pytest.mark.slow)])
def test_a_model_with_three_inputs_and_outputs_is_drawn(width: int, tmp_path: Path) -> None:
    history = [{"step": k, "train_mse": 1.0 / k, "valid_mse": 2.0 / k} for k in range(1, 20)]
    units = {"input_units": ("V",) * 3, "output_units": ("cm", "cm", "°C")}
    model = FakeModel(network(3, 3, 4, 2, 0.5, **units), 10, {"cell": "bounded", "history": history})
    page = write_report(model, _experiment(model.network, 4000), certify(model), tmp_path, teaching=True).html
    assert page.stat().st_size < 3_000_000
    check(page, width)


@browser
def test_names_from_outside_are_words_and_not_markup(tmp_path: Path) -> None:
    net = network(1, 1, 3, 1, 0.5, input_names=(NASTY,), output_names=("y" + NASTY,), input_units=("<i>",))
    document = check(write_report(net, _experiment(net), certify(net, lower=False), tmp_path).html)
    texts = re.findall(r'<text class="ytitle"[^>]*>(.*?)</text>', document, re.S)
    assert any("&lt;script&gt;" in text for text in texts)
    assert not any("<script" in text for text in texts)


@browser
@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
def test_odd_models_are_drawn(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    check(
        write_report(ODD[name], Record(rng.standard_normal(3000), rng.standard_normal(3000), 1.0), None, tmp_path).html
    )


@browser
def test_a_broken_page_is_noticed_and_keeps_its_still_pictures(tmp_path: Path) -> None:
    G: StateSpace = random_modes(2, 1, 1)
    page = write_report(G, None, None, tmp_path).html
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace('"type": "scatter"', '"type": "scatter', 1), encoding="utf-8")
    document, console = opened(page)
    assert any("the figures stay still" in line for line in console)
    assert "drawn" not in re.findall(r'class="plot[^"]*"', document)[0]
    page.write_text(text.replace("<footer>", '<img src="https://example.com/x.png"><footer>'), encoding="utf-8")
    assert any("Content Security Policy" in line for line in opened(page)[1])


@browser
def test_a_legend_of_many_rows_covers_no_panel(tmp_path: Path) -> None:
    check(write_report(network(1, 1, 3, 5, 4.0), None, None, tmp_path).html)
