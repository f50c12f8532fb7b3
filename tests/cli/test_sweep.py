"""`l2ssm sweep-gamma`: the files it writes, and what an interruption leaves."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from l2ssm.cli.app import app

FEW = ["--steps", "20", "--layers", "1", "--d-model", "3", "--n-x", "3", "--initial", "zero"]


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = np.random.default_rng(0)
    u = np.repeat(rng.normal(size=40), 5)
    y = np.zeros(200)
    for k in range(199):
        y[k + 1] = 0.8 * y[k] + 0.2 * np.tanh(u[k])
    path = tmp_path_factory.mktemp("data") / "rig.csv"
    path.write_text("u,h\n" + "".join(f"{a:.9f},{b:.9f}\n" for a, b in zip(u, y, strict=True)))
    return [path, "-u", "u", "-y", "h", "--dt", "0.1"]


def test_files(data, tmp_path):
    shown = run("sweep-gamma", *data, "-o", tmp_path, "--gamma", 1, "--gamma", 3, "--no-unprescribed", *FEW)
    assert shown.exit_code == 0, shown.output
    facts = json.loads((tmp_path / "sweep.json").read_text())
    assert facts["complete"]
    assert [row["prescribed"] for row in facts["rows"]] == [1.0, 3.0]
    assert sum(row["chosen"] for row in facts["rows"]) == 1
    with (tmp_path / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["proved"]) for row in rows] == [row["proved"] for row in facts["rows"]]
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")
    assert run("verify", tmp_path / "cert.json").exit_code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        ["cert.json", "model.l2ssm", "run.json", "sweep.csv", "sweep.json", "sweep.png"]
    )


def test_no_time_for_the_whole_network_leaves_the_product(data, tmp_path):
    for limit, left_out in ((1e-6, True), (30.0, False)):
        shown = run("sweep-gamma", *data, "-o", tmp_path, "--gamma", 1, "--time-limit", limit, "--scaffold", "residual",
                    "--no-unprescribed", *FEW)  # fmt: skip
        assert shown.exit_code == 0, shown.output
        assert ("network not tried (needs a time_limit of about 1 s, not 1e-06 s)" in shown.output) == left_out


def test_interrupted(data, tmp_path, monkeypatch):
    """Ctrl-C in the second fit: the first one is on disk, with model and certificate."""
    from l2ssm.cli import sweep as command

    calls = []

    def stop(report):
        calls.append(report)
        if len(calls) == 3:  # two reports a fit: after the steps and after refining
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "training_progress", stop)
    shown = run("sweep-gamma", *data, "-o", tmp_path, "--gamma", 1, "--gamma", 3, "--no-unprescribed", *FEW)
    assert shown.exit_code == 0, shown.output
    assert "interrupted: 1 fit(s) done" in shown.output
    facts = json.loads((tmp_path / "sweep.json").read_text())
    assert not facts["complete"]
    assert [row["prescribed"] for row in facts["rows"]] == [1.0]
    assert run("verify", tmp_path / "cert.json").exit_code == 0


def test_errors(data, tmp_path):
    shown = run("sweep-gamma", *data, "-o", tmp_path, "--gamma", -1, *FEW)
    assert shown.exit_code == 1
    assert "gammas is -1.0" in shown.output
    assert run("sweep-gamma", "-o", tmp_path).exit_code == 1
    shown = run("sweep-gamma", *data, "-o", tmp_path, "--gamma", 1, "--time-limit", 0, *FEW)
    assert shown.exit_code == 1
    assert "time_limit is 0.0" in shown.output
