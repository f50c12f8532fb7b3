"""The matrices that prove the gain of a nonlinear static layer. Part of the trusted base.

Each formula is written once, for `numpy` arrays (the search) and for balls (the proof), as in `bounded_real`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.certificates.bounded_real import Matrix
from l2ssm.systems.activations import Activation

Array = NDArray[np.float64]


def multiplier_matrix(
    W1: Array, W2: Array, T: Array, sigma: Activation, gain_squared: Any, embed: Callable[[Array], Any]
) -> Matrix:
    """M = [[gain^2 I + 2 a b W1'TW1, -(a + b) W1'T], [-(a + b) T W1, 2 T - W2'W2]] in the arithmetic of `embed`.

    Args:
        W1: (h, n).
        W2: (m, h).
        T: (h, 1), the diagonal, >= 0.
        sigma: its slopes are within [a, b].
        gain_squared: a number of that arithmetic.
        embed: how a float array enters the arithmetic.

    With w = W1 u and v = sigma(w + b1), every two runs satisfy (dv - a dw)'T (b dw - dv) >= 0. If M >= 0, then
    gain^2 |du|^2 - |W2 dv|^2 >= 2 (dv - a dw)'T (b dw - dv) >= 0.

    Source: Fazlyab et al., "Efficient and accurate estimation of Lipschitz constants for deep neural networks", 2019.
    """
    h, n = W1.shape
    eye = np.eye(n + h)
    left, right, t, A, B = (embed(M) for M in (eye[:, :n], eye[:, n:], T, W1, W2))
    a, b = (embed(np.array([[slope]])) for slope in (sigma.slope_min, sigma.slope_max))
    corner = embed(np.eye(n)) * gain_squared + (A.T @ (t * A)) * (a * b) * 2
    cross = right @ (t * A * (a + b)) @ left.T
    lower = t * embed(np.eye(h)) * 2 - B.T @ B
    return left @ corner @ left.T - cross - cross.T + right @ lower @ right.T


def gated_matrix(W: Array, V: Array, embed: Callable[[Array], Any]) -> Matrix:
    """T = W'W + V'V / 16 with |dy|^2 <= du'T du for y = tanh(p) g(q), p = W u + b, q = V u + c, g logistic.

    Proof: with t = tanh p and s = g(q) the derivative of y is al dp + be dq, al = (1 - t^2) s, be = t s (1 - s), and
    al + 4 |be| <= 1: for s >= 1/2 that sum is largest at |t| = 2 (1 - s), where it is s + 4 s (1 - s)^2 <= 1; for
    s < 1/2 it increases in |t| up to 4 s (1 - s) <= 1. The mean of (al, be) along the segment between two inputs has
    the same property, so |dy| <= al |dp| + 4 |be| |dq / 4| and by convexity |dy|^2 <= |dp|^2 + |dq / 4|^2, per output.

    Args:
        W, V: (m, n).
        embed: how a float array enters the arithmetic.
    """
    P, Q = embed(W), embed(V)
    return P.T @ P + (Q.T @ Q) * 0.0625
