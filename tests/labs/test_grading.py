"""The grader: points by exercise, bad code is named by its line, nothing runs past its time; and `l2ssm lab`."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from l2ssm.cli.app import app
from l2ssm.errors import MissingDataError, OptionError
from l2ssm.labs.grading import grade
from l2ssm.labs.places import checks, folder, labs, notebook

ANSWERS = Path(__file__).parent / "answers"
HOSTILE = '''"""A file with every kind of bad answer."""
import os, sys, time
print("noise on standard output", flush=True)
os.write(1, b"noise on the descriptor")


def fit_percent(y, y_sim):
    while True:
        pass


def secant_gain(u, v, y_u, y_v):
    sys.exit(3)


def refuting_pair(T):
    if T == 600:
        os._exit(7)
    return T.nothing
'''


@pytest.fixture
def student(tmp_path):
    def written(text):
        path = tmp_path / "student.py"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def test_reference_answers_through_the_command():
    result = CliRunner().invoke(app, ["lab", "0", "--check", str(ANSWERS / "right_0.py")])
    assert result.exit_code == 0, result.output
    assert "fit_percent: 2/2 points" in result.output
    assert result.output.splitlines()[-1] == "lab 0: 6/6 points"


def test_loops_exits_and_crashes_end_one_exercise_and_no_more(student):
    found = grade("0", student(HOSTILE), time_limit=1.5)
    loop, skipped = found.of("fit_percent")
    assert "ended after 1.5 s" in loop.message
    assert loop.line in (8, 9)
    assert "not run" in skipped.message
    assert [(one.line, "SystemExit: 3 in `sys.exit(3)`" in one.message) for one in found.of("secant_gain")] == [
        (13, True)
    ] * 2
    crash, _ = found.of("refuting_pair")
    assert "exit status 7" in crash.message
    assert found.points == 0
    assert found.possible == 6


def test_errors_name_their_line(student):
    text = "def fit_percent(y, y_sim):\n    return y.nothing\n\n\ndef secant_gain(u, v, y_u, y_v):\n    assert False\n"
    found = grade("0", student(text))
    assert all(
        one.line == 2 and "AttributeError" in one.message and "`return y.nothing`" in one.message
        for one in found.of("fit_percent")
    )
    assert all(one.line == 6 for one in found.of("secant_gain"))
    assert all("there is no function refuting_pair" in one.message for one in found.of("refuting_pair"))


@pytest.mark.slow
@pytest.mark.parametrize("lab", [name for name in labs() if name.isdigit()])
def test_reference_answers_get_all_points_from_another_process(lab):
    """Systems, certificates, functions as arguments and functions as results cross the line in both directions."""
    found = grade(lab, ANSWERS / f"right_{lab}.py")
    assert found.points == found.possible, str(found)


TRICKS = {
    "results written on every descriptor": """
import json, os, struct
fact = {"exercise": "fit_percent", "title": "", "passed": True, "message": "", "line": None}
said = (json.dumps({"ready": True}) + chr(10) + json.dumps(fact) + chr(10)).encode()
no_message, value = (json.dumps(v).encode() for v in ({"passed": True}, ["tuple", "value", True]))
for text in (said, *(struct.pack("<Q", len(v)) + v for v in (no_message, value))):
    for descriptor in range(3, 30):
        try:
            os.write(descriptor, text)
        except OSError:
            pass
""",
    "the checker replaced": """
import sys
import l2ssm.labs.checking as checking
passed = lambda item, student, path: checking.Outcome(item.exercise, item.title, True)
for module in list(sys.modules.values()):
    if hasattr(module, "outcome"):
        module.outcome = passed
checking.close = lambda *given, **named: None
""",
    "numpy replaced": """
import numpy as np
np.allclose = np.all = lambda *given, **named: True
np.abs = np.asarray = lambda *given, **named: np.zeros(())
""",
    "equal to everything": """
class Agreeable(float):
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = lambda self, other: True
    __hash__ = float.__hash__
fit_percent = secant_gain = refuting_pair = lambda *given: Agreeable(1.0)
""",
}


@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS)
def test_tricks_give_no_points(student, trick):
    answers = "def fit_percent(y, y_sim):\n    return 1.0\n\n\nsecant_gain = refuting_pair = fit_percent\n"
    found = grade("0", student(answers + trick))
    assert found.points == 0, str(found)


def test_nothing_is_run_that_a_student_chose(student, tmp_path):
    text = f"""
