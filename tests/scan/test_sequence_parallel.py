"""Scans shared out in time: values, end states and gradients of processes with chunks are those of one scan."""

from __future__ import annotations

import multiprocessing
from functools import partial

import pytest
import torch
from torch import distributed as dist

from l2ssm.errors import OptionError
from l2ssm.identification.distributed import launch
from l2ssm.scan import BACKENDS, dense_scan, diag_scan, lti_scan
from l2ssm.scan.sequence_parallel import power, sequence_parallel

pytestmark = [
    pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="processes are forked here"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]
BATCH, TIME, N, N_U, N_Y = 2, 37, 4, 2, 3
EDGES = [0, 1, 9, 20, TIME]  # of the chunks of four processes


def drawn(dtype: torch.dtype, *shapes: tuple[int, ...]) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]


def lti(span: slice, whole: bool, readout: str, backend: str):
    (u, D), (lam, B, C, x0) = (
        drawn(torch.float64, (BATCH, TIME, N_U), (N_Y, N_U)),
        drawn(torch.complex128, (N,), (N, N_U), (N_Y, N), (BATCH, N)),
    )
    with torch.no_grad():
        lam *= 0.98 / lam.abs()
        lam[0] = 0.0
    y, end = lti_scan(u[:, span], lam, B, C, D, x0, readout=readout, backend=backend)
    weight = torch.linspace(1.0, 2.0, TIME, dtype=torch.float64)[None, span, None]
    loss = (weight * y**2).sum() + ((end.abs() ** 2).sum() if whole or span.stop == TIME else 0.0)
    return loss, [u, D, lam, B, C, x0], [y, end]


def diag(span: slice, whole: bool, varying: bool, dtype: torch.dtype):
    a, b, x0 = drawn(dtype, (BATCH, TIME, N) if varying else (N,), (BATCH, TIME, N), (BATCH, N))
    with torch.no_grad():
        a /= 1.05 * a.abs().clamp(min=1.0)
    x = diag_scan(a[:, span] if varying else a, b[:, span], x0)
    weight = torch.linspace(1.0, 2.0, TIME, dtype=torch.float64)[None, span, None]
    loss = (weight * x[:, 1:].abs() ** 2).sum() + (weight * x[:, :-1].abs() ** 2).sum()
    return loss, [a, b, x0], [x[:, :-1], x[:, -1]]


KINDS = {
    f"lti {readout} {name}": partial(lti, readout=readout, backend=name)
    for readout in ("pre", "post")
    for name in BACKENDS
}
KINDS |= {
    f"diag {varying} {dtype}": partial(diag, varying=varying, dtype=dtype)
    for varying in (False, True)
    for dtype in (torch.float64, torch.complex128)
}


def in_chunks():
    """Of every kind: loss and gradients summed over the processes, outputs joined, the end state of the last one."""
    rank, found = dist.get_rank(), {}
    for name, kind in KINDS.items():
        with sequence_parallel():
            loss, leaves, (out, end) = kind(slice(EDGES[rank], EDGES[rank + 1]), False)
        loss.backward()
        outs, ends = [None] * 4, [None] * 4
        dist.all_gather_object(outs, out.detach())
        dist.all_gather_object(ends, end.detach())
        sums = [loss.detach(), *(torch.zeros_like(v) if v.grad is None else v.grad for v in leaves)]
        for value in sums:
            dist.all_reduce(torch.view_as_real(value) if value.is_complex() else value)
        found[name] = [*sums, torch.cat(outs, dim=1), ends[-1]]
    return found


def test_chunks_are_one_scan():
    found = launch(in_chunks, 4, start_method="fork", restarts=0)
    for name, kind in KINDS.items():
        loss, leaves, (out, end) = kind(slice(0, TIME), True)
        loss.backward()
        expected = [loss.detach(), *(v.grad for v in leaves), out.detach(), end.detach()]
        for one, other in zip(expected, found[name], strict=True):
            scale = max(1.0, float(one.abs().max()))
            torch.testing.assert_close(
                other / scale, one / scale, rtol=0, atol=1e-12, msg=lambda text, n=name: f"{n}: {text}"
            )


def test_power():
    lam = torch.tensor([0.0, 0.5, -0.9, 1.1], dtype=torch.float64).requires_grad_()
    for exponent in (1, 2, 7, 100):
        (gradient,) = torch.autograd.grad(power(lam, exponent).sum(), lam)
        torch.testing.assert_close(power(lam, exponent), lam**exponent, rtol=1e-13, atol=0)
        torch.testing.assert_close(gradient, exponent * lam ** (exponent - 1), rtol=1e-13, atol=0)


def full_matrix():
    A, u = torch.eye(2), torch.zeros(1, 3, 2)
    with sequence_parallel():
        dense_scan(u, A, A, A)


def test_refusals():
    with pytest.raises(OptionError, match="init_process_group before"), sequence_parallel():
        pass
    with pytest.raises(OptionError, match="dense_scan has a full matrix A"):
        launch(full_matrix, 2, start_method="fork")
