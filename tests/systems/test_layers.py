"""The layers of a frozen model: what they promise, what they refuse, and that their numbers survive a description."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from l2ssm.errors import RealizationError
from l2ssm.systems.contractive_cores import GatedCore, LosslessCore
from l2ssm.systems.interconnection import build_layer
from l2ssm.systems.layers import (
    LAYERS,
    Affine,
    Contractive,
    Dynamic,
    Gated,
    Layer,
    Perceptron,
    Product,
    Residual,
    RMSNorm,
)
from l2ssm.systems.s6_core import S6Core
from l2ssm.systems.selective import Selective
from l2ssm.systems.state_space import StateSpace


def test_contractive_layers_contract() -> None:
    """c ||W||^2 <= 2 and slopes in [0, 1]: no pair of points is driven apart."""
    rng = np.random.default_rng(4)
    W = rng.normal(size=(7, 3))
    layer = Contractive(W, rng.normal(size=7), 2 / np.linalg.norm(W, 2) ** 2, "tanh")
    a, b = rng.normal(size=(2, 1000, 3))
    before, after = (np.linalg.norm(v, axis=1) for v in (a - b, layer.run(a, np.zeros(0)) - layer.run(b, np.zeros(0))))
    assert np.all(after <= before * (1 + 1e-12))


STATIC = {
    "Affine": lambda rng: Affine(rng.normal(size=(2, 3)), rng.normal(size=2)),
    "Contractive": lambda rng: Contractive(rng.normal(size=(5, 3)), rng.normal(size=5), 0.3, "tanh"),
    "Perceptron": lambda rng: Perceptron(*(rng.normal(size=n) for n in ((5, 3), 5, (2, 5), 2)), "gelu"),
    "Gated tanh": lambda rng: Gated(*(rng.normal(size=n) for n in ((2, 3), 2, (2, 3), 2)), "tanh"),
    "RMSNorm": lambda rng: RMSNorm(rng.normal(size=3), np.array([1e-3])),
    "Product": lambda rng: Product(
        (Perceptron(*(rng.normal(size=n) for n in ((5, 3), 5, (2, 5), 2)), "silu"),),
        (Affine(rng.normal(size=(2, 3)), rng.normal(size=2)),),
    ),
    "Gated identity": lambda rng: Gated(*(rng.normal(size=n) for n in ((2, 3), 2, (2, 3), 2)), "identity"),
}


@pytest.mark.parametrize("name", STATIC)
def test_static_layers_differentiate_and_survive_bit_by_bit(name: str) -> None:
    rng = np.random.default_rng(6)
    layer, none = STATIC[name](rng), np.zeros(0)
    u, du = rng.normal(size=(2, 20, layer.n_in))
    jvp, vjp = layer.derivative(u, none)
    central = (layer.run(u + 1e-6 * du, none) - layer.run(u - 1e-6 * du, none)) / 2e-6
    np.testing.assert_allclose(jvp(du), central, rtol=1e-7, atol=1e-8)
    w = rng.normal(size=(20, layer.n_out))
    assert np.sum(w * jvp(du)) == pytest.approx(np.sum(vjp(w) * du), rel=1e-12)
    arrays: dict = {}
    back = build_layer(layer.describe("layers.0", arrays), arrays, 1.0)
    assert np.array_equal(back.run(u, none), layer.run(u, none))
    with np.errstate(all="raise"):
        assert np.all(np.isfinite(layer.run(1e4 * u, none)))


@pytest.mark.parametrize("kind", ["pairs", "mixed", "real", "dense", "static"])
def test_dynamic_layers_survive_bit_by_bit(kind: str, modal, dense) -> None:
    rng = np.random.default_rng(5)
    if kind == "pairs":
        G = modal(5, 3, 2, 2, dt=0.1)
    elif kind == "mixed":
        A = np.diag([0.5, 0.3, 0.3])
        A[1, 2], A[2, 1] = -0.1, 0.1
        G = StateSpace(A, rng.normal(size=(3, 1)), rng.normal(size=(1, 3)), [[-0.0]], 0.1)
    elif kind == "real":
        G = StateSpace(np.diag([0.5, 0.5]), np.ones((2, 1)), np.ones((1, 2)), [[0.0]], 0.1)
    elif kind == "dense":
        G = dense(5, 3, 2, 2, dt=0.1)
    else:
        G = StateSpace(np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), [[2.0]], 0.1)
    arrays: dict = {}
    spec = Dynamic(G).describe("layers.0", arrays)
    back = build_layer(spec, arrays, 0.1)
    assert isinstance(back, Dynamic)
    assert back.G.digest == G.digest


def test_layers_cannot_be_changed() -> None:
    W = np.eye(2)
    layer = Affine(W, np.zeros(2))
    W[0, 0] = 5.0
    assert layer.W[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        layer.W[0, 0] = 2.0
    with pytest.raises(AttributeError):
        layer.W = W  # type: ignore[misc]


EYE, ZERO = np.eye(2), np.zeros(2)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Affine(EYE, np.zeros(3)), r"shapes of Affine do not fit: W \(2, 2\), b \(3,\)"),
        (lambda: Affine(EYE * np.nan, ZERO), "W of Affine must be finite with 2 axes"),
        (lambda: Affine(ZERO, ZERO), r"W of Affine must be finite with 2 axes, got \(2,\)"),
        (lambda: Affine(EYE * 1j, ZERO), "W of Affine must be real numbers, got complex128"),
        (lambda: Affine([["a"]], [0.0]), "W of Affine must be real numbers"),
        (lambda: Contractive(EYE, ZERO, -1.0, "tanh"), r"c of a Contractive layer is -1.0, expected .* >= 0"),
        (lambda: Contractive(EYE, ZERO, np.nan, "tanh"), "c of a Contractive layer is nan"),
        (lambda: Contractive(EYE, ZERO, 1.0, "swish"), "unknown activation 'swish'; known: tanh, relu, gelu, silu"),
        (lambda: Contractive(EYE, np.zeros(3), 1.0, "tanh"), "shapes of Contractive do not fit"),
        (lambda: Perceptron(EYE, ZERO, np.ones((1, 3)), np.zeros(1), "tanh"), "shapes of Perceptron do not fit"),
        (lambda: Perceptron(EYE, ZERO, EYE, ZERO, "sin"), "unknown activation 'sin'"),
        (lambda: Gated(EYE, ZERO, np.ones((3, 2)), ZERO, "tanh"), r"shapes of Gated do not fit: .* V \(3, 2\)"),
        (lambda: Gated(EYE, ZERO, EYE, np.zeros(3), "tanh"), "shapes of Gated do not fit"),
        (lambda: Gated(EYE, ZERO, EYE, ZERO, "relu"), "unknown value 'relu' of a Gated layer; known: tanh, identity"),
        (lambda: Residual(()), "a Residual needs a chain n -> n"),
        (lambda: Residual((Affine(np.ones((3, 2)), np.zeros(3)),)), r"a Residual needs .* got widths \[2, 3\]"),
        (lambda: Residual((Affine(EYE, ZERO), Affine(np.eye(3), np.zeros(3)))), "a Residual needs a chain"),
        (lambda: RMSNorm(np.ones(2), np.zeros(1)), "> 0"),
        (lambda: Product((Affine(np.eye(2), np.zeros(2)),), (Affine(np.eye(3), np.zeros(3)),)), "expected the same"),
        (lambda: Product((), (Affine(np.eye(3), np.zeros(3)),)), "branch"),
        (lambda: GatedCore(np.ones(2), np.ones(2)), "gate_min"),
        (lambda: LosslessCore(-np.ones(2), np.ones(2)), "rates >= 0"),
        (lambda: S6Core(np.zeros((1, 2)), np.zeros((1, 2)), "zoh", "real"), "negative real parts"),
        (lambda: S6Core(np.zeros((1, 2)), np.zeros((1, 2)), "midpoint", "real"), "midpoint"),
        (lambda: Selective(LosslessCore(np.ones(2), np.ones(2)), *(np.eye(2),) * 5), "axes"),
    ],
)
def test_wrong_layers_are_refused(build: Callable[[], Layer], message: str) -> None:
    with pytest.raises(RealizationError, match=message):
        build()


def test_every_layer_of_the_table_is_tested_here() -> None:
    """Selective and clocked layers are tested as frozen cells, attention in frozen scaffolds."""
    selective = {"Selective", "S6Core", "GatedCore", "LosslessCore", "LegendreCore", "Clocked"}
    assert set(LAYERS) == {name.split()[0] for name in STATIC} | {"Dynamic", "Residual", "Attention"} | selective
