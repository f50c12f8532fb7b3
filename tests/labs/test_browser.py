"""Every notebook as an app in a headless Chromium: no console error, and a slider changes a number that is shown."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

import l2ssm as ls
from l2ssm.labs.places import folder, labs
from tests.labs.browser import CHROMIUM, PATIENCE, browser

pytest.importorskip("marimo", reason="the labs need marimo: pip install 'l2ssm[labs]'")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"),
]

SHOWN = "[...document.querySelectorAll('marimo-stat')].map(part => part.dataset.label + part.dataset.value).join('|')"
SLIDER = "document.querySelector('marimo-slider').shadowRoot.querySelector('[role=slider]')"
FILE = "document.querySelector('marimo-file').shadowRoot.querySelector('input[type=file]')"
REFUSED = "(document.querySelector('marimo-callout-output')?.shadowRoot.textContent ?? '')"
PLAYGROUND_SLIDERS = "[...document.querySelectorAll('marimo-slider, marimo-range-slider')]"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """(address, log file) of a marimo server that runs the notebooks as apps: a page hides the errors of cells."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "marimo", "run", str(folder("notebooks")), "--headless", "--no-token"]
    environment = os.environ | {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    written = tmp_path_factory.mktemp("server") / "log"
    log = written.open("w")
    process = subprocess.Popen([*command, "--port", str(port)], env=environment, stdout=log, stderr=log)
    deadline = time.monotonic() + PATIENCE
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "marimo did not start"
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}", written
    finally:
        process.terminate()
        process.wait()
        log.close()


@pytest.fixture(scope="module")
def page():
    """One tab for all notebooks."""
    with browser() as opened:
        yield opened


def settled(page, quiet=2.0):
    """The numbers shown, once there are some and they have not changed for a while."""
    shown, since, deadline = "", time.monotonic(), time.monotonic() + PATIENCE
    while not shown or time.monotonic() < since + quiet:
        assert time.monotonic() < deadline, f"nothing settles: {shown!r}, errors {page.errors}"
        time.sleep(0.2)
        now = page.evaluate(SHOWN)
        if now != shown:
            shown, since = now, time.monotonic()
    return shown


def opened(server, page, lab):
    """The numbers that a notebook shows once all of it has run."""
    page.errors.clear()
    page.open(f"{server[0]}/?file={labs()[lab].name}")
    last = (
        f"{SHOWN}.includes('worst input')" if lab == "playground" else "document.body.innerText.includes('take home')"
    )
    page.wait(f"document.body && location.href.includes({labs()[lab].name!r}) && {last}", lab)
    return settled(page)


def assert_clean(server, page):
    """Nothing on the console, and no cell raised."""
    assert page.errors == []
    log = server[1].read_text()
    assert "Traceback" not in log, log
    assert "raised" not in log, log


@pytest.mark.parametrize("lab", labs())
def test_app(server, page, lab, tmp_path):
    before = opened(server, page, lab)
    page.evaluate(f"{SLIDER}.focus()")
    page.press("ArrowRight", 39)
    page.wait(f"{SHOWN} !== {before!r}", "the slider changes what is shown")
    settled(page)
    page.screenshot(tmp_path / f"{lab}.png")
    assert (tmp_path / f"{lab}.png").stat().st_size > 50_000
    assert_clean(server, page)


def test_gamma_layers_and_poles_of_the_playground_change_the_model(server, page):
    before = opened(server, page, "playground")
    assert page.evaluate(f"{PLAYGROUND_SLIDERS}.length") == 3
    for i in range(3):
        page.evaluate(f"{PLAYGROUND_SLIDERS}[{i}].shadowRoot.querySelector('[role=slider]').focus()")
        page.press("ArrowRight", 39)
        page.wait(f"{SHOWN} && {SHOWN} !== {before!r}", f"slider {i} changes what is shown")
        before = settled(page)
    assert_clean(server, page)


def test_files_dropped_on_the_playground(server, page, tmp_path):
    record = ls.plants.CascadedTanks().experiment(seed=1, samples=800)["train"]
    table = np.column_stack([record.u, record.y])
    good = "u,y\n" + "\n".join(f"{u!r},{y!r}" for u, y in table.tolist())
    refused = {
        "columns.csv": (good.replace("u,y", "volt,level"), "no column 'u' in columns.csv; the columns are 'volt'"),
        "constant.csv": ("u,y\n" + "1,2\n" * 500, "same value"),
        "short.csv": ("u,y\n1,2\n2,3\n3,1\n", "samples"),
        "prose.csv": ("no table, but words\nof all kinds\n", "no column 'u' in prose.csv"),
        "empty.csv": ("", "empty.csv is empty"),
    }
    before = opened(server, page, "playground")
    for name, (text, message) in refused.items():
        (tmp_path / name).write_text(text)
        page.upload(FILE, tmp_path / name)
        page.wait(f"{REFUSED}.includes({message!r})", f"{name} is refused")
        assert "/tmp" not in page.evaluate(REFUSED)
    (tmp_path / "tanks.csv").write_text(good)
    page.upload(FILE, tmp_path / "tanks.csv")
    page.wait(f"!{REFUSED} && {SHOWN} && {SHOWN} !== {before!r}", "the fit of the file")
    assert "output per input" in settled(page)  # a file has no units
    page.screenshot(tmp_path / "dropped.png")
    assert_clean(server, page)
