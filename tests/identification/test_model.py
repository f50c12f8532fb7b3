"""Model: its file, its digest, its rule for the initial state, and what it refuses."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import numpy as np
import pytest

from l2ssm import Dataset, Model, Record, fit, load
from l2ssm.errors import DataError, ModelFileError, RealizationError


@pytest.fixture(scope="module")
def record() -> Record:
    rng = np.random.default_rng(0)
    u = np.repeat(rng.normal(size=(40, 2)), 5, axis=0)
    y = np.zeros((200, 1))
    for k in range(199):
        y[k + 1] = 0.8 * y[k] + 0.2 * np.tanh(u[k, :1]) - 0.1 * u[k, 1:]
    return Record(u, y, 0.1, name="rig", input_names=("a", "b"), output_names=("y",), units={"a": "V", "y": "mm"})


@pytest.fixture(scope="module")
def model(record) -> Model:
    return fit(record, layers=2, d_model=4, n_x=3, steps=30, n_init=10)


def test_file_round_trip(model, record, tmp_path):
    model.save(tmp_path / "m.l2ssm")
    again = load(tmp_path / "m.l2ssm")
    assert again.digest == model.digest
    assert again.network.digest == model.network.digest
    assert again.info == model.info
    assert (again.input_names, again.output_units) == (("a", "b"), ("mm",))
    np.testing.assert_array_equal(again.simulate(record), model.simulate(record))
    assert not [p for p in tmp_path.iterdir() if p.name != "m.l2ssm"]


def test_the_file_says_where_it_comes_from(model, record):
    text = str(model)
    for word in ("lru, 2 blocks of width 4", "a, b -> y", "dt = 0.1 s", "encoder, n_init = 10", "mm", "parameters"):
        assert word in text
    assert model.info["data_digest"] == Dataset([record]).digest
    assert set(model.info["versions"]) == {"l2ssm", "torch", "numpy", "scipy", "python"}


def test_every_byte_of_every_array_counts(model, tmp_path):
    """Flip one bit at many places of the file: it is unreadable, or another model."""
    path = tmp_path / "m.l2ssm"
    model.save(path)
    content = path.read_bytes()
    for position in np.random.default_rng(0).integers(len(content), size=60):
        spoiled = bytearray(content)
        spoiled[position] ^= 1
        path.write_bytes(bytes(spoiled))
        with contextlib.suppress(ModelFileError):
            assert load(path).digest != model.digest


def test_files_that_are_not_models(tmp_path, model):
    path = tmp_path / "x.l2ssm"
    with pytest.raises(ModelFileError, match="there is no model file"):
        load(path)
    path.write_bytes(b"")
    with pytest.raises(ModelFileError, match="not a safetensors file"):
        load(path)
    model.save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelFileError, match="not a safetensors file"):
        load(path)
    from safetensors.numpy import save

    path.write_bytes(save({"a": np.zeros(3)}))
    with pytest.raises(ModelFileError, match="not one of an l2ssm model"):
        load(path)
    path.write_bytes(save({"a": np.zeros(3)}, {"l2ssm": '{"schema": "l2ssm-model-99"}'}))
    with pytest.raises(ModelFileError, match="not a model file of schema 'l2ssm-model-1'"):
        load(path)
    path.write_bytes(save({"a": np.zeros(3)}, {"l2ssm": model._pack()[0]}))
    with pytest.raises(ModelFileError, match="not a complete l2ssm model file"):
        load(path)


def test_a_failed_save_leaves_the_old_file(model, tmp_path, monkeypatch):
    path = tmp_path / "m.l2ssm"
    model.save(path)
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        model.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.l2ssm"]


def test_simulate_takes_datasets_records_and_arrays(model, record):
    y = model.simulate(record)
    np.testing.assert_array_equal(model.simulate(Dataset([record, record.renamed("b")]))[1], y)
    np.testing.assert_array_equal(model.simulate(record.u, record.y), y)
    np.testing.assert_array_equal(model.simulate(record.u, record.y[:10]), y)
    rest = model.simulate(record, x0=0)
    np.testing.assert_array_equal(model.simulate(record.u, x0=np.zeros(model.network.n_x)), rest)


def test_only_the_first_outputs_matter(model, record):
    """A free run: later outputs change nothing, earlier ones do."""
    y = record.y.copy()
    y[10:] = 1e3
    np.testing.assert_array_equal(model.simulate(record.u, y), model.simulate(record))
    y[5] += 1.0
    assert not np.array_equal(model.simulate(record.u, y), model.simulate(record))


def test_records_that_do_not_fit(model, record):
    with pytest.raises(DataError, match=r"dt = 0\.2 s, the model 0\.1 s"):
        model.simulate(Record(record.u, record.y, 0.2, input_names=("a", "b")))
    with pytest.raises(DataError, match="the model \\['a', 'b'\\]"):
        model.simulate(Record(record.u[:, :1], record.y, 0.1))
    with pytest.raises(DataError, match="in the order"):
        model.simulate(Record(record.u, record.y, 0.1, input_names=("b", "a")))
    with pytest.raises(DataError, match="got no outputs"):
        model.simulate(record.u)
    with pytest.raises(DataError, match="got 4 samples"):
        model.simulate(record.u[:4], record.y[:4])
    with pytest.raises(DataError, match=r"expected \(T, 2\)"):
        model.simulate(record.u.T, record.y)
    with pytest.raises(RealizationError, match="x0 has shape"):
        model.simulate(record, x0=[1.0, 2.0])


def test_loading_and_simulating_needs_no_torch(model, record, tmp_path):
    model.save(tmp_path / "m.l2ssm")
    np.save(tmp_path / "u.npy", record.u)
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in ('torch', 'cvxpy'): raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\nimport numpy as np, l2ssm\n"
        f"m = l2ssm.load({str(tmp_path / 'm.l2ssm')!r})\nu = np.load({str(tmp_path / 'u.npy')!r})\n"
        "print(m.simulate(u, x0=0).sum())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(run.stdout) == pytest.approx(float(model.simulate(record, x0=0).sum()), rel=1e-12)
