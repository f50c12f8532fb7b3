"""Plausible wrong answers to lab 8: `exercise__idea`; the docstring is part of what the grader has to say."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_discrete_lyapunov

import l2ssm as ls


def hankel__squares(A, B, C):
    """roots of the eigenvalues"""
    reach, see = solve_discrete_lyapunov(A, B @ B.T), solve_discrete_lyapunov(A.T, C.T @ C)
    return np.sort(np.abs(np.linalg.eigvals(reach @ see)))[::-1]


def hankel__transposed(A, B, C):
    """A transposed"""
    reach, see = solve_discrete_lyapunov(A.T, B @ B.T), solve_discrete_lyapunov(A, C.T @ C)
    return np.sqrt(np.sort(np.abs(np.linalg.eigvals(reach @ see)))[::-1])


def order_for__lower_bound(sigma, tolerance):
    """ALL that are left out"""
    return next((r for r in range(len(sigma)) if sigma[r] <= tolerance), len(sigma))


def order_for__without_the_two(sigma, tolerance):
    """twice the sum"""
    return next(r for r in range(len(sigma) + 1) if sum(sigma[r:]) <= tolerance)


def truncate__slowest_poles(G, r):
    """balance before you cut"""
    values, V = np.linalg.eig(G.A)
    order = np.argsort(-np.abs(values))[:r]
    W = np.linalg.inv(V)[order]
    real = [np.real(M) for M in (np.diag(values[order]), W @ G.B, G.C @ V[:, order])]
    return ls.StateSpace(*real, G.D, G.dt)


def truncate__first_states(G, r):
    """balance before you cut"""
    return ls.StateSpace(G.A[:r, :r], G.B[:r], G.C[:, :r], G.D, G.dt)


def make_step__state_first(G, dtype):
    """the state before the update"""
    A, B, C, D = (M.astype(dtype) for M in (G.A, G.B, G.C, G.D))
    x = np.zeros(G.n_x, dtype)

    def step(u):
        nonlocal x
        u = np.asarray(u, dtype)
        x = A @ x + B @ u
        return C @ x + D @ u

    return step


_shared: dict[int, np.ndarray] = {}


def make_step__shared_state(G, dtype):
    """share a state"""
    key = id(G)
    _shared[key] = np.zeros(G.n_x, dtype)

    def step(u):
        x, u = _shared[key], np.asarray(u, dtype)
        _shared[key] = (G.A @ x + G.B @ u).astype(dtype)
        return (G.C @ x + G.D @ u).astype(dtype)

    return step


def make_step__double_inside(G, dtype):
    """the outputs are float64"""
    x = np.zeros(G.n_x)

    def step(u):
        nonlocal x
        y = G.C @ x + G.D @ u
        x = G.A @ x + G.B @ u
        return y.astype(np.float64)

    return step


def loop_bounds__no_test(g1, g2):
    """does not apply"""
    p = g1 * g2
    return np.array([[g1, p], [p, g2]]) / (1 - p) if p != 1 else np.full((2, 2), np.inf)


def loop_bounds__errors_instead(g1, g2):
    """rows are outputs"""
    p = g1 * g2
    return np.array([[1, g2], [g1, 1]]) / (1 - p) if p < 1 else np.full((2, 2), np.inf)


def still_safe__ignores_the_error(g1_reduced, error, g2):
    """the sum of both"""
    return g1_reduced * g2 < 1


def still_safe__fails_open(g1_reduced, error, g2):
    """NaN is refused"""
    return not (g1_reduced + error) * g2 >= 1
