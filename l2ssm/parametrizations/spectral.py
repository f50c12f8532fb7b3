"""Spectral norms with gradients that are finite everywhere, and rounding that gradients pass through."""

from __future__ import annotations

import torch
from torch import Tensor

TINY = 1e-300


def spectral_norm(M: Tensor) -> Tensor:
    """||M||_2 = sqrt(lambda_max(M* M)), from the smaller Gram matrix; its gradient is zero where M is zero.

    The eigenvalue's gradient is v v*, without the differences of eigenvalues that make those of an SVD infinite.

    >>> spectral_norm(torch.diag(torch.tensor([3.0, -4.0], dtype=torch.float64)))
    tensor(4., dtype=torch.float64)
    """
    size = M.detach().abs().amax().clamp(min=TINY) if M.numel() else torch.ones((), dtype=M.real.dtype)
    scaled = M / size
    gram = scaled.mH @ scaled if M.shape[-1] <= M.shape[-2] else scaled @ scaled.mH
    return size * torch.sqrt(torch.clamp(torch.linalg.eigvalsh(gram)[..., -1], min=TINY))


def representable(x: Tensor, precision: torch.dtype) -> Tensor:
    """x rounded to numbers of `precision` (a real dtype), in the dtype of x; the gradient is that of x."""
    coarse = precision.to_complex() if x.is_complex() else precision
    if coarse == x.dtype:
        return x
    return x + (x.detach().to(coarse).to(x.dtype) - x.detach())
