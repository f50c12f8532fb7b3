"""A diagonal multiplier for W2 sigma(W1 u + b1): the search for the one that proves the smallest gain. Not trusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares, minimize

from l2ssm.systems.activations import Activation

Array = NDArray[np.float64]
CLEARANCE = 1e-9  # relative: keeps 2 T - W2'W2 off the boundary, where the best T of an orthogonal layer lies
SHARPNESS = (30.0, 300.0, 3000.0)  # of the smooth maximum of eigenvalues, in turn
ITERATIONS = 60
TINIEST = float(np.finfo(np.float64).tiny)
TINY = 1e-9  # of the largest row or column: what counts as a hidden unit that is not used


def search(W1: Array, W2: Array, sigma: Activation) -> tuple[Array, float]:
    """(T (h,) > 0, gain): a diagonal multiplier, and in floats the gain it gives; infinity where none was found.

    The squared gain is convex in T. T = k (1 + exp(s)) exp(tau) / 2, with the smallest k that makes 2 T - W2'W2
    semidefinite for s = -inf, is feasible for every (tau, s); L-BFGS minimises a smooth maximum of the eigenvalues.

    Args:
        W1: (h, n).
        W2: (m, h).
        sigma: its slopes are within [a, b].
    """
    rows, columns = np.linalg.norm(W1, axis=1), np.linalg.norm(W2, axis=0)
    norms = np.maximum(columns, TINY * columns.max()) / np.maximum(rows, TINY * rows.max())
    balanced = _balanced(W1, W2, norms)
    trials = [balanced * (1 + CLEARANCE), *(_feasible(W2, np.append(np.log(T), 0.0))[0] for T in (norms, balanced))]
    best = min(trials, key=lambda T: _squared_gain(W1, W2, sigma, T))
    point = _coordinates(W2, best)
    for sharpness in SHARPNESS:
        found = minimize(
            lambda x, sharpness=sharpness: _smooth(W1, W2, sigma, x, sharpness),
            point,
            jac=True,
            method="L-BFGS-B",
            bounds=[(None, None)] * norms.size + [(np.log(CLEARANCE), 20.0)],
            options={"maxiter": ITERATIONS},
        )
        point = found.x
        trials.append(_feasible(W2, point)[0])
    best = min(trials, key=lambda T: _squared_gain(W1, W2, sigma, T))
    return best, float(np.sqrt(_squared_gain(W1, W2, sigma, best)))


def _squared_gain(W1: Array, W2: Array, sigma: Activation, T: Array) -> float:
    """The largest eigenvalue of the Schur complement of 2 T - W2'W2 in gain^2 I - M, or infinity."""
    try:
        np.linalg.cholesky(2 * np.diag(T) - W2.T @ W2)
        value = float(np.linalg.eigvalsh(_complement(W1, W2, sigma, T)[0])[-1])
    except np.linalg.LinAlgError:
        return np.inf
    return value if np.isfinite(value) else np.inf


def _complement(W1: Array, W2: Array, sigma: Activation, T: Array) -> tuple[Array, Array]:
    """(S, Z): S = L' Q^-1 L - 2 a b W1'TW1 and Z = Q^-1 L for L = (a + b) T W1 and Q = 2 T - W2'W2."""
    a, b = sigma.slope_min, sigma.slope_max
    L = (a + b) * T[:, None] * W1
    Z = np.linalg.solve(2 * np.diag(T) - W2.T @ W2, L)
    S = L.T @ Z - 2 * a * b * (W1.T * T) @ W1
    return 0.5 * (S + S.T), np.asarray(Z, dtype=np.float64)


def _feasible(W2: Array, x: Array) -> tuple[Array, Array]:
    """(T, v) of x = (tau, s), with v the eigenvector that determines k."""
    tau, s = x[:-1], x[-1]
    V = W2 * np.exp(-0.5 * tau)
    k, v = np.linalg.eigh(V.T @ V)
    return 0.5 * max(float(k[-1]), np.finfo(float).tiny) * (1 + np.exp(s)) * np.exp(tau), np.array(
        v[:, -1], dtype=np.float64
    )


def _coordinates(W2: Array, T: Array) -> Array:
    """An x = (tau, s) with T as its multiplier, up to the least s."""
    V = W2 / np.sqrt(T)
    k = float(np.linalg.norm(V, 2)) ** 2
    return np.append(np.log(T), np.log(max(2 / max(k, TINIEST) - 1, CLEARANCE)))


def _smooth(W1: Array, W2: Array, sigma: Activation, x: Array, sharpness: float) -> tuple[float, Array]:
    """log sum_k lam_k^sharpness / sharpness for the eigenvalues lam of S, and its gradient in x."""
    T, v = _feasible(W2, x)
    S, Z = _complement(W1, W2, sigma, T)
    lam, U = np.linalg.eigh(S)
    lam = np.maximum(lam, 1e-12 * lam[-1])
    power = np.exp(sharpness * np.log(lam / lam[-1]))
    G = (U * (power / lam / power.sum())) @ U.T
    a, b = sigma.slope_min, sigma.slope_max
    ZG, WG = Z @ G, W1 @ G
    by_T = 2 * ((a + b) * (ZG * W1).sum(1) - (ZG * Z).sum(1) - a * b * (WG * W1).sum(1))
    by_log = by_T * T
    gradient = np.append(by_log - by_log.sum() * v**2, by_log.sum() / (1 + np.exp(-x[-1])))
    return float(np.log(lam[-1]) + np.log(power.sum()) / sharpness), gradient


def _balanced(W1: Array, W2: Array, start: Array) -> Array:
    """The T with T^-1/2 W2'W2 T^-1/2 + T^1/2 W1 W1' T^1/2 = 2 I, in least squares: exact for a 1-Lipschitz sandwich.

    Off the diagonal the equation reads T_i T_j = -(W2'W2)_ij / (W1 W1')_ij: linear in log T, that is the start.
    """
    P, Q = W2.T @ W2, W1 @ W1.T
    i, j = np.nonzero(np.triu(P * Q < 0, 1))
    weight = np.sqrt(np.sqrt(-P[i, j] * Q[i, j]))
    pairs = np.zeros((i.size, start.size))
    pairs[range(i.size), i] = pairs[range(i.size), j] = 1.0
    regular = 1e-6 * np.eye(start.size)
    left = np.vstack([pairs * weight[:, None], regular])
    right = np.concatenate([np.log(-P[i, j] / Q[i, j]) * weight, regular @ np.log(start)])
    guess = np.linalg.lstsq(left, right)[0]
    upper = np.triu_indices(start.size)

    def residual(tau: Array) -> Array:
        scale = np.exp(0.5 * (tau[:, None] + tau))
        return (P / scale + Q * scale - 2 * np.eye(tau.size))[upper]

    def jacobian(tau: Array) -> Array:
        scale = np.exp(0.5 * (tau[:, None] + tau))
        slope = (0.5 * (Q * scale - P / scale))[upper]
        J = np.zeros((upper[0].size, tau.size))
        np.add.at(J, (np.arange(upper[0].size), upper[0]), slope)
        np.add.at(J, (np.arange(upper[0].size), upper[1]), slope)
        return J

    return np.exp(least_squares(residual, guess, jacobian, xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=50).x)
