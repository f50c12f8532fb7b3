"""Joint bounds of whole networks: the constraints hold, the inequality is the right one, the bound is the smallest."""

from __future__ import annotations

import re
from fractions import Fraction

import cvxpy as cp
import numpy as np
import pytest

from l2ssm.certificates.certificate import JOINT, JOINT_AT_REST
from l2ssm.certificates.clock import Clock
from l2ssm.certificates.compose import certify
from l2ssm.certificates.constraints import SECTORS, Diamond, Slope
from l2ssm.certificates.falsify import worst_input
from l2ssm.certificates.flatten import WALKS, above_inverse_root, constraints_of, rests
from l2ssm.certificates.joint import joint_matrix, realize
from l2ssm.certificates.network import joint_claim, uses_rest
from l2ssm.certificates.network_forms import Forms
from l2ssm.certificates.network_multipliers import Point, Problem
from l2ssm.certificates.network_response import evaluate, grid
from l2ssm.certificates.network_storage import Floats
from l2ssm.certificates.statement import tier
from l2ssm.certificates.verify import verify
from l2ssm.errors import CertificateError, NotCertifiableError, OptionError
from l2ssm.systems.activations import ACTIVATIONS
from l2ssm.systems.clocked import Clocked
from l2ssm.systems.contractive_cores import GatedCore, LosslessCore
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Contractive, Dynamic, Gated, Perceptron, Residual, RMSNorm, Selective
from l2ssm.systems.legendre_core import LegendreCore
from l2ssm.systems.state_space import StateSpace


def chain(*layers) -> Interconnection:
    n_u, n_y = layers[0].n_in, layers[-1].n_out
    return Interconnection(layers, 1.0, ("u",) * n_u, ("y",) * n_y, ("",) * n_u, ("",) * n_y)


def gated(rng, n, activation, bias=1.0) -> Gated:
    W, V, b, c = (rng.standard_normal(shape) for shape in ((n, n), (n, n), n, n))
    return Gated(0.4 * W, bias * b, 0.6 * V, c, activation)


def every_layer(modal, seed: int, bias: float = 1.0, activation: str = "gelu") -> Interconnection:
    """Nested residuals and every layer that has a constraint; with `bias` 0 everything is at rest."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return 0.5 * rng.standard_normal(shape)

    def small(n, **options):
        G = modal(seed, n, 2, 2, 0.1, **options)
        return Dynamic(StateSpace(G.A, 0.3 * G.B, 0.3 * G.C, 0.3 * G.D))

    inner = Residual((Perceptron(draw(3, 2), bias * draw(3), draw(2, 3), bias * draw(2), "tanh"), small(1)))
    return chain(
        Affine(draw(2, 1), bias * draw(2)),
        Residual((small(2), inner, Perceptron(draw(4, 2), bias * draw(4), draw(2, 4), bias * draw(2), activation))),
        Contractive(draw(3, 2), bias * draw(3), 0.7, "relu"),
        gated(rng, 2, "tanh", bias),
        Affine(draw(1, 2), bias * draw(1)),
    )


def pairs(low: float, high: float, name: str, centre: bool) -> tuple[np.ndarray, np.ndarray]:
    """Differences (w, v) of an activation, between random points or from 0."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 20_000)) * 10.0 ** rng.uniform(-3, 2, 20_000)
    a = 0 * a if centre else a
    f = ACTIVATIONS[name].value
    return b - a, f(b) - f(a)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
@pytest.mark.parametrize("centre", [False, True])
def test_slopes_and_sectors_hold(name, centre):
    sigma = ACTIVATIONS[name]
    low, high = SECTORS[name] if centre else (sigma.slope_min, sigma.slope_max)
    w, v = pairs(low, high, name, centre)
    qw, s, r = (
        np.asarray(x).item() for x in Slope(np.array([low]), np.array([high])).weights(np.ones((1, 1)), np.asarray)
    )
    q = qw * w**2 + 2 * s * w * v - r * v**2
    assert np.all(q >= -1e-13 * (np.abs(w) + np.abs(v)) ** 2)
    assert np.array_equal([qw, s, r], [-low * high, (low + high) / 2, 1.0])


