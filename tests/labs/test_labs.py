"""Every lab: reference answers get all points, wrong ones are told why, and the notebook's own checks agree."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from l2ssm.labs.checking import checks_of, load, outcome
from l2ssm.labs.places import checks, labs
from l2ssm.labs.visible import verdict

pytest.importorskip("marimo", reason="the labs need marimo: pip install 'l2ssm[labs]'")

ANSWERS = Path(__file__).parent / "answers"
LABS = [name for name in labs() if name.isdigit()]
OF_LABS = pytest.mark.parametrize("lab", LABS)


def functions(path: Path) -> dict[str, str]:
    """Source of the top-level functions of a file, by name."""
    source = path.read_text(encoding="utf-8")
    found = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    return {node.name: ast.get_source_segment(source, node) or "" for node in found}


def solved(lab: str) -> str:
    """The notebook with the reference answers in place of its exercises."""
    source = labs()[lab].read_text(encoding="utf-8")
    answers = functions(ANSWERS / f"right_{lab}.py")
    for name, text in functions(labs()[lab]).items():
        if name in answers:
            source = source.replace(text, answers.pop(name))
    assert not answers, f"the notebook has no exercises {sorted(answers)}"
    return source


def visible_checks(path: Path):
    """The `test_*` functions of a notebook file."""
    module = load(path, f"notebook_{path.stem}")
    return [value for name, value in vars(module).items() if name.startswith("test_")]


@OF_LABS
def test_reference_answers_get_all_points(lab):
    module = load(ANSWERS / f"right_{lab}.py", "right")
    for item in checks_of(load(checks(lab), "hidden")):
        assert outcome(item, module, "").passed, outcome(item, module, "")


@OF_LABS
@pytest.mark.filterwarnings("ignore")  # as the grader does
def test_wrong_answers_fail_with_a_message_that_helps(lab):
    items = checks_of(load(checks(lab), "hidden"))
    wrong = load(ANSWERS / f"wrong_{lab}.py", "wrong")
    tried = dict.fromkeys((item.exercise for item in items), 0)
    for name, answer in dict(vars(wrong)).items():
        if "__" not in name.strip("_"):
            continue
        exercise = name.split("__")[0]
        student = type("Student", (), {exercise: staticmethod(answer)})
        failed = [
            found for item in items if item.exercise == exercise and not (found := outcome(item, student, "")).passed
        ]
        assert failed, f"{name} gets all points"
        assert any(answer.__doc__ in one.message for one in failed), (name, [one.message for one in failed])
        tried[exercise] += 1
    assert min(tried.values()) >= 2, tried


@OF_LABS
def test_visible_checks_of_a_fresh_and_of_a_solved_notebook(lab, tmp_path):
    fresh = verdict(*visible_checks(labs()[lab]))
    assert {state for _, state, _ in fresh.rows} == {"open"}
    exercises = {item.exercise for item in checks_of(load(checks(lab), "hidden"))}
    assert {f"test_{name}" for name in exercises} == {t.__name__ for t in visible_checks(labs()[lab])}
    copy = tmp_path / labs()[lab].name
    copy.write_text(solved(lab), encoding="utf-8")
    done = verdict(*visible_checks(copy))
    assert done.passed, str(done)


@OF_LABS
def test_a_lab_has_a_slider_shows_numbers_and_ends_with_what_to_take_home(lab):
    source = labs()[lab].read_text(encoding="utf-8")
    for part in ("mo.ui.slider", "mo.stat", "**Theorem", "What to take home", "75 minutes", "def test_"):
        assert part in source, part


@pytest.mark.slow
@pytest.mark.parametrize("lab", labs())
def test_notebook_runs_as_a_script(lab, tmp_path):
    """Fresh: exercises are open. Solved: every check passes, and the cells that use the answers run."""
    copy = tmp_path / labs()[lab].name
    copy.write_text(solved(lab) if lab in LABS else labs()[lab].read_text(encoding="utf-8"), encoding="utf-8")
    environment = os.environ | {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    run = subprocess.run([sys.executable, str(copy)], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "✗" not in run.stdout
    assert "○" not in run.stdout
    assert ("✓" in run.stdout) == (lab in LABS)


@pytest.mark.slow
def test_notebooks_run_as_tests():
    """`pytest NOTEBOOK`: the visible checks are collected, and skipped as long as nothing is solved."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(str(labs()[lab]) for lab in LABS)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=labs()["0"].parent)
    count = sum(labs()[lab].read_text(encoding="utf-8").count("def test_") for lab in LABS)
    assert f"{count} skipped" in run.stdout, run.stdout
    assert run.returncode == 0


@pytest.mark.parametrize("lab", ["1", "2"])
def test_labs_one_and_two_leave_torch_alone(lab):
    code = (
        f"import runpy, sys; runpy.run_path({str(labs()[lab])!r}, run_name='__main__'); print('torch' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"MPLBACKEND": "Agg"}
    )
    assert run.stdout.splitlines()[-1] == "False", run.stderr
