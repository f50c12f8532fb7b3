"""`l2ssm fit` with the defaults of `fit`, with gaps in the file, and with a checkpoint that outlives a kill."""

from __future__ import annotations

import inspect
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from l2ssm import fit, load
from l2ssm.cli import fitting
from l2ssm.cli.app import app

FEW = ["--layers", "1", "--d-model", "4", "--n-x", "3", "--n-init", "10", "--refine-steps", "2"]


def run(*arguments: object):
    """One command in this process."""
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def csv(tmp_path_factory) -> Path:
    """A first-order lag; every fifth cell of its output is empty."""
    u, y = np.repeat(np.random.default_rng(0).normal(size=60), 5), np.zeros(300)
    for k in range(299):
        y[k + 1] = 0.8 * y[k] + 0.2 * np.tanh(u[k])
    path = tmp_path_factory.mktemp("data") / "rig.csv"
    cells = ["" if k % 5 == 3 else f"{b:.9f}" for k, b in enumerate(y)]
    path.write_text("u,h,full\n" + "".join(f"{u[k]:.9f},{cells[k]},{y[k]:.9f}\n" for k in range(300)))
    return path


def test_defaults_are_those_of_the_function():
    command, function = (inspect.signature(one).parameters for one in (fitting.fit, fit))
    shared = command.keys() & function.keys()
    assert {"batch", "steps", "window", "n_x"} <= shared
    assert {name: command[name].default for name in shared} == {name: function[name].default for name in shared}


def test_empty_cells_are_asked_about_then_masked(csv, tmp_path):
    given = [csv, "-u", "u", "-y", "h", "--dt", 1]
    refused = run("fit", *given, "-o", tmp_path, "--steps", 20, *FEW)
    assert refused.exit_code == 1
    assert 'dropna="mask"' in refused.output
    done = run("fit", *given, "--dropna", "mask", "-o", tmp_path, "--steps", 20, *FEW)
    assert done.exit_code == 0, done.output
    scored = run("eval", tmp_path / "model.l2ssm", *given, "--dropna", "mask")
    assert scored.exit_code == 0, scored.output
    assert "fit" in scored.output
    reported = run("report", tmp_path)  # reads the file as the fit did
    assert reported.exit_code == 0, reported.output
    assert "outputs that were not measured" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_trials_are_listed(csv, tmp_path):
    given = ["fit", csv, "-u", "u", "-y", "full", "--dt", 1, "--steps", 200, *FEW, "-o", tmp_path]
    done = run(*given, "--search", "n_x=[2,3]", "--starts", 2)
    assert done.exit_code == 0, done.output
    assert done.output.count("validation loss") == 6
    assert load(tmp_path / "model.l2ssm").info["n_x"] in (2, 3)
    assert "--search is 'n_x', expected name=value" in run(*given, "--search", "n_x").output


@pytest.mark.slow
def test_a_killed_command_goes_on(csv, tmp_path):
    """A real SIGKILL once there is a checkpoint; the same command again writes the model of an undisturbed one."""
    checkpoint, folders = tmp_path / "run.ckpt", (tmp_path / "killed", tmp_path / "whole")
    command = ["fit", csv, "-u", "u", "-y", "full", "--dt", 1, "--steps", 300, "--minutes", 5, *FEW, "-o"]
    again = [str(a) for a in [*command, folders[0], "--checkpoint", checkpoint]]
    code = "import sys; from l2ssm.cli import main; sys.argv[0] = 'l2ssm'; main()"
    process = subprocess.Popen([sys.executable, "-c", code, *again], stdout=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert checkpoint.exists()
    assert not (folders[0] / "model.l2ssm").exists()
    resumed = run(*again)
    assert resumed.exit_code == 0, resumed.output
    assert "step 100/300" not in resumed.output
    assert not checkpoint.exists()
    assert run(*command, folders[1]).exit_code == 0
    models = [load(folder / "model.l2ssm") for folder in folders]
    assert models[0].network.digest == models[1].network.digest
