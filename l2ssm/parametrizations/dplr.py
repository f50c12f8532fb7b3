"""Diagonal plus low rank, sampled by the trapezoidal rule: x' = (diag(Lam) - P P*) x + B u, y = 2 Re(C x), in O(n).

H channels side by side, each with n modes of nonpositive frequency; the other n are their conjugates and are never
formed: a sum over all 2 n modes is 2 Re of the sum over n. So x -> P* x is real, and every update is real-linear in x.
A + A* = 2 Re Lam - 2 P P* < 0 for Re Lam < 0: stable for every P.

Source: Gu, Goel, Re, "Efficiently modeling long sequences with structured state spaces" (2022), appendix C.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class DPLR(NamedTuple):
    """Continuous time.

    Attributes:
        Lam: (H, n) complex, Re Lam < 0.
        P: (H, n, rank) complex.
        B: (H, n) complex.
        step: (H, 1) real, the sample time of each channel.
    """

    Lam: Tensor
    P: Tensor
    B: Tensor
    step: Tensor


class Recurrence(NamedTuple):
    """x[k+1] = Ad x[k] + Bd u[k] with Ad = (I - step A / 2)^-1 (I + step A / 2), as what `advance` needs.

    Attributes:
        ahead: (H, n) diagonal of I + step Lam / 2.
        back: (H, n) diagonal of (I - step Lam / 2)^-1.
        P: (H, n, rank).
        pull: (H, n, rank): step P / 2, what the low rank takes on the way ahead.
        push: (H, n, rank): (step / 2) back P (I + (step / 2) P* back P)^-1, what it takes on the way back.
        Bd: (H, n).
    """

    ahead: Tensor
    back: Tensor
    P: Tensor
    pull: Tensor
    push: Tensor
    Bd: Tensor


def recurrence(system: DPLR) -> Recurrence:
    """The sampled system; Woodbury's identity for any rank."""
    Lam, P, B, step = system
    half = step * Lam / 2
    back, pull = 1 / (1 - half), (step / 2)[..., None] * P
    eye = torch.eye(P.shape[-1], dtype=step.dtype, device=step.device)
    low = back[..., None] * pull
    inner = eye + 2 * (P.mH @ low).real  # (H, rank, rank)
    push = torch.linalg.solve(inner.to(low.dtype), low, left=False)
    Bd = step * back * B
    Bd = Bd - _low_rank(push, P, Bd)
    return Recurrence(1 + half, back, P, pull, push, Bd)


def advance(r: Recurrence, x: Tensor) -> Tensor:
    """Ad x of x (..., H, n), in O(n rank)."""
    ahead = r.back * (r.ahead * x - _low_rank(r.pull, r.P, x))
    return ahead - _low_rank(r.push, r.P, ahead)


def half_step(system: DPLR, x: Tensor, sign: float) -> Tensor:
    """(I + sign step A / 2) x of x (..., H, n)."""
    Lam, P, _, step = system
    return (1 + sign * step * Lam / 2) * x - _low_rank(sign * (step / 2)[..., None] * P, P, x)


def dense(r: Recurrence) -> Tensor:
    """(H, 2n, 2n) real: Ad on the states (Re x_1, Im x_1, Re x_2, ...)."""
    n = r.ahead.shape[1]
    basis = torch.view_as_complex(
        torch.eye(2 * n, dtype=r.ahead.real.dtype, device=r.ahead.device).unflatten(1, (n, 2))
    )
    columns = advance(r, basis[:, None].expand(-1, r.ahead.shape[0], -1))  # (2n, H, n)
    return torch.view_as_real(columns).flatten(2).permute(1, 2, 0)


def real_row(C: Tensor) -> Tensor:
    """(H, 2n) real row c with 2 Re(C x) = c (Re x_1, Im x_1, Re x_2, ...)."""
    return 2 * torch.view_as_real(C.conj().resolve_conj()).flatten(1)


def complex_row(c: Tensor) -> Tensor:
    """The inverse of `real_row`."""
    return torch.view_as_complex(c.unflatten(1, (-1, 2)).contiguous()).conj() / 2


def tie(C: Tensor, A: Tensor, length: int) -> Tensor:
    """C (I - A^length), the row that the kernel of this length is made with; C (H, n), A of `dense`."""
    c = real_row(C)
    return complex_row(c - _apply(c, torch.linalg.matrix_power(A, length)))


def untie(tied: Tensor, A: Tensor, length: int) -> Tensor:
    """C from C (I - A^length)."""
    eye = torch.eye(A.shape[-1], dtype=A.dtype, device=A.device)
    left = (eye - torch.linalg.matrix_power(A, length)).mT
    return complex_row(torch.linalg.solve(left, real_row(tied)))


def lengthen(tied: Tensor, A: Tensor, length: int, least: int) -> tuple[Tensor, int]:
    """(row, length) of a kernel of at least `least` samples, by doubling: C (I - A^2L) = C (I - A^L) (I + A^L)."""
    c, power = real_row(tied), torch.linalg.matrix_power(A, length)
    while length < least:
        c, power, length = c + _apply(c, power), power @ power, 2 * length
    return complex_row(c), length


def final_state(A: Tensor, Bd: Tensor, u: Tensor) -> Tensor:
    """x[time] (batch, H, n) from x[0] = 0, without the states between: blocks of sqrt(time), then pairs of blocks.

    Args:
        A: (H, 2n, 2n) real, of `dense`.
        Bd: (H, n) complex.
        u: (batch, time, H).
    """
    krylov, power = torch.view_as_real(Bd.resolve_conj()).flatten(1)[..., None], A  # (H, 2n, 1), A^1
    while krylov.shape[-1] ** 2 < u.shape[1]:
        krylov, power = torch.cat([krylov, power @ krylov], dim=-1), power @ power
    size = krylov.shape[-1]
    missing = -u.shape[1] % size
    blocks = torch.cat([u.new_zeros(u.shape[0], missing, u.shape[2]), u], dim=1).unflatten(1, (-1, size))
    ends = torch.einsum("hnk,bjkh->bjhn", krylov.flip(-1), blocks)
    while ends.shape[1] > 1:
        if ends.shape[1] % 2:
            ends = torch.cat([torch.zeros_like(ends[:, :1]), ends], dim=1)
        ends = ends[:, 1::2] + torch.einsum("hnm,bjhm->bjhn", power, ends[:, 0::2])
        power = power @ power
    return torch.view_as_complex(ends[:, 0].unflatten(-1, (-1, 2)).contiguous())


def apply_power(A: Tensor, x: Tensor, time: int) -> Tensor:
    """Ad^time x of x (batch, H, n)."""
    power = torch.linalg.matrix_power(A, time)
    real = torch.view_as_real(x.resolve_conj()).flatten(2)
    return torch.view_as_complex(torch.einsum("hnm,bhm->bhn", power, real).unflatten(-1, (-1, 2)).contiguous())


def _low_rank(left: Tensor, P: Tensor, x: Tensor) -> Tensor:
    """left (P* x) for x (..., H, n)."""
    seen = 2 * torch.einsum("hnr,...hn->...hr", P.conj(), x).real
    return torch.einsum("hnr,...hr->...hn", left, seen.to(left.dtype))


def _apply(c: Tensor, A: Tensor) -> Tensor:
    return (c[:, None] @ A)[:, 0]
