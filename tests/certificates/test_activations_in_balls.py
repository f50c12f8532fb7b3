"""The slope intervals of `ACTIVATIONS`, on which proofs rest, are upper bounds: proved by subdivision in balls."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import flint
import pytest

from l2ssm.certificates.balls import BALL
from l2ssm.systems.activations import ACTIVATIONS, CUBIC


def gelu_slope(s: Any) -> Any:
    """Phi(s) + s phi(s)."""
    return (-s / flint.arb(2.0).sqrt()).erfc() / 2 + s * (-s * s / 2).exp() / (2 * flint.arb.pi()).sqrt()


def silu_slope(s: Any) -> Any:
    """g (1 + s (1 - g)) with g = 1 / (1 + exp(-s))."""
    g = 1 / (1 + (-s).exp())
    return g * (1 + s * (1 - g))


def gelu_tanh_slope(s: Any) -> Any:
    """g + 2 s z' g (1 - g) with z = sqrt(2 / pi) (s + 0.044715 s^3) and g = 1 / (1 + exp(-2 z))."""
    root, cubic = (2 / flint.arb.pi()).sqrt(), flint.arb(CUBIC)
    g = 1 / (1 + (-2 * root * (s + cubic * s**3)).exp())
    return g + 2 * s * root * (1 + 3 * cubic * s * s) * g * (1 - g)


def interval(a: float, b: float) -> Any:
    """The ball around [a, b]."""
    return flint.arb((a + b) / 2, (b - a) / 2)


def bounded(slope: Callable, low: float, high: float, a: float, b: float, depth: int = 40) -> bool:
    """low <= slope(s) <= high for all s in [a, b], by bisection until the balls are narrow enough."""
    value = slope(interval(a, b))
    if value >= flint.arb(low) and value <= flint.arb(high):
        return True
    if depth == 0:
        return False
    middle = (a + b) / 2
    return bounded(slope, low, high, a, middle, depth - 1) and bounded(slope, low, high, middle, b, depth - 1)


SLOPES = {"gelu": gelu_slope, "silu": silu_slope, "gelu_tanh": gelu_tanh_slope}


@pytest.mark.parametrize("name", sorted(SLOPES))
def test_slopes_on_the_whole_line(name):
    """On [-60, 60] by subdivision; beyond, sigma'(s) + sigma'(-s) = 1 and |s| e^{-|s|} (GELU: less) decides."""
    sigma, slope = ACTIVATIONS[name], SLOPES[name]
    with BALL.session():
        assert bounded(slope, sigma.slope_min, sigma.slope_max, -60.0, 60.0)
    tail = 61 * math.exp(-60)  # |sigma'(s)| for s < -60, decreasing further out
    assert tail < 1e-20
    assert sigma.slope_min < -tail
    assert sigma.slope_max > 1 + tail


@pytest.mark.parametrize("name", sorted(SLOPES))
def test_a_slope_bound_that_is_too_small_is_not_provable(name):
    sigma, slope = ACTIVATIONS[name], SLOPES[name]
    with BALL.session():
        assert not bounded(slope, sigma.slope_min, sigma.slope_max - 1e-7, 0.0, 4.0)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_lipschitz_constant_and_signs(name):
    sigma = ACTIVATIONS[name]
    assert sigma.slope_min <= 0 <= 1 <= sigma.slope_max
    assert sigma.lipschitz == max(-sigma.slope_min, sigma.slope_max)
    if name not in SLOPES:  # tanh' = 1 - tanh^2 and the step: within [0, 1]
        assert (sigma.slope_min, sigma.slope_max) == (0.0, 1.0)
