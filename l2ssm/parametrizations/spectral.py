"""Spectral norms with gradients that are finite everywhere, and rounding that gradients pass through."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

TINY = 1e-300

ROUNDING = {torch.float32: 2e-6, torch.float64: 1e-9}
"""Relative part of a gain that is left to the rounding of the results to a precision.

Rounding a contraction K to float32 moves ||K|| by at most 6e-8 ||K||_F <= 6e-8 sqrt(rank K): less up to 1000 rows.
In float64 it is the effect 1e-16 / (1 - |lam|) of rounding a pole at 1 - 1e-6, ten times.
"""


def spectral_norm(M: Tensor) -> Tensor:
    """||M||_2 = sqrt(lambda_max(M* M)), from the smaller Gram matrix; its gradient is zero where M is zero.

    The eigenvalue's gradient is v v*, without the differences of eigenvalues that make those of an SVD infinite.

    >>> spectral_norm(torch.diag(torch.tensor([3.0, -4.0], dtype=torch.float64)))
    tensor(4., dtype=torch.float64)
    """
    if M.numel() == 0:
        return M.new_zeros((), dtype=M.real.dtype)
    size = M.detach().abs().amax().clamp(min=TINY)
    scaled = M / size
    gram = scaled.mH @ scaled if M.shape[-1] <= M.shape[-2] else scaled @ scaled.mH
    return size * torch.sqrt(torch.clamp(torch.linalg.eigvalsh(gram)[..., -1], min=TINY))


def representable(x: Tensor, precision: torch.dtype) -> Tensor:
    """x rounded to numbers of `precision` (a real dtype), in the dtype of x; the gradient is that of x."""
    coarse = precision.to_complex() if x.is_complex() else precision
    if coarse == x.dtype:
        return x
    rounded: Tensor = _Rounded.apply(x, coarse)
    return rounded


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, coarse: torch.dtype) -> Tensor:
        return x.to(coarse).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None
