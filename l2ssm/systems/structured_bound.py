"""The structured storage functions of a diagonal system: no Riccati equation, no eigenvalues, O(n^2) a step.

For any C2 (r, n), any Y (r, n_u) and any delta > 0 the function

    V(x) = sum_t |Re(Ce lam^t x)|^2 + sum_i delta_i |x_i|^2 / (1 - |lam_i|^2),    Ce = [C; C2],

satisfies V(x+) - V(x) + |y|^2 <= u' T u with the matrix T computed below, hence ||H||_inf^2 <= lambda_max(T).
C2 comes from the fixed point C2 <- S^(-1/2) (B' P A + D' C) of the Riccati equation. All of it in floats, with
denominators 1 - conj(lam_i) lam_j free of cancellation: right up to rounding, not a proof.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from l2ssm.systems.circle import gap, one_minus_product
from l2ssm.systems.modal import Modes

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

ROWS = 64
"""Rows of the n x n matrices that are worked on at a time: they stay in the cache."""


class StructuredStorage:
    """V for one delta; what does not depend on C2 is computed once.

    Args:
        modes: every |lam| < 1.
        delta: (n, 1), > 0.
    """

    def __init__(self, modes: Modes, delta: Array) -> None:
        lam = modes.lam
        self.modes, self.delta = modes, delta
        self.kernels = [1 / one_minus_product(a[:, None], lam[None]) for a in (lam.conj(), lam)]
        PB, QB = self._apply(modes.C)
        self.PB = (delta[:, 0] / (gap(lam) * (1 + np.abs(lam))))[:, None] * modes.B + PB
        self.QB = QB
        self.DD, self.CD = modes.D.T @ modes.D, modes.C.conj().T @ modes.D

    def terms(self, C2: ComplexArray) -> tuple[Array, ComplexArray]:
        """(D'D + B'PB, A'PB + C'D)."""
        lam, B = self.modes.lam[:, None], self.modes.B
        PB, QB = self._apply(C2)
        PB, QB = self.PB + PB, self.QB + QB
        Tb = self.DD + (B.conj().T @ PB + B.T @ QB).real
        return (Tb + Tb.T) / 2, lam.conj() * (PB + QB.conj()) + self.CD

    def best_y(self, C2: ComplexArray, H: ComplexArray) -> Array:
        """Y = (I + W)^-1 K, W = Re(C2 Delta^-1 C2*), K = Re(C2 Delta^-1 H): the minimiser of E* Delta^-1 E + Y'Y."""
        scaled = C2 / self.delta.T
        W = np.eye(len(C2)) + (scaled @ C2.conj().T).real
        return np.asarray(cho_solve(cho_factor((W + W.T) / 2), (scaled @ H).real))

    def gain(self, C2: ComplexArray, Tb: Array, H: ComplexArray) -> float:
        """sqrt(lambda_max(T)) with the best Y; inf if it cannot be computed."""
        try:
            Y = self.best_y(C2, H)
            E = H - C2.conj().T @ Y
            T = Tb + (E.conj().T @ (E / self.delta)).real + Y.T @ Y
            gain = float(np.sqrt(np.linalg.eigvalsh((T + T.T) / 2)[-1])) * (1 + 1e-12)
        except (np.linalg.LinAlgError, ValueError):
            return np.inf
        return gain if np.isfinite(gain) else np.inf

    def _apply(self, X: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        """(Q1 B / 2, Q2 B / 2) for Q1 = X*X and Q2 = X'X times the kernels, entry by entry."""
        products = np.empty((2, *self.modes.B.shape), dtype=np.complex128)
        for out, kernel, left in zip(products, self.kernels, (X.conj().T, X.T), strict=True):
            for i in range(0, len(kernel), ROWS):
                out[i : i + ROWS] = ((left[i : i + ROWS] @ X) * kernel[i : i + ROWS]) @ self.modes.B
        return products[0] / 2, products[1] / 2


def delta_rule(modes: Modes, norm: float, eps: float) -> Array:
    """delta_i = eps norm^2 (1 - |lam_i|)^2 / (n |b_i|^2), (n, 1): it inflates norm^2 by at most a factor 1 + eps.

    A mode that is hardly driven gets the delta of one driven 1e-6 times as much as the strongest.
    """
    drive = np.sum(np.abs(modes.B) ** 2, axis=1)
    drive = np.maximum(drive, 1e-12 * np.max(drive, initial=0.0))
    drive = np.where(drive > 0, drive, 1.0)
    return np.asarray(eps * norm**2 * gap(modes.lam) ** 2 / (modes.lam.size * drive))[:, None]


def fixed_point(V: StructuredStorage, level: float, steps: int = 400) -> tuple[ComplexArray, float]:
    """(C2, gain): C2 <- S^(-1/2) H* with S = level^2 I - D'D - B'PB from C2 = 0 until the gain is below the level.

    The number of steps needed grows like (level / norm - 1)^(-1/2). The iteration is monotone where D is small and
    oscillates where D dominates; it is then repeated with shorter steps. Of all C2 tried the best is returned.

    Returns:
        gain inf where the level is below what this delta allows.
    """
    best = np.zeros((V.modes.D.shape[1], V.modes.lam.size), dtype=np.complex128), np.inf
    for relaxation in (1.0, 0.5, 0.25):
        best = min(best, _iterate(V, level, relaxation, steps), key=lambda found: found[1])
        if best[1] <= level:
            break
    return best


def structured_bound(modes: Modes, gamma: float, eps: float, steps: int = 400) -> float:
    """An upper bound of ||H||_inf, below gamma (1 + eps) where that exceeds the norm and the fixed point gets there.

    Args:
        modes: every |lam| < 1.
        gamma: a lower bound of the norm, > 0.
        eps: relative room to work in.
        steps: the most fixed-point steps taken; the bound holds at any of them.

    Returns:
        The smallest bound met; inf if there was none.
    """
    used = (np.abs(modes.B).sum(axis=1) > 0) & (np.abs(modes.C).sum(axis=0) > 0)
    modes = Modes(modes.lam[used], modes.B[used], modes.C[:, used], modes.D)
    if not modes.lam.size:
        return float(np.linalg.norm(modes.D, 2)) if modes.D.size else 0.0
    V = StructuredStorage(modes, delta_rule(modes, gamma, eps / 2))
    return fixed_point(V, gamma * (1 + eps), steps)[1]


def _iterate(V: StructuredStorage, level: float, relaxation: float, steps: int) -> tuple[ComplexArray, float]:
    """The fixed point from 0 with steps of this length; the best C2 on the way and its gain."""
    m, n = V.modes.D.shape[1], V.modes.lam.size
    C2 = np.zeros((m, n), dtype=np.complex128)
    best, check = (C2, np.inf), 8
    for step in range(1, steps + 1):
        Tb, H = V.terms(C2)
        if step == check:
            best = min(best, (C2, V.gain(C2, Tb, H)), key=lambda found: found[1])
            if best[1] <= level:
                break
            check = max(check + 8, int(1.25 * check))
        try:
            L = np.linalg.cholesky(level**2 * np.eye(m) - Tb)
        except np.linalg.LinAlgError:
            break
        C2 = C2 + relaxation * (solve_triangular(L, H.conj().T, lower=True) - C2)
    return best