def admissible(rng) -> np.ndarray:
    """T = (t, s, p, q) with at most one of the conditions of the diamond tight."""
    t, s = rng.uniform(0, 2), rng.uniform(-1, 1)
    p = max(t - 2 * s, 0) + rng.choice([0, rng.exponential()])
    return np.array([t, s, p, t + (s**2 / p if p else 0.0) + rng.choice([0, rng.exponential()]) if p or not s else 9.0])


def test_the_diamond_holds_for_admissible_multipliers_and_no_others():
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((2, 2, 20_000)) * 10.0 ** rng.uniform(-2, 1.5, 20_000)
    f = lambda a, b: np.tanh(a) / (1 + np.exp(-b))  # noqa: E731
    v = f(a[1], b[1]) - f(a[0], b[0])
    a, b = a[1] - a[0], b[1] - b[0]
    diamond, kept, refused = Diamond(1), 0, 0
    for _ in range(500):
        T = admissible(rng) if rng.random() < 0.5 else rng.uniform(-1, 2, 4)
        ok = all(np.all(condition >= 0) for condition in diamond.conditions(T[:, None]))
        qw, s, r = diamond.weights(T[:, None], np.asarray)
        form = np.array([[qw[0, 0], 0, s[0, 0]], [0, qw[1, 0], 0], [s[0, 0], 0, -r[0, 0]]])
        if ok:
            z = np.stack([a, b, v])
            assert np.all(np.einsum("in,ij,jn->n", z, form, z) >= -1e-12 * np.sum(z**2, axis=0))
            kept += 1
        elif T[0] >= 0:
            angles = np.linspace(-np.pi, np.pi, 4001)
            mixes = [
                np.outer(np.cos(angles), [1, 0, k]) + np.outer(np.sin(angles), [0, 4, l])
                for k, _, l in ((1, 0, 0), (0, 0, 1), (0, 0, -1))
            ]
            worst = min(np.min(np.einsum("ni,ij,nj->n", z, form, z)) for z in mixes)
            assert worst < 1e-4
            refused += 1
    assert kept > 100
    assert refused > 100


@pytest.mark.parametrize("seed", range(3))
def test_the_rows_are_the_network_with_the_nonlinearities_cut_out(modal, seed):
    """With v = k w for arbitrary constants k the rows must simulate what a chain with these slopes does."""
    rng = np.random.default_rng(seed)
    N = every_layer(modal, seed)
    rows = realize(N.layers, False, Floats)
    n_x, n_u, n_v = rows.n_x, rows.n_u, rows.n_v
    k = rng.standard_normal(n_v)
    F, K, L = np.vstack(rows.F), rows.K, np.vstack([w for w, _ in rows.pairs])
    gate = rng.standard_normal(2)  # the second pre-activation of the gated layer
    Lb = rows.W[-1][2:]
    to_v = np.linalg.solve(
        np.eye(n_v)
        - (k[:, None] * L[:, n_x + n_u :])
        - np.vstack([np.zeros((n_v - 2, n_v)), gate[:, None] * Lb[:, n_x + n_u :]]),
        k[:, None] * L[:, : n_x + n_u]
        + np.vstack([np.zeros((n_v - 2, n_x + n_u)), gate[:, None] * Lb[:, : n_x + n_u]]),
    )
    M = np.vstack([F, K])
    closed = M[:, : n_x + n_u] + M[:, n_x + n_u :] @ to_v
    G = StateSpace(closed[:n_x, :n_x], closed[:n_x, n_x:], closed[n_x:, :n_x], closed[n_x:, n_x:])
    u, slopes = (
        rng.standard_normal((50, 1)),
        list(np.split(k, np.cumsum([c.widths[1] for c in constraints_of(N.layers, False)[0]])[:-1])),
    )

    def run(layers, s, states):
        for layer in layers:
            if isinstance(layer, Affine):
                s = s @ layer.W.T
            elif isinstance(layer, Dynamic):
                s = layer.G.simulate(s, states.pop(0))
            elif isinstance(layer, Residual):
                s = s + run(layer.layers, s, states)
            elif isinstance(layer, Perceptron):
                s = (s @ layer.W1.T * slopes.pop(0)) @ layer.W2.T
            elif isinstance(layer, Contractive):
                s = s - layer.c * (s @ layer.W.T * slopes.pop(0)) @ layer.W
            else:
                s = s @ layer.W.T * slopes.pop(0) + s @ layer.V.T * gate
        return s

    x0 = rng.standard_normal(n_x)
    expected = run(N.layers, u, [x0[:4], x0[4:]])
    np.testing.assert_allclose(G.simulate(u, x0), expected, rtol=1e-11, atol=1e-11 * np.max(np.abs(expected)))


