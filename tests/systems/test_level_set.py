"""The two upper ends of the H-infinity bracket by themselves: the level-set test and the structured bound."""

from __future__ import annotations

import time

import numpy as np
import pytest

from l2ssm.systems import hinf as module
from l2ssm.systems.frequency import Response, frequency_grid, singular_values
from l2ssm.systems.hinf import hinf
from l2ssm.systems.level_set import crossing_angles
from l2ssm.systems.state_space import StateSpace
from l2ssm.systems.structured_bound import structured_bound


@pytest.mark.parametrize("seed", range(20))
def test_level_set_climbs_from_a_peak_the_search_never_saw(seed: int, modal, dense) -> None:
    """Started at an arbitrary frequency instead of the found maximum, it ends at the same norm."""
    G = modal(seed, 6, 2, 2, 1e-4) if seed % 2 else dense(seed, 9, 2, 3, 0.999)
    response = Response(G)
    grid = (np.array([0.0, 0.3, 2.0]), np.zeros(3))
    gains = np.linalg.norm(response(*grid), 2, axis=(1, 2))
    start = module._Peak(float(gains[1]), 0.3, 0.0)
    peak, upper, _ = module._level_sets(G, response, start, 1e-6, (*grid, gains), 0.0)
    want = hinf(G)
    assert peak.gain == pytest.approx(want.lower, rel=2e-6)
    assert want.lower <= upper * (1 + 1e-9)
    assert upper <= want.lower * (1 + 4e-6)


def test_level_set_needs_no_luck_at_the_crossings() -> None:
    """One resonance, 60 starting levels: at the two crossings the gain is the level up to a rounding of either sign."""
    lam = (1 - 1e-5) * np.exp(0.9j)
    G = StateSpace([[lam.real, -lam.imag], [lam.imag, lam.real]], np.eye(2), np.eye(2), np.zeros((2, 2)))
    response = Response(G)
    grid = (np.array([0.0, 2.5]), np.zeros(2))
    gains = np.linalg.norm(response(*grid), 2, axis=(1, 2))
    for level in np.geomspace(10.0, 9e4, 60):
        start = module._Peak(float(level), 0.0, 0.0)
        peak, _, _ = module._level_sets(G, response, start, 1e-6, (*grid, gains), 0.0)
        assert peak.gain == pytest.approx(1e5, rel=2e-6)


@pytest.mark.parametrize("a", [0.5, -0.5, 1 - 1e-6])
@pytest.mark.parametrize("share", [0.3, 0.9, 1 - 1e-6])
@pytest.mark.parametrize("infinity", [-1.0 + 0j, 1.0 + 0j, 1j])
def test_crossings_of_a_first_order_system(a: float, share: float, infinity: complex) -> None:
    """|e^{j theta} - a| = 1 / gamma, i.e. 2 |a| (1 - cos t) = 1 / gamma^2 - (1 - |a|)^2 with t from the peak."""
    gamma = share / (1 - abs(a))
    G = StateSpace([[a]], [[1.0]], [[1.0]], [[0.0]])
    if abs(infinity - a) < 1e-3 or gamma <= 1 / abs(infinity - a):
        return
    half = 1 / gamma**2 - (1 - abs(a)) ** 2
    t = 2 * np.arcsin(min(np.sqrt(half / abs(a)) / 2, 1.0))
    angles = crossing_angles(G, gamma, infinity)
    distance = np.abs(angles - (t if a > 0 else np.pi - t)).min()
    noise = 20 * np.finfo(float).eps * (1 - abs(a)) / t  # of t^2, in eigenvalues as large as 1, seen in t
    assert distance <= 1e-8 * t + noise + 4e-16


def test_the_point_sent_to_infinity_is_away_from_poles_and_peaks() -> None:
    g = 1e-9
    for lam, real in (([1 - g, 0.2], True), ([-1 + g, 0.2], True), ([1 - g, -1 + g], False)):
        G = StateSpace(np.diag(lam), np.ones((2, 1)), np.ones((1, 2)), [[0.0]])
        response = Response(G)
        grid = module._grid(response)
        gains = module._gain(response, *grid)
        point = module._infinity(response, (*grid, gains), gains.max())
        assert abs(point) == pytest.approx(1.0)
        assert (point.imag == 0) is real
        assert np.abs(point - np.array(lam)).min() > 0.3
        assert np.abs(response(np.angle(point))).max() < 0.1 * gains.max()


@pytest.mark.parametrize("seed", range(10))
def test_structured_bound_is_never_below_and_gets_within_its_room(seed: int, modal, solve_response) -> None:
    G = modal(seed, 6, 2, 3, 10.0 ** -(seed % 5 + 1))
    assert G.modes is not None
    lower = hinf(G).lower
    bound = structured_bound(G.modes, lower, 1e-3)
    assert lower <= bound <= lower * (1 + 1.001e-3)
    assert structured_bound(G.modes, 0.9 * lower, 1e-3) >= lower  # asked too low, still an upper bound
    assert structured_bound(G.modes, 3 * lower, 0.1) >= lower


def test_structured_bound_with_a_dominating_feedthrough() -> None:
    """Here the plain fixed point oscillates; shorter steps find the bound."""
    G = StateSpace([[0.59]], [[1.7, -1.2, -1.7]], [[0.54]], [[-9.5, -1.3, 4.9]])
    assert G.modes is not None
    lower = hinf(G).lower
    assert lower <= structured_bound(G.modes, lower, 1e-3) <= lower * (1 + 1.001e-3)


def test_large_modal_systems_use_the_structured_bound(modal) -> None:
    G = modal(0, 150, 2, 2, 1e-4)
    start = time.perf_counter()
    lower, upper, _ = bracket = hinf(G)
    assert time.perf_counter() - start < 30
    assert "structured bound" in bracket.reason
    assert lower < upper <= lower * (1 + 2e-3)
    assert singular_values(G, frequency_grid(G)).max() <= upper
