"""T with V(x+) - V(x) + |y|^2 <= u' T u, for the storage function that a diagonal system has by construction.

For any C2 and any pd > 0 it is V(x) = sum_t |Re([C; C2] lam^t x)|^2 + sum_i pd_i |x_i|^2. With P the matrix of V,
delta = pd (1 - |lam|^2), and any Y,

    T = D'D + Re(B* P B) + Y'Y + Re(E* delta^-1 E),    E = conj(lam) P B + C* D - C2* Y.

The best Y is that of least squares. T is stationary there, so that no derivative needs one of Y; and the derivative of
the largest eigenvalue of T is that of w' T w for its eigenvector w: T of the single input B w, with vectors only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from l2ssm.parametrizations.observability import columns, gramian, gramian_derivative, rows


def largest_supply(lam: Tensor, B: Tensor, C: Tensor, C2: Tensor, D: Tensor, pd: Tensor, delta: Tensor) -> Tensor:
    """lambda_max(T), once differentiable; arguments as in `supply_bound`."""
    largest: Tensor = _Largest.apply(lam, B, C, C2, D, pd, delta)
    return largest


@torch.no_grad()
def supply_bound(lam: Tensor, B: Tensor, C: Tensor, C2: Tensor, D: Tensor, pd: Tensor, delta: Tensor) -> Tensor:
    """T (n_u, n_u), without a gradient.

    Args:
        lam: (n,) complex, |lam| < 1.
        B: (n, n_u), C: (n_y, n), C2: (r, n) complex.
        D: (n_y, n_u) real.
        pd, delta: (n,) > 0, delta = pd (1 - |lam|^2).
    """
    R = rows(torch.cat([C, C2]))
    return _bound(gramian(lam, R.mT @ R), R, lam, B, D, pd, delta)[0]


def _bound(G: Tensor, R: Tensor, lam: Tensor, B: Tensor, D: Tensor, pd: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    """(T, Y) for the Gramian G of the rows R of [C; C2]; the best Y, with a jitter that only loosens T."""
    b, weight, n_y = columns(B), torch.cat([delta, delta])[:, None], D.shape[0]
    Pb = torch.cat([pd, pd])[:, None] * b + G @ b
    H = columns(lam.conj()[:, None] * torch.complex(*Pb.chunk(2))) + R[:n_y].mT @ D
    free = R[n_y:]
    weighted = free / weight.mT
    W = weighted @ free.mT
    jitter = 1 + 8 * torch.finfo(W.dtype).eps * W.shape[0] * torch.trace(W)
    factor = torch.linalg.cholesky(W + jitter * torch.eye(W.shape[0], dtype=W.dtype, device=W.device))
    Y = torch.cholesky_solve(weighted @ H, factor)
    squares = torch.cat([D, Y, (H - free.mT @ Y) / torch.sqrt(weight)])
    return squares.mT @ squares + b.mT @ Pb, Y


class _Largest(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, lam: Tensor, B: Tensor, C: Tensor, C2: Tensor, D: Tensor, pd: Tensor, delta: Tensor
    ) -> Tensor:
        R = rows(torch.cat([C, C2]))
        G = gramian(lam, R.mT @ R)
        T, Y = _bound(G, R, lam, B, D, pd, delta)
        values, vectors = torch.linalg.eigh(T)
        w = vectors[:, -1]
        ctx.save_for_backward(lam, pd, delta, G, R, w, columns(B) @ w, D @ w, Y @ w)
        return values[-1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        lam, pd, delta, G, R, w, b, d, y = ctx.saved_tensors
        n_y, pds = d.shape[0], torch.cat([pd, pd])
        Pb = pds * b + G @ b
        turned = torch.complex(*Pb.chunk(2))
        E = lam.conj() * turned + torch.complex(*(R.mT @ torch.cat([d, -y])).chunk(2))
        q = E / delta
        p = columns(lam * q)  # T is b'Pb + 2 p'Pb + ... as a function of P
        by_b = 2 * (Pb + pds * p + G @ p)
        left, right = torch.stack([b + p, b], 1), torch.stack([b, p], 1)
        by_lam, by_outputs = gramian_derivative(lam, G, R, left @ right.mT)
        by_lam = by_lam + 2 * q.conj() * turned
        by_outputs = by_outputs + torch.outer(torch.cat([d, -y]), 2 * q.conj())
        by_C, by_C2 = (grad * by_outputs).split([n_y, y.shape[0]])
        by_pd = (b * (b + 2 * p)).view(2, -1).sum(0)
        by_B = torch.complex(*torch.outer(by_b, grad * w).chunk(2))
        by_D = torch.outer(2 * (d + R[:n_y] @ columns(q)), grad * w)
        return grad * by_lam, by_B, by_C, by_C2, by_D, grad * by_pd, -grad * (q.real**2 + q.imag**2)
