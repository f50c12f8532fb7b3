"""ONNX: the step, the sequence and the initial state, run by onnxruntime, equal to `simulate`; what the file says."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
from export_models import CASES, N_INIT, apart, model_of, record

from l2ssm.certificates.compose import certify
from l2ssm.errors import ExportError, OptionError
from l2ssm.export.float32 import certified_float32
from l2ssm.export.onnx_file import write_onnx, write_onnx_start
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine
from l2ssm.systems.state_space import StateSpace

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
TOLERANCES = {"float64": 1e-9, "float32": 1e-5}


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def metadata(path):
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


@pytest.mark.parametrize(("kind", "precision"), CASES)
def test_step_and_sequence_are_equal_to_simulate(kind, precision, tmp_path):
    model, (u, _) = model_of(kind), record(40)
    x = np.random.default_rng(5).standard_normal(model.network.n_x)
    expected = model.simulate(u, x0=x)
    write_onnx(model, tmp_path / "step.onnx", precision=precision)
    write_onnx(model, tmp_path / "run.onnx", precision=precision, length=40)
    step, start = session(tmp_path / "step.onnx"), x.astype(precision)
    state, y = start, np.empty_like(expected)
    for k, sample in enumerate(u.astype(precision)):
        y[k], state = step.run(["y", "x_next"], {"u": sample, "x": state})
    assert apart(y, expected) < TOLERANCES[precision]
    whole, end = session(tmp_path / "run.onnx").run(["y", "x_next"], {"u": u.astype(precision), "x": start})
    assert apart(whole, expected) < TOLERANCES[precision]
    np.testing.assert_allclose(end, state, rtol=0, atol=TOLERANCES[precision] * np.max(np.abs(state)))


@pytest.mark.parametrize("precision", TOLERANCES)
def test_the_initial_state(precision, tmp_path):
    model, (u, y) = model_of("bounded"), record()
    write_onnx_start(model, tmp_path / "start.onnx", precision=precision)
    given = {"u_start": u[:N_INIT].ravel().astype(precision), "y_start": y[:N_INIT].ravel().astype(precision)}
    (x0,) = session(tmp_path / "start.onnx").run(["x0"], given)
    expected = model.start_state(u, y)
    assert np.max(np.abs(x0 - expected)) < TOLERANCES[precision] * np.max(np.abs(expected))


def test_the_file_is_checked_and_says_what_it_is(tmp_path):
    model = model_of("bounded with gamma")
    certificate = certify(model, lower=False)
    write_onnx(model, tmp_path / "m.onnx", certificate=certificate)
    certificate.save(tmp_path / "m.cert.json")
    file = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(file, full_check=True)
    assert [(entry.domain, entry.version) for entry in file.opset_import] == [("", 17)]
    said = metadata(tmp_path / "m.onnx")
    assert said["opset"] == "17"
    assert said["sample_time_s"] == "0.25"
    assert (said["inputs"], said["outputs"]) == ("v [V], w [°C]", "h [m], q [m]")
    assert said["model_sha256"] == model.digest
    assert said["system_sha256"] == model.network.digest == certificate.digest
    assert float.fromhex(said["gain_certified"].split("(")[1].rstrip(")")) == certificate.gamma
    assert said["certificate_sha256"] == certificate.file_digest
    import hashlib

    assert hashlib.sha256((tmp_path / "m.cert.json").read_bytes()).hexdigest() == said["certificate_sha256"]


def test_a_certificate_about_other_numbers_is_refused(tmp_path):
    model, other = model_of("bounded with gamma"), model_of("bounded")
    with pytest.raises(ExportError, match="about the system"):
        write_onnx(other, tmp_path / "m.onnx", certificate=certify(model, lower=False))
    found = certified_float32(model)
    with pytest.raises(ExportError, match="certified_float32"):
        write_onnx(model, tmp_path / "m.onnx", precision="float32", certificate=found.certificate)
    unchecked = type(found.certificate).from_json(found.certificate.to_json())
    with pytest.raises(ExportError, match="not verified"):
        write_onnx(found.system, tmp_path / "m.onnx", certificate=unchecked)
    assert not list(tmp_path.iterdir())
    write_onnx(found.system, tmp_path / "m.onnx", precision="float32", certificate=found.certificate)
    assert metadata(tmp_path / "m.onnx")["model_sha256"] == model.digest


def test_bare_systems_and_static_ones(tmp_path):
    G = StateSpace([[0.5, 1.0], [0.0, 0.3]], [[1.0], [2.0]], [[1.0, 0.0]], [[3.0]], dt=0.1)
    u = np.random.default_rng(0).standard_normal((20, 1))
    write_onnx(G, tmp_path / "G.onnx", length=20)
    y, _ = session(tmp_path / "G.onnx").run(None, {"u": u, "x": np.zeros(2)})
    np.testing.assert_allclose(y, G.simulate(u), rtol=0, atol=1e-12)
    still = Interconnection((Affine(np.ones((1, 1)), np.ones(1)),), 1.0, ("u",), ("y",), ("",), ("",))
    write_onnx(still, tmp_path / "still.onnx", length=20)
    y, _ = session(tmp_path / "still.onnx").run(None, {"u": u, "x": np.zeros(0)})
    np.testing.assert_array_equal(y, u + 1)


def test_refusals(tmp_path, monkeypatch):
    model = model_of("lru")
    with pytest.raises(OptionError, match="length is 0"):
        write_onnx(model, tmp_path / "m.onnx", length=0)
    with pytest.raises(OptionError, match="precision is 'half'"):
        write_onnx(model, tmp_path / "m.onnx", precision="half")
    still = Interconnection((Affine(np.ones((1, 1)), np.ones(1)),), 1.0, ("u",), ("y",), ("",), ("",))
    with pytest.raises(OptionError, match="zero state"):
        write_onnx_start(still, tmp_path / "m.onnx")
    with pytest.raises(ExportError, match=r"too large for float32"):
        write_onnx(StateSpace([[0.5]], [[1e300]], [[1.0]], [[0.0]]), tmp_path / "m.onnx", precision="float32")
    real = builtins.__import__
    monkeypatch.setattr(
        builtins, "__import__", lambda name, *a, **k: real("absent" if name == "onnx" else name, *a, **k)
    )
    with pytest.raises(ExportError, match=r"pip install l2ssm\[onnx\]"):
        write_onnx(model, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
