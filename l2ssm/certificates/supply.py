"""The matrix that proves the gain of a recurrence whose coefficients the input chooses. Part of the trusted base.

Every memory h of a contractive core satisfies |x_h+|^2 - |x_h|^2 <= beta_h |w_h|^2 - alpha_h |v_h|^2 at every sample,
whatever steers it (`systems.contractive_cores` has the proofs). Between w = W u and y = C v + D u, the storage
V(x) = sum_h p_h |x_h|^2 gives, with z = (v, u),

    V(x+) - V(x) + |y|^2 - gain^2 |u|^2  <=  -z'Mz,
    M = [[diag(p alpha) - C'C, -C'D], [-D'C, gain^2 I - D'D - W'diag(p beta)W]].

If p > 0 and M > 0 then sum |y|^2 <= gain^2 sum |u|^2 + V(x0) over every horizon, for every sequence of coefficients.
The steering depends on u, so this is a gain from rest and not one between two inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.certificates.bounded_real import Matrix
from l2ssm.systems.contractive_cores import GatedCore, LosslessCore
from l2ssm.systems.core import Core
from l2ssm.systems.legendre_core import LegendreCore
from l2ssm.systems.selective import Selective

Array = NDArray[np.float64]
Embed = Callable[[Array], Any]
TERMS = 8  # of the series of exp, all positive: a lower bound
FAR, DOUBLINGS = 32.0, 7  # FAR / 2^DOUBLINGS <= 1


def _lossless(core: LosslessCore, embed: Embed) -> tuple[Matrix, Matrix]:
    """alpha = beta = 1: the matrix of the mode is unitary."""
    ones = embed(np.ones((core.rate.size, 1)))
    return ones, ones


def _gated(core: GatedCore, embed: Embed) -> tuple[Matrix, Matrix]:
    """alpha = S - 1, beta = S + 1 for S = sum t^k / k! <= exp(t), t = rate gate_min."""
    rest = _below_expm1(embed(core.rate[:, None]) * embed(core.gate_min[:, None]), embed)
    return rest, rest + 2


def _legendre(core: LegendreCore, embed: Embed) -> tuple[Matrix, Matrix]:
    """alpha = 1 - 1 / S <= 1 - exp(-low), beta >= 1 - exp(-high)."""
    rest = _below_expm1(embed(core.low[:, None]), embed)
    return rest / (rest + 1), _above_fading(core.high[:, None], embed)


def _below_expm1(t: Matrix, embed: Embed) -> Matrix:
    """S - 1 with S = sum_{k <= TERMS} t^k / k! <= exp(t), for t (n, 1) >= 0."""
    one = embed(np.ones(t.shape))
    rest = one * 0
    for k in range(TERMS, 0, -1):
        rest = (one + rest) * t / k
    return rest


def _above_fading(t: Array, embed: Embed) -> Matrix:
    """At least g(t) = 1 - exp(-t), at most 1, for t (n, 1) >= 0; 1 beyond `FAR`.

    g(x) <= x - x^2 / 2 + ... + x^7 / 7! for x >= 0, and below 1 for x <= 1; g(2 x) = g(x) (2 - g(x)), increasing in g
    where g <= 1.
    """
    near = t <= FAR
    x = embed(np.where(near, t, 0.0)) / 2**DOUBLINGS  # not in floats, where it may round to zero
    g = x * 0
    for k in range(TERMS - 1, 0, -1):
        g = (g * -1 + 1) * x / k
    for _ in range(DOUBLINGS):
        g = g * (g * -1 + 2)
    return g + embed(np.where(near, 0.0, 1.0))


SUPPLIES: dict[type[Core], Callable[[Any, Embed], tuple[Matrix, Matrix]]] = {
    LosslessCore: _lossless,
    GatedCore: _gated,
    LegendreCore: _legendre,
}


def supply_matrix(layer: Selective, p: Array, gain_squared: Any, embed: Embed) -> Matrix:
    """M in the arithmetic of `embed`.

    Args:
        layer: its core is of a type in `SUPPLIES`.
        p: (memories, 1) > 0.
        gain_squared: a number of that arithmetic.
    """
    into, out, _ = layer.core.memories()
    alpha, beta = SUPPLIES[type(layer.core)](layer.core, embed)
    n_v, n_u = layer.core.n_out, layer.n_in
    eye, memories = np.eye(n_v + n_u), np.eye(len(p))
    left, right, C, D, W = (embed(M) for M in (eye[:, :n_v], eye[:, n_v:], layer.C, layer.D, layer.W))
    by_output = embed(memories[out]) @ (embed(p) * alpha)
    by_drive = embed(memories[into]) @ (embed(p) * beta)
    cross = left @ (C.T @ D) @ right.T
    top = embed(np.eye(n_v)) * by_output - C.T @ C
    corner = embed(np.eye(n_u)) * gain_squared - D.T @ D - W.T @ (by_drive * W)
    return left @ top @ left.T - cross - cross.T + right @ corner @ right.T
