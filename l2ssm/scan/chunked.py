"""The scan in plain torch: all chunks of time advance together, then the carried states are scanned the same way.

With L samples a chunk, x[cL + k] = (scan of chunk c from zero)[k] + (a[cL+k-1] ... a[cL]) X_c, where X_c, the state
at the border, obeys the same recurrence with the product of a whole chunk. That takes about 2 sqrt(time) vector
operations instead of time, divides by nothing (so lam = 0 and strong decay are exact) and uses only differentiable
operations: it runs on any device, under vmap and export, and gives derivatives of any order. All states are held.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from l2ssm.scan import planes
from l2ssm.scan.contract import DOUBLE_OF, Readout

SHORT = 24  # samples; below this the plain loop takes fewer operations


def diag_scan(a: Tensor, b: Tensor, x0: Tensor) -> Tensor:
    """x[:, k+1] = a[k] * x[:, k] + b[:, k] for k = 0..time, the chunks of time in parallel."""
    time = b.shape[1]
    if time <= SHORT:
        return _short(a, b, x0)
    length = min(64, math.isqrt(time) + 1)
    b_chunks = fold(b, length)
    if a.ndim == 1:
        power = powers(a, length + 1)  # in double: an error in lam^length would repeat at every border
        local, product, whole = _from_zero(a, b_chunks), power[1:].to(b.dtype), power[-1]
    else:
        a_chunks = fold(a, length)
        local, product = _from_zero(a_chunks, b_chunks), _products(a_chunks)
        whole = wider(product[:, :, -1])
    border = diag_scan(whole, wider(local[:, :, -1]), wider(x0)).to(b.dtype)
    x = local + product * border[:, :-1, None]
    return torch.cat([x0[:, None], x.flatten(1, 2)[:, :time]], dim=1)


def lti_scan(
    u: Tensor, lam: Tensor, B: Tensor, C: Tensor, D: Tensor | None, x0: Tensor, readout: Readout
) -> tuple[Tensor, Tensor]:
    """x[k+1] = lam x[k] + B u[k] and its read-out; see `l2ssm.scan.lti_scan`."""
    x = diag_scan(lam, planes.drive(u, B), x0)
    return planes.read_out(x, u, C, D, readout), x[:, -1]


def powers(a: Tensor, count: int) -> Tensor:
    """a^0, ..., a^(count-1) along a new first axis, by doubling, in double precision where the device has it."""
    table = torch.ones_like(wider(a))[None]
    square = wider(a)
    while table.shape[0] < count:
        table = torch.cat([table, table * square])
        square = square * square
    return table[:count]


def wider(a: Tensor) -> Tensor:
    """The tensor in double precision (unchanged on Apple's MPS, which has none)."""
    return a if a.device.type == "mps" else a.to(DOUBLE_OF[a.dtype])


def _short(a: Tensor, b: Tensor, x0: Tensor) -> Tensor:
    x = [x0]
    steps = [a] * b.shape[1] if a.ndim == 1 else list(a.unbind(1))
    for a_k, b_k in zip(steps, b.unbind(1), strict=True):
        x.append(torch.addcmul(b_k, a_k, x[-1]))
    return torch.stack(x, dim=1)


def fold(b: Tensor, length: int) -> Tensor:
    """(batch, time, n) -> (batch, chunks, length, n), zeros after the end."""
    missing = -b.shape[1] % length
    if missing:
        b = torch.cat([b, b.new_zeros((b.shape[0], missing, b.shape[2]))], dim=1)
    return b.unflatten(1, (-1, length))


def _from_zero(a: Tensor, b: Tensor) -> Tensor:
    """Each chunk scanned from the zero state: the states after each update, (batch, chunks, length, n)."""
    samples = list(b.unbind(2))
    steps = [a] * len(samples) if a.ndim == 1 else list(a.unbind(2))
    x = [samples[0]]
    for a_k, b_k in zip(steps[1:], samples[1:], strict=True):
        x.append(torch.addcmul(b_k, a_k, x[-1]))
    return torch.stack(x, dim=2)


def _products(a: Tensor) -> Tensor:
    """Running products along the chunk, a[0], a[1] a[0], ...; without cumprod, whose gradient divides by a."""
    steps = list(a.unbind(2))
    for k in range(1, len(steps)):
        steps[k] = steps[k] * steps[k - 1]
    return torch.stack(steps, dim=2)
