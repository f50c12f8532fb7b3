"""T with V(x+) - V(x) + |y|^2 <= u' T u, for the storage function that a diagonal system has by construction.

The system is (lam, s B, C s, D) with s^2 = 1 - |lam|^2, and V(x) = sum_t |Re([C s; C2 s] lam^t x)|^2 + sum_i pd_i
|x_i|^2 for any C2 and any pd > 0. With P the matrix of V, x = s B, and for any Y,

    T = D'D + Re(x* P x) + Y'Y + Re(E* pd^-1 E),    E = conj(lam) P x / s + C* D - C2* Y.

The best Y is that of least squares. T is stationary there, so that no derivative needs one of Y; and the derivative of
the largest eigenvalue of T is that of w' T w for its eigenvector w: T of the single input B w, with vectors only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from l2ssm.parametrizations.observability import columns, gramian, gramian_derivative, rows


def largest_supply(lam: Tensor, s: Tensor, B: Tensor, C: Tensor, C2: Tensor, D: Tensor, pd: Tensor) -> Tensor:
    """lambda_max(T), once differentiable; arguments as in `supply_bound`."""
    largest: Tensor = _Largest.apply(lam, s, B, C, C2, D, pd)
    return largest


@torch.no_grad()
def supply_bound(lam: Tensor, s: Tensor, B: Tensor, C: Tensor, C2: Tensor, D: Tensor, pd: Tensor) -> Tensor:
    """T (n_u, n_u), without a gradient.

    Args:
        lam: (n,) complex, |lam| < 1.
        s: (n,) real.
        B: (n, n_u), C: (n_y, n), C2: (r, n) complex, in units of s.
        D: (n_y, n_u) real.
        pd: (n,) > 0.
    """
    R = rows(torch.cat([C, C2]) * s)
    return _bound(gramian(lam, R.mT @ R), lam, s, B, C, C2, D, pd)[0]


def _bound(
    G: Tensor, lam: Tensor, s: Tensor, B: Tensor, C: Tensor, C2: Tensor, D: Tensor, pd: Tensor
) -> tuple[Tensor, Tensor]:
    """(T, Y) for the observability Gramian G of [C s; C2 s]; the best Y, with a jitter that only loosens T."""
    x, weight, free = columns(s[:, None] * B), torch.cat([pd, pd])[:, None], rows(C2)
    Px = weight * x + G @ x
    H = columns((lam.conj() / s)[:, None] * torch.complex(*Px.chunk(2))) + rows(C).mT @ D
    weighted = free / weight.mT
    W = weighted @ free.mT
    jitter = 1 + 8 * torch.finfo(W.dtype).eps * W.shape[0] * torch.trace(W)
    factor = torch.linalg.cholesky(W + jitter * torch.eye(W.shape[0], dtype=W.dtype, device=W.device))
    Y = torch.cholesky_solve(weighted @ H, factor)
    squares = torch.cat([D, Y, (H - free.mT @ Y) / torch.sqrt(weight)])
    return squares.mT @ squares + x.mT @ Px, Y


class _Largest(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Tensor) -> Tensor:
        lam, s, B, C, C2, D, pd = arguments
        R = rows(torch.cat([C, C2]) * s)
        G = gramian(lam, R.mT @ R)
        T, Y = _bound(G, *arguments)
        values, vectors = torch.linalg.eigh(T)
        w = vectors[:, -1]
        ctx.save_for_backward(lam, s, C, C2, pd, G, R, w, B @ w.to(B.dtype), D @ w, Y @ w)
        return values[-1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        lam, s, C, C2, pd, G, R, w, b, d, y = ctx.saved_tensors
        x = s * b
        Px = pd * x + torch.complex(*(G @ columns(x)).chunk(2))
        e = lam.conj() * Px / s + d.to(C.dtype) @ C.conj() - y.to(C.dtype) @ C2.conj()
        q = e / pd
        p = lam * q / s  # e contains P x with this weight: w'Tw depends on P as x*Px + 2 Re(p*Px)
        Pp = pd * p + torch.complex(*(G @ columns(p)).chunk(2))
        left, right = (torch.stack([columns(a), columns(c)], 1) for a, c in ((x + p, x), (x, p)))
        by_lam, by_outputs = gramian_derivative(lam, G, R, left @ right.mT)
        by_lam = by_lam + 2 * q.conj() * Px / s
        direct = torch.outer(torch.cat([d, -y]), 2 * q.conj())
        by_x = 2 * (Px + Pp)
        by_s = (x.conj() * by_x).real / s + ((R * rows(by_outputs)).sum(0).view(2, -1).sum(0)) / s
        by_s = by_s - 2 * (q.conj() * lam.conj() * Px).real / s**2
        by_pd = (x.conj() * (x + 2 * p) - q.conj() * q).real
        by_C, by_C2 = (grad * (direct + by_outputs * s)).split([C.shape[0], C2.shape[0]])
        by_B, by_D = torch.outer(s * by_x, grad * w), torch.outer(2 * (d + (C @ q).real), grad * w)
        return grad * by_lam, grad * by_s, by_B, by_C, by_C2, by_D, grad * by_pd
