"""Observability Gramian of complex diagonal modes in real arithmetic, and its product with a vector to differentiate.

sum_t |Re(C lam^t x)|^2 = z' G z for z = [Re x; Im x], where G - A'GA = R'R for the rotations A of the modes and
R = [Re C, -Im C]. In modal coordinates this equation is solved by division, entry by entry. A loss with dl = <M, dG>
needs the solution X of X - A X A' = M: then dl = <X, d(R'R)> + 2 <G A X, dA>, so backward is one more division.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK = 2**14  # entries of a temporary matrix: it stays in the cache


def rows(C: Tensor) -> Tensor:
    """R = [Re C, -Im C] of a complex C (q, n): R [Re x; Im x] = Re(C x)."""
    return torch.cat([C.real, -C.imag], 1)


def columns(B: Tensor) -> Tensor:
    """[Re B; Im B] of a complex B (n, k)."""
    return torch.cat([B.real, B.imag])


@torch.no_grad()
def observability(lam: Tensor, R: Tensor) -> Tensor:
    """G (2n, 2n) symmetric; carries no gradient, see `observability_product`.

    Args:
        lam: (n,) complex, |lam| < 1.
        R: (q, 2n) real, `rows` of C.

    >>> G = observability(torch.tensor([0.5j]), torch.tensor([[3.0, 0.0]]))  # 9 + 9/16 + ..., 9/4 + 9/64 + ...
    >>> (5 * G.diag()).round()
    tensor([48., 12.])
    """
    return _stein(lam, R.mT @ R)


def observability_product(G: Tensor, lam: Tensor, R: Tensor, v: Tensor) -> Tensor:
    """G v (2n, k) for G = observability(lam, R); once differentiable in lam, R and v."""
    product: Tensor = _Product.apply(G, lam, R, v)
    return product


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, G: Tensor, lam: Tensor, R: Tensor, v: Tensor) -> Tensor:
        ctx.save_for_backward(G, lam, R, v)
        return G @ v

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, Tensor, Tensor]:
        G, lam, R, v = ctx.saved_tensors
        X = _stein(lam.conj(), torch.cat([grad, v], 1) @ torch.cat([v, grad], 1).mT)
        return None, _grad_poles(lam, G, X), R @ X, G @ grad


def _stein(lam: Tensor, M: Tensor) -> Tensor:
    """G with G - A'GA = M, M symmetric, A = [[Re lam, -Im lam], [Im lam, Re lam]]."""
    n, x, y = lam.shape[0], lam.real, lam.imag
    G = torch.empty_like(M)
    for upper, lower in _blocks(n):
        xx, yy, xy, yx = (torch.outer(a[upper], b) for a, b in ((x, x), (y, y), (x, y), (y, x)))
        re, im, half = 1 - (xx + yy), xy - yx, 0.5 / ((1 - (xx + yy)) ** 2 + (xy - yx) ** 2)
        rr, ri, ir, ii = M[upper, :n], M[upper, n:], M[lower, :n], M[lower, n:]
        same, skew = (rr + ii) * half, (ir - ri) * half  # of C* C / (1 - conj(lam_i) lam_j)
        p_re, p_im = same * re - skew * im, same * im + skew * re
        re, im, half = 1 - (xx - yy), xy + yx, 0.5 / ((1 - (xx - yy)) ** 2 + (xy + yx) ** 2)
        cross, mixed = (rr - ii) * half, (ri + ir) * half  # of C' C / (1 - lam_i lam_j)
        q_re, q_im = cross * re + mixed * im, cross * im - mixed * re
        G[upper, :n], G[upper, n:], G[lower, :n], G[lower, n:] = p_re + q_re, -p_im - q_im, p_im - q_im, p_re - q_re
    return G


def _grad_poles(lam: Tensor, G: Tensor, X: Tensor) -> Tensor:
    """The gradient of <G A X, A> with respect to the A in the second place, as a complex number a mode."""
    n, x, y = lam.shape[0], lam.real, lam.imag
    grad = torch.empty_like(lam)
    for upper, lower in _blocks(n):
        re, im = G[upper], G[lower]
        re, im = (torch.cat([row[:, :n] * x + row[:, n:] * y, row[:, n:] * x - row[:, :n] * y], 1) for row in (re, im))
        dot = torch.linalg.vecdot
        grad[upper] = torch.complex(dot(re, X[upper]) + dot(im, X[lower]), dot(im, X[upper]) - dot(re, X[lower]))
    return grad


def _blocks(n: int) -> Iterator[tuple[slice, slice]]:
    """Rows of the real parts and of the imaginary parts of some modes at a time."""
    step = max(1, BLOCK // n)
    for start in range(0, n, step):
        stop = min(start + step, n)
        yield slice(start, stop), slice(n + start, n + stop)
