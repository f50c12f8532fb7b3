"""S4: HiPPO's own matrices, the kernel against powers, lengths, float32, memory."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from l2ssm.cells import S4
from l2ssm.errors import OptionError
from l2ssm.parametrizations import dplr
from l2ssm.parametrizations.dplr import DPLR
from l2ssm.parametrizations.dplr_kernel import kernel
from l2ssm.systems.discretize import bilinear
from l2ssm.systems.hippo import fout, lagt, legs, legt
from l2ssm.systems.nplr import dplr_half

STEP = torch.tensor([[0.03], [0.4]], dtype=torch.float64)


def hippo_system(pair) -> DPLR:
    """The same memory in two channels, of step 0.03 and 0.4."""
    modes = dplr_half(pair)
    Lam, P, B = (torch.tensor(v).expand(2, *v.shape) for v in (modes.Lam, modes.P, modes.B))
    return DPLR(Lam, P, B, STEP)


def random_row(n, seed=0):
    return torch.randn(2, n, generator=torch.Generator().manual_seed(seed), dtype=torch.complex128)


@pytest.mark.parametrize("memory", [legs, legt, lagt, fout], ids=lambda f: f.__name__)
@pytest.mark.parametrize("n", [2, 16, 64])
def test_the_sampled_system_is_that_of_hippo(memory, n):
    """In the real coordinates of HiPPO: the trapezoidal rule of A and B, ranks 1 and 2."""
    pair = memory(n)
    system = hippo_system(pair)
    r = dplr.recurrence(system)
    V = dplr_half(pair).V
    back = 2 * np.stack([V.real, -V.imag], -1).reshape(n, n)
    for h in range(2):
        Ad, Bd = bilinear(pair.A, pair.B, float(STEP[h]))
        np.testing.assert_allclose(back @ dplr.dense(r)[h].numpy() @ np.linalg.inv(back), Ad, rtol=0, atol=1e-11)
        np.testing.assert_allclose(back @ torch.view_as_real(r.Bd)[h].flatten().numpy(), Bd, rtol=0, atol=1e-11)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("length", [1, 2, 63, 64])
def test_kernel_is_the_powers(rank, length):
    """Also at the Nyquist frequency of even lengths, for any rank; pairs of modes and all modes."""
    g = torch.Generator().manual_seed(rank)
    Lam = torch.complex(-torch.rand(2, 5, generator=g).double(), 9 * torch.randn(2, 5, generator=g).double())
    P, B, C = (torch.randn(2, 5, k, generator=g, dtype=torch.complex128) for k in (rank, 1, 1))
    system = DPLR(Lam, P, B[..., 0], STEP)
    r = dplr.recurrence(system)
    A = dplr.dense(r)
    row, state = dplr.real_row(C[..., 0]), torch.view_as_real(r.Bd).flatten(1)
    want = []
    for _ in range(length):
        want.append((row * state).sum(1))
        state = (A @ state[..., None])[..., 0]
    tied = dplr.tie(C[..., 0], A, length)
    columns = (STEP * system.B)[:, None]
    got = kernel(Lam, P, P, columns, tied, STEP, length)[:, 0]
    torch.testing.assert_close(got, torch.stack(want, 1), rtol=0, atol=1e-11 * float(torch.stack(want).abs().max()))

    def all_modes(v, dim=1):
        return torch.cat([v, v.conj()], dim=dim)

    full = (all_modes(v) for v in (Lam, P, P))
    complex_kernel = kernel(*full, all_modes(columns, 2), all_modes(tied), STEP, length, pairs=False)[:, 0]
    torch.testing.assert_close(complex_kernel.real, got, rtol=0, atol=1e-11 * float(got.abs().max()))
    torch.testing.assert_close(complex_kernel.imag, torch.zeros_like(got), rtol=0, atol=1e-11 * float(got.abs().max()))


def test_updates_take_linear_time():
    """`advance` forms no n x n array: its largest tensor grows with n."""
    largest = {}
    for n in (32, 256):
        r = dplr.recurrence(hippo_system(legs(2 * n)))
        with Largest() as seen:
            dplr.advance(r, random_row(n))
        largest[n] = seen.numel
    assert largest[256] <= 8 * largest[32]


def test_lengths():
    """The row of one length is the row of another: solved for, or doubled."""
    system = hippo_system(legs(8))
    A = dplr.dense(dplr.recurrence(system))
    C = random_row(4)
    tied = dplr.tie(C, A, 20)
    torch.testing.assert_close(dplr.untie(tied, A, 20), C, rtol=1e-9, atol=1e-9)
    longer, length = dplr.lengthen(tied, A, 20, 50)
    assert length == 80
    torch.testing.assert_close(longer, dplr.tie(C, A, 80), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("length", [7, 50, 400])
def test_a_cell_of_another_length_is_the_same_system(length):
    cell = S4(2, 4, 2, length=64, step_min=0.01, step_max=0.1).double()
    other = cell.with_length(length)
    assert other.length == length
    u = torch.randn(1, 150, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(other(u)[0], cell(u)[0], rtol=0, atol=1e-10)
    np.testing.assert_allclose(other.realization().C, cell.realization().C, rtol=1e-8, atol=1e-9)
    other(u)[0].square().sum().backward()  # longer and shorter sequences train too
    assert all(torch.isfinite(p.grad).all() and p.grad.abs().max() > 0 for p in other.parameters())


def test_gradients_of_the_kernel():
    """Against finite differences, in pieces and whole."""
    cell = S4(1, 2, 1, length=12, step_min=0.1, step_max=0.2).double()
    u = torch.randn(1, 12, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x0 = torch.randn(1, 2, dtype=torch.complex128, generator=torch.Generator().manual_seed(1))
    values = [p.detach().clone().requires_grad_() for p in cell.parameters()]
    names = [name for name, _ in cell.named_parameters()]

    def run(*parameters):
        y, x_end = torch.func.functional_call(cell, dict(zip(names, parameters, strict=True)), (u, x0))
        return y, torch.view_as_real(x_end)

    torch.autograd.gradcheck(run, values)


def test_pieces_of_nodes_change_nothing(monkeypatch):
    cell = S4(2, 4, 2, length=100).double()
    u = torch.randn(2, 100, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def values():
        cell.zero_grad()
        y, _ = cell(u)
        y.square().sum().backward()
        return [y.detach(), *(p.grad.clone() for p in cell.parameters())]

    whole = values()
    monkeypatch.setattr("l2ssm.parametrizations.dplr_kernel.NODES_AT_ONCE", 7)
    for got, want in zip(values(), whole, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-11)


@torch.no_grad()
@pytest.mark.parametrize("step", [1e-4, 1e-2, 1.0])
def test_float32(step):
    """N = 64, L = 4096: frequencies from far below to far above Nyquist, resonances of quality 2600."""
    u = torch.randn(1, 4096, 1, generator=torch.Generator().manual_seed(0))
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        cell = S4(1, 32, 1, length=4096, step_min=step, step_max=step, generator=generator)
        y, want = cell(u)[0], cell.double()(u.double())[0]
        assert float((y - want).abs().max()) < 2e-6 * float(want.abs().max())


class Largest(TorchDispatchMode):
    """The number of entries of the largest tensor made inside the block."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for value in out if isinstance(out, (tuple, list)) else [out]:
            if isinstance(value, torch.Tensor):
                self.numel = max(self.numel, value.untyped_storage().nbytes() // 4)
        return out


def test_a_training_step_holds_no_states():
    """N = 64, L = 16384, batch 8: forward and backward make no tensor near N x L x batch, nor N x L."""
    N, L, batch = 64, 16384, 8
    cell = S4(1, N // 2, 1, length=L)
    u = torch.randn(batch, L, 1, generator=torch.Generator().manual_seed(0))
    with Largest() as largest:
        cell(u)[0].square().mean().backward()
    assert largest.numel < N * L / 2
    assert cell.C_ri.grad.abs().max() > 0


MEMORY = """
import torch
from l2ssm.cells import S4
from l2ssm.scan.bench import resident_peak
N, L, batch = 64, 16384, 64
cell = S4(1, N // 2, 1, length=L)
optimizer = torch.optim.AdamW(cell.parameters())
cell(torch.randn(1, 64, 1))[0].sum().backward()
u = torch.randn(batch, L, 1)
before = resident_peak()
for _ in range(3):
    optimizer.zero_grad()
    cell(u)[0].square().mean().backward()
    optimizer.step()
print((resident_peak() - before) / (4 * N * L * batch))
"""


@pytest.mark.slow
def test_peak_memory_of_training():
    """The growth of the process in three steps, relative to one float32 array of N x L x batch."""
    run = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    assert 0 < float(run.stdout) < 0.5


def test_refusals():
    for options, message in (
        ({"measure": "chebyshev"}, "measure is 'chebyshev'; it is one of legs, legt, lagt, fout"),
        ({"length": 0}, "length is 0"),
        ({"readout": "mid"}, "readout is 'mid'"),
        ({"step_min": 0.1, "step_max": 0.01}, "step_min is 0.1, expected at most step_max = 0.01"),
    ):
        with pytest.raises(OptionError, match=message):
            S4(2, 4, 2, **options)
    with pytest.raises(OptionError, match="S4 is a bank of systems, one per channel: n_u = 2 and n_y = 3 differ"):
        S4(2, 4, 3)
