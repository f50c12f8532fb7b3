"""The theorem: no parameter value gives a gain above gamma, an exception or a gradient that is not finite."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from l2ssm.cells import BOUNDED_CELLS, Bounded
from l2ssm.identification.validate import draw_cell
from l2ssm.systems.hinf import hinf
from l2ssm.systems.state_space import StateSpace

GAMMA = 1.5


def draw(name, seed, dtype):
    """Scales 0.01 to 100, |lam| up to exp(-1e-6); the bounded cell with both of its scalings."""
    options = {"smooth": (seed // 24) % 2 == 0} if name == "bounded" else {}
    return draw_cell(name, seed, GAMMA, dtype, **options)


def check(name, seed, dtype):
    cell = draw(name, seed, dtype)
    sum(v.abs().square().sum() for v in cell.system()).backward()
    assert all(torch.isfinite(p.grad).all() for p in cell.parameters())
    assert hinf(cell.realization(), rtol=1e-10).upper <= GAMMA


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", BOUNDED_CELLS)
def test_random_parameters(name, dtype):
    for seed in range(24):
        check(name, seed, dtype)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", BOUNDED_CELLS)
def test_a_thousand_random_parameters(name, dtype):
    for seed in range(1000):
        check(name, seed, dtype)


@pytest.mark.parametrize("name", BOUNDED_CELLS)
@pytest.mark.parametrize("extreme", [0.0, 1e-30, 1e4, -1e4])
def test_equal_parameters(name, extreme):
    cell = draw(name, 0, torch.float64)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.fill_(extreme)
    sum(v.abs().square().sum() for v in cell.system()).backward()
    assert all(torch.isfinite(p.grad).all() for p in cell.parameters())
    assert hinf(cell.realization(), rtol=1e-10).upper <= GAMMA


@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-5])
def test_float32_at_the_bound_with_slow_poles(gap):
    """Rounding such a system afterwards moves its gain by up to 1e-7 / gap; rounding inside the map does not."""
    rng = np.random.default_rng(0)
    for _ in range(4):
        lam = (1 - gap * rng.uniform(1, 20, 5)) * np.exp(1j * rng.uniform(0, 0.5, 5))
        s = np.sqrt(1 - np.abs(lam) ** 2)
        B, C = (rng.standard_normal((*shape, 2)) @ [1, 1j] for shape in ((5, 2), (2, 5)))
        G = StateSpace.from_modes(lam, s[:, None] * B, C * s, rng.standard_normal((2, 2)))
        gamma = G.hinf().upper * (1 + 1e-5)
        cell = Bounded.from_state_space(G, gamma).float()
        assert hinf(cell.realization(), rtol=1e-10).upper <= gamma
