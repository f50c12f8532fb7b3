"""Complex products on real data as real BLAS calls: Re and Im are planes side by side in one real matrix."""

from __future__ import annotations

import torch
from torch import Tensor


def input_planes(B: Tensor) -> Tensor:
    """[Re B; Im B] of shape (2 n_x, n_u): u @ input_planes(B).T = [Re(B u), Im(B u)]."""
    return torch.cat([B.real, B.imag], dim=0)


def output_planes(C: Tensor) -> Tensor:
    """[Re C, -Im C] of shape (n_y, 2 n_x): [Re x, Im x] @ output_planes(C).T = Re(C x)."""
    return torch.cat([C.real, -C.imag], dim=1)


def drive(u: Tensor, B: Tensor) -> Tensor:
    """B u[k] for all k, complex (batch, time, n_x), by one real product."""
    n_x = B.shape[0]
    planes = u @ input_planes(B).mT
    return torch.complex(planes[..., :n_x], planes[..., n_x:])


def read_out(x: Tensor, u: Tensor, C: Tensor, D: Tensor | None, readout: str) -> Tensor:
    """Re(C x[k]) + D u[k] ("pre") or Re(C x[k+1]) + D u[k] ("post") from the states x[0..time]."""
    x = x[:, :-1] if readout == "pre" else x[:, 1:]
    y = torch.cat([x.real, x.imag], dim=-1) @ output_planes(C).mT
    return y if D is None else y + u @ D.mT
