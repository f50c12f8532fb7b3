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


MAPS = {**{name: (name, {}) for name in BOUNDED_CELLS}, "bounded smooth": ("bounded", {"smooth": True})}


def draw(map_, seed, dtype):
    """Scales 0.01 to 100, |lam| up to exp(-1e-6)."""
    name, options = MAPS[map_]
    return draw_cell(name, seed, GAMMA, dtype, **options)


def check(map_, seed, dtype):
    cell = draw(map_, seed, dtype)
    sum(v.abs().square().sum() for v in cell.system()).backward()
    assert all(torch.isfinite(p.grad).all() for p in cell.parameters())
    assert hinf(cell.realization(), rtol=1e-10).upper <= GAMMA


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("map_", MAPS)
def test_random_parameters(map_, dtype):
    for seed in range(24):
        check(map_, seed, dtype)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("map_", MAPS)
def test_a_thousand_random_parameters(map_, dtype):
    for seed in range(1000):
        check(map_, seed, dtype)


@pytest.mark.parametrize("name", BOUNDED_CELLS)
def test_draws_of_every_scale_come_next_to_the_circle(name):
    """|lam| above 1 - 1e-4, with the parameters of the two smallest scales: larger ones make the map move the poles."""
    for scale in range(2):
        moduli = [np.abs(draw(name, seed, torch.float64).realization().poles()).max() for seed in range(scale, 60, 6)]
        assert max(moduli) > 1 - 1e-4


@pytest.mark.parametrize("map_", MAPS)
@pytest.mark.parametrize("extreme", [0.0, 1e-30, 1e4, -1e4])
def test_equal_parameters(map_, extreme):
    cell = draw(map_, 0, torch.float64)
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
