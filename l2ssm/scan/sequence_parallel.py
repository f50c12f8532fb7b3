"""Sequence parallelism: one long scan shared out in time between processes, exact for diagonal recurrences.

Every process scans its own chunk from zero. Its end e and the factor p, by which a state at the start of the chunk has
changed at its end, go to all of them; from these each finds the state before its chunk,

    x[start of chunk r] = e_(r-1) + p_(r-1) (e_(r-2) + p_(r-2) (... + p_1 e_0)),

and adds what follows from it, a scan without input. p is lam^T, or the product of all coefficients where these vary.

Source: Blelloch, "Prefix sums and their applications", CMU-CS-90-190, 1990, section 1.4 (scans with few processors).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from l2ssm.errors import OptionError
from l2ssm.scan.contract import DiagScan, LtiScan, Readout

_active: ContextVar[bool] = ContextVar("l2ssm_sequence_parallel", default=False)


@contextmanager
def sequence_parallel() -> Iterator[None]:
    """Inside the block every scan is that of one process's chunk of the time axis.

    The processes of the default group of torch.distributed hold consecutive chunks, in the order of their ranks, not
    necessarily of one length but of at least one sample, have the same batch and the same parameters, and call the same
    scans. An initial state counts in the first one; the end state of the last one is that of the whole. Values and
    gradients are those of one scan over all chunks: the gradient of a loss that is a sum over time is the sum over the
    processes of theirs, and all of them have to take it. What looks along time in another way than by `lti_scan` and
    `diag_scan` - a convolution, attention, a scan backwards - is not seen here: `fit` checks a model before.

    Raises:
        OptionError: there is no process group; or inside, a `dense_scan`.
    """
    if not dist.is_initialized():
        raise OptionError("sequence_parallel needs processes: call torch.distributed.init_process_group before")
    before = _active.set(True)
    try:
        yield
    finally:
        _active.reset(before)


def in_chunks() -> bool:
    """Whether scans are those of a chunk."""
    return _active.get()


def lti_chunk(
    scan: LtiScan, u: Tensor, lam: Tensor, B: Tensor, C: Tensor, D: Tensor | None, x0: Tensor, readout: Readout
) -> tuple[Tensor, Tensor]:
    """`lti_scan` of this process's chunk as a part of the whole.

    Args:
        scan: of a backend, for a whole sequence.
        u, lam, B, C, D, x0, readout: see `lti_scan`.
    """
    y, end = scan(u, lam, B, C, D, _first(x0), readout)
    start = _state_before(power(lam, u.shape[1]).expand_as(end), end)
    rest, end_of_rest = scan(torch.zeros_like(u), lam, B, C, None, start, readout)
    return y + rest, end + end_of_rest


def diag_chunk(scan: DiagScan, a: Tensor, b: Tensor, x0: Tensor) -> Tensor:
    """`diag_scan` of this process's chunk as a part of the whole.

    Args:
        scan: of a backend, for a whole sequence.
        a, b, x0: see `diag_scan`.
    """
    x = scan(a, b, _first(x0))
    factors = scan(a, torch.zeros_like(b), torch.ones_like(x0))
    return x + factors * _state_before(factors[:, -1], x[:, -1])[:, None]


def refuse_dense() -> None:
    """OptionError inside `sequence_parallel`."""
    if in_chunks():
        raise OptionError("sequence_parallel: dense_scan has a full matrix A, only diagonal ones are shared out")


def power(lam: Tensor, exponent: int) -> Tensor:
    """lam^exponent by repeated squaring, for lam = 0 and its gradient too; exponent >= 0.

    >>> power(torch.tensor([0.0, -2.0, 1j]), 5)
    tensor([  0.+0.j, -32.+0.j,   0.+1.j])
    """
    result = torch.ones_like(lam)
    while exponent:
        if exponent % 2:
            result = result * lam
        lam, exponent = lam * lam, exponent // 2
    return result


def _first(x0: Tensor) -> Tensor:
    """The initial state in the first process, zero in the others."""
    return x0 if dist.get_rank() == 0 else torch.zeros_like(x0)


def _state_before(factor: Tensor, end: Tensor) -> Tensor:
    """The state (batch, n) before this chunk from all factors and ends (batch, n), each from zero but the first."""
    pairs = _Gathered.apply(torch.stack([factor, end]))
    state = 0.0 * pairs.sum(dim=(0, 1))  # all gradients pass through all processes: who leaves it out, stops the others
    for p, e in pairs[: dist.get_rank()]:
        state = p * state + e
    return state


class _Gathered(torch.autograd.Function):
    """The tensors of all processes (processes, ...); the gradient of each one's is the sum of what reaches it there."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        """Collect."""
        real = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
        found = real.new_empty((dist.get_world_size(), *real.shape))
        dist.all_gather(list(found), real.contiguous())
        return torch.view_as_complex(found) if tensor.is_complex() else found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Sum, and give each its own."""
        is_complex = gradient.is_complex()
        total = torch.view_as_real(gradient.resolve_conj()) if is_complex else gradient
        total = total.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        own = total[dist.get_rank()]
        return torch.view_as_complex(own) if is_complex else own
