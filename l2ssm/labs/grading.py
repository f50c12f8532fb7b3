"""`grade`: the hidden checks of a lab on a student's file, in another process that is ended when it takes too long."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from l2ssm.errors import MissingDataError, OptionError
from l2ssm.labs.checking import Check, Outcome, checks_of, load
from l2ssm.labs.places import checks
from l2ssm.options import positive

TIME_LIMIT = 20.0
"""Seconds a check may take."""
IMPORT_LIMIT = 120.0
"""Seconds for the import of a student's file, which may load torch for the first time."""


@dataclass(frozen=True)
class Grade:
    """The outcomes of a lab, one point a check.

    Attributes:
        lab: its name.
        outcomes: in the order of the checks.
    """

    lab: str
    outcomes: tuple[Outcome, ...]

    @property
    def points(self) -> int:
        """Checks that passed."""
        return sum(one.passed for one in self.outcomes)

    @property
    def possible(self) -> int:
        """Checks there are."""
        return len(self.outcomes)

    def of(self, exercise: str) -> list[Outcome]:
        """The outcomes of one exercise."""
        return [one for one in self.outcomes if one.exercise == exercise]

    def __str__(self) -> str:
        messages = {(one.line, one.message) for one in self.outcomes}
        if len(messages) == 1 and self.points < self.possible:  # the file as a whole is at fault
            return f"{sentence('', *messages.pop())}\nlab {self.lab}: {self.points}/{self.possible} points"
        lines = []
        for exercise in dict.fromkeys(one.exercise for one in self.outcomes):
            found = self.of(exercise)
            lines.append(f"{exercise}: {sum(one.passed for one in found)}/{len(found)} points")
            for one in found:
                text = sentence(one.title, one.line, one.message)
                mark = "  + " if one.passed else "  - "
                lines.append(textwrap.fill(text, 116, initial_indent=mark, subsequent_indent="    "))
        return "\n".join([*lines, f"lab {self.lab}: {self.points}/{self.possible} points"])


def sentence(title: str, line: int | None, message: str) -> str:
    """What a check found, with the line of the student's file where there is one.

    >>> sentence("real poles", 12, "got None")
    'real poles: line 12: got None'
    """
    return ": ".join(part for part in (title, f"line {line}" if line else "", message) if part)


def grade(lab: str, file: str | os.PathLike[str], time_limit: float = TIME_LIMIT) -> Grade:
    """Grade a student's file: a notebook of the lab, or any Python file with the functions it asks for.

    The student's code runs in a process of its own, without a browser. It is protected from mistakes (loops, crashes,
    `sys.exit`), not from malice: it runs with the rights of whoever grades.

    Args:
        lab: "0" to "8".
        file: path of a `.py` file.
        time_limit: seconds for each check; the rest of an exercise whose check is ended is not run.

    Raises:
        OptionError: no such lab, or a time limit that is not > 0.
        MissingDataError: there is no such file.
    """
    limit = positive("time_limit", time_limit)
    path = Path(file).resolve()
    if not path.is_file():
        raise MissingDataError(f"there is no file {file}")
    if path.suffix != ".py":
        raise OptionError(f"{file} is not a .py file: marimo notebooks are plain Python files")
    source = checks(lab)
    items = checks_of(load(source, "hidden_checks"))
    found: list[Outcome] = []
    while len(found) < len(items):
        found += _run(source, path, items, len(found), limit)
    return Grade(lab, tuple(found))


def _run(source: Path, path: Path, items: list[Check], first: int, limit: float) -> list[Outcome]:
    """Outcomes from check `first` on, at least one: to the end, or to the end of an exercise that was ended."""
    waiting = IMPORT_LIMIT + limit * (len(items) - first) + 30
    facts, errors, code = _process([str(source), str(path), str(first), str(limit), str(IMPORT_LIMIT)], waiting)
    head, *results = facts or [{}]
    rest = items[first:]
    if "ready" not in head:
        message = f"the file cannot be imported. {head['broken']}" if head else _ended(errors, code, IMPORT_LIMIT)
        line = head.get("line", _line(errors, path))
        return [Outcome(one.exercise, one.title, False, message, line) for one in rest]
    outcomes = [Outcome(**fact) for fact in results]
    if len(outcomes) == len(rest):
        return outcomes
    stopped, *others = rest[len(outcomes) :]
    outcomes.append(Outcome(stopped.exercise, stopped.title, False, _ended(errors, code, limit), _line(errors, path)))
    for one in others:
        if one.exercise != stopped.exercise:
            break
        outcomes.append(Outcome(one.exercise, one.title, False, "not run, because the check before was ended"))
    return outcomes


def _process(arguments: list[str], waiting: float) -> tuple[list[dict[str, Any]], str, int]:
    """What a worker said on standard output and standard error, and its exit status; it is ended after `waiting` s."""
    command = [sys.executable, "-m", "l2ssm.labs.worker", *arguments]
    environment = os.environ | {"MPLBACKEND": "Agg", "PYTHONUTF8": "1"}
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as worker:
        try:
            said, errors = worker.communicate(timeout=waiting)
        except subprocess.TimeoutExpired:
            _end(worker)
            said, errors = worker.communicate()
    facts = [json.loads(line) for line in said.decode("utf-8", "replace").splitlines() if line.endswith("}")]
    return facts, errors.decode("utf-8", "replace"), worker.returncode


def _end(worker: subprocess.Popen[bytes]) -> None:
    """End a worker and what it started."""
    if hasattr(os, "killpg"):
        os.killpg(worker.pid, signal.SIGKILL)
    else:
        worker.kill()


def _ended(errors: str, code: int, limit: float) -> str:
    """Why a worker ended before it was done, in words."""
    if "Timeout (" in errors:
        return f"ended after {limit:g} s: does it loop?"
    return f"the process ended by itself (exit status {code})"


def _line(errors: str, path: Path) -> int | None:
    """The innermost line of the student's file in the traceback that the watchdog left: its frames come first."""
    match = re.search(rf'File "{re.escape(str(path))}", line (\d+)', errors)
    return int(match[1]) if match else None
