"""Storage functions from the bounded-real Riccati equation, by structured doubling. Untrusted: `verify` decides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from l2ssm.certificates.balls import BALL
from l2ssm.certificates.bounded_real import bounded_real_matrix
from l2ssm.certificates.rigorous import exact
from l2ssm.certificates.smallest import spectral_norm
from l2ssm.errors import CertificateError, SolverError
from l2ssm.systems.state_space import StateSpace
from l2ssm.systems.threads import threads_for

Array = NDArray[np.float64]


def bounded_real_riccati(A: Array, B: Array, C: Array, D: Array, gamma: float, extra: Array) -> Array:
    """P = A'PA + C'C + extra + (A'PB + C'D)(gamma^2 I - D'D - B'PB)^-1 (A'PB + C'D)', the stabilising solution.

    Structured doubling: 20 to 35 steps of quadratic convergence, each of cost n_x^3.

    Args:
        A: (n_x, n_x).
        B: (n_x, n_u).
        C: (n_y, n_x).
        D: (n_y, n_u).
        gamma: above the H-infinity norm of [C; extra^(1/2)] (z - A)^-1 B + [D; 0].
        extra: (n_x, n_x) symmetric, >= 0: the margin by which the (1, 1) block becomes negative.

    Raises:
        SolverError: gamma too small, or no convergence.

    Source: Chu, Fan, Lin, Wang (2004), structure-preserving doubling for discrete-time Riccati equations.
    """
    R = D.T @ D - gamma**2 * np.eye(B.shape[1])
    try:
        return doubling(A, B, C.T @ C + extra, C.T @ D, R)
    except SolverError as error:
        raise SolverError(f"gamma = {gamma}: {error}") from None


def doubling(A: Array, B: Array, Q: Array, S: Array, R: Array) -> Array:
    """P = A'PA + Q - (A'PB + S)(R + B'PB)^-1 (A'PB + S)' with R < 0, the stabilising solution.

    Raises:
        SolverError: R is not negative definite, there is no solution, or no convergence.
    """
    n = A.shape[0]
    try:
        np.linalg.cholesky(-R)
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            RS, RB = np.linalg.solve(R, S.T), np.linalg.solve(R, B.T)
            A, H, G = A - B @ RS, Q - S @ RS, B @ RB
            for _ in range(60):
                W = np.linalg.solve(np.eye(n) + G @ H, np.hstack([A, G]))
                WA, WG = W[:, :n], W[:, n:]
                step = A.T @ H @ WA
                A, G, H = A @ WA, G + A @ WG @ A.T, H + step
                G, H = (G + G.T) / 2, (H + H.T) / 2
                if np.linalg.norm(step) <= 1e-16 * np.linalg.norm(H):
                    return H
    except (np.linalg.LinAlgError, FloatingPointError) as error:
        raise SolverError(f"the Riccati equation has no solution: {error}") from None
    raise SolverError("the doubling algorithm did not converge")


def storage(G: StateSpace, eps: float = 1e-6) -> tuple[float, Array]:
    """(gain, P): P is proved to be a storage function at gain = norm (1 + slack), slack = eps, 10 eps, ... below 0.2.

    The state is scaled by powers of two to a reachability Gramian with unit diagonal; half of each slack pays for the
    regularisation that makes the LMI strict.

    Args:
        G: Schur stable.
        eps: the smallest slack tried.

    Raises:
        CertificateError: none of them is proved; the last reason is given.
    """
    if G.n_x == 0:
        return spectral_norm(G.D), np.zeros((0, 0))
    norm = G.hinf().lower
    scale = _reach_scaling(G)
    scaled = StateSpace(G.A * scale / scale[:, None], G.B / scale[:, None], G.C * scale, G.D, G.dt)
    reach = StateSpace(scaled.A, scaled.B, np.eye(G.n_x), np.zeros((G.n_x, G.n_u)), G.dt).hinf().lower
    reason: Exception | None = None
    slacks = [eps * 10**i for i in range(8) if eps * 10**i < 0.2]
    for slack in slacks:
        gain = max(norm, 1e-100) * (1 + slack)
        margin = 0.5 * slack * gain**2 / reach**2 if reach > 0 else 1 + float(np.sum(scaled.C**2))
        try:
            with threads_for(G.n_x):
                P = bounded_real_riccati(scaled.A, scaled.B, scaled.C, scaled.D, gain, margin * np.eye(G.n_x))
                P = P / scale[:, None] / scale
                P = (P + P.T) / 2
                assert_storage(G, P, gain)
                return gain, P
        except (SolverError, CertificateError) as error:
            reason = error
    raise CertificateError(f"no storage function is proved at a gain up to {1 + slacks[-1]:g} times the norm: {reason}")


def assert_storage(G: StateSpace, P: Array, gain: float) -> None:
    """P > 0 and M(P, gain) < 0 in ball arithmetic, or CertificateError."""
    with BALL.session():
        BALL.assert_positive_definite(BALL.embed(P), "P")
        M = bounded_real_matrix(G.A, G.B, G.C, G.D, P, exact(gain) ** 2, BALL.embed)
        BALL.assert_positive_definite(M * -1, "-M(P, gain)")


def _reach_scaling(G: StateSpace) -> Array:
    """Powers of two near the square roots of diag(sum_k A^k B B' A'^k), by doubling; 1 for unreachable states."""
    A, W = G.A, G.B @ G.B.T
    for _ in range(60):
        step = A @ W @ A.T
        W, A = W + step, A @ A
        if not np.linalg.norm(step) > 1e-3 * np.linalg.norm(W):
            break
    level = np.sqrt(np.diag(W))
    usable = np.isfinite(level) & (level > 1e-12 * np.max(level, initial=0.0))
    return np.exp2(np.round(np.log2(np.where(usable, level, 1.0))))
