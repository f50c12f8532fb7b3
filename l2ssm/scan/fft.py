"""The LTI scan as a convolution: with the powers of lam (states), or with the impulse response (outputs), by FFT.

Costs O(time log time). With few inputs and outputs only the n_y n_u numbers a sample of the response are held,
otherwise the states. Only for constant lam. Errors are relative to the largest value of the record, not to each value.
"""

from __future__ import annotations

import math

import torch
from scipy.fft import next_fast_len
from torch import Tensor

from l2ssm.scan import chunked, planes
from l2ssm.scan.chunked import powers, wider
from l2ssm.scan.contract import Readout

BLOCK = 512  # powers of lam held at once


def diag_scan(a: Tensor, b: Tensor, x0: Tensor) -> Tensor:
    """x[k] = sum_j a^(k-j) [x0, b[0], b[1], ...][j] for k = 0..time; a (n,)."""
    if 0 in b.shape:
        return chunked.diag_scan(a, b, x0)
    drive = torch.cat([x0[:, None], b], dim=1)
    count = drive.shape[1]
    kernel = powers(a, count).to(b.dtype)
    size = next_fast_len(2 * count, real=not b.is_complex())
    if b.is_complex():
        return torch.fft.ifft(torch.fft.fft(kernel, size, dim=0) * torch.fft.fft(drive, size, dim=1), dim=1)[:, :count]
    spectrum = torch.fft.rfft(kernel, size, dim=0) * torch.fft.rfft(drive, size, dim=1)
    return torch.fft.irfft(spectrum, size, dim=1)[:, :count]


def lti_scan(
    u: Tensor, lam: Tensor, B: Tensor, C: Tensor, D: Tensor | None, x0: Tensor, readout: Readout
) -> tuple[Tensor, Tensor]:
    """x[k+1] = lam x[k] + B u[k] and its read-out; see `l2ssm.scan.lti_scan`."""
    time = u.shape[1]
    if 0 in (*u.shape, *C.shape):  # no transform of nothing
        return chunked.lti_scan(u, lam, B, C, D, x0, readout)
    if C.shape[0] * u.shape[2] > u.shape[0] * lam.shape[0]:  # fewer states than pairs of input and output
        x = diag_scan(lam, planes.drive(u, B), x0)
        return planes.read_out(x, u, C, D, readout), x[:, -1]
    response = impulse_response(lam, B, C, time)
    if readout == "pre":
        response = torch.cat([torch.zeros_like(response[:1]), response[:-1]])
    if D is not None:
        response = torch.cat([response[:1] + D, response[1:]])
    size = next_fast_len(2 * time, real=True)
    spectrum = torch.einsum("fyu,bfu->bfy", torch.fft.rfft(response, size, dim=0), torch.fft.rfft(u, size, dim=1))
    free = impulse_response(lam, (x0 if readout == "pre" else lam * x0).mT, C, time)  # (time, n_y, batch)
    y = torch.fft.irfft(spectrum, size, dim=1)[:, :time] + free.permute(2, 0, 1)
    return y, final_state(u, lam, B, x0)


def impulse_response(lam: Tensor, B: Tensor, C: Tensor, time: int) -> Tensor:
    """Re(C lam^k B) for k = 0..time-1, (time, n_y, n_u): the response of the "post" read-out to a unit impulse."""
    length = min(BLOCK, time)
    blocks = -(-time // length)
    inside = powers(lam, length).to(lam.dtype)  # (length, n_x)
    at_border = powers(_power(lam, length), blocks).to(lam.dtype)  # (blocks, n_x)
    product = torch.einsum("yn,nu->nyu", C, B).flatten(1)
    weights = at_border[:, :, None] * product  # (blocks, n_x, n_y n_u)
    response = torch.cat([inside.real, inside.imag], 1) @ torch.cat([weights.real, -weights.imag], 1)
    return response.flatten(0, 1)[:time].unflatten(1, (C.shape[0], B.shape[1]))


def final_state(u: Tensor, lam: Tensor, B: Tensor, x0: Tensor) -> Tensor:
    """x[time] = lam^time x0 + sum_k lam^(time-1-k) B u[k], without the states between."""
    time, n_x = u.shape[1], lam.shape[0]
    length = min(BLOCK, time)
    u = torch.cat([u.new_zeros((u.shape[0], -time % length, u.shape[2])), u], dim=1).unflatten(1, (-1, length))
    inside = powers(lam, length).flip(0).to(lam.dtype)
    sums = torch.cat([inside.real, inside.imag], 1).mT @ u  # (batch, blocks, 2 n_x, n_u)
    ends = (torch.complex(sums[:, :, :n_x], sums[:, :, n_x:]) * B).sum(-1)
    at_border = powers(_power(lam, length), u.shape[1]).flip(0)
    return ((at_border * wider(ends)).sum(1) + _power(lam, time) * wider(x0)).to(x0.dtype)


def generating_function(lam: Tensor, B: Tensor, C: Tensor, time: int, nodes: int | None = None) -> Tensor:
    """sum_{k < time} Re(C lam^k B) z^(-k) at z = exp(2 pi i f / nodes), f = 0..nodes//2, without powers of lam in time.

    The geometric sum is closed: C (I - lam^time z^(-time)) (I - lam z^(-1))^(-1) B, of which the real coefficients are
    the half-sum with its mirror image. Equals `rfft(impulse_response(...), nodes)`; singular where lam meets a node.

    Args:
        lam: (n_x,) complex.
        B: (n_x, n_u) complex.
        C: (n_y, n_x) complex.
        time: number of samples of the impulse response.
        nodes: number of points on the unit circle, at least `time` for the inverse to exist; `time` if None.

    Returns:
        (nodes // 2 + 1, n_y, n_u) complex.

    Source: Gu, Goel, Ré (2022), "Efficiently Modeling Long Sequences with Structured State Spaces", lemma C.2.
    """
    nodes = time if nodes is None else nodes
    angle = torch.arange(nodes // 2 + 1, device=lam.device, dtype=wider(lam).real.dtype) * (2 * math.pi / nodes)
    whole = _power(lam, time)

    def one_sided(sign: float) -> Tensor:
        inverse_z = torch.polar(torch.ones_like(angle), -sign * angle)[:, None]
        last = torch.polar(torch.ones_like(angle), -sign * torch.remainder(angle * time, 2 * math.pi))[:, None]
        kernel = (1 - whole * last) / (1 - wider(lam) * inverse_z)
        return torch.einsum("yn,fn,nu->fyu", wider(C), kernel, wider(B))

    return (0.5 * (one_sided(1.0) + one_sided(-1.0).conj())).to(lam.dtype)


def _power(lam: Tensor, exponent: int) -> Tensor:
    """lam^exponent in double precision by squaring, exact in its derivative at lam = 0 too."""
    result, square = torch.ones_like(wider(lam)), wider(lam)
    while exponent:
        if exponent & 1:
            result = result * square
        square, exponent = square * square, exponent >> 1
    return result
