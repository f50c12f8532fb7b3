"""An upper bound of the H-infinity norm of a diagonal system in O(n^2) a step: no Riccati equation, no eigenvalues.

For any C2 (r, n), any Y (r, n_u) and any Delta > 0 the function

    V(x) = sum_t |Re(Ce lam^t x)|^2 + sum_i Delta_i |x_i|^2 / (1 - |lam_i|^2),    Ce = [C; C2],

satisfies V(x+) - V(x) + |y|^2 <= u' T u with the matrix T computed below, hence ||H||_inf^2 <= lambda_max(T).
C2 comes from the fixed point C2 <- S^(-1/2) (B' P A + D' C) of the Riccati equation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from l2ssm.systems.circle import gap, one_minus_product
from l2ssm.systems.modal import Modes

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


def structured_bound(modes: Modes, gamma: float, eps: float, steps: int = 400) -> float:
    """An upper bound of ||H||_inf, below gamma (1 + eps) where that exceeds the norm and the fixed point gets there.

    Double precision, denominators 1 - conj(lam_i) lam_j free of cancellation: right up to rounding, not a proof. The
    fixed point oscillates when D is large against the rest; it is then repeated with shorter steps.

    Args:
        modes: every |lam| < 1.
        gamma: a lower bound of the norm, > 0.
        eps: relative room to work in; the number of steps needed grows like eps^(-1/2).
        steps: the most fixed-point steps taken; the bound holds at any of them.

    Returns:
        The smallest bound met; inf if there was none.
    """
    used = (np.abs(modes.B).sum(axis=1) > 0) & (np.abs(modes.C).sum(axis=0) > 0)
    lam, B, C, D = modes.lam[used], modes.B[used], modes.C[:, used], modes.D
    if not lam.size:
        return float(np.linalg.norm(D, 2)) if D.size else 0.0
    Delta = 0.5 * eps * gamma**2 * gap(lam) ** 2 / (lam.size * np.sum(np.abs(B) ** 2, axis=1))
    kernels = 1.0 / one_minus_product(lam.conj()[:, None], lam[None]), 1.0 / one_minus_product(lam[:, None], lam[None])
    best = np.inf
    for relaxation in (1.0, 0.5, 0.25):
        best = min(best, _iterate((lam, B, C, D), kernels, Delta, gamma * (1 + eps), relaxation, steps))
        if best <= gamma * (1 + eps):
            break
    return best


def _iterate(
    system: tuple[ComplexArray, ComplexArray, ComplexArray, Array],
    kernels: tuple[ComplexArray, ComplexArray],
    Delta: Array,
    level: float,
    relaxation: float,
    steps: int,
) -> float:
    """The fixed point of C2 from 0 until the bound is below the level; the smallest bound on the way."""
    lam, B, C, D = system
    Pd = Delta / (gap(lam) * (1 + np.abs(lam)))
    C2 = np.zeros((D.shape[1], lam.size), dtype=np.complex128)
    best, check = np.inf, 8
    for step in range(1, steps + 1):
        Tb, H = _storage(lam, B, C, D, C2, kernels, Pd)
        if step == check:
            best = min(best, _gain(Tb, H, C2, Delta))
            if best <= level:
                return best
            check = max(check + 8, int(1.25 * check))
        S = level**2 * np.eye(D.shape[1]) - Tb
        try:
            L = np.linalg.cholesky(0.5 * (S + S.T))
        except np.linalg.LinAlgError:
            return best
        C2 = C2 + relaxation * (solve_triangular(L, H.conj().T, lower=True) - C2)
    return best


def _storage(
    lam: ComplexArray,
    B: ComplexArray,
    C: ComplexArray,
    D: Array,
    C2: ComplexArray,
    kernels: tuple[ComplexArray, ComplexArray],
    Pd: Array,
) -> tuple[Array, ComplexArray]:
    """(D'D + B'PB, A'PB + C'D) of the storage function of Ce = [C; C2]."""
    Ce = np.concatenate([C, C2])
    PB = Pd[:, None] * B + 0.5 * ((Ce.conj().T @ Ce) * kernels[0]) @ B
    QB = 0.5 * ((Ce.T @ Ce) * kernels[1]) @ B
    Tb = D.T @ D + (B.conj().T @ PB + B.T @ QB).real
    return Tb, lam.conj()[:, None] * (PB + QB.conj()) + C.conj().T @ D


def _gain(Tb: Array, H: ComplexArray, C2: ComplexArray, Delta: Array) -> float:
    """sqrt(lambda_max(T)) with the best Y; inf if it cannot be computed."""
    try:
        scaled = C2 / Delta
        W = np.eye(len(C2)) + (scaled @ C2.conj().T).real
        Y = cho_solve(cho_factor(0.5 * (W + W.T)), (scaled @ H).real)
        E = H - C2.conj().T @ Y
        T = Tb + (E.conj().T @ (E / Delta[:, None])).real + Y.T @ Y
        gain = float(np.sqrt(np.linalg.eigvalsh(0.5 * (T + T.T))[-1])) * (1 + 1e-12)
    except (np.linalg.LinAlgError, ValueError):
        return np.inf
    return gain if np.isfinite(gain) else np.inf
