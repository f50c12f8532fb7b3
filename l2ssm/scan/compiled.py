"""The `compiled` backend: numba kernels on the CPU, a Triton kernel on CUDA; second derivatives through `chunked`."""

from __future__ import annotations

import importlib.util
from functools import partial
from typing import Any

import torch
from torch import Tensor

from l2ssm.scan import chunked, fused, workers
from l2ssm.scan.contract import DOUBLE_OF, Readout

WORK_PER_THREAD = 2**16  # states below which another thread costs more than it brings


def unavailable(device: torch.device) -> str | None:
    """Why the compiled backend cannot run on this device, or None."""
    needed = {"cpu": "numba", "cuda": "triton"}.get(device.type)
    if needed is None:
        return f"it has kernels for cpu and cuda, none for {device.type}"
    if importlib.util.find_spec(needed) is None:
        return f"{needed} is not installed"
    return None


def lti_scan(
    u: Tensor, lam: Tensor, B: Tensor, C: Tensor, D: Tensor | None, x0: Tensor, readout: Readout
) -> tuple[Tensor, Tensor]:
    """x[k+1] = lam x[k] + B u[k] and its read-out; see `l2ssm.scan.lti_scan`."""
    if u.is_cuda:
        from l2ssm.scan import triton_scan

        return triton_scan.lti_scan(u, lam, B, C, D, x0, readout)
    if 0 in (*u.shape, *C.shape):  # no arithmetic worth a kernel
        return chunked.lti_scan(u, lam, B, C, D, x0, readout)
    y, x_end = FusedScan.apply(u, lam, B, C, D, x0, readout)
    return y, x_end


def diag_scan(a: Tensor, b: Tensor, x0: Tensor) -> Tensor:
    """x[:, k+1] = a[k] * x[:, k] + b[:, k] for k = 0..time."""
    if b.is_cuda:
        from l2ssm.scan import triton_scan

        return triton_scan.diag_scan(a, b, x0)
    if 0 in b.shape:
        return chunked.diag_scan(a, b, x0)
    x: Tensor = DiagonalScan.apply(a, b, x0)
    return x


class FusedScan(torch.autograd.Function):
    """(u, lam, B, C, D, x0, readout) -> (y, x_end), keeping only the states at the borders of the chunks."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Any:
        """The fused scan; see `fused.forward`."""
        *tensors, readout = inputs
        u, lam, B, C, D, x0 = (_plain(t) for t in tensors)
        cut = fused.plan(u, lam.shape[0], C.shape[0], torch.get_num_threads())
        y, borders = fused.forward(u, lam, B, C, D, x0, readout == "post", cut)
        ctx.save_for_backward(*tensors)
        ctx.borders, ctx.cut, ctx.readout = borders, cut, readout
        return y, torch.complex(borders[:, -1, 0], borders[:, -1, 1])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """The adjoint scan, or derivatives of `chunked` where the gradient itself is to be differentiated."""
        if torch.is_grad_enabled():
            scan = partial(chunked.lti_scan, readout=ctx.readout)
            return (*_differentiable(scan, ctx.saved_tensors, ctx.needs_input_grad, grads), None)
        u, lam, B, C, D, _ = (_plain(t) for t in ctx.saved_tensors)
        y_grad, end_grad = (_plain(g) for g in grads)
        found = fused.backward(
            y_grad, end_grad, u, lam, B, C, D, ctx.borders, ctx.readout == "post", ctx.cut, ctx.needs_input_grad[0]
        )
        return (*found, None)


class DiagonalScan(torch.autograd.Function):
    """(a, b, x0) -> x[0..time]."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Any:
        """See `diagonal_kernels.constant` and `varying`."""
        from l2ssm.scan import diagonal_kernels as kernels

        a, b, x0 = (_plain(t) for t in inputs)
        x = b.new_empty((b.shape[0], b.shape[1] + 1, b.shape[2]))
        x[:, 0] = x0
        kernel = kernels.constant if a.ndim == 1 else kernels.varying
        arrays = [t.numpy() for t in (a, b, x)]
        workers.run([partial(kernel, *arrays, *part) for part in _parts(b)])
        ctx.save_for_backward(*inputs, x)
        return x

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """The recurrence run backwards; see `diagonal_kernels.constant_adjoint`."""
        from l2ssm.scan import diagonal_kernels as kernels

        *inputs, x = ctx.saved_tensors
        if torch.is_grad_enabled():
            return tuple(_differentiable(chunked.diag_scan, inputs, ctx.needs_input_grad, grads))
        a, b, x0, x, x_grad = (_plain(t) for t in (*inputs, x, *grads))
        b_grad, x0_grad, parts = torch.empty_like(b), torch.empty_like(x0), _parts(b)
        if a.ndim == 3:
            a_grad = torch.empty_like(a)
            arrays = [t.numpy() for t in (a, x, x_grad, b_grad, x0_grad, a_grad)]
            workers.run([partial(kernels.varying_adjoint, *arrays, *part) for part in parts])
            return a_grad, b_grad, x0_grad
        sums = a.new_zeros((len(parts), a.shape[0]), dtype=DOUBLE_OF[a.dtype])
        arrays = [t.numpy() for t in (a, x, x_grad, b_grad, x0_grad)]
        workers.run([partial(kernels.constant_adjoint, *arrays, sums[s].numpy(), *p) for s, p in enumerate(parts)])
        return sums.sum(0).to(a.dtype), b_grad, x0_grad


def _plain(t: Any) -> Any:
    """The tensor detached, contiguous, and with lazy conjugation and negation carried out."""
    return None if t is None else t.detach().resolve_conj().resolve_neg().contiguous()


def _parts(b: Tensor) -> list[tuple[int, int, int, int]]:
    """(first, last, low, high): slices of the batch and, where these are too few, of the columns, one a thread."""
    threads = max(1, min(torch.get_num_threads(), b.numel() // WORK_PER_THREAD))
    items = fused.slices(b.shape[0], min(threads, b.shape[0]))
    columns = fused.slices(b.shape[2], max(1, min(threads // len(items), b.shape[2] // 8)))
    return [(*item, *column) for item in items for column in columns]


def _differentiable(scan: Any, inputs: Any, needed: Any, grads: Any) -> list[Tensor | None]:
    """The gradients of `scan`, themselves differentiable."""
    wanted = [t for t, needs in zip(inputs, needed, strict=False) if needs]
    found = iter(torch.autograd.grad(scan(*inputs), wanted, grads, create_graph=True))
    return [next(found) if needs else None for needs, _ in zip(needed, inputs, strict=False)]
