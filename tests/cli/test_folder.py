"""What the commands leave in a folder and read from it: stale files, run.json, pictures, files in folders not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from l2ssm.cli.app import app
from l2ssm.cli.pictures import norm_line, picture_path
from l2ssm.cli.source import Source, model_changed, recall
from l2ssm.errors import DataError, OptionError
from l2ssm.files import write_atomically
from l2ssm.systems.state_space import StateSpace


def run(*arguments: object):
    """One command in this process."""
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})


def test_fit_removes_what_is_about_the_model_before(tmp_path):
    data = tmp_path / "rig.csv"
    data.write_text("u,h\n" + "".join(f"{(k // 9) % 2},{k % 18 / 18:.6f}\n" for k in range(120)))
    out = tmp_path / "out"
    out.mkdir()
    for name in ("cert.json", "report.html", "report.json", "notes.txt"):
        (out / name).write_text("old")
    small = ["--steps", "2", "--layers", "1", "--d-model", "2", "--n-x", "2"]
    arguments = ["fit", data, "-u", "u", "-y", "h", "--dt", "0.1", "-o", out, *small]
    refused = run(*arguments, "--gamma", "-1")
    assert refused.exit_code == 1
    assert (out / "cert.json").exists()  # the old model is still there
    shown = run(*arguments)
    assert shown.exit_code == 0, shown.output
    lines = [line for line in shown.output.splitlines() if line.startswith("removed")]
    assert lines == [f"removed cert.json, report.html, report.json from {out}: about the model that was there before"]
    assert sorted(p.name for p in out.iterdir()) == ["model.l2ssm", "notes.txt", "run.json"]
    assert model_changed(out, None) == ""


@pytest.mark.parametrize("name", ["x.xyz", "x", "x.png.bak"])
@pytest.mark.parametrize("command", [["bode", "absent.l2ssm"], ["validate", "--draws", "1"]])
def test_a_picture_of_another_format_is_refused_before_anything_is_done(tmp_path, monkeypatch, name, command):
    monkeypatch.chdir(tmp_path)
    shown = run(*command, "-o", name)
    assert shown.exit_code == 1
    assert ".png .svg .pdf" in shown.stderr
    assert shown.stdout == ""
    with pytest.raises(OptionError):
        picture_path(Path(name))


def test_pictures_may_have_upper_case_suffixes_in_folders_that_exist(tmp_path):
    assert picture_path(tmp_path / "A.PDF") == tmp_path / "A.PDF"
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        picture_path(tmp_path / "no" / "a.pdf")


def test_a_peak_at_frequency_zero_is_called_steady_state():
    lag = StateSpace([[0.5]], [[0.5]], [[1.0]], [[0.0]], 0.1)
    assert norm_line(lag).endswith("peak at steady state")
    high = StateSpace([[-0.5]], [[0.5]], [[1.0]], [[0.0]], 0.1)  # its peak is at Nyquist, 10 pi rad/s
    assert norm_line(high).endswith("peak at 31.42 rad/s")


def test_a_file_in_a_folder_that_is_not_there_names_the_folder(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write_atomically(tmp_path / "no" / "cert.json", b"")
    assert str(caught.value) == f"there is no folder {tmp_path / 'no'}"


def test_recall_gives_back_what_was_remembered(tmp_path):
    source = Source(str(tmp_path / "a.csv"), ("u",), ("y",), "t", None, 1, None, None, 3, 10)
    source.remember(tmp_path, "l2ssm fit")
    assert recall(tmp_path) == (source, "l2ssm fit")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("inputs", "u"), ("outputs", [1]), ("outputs", None), ("time", 3), ("dt", 0.1), ("time_axis", "0"),
        ("seed", None), ("samples", True), ("path", None), ("benchmark", ["emps"]), ("plant", 1), ("unheard_of", "x"),
    ],
)  # fmt: skip
def test_an_ill_typed_run_file_is_refused_by_name(tmp_path, field, value):
    Source("a.csv", ("u",), ("y",)).remember(tmp_path, "l2ssm fit")
    content = json.loads((tmp_path / "run.json").read_text())
    content["source"][field] = value
    (tmp_path / "run.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=f"run.json is not a run file of l2ssm: .*{field}"):
        recall(tmp_path)


@pytest.mark.parametrize("text", ["[]", "{}", '{"source": 3, "command": "x"}', '{"source": {}, "command": 3}', "\x00"])
def test_what_is_not_a_run_file_is_refused_by_name(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(DataError, match=r"run\.json is not a run file"):
        recall(tmp_path)
