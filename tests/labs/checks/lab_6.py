"""Hidden checks of lab 6: words, common storage, gates, lossless steps."""

from __future__ import annotations

import numpy as np

from l2ssm.labs.checking import check, close


@check("growth")
def against_long_runs(growth):
    """random pairs and words against the product, applied in the order of the word"""
    rng = np.random.default_rng(0)
    for length in (1, 3, 5, 8):
        matrices = list(rng.normal(size=(3, 3, 3)))
        word = rng.integers(0, 3, length).tolist()
        M = np.eye(3)
        for i in word:
            M = matrices[i] @ M
        want = np.max(np.abs(np.linalg.eigvals(M))) ** (1 / length)
        close(
            growth(matrices, word),
            want,
            1e-9,
            "the product has the last letter on the left; then the L-th root of its spectral radius",
        )


@check("growth")
def contracting_words(growth):
    """a word whose product is nilpotent"""
    A, B = np.array([[0.0, 3.0], [0.0, 0.0]]), np.array([[0.0, 3.0], [0.0, 0.0]])
    close(growth([A, B], [0, 1]), 0.0, 1e-9, "eigenvalues of the product, not norms", atol=1e-9)


@check("diverging")
def it_diverges(diverging):
    """spectral radii at most 0.9, and a run that leaves every bound"""
    matrices, word = diverging()
    matrices = [np.asarray(A, dtype=float) for A in matrices]
    assert len(matrices) == 2, f"{len(matrices)} matrices, two are asked"
    for A in matrices:
        radius = np.max(np.abs(np.linalg.eigvals(A)))
        assert radius <= 0.9 + 1e-9, f"a spectral radius of {radius:.4f}, at most 0.9"
    assert set(word) <= {0, 1}, f"the word {word} has other letters than 0 and 1"
    M = np.eye(len(matrices[0]))
    for i in word:
        M = matrices[i] @ M
    radius = np.max(np.abs(np.linalg.eigvals(M)))
    assert radius > 1, f"the product of the word has spectral radius {radius:.4f}: repeated, it tends to zero"


def _proves(P, matrices):
    P = np.asarray(P, dtype=float)
    assert np.allclose(P, P.T, rtol=1e-9), "P has to be symmetric"
    assert np.linalg.eigvalsh(P)[0] > 0, "P is not positive definite"
    for A in matrices:
        low = np.linalg.eigvalsh(P - A.T @ P @ A)[0]
        assert low > 0, f"P - A'PA has the eigenvalue {low:.2e} for A = {np.round(A, 3).tolist()}: one P for all"


@check("common_storage")
def pairs_that_have_one(common_storage):
    """five random pairs, far from normal, that share a storage function"""
    rng = np.random.default_rng(1)
    for _ in range(5):
        T = rng.normal(size=(3, 3))
        matrices = []
        for _ in range(2):
            K = rng.normal(size=(3, 3))
            matrices.append(np.linalg.solve(T, 0.9 * K / np.linalg.norm(K, 2) @ T))
        P = common_storage(matrices)
        assert P is not None, (
            "None, although P = T'T proves stability of this pair: nothing is wrong with the solver, is it unscaled?"
        )
        _proves(P, matrices)


@check("common_storage")
def a_single_matrix(common_storage):
    """one Schur matrix with a large transient"""
    matrices = [np.array([[0.8, 5.0], [0.0, 0.7]])]
    P = common_storage(matrices)
    assert P is not None, "a Schur matrix always has a storage function (Lyapunov); P = I is not the only candidate"
    _proves(P, matrices)


@check("common_storage")
def pairs_that_have_none(common_storage):
    """pairs that diverge, or that rest"""
    for stretch, turn in ((2.0, 0.6), (3.0, 1.0)):
        A = 0.95 * np.array([[np.cos(turn), -stretch * np.sin(turn)], [np.sin(turn) / stretch, np.cos(turn)]])
        got = common_storage([A, A.T])
        assert got is None, (
            f"stretch {stretch}, turn {turn}: a word diverges, so there is no P; check what the solver returns"
        )
    assert common_storage([np.eye(2), 0.5 * np.eye(2)]) is None, "the identity does not contract"


@check("loudest")
def nearly_attained(loudest):
    """several bounds, ten time constants"""
    for bound in (0.5, 0.9, 0.99):
        T = int(np.ceil(10 / -np.log(bound))) + 1
        gates, u = (np.asarray(one, dtype=float) for one in loudest(bound, T))
        assert gates.shape == u.shape == (T,), f"shapes {gates.shape} and {u.shape}, expected ({T},)"
        assert gates.min() >= 0, "a gate is negative"
        assert gates.max() <= bound, f"the largest gate is {gates.max():.4f}, at most {bound}"
        assert np.abs(u).max() <= 1, "an input is outside [-1, 1]"
        h = 0.0
        for a, value in zip(gates, u, strict=True):
            h = a * h + np.sqrt(1 - a**2) * value
        g = np.sqrt((1 + bound) / (1 - bound))
        assert abs(h) >= 0.99 * g, (
            f"bound {bound}: |h| = {abs(h):.3f} of {g:.3f}; which gate forgets least, and which sign of u helps?"
        )


@check("lossless_step")
def energy(lossless_step):
    """100 random steps, |lambda| up to 1"""
    rng = np.random.default_rng(2)
    for _ in range(100):
        lam = rng.uniform(0, 1) * np.exp(2j * np.pi * rng.uniform())
        x, w = rng.normal(size=(2, 2)) @ [1, 1j]
        ahead, v = lossless_step(lam, x, w)
        close(
            abs(ahead) ** 2 + abs(v) ** 2,
            abs(x) ** 2 + abs(w) ** 2,
            1e-9,
            "energy: is it the conjugate of lambda in v?",
        )
        close(ahead, lam * x + np.sqrt(1 - abs(lam) ** 2) * w, 1e-9, "x_next = lam x + sqrt(1 - |lam|^2) w")


@check("lossless_step")
def limits(lossless_step):
    """|lambda| = 1 and 0"""
    ahead, v = lossless_step(1j, 2.0, 3.0)
    close([ahead, v], [2j, 3j], 1e-9, "|lambda| = 1: the state turns, and v = -conj(lambda) w")
    ahead, v = lossless_step(0.0, 2.0, 3.0)
    close([ahead, v], [3.0, 2.0], 1e-9, "lambda = 0: state and input change places")
