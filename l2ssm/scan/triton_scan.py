"""`diag_scan` as a Triton kernel for CUDA. Importing this module loads triton, where there is one.

One program runs one item of the batch and one block of columns through time. Chunks of a long record are such items
too: they are scanned from zero, their ends are scanned the same way, and then each is scanned again from the state at
its border. The adjoint is the same kernel on reversed time.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from torch import Tensor

from l2ssm.scan import chunked, planes
from l2ssm.scan.contract import Readout

LONGEST = 256  # samples one program runs through


if importlib.util.find_spec("triton") is not None:  # without it only the kernel is missing, and nothing calls it
    import triton
    import triton.language as tl

    @triton.jit
    def _scan(  # type: ignore[no-untyped-def]  # triton reads annotations, and knows only its own
        a_ptr, b_ptr, x0_ptr, x_ptr, time, n, VARYING: tl.constexpr, COMPLEX: tl.constexpr, BLOCK: tl.constexpr
    ):
        """x[k+1] = a x[k] + b[k]; complex numbers are pairs (Re, Im)."""
        item = tl.program_id(0).to(tl.int64)
        column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
        inside = column < n
        width: tl.constexpr = 2 if COMPLEX else 1
        at = column * width
        x_re = tl.load(x0_ptr + item * n * width + at, mask=inside, other=0.0)
        x_im = tl.load(x0_ptr + item * n * width + at + 1, mask=inside, other=0.0) if COMPLEX else x_re
        a_re = tl.load(a_ptr + at, mask=inside, other=0.0) if not VARYING else x_re
        a_im = tl.load(a_ptr + at + 1, mask=inside, other=0.0) if (COMPLEX and not VARYING) else x_re
        out = x_ptr + item * (time + 1) * n * width + at
        tl.store(out, x_re, mask=inside)
        if COMPLEX:
            tl.store(out + 1, x_im, mask=inside)
        for k in range(time):
            row = (item * time + k) * n * width + at
            b_re = tl.load(b_ptr + row, mask=inside, other=0.0)
            if VARYING:
                a_re = tl.load(a_ptr + row, mask=inside, other=0.0)
            out += n * width
            if COMPLEX:
                b_im = tl.load(b_ptr + row + 1, mask=inside, other=0.0)
                if VARYING:
                    a_im = tl.load(a_ptr + row + 1, mask=inside, other=0.0)
                new_re = a_re * x_re - a_im * x_im + b_re
                x_im = a_re * x_im + a_im * x_re + b_im
                x_re = new_re
                tl.store(out + 1, x_im, mask=inside)
            else:
                x_re = a_re * x_re + b_re
            tl.store(out, x_re, mask=inside)


def launch(a: Tensor, b: Tensor, x0: Tensor) -> Tensor:
    """The kernel on contiguous tensors: x[0..time]."""
    batch, time, n = b.shape
    x = b.new_empty((batch, time + 1, n))
    block = min(64, triton.next_power_of_2(n))
    a, b, x0 = (t.resolve_conj().resolve_neg().contiguous() for t in (a, b, x0))
    parts = [torch.view_as_real(t) if t.is_complex() else t for t in (a, b, x0, x)]
    _scan[(batch, triton.cdiv(n, block))](*parts, time, n, a.ndim == 3, b.is_complex(), block)
    return x


def scan(a: Tensor, b: Tensor, x0: Tensor) -> Tensor:
    """x[0..time] without autograd, long records in chunks."""
    batch, time, _ = b.shape
    if 0 in b.shape:
        return chunked.diag_scan(a, b, x0)
    if time <= LONGEST:
        return launch(a, b, x0)
    b_items, a_items = chunked.fold(b, LONGEST).flatten(0, 1), a
    if a.ndim == 3:
        a_items = chunked.fold(a, LONGEST).flatten(0, 1)
        whole = chunked.wider(a_items).prod(1).unflatten(0, (batch, -1))
    else:
        whole = chunked.powers(a, LONGEST + 1)[-1]
    ends = launch(a_items, b_items, torch.zeros_like(b_items[:, 0]))[:, -1].unflatten(0, (batch, -1))
    borders = scan(whole, chunked.wider(ends), chunked.wider(x0)).to(b.dtype)
    x = launch(a_items, b_items, borders[:, :-1].flatten(0, 1))
    return torch.cat([x0[:, None], x[:, 1:].unflatten(0, (batch, -1)).flatten(1, 2)[:, :time]], dim=1)


class DiagonalScan(torch.autograd.Function):
    """(a, b, x0) -> x[0..time]."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Any:
        """See `scan`."""
        x = scan(*inputs)
        ctx.save_for_backward(*inputs, x)
        return x

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """b_grad[k-1] = x_grad[k] + conj(a[k]) b_grad[k]: a scan in reversed time. Differentiable again as such."""
        a, _, _, x = ctx.saved_tensors
        (x_grad,) = (grad.flip(1) for grad in grads)
        factor = a.conj() if a.ndim == 1 else a.conj().flip(1)
        adjoint = DiagonalScan.apply(factor, x_grad[:, 1:], x_grad[:, 0])
        b_grad = adjoint[:, :-1].flip(1)
        a_grad = b_grad * x[:, :-1].conj()
        return a_grad if a.ndim == 3 else a_grad.sum((0, 1)), b_grad, adjoint[:, -1]


def diag_scan(a: Tensor, b: Tensor, x0: Tensor) -> Tensor:
    """x[:, k+1] = a[k] * x[:, k] + b[:, k] for k = 0..time."""
    x: Tensor = DiagonalScan.apply(a, b, x0)
    return x


def lti_scan(
    u: Tensor, lam: Tensor, B: Tensor, C: Tensor, D: Tensor | None, x0: Tensor, readout: Readout
) -> tuple[Tensor, Tensor]:
    """x[k+1] = lam x[k] + B u[k] and its read-out; see `l2ssm.scan.lti_scan`."""
    x = diag_scan(lam, planes.drive(u, B), x0)
    return planes.read_out(x, u, C, D, readout), x[:, -1]
