"""The bounded-real formulas: dense storage P, and the structured Cauchy certificate. Part of the trusted base.

Each formula is written once, for `numpy` arrays (the search) and for every `rigorous.Arithmetic` (the proof) alike: `@`
is the matrix product, every other operator is elementwise with broadcasting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from l2ssm.systems.circle import one_minus_product as one_minus_product_of_floats

Matrix = Any
"""A 2-D numpy array or a matrix of an arithmetic."""


def bounded_real_matrix(
    A: ArrayLike, B: ArrayLike, C: ArrayLike, D: ArrayLike, P: ArrayLike, gamma2: Any, embed: Callable = np.asarray
) -> Matrix:
    """M(P, gamma) = [A B]'P[A B] + [C D]'[C D] - diag(P, gamma^2 I), (n_x + n_u) square.

    With V(x) = x'Px the vector z = (x, u) gives V(Ax + Bu) - V(x) + |Cx + Du|^2 - gamma^2 |u|^2 = z'M z. If P > 0 and
    M < 0 then A is Schur stable and sum |y|^2 <= gamma^2 sum |u|^2 + V(x0) over every horizon.

    Args:
        A: (n_x, n_x).
        B: (n_x, n_u).
        C: (n_y, n_x).
        D: (n_y, n_u).
        P: (n_x, n_x) symmetric.
        gamma2: gamma^2, a float or a Fraction.
        embed: how a float array enters the arithmetic.

    Source: Real Bounded Lemma in discrete time.
    """
    A, B, C, D, P = (np.asarray(M, dtype=np.float64) for M in (A, B, C, D, P))
    n, m = B.shape
    F, K, Q = embed(np.hstack([A, B])), embed(np.hstack([C, D])), embed(P)
    states, inputs = np.zeros((n + m, n + m)), np.zeros((n + m, n + m))
    states[:n, :n], inputs[n:, n:] = P, np.eye(m)
    return F.T @ Q @ F + K.T @ K - embed(states) - embed(inputs) * gamma2


@dataclass(frozen=True)
class CauchyStorage:
    """V(x) = x*(Pd + Q1/2)x + Re(x' Q2 x)/2, the storage in closed form.

    Attributes:
        pd: (N, 1) diagonal of Pd.
        Q1: (N, N) Hermitian.
        Q2: (N, N) complex symmetric.
    """

    pd: Matrix
    Q1: Matrix
    Q2: Matrix

    def value(self, x: Matrix) -> Matrix:
        """V(x) (1, 1) of x (N, 1) complex."""
        return (x.conj().T @ (self.pd * x) + x.conj().T @ self.Q1 @ x / 2 + x.T @ self.Q2 @ x / 2).real


def cauchy_storage(lam: Matrix, C: Matrix, delta: Matrix, C2: Matrix) -> CauchyStorage:
    """The V with V(x) - V(Lambda x) = |Re Cx|^2 + |Re C2 x|^2 + sum delta_i |x_i|^2, exactly, for |lam_i| < 1.

    Args:
        lam: (N, 1) complex poles.
        C: (n_y, N) complex.
        delta: (N, 1) real.
        C2: (r, N) complex.
    """
    Q1 = (C.conj().T @ C + C2.conj().T @ C2) / one_minus_product(lam.conj(), lam.T)
    Q2 = (C.T @ C + C2.T @ C2) / one_minus_product(lam, lam.T)
    return CauchyStorage(delta / one_minus_product(lam.conj(), lam).real, Q1, Q2)


def one_minus_product(a: Matrix, b: Matrix) -> Matrix:
    """1 - a b elementwise, accurate next to 1."""
    return one_minus_product_of_floats(a, b) if isinstance(a, np.ndarray) else a.one_minus_product(b)


def input_terms(lam: Matrix, B: Matrix, C: Matrix, D: Matrix, V: CauchyStorage) -> tuple[Matrix, Matrix]:
    """(Tb, H): V(Lambda x + Bu) - V(Lambda x) + |Re Cx + Du|^2 - |Re Cx|^2 = 2 Re(x*Hu) + u'(D'D + Tb)u."""
    PB = V.pd * B + V.Q1 @ B / 2
    QB = V.Q2 @ B / 2
    Tb = (B.conj().T @ PB + B.T @ QB).real
    return Tb, lam.conj() * (PB + QB.conj()) + C.conj().T @ D


def cauchy_matrix(lam: Matrix, B: Matrix, C: Matrix, D: Matrix, delta: Matrix, C2: Matrix, Y: Matrix) -> Matrix:
    """T = D'D + Tb + Re(E* Delta^-1 E) + Y'Y with E = H - C2*Y, (n_u, n_u) symmetric.

    If |lam_i| < 1 and delta > 0 then, for any C2 and Y, x+ = Lambda x + Bu and y = Re(Cx) + Du satisfy
    V(x+) - V(x) + |y|^2 <= u'Tu. Proof: with H = E + C2*Y, 2 Re(x*Eu) <= x*Delta x + u'Re(E*Delta^-1 E)u and
    2 Re(C2 x)'Yu <= |Re C2 x|^2 + |Yu|^2. Hence gain^2 <= lambda_max(T).

    Args:
        lam: (N, 1) complex poles.
        B: (N, n_u) complex.
        C: (n_y, N) complex.
        D: (n_y, n_u) real.
        delta: (N, 1) real, > 0.
        C2: (r, N) complex.
        Y: (r, n_u) real.
    """
    Tb, H = input_terms(lam, B, C, D, cauchy_storage(lam, C, delta, C2))
    E = H - C2.conj().T @ Y
    return D.T @ D + Tb + (E.conj().T @ (E / delta)).real + Y.T @ Y