import subprocess
class Code:
    def __reduce__(self):
        return subprocess.Popen, (["touch", {str(tmp_path / "written")!r}],)


def fit_percent(y, y_sim):
    return Code()
"""
    found = grade("0", student(text))
    assert all("student.Code is neither a number" in one.message for one in found.of("fit_percent")), str(found)
    assert not (tmp_path / "written").exists()


def test_what_a_file_writes_fills_no_pipe(student):
    text = """
import os, sys
def fit_percent(y, y_sim):
    for _ in range(20_000):
        print("x" * 100)
        sys.stderr.write("y" * 100)
        os.write(2, b"Timeout (z")
    return 0.0
"""
    found = grade("0", student(text), time_limit=20)
    assert all("got 0" in one.message for one in found.of("fit_percent")), str(found)


def test_the_file_of_another_lab(student):
    found = grade("1", ANSWERS / "right_0.py")
    assert found.points == 0
    assert str(found).count("is it that of another lab?") == 1
    assert "mode_gain" in found.outcomes[0].message


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("def f(:\n", 1, "SyntaxError"),
        ("x = 1\ny = x / 0\n", 2, "ZeroDivisionError"),
        ("raise SystemExit('bye')", 1, "bye"),
    ],
)
def test_files_that_cannot_be_imported(student, text, line, message):
    found = grade("0", student(text))
    assert {one.line for one in found.outcomes} == {line}
    assert all(message in one.message and "cannot be imported" in one.message for one in found.outcomes)
    assert str(found).count("cannot be imported") == 1


def test_a_file_that_loops_when_imported(student, monkeypatch):
    monkeypatch.setattr("l2ssm.labs.grading.IMPORT_LIMIT", 3.0)
    found = grade("0", student("k = 0\nwhile True:\n    k += 1\n"), time_limit=1)
    assert {one.line for one in found.outcomes} <= {2, 3}
    assert "does it loop?" in found.outcomes[0].message


def test_what_cannot_be_graded(tmp_path):
    with pytest.raises(MissingDataError, match="there is no file"):
        grade("0", tmp_path / "none.py")
    with pytest.raises(OptionError, match=r"there are 0, 1, .*, playground"):
        grade("77", __file__)
    with pytest.raises(OptionError, match="no exercises"):
        checks("playground")
    with pytest.raises(OptionError, match="time_limit"):
        grade("0", __file__, time_limit=0)
    notes = tmp_path / "notes.txt"
    notes.write_text("no")
    with pytest.raises(OptionError, match=r"not a \.py file"):
        grade("0", notes)


def test_list():
    result = CliRunner().invoke(app, ["lab"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()) == len(labs()) == 10
    assert "l2ssm lab 1           Lab 1: one mode" in result.output


def test_opening_makes_a_copy_and_keeps_what_was_written(tmp_path, monkeypatch):
    pytest.importorskip("marimo")
    calls = []
    monkeypatch.setattr(subprocess, "call", lambda command, env: calls.append(command) or 0)
    copy = tmp_path / notebook("1").name
    for _ in range(2):
        assert CliRunner().invoke(app, ["lab", "1", "-o", str(tmp_path)]).exit_code == 0
        copy.write_text("mine")
    assert copy.read_text() == "mine"
    assert CliRunner().invoke(app, ["lab", "1", "--app", "-o", str(tmp_path)]).exit_code == 0
    assert [command[3:] for command in calls] == [["edit", str(copy)]] * 2 + [["run", str(copy)]]


def test_without_marimo_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("l2ssm.cli.lab.find_spec", lambda name: None)
    result = CliRunner().invoke(app, ["lab", "1", "-o", str(tmp_path)])
    assert result.exit_code == 1
    assert "pip install 'l2ssm[labs]'" in result.output
    assert importlib.util.find_spec("l2ssm") is not None
    assert list(tmp_path.iterdir()) == []


def test_the_wheel_holds_notebooks_and_checks():
    included = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    for kind in ("notebooks", "checks"):
        place = folder(kind).relative_to(Path(__file__).parents[2]).as_posix()
        assert f'"{place}" = "l2ssm/labs/{kind}"' in included
