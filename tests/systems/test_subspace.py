"""Linear identification: exact systems are found exactly, noise degrades it as statistics say, bad input is named."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal as scipy_signal

from l2ssm.errors import DataError, OptionError
from l2ssm.systems.arx import arx
from l2ssm.systems.state_space import StateSpace
from l2ssm.systems.subspace import RADIUS, stabilised, subspace

SIZES = {"SISO": (1, 1, 2), "2x3": (3, 2, 3), "3x1": (1, 3, 2)}


def system(n_u: int, n_y: int, modes: int, seed: int) -> StateSpace:
    rng = np.random.default_rng(seed)
    lam = rng.uniform(0.5, 0.95, modes) * np.exp(1j * rng.uniform(0.2, 2.5, modes))
    B, C = (rng.standard_normal((*shape, 2)) @ [1, 1j] for shape in ((modes, n_u), (n_y, modes)))
    return StateSpace.from_modes(lam, B, C, rng.standard_normal((n_y, n_u)), dt=0.1)


def records(G: StateSpace, lengths: tuple[int, ...], noise: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    made = []
    for T in lengths:
        u = rng.standard_normal((T, G.n_u))
        y = G.simulate(u, rng.standard_normal(G.n_x))
        made.append((u, y + noise * rng.standard_normal(y.shape)))
    return made


def distance(G: StateSpace, H: StateSpace) -> float:
    """Relative difference of the frequency responses."""
    omega = np.linspace(0, np.pi / G.dt, 200)
    wanted = G.frequency_response(omega)
    return float(np.linalg.norm(H.frequency_response(omega) - wanted) / np.linalg.norm(wanted))


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("seed", range(3))
def test_an_exact_system_is_found_exactly_from_records_of_any_lengths_and_initial_states(size, seed):
    G = system(*size, seed)
    found = subspace(records(G, (300, 180, 260), noise=0.0), G.dt, order=G.n_x)
    assert distance(G, found.G) < 1e-8
    assert found.G.dt == G.dt
    assert np.all(found.rmse < 1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_is_found_and_the_gap_in_the_singular_values_shows_it(seed):
    G = system(2, 2, 2, seed)
    found = subspace(records(G, (1500,), noise=0.02), G.dt, max_order=7)
    assert found.order == 4
    assert found.singular_values[3] > 3 * found.singular_values[4]


def test_white_output_noise_is_the_residual_and_the_error_falls_with_the_record_length():
    G = system(1, 1, 2, 5)
    errors = {}
    for T in (1000, 16000):
        found = subspace(records(G, (T,), noise=0.5), G.dt, order=4)
        errors[T] = distance(G, found.G)
        assert abs(found.rmse[0] / 0.5 - 1) < 0.1
    assert errors[16000] < 0.5 * errors[1000]
    assert errors[16000] < 0.02


def test_initial_states_are_those_of_the_records():
    G = system(1, 2, 2, 1)
    data = records(G, (200, 150), noise=0.0)
    found = subspace(data, G.dt, order=4)
    for (u, y), x0 in zip(data, found.x0, strict=True):
        np.testing.assert_allclose(found.G.simulate(u, x0), y, atol=1e-8)


def test_a_direct_term_alone_needs_no_poles_of_its_own():
    rng = np.random.default_rng(0)
    u = rng.standard_normal((400, 1))
    found = subspace([(u, 3.0 * u)], 1.0, order=1)
    assert distance(StateSpace([[0.0]], [[0.0]], [[0.0]], [[3.0]]), found.G) < 1e-8


def test_unstable_estimates_are_reflected_into_the_disc_and_stable_ones_left_alone():
    A = np.array([[1.25, 0.0], [0.3, 0.5]])
    assert sorted(np.linalg.eigvals(stabilised(A))) == pytest.approx([0.5, 0.8])
    assert np.abs(np.linalg.eigvals(stabilised(np.eye(2)))).max() == pytest.approx(RADIUS)
    stable = np.array([[0.9, 0.3], [-0.3, 0.9]])
    assert stabilised(stable) is stable
    rotation = 1.5 * np.array([[np.cos(1), -np.sin(1)], [np.sin(1), np.cos(1)]])
    assert np.abs(np.linalg.eigvals(stabilised(rotation))) == pytest.approx([1 / 1.5] * 2)


def test_arx_is_exact_without_noise_and_agrees_with_scipy_filters():
    b, a = [0.0, 0.5, 0.2, -0.1], [1.0, -1.2, 0.6]
    rng = np.random.default_rng(0)
    u = rng.standard_normal(300)
    y = scipy_signal.lfilter(b, a, u)
    G = arx([(u, y)], 0.5, n_a=2, n_b=3, delay=1)
    np.testing.assert_allclose(G.simulate(u)[:, 0], y, atol=1e-10)
    v = rng.standard_normal(100)
    np.testing.assert_allclose(G.simulate(v)[:, 0], scipy_signal.lfilter(b, a, v), atol=1e-10)


def test_arx_with_several_channels():
    rng = np.random.default_rng(1)
    A1, A2 = 0.5 * rng.standard_normal((2, 2)), 0.1 * rng.standard_normal((2, 2))
    B0, B1 = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    u, y = rng.standard_normal((200, 3)), np.zeros((200, 2))
    for k in range(200):
        past = [y[k - i] if k >= i else np.zeros(2) for i in (1, 2)]
        y[k] = A1 @ past[0] + A2 @ past[1] + B0 @ u[k] + (B1 @ u[k - 1] if k else 0)
    G = arx([(u, y)], 1.0, n_a=2, n_b=2)
    np.testing.assert_allclose(G.simulate(u), y, atol=1e-8)
    assert G.n_x == 4


def test_a_finite_impulse_response_has_no_feedback():
    rng = np.random.default_rng(2)
    u = rng.standard_normal(100)
    G = arx([(u, np.convolve(u, [1.0, 2.0, 3.0])[:100])], 1.0, n_a=0, n_b=3)
    assert np.abs(G.poles()).max() < 1e-6
    np.testing.assert_allclose(G.simulate(np.eye(5)[0])[:, 0], [1, 2, 3, 0, 0], atol=1e-10)


@pytest.mark.parametrize("identify", [lambda r: subspace(r, 1.0, order=2), lambda r: arx(r, 1.0, n_a=2, n_b=2)])
def test_bad_records_are_named(identify):
    u = np.random.default_rng(0).standard_normal((50, 1))
    with pytest.raises(DataError, match="at least one record"):
        identify([])
    with pytest.raises(DataError, match="record 1"):
        identify([(u, u), (u, u[:-1])])
    with pytest.raises(DataError, match="y of record 0"):
        identify([(u, np.full((50, 1), np.nan))])
    with pytest.raises(DataError, match="u of record 1"):
        identify([(u, u), (np.hstack([u, u]), u)])
    with pytest.raises(DataError, match="samples"):
        identify([(u[:4], u[:4])])


def test_options_out_of_range_are_named():
    u = np.random.default_rng(0).standard_normal((200, 1))
    with pytest.raises(OptionError, match="order"):
        subspace([(u, u)], 1.0, order=9, horizon=4)
    with pytest.raises(OptionError, match="max_order"):
        subspace([(u, u)], 1.0, order=0)
    with pytest.raises(OptionError, match="dt"):
        subspace([(u, u)], -1.0)
    with pytest.raises(OptionError, match="n_b"):
        arx([(u, u)], 1.0, n_a=1, n_b=0)
