"""Frequency responses against closed forms, linear solves, scipy, python-control and 200-bit arithmetic; the grid."""

from __future__ import annotations

import control
import numpy as np
import pytest
from flint import acb, arb, ctx
from scipy import signal

from l2ssm.errors import OptionError
from l2ssm.systems.frequency import Response, frequency_grid, frequency_response, singular_values
from l2ssm.systems.hinf import hinf
from l2ssm.systems.state_space import StateSpace

SEEDS = [pytest.param(seed, marks=[pytest.mark.slow] if seed >= 10 else []) for seed in range(200)]


def _first_order(a: float, dt: float = 1.0) -> StateSpace:
    return StateSpace([[a]], [[1.0]], [[1.0]], [[0.0]], dt)


def _resonator(modulus: float, angle: float, dt: float = 1.0) -> StateSpace:
    return StateSpace.from_modes([modulus * np.exp(1j * angle)], [[1.0]], [[1.0 + 0.5j]], [[0.1]], dt)


@pytest.mark.parametrize("seed", SEEDS)
def test_against_solve_scipy_and_control(seed: int, modal, dense, solve_response) -> None:
    omega = np.linspace(0.0, np.pi / 0.2, 40)
    for G in (modal(seed, 4, 2, 3, dt=0.2), dense(seed, 40, 2, 3, dt=0.2)):
        H = G.frequency_response(omega)
        assert H.shape == (40, 3, 2)
        size = np.abs(H).max()
        np.testing.assert_allclose(H, solve_response(G, omega), rtol=0, atol=1e-11 * size)
        oracle = control.ss(G.A, G.B, G.C, G.D, G.dt).frequency_response(omega, squeeze=False).complex
        np.testing.assert_allclose(H, oracle.transpose(2, 0, 1), rtol=0, atol=1e-11 * size)
        one = signal.dlti(G.A, G.B[:, :1], G.C[:1], G.D[:1, :1], dt=G.dt)
        _, response = signal.dfreqresp(one, omega * G.dt)
        np.testing.assert_allclose(H[:, 0, 0], response, rtol=0, atol=1e-7 * size)  # scipy goes by coefficients


def test_modal_and_schur_paths_agree(modal) -> None:
    """A similarity transformation hides the modes; the response is the same."""
    G = modal(3, 6, 2, 2)
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 12)))[0]
    hidden = StateSpace(Q @ G.A @ Q.T, Q @ G.B, G.C @ Q.T, G.D)
    assert hidden.modes is None
    omega = np.linspace(0, np.pi, 50)
    np.testing.assert_allclose(hidden.frequency_response(omega), G.frequency_response(omega), rtol=0, atol=1e-11)


def test_many_channels_take_the_batched_path(modal, solve_response, monkeypatch) -> None:
    G = modal(0, 8, 5, 4)
    omega = np.linspace(0, 3, 11)
    want = solve_response(G, omega)
    np.testing.assert_allclose(Response(G)(omega), want, rtol=0, atol=1e-11 * np.abs(want).max())
    monkeypatch.setattr(Response, "_residues_fit", lambda self: False)
    np.testing.assert_allclose(Response(G)(omega), want, rtol=0, atol=1e-11 * np.abs(want).max())


def test_badly_scaled_states_cost_no_accuracy(dense) -> None:
    """x -> S x with S from 1e-8 to 1e8 (powers of two): balancing undoes it."""
    G = dense(5, 12)
    S = np.ldexp(1.0, np.random.default_rng(0).integers(-27, 27, 12))
    scaled = StateSpace(S[:, None] * G.A / S, S[:, None] * G.B, G.C / S, G.D)
    omega = np.linspace(0, np.pi, 30)
    H = G.frequency_response(omega)
    np.testing.assert_allclose(scaled.frequency_response(omega), H, rtol=0, atol=1e-10 * np.abs(H).max())


@pytest.mark.parametrize("exponent", [3, 6, 9, 12, 14])
@pytest.mark.parametrize("offset", [0.0, 1e-3, 1.0, -2.0])
def test_next_to_a_slow_pole_against_ball_arithmetic(exponent: int, offset: float) -> None:
    """Within a few bandwidths of a pole at 1 - 10^-e, where the plain formula has 16 - e digits left."""
    width = 10.0**-exponent
    for G, omega in (
        (_first_order(1 - width), abs(offset) * width),
        (_resonator(1 - width, 0.3), 0.3 + offset * width),
    ):
        assert G.modes is not None
        lam, b, c = G.modes.lam[0], G.modes.B[0, 0], G.modes.C[0, 0]
        before, ctx.prec = ctx.prec, 200
        z = acb(0, omega).exp()
        exact = acb(arb(G.D[0, 0]))
        for l, r in ((lam, c * b), (lam.conjugate(), (c * b).conjugate())):
            factor = acb(r.real, r.imag) / (z - acb(l.real, l.imag))
            exact += factor / 2
        ctx.prec = before
        want = complex(exact.mid())
        got = complex(frequency_response(G, [omega])[0, 0, 0])
        angle_rounding = np.finfo(float).eps * omega / width  # half an ulp of omega, seen through the pole
        assert abs(got - want) <= (1e-13 + 2 * angle_rounding) * abs(want)


