"""Frozen chains: simulation against explicit loops, derivatives, round trip through a description, refusals."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l2ssm.errors import DataError, RealizationError
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Contractive, Dynamic, Layer, Perceptron, Residual
from l2ssm.systems.state_space import StateSpace

SCALAR: dict[str, Callable[[float], float]] = {
    "tanh": math.tanh,
    "relu": lambda s: max(s, 0.0),
    "gelu": lambda s: s * 0.5 * (1 + math.erf(s / math.sqrt(2))),
    "silu": lambda s: s / (1 + math.exp(-s)),
}


def _modal_system(rng: np.random.Generator, n: int, n_u: int, n_y: int, dt: float = 0.1) -> StateSpace:
    lam = rng.uniform(0.3, 0.95, n) * np.exp(1j * rng.uniform(0.1, 3, n))
    B, C = (rng.normal(size=s) + 1j * rng.normal(size=s) for s in ((n, n_u), (n_y, n)))
    return StateSpace.from_modes(lam, B, C, rng.normal(size=(n_y, n_u)), dt)


def _dense_system(rng: np.random.Generator, n: int, n_u: int, n_y: int, dt: float = 0.1) -> StateSpace:
    A = rng.normal(size=(n, n))
    A *= 0.8 / np.linalg.norm(A, 2)
    return StateSpace(A, rng.normal(size=(n, n_u)), rng.normal(size=(n_y, n)), rng.normal(size=(n_y, n_u)), dt)


def _network(activation: str = "tanh", seed: int = 0) -> Interconnection:
    """2 inputs, 3 outputs, 10 states: every layer there is, nested residuals included."""
    rng = np.random.default_rng(seed)
    layers = (
        Affine(rng.normal(size=(4, 2)), rng.normal(size=4)),
        Residual(
            (
                Dynamic(_modal_system(rng, 3, 4, 4)),
                Contractive(rng.normal(size=(5, 4)), rng.normal(size=5), 0.1, activation),
                Residual((Perceptron(*(rng.normal(size=s) for s in ((6, 4), 6, (4, 6), 4)), activation),)),
            )
        ),
        Dynamic(_dense_system(rng, 4, 4, 3)),
        Affine(rng.normal(size=(3, 3)), rng.normal(size=3)),
    )
    return Interconnection(layers, 0.1, ("u1", "u2"), ("y1", "y2", "y3"), ("V", "A"), ("", "m", ""))


def _by_hand(net: Interconnection, u: np.ndarray, x0: np.ndarray, activation: str) -> np.ndarray:
    """One sample after the other, one number after the other where the nonlinearity is."""
    encoder, block, last, decoder = net.layers
    dynamic, contractive, inner = block.layers
    (perceptron,) = inner.layers
    sigma = np.vectorize(SCALAR[activation], otypes=[float])
    x, z, out = x0[:6].copy(), x0[6:].copy(), []
    for sample in u:
        v = encoder.W @ sample + encoder.b
        w = dynamic.G.C @ x + dynamic.G.D @ v
        x = dynamic.G.A @ x + dynamic.G.B @ v
        w = w - contractive.c * contractive.W.T @ sigma(contractive.W @ w + contractive.b)
        w = w + perceptron.W2 @ sigma(perceptron.W1 @ w + perceptron.b1) + perceptron.b2
        v = v + w
        y = last.G.C @ z + last.G.D @ v
        z = last.G.A @ z + last.G.B @ v
        out.append(decoder.W @ y + decoder.b)
    return np.array(out)


@pytest.mark.parametrize("activation", SCALAR)
@pytest.mark.parametrize("start", ["zero", "random"])
def test_simulation_against_explicit_loops(activation: str, start: str) -> None:
    net = _network(activation)
    rng = np.random.default_rng(1)
    u = rng.normal(size=(60, 2))
    x0 = rng.normal(size=net.n_x) if start == "random" else np.zeros(net.n_x)
    want = _by_hand(net, u, x0, activation)
    got = net.simulate(u, x0 if start == "random" else None)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-11 * np.abs(want).max())


def test_sizes_and_split_state() -> None:
    net = _network()
    assert (net.n_u, net.n_y, net.n_x) == (2, 3, 10)
    pieces = net.split_state(np.arange(10.0))
    assert [p.tolist() for p in pieces] == [[], [0, 1, 2, 3, 4, 5], [6, 7, 8, 9], []]
    assert repr(net) == "Interconnection(2 -> 3, n_x=10, dt=0.1 s: Affine -> Residual -> Dynamic -> Affine)"


def test_dynamic_layers_are_named_in_order() -> None:
    net = _network()
    found = net.dynamic_layers()
    assert list(found) == ["block0", "block1"]
    assert found["block0"] is net.layers[1].layers[0]
    assert found["block1"] is net.layers[2]


@pytest.mark.parametrize("activation", ["tanh", "gelu", "silu"])
def test_jvp_against_finite_differences(activation: str) -> None:
    net = _network(activation)
    rng = np.random.default_rng(2)
    u, du, x0 = rng.normal(size=(40, 2)), rng.normal(size=(40, 2)), rng.normal(size=net.n_x)
    tangent = net.tangent(u, x0)
    np.testing.assert_array_equal(tangent.y, net.simulate(u, x0))
    h = 1e-6
    central = (net.simulate(u + h * du, x0) - net.simulate(u - h * du, x0)) / (2 * h)
    np.testing.assert_allclose(tangent.jvp(du), central, rtol=0, atol=1e-7 * np.abs(central).max())


@pytest.mark.parametrize("activation", SCALAR)
def test_vjp_is_the_adjoint_of_jvp(activation: str) -> None:
    net = _network(activation)
    rng = np.random.default_rng(3)
    tangent = net.tangent(rng.normal(size=(50, 2)), rng.normal(size=net.n_x))
    for _ in range(5):
        du, w = rng.normal(size=(50, 2)), rng.normal(size=(50, 3))
        forward, backward = np.vdot(w, tangent.jvp(du)), np.vdot(tangent.vjp(w), du)
        assert forward == pytest.approx(backward, rel=1e-11)


def test_a_description_survives_json_and_gives_the_same_system() -> None:
    net = _network("gelu")
    structure, arrays = net.describe()
    again = Interconnection.build(json.loads(json.dumps(structure)), arrays)
    assert again.digest == net.digest
    assert again.input_units == ("V", "A")
    u = np.random.default_rng(0).normal(size=(30, 2))
    np.testing.assert_array_equal(again.simulate(u), net.simulate(u))
    assert sorted(arrays) == sorted({v for v in _strings(structure) if v.startswith("layers.")})


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [s for child in children for s in _strings(child)]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_digest_changes_with_any_single_bit(data: st.DataObject) -> None:
    net = _network()
    structure, arrays = net.describe()
    name = data.draw(st.sampled_from(sorted(arrays)))
    changed = arrays[name].copy()
    flat = changed.reshape(-1).view(np.uint64)
    flat[data.draw(st.integers(0, flat.size - 1))] ^= np.uint64(1 << data.draw(st.integers(0, 63)))
    if not np.all(np.isfinite(changed)) or np.array_equal(changed, arrays[name]):
        return
    try:
        other = Interconnection.build(structure, {**arrays, name: changed})
    except RealizationError:  # a negative c
        return
    assert other.digest != net.digest


def test_digest_changes_with_structure_names_and_units() -> None:
    net = _network("tanh")
    labels = (net.input_names, net.output_names, net.input_units, net.output_units)
    assert Interconnection(net.layers, 0.1, *labels).digest == net.digest
    assert _network("relu").digest != net.digest
    assert Interconnection(net.layers, 0.1, ("a", "u2"), *labels[1:]).digest != net.digest
    assert Interconnection(net.layers, 0.1, *labels[:3], ("mm", "m", "")).digest != net.digest
    assert Interconnection(net.layers[:3], 0.1, *labels).digest != net.digest


def test_a_whole_number_is_a_sample_time() -> None:
    layer = Affine(np.eye(1), np.zeros(1))
    net = Interconnection((layer,), 1, ("u",), ("y",), ("",), ("",))
    assert Interconnection.build(*net.describe()).digest == net.digest


EYE, ZERO = np.eye(2), np.zeros(2)


def _chain(
    *layers: Layer, dt: object = 0.1, inputs: tuple = ("a", "b"), outputs: tuple = ("c", "d")
) -> Interconnection:
    units = ("",) * len(inputs), ("",) * len(outputs)
    return Interconnection(tuple(layers), dt, inputs, outputs, *units)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: _chain(), "needs at least one layer"),
        (lambda: _chain(Affine(EYE, ZERO), Affine(np.eye(3), np.zeros(3))), "Affine has 2 outputs, the next takes 3"),
        (lambda: _chain(Affine(EYE, ZERO), inputs=("a",)), r"input_names is \('a',\), expected 2 strings"),
        (lambda: _chain(Affine(EYE, ZERO), outputs=("a", 3)), r"output_names is \('a', 3\), expected 2 strings"),
        (lambda: _chain(Affine(EYE, ZERO), dt=0.0), "dt is 0.0, expected a finite sample time > 0"),
        (lambda: _chain(Affine(EYE, ZERO), dt=None), "dt is None, expected a finite sample time > 0"),
        (
            lambda: _chain(Residual((Dynamic(StateSpace(EYE / 2, EYE, EYE, EYE, 0.2)),))),
            "a Dynamic layer has dt = 0.2, the interconnection 0.1",
        ),
    ],
)
def test_wrong_chains_are_refused(build: Callable[[], Interconnection], message: str) -> None:
    with pytest.raises(RealizationError, match=message):
        build()


@pytest.mark.parametrize(
    ("u", "error", "message"),
    [
        (np.zeros((2, 30)), DataError, r"u has shape \(2, 30\), expected \(T, 2\)"),
        (np.full((3, 2), np.inf), DataError, r"u\[0\] is not finite"),
    ],
)
def test_wrong_signals_are_refused(u: np.ndarray, error: type[Exception], message: str) -> None:
    for call in (_network().simulate, _network().tangent):
        with pytest.raises(error, match=message):
            call(u)


def test_wrong_initial_states_are_refused() -> None:
    with pytest.raises(RealizationError, match=r"x0 .*expected 10 finite numbers"):
        _network().simulate(np.zeros((3, 2)), np.zeros(9))


def _without(structure: dict, key: str) -> dict:
    return {k: v for k, v in structure.items() if k != key}


SPOILERS: dict[str, Callable[[dict, dict], tuple[object, object]]] = {
    "no dt": lambda s, a: (_without(s, "dt"), a),
    "dt not hexadecimal": lambda s, a: ({**s, "dt": "fast"}, a),
    "dt a number": lambda s, a: ({**s, "dt": 0.1}, a),
    "dt infinite": lambda s, a: ({**s, "dt": "inf"}, a),
    "dt too large": lambda s, a: ({**s, "dt": "0x1p99999"}, a),
    "no layers": lambda s, a: ({**s, "layers": []}, a),
    "layers not a list": lambda s, a: ({**s, "layers": 3}, a),
    "layer not a mapping": lambda s, a: ({**s, "layers": ["Affine"]}, a),
    "unknown layer": lambda s, a: ({**s, "layers": [{"type": "Exec"}]}, a),
    "layer without type": lambda s, a: ({**s, "layers": [{}]}, a),
    "unknown form": lambda s, a: ({**s, "layers": [{"type": "Dynamic", "form": "sparse"}]}, a),
    "missing array": lambda s, a: (s, {k: v for k, v in a.items() if k != "layers.0.W"}),
    "array of strings": lambda s, a: (s, {**a, "layers.0.W": np.array([["a"]])}),
    "array of another shape": lambda s, a: (s, {**a, "layers.0.W": a["layers.0.W"].T}),
    "array with NaN": lambda s, a: (s, {**a, "layers.0.W": a["layers.0.W"] * np.nan}),
    "no names": lambda s, a: (_without(s, "input_names"), a),
    "too few names": lambda s, a: ({**s, "input_names": ["a"]}, a),
    "not a mapping": lambda s, a: ("network", a),
    "none": lambda s, a: (None, a),
    "empty residual": lambda s, a: ({**s, "layers": [{"type": "Residual"}]}, a),
    "no activation": lambda s, a: (
        {**s, "layers": [{"type": "Contractive", "W": "layers.0.W", "b": "layers.0.b", "c": "layers.0.b"}]},
        a,
    ),
}


@pytest.mark.parametrize("spoil", SPOILERS.values(), ids=SPOILERS)
def test_spoiled_descriptions_are_refused(spoil: Callable[[dict, dict], tuple[object, object]]) -> None:
    structure, arrays = _network().describe()
    with pytest.raises(RealizationError):
        Interconnection.build(*spoil(structure, arrays))  # type: ignore[arg-type]