def by_lmi(N: Interconnection, multiplier) -> float:
    """The smallest gain of the matrix inequality over a full P and all T, by an interior point solver, rows by hand.

    Chain: affine E, residual of a linear system G, residual of a static layer with rows (W, V) given by `multiplier`,
    affine H.
    """
    E, (G,), static, H = N.layers[0].W, N.layers[1].layers, N.layers[2].layers[0], N.layers[3].W
    G = G.G
    n, m = G.n_x, E.shape[1]
    inner = np.hstack([G.C, E + G.D @ E])  # (x, u) -> s
    W, W2, h = multiplier(static)
    w, F = np.hstack([W @ inner, np.zeros((len(W), h))]), np.hstack([G.A, G.B @ E, np.zeros((n, h))])
    y = np.hstack([H @ inner, H @ W2])
    v = np.hstack([np.zeros((h, n + m)), np.eye(h)])
    P, g, T = cp.Variable((n, n), symmetric=True), cp.Variable(), cp.Variable((4 if len(W) == 2 * h else 1, h))
    cons = [P >> 1e-9 * np.eye(n), T >= 0]
    if len(W) == 2 * h:
        t, s, p, q = T[0], T[1], T[2], T[3]
        cons += [p + 2 * s >= t]
        cons += [cp.bmat([[p[i], s[i]], [s[i], q[i] - t[i]]]) >> 0 for i in range(h)]
        a, b = w[:h], w[h:] / 4
        form = (
            a.T @ cp.diag(p) @ a
            + b.T @ cp.diag(q) @ b
            + a.T @ cp.diag(s) @ v
            + v.T @ cp.diag(s) @ a
            - v.T @ cp.diag(t) @ v
        )
    else:
        sigma = ACTIVATIONS[static.activation]
        low, high, t = sigma.slope_min, sigma.slope_max, cp.diag(T[0])
        form = (v - low * w).T @ t @ (high * w - v)
        form = (form + form.T) / 2
    u = np.hstack([np.zeros((m, n)), np.eye(m), np.zeros((m, h))])
    x = np.hstack([np.eye(n), np.zeros((n, m + h))])
    M = x.T @ P @ x + g * (u.T @ u) - F.T @ P @ F - y.T @ y - form
    cp.Problem(cp.Minimize(g), [*cons, (M + M.T) / 2 >> 0]).solve(solver="CLARABEL")
    return float(np.sqrt(g.value))


@pytest.mark.parametrize("name", ["tanh", "gelu", "silu", "gated"])
def test_the_bound_is_the_smallest_that_a_full_p_and_diagonal_multipliers_give(modal, name):
    rng = np.random.default_rng(5)
    G = modal(3, 2, 2, 2, 0.1)
    if name == "gated":
        static = gated(rng, 2, "tanh")
    else:
        static = Perceptron(
            rng.standard_normal((3, 2)), rng.standard_normal(3), 0.5 * rng.standard_normal((2, 3)), np.zeros(2), name
        )
    N = chain(
        Affine(rng.standard_normal((2, 1)), np.ones(2)),
        Residual((Dynamic(G),)),
        Residual((static,)),
        Affine(rng.standard_normal((1, 2)), np.zeros(1)),
    )
    rows = (lambda g: (np.vstack([g.W, g.V]), np.eye(2), 2)) if name == "gated" else (lambda p: (p.W1, p.W2, 3))
    oracle = by_lmi(N, rows)
    gamma = certify(N, method="network", lower=False).gamma
    assert oracle * (1 - 1e-6) <= gamma <= oracle * (1 + 1e-3)


