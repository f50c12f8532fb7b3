"""Every LTI cell in every variant: convolution = recurrence = scan, and the realization is proved to have a gain."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve

import l2ssm as ls
from l2ssm.cells import CELLS, DiagonalCell
from l2ssm.scan import BACKENDS, dense_scan, lti_scan

VARIANTS = {
    **{name: (name, {}) for name in CELLS},
    "lru post": ("lru", {"readout": "post"}),
    "lru learned": ("lru", {"normalization": "learned"}),
    "s4 post": ("s4", {"readout": "post", "length": 37}),
    "s4 legt": ("s4", {"measure": "legt", "length": 96}),
    "s4 lagt": ("s4", {"measure": "lagt", "length": 500}),
    "s4 fout": ("s4", {"measure": "fout"}),
    **{f"s4d {init}": ("s4d", {"init": init}) for init in ("inv", "legs", "quad", "real", "random")},
    "s4d bilinear post": ("s4d", {"discretization": "bilinear", "readout": "post"}),
    "s4d band limit": ("s4d", {"init": "inv", "band_limit": 0.5}),
    "s5 lecun": ("s5", {"C_init": "lecun_normal"}),
    "s5 post": ("s5", {"readout": "post"}),
    "s5 bilinear": ("s5", {"discretization": "bilinear", "blocks": 2, "C_init": "complex_normal"}),
    "lag post": ("lag", {"readout": "post"}),
    "lag jacobi": ("lag", {"basis": "jacobi", "shape": 1.5}),
    "lag laguerre": ("lag", {"basis": "laguerre", "shape": 0.25}),
    "lag fourier": ("lag", {"basis": "fourier"}),
    "lag hyperbolic": ("lag", {"warp": "hyperbolic"}),
    "lag window": ("lag", {"warp": "window", "order": 4}),
    "lag by convolution": ("lag", {"order": 16}),  # 64 states, see `Lag.forward`
}
LARGE = {"lag by convolution": 32}  # complex states, 4 otherwise
TIME = 96


def make(variant: str, dtype=torch.float64):
    name, options = VARIANTS[variant]
    generator = torch.Generator().manual_seed(3)
    return CELLS[name].start(3, LARGE.get(variant, 4), 3, slowest=20.0, generator=generator, **options).to(dtype)


def signals(cell, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    u = torch.randn(2, TIME, cell.n_u, generator=generator, dtype=dtype)
    return u, torch.view_as_complex(torch.randn(2, cell.n_x, 2, generator=generator, dtype=dtype))


def close(got, want):
    got, want = (v.detach().numpy() if isinstance(v, torch.Tensor) else v for v in (got, want))
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-10 * max(1.0, np.abs(want).max()))


@pytest.mark.parametrize("variant", VARIANTS)
def test_recurrence(variant):
    cell = make(variant)
    u, x0 = signals(cell)
    y, x_end = cell(u, x0)
    step, x = cell.stepper(), x0
    for k in range(TIME):
        y_k, x = step(u[:, k], x)
        close(y_k, y[:, k])
    close(x, x_end)


@pytest.mark.parametrize("variant", VARIANTS)
def test_convolution(variant):
    """With the response of the realization to an impulse: D, C B, C A B, ... and of its state."""
    cell = make(variant)
    u, x0 = signals(cell)
    y, _ = cell(u, x0)
    G = cell.realization()
    kernel, state = [G.D], G.B
    for _ in range(TIME - 1):
        kernel.append(G.C @ state)
        state = G.A @ state
    kernel = np.array(kernel)  # (TIME, n_y, n_u)
    free = [torch.view_as_real(x0).flatten(1).numpy()]
    for _ in range(TIME - 1):
        free.append(free[-1] @ G.A.T)
    want = fftconvolve(kernel[None], u.numpy()[:, :, None], axes=1)[:, :TIME].sum(-1) + np.stack(free, 1) @ G.C.T
    close(y, want)


@pytest.mark.parametrize("variant", VARIANTS)
def test_scan(variant):
    """By every backend that there is for the system, and as a dense system."""
    cell = make(variant)
    u, x0 = signals(cell)
    y, x_end = cell(u, x0)
    real = torch.view_as_real(x0).flatten(1)
    G = cell.realization()
    want, end = dense_scan(u, *(torch.tensor(M) for M in (G.A, G.B, G.C, G.D)), real)
    close(y, want)
    close(torch.view_as_real(x_end).flatten(1), end)
    if isinstance(cell, DiagonalCell):
        for backend, entry in BACKENDS.items():
            if entry.unavailable(u.device) is None:
                want, end = lti_scan(u, *cell.system(), x0, backend=backend)
                close(y, want)
                close(x_end, end)


@pytest.mark.parametrize("variant", VARIANTS)
def test_realization_simulates_forward_and_has_a_certificate(variant):
    cell = make(variant)
    u, x0 = signals(cell)
    G = cell.realization(0.1)
    y, _ = cell(u, x0)
    close(y[1], G.simulate(u[1].numpy(), torch.view_as_real(x0[1]).flatten().numpy()))
    certificate = ls.certify(G, lower=False)
    assert certificate.verified
    H = G.frequency_response(np.linspace(0, np.pi / 0.1, 400))
    largest = np.linalg.norm(H, 2, axis=(1, 2)).max()
    assert largest <= certificate.gamma <= 1.01 * G.hinf().upper


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("variant", VARIANTS)
def test_finite_at_extreme_parameters(variant, dtype):
    """Values, states and gradients, for parameters of every size and for all of them equal and huge."""
    cell = make(variant, dtype)
    u, x0 = signals(cell, dtype)
    for seed, size in enumerate([1e-3, 1.0, 30.0, 1e3, 1e4, -1e4, 1e-30, 0.0]):
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for p in cell.parameters():
                p.copy_(
                    size * torch.randn(p.shape, generator=generator) if 1e-20 < size < 5e3 else torch.full_like(p, size)
                )
        cell.zero_grad()
        y, x_end = cell(u, x0)
        (y / (1 + y.detach().abs().max())).square().sum().backward()
        for name, p in cell.named_parameters():
            assert p.grad is None or torch.isfinite(p.grad).all(), (name, size)
        assert torch.isfinite(y).all()
        assert torch.isfinite(torch.view_as_real(x_end)).all()
