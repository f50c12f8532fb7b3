"""`l2ssm import`, and a store in the place of a file."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

import l2ssm
from l2ssm.cli.app import app


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """With a file of two records, one output of which has an empty cell."""
    monkeypatch.chdir(tmp_path)
    record = l2ssm.plants.CascadedTanks().experiment(seed=0, samples=400)["train"]
    rows = [f"{k % 200 * 4.0},{u[0]!r},{'' if k == 7 else repr(float(y[0]))},{k // 200}" for k, (u, y) in enumerate(zip(
        record.u.tolist(), record.y, strict=True))]  # fmt: skip
    (tmp_path / "a.csv").write_text("\n".join(["t,u,h,run", *rows]))
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_file_becomes_a_store_that_commands_take(folder):
    columns = ("-u", "u", "-y", "h", "--time", "t", "--dropna", "mask")
    shown = run("import", "a.csv", "kept", *columns, "--record", "run")
    assert shown.exit_code == 0, shown.output
    assert shown.output.splitlines()[-1] == "wrote kept"
    read = l2ssm.read("a.csv", inputs="u", outputs="h", time="t", dropna="mask", record="run")
    assert shown.output.splitlines()[:-2] == str(read).splitlines()[:-1]
    np.testing.assert_array_equal(l2ssm.read("kept")[0].y, read[0].y.astype(np.float32))
    fitted = run("fit", "kept", "-o", "out", "--steps", 3, "--refine-steps", 0, "--layers", 1)
    assert fitted.exit_code == 0, fitted.output
    assert l2ssm.load("out/model.l2ssm").info["data_digest"] == l2ssm.read("kept").digest
    assert run("eval", "out/model.l2ssm", "kept").exit_code == 0


def test_what_is_wrong_is_one_line(folder):
    assert run("import", "a.csv", "kept", "-u", "u", "--dt", "4").exit_code == 0
    for arguments, message in (
        (("import", "a.csv", "kept", "-u", "u", "--dt", "4"), "error: kept is there already"),
        (("import", "a.csv", "new", "-u", "u"), "error: the sampling time is unknown"),
        (("import", "a.csv", "new", "-u", "u", "--dt", "4", "--dtype", "float16"), "error: dtype is 'float16'"),
        (("fit", "kept", "-u", "u", "-y", "h"), "error: kept is a store, which says its channels"),
        (("fit", "kept"), "error: record 'a' has no outputs"),
    ):
        shown = run(*arguments)
        assert shown.exit_code == 1
        assert shown.stderr.startswith(message)
        assert len(shown.stderr.splitlines()) == 1