def test_a_chain_of_linear_systems_has_the_norm_of_their_product(modal):
    G1, G2 = modal(0, 3), modal(1, 2)
    A = np.block([[G1.A, np.zeros((6, 4))], [G2.B @ G1.C, G2.A]])
    product = StateSpace(A, np.vstack([G1.B, G2.B @ G1.D]), np.hstack([G2.D @ G1.C, G2.C]), G2.D @ G1.D)
    norm = product.hinf().lower
    N = chain(Dynamic(G1), Dynamic(G2))
    assert norm <= certify(N, method="network", lower=False).gamma <= norm * (1 + 1e-3)
    assert certify(N, method="product", lower=False).gamma > 1.05 * norm


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["incremental", "l2"])
def test_no_run_exceeds_the_bound(modal, seed, kind):
    """Differences of runs with different inputs and initial states, all layers, with biases and (l2) without."""
    rest = kind == "l2"
    N = every_layer(modal, seed, bias=0.0 if rest else 1.0)
    certificate = certify(N, kind=kind, method="network", lower=False)
    assert certificate.claims[0].method == (JOINT_AT_REST if rest else JOINT)
    rng = np.random.default_rng(seed)
    for size in 10.0 ** np.arange(-3, 4):
        u, du = np.zeros((100, 1)) if rest else rng.standard_normal((100, 1)), size * rng.standard_normal((100, 1))
        x, dx = (
            np.zeros(N.n_x) if rest else rng.standard_normal(N.n_x),
            rng.choice([0, size]) * rng.standard_normal(N.n_x),
        )
        energy = np.sum((N.simulate(u + du, x + dx) - N.simulate(u, x)) ** 2)
        assert energy <= certificate.bound(dx, np.sum(du**2)) * (1 + 1e-12)
    found = worst_input(N, horizon=100, starts=("zero",) if rest else ("zero", "step", "noise"), iterations=5)
    assert 0 < found.gain <= certificate.gamma


def test_the_storage_of_a_network_is_nearly_attained(modal):
    """The available storage of the linear network is what comes out from x0: V is not generous by more than 5 %."""
    G1, G2 = modal(0, 1, 1, 1, 0.2), modal(1, 1, 1, 1, 0.2)
    N = chain(Dynamic(G1), Dynamic(G2))
    certificate = certify(N, method="network", lower=False)
    T, x0 = 120, np.array([1.0, -0.5, 0.3, 2.0])
    free = N.simulate(np.zeros((T, 1)), x0).ravel()
    H = np.stack([N.simulate(np.eye(T)[:, [k]]).ravel() for k in range(T)], axis=1)
    u = np.linalg.solve(1.0001 * certificate.gamma**2 * np.eye(T) - H.T @ H, H.T @ free)
    gained = np.sum((free + H @ u) ** 2) - certificate.gamma**2 * np.sum(u**2)
    assert 0.95 * certificate.bound(x0) <= gained <= certificate.bound(x0)


def test_tiers_from_loose_to_tight(network):
    N = network(0)
    by = {method: certify(N, method=method, lower=False) for method in ("product", "block", "network", "auto")}
    assert by["network"].gamma < by["block"].gamma < by["product"].gamma
    assert by["auto"].gamma <= by["network"].gamma * (1 + 1e-12)
    assert {name: tier(c) for name, c in by.items()} == {
        "product": "product",
        "block": "block",
        "network": "network",
        "auto": "network",
    }
    assert [claim.layers for claim in by["block"].claims] == [3, 3]
    text = str(by["auto"])
    assert "one matrix inequality for the whole network" in text
    assert "search: product 0.9516" in text
    assert "network 0.3" in text
    assert certify(N, gamma=2.0, lower=False).created.get("search") is None  # the product was enough
    assert certify(N, gamma=0.4, lower=False).gamma == 0.4
    with pytest.raises(CertificateError, match=r"gamma = 0\.1 is not proved; the smallest gain proved is 0\.3"):
        certify(N, gamma=0.1, lower=False)


