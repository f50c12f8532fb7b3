"""Systems of gain gamma from contractions: ||K|| < 1 for K = [[A, B / gamma], [C, D / gamma]] is storage V(x) = |x|^2.

Dense: complete up to the choice of the state, since P = S'S turns the storage of any system into |S x|^2. With poles in
2 x 2 blocks (complex diagonal) it is not: then P is diagonal.
"""

from __future__ import annotations

import torch
from torch import Tensor

from l2ssm.parametrizations.lti import LTI, DenseLTI
from l2ssm.parametrizations.spectral import ROUNDING, spectral_norm


def shrink(K: Tensor, margin: float, offset: float) -> Tensor:
    """f = 1 / max(1, (1 + margin) ||K|| + offset): the identity on contractions; ||f K|| < 1 everywhere."""
    return 1 / torch.clamp((1 + margin) * spectral_norm(K) + offset, min=1.0)


def contraction(
    K: Tensor,
    n_x: int,
    gamma: Tensor | float,
    *,
    offset: float = 0.0,
    precision: torch.dtype = torch.float64,
) -> DenseLTI:
    """||G||_inf < gamma for every K (n_x + n_y, n_x + n_u).

    Args:
        K: free.
        n_x: real states, the size of the upper left block of K.
        gamma: > 0, prescribed gain.
        offset: >= 0, see `shrink`; the reference implementation has 0.002.
        precision: float32 or float64, what the result will be rounded to; leaves `ROUNDING` of it below gamma.
    """
    K = shrink(K, ROUNDING[precision], offset) * K
    return DenseLTI(K[:n_x, :n_x], gamma * K[:n_x, n_x:], K[n_x:, :n_x], gamma * K[n_x:, n_x:])


def contraction_diagonal(
    lam: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    gamma: Tensor | float,
    *,
    offset: float = 0.0,
    precision: torch.dtype = torch.float64,
) -> LTI:
    """||G||_inf < gamma for every (lam, B, C, D), |lam| < 1; the whole of K is shrunk, so the poles move inwards too.

    Args:
        lam: (n,) complex.
        B: (n, n_u) complex, C: (n_y, n) complex, D: (n_y, n_u) real: the blocks of K.
        gamma: > 0, prescribed gain.
        offset: >= 0, see `shrink`; the reference implementation has 0.002.
        precision: float32 or float64, what the result will be rounded to; leaves `ROUNDING` of it below gamma.
    """
    re, im = torch.diag(lam.real), torch.diag(lam.imag)
    K11 = torch.cat([torch.cat([re, -im], 1), torch.cat([im, re], 1)])
    left = torch.cat([K11, torch.cat([C.real, -C.imag], 1)])
    right = torch.cat([B.real, B.imag, D])
    f = shrink(torch.cat([left, right], 1), ROUNDING[precision], offset)
    return LTI(f * lam, gamma * f * B, f * C, gamma * f * D)
