"""Plausible wrong answers to lab 6: `exercise__idea`; the docstring is part of what the grader has to say."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_discrete_lyapunov


def _radius(A):
    return np.max(np.abs(np.linalg.eigvals(A)))


def growth__mean_of_the_radii(matrices, word):
    """spectral radius"""
    return float(np.mean([_radius(matrices[i]) for i in word]))


def growth__no_root(matrices, word):
    """L-th root"""
    M = np.eye(len(matrices[0]))
    for i in word:
        M = matrices[i] @ M
    return _radius(M)


def growth__wrong_order(matrices, word):
    """last letter on the left"""
    M = np.eye(len(matrices[0]))
    for i in word:
        M = M @ matrices[i]
    return _radius(M) ** (1 / len(word))


def diverging__one_is_unstable():
    """at most 0.9"""
    return [np.diag([1.1, 0.5]), 0.5 * np.eye(2)], [0, 0, 0, 1]


def diverging__large_transient_only():
    """tends to zero"""
    A = np.array([[0.9, 100.0], [0.0, 0.9]])
    return [A, A.copy()], [0, 1]


def common_storage__identity(matrices):
    """is not the only candidate"""
    return np.eye(len(matrices[0])) if max(np.linalg.norm(A, 2) for A in matrices) < 1 else None


def common_storage__of_the_first(matrices):
    """one P for all"""
    return solve_discrete_lyapunov(matrices[0].T, np.eye(len(matrices[0])))


def common_storage__from_eigenvalues(matrices):
    """a word diverges"""
    if max(map(_radius, matrices)) >= 1:
        return None
    return sum(solve_discrete_lyapunov(A.T, np.eye(len(A))) for A in matrices)


def loudest__noise(bound, T):
    """which sign of u helps"""
    return np.full(T, bound), np.sign(np.random.default_rng(0).normal(size=T))


def loudest__gate_half_open(bound, T):
    """which gate forgets least"""
    return np.full(T, bound / 2), np.ones(T)


def loudest__beyond_the_bound(bound, T):
    """the largest gate"""
    return np.full(T, 0.999), np.ones(T)


def lossless_step__without_conjugate(lam, x, w):
    """conjugate of lambda"""
    s = np.sqrt(1 - abs(lam) ** 2)
    return lam * x + s * w, s * x - lam * w


def lossless_step__variance_only(lam, x, w):
    """energy"""
    ahead = lam * x + np.sqrt(1 - abs(lam) ** 2) * w
    return ahead, ahead
