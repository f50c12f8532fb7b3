"""`dense_scan` in plain torch: chunks of time advance together, the borders with the power A^L of a whole chunk."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from l2ssm.scan.chunked import SHORT, wider
from l2ssm.scan.contract import Readout


def dense_scan(
    u: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None, x0: Tensor, readout: Readout
) -> tuple[Tensor, Tensor]:
    """x[k+1] = A x[k] + B u[k] and its read-out; see `l2ssm.scan.dense_scan`."""
    x = states(A, u @ B.mT, x0)
    y = (x[:, :-1] if readout == "pre" else x[:, 1:]) @ C.mT
    return (y if D is None else y + u @ D.mT), x[:, -1]


def states(A: Tensor, b: Tensor, x0: Tensor) -> Tensor:
    """x[:, k+1] = A x[:, k] + b[:, k] for k = 0..time."""
    time = b.shape[1]
    if time <= SHORT:
        return _advance(A, b, x0)
    length = min(64, math.isqrt(time) + 1)
    missing = -time % length
    if missing:
        b = torch.cat([b, b.new_zeros((b.shape[0], missing, b.shape[2]))], dim=1)
    chunks = b.unflatten(1, (-1, length))
    first = chunks[:, :, 0]
    local = _advance(A, chunks[:, :, 1:].flatten(0, 1), first.flatten(0, 1)).unflatten(0, first.shape[:2])
    border = states(_power(wider(A), length), wider(local[:, :, -1]), wider(x0)).to(b.dtype)
    free = _advance(A, torch.zeros_like(chunks).flatten(0, 1), border[:, :-1].flatten(0, 1))
    x = local + free[:, 1:].unflatten(0, first.shape[:2])
    return torch.cat([x0[:, None], x.flatten(1, 2)[:, :time]], dim=1)


def _advance(A: Tensor, b: Tensor, x0: Tensor) -> Tensor:
    x = [x0]
    for b_k in b.unbind(1):
        x.append(torch.addmm(b_k, x[-1], A.mT))
    return torch.stack(x, dim=1)


def _power(A: Tensor, exponent: int) -> Tensor:
    return torch.linalg.matrix_power(A, exponent)