def test_what_is_proved_when_time_is_over(network):
    certificate = certify(network(0), time_limit=1e-6)
    assert tier(certificate) == "product"
    assert certificate.gamma == certify(network(0), method="product", lower=False).gamma
    assert "block" in certificate.created["search"]
    assert re.search(r"network not tried \(needs a time_limit of about \d+ s, not 1e-06 s\), block", str(certificate))
    with pytest.raises(CertificateError, match="time limit of 1e-06 s is over"):
        certify(network(0), method="network", time_limit=1e-6)
    with pytest.raises(OptionError, match="time_limit"):
        certify(network(0), time_limit=0.0)


def test_nothing_to_gain_is_not_searched(modal):
    certificate = certify(modal(0))
    assert "search" not in certificate.created
    matrices = chain(Affine(2 * np.eye(2), np.zeros(2)), Affine(np.eye(2), np.zeros(2)))
    assert "search" not in certify(matrices).created  # the worst input found is within 0.1 %


def bias_free(modal, activation: str, seed: int = 0) -> Interconnection:
    rng = np.random.default_rng(seed)
    static = (
        gated(rng, 2, activation, 0.0)
        if activation in ("tanh", "identity")
        else Perceptron(rng.standard_normal((4, 2)), np.zeros(4), rng.standard_normal((2, 4)), np.zeros(2), activation)
    )
    G = modal(seed, 2, 2, 2, 0.2)
    return chain(
        Affine(rng.standard_normal((2, 1)), np.zeros(2)),
        Residual((Dynamic(G), static)),
        Affine(rng.standard_normal((1, 2)), np.ones(1)),
    )


@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh", "silu", "tanh"])
def test_sectors_prove_less_than_slopes_about_rest(modal, activation):
    N = bias_free(modal, activation)
    incremental, l2 = (certify(N, kind=kind, method="network") for kind in ("incremental", "l2"))
    assert l2.lower.gain <= l2.gamma < incremental.gamma * (1 - 1e-3)
    assert uses_rest(N.layers)
    assert "from rest" in str(l2)
    assert "y_0 the response to zero input" in l2.to_json()
    with pytest.raises(CertificateError, match="needs kind 'l2'"):
        verify(type(l2)("incremental", l2.gamma, N, "product", l2.claims))


def test_the_unbounded_gate_has_a_gain_from_rest_only(modal):
    N = bias_free(modal, "identity")
    certificate = certify(N, kind="l2")
    assert tier(certificate) == "network"
    assert "product nothing proved" in certificate.created["search"]
    with pytest.raises(NotCertifiableError, match="no finite gain"):
        certify(N)
    biased = chain(Affine(N.layers[0].W, np.ones(2)), *N.layers[1:])
    assert not uses_rest(biased.layers)
    with pytest.raises(NotCertifiableError, match="no finite gain"):
        certify(biased, kind="l2")


def test_slopes_are_used_behind_a_bias(modal):
    """A bias anywhere before a nonlinearity ends what is known about rest."""
    N = bias_free(modal, "gelu")
    biased = chain(Affine(N.layers[0].W, np.array([0.0, 1e-300])), *N.layers[1:])
    assert [c.low[0] < 0 for c in constraints_of(N.layers, True)[0]] == [False]
    assert [c.low[0] < 0 for c in constraints_of(biased.layers, True)[0]] == [True]
    assert not uses_rest(biased.layers)


TINY = np.array([0.0, 1e-300])
BIASED = {
    "affine": Affine(np.eye(2), TINY),
    "residual": Residual((Affine(np.eye(2), TINY),)),
    "nested": Residual((Residual((Affine(np.eye(2), TINY),)),)),
    "perceptron, inside": Perceptron(np.eye(2), TINY, np.eye(2), 0 * TINY, "tanh"),
    "perceptron, behind": Perceptron(np.eye(2), 0 * TINY, np.eye(2), TINY, "tanh"),
    "contractive": Contractive(np.eye(2), TINY, 1.0, "tanh"),
    "gated": Gated(np.eye(2), TINY, np.eye(2), 0 * TINY, "tanh"),
}


@pytest.mark.parametrize("name", BIASED)
def test_no_layer_hides_its_bias(modal, name):
    """Behind it slopes are used, and no claim from rest is believed."""
    first, *others = bias_free(modal, "gelu").layers
    biased = (first, BIASED[name], *others)
    *_, last = constraints_of(biased, True)[0]
    assert last.low[0] < 0
    assert not constraints_of(biased, True)[1]
    assert not rests(biased[:2])


