"""Hidden checks of lab 5: the Bounded Real Lemma, proofs that hold, free maps."""

from __future__ import annotations

import numpy as np

import l2ssm as ls
from l2ssm.certificates.bounded_real import bounded_real_matrix
from l2ssm.certificates.riccati import storage
from l2ssm.labs.checking import check, close


def _system(seed, n_x=4, n_u=2, n_y=3):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(n_x, n_x))
    A *= 0.9 / np.max(np.abs(np.linalg.eigvals(A)))
    return ls.StateSpace(A, rng.normal(size=(n_x, n_u)), rng.normal(size=(n_y, n_x)), 0.3 * rng.normal(size=(n_y, n_u)))


def _matrices(G):
    return G.A, G.B, G.C, G.D


@check("bounded_real")
def several_channels(bounded_real):
    """random systems with two inputs and three outputs"""
    rng = np.random.default_rng(0)
    for seed in range(5):
        G = _system(seed)
        P = rng.normal(size=(4, 4))
        P = P @ P.T
        want = bounded_real_matrix(*_matrices(G), P, 1.7**2)
        close(bounded_real(*_matrices(G), P, 1.7), want, 1e-9, "M = [A B]'P[A B] + [C D]'[C D] - diag(P, gamma^2 I)")


@check("bounded_real")
def it_is_the_dissipation(bounded_real):
    """z'Mz = V(x+) - V(x) + |y|^2 - gamma^2 |u|^2"""
    rng = np.random.default_rng(1)
    G, P, gamma = _system(9), np.diag([1.0, 2.0, 3.0, 4.0]), 0.8
    M = np.asarray(bounded_real(*_matrices(G), P, gamma))
    for _ in range(5):
        x, u = rng.normal(size=4), rng.normal(size=2)
        ahead, y, z = G.A @ x + G.B @ u, G.C @ x + G.D @ u, np.concatenate([x, u])
        want = ahead @ P @ ahead - x @ P @ x + y @ y - gamma**2 * u @ u
        close(z @ M @ z, want, 1e-9, "the sign of every term, and gamma squared")


@check("provable")
def of_riccati_solutions(provable):
    """the gain that storage functions of the package prove"""
    for seed in range(5):
        G = _system(seed)
        gain, P = storage(G, 1e-3)
        got = provable(*_matrices(G), P)
        M = bounded_real_matrix(*_matrices(G), P, got**2 * (1 + 1e-9))
        assert np.isfinite(got), "this P proves a finite gain"
        assert got <= gain * (1 + 1e-9), f"got {got:.8g}, but P proves {gain:.8g}"
        assert np.linalg.eigvalsh(M)[-1] <= 1e-9, f"M(P, {got:.8g}) is not negative: D'D + B'PB belongs to gamma^2 too"


@check("provable")
def scaled_storage(provable):
    """larger multiples of P prove worse gains"""
    one = [np.array([[v]]) for v in (0.5, 1.0, 1.0, 0.5)]
    for P in (1.5, 2.0, 4.0):
        # P + 1/4 + (P/2 + 1/2)^2 / (3P/4 - 1)
        want = np.sqrt(P + 0.25 + (P / 2 + 0.5) ** 2 / (0.75 * P - 1))
        close(provable(*one, np.array([[P]])), want, 1e-9, f"A = 0.5, B = C = 1, D = 0.5, P = {P}")


@check("provable")
def nothing(provable):
    """indefinite P, and P that leave no room for |y|^2"""
    G = _system(3)
    _, P = storage(G, 1e-2)
    for bad, why in (
        (-P, "P is negative"),
        (1e-3 * P, "P - A'PA - C'C is not positive definite"),
        (np.zeros((4, 4)), "P = 0"),
    ):
        got = provable(*_matrices(G), bad)
        assert got == np.inf, f"{why}: nothing is proved, got {got}"


