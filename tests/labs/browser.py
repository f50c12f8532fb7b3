"""A headless Chromium driven through its debugging protocol: what a page logs, holds and looks like; for the tests."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 300.0
"""Seconds to wait for a page, on a slow machine with other work."""


class Page:
    """One tab; `errors` are the console errors and uncaught exceptions since it was opened."""

    def __init__(self, socket):
        self.socket, self.number, self.errors = socket, 0, []
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        """The result of a command of the protocol; events that come before it are noted."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv(timeout=PATIENCE))
            if message.get("id") == self.number:
                return message.get("result", {})
            self.note(message)

    def note(self, message):
        """Remember an event if it is an error."""
        event = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            details = event["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif message.get("method") == "Runtime.consoleAPICalled" and event["type"] == "error":
            self.errors.append(" ".join(str(part.get("value", part.get("description"))) for part in event["args"]))
        elif message.get("method") == "Log.entryAdded" and event["entry"]["level"] == "error":
            self.errors.append(f"{event['entry']['text']} {event['entry'].get('url', '')}")

    def evaluate(self, script):
        """The value of a JavaScript expression."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, script, what):
        """The first true value of the expression."""
        deadline = time.monotonic() + PATIENCE
        while not (value := self.evaluate(script)):
            assert time.monotonic() < deadline, f"{what}: not seen in {PATIENCE:g} s; errors {self.errors}"
            time.sleep(0.2)
        return value

    def upload(self, script, path):
        """Hand a file to the input element that the expression yields, as if it had been dropped there."""
        found = self.call("Runtime.evaluate", expression=script)
        self.call("DOM.setFileInputFiles", files=[str(path)], objectId=found["result"]["objectId"])

    def open(self, address):
        """Go there."""
        self.call("Page.navigate", url=address)

    def press(self, key, code):
        """One key, to the element with the focus."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def screenshot(self, path):
        """The whole page as PNG."""
        heights = "Math.max(...[...document.querySelectorAll('*')].map(part => part.scrollHeight))"
        height = min(int(self.evaluate(heights)), 12_000)
        self.call("Emulation.setDeviceMetricsOverride", width=1300, height=height, deviceScaleFactor=1, mobile=False)
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))
        self.call("Emulation.clearDeviceMetricsOverride")


@contextmanager
def browser():
    """A page of a Chromium that is ended afterwards."""
    from websockets.sync.client import connect

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1300,1400", "--no-first-run"]
        port = Path(folder) / "DevToolsActivePort"
        command = [CHROMIUM, *options, f"--user-data-dir={folder}", "--remote-debugging-port=0", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + PATIENCE
            while not (port.is_file() and port.read_text().strip()):
                assert time.monotonic() < deadline, "Chromium did not start"
                time.sleep(0.1)
            number = port.read_text().split()[0]
            with urlopen(f"http://127.0.0.1:{number}/json/list", timeout=PATIENCE) as answer:
                target = next(one for one in json.load(answer) if one["type"] == "page")
            with connect(target["webSocketDebuggerUrl"], max_size=None) as socket:
                yield Page(socket)
        finally:
            process.terminate()
            process.wait()