@pytest.mark.parametrize(("into", "out"), [(1e6, 1e-6), (1e-9, 1e12), (1e15, 1e15)])
def test_units_do_not_matter(network, into, out):
    N = network(0, blocks=1)
    first, last = N.layers[0], N.layers[-1]
    layers = (Affine(first.W * into, first.b), *N.layers[1:-1], Affine(last.W * out, last.b * out))
    scaled = certify(chain(*layers), method="network", lower=False)
    assert scaled.verified
    assert scaled.gamma == pytest.approx(certify(N, method="network", lower=False).gamma * into * out, rel=2e-3)


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9])
def test_slow_poles(modal, gap):
    rng = np.random.default_rng(0)
    static = Perceptron(rng.standard_normal((4, 2)), np.ones(4), 0.3 * rng.standard_normal((2, 4)), np.zeros(2), "tanh")
    N = chain(Residual((Dynamic(modal(0, 2, 2, 2, gap)),)), Residual((static,)))
    product, joint = (certify(N, method=m, lower=False).gamma for m in ("product", "network"))
    assert joint < product


def test_the_derivatives_of_the_search(modal):
    """Gradient and Hessian of the barrier against differences, with slopes, sectors and diamonds."""
    N = every_layer(modal, 0)
    forms = Forms(constraints_of(N.layers, False)[0])
    problem = Problem(forms, evaluate(N.layers, False, grid(N.layers, 1.0, 4)))
    point = problem.start()
    gradient, H = problem.newton(point, 7.0)
    x = np.append(point.T, point.g)
    for j in range(x.size):
        e = np.zeros_like(x)
        e[j] = 1e-5 * x[j]
        ahead, behind = (Point(y[:-1], float(y[-1])) for y in (x + e, x - e))
        slope = (problem.value(ahead, 7.0) - problem.value(behind, 7.0)) / (2 * e[j])
        assert slope == pytest.approx(gradient[j], rel=1e-5, abs=1e-7 * np.abs(gradient).max())
        column = (problem.newton(ahead, 7.0)[0] - problem.newton(behind, 7.0)[0]) / (2 * e[j])
        assert np.all(np.abs(column - H[:, j]) <= 1e-4 * np.abs(H[:, j]) + 1e-6 * np.sqrt(np.diag(H) * H[j, j]))


def test_the_inequality_of_a_claim_is_strict(modal):
    """M of the claim is positive definite in floats, M at a gain 1 % lower is not."""
    N = every_layer(modal, 0)
    claim = joint_claim(N.layers, False, Clock(60.0))
    T = [claim.witness[f"T{i}"] for i in range(len(claim.witness) - 1)]
    smallest = [
        np.linalg.eigvalsh(joint_matrix(N.layers, False, claim.witness["P"], T, (factor * claim.gain) ** 2, Floats))[0]
        for factor in (1.0, 0.99)
    ]
    assert smallest[0] > 0 > smallest[1]


def selective_network(seed: int, bias: float = 0.0) -> Interconnection:
    """Two lossless selective layers with a norm and a static layer between, a linear system around one of them."""
    rng = np.random.default_rng(seed)

    def selective(n: int = 2) -> Selective:
        core = LosslessCore(rng.uniform(0.1, 1.0, n), rng.uniform(0, 1, n))
        shapes = (core.n_steer, 2), (core.n_steer,), (core.n_drive, 2), (2, core.n_out), (2, 2)
        S, s, W, C, D = (0.4 * rng.standard_normal(shape) for shape in shapes)
        return Selective(core, S, s, W, C, D)

    A = StateSpace([[0.6, 0.2], [-0.2, 0.6]], 0.3 * np.eye(2), np.eye(2), 0.1 * np.eye(2))
    static = Perceptron(
        rng.standard_normal((3, 2)), np.zeros(3), 0.3 * rng.standard_normal((2, 3)), np.zeros(2), "silu"
    )
    return chain(
        Affine(0.5 * rng.standard_normal((2, 1)), bias * np.ones(2)),
        Residual((selective(), static)),
        Residual((Dynamic(A), selective())),
        RMSNorm(np.array([0.5, -2.0]), np.array([0.3])),
        Affine(0.5 * rng.standard_normal((1, 2)), np.ones(1)),
    )


