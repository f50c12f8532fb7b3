"""`lti_scan` without the states: chunks small enough for the cache, real BLAS products, numba kernels between them.

Forward, per chunk:  S[1:] = u [Re B; Im B]^T,  S[k+1] += lam S[k],  y = S [Re C, -Im C]^T + u D^T.  Only the states at
the borders of the chunks are kept. Backward runs over the chunks from the last, recomputes S from its border and
applies the adjoint recurrence G[k] += conj(lam) G[k+1] to the gradients of the read-out.
The work is shared out over items of the batch and, where these are too few, over modes.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from l2ssm.scan import planes, workers

BLOCK_BYTES = 2**16  # of one block of states, so that two and the weights stay in a cache of 1 MB
WORK_PER_THREAD = 2**20  # multiply-adds below which another thread costs more than it brings


class Plan(NamedTuple):
    """How the work is cut: chunks of `length` samples, and slices of the batch and of the modes, one each a task."""

    length: int
    chunks: int
    batches: list[tuple[int, int]]
    modes: list[tuple[int, int]]


def plan(u: Tensor, n_x: int, n_y: int, threads: int) -> Plan:
    """The plan for an input (batch, time, n_u), `n_x` modes and `n_y` outputs on so many threads."""
    from l2ssm.scan.kernels import TILE_COLUMNS, TILE_WORK

    batch, time, n_u = u.shape
    threads = max(1, min(threads, batch * time * n_x * (n_u + n_y + 4) // WORK_PER_THREAD))
    batches = slices(batch, min(threads, batch))
    modes = slices(n_x, max(1, min(threads // len(batches), n_x // 8)))
    width = 2 * (modes[0][1] - modes[0][0])
    tile = min(width, TILE_COLUMNS) * min(max(n_u, n_y), 64)
    rows = min(TILE_WORK // tile, BLOCK_BYTES // (width * u.element_size()), 512)
    length = min(time, max(rows, 32))
    return Plan(length, -(-time // length), batches, modes)


def slices(total: int, count: int) -> list[tuple[int, int]]:
    """range(total) cut into `count` nearly equal (start, stop)."""
    return list(pairwise(total * k // count for k in range(count + 1)))


class Weights:
    """The real matrices of one slice of modes, row-major as the products need them."""

    def __init__(self, lam: Tensor, B: Tensor, C: Tensor, modes: tuple[int, int]) -> None:
        m = slice(*modes)
        B, C = planes.input_planes(B[m]), planes.output_planes(C[:, m])
        self.lam = torch.view_as_real(lam[m]).mT.contiguous().numpy()  # (2, m)
        self.B, self.B_t = B.contiguous().numpy(), B.mT.contiguous().numpy()  # (2 m, n_u) and its transpose
        self.C, self.C_t = C.contiguous().numpy(), C.mT.contiguous().numpy()  # (n_y, 2 m) and its transpose
        self.mode = modes[0]


def forward(
    u: Tensor, lam: Tensor, B: Tensor, C: Tensor, D: Tensor | None, x0: Tensor, post: bool, cut: Plan
) -> tuple[Tensor, Tensor]:
    """(y, borders): the outputs and the states (batch, chunks + 1, 2, n_x) at the borders, the last being x_end."""
    from l2ssm.scan import kernels
    from l2ssm.scan.blas import gemm_address

    n_y, n_u = C.shape[0], u.shape[2]
    borders = u.new_empty((u.shape[0], cut.chunks + 1, 2, lam.shape[0]))
    borders[:, 0] = torch.view_as_real(x0).mT
    parts = [u.new_empty((*u.shape[:2], n_y)) for _ in cut.modes]
    D_t = (u.new_zeros((n_u, n_y)) if D is None else D.mT.contiguous()).numpy()
    gemm, u_np, borders_np, tasks = gemm_address(u.numpy().dtype), u.numpy(), borders.numpy(), []
    for m, part in zip(cut.modes, parts, strict=True):
        w, direct, y = Weights(lam, B, C, m), D is not None and m[0] == 0, part.numpy()
        fixed = (gemm, u_np, w.lam, w.B_t, w.C_t, D_t, direct, borders_np, y, cut.length, post)
        tasks += [partial(kernels.forward, *fixed, first, last, w.mode) for first, last in cut.batches]
    workers.run(tasks)
    return _total(parts), borders


class Gradients(NamedTuple):
    """Of the inputs of `lti_scan`; u is None where it was not asked for, D where there is none."""

    u: Tensor | None
    lam: Tensor
    B: Tensor
    C: Tensor
    D: Tensor | None
    x0: Tensor


def backward(
    y_grad: Tensor, end_grad: Tensor, u: Tensor, lam: Tensor, B: Tensor, C: Tensor, D: Tensor | None, borders: Tensor,
    post: bool, cut: Plan, wants_u: bool,
) -> Gradients:  # fmt: skip
    """The gradients from those of y and x_end, and from the borders that `forward` returned."""
    from l2ssm.scan import kernels
    from l2ssm.scan.blas import gemm_address

    n_y, n_u, count = C.shape[0], u.shape[2], len(cut.batches)
    carry = torch.view_as_real(end_grad).mT.contiguous()  # (batch, 2, n_x)
    parts = [torch.empty_like(u if wants_u else u[:0]) for _ in cut.modes]
    D_np = (u.new_zeros((n_y, n_u)) if D is None else D).numpy()
    D_sums = u.new_zeros((count, n_y, n_u))
    gemm = gemm_address(u.numpy().dtype)
    u_np, y_np, borders_np, carry_np = u.numpy(), y_grad.numpy(), borders.numpy(), carry.numpy()
    sums, tasks = [], []
    for m, part in zip(cut.modes, parts, strict=True):
        w, direct, width = Weights(lam, B, C, m), D is not None and m[0] == 0, 2 * (m[1] - m[0])
        lam_sum = u.new_zeros((count, 1, width), dtype=torch.float64)
        B_sum, C_sum = u.new_zeros((count, n_u, width)), u.new_zeros((count, n_y, width))
        sums.append((lam_sum, B_sum, C_sum))
        fixed = (gemm, y_np, u_np, w.lam, w.B_t, w.C, D_np, w.B, direct, borders_np, carry_np, part.numpy(), wants_u)
        for s, (first, last) in enumerate(cut.batches):
            own = [lam_sum[s].view(2, -1).numpy(), B_sum[s].numpy(), C_sum[s].numpy(), D_sums[s].numpy()]
            tasks.append(partial(kernels.backward, *fixed, *own, cut.length, post, first, last, w.mode))
    workers.run(tasks)
    lam_grad, B_grad, C_grad = (_joined(of_modes) for of_modes in zip(*sums, strict=True))
    return Gradients(
        _total(parts) if wants_u else None,
        lam_grad[0].to(lam.dtype),
        B_grad.mT,
        C_grad.conj_physical(),
        None if D is None else D_sums.sum(0),
        _complex(carry),
    )


def _total(parts: list[Tensor]) -> Tensor:
    for part in parts[1:]:
        parts[0] += part
    return parts[0]


def _joined(of_modes: tuple[Tensor, ...]) -> Tensor:
    """Slices of modes, each (threads, rows, 2 m), summed over threads and joined: complex (rows, n_x)."""
    return _complex(torch.cat([part.sum(0).unflatten(1, (2, -1)) for part in of_modes], dim=-1))


def _complex(stacked: Tensor) -> Tensor:
    """(..., 2, n) real -> (..., n) complex."""
    return torch.complex(stacked[..., 0, :], stacked[..., 1, :])
