"""The impulse response of a diagonal-plus-low-rank system from its generating function at roots of unity.

sum_{k < L} C Ad^k Bd z^k = C (I - Ad^L z^L) (I - Ad z)^-1 Bd, where z^L = 1 at the nodes z = exp(-j w), w = 2 pi i / L;
with the tied row Ct = C (I - Ad^L) and Woodbury's identity only sums over the modes remain. Written in w / 2,

    (I - Ad z)^-1 Bd = exp(j w/2) (2 j s - c step A)^-1 step B,   s = sin(w/2), c = cos(w/2),

nothing is singular: at the Nyquist frequency c = 0, where the usual 2 (1 - z) / (step (1 + z)) is infinite.

Source: Gu, Goel, Re, "Efficiently modeling long sequences with structured state spaces" (2022), section 3 and app. C.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

NODES_AT_ONCE = 2048  # more nodes are taken in pieces, recomputed backwards: an (n, L) array is never held


def kernel(
    Lam: Tensor, P: Tensor, Q: Tensor, columns: Tensor, tied: Tensor, step: Tensor, length: int, *, pairs: bool = True
) -> Tensor:
    """C Ad^k Bd for k = 0 ... length - 1, (H, columns, length): A = diag(Lam) - P Q*, Bd = (I - step A / 2)^-1 column.

    Evaluated in float64 whatever the dtype of the parameters: at a resonance of diag(Lam), which is none of A, the
    terms of Woodbury's identity cancel, and rounding errors are multiplied by its quality |Lam / Re Lam|.

    Args:
        Lam: (H, n) complex.
        P, Q: (H, n, rank) complex.
        columns: (H, columns, n) complex; step * B for the response to an impulse.
        tied: (H, n) complex, C (I - Ad^length).
        step: (H, 1) real.
        length: number of samples, and of nodes.
        pairs: whether Lam holds one mode of each conjugate pair, and C x stands for 2 Re(C x); the result is then real,
            and half of the nodes are enough.
    """
    count = length // 2 + 1 if pairs else length
    arguments = [v.to(torch.promote_types(v.dtype, torch.float64)) for v in (Lam, P, Q, columns, tied, step)]
    half = torch.arange(count, device=step.device, dtype=torch.float64) * (torch.pi / length)
    transform = []
    for part in half.split(NODES_AT_ONCE):
        short = count <= NODES_AT_ONCE
        at_part = (*arguments, part, pairs)
        transform.append(_at_nodes(*at_part) if short else checkpoint(_at_nodes, *at_part, use_reentrant=False))
    if pairs:
        return torch.fft.irfft(torch.cat(transform, dim=-1), length).to(step.dtype)
    return torch.fft.ifft(torch.cat(transform, dim=-1)).to(Lam.dtype)


def _at_nodes(
    Lam: Tensor, P: Tensor, Q: Tensor, columns: Tensor, tied: Tensor, step: Tensor, half: Tensor, pairs: bool
) -> Tensor:
    """The generating function at exp(-2 j half), (H, columns, nodes)."""
    rank = P.shape[-1]
    turn = torch.polar(torch.ones_like(half), half)
    sine, b = torch.sin(half), torch.cos(half) * step  # (nodes,), (H, nodes)
    rows = torch.cat([tied[:, None], Q.mH], dim=1)  # C and Q*
    every = torch.cat([columns, P.mT], dim=1)  # B and P
    products = (rows[:, :, None] * every[:, None]).flatten(1, 2)  # (H, (1 + rank) (columns + rank), n)
    sums = _pair_sums if pairs else _plain_sums
    S = sums(products, Lam, sine, b).unflatten(1, (1 + rank, -1))
    CB, CP, QB, QP = S[:, 0, :-rank], S[:, 0, -rank:], S[:, 1:, :-rank], S[:, 1:, -rank:]
    b = b[:, None]
    if rank == 1:
        seen = QB / (1 + b[:, None] * QP)
    else:
        inner = torch.eye(rank, dtype=QP.dtype, device=QP.device) + (b[:, None] * QP).permute(0, 3, 1, 2)
        seen = torch.linalg.solve(inner, QB.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    return turn * (CB - b * (CP[:, :, None] * seen).sum(1))


def _pair_sums(v: Tensor, Lam: Tensor, sine: Tensor, b: Tensor) -> Tensor:
    """sum_n v r + conj(v) r', r = 1 / (2 j s - b Lam), r' that of conj(Lam): (H, m, nodes) of v (H, m, n).

    Over their common denominator: (2 j s 2 Re v - b 2 Re(v conj(Lam))) / (b^2 |Lam|^2 - 4 s^2 - 4 j s b Re Lam),
    so that the sum over modes is a product with real matrices. The denominator is formed relative to (b |Lam| + 2 s)^2:
    no square of a difference cancels near a resonance.
    """
    size = Lam.abs()[..., None] * b[:, None]  # (H, n, nodes)
    scale = 1 / (size + 2 * sine)
    x = (size - 2 * sine) * scale
    y = -4 * Lam.real[..., None] * b[:, None] * scale * (sine * scale)
    weight = scale * scale / (x * x + y * y)
    table = torch.cat([weight * x, -weight * y], dim=-1)  # (H, n, 2 nodes)
    sums = 2 * torch.cat([v.real, (v * Lam.conj()[:, None]).real], dim=1) @ table
    even, odd = torch.complex(*sums.chunk(2, dim=-1)).chunk(2, dim=1)
    return 2j * sine * even - b[:, None] * odd


def _plain_sums(v: Tensor, Lam: Tensor, sine: Tensor, b: Tensor) -> Tensor:
    """sum_n v / (2 j s - b Lam), (H, m, nodes)."""
    return v @ (1 / (2j * sine - b[:, None] * Lam[..., None]))
