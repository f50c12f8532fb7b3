"""`Student`: the functions of a student's file, run by a process that is ended when it takes too long."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace, TracebackType

from l2ssm.labs.remote import Ended, Peer

GRACE = 30.0
"""Seconds after which a process that has not ended itself is killed."""


class Student:
    """A process with the student's file imported; to be used in a `with` statement.

    Args:
        path: the file.
        limit: seconds for the calls of a check.
        import_limit: seconds for the import.

    Attributes:
        functions: the functions of the file, to be called here and run there.
        broken: why the file cannot be imported, and its line; None where it was.
    """

    def __init__(self, path: Path, limit: float, import_limit: float) -> None:
        self.path, self.limit = path, limit
        self.report = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the process)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "l2ssm.labs.worker", str(path), str(limit), str(import_limit)],
            env=os.environ | {"MPLBACKEND": "Agg", "PYTHONUTF8": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.report,
            start_new_session=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.peer = Peer(
            self.process.stdout, self.process.stdin, lambda error: (type(error).__name__, str(error), None)
        )
        self.functions = SimpleNamespace()
        self.broken: tuple[str, int | None] | None = None
        try:
            with self._killed_after(import_limit + GRACE):
                kind, *rest = self.peer.receive()
        except Ended:
            self.broken = self.why(import_limit)
            return
        if kind == "broken":
            self.broken = f"the file cannot be imported. {rest[0]}", rest[1]
        else:
            self.functions = SimpleNamespace(**{name: partial(self.peer.call, name) for name in rest[0]})

    @contextmanager
    def watched(self) -> Iterator[None]:
        """For one check: the process ends where its calls take longer than the limit.

        Raises:
            Ended: it did.
        """
        with self._killed_after(self.limit + GRACE):
            self.peer.send("check")
            yield

    def why(self, limit: float) -> tuple[str, int | None]:
        """Why the process ended before it was done, in words, and the line of the file that it was at."""
        code = self._end()
        self.report.seek(0)
        told = self.report.read().decode("utf-8", "replace")
        if "Timeout (" not in told:
            return f"the process ended by itself (exit status {code})", None
        line = re.search(rf'File "{re.escape(str(self.path))}", line (\d+)', told)
        return f"ended after {limit:g} s: does it loop?", int(line[1]) if line else None

    @contextmanager
    def _killed_after(self, seconds: float) -> Iterator[None]:
        timer = threading.Timer(seconds, self._kill)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _kill(self) -> None:
        """The process and what it started."""
        if hasattr(os, "killpg"):
            os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()

    def _end(self) -> int:
        """Close the line and see the process go; its exit status."""
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except OSError:  # what was still to be written cannot be any more
                continue
        try:
            return self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._kill()
            return self.process.wait()

    def __enter__(self) -> Student:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        self.report.close()
