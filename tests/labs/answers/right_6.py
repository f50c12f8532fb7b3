"""Reference solutions of lab 6."""

from __future__ import annotations

import numpy as np


def growth(matrices, word):
    M = np.eye(len(matrices[0]))
    for i in word:
        M = matrices[i] @ M
    return np.max(np.abs(np.linalg.eigvals(M))) ** (1 / len(word))


def diverging():
    return [np.array([[0.5, 4.0], [0.0, 0.5]]), np.array([[0.5, 0.0], [4.0, 0.5]])], [0, 1]


def common_storage(matrices):
    import cvxpy as cp

    n = len(matrices[0])
    P, t = cp.Variable((n, n), symmetric=True), cp.Variable()
    rooms = [P - A.T @ P @ A for A in matrices]
    limits = [(M + M.T) / 2 - t * np.eye(n) >> 0 for M in rooms]
    cp.Problem(cp.Maximize(t), [*limits, P << np.eye(n)]).solve(solver="CLARABEL")
    found = (P.value + P.value.T) / 2
    good = [np.linalg.eigvalsh(found)[0], *(np.linalg.eigvalsh(found - A.T @ found @ A)[0] for A in matrices)]
    return found if min(good) > 1e-9 else None


def loudest(bound, T):
    return np.full(T, bound), np.ones(T)


def lossless_step(lam, x, w):
    s = np.sqrt(1 - abs(lam) ** 2)
    return lam * x + s * w, s * x - np.conj(lam) * w
