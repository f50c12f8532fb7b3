"""The numpy runtime: equal to `simulate`, without torch, without allocation, with a state that can be kept."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from export_models import KINDS, N_INIT, apart, model_of, record

from l2ssm.errors import DataError, ExportError, OptionError, RealizationError
from l2ssm.export.runtime import Runtime
from l2ssm.export.tape import Tape
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import LAYERS, Affine, Dynamic
from l2ssm.systems.state_space import StateSpace

TOLERANCES = {"float64": 1e-9, "float32": 1e-5}


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("kind", KINDS)
def test_equal_to_simulate(kind, precision):
    model, (u, y) = model_of(kind), record()
    runtime = model.runtime(precision)
    assert apart(runtime.simulate(u, y), model.simulate(u, y)) < TOLERANCES[precision]
    assert apart(runtime.simulate(u, x0=0), model.simulate(u, x0=0)) < TOLERANCES[precision]
    x0 = np.random.default_rng(5).standard_normal(model.network.n_x)
    assert apart(runtime.simulate(u, x0=x0), model.simulate(u, x0=x0)) < TOLERANCES[precision]


def test_every_layer_of_a_frozen_model_is_exported():
    from l2ssm.export.steps import CORES, STEPS

    assert {kind.__name__ for kind in (*STEPS, *CORES)} == set(LAYERS)


def test_a_layer_without_a_step_is_named():
    class Delay(Dynamic):
        pass

    G = StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]])
    network = Interconnection((Dynamic(G), Delay(G)), 1.0, ("u",), ("y",), ("",), ("",))
    with pytest.raises(ExportError, match="block1: a Delay has no step that can be exported; known: Affine"):
        Runtime(network)


@pytest.mark.parametrize("kind", ["bounded", "contraction", "s6 complex", "lag_selective", "scaffold griffin"])
def test_a_step_allocates_nothing(kind):
    model = model_of(kind)
    runtime = model.runtime()
    runtime.reset(x0=0)
    u = record()[0][0]
    first = runtime.step(u)
    tracemalloc.start()
    try:
        for _ in range(20):  # what the interpreter keeps for itself
            runtime.step(u)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(200):
            again = runtime.step(u)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert again is first
    assert after <= held + 64  # one array a step would be 200 times 100 bytes
    assert peak - held < 1024  # handles that live as long as one call


def test_the_state_is_that_of_the_network():
    model, (u, y) = model_of("scaffold h3"), record()
    whole = model.simulate(u, y)
    runtime = model.runtime()
    np.testing.assert_allclose(runtime.simulate(u[:30], y[:30]), whole[:30], rtol=0, atol=1e-9)
    np.testing.assert_allclose(model.network.simulate(u[30:], runtime.x), whole[30:], rtol=0, atol=1e-9)
    np.testing.assert_allclose([runtime.step(sample).copy() for sample in u[30:]], whole[30:], rtol=0, atol=1e-9)


def test_state_dict_goes_on_bit_for_bit():
    model, (u, y) = model_of("bounded_clocked"), record()
    one, other = model.runtime(), model.runtime()
    one.simulate(u[:20], y[:20])
    kept = one.state_dict()
    expected = [one.step(sample).copy() for sample in u[20:]]
    other.load_state_dict(kept)
    np.testing.assert_array_equal([other.step(sample).copy() for sample in u[20:]], expected)
    with pytest.raises(RealizationError, match="state dict of the model"):
        model_of("lru").runtime().load_state_dict(kept)
    with pytest.raises(RealizationError, match="x0 has shape"):
        other.load_state_dict({**kept, "x": kept["x"][1:]})
    with pytest.raises(RealizationError, match="finite"):
        other.load_state_dict({**kept, "x": kept["x"] * np.nan})


def test_the_initial_state_is_asked_for():
    model, (u, y) = model_of("lru"), record()
    runtime = model.runtime()
    with pytest.raises(DataError, match="no initial state yet"):
        runtime.step(u[0])
    with pytest.raises(DataError, match=f"first {N_INIT} samples of u and y, got no outputs"):
        runtime.reset(u)
    with pytest.raises(DataError, match="no outputs"):
        runtime.reset()
    runtime.reset(u[:N_INIT], y[:N_INIT])
    np.testing.assert_array_equal(runtime.x, model.start_state(u, y))
    assert Runtime(model.network).step(u[0]).shape == (2,)  # a bare network starts at rest


def test_samples_that_are_refused_leave_the_state():
    runtime = model_of("lru").runtime()
    runtime.simulate(record(5)[0], x0=0)
    before = runtime.x
    for bad in ([1.0], [1.0, 2.0, 3.0], 1.0, "u", [1j, 0.0]):
        with pytest.raises(DataError):
            runtime.step(bad)
    for bad in ([np.nan, 0.0], np.array([0.0, -np.inf])):
        with pytest.raises(DataError, match="finite"):
            runtime.step(bad)
    np.testing.assert_array_equal(runtime.x, before)
    assert runtime.step([1, 2]).shape == (2,)


def test_latency_leaves_the_state():
    runtime = model_of("lru").runtime()
    found = runtime.latency(50)
    assert 0 < found.median <= found.p99 <= found.worst
    assert found.count == 50
    assert "99 % below" in str(found)
    with pytest.raises(DataError, match="no initial state"):
        runtime.step([0.0, 0.0])
    with pytest.raises(OptionError, match="count is 0"):
        runtime.latency(0)


def test_a_precision_that_does_not_hold():
    with pytest.raises(OptionError, match="float64, float32"):
        model_of("lru").runtime("float16")
    network = Interconnection((Affine(np.array([[1e300]]), np.zeros(1)),), 1.0, ("u",), ("y",), ("",), ("",))
    with pytest.raises(ExportError, match="too large for float32"):
        Runtime(network, precision="float32")


def test_sizes_that_do_not_fit_are_found_when_the_tape_is_written():
    tape = Tape()
    with pytest.raises(RealizationError, match="2 and 3 numbers"):
        tape.input("u", 2) + tape.input("x", 3)
    with pytest.raises(RealizationError, match="groups of 2"):
        tape.sum(tape.input("v", 3), 2)


def test_neither_torch_nor_scipy_is_needed_to_step(tmp_path):
    model, (u, y) = model_of("bounded with gamma"), record()
    model.save(tmp_path / "m.l2ssm")
    np.savez(tmp_path / "record.npz", u=u, y=y)
    code = (
        "import sys\nimport numpy as np, l2ssm\n"
        f"runtime = l2ssm.load({str(tmp_path / 'm.l2ssm')!r}).runtime()\n"
        f"record = np.load({str(tmp_path / 'record.npz')!r}, allow_pickle=False)\n"
        "before = set(sys.modules)\n"
        "print(runtime.simulate(record['u'], record['y']).sum())\n"
        "assert not {'torch', 'cvxpy', 'numba', 'onnx'} & set(sys.modules)\n"
        "assert not {m for m in set(sys.modules) - before if m.startswith('scipy')}\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(run.stdout) == pytest.approx(float(model.simulate(u, y).sum()), rel=1e-9)
