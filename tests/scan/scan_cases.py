"""Random systems and inputs for the scan tests, and the comparison that all conformance tests make."""

from __future__ import annotations

import torch

COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-11}  # relative to the largest value of the reference
NAMES = ("y", "x_end", "u", "lam", "B", "C", "D", "x0")


def lti(batch, time, n_x, n_u, n_y, dtype=torch.float64, *, seed=0, radius=(0.0, 1.0), direct=True, start=True):
    """(u, lam, B, C, D, x0), all asking for gradients; D or x0 may be None."""
    g = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    def complex_normal(*shape):
        return torch.complex(normal(*shape), normal(*shape))

    r = radius[0] + (radius[1] - radius[0]) * torch.rand(n_x, generator=g, dtype=torch.float64)
    complex_dtype = COMPLEX[dtype]
    lam = torch.polar(r, 3 * normal(n_x))
    tensors = [
        normal(batch, time, n_u).to(dtype),
        lam.to(complex_dtype),
        complex_normal(n_x, n_u).to(complex_dtype),
        complex_normal(n_y, n_x).to(complex_dtype),
        normal(n_y, n_u).to(dtype) if direct else None,
        complex_normal(batch, n_x).to(complex_dtype) if start else None,
    ]
    return [t if t is None else t.requires_grad_() for t in tensors]


def diagonal(batch, time, n, dtype=torch.complex128, *, varying=False, seed=0, radius=0.99, start=True):
    """(a, b, x0), all asking for gradients."""
    g = torch.Generator().manual_seed(seed)

    def normal(*shape):
        value = torch.randn(*shape, generator=g, dtype=torch.float64)
        if not dtype.is_complex:
            return value.to(dtype)
        return torch.complex(value, torch.randn(*shape, generator=g, dtype=torch.float64)).to(dtype)

    a = normal(batch, time, n) if varying else normal(n)
    a = radius * a / a.abs().clamp(min=1e-3) * torch.rand(a.shape, generator=g).to(a.abs().dtype)
    tensors = [a.detach(), normal(batch, time, n), normal(batch, n) if start else None]
    return [t if t is None else t.requires_grad_() for t in tensors]


def outputs_and_gradients(function, inputs, seed=1):
    """What the function returns, and the gradients of a random linear functional of it for every input but None."""
    outputs = function(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    g = torch.Generator().manual_seed(seed)
    weights = [torch.randn(out.shape, generator=g, dtype=torch.float64).to(out.dtype) for out in outputs]
    wanted = [t for t in inputs if t is not None and t.requires_grad]
    pairs = [
        (out, weight) for out, weight in zip(outputs, weights, strict=True) if out.requires_grad
    ]  # not: empty ones
    gradients = torch.autograd.grad([p[0] for p in pairs], wanted, [p[1] for p in pairs], allow_unused=True)
    gradients = [torch.zeros_like(t) if g is None else g for t, g in zip(wanted, gradients, strict=True)]
    return [*outputs, *gradients]


def assert_equal(found, expected, tolerance):
    """Each tensor equals its reference, relative to the largest value of the reference (or 1 where that is smaller)."""
    assert len(found) == len(expected)
    for k, (f, e) in enumerate(zip(found, expected, strict=True)):
        assert f.shape == e.shape, (k, f.shape, e.shape)
        assert f.dtype == e.dtype, (k, f.dtype, e.dtype)
        if e.numel():
            error = ((f - e).abs().max() / e.abs().max().clamp(min=1.0)).item()
            assert error <= tolerance, f"tensor {k}: relative error {error:.2e} > {tolerance:.0e}"
