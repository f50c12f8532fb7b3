"""Plausible wrong answers to lab 1: `exercise__idea`; the docstring is part of what the grader has to say."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_discrete_lyapunov


def mode_gain__at_frequency_zero(lam, b, c):
    """at the angle of the pole"""
    return abs(c * b / (1 - lam)) if abs(lam) < 1 else np.inf


def mode_gain__formula_without_hypothesis(lam, b, c):
    """not inside the unit circle"""
    return abs(c * b) / abs(1 - abs(lam)) if abs(lam) != 1 else np.inf


def mode_gain__on_a_grid(lam, b, c):
    """expected"""
    z = np.exp(1j * np.linspace(0, np.pi, 1000))
    return np.max(np.abs(c * b / (z - lam))) if abs(lam) < 1 else np.inf


def grid_loss__a_whole_step(r, N):
    """half a step"""
    return abs(np.exp(1j * np.pi / (N - 1)) - r) / (1 - r)


def grid_loss__the_inverse(r, N):
    """half a step"""
    return (1 - r) / abs(np.exp(1j * np.pi / (2 * (N - 1))) - r)


def pole_grid__uniform(poles):
    """half-power band"""
    return np.linspace(0, np.pi, 20 * len(poles))


def pole_grid__angles_with_fixed_offsets(poles):
    """frequencies are outside"""
    return np.concatenate([np.angle(poles) + s for s in (-0.1, -0.01, 0, 0.01, 0.1)])


def growing__large_eigenvalue(target):
    """spectral radius"""
    return np.diag([0.9, target])


def growing__too_small(target):
    """what does the coupling do"""
    return np.array([[0.9, 5.0], [0.0, 0.9]])


def transient_bound__spectral_radius(A):
    """the powers of"""
    rho = np.max(np.abs(np.linalg.eigvals(A)))
    return 1.0 if rho < 1 else np.inf


def transient_bound__no_test_of_stability(A):
    """is not Schur"""
    eigenvalues = np.abs(np.linalg.eigvalsh(solve_discrete_lyapunov(np.transpose(A), np.eye(len(A)))))
    return np.sqrt(eigenvalues.max() / eigenvalues.min())


def transient_bound__transposed(A):
    """is about A'"""
    if np.max(np.abs(np.linalg.eigvals(A))) >= 1:
        return np.inf
    eigenvalues = np.linalg.eigvalsh(solve_discrete_lyapunov(A, np.eye(len(A))))
    return np.sqrt(eigenvalues.max() / eigenvalues.min())
