"""Slope bounds of the activations, by sampling and by ball arithmetic at the stationary points of the slope."""

from __future__ import annotations

import numpy as np
import pytest
from flint import arb, ctx

from l2ssm.systems.activations import ACTIVATIONS

GRID = np.unique(np.concatenate([np.linspace(-40, 40, 400_001), np.sqrt(2) * np.array([-1, 1])]))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_sampled_slopes_lie_inside_the_bounds_and_reach_them(name: str) -> None:
    sigma = ACTIVATIONS[name]
    slope = sigma.derivative(GRID)
    assert slope.min() >= sigma.slope_min
    assert slope.max() <= sigma.slope_max
    assert slope.min() - sigma.slope_min < 1e-7
    assert sigma.slope_max - slope.max() < 1e-7
    assert sigma.lipschitz == max(-sigma.slope_min, sigma.slope_max)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_difference_quotients_lie_inside_the_bounds(name: str) -> None:
    """What the incremental certificates use: every chord, not only every tangent."""
    sigma = ACTIVATIONS[name]
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-6, 6, (2, 200_000))
    apart = np.abs(a - b) > 1e-3
    chord = (sigma.value(a) - sigma.value(b))[apart] / (a - b)[apart]
    assert chord.min() >= sigma.slope_min - 1e-12
    assert chord.max() <= sigma.slope_max + 1e-12


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_is_the_derivative(name: str) -> None:
    sigma = ACTIVATIONS[name]
    s = np.linspace(-5, 5, 1000)  # no sample at the kink of relu
    h = 1e-6
    central = (sigma.value(s + h) - sigma.value(s - h)) / (2 * h)
    np.testing.assert_allclose(sigma.derivative(s), central, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_zero_is_a_fixed_point_and_large_arguments_are_harmless(name: str) -> None:
    sigma = ACTIVATIONS[name]
    assert sigma.value(np.zeros(1))[0] == 0.0
    far = np.array([-1e100, -1e4, 1e4, 1e100])
    assert np.all(np.isfinite(sigma.value(far)))
    assert np.all(np.isfinite(sigma.derivative(far)))


@pytest.fixture
def _precision():
    before, ctx.prec = ctx.prec, 150
    yield
    ctx.prec = before


@pytest.mark.usefixtures("_precision")
def test_gelu_bounds_are_proved() -> None:
    """(s Phi(s))'' = phi(s) (2 - s^2): the slope is extremal at +-sqrt 2, and tends to 0 and 1 at infinity."""
    root = arb(2).sqrt()
    density = (-root * root / 2).exp() / (2 * arb.pi()).sqrt()
    largest = (1 + (root / arb(2).sqrt()).erf()) / 2 + root * density
    sigma = ACTIVATIONS["gelu"]
    assert largest < arb(sigma.slope_max)
    assert 1 - largest > arb(sigma.slope_min)  # slope(-s) = 1 - slope(s)
    assert float(arb(sigma.slope_max) - largest) < 1e-8


@pytest.mark.usefixtures("_precision")
def test_silu_bounds_are_proved() -> None:
    """(s g(s))'' = g (1 - g) (2 - s tanh(s / 2)): extremal where s tanh(s / 2) = 2, once for s > 0."""
    low, high = arb("2.39"), arb("2.41")
    for _ in range(100):
        middle = ((low + high) / 2).mid()
        if middle * (middle / 2).tanh() < 2:
            low = middle
        else:
            high = middle
    assert low * (low / 2).tanh() < 2
    assert high * (high / 2).tanh() >= 2
    root = low.union(high)
    g = 1 / (1 + (-root).exp())
    largest = g * (1 + root * (1 - g))
    sigma = ACTIVATIONS["silu"]
    assert largest < arb(sigma.slope_max)
    assert 1 - largest > arb(sigma.slope_min)  # slope(-s) = 1 - slope(s)
    assert float(arb(sigma.slope_max) - largest) < 1e-7