@check("prove")
def many_systems(prove):
    """10 random systems, poles up to 0.999, M and P checked"""
    for seed in range(10):
        G = _system(seed, 3, 1 + seed % 2, 1)
        G = ls.StateSpace(G.A * (0.999 / 0.9 if seed % 3 == 2 else 1.0), G.B, G.C, G.D)
        gamma, P = prove(G)
        P = np.asarray(P, dtype=float)
        assert np.allclose(P, P.T, rtol=1e-12), "P has to be symmetric"
        assert np.linalg.eigvalsh(P)[0] > 0, "P is not positive definite"
        top = np.linalg.eigvalsh(bounded_real_matrix(*_matrices(G), P, gamma**2))[-1]
        assert top < 0, (
            f"M(P, gamma) has an eigenvalue {top:.2e}: at the optimum M is singular, so choose gamma above the norm"
        )
        norm = G.hinf().lower
        assert norm < gamma, f"gamma = {gamma!r} is below a gain that is attained, {norm!r}"
        assert gamma <= 1.001 * norm, f"gamma is {gamma / norm - 1:.2%} above the norm, at most 0.1 %"


@check("free_map")
def no_gain_above_gamma(free_map):
    """60 random matrices of sizes 1e-3 to 1e3"""
    rng = np.random.default_rng(2)
    for i in range(60):
        K = 10 ** rng.uniform(-3, 3) * rng.normal(size=(4 + i % 2, 5))
        G = ls.StateSpace(*free_map(K, 3, 0.7))
        assert G.D.shape == (1 + i % 2, 2), f"D has shape {G.D.shape}, expected {(1 + i % 2, 2)}"
        lower = G.hinf().lower
        assert lower <= 0.7 * (1 + 1e-9), (
            f"a gain of {lower:.5g} with gamma = 0.7: the whole of K has to be a contraction"
        )


@check("free_map")
def nothing_is_wasted(free_map):
    """contractions stay what they are, others keep their direction"""
    K = np.array([[0.3, 0.4], [0.5, -0.6]])
    for scale in (0.5, 1.0, 50.0):
        norm = max(1.0, scale * np.linalg.norm(K, 2))
        A, B, C, D = (np.asarray(M).item() for M in free_map(scale * K, 1, 2.0))
        want = scale * K / norm * [[1.0, 2.0], [1.0, 2.0]]
        close(
            [[A, B], [C, D]], want, 1e-9, "divide K by max(1, ||K||), then multiply B and D, the columns of u, by gamma"
        )


@check("free_map")
def zero(free_map):
    """K = 0 is a system too"""
    G = ls.StateSpace(*free_map(np.zeros((3, 3)), 2, 1.0))
    close(G.D, [[0.0]], 1e-12, "K = 0 gives the zero system", atol=1e-12)


@check("contraction_of")
def round_trip(contraction_of):
    """K is a contraction with the same frequency response"""
    omega = np.linspace(0, np.pi, 7)
    for seed in range(5):
        G = _system(seed)
        gain, P = storage(G, 1e-3)
        K = np.asarray(contraction_of(*_matrices(G), P, gain))
        assert K.shape == (7, 6), f"K has shape {K.shape}, expected (n_x + n_y, n_x + n_u) = (7, 6)"
        size = np.linalg.norm(K, 2)
        assert size <= 1 + 1e-7, f"the norm of K is {size:.5g}, at most 1: use the coordinates P^(1/2) x"
        H = ls.StateSpace(K[:4, :4], gain * K[:4, 4:], K[4:, :4], gain * K[4:, 4:])
        close(
            H.frequency_response(omega),
            G.frequency_response(omega),
            1e-6,
            "the free map of K has another response: inputs are divided by gamma",
        )


@check("contraction_of")
def far_from_identity(contraction_of):
    """a P of condition 1e6"""
    A, B, C, D = np.diag([0.5, 0.2]), np.array([[1.0], [1e-3]]), np.array([[1.0, 1e3]]), np.array([[0.0]])
    gain, P = storage(ls.StateSpace(A, B, C, D), 1e-2)
    K = np.asarray(contraction_of(A, B, C, D, P, gain))
    size = np.linalg.norm(K, 2)
    assert size <= 1 + 1e-6, f"the norm of K is {size:.5g}: P^(1/2) on the left, P^(-1/2) on the right"
