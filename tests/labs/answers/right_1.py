"""Reference solutions of lab 1."""

from __future__ import annotations

import numpy as np


def mode_gain(lam, b, c):
    return abs(c * b) / (1 - abs(lam)) if abs(lam) < 1 else np.inf


def grid_loss(r, N):
    delta = np.pi / (2 * (N - 1))
    return abs(np.exp(1j * delta) - r) / (1 - r)


def pole_grid(poles):
    poles = np.asarray(poles)
    band = 1 - np.abs(poles)
    steps = np.concatenate([[-4, -2], np.linspace(-1, 1, 11), [2, 4]])
    near = np.abs(np.angle(poles))[:, None] + band[:, None] * steps
    coarse = np.linspace(0, np.pi, 5 * poles.size)
    return np.unique(np.clip(np.concatenate([coarse, near.ravel()]), 0, np.pi))


def growing(target):
    return np.array([[0.9, 2.0 * target], [0.0, 0.9]])


def transient_bound(A):
    from scipy.linalg import solve_discrete_lyapunov

    if np.max(np.abs(np.linalg.eigvals(A))) >= 1:
        return np.inf
    eigenvalues = np.linalg.eigvalsh(solve_discrete_lyapunov(np.transpose(A), np.eye(len(A))))
    return np.sqrt(eigenvalues[-1] / eigenvalues[0])
