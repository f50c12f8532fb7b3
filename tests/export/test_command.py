"""`l2ssm export`: every target from a folder and from a file, proofs beside, refusals, nothing half-written."""

from __future__ import annotations

import re

import numpy as np
import pytest
from export_models import apart, model_of, record
from typer.testing import CliRunner

import l2ssm
from l2ssm.cli.app import app

ENDS = {"c": "m.c", "onnx": "m.onnx", "runtime": "m.l2ssm"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model = model_of("bounded with gamma")
    model.save(folder / "model.l2ssm")
    l2ssm.certify(model, lower=False, method="product").save(folder / "cert.json")
    return folder


def run(*arguments):
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("to", ENDS)
def test_every_target(to, precision, folder, tmp_path):
    if to == "onnx":
        pytest.importorskip("onnx", reason="needs the extra onnx")
    out = tmp_path / ENDS[to]
    done = run(folder, "--to", to, "-o", out, "--precision", precision)
    assert done.exit_code == 0, done.output
    files = {"c": {"m.c", "m.h"}, "onnx": {"m.onnx", "m.start.onnx"}, "runtime": {"m.l2ssm"}}[to]
    assert {path.name for path in tmp_path.iterdir()} == files | {"m.cert.json"}
    certificate = l2ssm.verify(tmp_path / "m.cert.json", model=out if to == "runtime" else None)
    assert certificate.gamma <= 3.0
    if to == "c":
        assert certificate.file_digest in out.read_text()
    if to == "runtime":
        model, (u, y) = model_of("bounded with gamma"), record()
        deployed = l2ssm.load(out)
        assert not deployed.parameters
        assert apart(deployed.runtime(precision).simulate(u, y), model.simulate(u, y)) < 1e-5
        if precision == "float32":
            W = deployed.network.layers[0].W
            np.testing.assert_array_equal(W, W.astype(np.float32))


def test_without_a_certificate_the_file_says_so(folder, tmp_path):
    model_of("s6").save(tmp_path / "model.l2ssm")
    done = run(tmp_path / "model.l2ssm", "--to", "c", "-o", tmp_path / "m.c")
    assert done.exit_code == 0
    assert "no gain is certified" in done.output
    assert "gain_certified: none" in (tmp_path / "m.c").read_text()
    refused = run(tmp_path, "--to", "c", "-o", tmp_path / "n.c", "--precision", "float32")
    assert refused.exit_code == 1
    assert re.search(r"error: block0.*S6Core", refused.output)
    assert not (tmp_path / "n.c").exists()
    (tmp_path / "n.cert.json").write_text("of an export before")
    done = run(tmp_path, "--to", "c", "-o", tmp_path / "n.c", "--precision", "float32", "--uncertified")
    assert done.exit_code == 0
    assert "precision: float32" in (tmp_path / "n.c").read_text()
    assert not (tmp_path / "n.cert.json").exists()


def test_the_certificate_of_another_model_is_refused(folder, tmp_path):
    model_of("bounded").save(tmp_path / "model.l2ssm")
    (tmp_path / "cert.json").write_bytes((folder / "cert.json").read_bytes())
    refused = run(tmp_path, "--to", "c", "-o", tmp_path / "m.c")
    assert refused.exit_code == 1
    assert "the certificate is about the model file" in refused.output
    assert not (tmp_path / "m.c").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "c", "-o", "m.onnx"], "--to c -o NAME.c"),
        (["--to", "java", "-o", "m.java"], "--to runtime -o NAME.l2ssm"),
        (["--to", "c", "-o", "m.c", "--precision", "float16"], "expected one of float64, float32"),
        (["--to", "c", "-o", "m.c", "--precision", "float32", "--gamma", "-1"], "gamma is -1.0"),
        (["--to", "onnx", "-o", "m.onnx", "--length", "0"], "length is 0"),
        (["--to", "c", "-o", "m.c", "--length", "5"], "--length does not go with --to c"),
        (["--to", "c", "-o", "m.c", "--gamma", "5"], "--gamma does not go with"),
        (["--to", "c", "-o", "m.c", "--uncertified", "--certificate", "c.json"], "--certificate does not go with"),
        (["--to", "c", "-o", "m.c", "--certificate", "absent.json"], "cannot read the certificate"),
        (["--to", "c", "-o", "absent/m.c"], "there is no folder absent"),
    ],
)
def test_what_makes_no_sense(arguments, message, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(folder, *arguments)
    assert done.exit_code == 1
    assert message in done.output.replace("\n", " ")
    assert not list(tmp_path.iterdir())
    assert run(tmp_path, "--to", "c", "-o", "m.c").exit_code == 1  # a folder without a model
