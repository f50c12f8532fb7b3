"""`grade`: the hidden checks of a lab on a student's file, which another process runs, ended when it takes too long."""

from __future__ import annotations

import os
import textwrap
import warnings
from dataclasses import dataclass
from pathlib import Path

from l2ssm.errors import MissingDataError, OptionError
from l2ssm.labs.checking import Check, Outcome, checks_of, load, outcome
from l2ssm.labs.places import checks
from l2ssm.labs.remote import Ended
from l2ssm.labs.student import Student
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

    The student's code runs in a process of its own, without a browser. What it returns is judged in this one: nothing
    that it prints or patches gives points. This protects from mistakes (loops, crashes, `sys.exit`) and tricks, not
    from malice: the code runs with the rights of whoever grades.

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
    items = checks_of(load(checks(lab), "hidden_checks"))
    found: list[Outcome] = []
    while len(found) < len(items):
        found += _run(path, items, len(found), limit)
    return Grade(lab, tuple(found))


def _run(path: Path, items: list[Check], first: int, limit: float) -> list[Outcome]:
    """Outcomes from check `first` on, at least one: to the end, or to the end of an exercise that was ended."""
    rest = items[first:]
    outcomes: list[Outcome] = []
    with Student(path, limit, IMPORT_LIMIT) as student, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        broken = student.broken or _another_lab(student, items)
        if broken:
            return [Outcome(one.exercise, one.title, False, *broken) for one in rest]
        for item in rest:
            try:
                with student.watched():
                    outcomes.append(outcome(item, student.functions, str(path)))
            except Ended:
                outcomes.append(Outcome(item.exercise, item.title, False, *student.why(limit)))
                break
    for item in rest[len(outcomes) :]:
        if item.exercise != outcomes[-1].exercise:
            break
        outcomes.append(Outcome(item.exercise, item.title, False, "not run, because the check before was ended"))
    return outcomes


def _another_lab(student: Student, items: list[Check]) -> tuple[str, None] | None:
    """What to say of a file without any of the functions."""
    wanted = list(dict.fromkeys(item.exercise for item in items))
    if any(hasattr(student.functions, name) for name in wanted):
        return None
    return f"the file has none of the functions {', '.join(wanted)}: is it that of another lab?", None
