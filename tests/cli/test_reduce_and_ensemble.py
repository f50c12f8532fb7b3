"""The commands `reduce`, `fit-many` and `eval` with a horizon, from a data file to what they leave in a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import l2ssm as ls
from l2ssm.cli.app import app

FEW = ["--steps", "20", "--layers", "1", "--d-model", "4", "--n-x", "3"]


def run(*arguments: object):
    """One command in this process."""
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def csv(tmp_path_factory) -> Path:
    rng = np.random.default_rng(0)
    u, e = np.repeat(rng.normal(size=60), 5), 0.05 * rng.normal(size=300)
    y = np.zeros(300)
    for k in range(299):
        y[k + 1] = 0.8 * y[k] + 0.2 * np.tanh(u[k]) + e[k]
    path = tmp_path_factory.mktemp("data") / "rig.csv"
    path.write_text("u,h\n" + "".join(f"{a:.9f},{b:.9f}\n" for a, b in zip(u, y, strict=True)))
    return path


@pytest.fixture(scope="module")
def fitted(csv, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    shown = run("fit", csv, "-u", "u", "-y", "h", "--dt", "0.1", "--gamma", 2, "-o", folder, *FEW)
    assert shown.exit_code == 0, shown.output
    return folder


def test_eval_over_a_horizon(csv, fitted, tmp_path):
    """`fit` keeps a noise model; one step ahead is better than the free run where noise is in the loop."""
    picture = tmp_path / "horizon.png"
    shown = run("eval", fitted / "model.l2ssm", csv, "--horizon", 1, "--horizon", 5, "--picture", picture)
    assert shown.exit_code == 0, shown.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    model, data = ls.load(fitted / "model.l2ssm"), ls.read(csv, inputs="u", outputs="h", dt=0.1)
    one, five, free = ls.horizon(model, data, (1, 5)).rmse[:, 0]
    assert one < 0.8 * free
    for value in (one, five, free):
        assert f"{value:.4g}" in shown.output
    refused = run("eval", fitted / "model.l2ssm", csv, "--picture", picture)
    assert refused.exit_code == 1
    assert "give that, once per number of steps" in refused.stderr
    assert "k is 0" in run("eval", fitted / "model.l2ssm", csv, "--horizon", 0).stderr


def test_reduce_leaves_a_model_that_other_commands_take(csv, fitted, tmp_path):
    small = tmp_path / "small"
    shown = run("reduce", fitted / "model.l2ssm", "--order", 2, "-o", small)
    assert shown.exit_code == 0, shown.output
    assert "6 -> 2" in shown.output
    assert sorted(p.name for p in small.iterdir()) == ["errors", "model.l2ssm", "run.json"]
    assert run("eval", small / "model.l2ssm", csv).exit_code == 0
    assert run("certify", small / "model.l2ssm").exit_code == 0
    assert run("verify", small / "cert.json").exit_code == 0
    assert run("verify", small / "errors" / "block0.cert.json").exit_code == 0
    assert run("report", small).exit_code == 0
    checked = run("reduce", fitted / "model.l2ssm", "-o", small, "--check")
    assert checked.exit_code == 0
    assert checked.output.startswith("block0: L2 gain, incremental")
    again = run("reduce", fitted / "model.l2ssm", "--tolerance", 0.2, "-o", small)
    assert "removed cert.json, report.html, report.json" in again.output
    ls.load(fitted / "model.l2ssm").save(small / "model.l2ssm")
    assert run("reduce", small / "model.l2ssm", "-o", small, "--check").output == "no block differs\n"
    refused = run("reduce", fitted / "model.l2ssm", "-o", small)
    assert refused.exit_code == 1
    assert "expected one of the two" in refused.stderr


def test_an_ensemble_and_its_scores(csv, tmp_path):
    folder = tmp_path / "many"
    shown = run("fit-many", csv, "-u", "u", "-y", "h", "--dt", "0.1", "--seeds", 2, "-o", folder, *FEW)
    assert shown.exit_code == 0, shown.output
    assert sorted(p.name for p in folder.iterdir()) == ["bode.png", "ensemble.json", "seed-0.l2ssm", "seed-1.l2ssm"]
    scored = run("eval", folder, csv)
    assert scored.exit_code == 0, scored.output
    ensemble, data = ls.Ensemble.load(folder), ls.read(csv, inputs="u", outputs="h", dt=0.1)
    for name, s in ensemble.scores(data).items():
        assert any(line.startswith(name) and f"RMSE {s.rmse[0]:.4g}" in line for line in scored.output.splitlines())
    missing = run("eval", tmp_path, csv)
    assert missing.exit_code == 1
    assert "ensemble.json is not the index of an ensemble" in missing.stderr
