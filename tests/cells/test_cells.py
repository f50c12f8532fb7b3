"""What every cell promises, for every row of the table."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from l2ssm.cells import BOUNDED_CELLS, CELLS
from l2ssm.errors import OptionError
from l2ssm.parametrizations.stable import ring, time_constants
from l2ssm.systems.hinf import hinf

SIZES = [(1, 2, 1), (2, 5, 3), (4, 8, 2)]  # n_u, n_x, n_y
BANKS = {"s4", "s4d"}  # one system a channel: as many outputs as inputs


def make(name, size=(2, 5, 3), seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    n_u, n_x, n_y = size
    return CELLS[name].start(n_u, n_x, n_u if name in BANKS else n_y, slowest=50.0, generator=generator, **options)


def scramble(cell, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return cell


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_forward_is_the_realization(name, size, dtype):
    cell = make(name, size).to(dtype)
    G, n_u, n_x = cell.realization(dt=0.5), cell.n_u, cell.n_x
    assert (G.n_u, G.n_x, G.n_y, G.dt) == (n_u, 2 * n_x, cell.n_y, 0.5)
    assert n_x == size[1] * (n_u if name in BANKS else 1)
    generator = torch.Generator().manual_seed(1)
    u = torch.randn(2, 40, n_u, generator=generator, dtype=dtype)
    x0 = torch.view_as_complex(torch.randn(2, n_x, 2, generator=generator, dtype=dtype))
    y, x_end = cell(u, x0)
    assert y.dtype == dtype
    assert x_end.shape == (2, n_x)
    assert x_end.is_complex()
    tolerance = 1e-11 if dtype == torch.float64 else 2e-4
    for k in range(2):
        start = torch.view_as_real(x0[k]).flatten().double().numpy()
        want = G.simulate(u[k].double().numpy(), start)
        np.testing.assert_allclose(y[k].detach().numpy(), want, atol=tolerance)
        end = torch.view_as_real(x_end[k].detach()).flatten().numpy()
        np.testing.assert_allclose(end, G.states(u[k].double().numpy(), start)[-1], atol=tolerance)


@pytest.mark.parametrize("name", CELLS)
def test_streaming(name):
    cell = make(name).double()
    u = torch.randn(1, 30, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    y, end = cell(u)
    first, middle = cell(u[:, :13])
    second, last = cell(u[:, 13:], middle)
    torch.testing.assert_close(torch.cat([first, second], 1), y, atol=1e-12, rtol=0)
    torch.testing.assert_close(last, end, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", BOUNDED_CELLS)
@pytest.mark.parametrize("gamma", [0.1, 1.0, 100.0])
def test_gain_is_well_used_at_the_start(name, gamma):
    for size in SIZES:
        for initial in (time_constants(size[1], shortest=2.0, longest=300.0), ring(size[1], r_min=0.9, r_max=0.999)):
            G = CELLS[name](*size, initial_poles=initial, gamma=gamma).realization()
            lower, upper, _ = G.hinf()
            assert 0.3 * gamma <= lower
            assert upper <= 0.9 * gamma


@pytest.mark.slow
@pytest.mark.parametrize("name", BOUNDED_CELLS)
def test_gain_is_well_used_at_the_start_of_a_large_cell(name):
    generator = torch.Generator().manual_seed(0)
    initial = time_constants(256, shortest=2.0, longest=1000.0, generator=generator)
    G = CELLS[name](64, 256, 64, initial_poles=initial, generator=generator).realization()
    lower, upper, _ = hinf(G, rtol=1e-2)
    assert lower >= 0.3
    assert upper <= 0.9


@pytest.mark.parametrize("name", BOUNDED_CELLS)
def test_learned_gain_is_positive_and_held(name):
    cell = make(name, gamma=3.0, learn_gamma=True)
    assert cell.gamma == pytest.approx(3.0, rel=1e-6)
    cell(torch.randn(1, 5, 2))[0].sum().backward()
    assert torch.isfinite(cell.gain.log_gamma.grad)
    for seed in range(5):
        scramble(cell, 3.0, seed)
        assert cell.gamma > 0
        assert cell.realization().hinf().upper <= cell.gamma


@pytest.mark.parametrize("name", BOUNDED_CELLS)
def test_scheduled_gain(name):
    cell = scramble(make(name, gamma=8.0), 0.5, 0)
    before = cell.realization().hinf()
    cell.gain.prescribe(2.0)
    after = cell.realization().hinf()
    assert cell.gamma == 2.0
    assert after.upper <= 2.0
    assert after.lower < before.lower <= 8.0


@pytest.mark.parametrize("name", BOUNDED_CELLS)
@pytest.mark.parametrize("gamma", [0.0, -1.0, float("nan"), float("inf"), "1"])
def test_gamma_must_be_a_gain(name, gamma):
    with pytest.raises(OptionError, match="gamma"):
        make(name, gamma=gamma)


@pytest.mark.parametrize("name", BOUNDED_CELLS)
def test_fixed_gain_survives_a_change_of_dtype_and_the_state_dict(name):
    cell = make(name, gamma=0.1).float().double().float()
    assert cell.gamma == 0.1
    other = make(name, gamma=7.0)
    other.load_state_dict(cell.state_dict())
    assert other.gamma == 0.1
