"""Every notebook as an app in a headless Chromium: no console error, and a slider changes a number that is shown."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import pytest

from l2ssm.labs.places import folder, labs
from tests.labs.browser import CHROMIUM, PATIENCE, browser

pytest.importorskip("marimo", reason="the labs need marimo: pip install 'l2ssm[labs]'")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"),
]

SHOWN = "[...document.querySelectorAll('marimo-stat')].map(part => part.dataset.label + part.dataset.value).join('|')"
SLIDER = "document.querySelector('marimo-slider').shadowRoot.querySelector('[role=slider]')"
BROKEN = "[...document.querySelectorAll('.marimo-error, [data-testid=error-output]')].map(part => part.innerText)"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Address of a marimo server that runs the notebooks as apps."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "marimo", "run", str(folder("notebooks")), "--headless", "--no-token"]
    environment = os.environ | {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    log = (tmp_path_factory.mktemp("server") / "log").open("w")
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
        yield f"http://127.0.0.1:{port}"
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


@pytest.mark.parametrize("lab", labs())
def test_app(server, page, lab, tmp_path):
    page.errors.clear()
    page.open(f"{server}/?file={labs()[lab].name}")
    last = (
        f"{SHOWN}.includes('worst input')" if lab == "playground" else "document.body.innerText.includes('take home')"
    )
    page.wait(f"document.body && location.href.includes({labs()[lab].name!r}) && {last}", lab)
    before = settled(page)
    page.evaluate(f"{SLIDER}.focus()")
    page.press("ArrowRight", 39)
    page.wait(f"{SHOWN} !== {before!r}", "the slider changes what is shown")
    settled(page)
    page.screenshot(tmp_path / f"{lab}.png")
    assert (tmp_path / f"{lab}.png").stat().st_size > 50_000
    assert page.errors == []
    assert page.evaluate(BROKEN) == []
