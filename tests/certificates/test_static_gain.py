"""Gains of nonlinear static layers: against a semidefinite program, Jacobians and forged witnesses."""

from __future__ import annotations

import dataclasses

import cvxpy as cp
import numpy as np
import pytest

from l2ssm.certificates.balls import BALL
from l2ssm.certificates.certificate import Claim
from l2ssm.certificates.compose import certify
from l2ssm.certificates.multiplier import search
from l2ssm.certificates.rigorous import exact
from l2ssm.certificates.static_gain import multiplier_matrix
from l2ssm.certificates.verify import CHECKERS, verify
from l2ssm.errors import CertificateError, NotCertifiableError
from l2ssm.systems.activations import ACTIVATIONS
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Gated, Layer, Perceptron, Residual, RMSNorm


def single(layer: Layer) -> Interconnection:
    names = ("u",) * layer.n_in, ("y",) * layer.n_out
    return Interconnection((layer,), 1.0, *names, ("",) * layer.n_in, ("",) * layer.n_out)


def sandwich(n: int, h: int, m: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(W1, W2) of sqrt(2) A' Psi sigma(sqrt(2) Psi^-1 B u): A A' + B B' = I, 1-Lipschitz for slopes in [0, 1]."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(n + m, h)))[0]
    psi = np.exp(rng.normal(size=h))
    return np.sqrt(2) / psi[:, None] * Q[m:].T, np.sqrt(2) * Q[:m] * psi


def best_gain(W1: np.ndarray, W2: np.ndarray, a: float, b: float) -> float:
    """The smallest gain of any diagonal multiplier, by a semidefinite program."""
    n, h = W1.shape[1], W1.shape[0]
    t, g = cp.Variable(h, nonneg=True), cp.Variable()
    T = cp.diag(t)
    M = cp.bmat(
        [[g * np.eye(n) + 2 * a * b * W1.T @ T @ W1, -(a + b) * W1.T @ T], [-(a + b) * T @ W1, 2 * T - W2.T @ W2]]
    )
    cp.Problem(cp.Minimize(g), [0.5 * (M + M.T) >> 0]).solve(solver=cp.CLARABEL)
    return float(np.sqrt(g.value))


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
@pytest.mark.parametrize("sizes", [(3, 5, 4), (4, 4, 2), (2, 6, 1)])
def test_the_multiplier_found_is_the_best_there_is(activation, sizes):
    n, h, m = sizes
    rng = np.random.default_rng(n)
    W1, W2, sigma = rng.normal(size=(h, n)), rng.normal(size=(m, h)), ACTIVATIONS[activation]
    best = best_gain(W1, W2, sigma.slope_min, sigma.slope_max)
    assert best * (1 - 1e-5) <= search(W1, W2, sigma)[1] <= best * (1 + 1e-2)


@pytest.mark.parametrize("sizes", [(4, 8, 4), (3, 3, 3), (3, 5, 2), (1, 2, 1), (16, 24, 16)])
def test_sandwich_layers_are_proved_to_be_1_lipschitz(sizes):
    """Their norms say 2 to 40; the multiplier, which is Psi^2, is recovered from W1 and W2 alone."""
    for seed in range(4):
        W1, W2 = sandwich(*sizes, seed)
        layer = Perceptron(W1, np.ones(sizes[1]), W2, np.ones(sizes[2]), "relu")
        certificate = certify(single(layer), lower=False)
        assert certificate.claims[0].method == "multiplier"
        assert certificate.gamma <= 1 + 2e-9


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_the_proof_is_above_every_jacobian(activation):
    rng = np.random.default_rng(5)
    W1, W2, sigma = rng.normal(size=(6, 3)), rng.normal(size=(2, 6)), ACTIVATIONS[activation]
    gamma = certify(single(Perceptron(W1, np.zeros(6), W2, np.zeros(2), activation)), lower=False).gamma
    for _ in range(300):
        slopes = rng.choice([sigma.slope_min, sigma.slope_max], 6)
        assert np.linalg.norm((W2 * slopes) @ W1, 2) <= gamma


def test_the_same_formula_in_floats_and_in_balls():
    rng = np.random.default_rng(6)
    W1, W2, T, sigma = rng.normal(size=(4, 2)), rng.normal(size=(3, 4)), rng.uniform(1, 2, (4, 1)), ACTIVATIONS["silu"]
    floats = multiplier_matrix(W1, W2, T, sigma, 2.0, np.asarray)
    with BALL.session():
        balls = multiplier_matrix(W1, W2, T, sigma, exact(2.0), BALL.embed)
        assert np.allclose(
            floats, [[float(balls[i, j].mid()) for j in range(6)] for i in range(6)], rtol=1e-14, atol=1e-14
        )
    x, dw = rng.normal(size=2), rng.normal(size=4)
    s = T[:, 0]
    w = W1 @ x
    supply = (
        2.0 * x @ x - np.sum((W2 @ dw) ** 2) - 2 * np.sum((dw - sigma.slope_min * w) * s * (sigma.slope_max * w - dw))
    )
    z = np.concatenate([x, dw])
    assert z @ floats @ z == pytest.approx(supply, rel=1e-12)


FORGERIES = {
    "gain 1e-6 below": lambda c: dataclasses.replace(c, gain=c.gain * (1 - 1e-6)),
    "gain 0": lambda c: dataclasses.replace(c, gain=0.0),
    "gain NaN": lambda c: dataclasses.replace(c, gain=float("nan")),
    "negative multiplier": lambda c: dataclasses.replace(c, witness={"T": -c.witness["T"]}),
    "one negative entry": lambda c: dataclasses.replace(c, witness={"T": c.witness["T"] * ([[-1.0]] + [[1.0]] * 4)}),
    "multiplier 1 % off": lambda c: dataclasses.replace(c, witness={"T": c.witness["T"] * 0.99}),
    "multiplier NaN": lambda c: dataclasses.replace(c, witness={"T": c.witness["T"] * np.nan}),
    "another shape": lambda c: dataclasses.replace(c, witness={"T": c.witness["T"].T}),
    "no multiplier": lambda c: dataclasses.replace(c, witness={}),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_forged_multipliers_are_refused(forge):
    W1, W2 = sandwich(3, 5, 4, 0)
    layer = Perceptron(W1, np.zeros(5), W2, np.zeros(4), "tanh")
    certificate = certify(single(layer), lower=False)
    check = CHECKERS[Perceptron, "multiplier"]
    with BALL.session():
        check(layer, certificate.claims[0], "layer", BALL)
        with pytest.raises(CertificateError):
            check(layer, forge(certificate.claims[0]), "layer", BALL)


def gated(seed: int, value: str, scale: float = 1.0) -> Gated:
    rng = np.random.default_rng(seed)
    return Gated(*(scale * rng.normal(size=shape) for shape in ((4, 3), 4, (4, 3), 4)), value)


@pytest.mark.parametrize("seed", range(5))
def test_the_bounded_gated_layer(seed):
    """||[W; V / 4]||: above every secant, nearly attained where the gate is open (W) and where it is half open (V)."""
    layer = gated(seed, "tanh")
    gamma = certify(single(layer), lower=False).gamma
    assert gamma == pytest.approx(np.linalg.norm(np.vstack([layer.W, layer.V / 4]), 2), rel=1e-12)
    rng = np.random.default_rng(seed)
    u = 3 * rng.normal(size=(20_000, 3))
    v = u + rng.normal(size=u.shape) * rng.choice([1e-3, 1.0, 10.0], (20_000, 1))
    dy = np.linalg.norm(layer.run(u, np.zeros(0)) - layer.run(v, np.zeros(0)), axis=1)
    assert np.all(dy <= gamma * np.linalg.norm(u - v, axis=1))
    with pytest.raises(CertificateError), BALL.session():
        CHECKERS[Gated, "diamond"](layer, Claim("diamond", gamma * (1 - 1e-9)), "layer", BALL)


@pytest.mark.parametrize(("W", "V", "b", "c", "slope"), [(1.0, 0.0, 0.0, 40.0, 1.0), (0.0, 4.0, 40.0, 0.0, 1.0)])
def test_both_ends_of_the_diamond_are_attained(W, V, b, c, slope):
    layer = Gated([[W]], [b], [[V]], [c], "tanh")
    h = 1e-4
    y = layer.run(np.array([[-h], [h]]), np.zeros(0))
    assert (y[1, 0] - y[0, 0]) / (2 * h) == pytest.approx(slope, rel=1e-6)
    assert certify(single(layer), lower=False).gamma == pytest.approx(slope, rel=1e-12)


@pytest.mark.parametrize("kind", ["incremental", "l2"])
def test_the_unbounded_gated_layer_is_refused_by_name(kind):
    layer = gated(0, "identity")
    with pytest.raises(NotCertifiableError, match=r"layers\.0 \(Gated\): .* no finite gain.*use its bounded form tanh"):
        certify(single(layer), kind=kind)
    with pytest.raises(CertificateError, match="has no incremental gain"), BALL.session():
        CHECKERS[Gated, "diamond"](layer, Claim("diamond", 1e9), "layer", BALL)


def test_certificates_of_both_layers_survive_their_file(tmp_path):
    W1, W2 = sandwich(3, 5, 3, 1)
    layers = (Perceptron(W1, np.zeros(5), W2, np.zeros(3), "tanh"), gated(1, "tanh", 0.5))
    chain = Interconnection(layers, 1.0, ("u",) * 3, ("y",) * 4, ("",) * 3, ("",) * 4)
    certificate = certify(chain)
    certificate.save(tmp_path / "cert.json")
    assert verify(tmp_path / "cert.json", chain).gamma == certificate.gamma
    assert 0 < certificate.lower.gain <= certificate.gamma


@pytest.mark.parametrize(("first", "second"), [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0)])
def test_a_perceptron_without_effect(first, second):
    """A residual branch that starts at zero: the gain of the identity, not an error of the search."""
    layer = Perceptron(np.full((3, 2), first), np.zeros(3), np.full((2, 3), second), np.zeros(2), "tanh")
    assert certify(single(layer), lower=False).gamma < 1e-300
    branch = single(Residual((layer,)))
    assert [certify(branch, method=m, lower=False).gamma for m in ("product", "auto")] == [np.nextafter(1, 2)] * 2


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_a_norm_without_effect():
    """The search for a joint claim divides by nothing; the product stays."""
    norm = single(RMSNorm(np.zeros(2), np.array([1e-5])))
    chain = Interconnection(
        (*norm.layers, Affine(np.eye(2), np.zeros(2))), 1.0, ("u",) * 2, ("y",) * 2, *[("",) * 2] * 2
    )
    assert certify(chain, lower=False).gamma < 1e-300
