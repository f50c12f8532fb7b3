"""The command line from a data file to a verified certificate, and its errors and exit codes."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from l2ssm import load, verify
from l2ssm.cli.app import app
from l2ssm.systems.layers import Residual

FEW = ["--steps", "20", "--layers", "1", "--d-model", "4", "--n-x", "3"]


def run(*arguments: object):
    """One command in this process."""
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def csv(tmp_path_factory) -> Path:
    rng = np.random.default_rng(0)
    u = np.repeat(rng.normal(size=40), 5)
    y = np.zeros(200)
    for k in range(199):
        y[k + 1] = 0.8 * y[k] + 0.2 * np.tanh(u[k])
    path = tmp_path_factory.mktemp("data") / "rig.csv"
    rows = "".join(f"{0.1 * k:.1f},{a:.9f},{b:.9f}\n" for k, (a, b) in enumerate(zip(u, y, strict=True)))
    path.write_text("t,u,h\n" + rows)
    return path


@pytest.fixture(scope="module")
def fitted(csv, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    assert run("fit", csv, "-u", "u", "-y", "h", "--time", "t", "--gamma", 2, "-o", folder, *FEW).exit_code == 0
    assert run("certify", folder / "model.l2ssm").exit_code == 0
    return folder


@pytest.fixture
def copy(fitted, tmp_path) -> Path:
    """The fitted folder, to spoil."""
    for name in ("model.l2ssm", "cert.json", "run.json"):
        (tmp_path / name).write_bytes((fitted / name).read_bytes())
    return tmp_path


def test_tiers_and_the_worst_input(copy):
    """Each tier is proved, the waveform shows the gain that was found."""
    certify = ["certify", copy / "model.l2ssm", "-o", copy / "c.json"]
    gammas = {}
    for method in ("product", "network"):
        shown = run(*certify, "--method", method)
        assert shown.exit_code == 0
        gammas[method] = verify(copy / "c.json").gamma
        assert ("one matrix inequality" in shown.stdout) == (method == "network")
    assert gammas["network"] < gammas["product"]
    assert "time limit of 1e-06 s is over" in run(*certify, "--method", "network", "--time-limit", 1e-6).stderr
    assert "expected one of auto, product, block, network" in run(*certify, "--method", "best").stderr
    assert run(*certify, "--method", "product", "--worst", copy / "worst.csv").exit_code == 0
    table = np.genfromtxt(copy / "worst.csv", delimiter=",", skip_header=1)
    t, u, du, before, after = table.T
    model = load(copy / "model.l2ssm")
    np.testing.assert_allclose(np.diff(t), 0.1, rtol=1e-9)
    np.testing.assert_allclose(model.network.simulate(u + du).ravel(), after, rtol=1e-12, atol=1e-12)
    gain = np.linalg.norm(after - before) / np.linalg.norm(du)
    assert gain == pytest.approx(verify(copy / "c.json").lower.gain, rel=1e-6)


def without_biases(layer):
    """The layer with zeros for every vector that is added, and gelu, whose sector is narrower than its slopes."""
    if isinstance(layer, Residual):
        return Residual(tuple(without_biases(inner) for inner in layer.layers))
    biases = {f.name: 0 * getattr(layer, f.name) for f in dataclasses.fields(layer) if f.name in ("b", "b1", "b2")}
    gelu = {"activation": "gelu"} if hasattr(layer, "activation") else {}
    return dataclasses.replace(layer, **biases, **gelu)


def test_the_worst_input_of_a_claim_from_rest(csv, tmp_path):
    """Without biases a gain from rest is proved, and the waveform that is written starts from rest."""
    model_file, worst = tmp_path / "model.l2ssm", tmp_path / "worst.csv"
    assert run("fit", csv, "-u", "u", "-y", "h", "--dt", 0.1, "-o", tmp_path, *FEW).exit_code == 0
    model = load(model_file)
    layers = tuple(without_biases(layer) for layer in model.network.layers)
    dataclasses.replace(model, network=dataclasses.replace(model.network, layers=layers)).save(model_file)
    shown = run("certify", model_file, "--kind", "l2", "--method", "network", "--arithmetic", "float", "--worst", worst)
    assert "L2 gain from rest" in shown.stdout
    assert "VERIFIED (float" in shown.stdout
    _, u, du, before, after = np.genfromtxt(worst, delimiter=",", skip_header=1).T
    assert not np.any(u)
    assert not np.any(before)
    lower = verify(tmp_path / "cert.json").lower
    np.testing.assert_array_equal(du, lower.du[:, 0])
    assert np.linalg.norm(after) / np.linalg.norm(du) == pytest.approx(lower.gain, rel=1e-9)
    assert "arithmetic is 'floats', expected one of ball" in run("certify", model_file, "--arithmetic", "floats").stderr


def test_options_of_a_cell(csv, tmp_path):
    fit = ["fit", csv, "-u", "u", "-y", "h", "--time", "t", "-o", tmp_path, *FEW]
    shown = run(*fit, "--cell", "s4d", "--cell-option", "init=inv", "--cell-option", "band_limit=0.5")
    assert shown.exit_code == 0
    assert load(tmp_path / "model.l2ssm").info["cell_options"] == {"init": "inv", "band_limit": 0.5}
    for option, message in (("init", "expected name=value"), ("radius=1", "S4D has no option 'radius'; it has init")):
        refused = run(*fit, "--cell", "s4d", "--cell-option", option)
        assert refused.exit_code != 0
        assert message in refused.output


def test_options_of_a_prescribed_gain(csv, tmp_path):
    fit = ["fit", csv, "-u", "u", "-y", "h", "--time", "t", "-o", tmp_path, *FEW]
    shown = run(*fit, "--gamma", 2, "--gamma-start", 8, "--static", "sandwich", "--scaffold", "series")
    assert shown.exit_code == 0
    assert "2 prescribed" in shown.output
    refused = run(*fit, "--gamma", 2, "--static", "glu")
    assert refused.exit_code != 0
    assert "static 'glu' has no finite gain; with gamma = 2 use one of contractive, sandwich" in refused.output


def test_from_file_to_report(csv, fitted, tmp_path):
    shown = run("eval", fitted / "model.l2ssm", csv)
    assert shown.exit_code == 0
    assert "free run" in shown.output
    assert "columns: inputs u; outputs h; time t; on the TRAINING data" in shown.output
    picture = tmp_path / "bode.png"
    assert "H-infinity norm in" in run("bode", fitted / "model.l2ssm", "-o", picture, "--hz").output
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert run("report", fitted).exit_code == 0
    facts = json.loads((fitted / "report.json").read_text())
    assert facts["fit"]["on"] == "on the TRAINING data"
    assert facts["command"].startswith("l2ssm")


def test_columns_of_another_name_can_be_given_to_eval(csv, fitted, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text(csv.read_text().replace("t,u,h", "time,pump,level"))
    same = run("eval", fitted / "model.l2ssm", csv).output.splitlines()
    assumed, columns, *table = run(
        "eval", fitted / "model.l2ssm", other, "-u", "pump", "-y", "level"
    ).output.splitlines()
    assert assumed == "dt = 0.1 s assumed from the model"
    assert columns == "columns: inputs pump; outputs level"
    assert table == same[1:]


def test_verify_proves_and_says_about_what(copy):
    proved = run("verify", copy / "cert.json")
    assert proved.exit_code == 0
    assert "model.l2ssm" in proved.output
    (copy / "model.l2ssm").unlink()
    alone = run("verify", copy / "cert.json")
    assert alone.exit_code == 0
    assert "no model was compared" in alone.output


@pytest.mark.parametrize(("arithmetic", "shown"), [("float", "float64 with"), ("ball", "ball arithmetic, 128 bit")])
def test_verify_in_either_arithmetic(copy, arithmetic, shown):
    proved = run("verify", copy / "cert.json", "--arithmetic", arithmetic)
    assert proved.exit_code == 0
    assert f"VERIFIED ({shown}" in proved.output
    assert run("verify", copy / "cert.json", "--arithmetic", "decimal").exit_code == 64


def test_verify_refutes_after_any_change_of_the_certificate(copy):
    """Every number in the file in turn: exit code 2, or 3 where the text is no longer a certificate."""
    path = copy / "cert.json"
    text = path.read_text()
    digits = [i for i, c in enumerate(text) if c.isdigit()]
    for position in np.random.default_rng(0).choice(digits, size=40, replace=False):
        changed = str((int(text[position]) + 1) % 10)
        path.write_text(text[:position] + changed + text[position + 1 :])
        assert run("verify", path).exit_code in (2, 3), text[position - 40 : position + 10]
    path.write_text(text.replace('"gamma"', '"gama"', 1))
    assert run("verify", path).exit_code in (2, 3)
    path.write_text(text[: len(text) // 2])
    assert run("verify", path).exit_code == 3
    assert run("verify", copy / "absent.json").exit_code == 3


def test_verify_refutes_after_one_weight_changed(copy):
    """One weight of any array in the model file, by its last bit: exit code 2."""
    path = copy / "model.l2ssm"
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    for name in tensors:
        spoiled = {k: v.copy() for k, v in tensors.items()}
        flat = spoiled[name].reshape(-1)
        flat[-1] = np.nextafter(flat[-1], np.inf)
        save_file(spoiled, path, metadata)
        shown = run("verify", copy / "cert.json")
        assert shown.exit_code == 2, name
    tensors[name].reshape(-1)[0] = np.nan
    save_file(tensors, path, metadata)
    assert run("verify", copy / "cert.json").exit_code == 2


def test_verify_without_torch_and_cvxpy(fitted):
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in ('torch', 'cvxpy', 'matplotlib', 'sklearn', 'numba'): raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"sys.argv = ['l2ssm', 'verify', {str(fitted / 'cert.json')!r}]\n"
        "from l2ssm.cli import main\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "PROVED" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-u", "pump", "-y", "h", "--dt", "1"], "pump"),
        (["-u", "u", "-y", "h"], "dt"),
        (["-u", "u"], "name the columns"),
        (["-u", "u", "-y", "h", "--time", "t", "--gamma", "-1"], "gamma is -1.0"),
        (["-u", "u", "-y", "h", "--time", "t", "--cell", "gru"], "unknown cell 'gru'"),
        (["-u", "u", "-y", "h", "--time", "t", "--benchmark", "emps"], "not both"),
    ],
)
def test_errors_are_one_line(csv, tmp_path, arguments, message):
    shown = run("fit", csv, "-o", tmp_path / "out", *arguments)
    assert shown.exit_code == 1
    assert shown.stderr.startswith("error: ")
    assert message in shown.stderr
    assert len(shown.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out" / "model.l2ssm").exists()


def test_no_data_no_model(tmp_path):
    assert "no data" in run("fit", "-o", tmp_path).stderr
    assert "there is no model file" in run("certify", tmp_path / "m.l2ssm").stderr
    assert "there is no model file" in run("report", tmp_path).stderr
    assert run("fit", "absent.csv", "-u", "u", "-y", "y", "-o", tmp_path).exit_code == 1


def test_debug_shows_the_traceback(tmp_path):
    shown = run("--debug", "certify", tmp_path / "m.l2ssm")
    assert type(shown.exception).__name__ == "ModelFileError"
    run("certify", tmp_path / "m.l2ssm")  # the flag does not stay


def test_doctor():
    shown = run("doctor")
    assert shown.exit_code == 0, shown.output
    assert "CLARABEL" in shown.output
    assert "self-test passed" in shown.output