@pytest.mark.parametrize("seed", range(3))
def test_selective_layers_and_norms_from_rest(seed):
    """Above every run, also from other initial states; far below the product."""
    N = selective_network(seed)
    product, joint = (certify(N, kind="l2", method=m, lower=False) for m in ("product", "network"))
    assert joint.claims[0].method == JOINT_AT_REST
    assert joint.gamma < 0.6 * product.gamma
    rng, rest = np.random.default_rng(seed), N.simulate(np.zeros((80, 1)))
    for size in 10.0 ** np.arange(-3, 4):
        u, x0 = size * rng.standard_normal((80, 1)), rng.choice([0, size]) * rng.standard_normal(N.n_x)
        energy = np.sum((N.simulate(u, x0) - rest) ** 2)
        assert energy <= joint.bound(x0, np.sum(u**2)) * (1 + 1e-12)
    assert worst_input(N, horizon=150, starts=("zero",), iterations=10).gain <= joint.gamma
    assert verify(joint, arithmetic="float").verified
    with pytest.raises(NotCertifiableError, match="Selective"):
        certify(N)
    with pytest.raises(CertificateError, match="at rest"):
        certify(selective_network(seed, 1.0), kind="l2")


@pytest.mark.parametrize(
    "core",
    [
        LosslessCore(np.array([0.5, 0.9]), np.array([0.3, 1.0])),
        GatedCore(np.array([0.5, 0.9]), np.array([0.3, 0.6])),
        LegendreCore(np.array([0.2, 0.1]), np.array([0.5, 0.4]), np.array([3, 3])),
    ],
)
def test_one_selective_layer_has_the_gain_of_its_own_theorem(core):
    """The joint inequality of a single layer is the one of `supply`."""
    rng = np.random.default_rng(0)
    shapes = (core.n_steer, 2), (core.n_steer,), (core.n_drive, 2), (2, core.n_out), (2, 2)
    layer = Selective(core, *(0.4 * rng.standard_normal(shape) for shape in shapes))
    single, joint = (certify(chain(layer), kind="l2", method=m, lower=False).gamma for m in ("product", "network"))
    assert single * (1 - 1e-6) <= joint <= single * (1 + 1e-3)


def test_the_memories_of_a_joint_proof_store_what_they_supply():
    """From x0 with no input the energy that comes out is below V(x0), and not far below for a lossless memory."""
    core = LosslessCore(np.array([0.5]), np.array([0.3]))
    layer = Selective(
        core, np.zeros((1, 1)), np.zeros(1), np.array([[0.3], [0.0]]), np.array([[0.9, 0.0]]), np.zeros((1, 1))
    )
    N = chain(layer, Affine([[1.0]], [0.0]))
    certificate = certify(N, kind="l2", method="network", lower=False)
    x0 = np.array([1.0, -0.5])
    out = np.sum(N.simulate(np.zeros((400, 1)), x0) ** 2)
    assert 0.2 * certificate.bound(x0) <= out <= certificate.bound(x0)
    assert certificate.bound(2 * x0) == pytest.approx(4 * certificate.bound(x0), rel=1e-12)


def test_blocks_around_a_layer_on_a_clock(modal):
    """It has no place in a joint proof; the runs after it, which it leaves at rest, do."""
    rng = np.random.default_rng(0)
    G, sector = modal(4, 2, 2, 2, 0.2), [0.6 * rng.standard_normal(shape) for shape in ((4, 2), 4, (2, 4), 2)]
    modes = modal(5, 2, 2, 2, 0.2).modes
    parts = [part for M in (modes.lam, modes.B, 0.3 * modes.C) for part in (M.real, M.imag)]
    clock = Clocked(*parts, np.zeros((2, 2)), rng.standard_normal((1, 2)), np.zeros(1), np.array([4.0]))
    static = Perceptron(sector[0], np.zeros(4), sector[2], np.zeros(2), "gelu")
    last = Affine(rng.standard_normal((1, 2)), np.zeros(1))
    N = chain(Affine(rng.standard_normal((2, 1)), np.zeros(2)), clock, Residual((Dynamic(G), static)), last)
    product, blocks = (certify(N, kind="l2", method=m, lower=False) for m in ("product", "block"))
    assert blocks.claims[-1].method == JOINT_AT_REST
    assert worst_input(N, horizon=100, starts=("zero",), iterations=8).gain <= blocks.gamma < 0.9 * product.gamma
    with pytest.raises(CertificateError, match="no quadratic constraint is known for a Clocked"):
        certify(N, kind="l2", method="network", lower=False)


