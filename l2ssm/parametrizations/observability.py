"""Observability Gramian of complex diagonal modes in real arithmetic, and the derivative of a function of it.

sum_t |Re(C lam^t x)|^2 = z' G z for z = [Re x; Im x], where G - A'GA = R'R for the rotations A of the modes and
R = [Re C, -Im C]. In modal coordinates this equation is solved by division, entry by entry. Where df = <M, dG>, the
solution X of X - A X A' = M gives df = <X, d(R'R)> + 2 <G A X, dA>: the derivative is one more division.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

BLOCK = 2**14  # entries of a temporary matrix: it stays in the cache


def rows(C: Tensor) -> Tensor:
    """R = [Re C, -Im C] of a complex C (q, n): R [Re x; Im x] = Re(C x)."""
    return torch.cat([C.real, -C.imag], 1)


def columns(B: Tensor) -> Tensor:
    """[Re B; Im B] of a complex B (n, k)."""
    return torch.cat([B.real, B.imag])


def gramian(lam: Tensor, M: Tensor) -> Tensor:
    """G (2n, 2n) with G - A'GA = M; of A instead of A' for conj(lam).

    Args:
        lam: (n,) complex, |lam| < 1.
        M: (2n, 2n) symmetric; R'R for the observability Gramian.

    >>> G = gramian(torch.tensor([0.5j]), torch.diag(torch.tensor([9.0, 0.0])))
    >>> (5 * G.diag()).round()  # 5 (9 + 9/16 + ...), 5 (9/4 + 9/64 + ...)
    tensor([48., 12.])
    """
    n, x, y = lam.shape[0], lam.real, lam.imag
    G = torch.empty_like(M)
    for upper, lower in _blocks(n):
        xx, yy, xy, yx = (torch.outer(a[upper], b) for a, b in ((x, x), (y, y), (x, y), (y, x)))
        rr, ri, ir, ii = M[upper, :n], M[upper, n:], M[lower, :n], M[lower, n:]
        re, im = 1 - xx - yy, xy - yx  # 1 / (1 - conj(lam_i) lam_j) = (re + j im) / (re^2 + im^2)
        half = 0.5 / (re * re + im * im)
        same, skew = (rr + ii) * half, (ir - ri) * half
        p_re, p_im = same * re - skew * im, same * im + skew * re
        re, im = 1 - xx + yy, xy + yx  # and 1 / (1 - lam_i lam_j)
        half = 0.5 / (re * re + im * im)
        cross, mixed = (rr - ii) * half, (ri + ir) * half
        q_re, q_im = cross * re + mixed * im, cross * im - mixed * re
        G[upper, :n], G[upper, n:], G[lower, :n], G[lower, n:] = p_re + q_re, -p_im - q_im, p_im - q_im, p_re - q_re
    return G


def gramian_derivative(lam: Tensor, G: Tensor, R: Tensor, M: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of <M, G>, M symmetric and constant, with respect to lam (n,) and, as C (q, n), to R (q, 2n)."""
    n, x, y, dot = lam.shape[0], lam.real, lam.imag, torch.linalg.vecdot
    X = gramian(lam.conj(), M)
    grad_lam = torch.empty_like(lam)
    for upper, lower in _blocks(n):
        re, im = (
            torch.cat([r[:, :n] * x + r[:, n:] * y, r[:, n:] * x - r[:, :n] * y], 1) for r in (G[upper], G[lower])
        )
        X_re, X_im = X[upper], X[lower]
        grad_lam[upper] = 2 * torch.complex(dot(re, X_re) + dot(im, X_im), dot(im, X_re) - dot(re, X_im))
    grad_R = 2 * R @ X
    return grad_lam, torch.complex(grad_R[:, :n], -grad_R[:, n:])


def _blocks(n: int) -> Iterator[tuple[slice, slice]]:
    """Rows of the real parts and of the imaginary parts of some modes at a time."""
    step = max(1, BLOCK // n)
    for start in range(0, n, step):
        stop = min(start + step, n)
        yield slice(start, stop), slice(n + start, n + stop)
