"""Reference solutions of lab 8."""

from __future__ import annotations

import numpy as np


def hankel(A, B, C):
    from scipy.linalg import solve_discrete_lyapunov

    reach, see = solve_discrete_lyapunov(A, B @ B.T), solve_discrete_lyapunov(A.T, C.T @ C)
    squares = np.real(np.linalg.eigvals(reach @ see))
    return np.sqrt(np.sort(np.maximum(squares, 0.0))[::-1])


def order_for(sigma, tolerance):
    return next(r for r in range(len(sigma) + 1) if 2 * sum(sigma[r:]) <= tolerance)


def truncate(G, r):
    import l2ssm as ls
    from l2ssm.systems.gramian import controllability_gramian, observability_gramian

    def root(W):
        values, vectors = np.linalg.eigh(W)
        return vectors * np.sqrt(np.maximum(values, 0.0))

    R, L = root(controllability_gramian(G)), root(observability_gramian(G))
    U, sigma, Vt = np.linalg.svd(L.T @ R)
    scale = 1 / np.sqrt(sigma[:r])
    project, embed = scale[:, None] * (U[:, :r].T @ L.T), (R @ Vt[:r].T) * scale
    return ls.StateSpace(project @ G.A @ embed, project @ G.B, G.C @ embed, G.D, G.dt)


def make_step(G, dtype):
    A, B, C, D = (M.astype(dtype) for M in (G.A, G.B, G.C, G.D))
    x = np.zeros(G.n_x, dtype)

    def step(u):
        nonlocal x
        u = np.asarray(u, dtype)
        y = C @ x + D @ u
        x = A @ x + B @ u
        return y

    return step


def loop_bounds(g1, g2):
    p = g1 * g2
    if not p < 1:
        return np.full((2, 2), np.inf)
    return np.array([[g1, p], [p, g2]]) / (1 - p)


def still_safe(g1_reduced, error, g2):
    return bool((g1_reduced + error) * g2 < 1)