def test_delay_chain_is_a_pure_phase() -> None:
    n = 12
    G = StateSpace(np.eye(n, k=-1), np.eye(n)[:, :1], np.eye(n)[-1:], [[0.0]])
    omega = np.linspace(0, np.pi, 25)
    np.testing.assert_allclose(G.frequency_response(omega).ravel(), np.exp(-1j * n * omega), rtol=0, atol=1e-14)


def test_singular_values(modal, solve_response) -> None:
    G = modal(1, 5, 3, 2)
    omega = np.linspace(0.1, 3, 9)
    want = np.linalg.svd(solve_response(G, omega), compute_uv=False)
    assert singular_values(G, omega).shape == (9, 2)
    np.testing.assert_allclose(singular_values(G, omega), want, rtol=1e-10)


def test_scalar_frequency_counts_as_one() -> None:
    assert frequency_response(_first_order(0.5), 0.0).shape == (1, 1, 1)
    assert frequency_response(_first_order(0.5), []).shape == (0, 1, 1)


def test_exactly_on_a_pole_the_response_is_infinite_and_not_nan() -> None:
    integrator = _first_order(1.0)
    H = integrator.frequency_response([0.0, 1.0]).ravel()
    assert H[0].real == np.inf
    assert np.isfinite(H[1])
    # an integrator the input does not reach leaves the rest finite
    G = StateSpace(np.diag([1.0, 0.5]), [[0.0], [1.0]], [[1.0, 1.0]], [[0.0]])
    assert G.frequency_response([0.0])[0, 0, 0] == 2.0
    assert StateSpace([[1.0, 1.0], [0.0, 1.0]], [[0.0], [1.0]], [[1.0, 0.0]], [[0.0]]).frequency_response(
        [0.0]
    ).real == (np.inf)


@pytest.mark.parametrize("omega", [[np.nan], [np.inf], [[0.1, 0.2]]])
def test_wrong_frequencies_are_refused(omega) -> None:
    with pytest.raises(OptionError, match=r"expected \(F,\) finite frequencies in rad/s"):
        frequency_response(_first_order(0.5), omega)


@pytest.mark.parametrize("dt", [1.0, 1e-3, 60.0])
@pytest.mark.parametrize(
    "G",
    [
        _first_order(1 - 1e-9),
        _first_order(-1 + 1e-9),
        _resonator(1 - 1e-7, 1e-3),
        _resonator(1 - 1e-7, 3.1),
        _first_order(0.0),
    ],
    ids=["slow", "nyquist", "slow resonance", "fast resonance", "delay"],
)
def test_grid_covers_the_half_power_band_of_every_pole(G: StateSpace, dt: float) -> None:
    G = StateSpace(G.A, G.B, G.C, G.D, dt)
    grid = frequency_grid(G)
    assert np.all(np.diff(grid) > 0)
    assert grid[0] > 0
    assert grid[-1] == np.pi / dt
    lower, upper, _ = hinf(G)
    gains = singular_values(G, grid)[:, 0]
    assert gains.max() <= upper
    assert gains.max() >= 0.999 * lower
    for pole in G.poles():
        width, angle = 1 - abs(pole), abs(np.angle(pole))
        if angle + width < np.pi:
            band = (np.abs(grid * dt - angle) <= 1.01 * width) & (grid > 0)
            assert band.sum() >= 3


def test_grid_of_a_static_system_and_its_refusal() -> None:
    G = StateSpace(np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), [[2.0]], 0.1)
    grid = frequency_grid(G, points=10)
    assert grid.size == 10
    assert grid[-1] == np.pi / 0.1
    with pytest.raises(OptionError, match="points is 1"):
        frequency_grid(G, points=1)


def test_the_resonance_a_naive_grid_misses() -> None:
    """python-control's own grid steps over this peak by a factor of hundreds; ours shows it to 0.1 %."""
    G = _resonator(1 - 1e-6, 1.2345)
    peak = hinf(G).lower
    assert singular_values(G, frequency_grid(G))[:, 0].max() > 0.999 * peak
    naive = np.geomspace(1e-3, np.pi, 1000)
    assert singular_values(G, naive)[:, 0].max() < peak / 100