def test_a_norm_is_as_steep_as_its_theorem_says(modal):
    """v = J w, 0 <= J <= bound I, for differences of u / rms, tight at 0; 1 / sqrt(eps) is rounded upwards."""
    rng, eps = np.random.default_rng(0), 0.3
    layer = RMSNorm(np.ones(3), np.array([eps]))
    a, b = rng.standard_normal((2, 5000, 3)) * 10.0 ** rng.uniform(-3, 2, (5000, 1))
    w, v = b - a, layer.run(b, np.zeros(0)) - layer.run(a, np.zeros(0))
    bound = above_inverse_root(eps)
    assert np.all(np.sum((bound * w - v) * v, axis=1) >= -1e-12 * np.sum(w * w, axis=1))
    assert certify(chain(layer), method="network", lower=False).gamma == pytest.approx(bound, rel=1e-3)
    scaled = chain(RMSNorm(np.array([0.5, -3.0, 1.0]), np.array([eps])))
    assert certify(scaled, method="network", lower=False).gamma == pytest.approx(3 * bound, rel=1e-3)
    for number in (eps, 1e-5, 4.0, 1e-300, 7e300):
        bound = above_inverse_root(number)
        assert Fraction(bound) ** 2 * Fraction(number) >= 1
        assert bound == pytest.approx(number**-0.5, rel=1e-15)


def test_layers_without_a_constraint_are_named():
    from l2ssm.systems.layers import LAYERS, Product

    assert set(WALKS) < set(LAYERS.values())
    identity = (Affine(np.eye(2), np.zeros(2)),)
    with pytest.raises(NotCertifiableError, match="no quadratic constraint is known for a Product"):
        constraints_of((Product(identity, identity),), False)


@pytest.mark.parametrize("unused", ["W1", "W2", "both"])
def test_a_layer_without_effect_does_not_stop_the_proof(modal, unused):
    """The bound is that of the network without it; its multiplier is pushed by nothing."""
    rng = np.random.default_rng(0)
    first, last = Affine(rng.standard_normal((2, 1)), np.ones(2)), Affine(rng.standard_normal((1, 2)), np.zeros(1))
    W1, W2 = rng.standard_normal((3, 2)) * (unused == "W2"), rng.standard_normal((2, 3)) * (unused == "W1")
    nothing = Residual((Perceptron(W1, np.ones(3), W2, np.ones(2), "gelu"),))
    still = Contractive(np.zeros((2, 2)), np.ones(2), 0.7, "tanh")
    G = modal(3, 3, 2, 2, 0.1)
    acting = Residual((Dynamic(G), Perceptron(*(0.5 * rng.standard_normal(s) for s in ((4, 2), 4, (2, 4), 2)), "tanh")))
    with_it = certify(chain(first, nothing, acting, still, last), method="network", lower=False)
    without = certify(chain(first, acting, last), method="network", lower=False)
    assert with_it.gamma == pytest.approx(without.gamma, rel=1e-3)
    assert verify(with_it, arithmetic="float").verified


def test_a_network_without_effect_has_next_to_no_gain(modal):
    """A zero decoder: every gain > 0 is true; no search ends in a warning."""
    N = chain(
        Affine(np.ones((2, 1)), np.zeros(2)),
        Residual((Dynamic(modal(3, 3, 2, 2, 0.1)),)),
        Affine(np.zeros((1, 2)), np.ones(1)),
    )
    assert certify(N).gamma < 1e-300
    N = chain(*N.layers[:2], Perceptron(np.ones((3, 2)), np.ones(3), np.zeros((2, 3)), np.ones(2), "gelu"))
    assert certify(N).gamma < 1e-300
