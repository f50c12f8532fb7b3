"""`--fleet` and `--workers` of `fit-many` and `sweep-gamma`: what is in the folder is not done again."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from l2ssm.cli.app import app
from l2ssm.cli.fleet import chosen_fleet

FEW = ["--layers", "1", "--d-model", "2", "--n-x", "2", "--steps", "3", "--initial", "zero"]


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    u, y = np.random.default_rng(0).standard_normal(200), np.zeros(200)
    for k in range(199):
        y[k + 1] = 0.8 * y[k] + 0.2 * np.tanh(u[k])
    path = tmp_path_factory.mktemp("data") / "rig.csv"
    path.write_text("u,h\n" + "".join(f"{a:.9f},{b:.9f}\n" for a, b in zip(u, y, strict=True)))
    return [path, "-u", "u", "-y", "h", "--dt", "0.1"]


def results(folder):
    return {path: path.stat().st_mtime_ns for path in folder.glob("*/result.json")}


def test_fit_many(data, tmp_path):
    folder, command = tmp_path / "runs", ["fit-many", *data, *FEW, "-o", tmp_path / "many"]
    assert run(*command, "--seeds", 1, "--fleet", folder).exit_code == 0
    first = results(folder)
    shown = run(*command, "--seeds", 2, "--fleet", folder)
    assert shown.exit_code == 0, shown.output
    assert len(first) == 1
    assert len(results(folder)) == 2
    assert first.items() <= results(folder).items()
    assert (tmp_path / "many" / "seed-1.l2ssm").is_file()


def test_sweep_gamma(data, tmp_path):
    folder = tmp_path / "runs"
    command = ["sweep-gamma", *data, *FEW, "--gamma", 1, "--no-unprescribed", "-o", tmp_path, "--fleet", folder]
    for _ in range(2):
        shown = run(*command)
        assert shown.exit_code == 0, shown.output
        assert json.loads((tmp_path / "sweep.json").read_text())["complete"]
        assert run("verify", tmp_path / "cert.json").exit_code == 0
    assert len(results(folder)) == 1


def test_workers(data, tmp_path):
    shown = run("fit-many", *data, *FEW, "--workers", 2, "-o", tmp_path)
    assert shown.exit_code == 1
    assert "there is no --fleet FOLDER" in shown.output
    assert run("fit-many", *data, *FEW, "--fleet", tmp_path, "--workers", 0, "-o", tmp_path).exit_code == 1
    assert chosen_fleet(None, None) is None
    assert chosen_fleet(tmp_path, "2").workers == 2
    assert chosen_fleet(tmp_path, "tcp://127.0.0.1:8786").workers == "tcp://127.0.0.1:8786"
    assert chosen_fleet(tmp_path, None).workers is None
