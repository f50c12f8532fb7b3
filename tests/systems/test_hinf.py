"""The H-infinity bracket: closed forms, brute force, every trap of the python-control functions, refusals, no NaN."""

from __future__ import annotations

from fractions import Fraction

import control
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from l2ssm.errors import OptionError
from l2ssm.systems.hinf import HinfBracket, hinf
from l2ssm.systems.state_space import StateSpace
from l2ssm.systems.structured_bound import structured_bound


def _first_order(a: float, b: float = 1.0, dt: float = 1.0) -> StateSpace:
    return StateSpace([[a]], [[b]], [[1.0]], [[0.0]], dt)


def _contains(bracket: HinfBracket, exact: Fraction | float, width: float = 1.1e-6) -> None:
    lower, upper, _ = bracket
    assert Fraction(lower) <= Fraction(exact) <= Fraction(upper)
    assert upper <= lower * (1 + width)


def _rotated(G: StateSpace, seed: int = 0) -> StateSpace:
    """The same system with a full A."""
    Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(G.n_x, G.n_x)))[0]
    return StateSpace(Q @ G.A @ Q.T, Q @ G.B, G.C @ Q.T, G.D, G.dt)


# ---------------------------------------------------------------- closed forms


@pytest.mark.parametrize("a", [0.0, 0.5, -0.5, 0.99999, 1 - 1e-6, 1 - 1e-9, -1 + 1e-9, 1 - 1e-12, 1 - 2.0**-53])
@pytest.mark.parametrize("b", [1.0, -3.0, 1e-120])
def test_first_order_is_b_over_one_minus_modulus(a: float, b: float) -> None:
    bracket = hinf(_first_order(a, b, dt=0.1))
    _contains(bracket, abs(Fraction(b)) / (1 - abs(Fraction(a))))
    if a:
        assert bracket.omega_peak == pytest.approx(0.0 if a > 0 else np.pi / 0.1, abs=1e-3 * (1 - abs(a)) / 0.1)


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_delay_chains_have_gain_one(n: int) -> None:
    A, B, C = np.eye(n, k=-1), np.eye(n)[:, :1], np.eye(n)[-1:]
    _contains(hinf(StateSpace(A, B, C, [[0.0]])), 1)
    # all taps summed: 1 + z^-1 + ... has its maximum n + 1 at zero frequency
    _contains(hinf(StateSpace(A, B, np.ones((1, n)), [[1.0]])), n + 1)
    # and a vector of all taps: sqrt(n) at every frequency
    lower, upper, _ = hinf(StateSpace(A, B, np.eye(n), np.zeros((n, 1))))
    assert lower <= np.sqrt(n) <= upper <= lower * (1 + 1.1e-6)


def test_jordan_block_of_poles() -> None:
    """1 / (z - 0.9)^8 at z = 1 is 10^8; A is defective."""
    J = 0.9 * np.eye(8) + np.eye(8, k=1)
    want = 1 / (1 - Fraction(0.9)) ** 8
    _contains(hinf(StateSpace(J, np.eye(8)[:, -1:], np.eye(8)[:1], [[0.0]])), want, width=1e-5)
    _contains(hinf(StateSpace(J.T, np.eye(8)[:, :1], np.eye(8)[-1:], [[0.0]])), want, width=1e-5)


@pytest.mark.parametrize("exponent", [3, 7, 10, 14])
@pytest.mark.parametrize("angle", [1e-3, 0.7, np.pi / 2, 3.1])
def test_one_resonant_pair(exponent: int, angle: float) -> None:
    """Of x+ = lam x + u, y = x (two real outputs) the gain is the operator norm of (z - lam)^-1: 1 / (1 - |lam|)."""
    lam = (1 - 10.0**-exponent) * np.exp(1j * angle)
    G = StateSpace([[lam.real, -lam.imag], [lam.imag, lam.real]], np.eye(2), np.eye(2), np.zeros((2, 2)))
    modulus_squared = Fraction(lam.real) ** 2 + Fraction(lam.imag) ** 2
    exact = (1 + float(modulus_squared) ** 0.5) / float(1 - modulus_squared)
    lower, upper, omega = hinf(G)
    assert lower <= exact * (1 + 1e-15)
    assert exact <= upper * (1 + 1e-15)
    assert upper <= lower * (1 + 1.1e-6)
    assert omega == pytest.approx(np.angle(lam), abs=10.0**-exponent)


def test_poles_next_to_both_ends_and_on_the_flanks() -> None:
    """1 - 1e-9, -1 + 1e-9 and a pair at 1 - 1e-7 in one system: the exact value at z = 1 dominates."""
    g = 1e-9
    lam = np.array([1 - g, -1 + g, (1 - 1e-7) * np.exp(1j)])
    G = StateSpace.from_modes(lam, np.ones((3, 1)), np.array([[1.0, 0.5, 0.01]]), [[2.0]])
    want = 1 / (1 - Fraction(1 - g)) + Fraction(1, 2) / (1 + Fraction(1 - g)) + 2
    want += Fraction(float((0.01 / (1 - lam[2])).real))
    _contains(hinf(G), want)


def test_all_pass_has_gain_one_everywhere() -> None:
    a = 0.5
    s = np.sqrt(1 - a * a)
    _contains(hinf(StateSpace([[a]], [[s]], [[s]], [[-a]])), 1)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (2, 5)])
def test_static_systems(shape: tuple[int, int]) -> None:
    D = np.random.default_rng(0).normal(size=shape)
    G = StateSpace(np.zeros((0, 0)), np.zeros((0, shape[1])), np.zeros((shape[0], 0)), D)
    lower, upper, _ = hinf(G)
    assert lower <= np.linalg.norm(D, 2) <= upper <= lower * (1 + 1e-13)


@pytest.mark.parametrize(
    "G",
    [
        StateSpace([[0.5]], [[0.0]], [[1.0]], [[0.0]]),
        StateSpace([[0.5]], [[1.0]], [[0.0]], [[0.0]]),
        StateSpace(np.diag([0.5, 0.6]), [[1.0], [0.0]], [[0.0, 1.0]], [[0.0]]),
        StateSpace([[0.5, 0.0], [0.1, 0.3]], [[0.0], [1.0]], [[1.0, 0.0]], [[0.0]]),
        StateSpace(np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), [[0.0]]),
        StateSpace([[0.5]], np.zeros((1, 0)), [[1.0]], np.zeros((1, 0))),
    ],
    ids=["B = 0", "C = 0", "unreachable modes", "unreachable states", "static", "no input"],
)
def test_zero_systems(G: StateSpace) -> None:
    lower, upper, omega = hinf(G)
    assert lower == 0.0
    assert 0.0 <= upper < 1e-13
    assert np.isfinite(omega)


# ---------------------------------------------------------------- random systems


def _brute_force(G: StateSpace, solve_response) -> float:
    poles = np.linalg.eigvals(G.A)
    band = np.angle(poles)[:, None] + (1 - np.abs(poles))[:, None] * np.linspace(-4, 4, 81)
    omega = np.unique(np.abs(np.concatenate([np.linspace(0, np.pi, 800), band.ravel()])))
    return float(np.linalg.norm(solve_response(G, omega[omega <= np.pi] / G.dt), 2, axis=(1, 2)).max())


@pytest.mark.parametrize("seed", range(60))
def test_brackets_of_random_systems(seed: int, modal, dense, solve_response) -> None:
    """Brute force is below upper, and lower is attained at omega_peak, both by plain linear solves."""
    rng = np.random.default_rng(seed)
    n, n_u, n_y, gap = int(rng.integers(1, 9)), *map(int, rng.integers(1, 5, 2)), 10 ** rng.uniform(-4, -1)
    G = [
        lambda: modal(seed, n, n_u, n_y, gap, dt=0.3),
        lambda: dense(seed, n, n_u, n_y, 1 - gap, dt=0.3),
        lambda: _rotated(modal(seed, n, n_u, n_y, gap, dt=0.3)),
    ][seed % 3]()
    lower, upper, omega = hinf(G)
    assert upper <= lower * (1 + 1.2e-6)
    assert _brute_force(G, solve_response) <= upper * (1 + 1e-10)
    assert 0 <= omega <= np.pi / G.dt
    attained = np.linalg.norm(solve_response(G, np.array([omega]))[0], 2)
    assert attained >= lower * (1 - 1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200))
def test_brackets_of_two_hundred_random_systems(seed: int, modal, dense, solve_response) -> None:
    """Up to 128 states, poles up to 1 - 1e-6, non-square."""
    rng = np.random.default_rng(1000 + seed)
    n = int(rng.choice([2, 4, 8, 16, 32, 64]))
    n_u, n_y, gap = *map(int, rng.integers(1, 5, 2)), 10 ** rng.uniform(-6, -1)
    G = modal(seed, n, n_u, n_y, gap) if seed % 2 else dense(seed, 2 * n, n_u, n_y, 1 - gap)
    lower, upper, omega = hinf(G)
    assert upper <= lower * (1 + (1.1e-6 if G.modes is not None else 1e-4))
    attained = np.linalg.norm(G.frequency_response([omega])[0], 2)
    assert attained >= lower * (1 - 1e-9)
    step = _brute_force(G, solve_response) if n <= 16 else attained
    assert step <= upper * (1 + 1e-9 + 1e-15 / gap)
    if G.modes is not None:
        assert structured_bound(G.modes, lower, 1e-3) <= lower * (1 + 1.001e-3)


@pytest.mark.parametrize("seed", range(6))
def test_similarity_time_scale_and_transposition_do_not_matter(seed: int, modal) -> None:
    G = modal(seed, 5, 2, 3, 1e-3)
    first = hinf(G)
    for same in (_rotated(G), G.transposed, StateSpace(G.A, G.B, G.C, G.D, 0.01)):
        other = hinf(same)
        assert other.lower <= first.upper
        assert first.lower <= other.upper
    assert hinf(StateSpace(G.A, G.B, G.C, G.D, 0.01)).omega_peak == pytest.approx(100 * first.omega_peak, rel=1e-6)


def test_against_slycot(modal) -> None:
    pytest.importorskip("slycot", reason="python-control's linfnorm needs slycot (ab13dd), which is not installed")
    for seed in range(20):
        G = modal(seed, 8, 2, 3, 1e-4)
        want, _ = control.linfnorm(control.ss(G.A, G.B, G.C, G.D, 1.0))
        lower, upper, _ = hinf(G)
        assert lower * (1 - 1e-9) <= want <= upper * (1 + 1e-9)


# ---------------------------------------------------------------- python-control's traps


def test_non_square_systems_have_a_norm() -> None:
    """control.system_norm(p='inf') raises on these without slycot."""
    G = StateSpace([[0.5]], [[3.0, 4.0]], [[1.0]], [[0.0, 0.0]])
    _contains(hinf(G), 10)  # |[3 4]| / (1 - 0.5)
    _contains(hinf(G.transposed), 10)


@pytest.mark.parametrize(
    "A", [[[1.5]], [[-1.5]], [[1.0]], [[-1.0]], [[0.6, -0.8], [0.8, 0.6]], [[0.9, 1.0], [0.5, 0.9]]]
)
def test_unstable_and_marginal_systems_have_no_norm_and_the_pole_is_named(A: list) -> None:
    """control.system_norm(p='inf') returns a finite number for unstable systems."""
    n = len(A)
    G = StateSpace(A, np.ones((n, 1)), np.ones((1, n)), [[0.0]], dt=0.5)
    lower, upper, omega = bracket = hinf(G)
    assert (lower, upper) == (np.inf, np.inf)
    worst = max(np.linalg.eigvals(np.array(A)), key=abs)
    assert omega == pytest.approx(abs(np.angle(worst)) / 0.5)
    assert "pole" in bracket.reason
    assert f"{abs(worst):.3g}"[:3] in bracket.reason


def test_a_stable_pole_at_0_99999_has_a_finite_norm() -> None:
    """control.system_norm(p='inf') returns inf here."""
    _contains(hinf(_first_order(0.99999)), 1 / (1 - Fraction(0.99999)))


def test_a_complex_matrix_is_refused_and_its_modes_are_right() -> None:
    """control.ss keeps only the real part of a complex A: another system."""
    lam = 0.9 * np.exp(0.5j)
    with pytest.raises(ValueError, match="A is complex"):
        StateSpace([[lam]], [[1.0]], [[1.0]], [[0.0]])  # type: ignore[list-item]
    G = StateSpace.from_modes([lam], [[1.0]], [[1.0]], [[0.0]])
    z = np.exp(1j * 0.5)
    want = 0.5 * (1 / (z - lam) + 1 / (z - np.conj(lam)))
    assert hinf(G).upper >= abs(want)
    assert G.poles().tolist() == [lam, np.conj(lam)]


# ---------------------------------------------------------------- never raises, never NaN


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_finite_matrices_give_an_ordered_bracket(data: st.DataObject) -> None:
    n, n_u, n_y = (data.draw(st.integers(low, 3)) for low in (0, 0, 0))
    numbers = st.floats(allow_nan=False, allow_infinity=False) | st.floats(-1, 1) | st.sampled_from([0.0, 0.5, 1.0])
    A, B, C, D = (data.draw(arrays(np.float64, s, elements=numbers)) for s in ((n, n), (n, n_u), (n_y, n), (n_y, n_u)))
    lower, upper, omega = bracket = hinf(StateSpace(A, B, C, D))
    assert 0 <= lower <= upper
    assert np.isfinite(omega)
    if upper == np.inf:
        assert bracket.reason


def test_products_beyond_the_range_of_doubles_give_inf_with_a_reason() -> None:
    bracket = hinf(StateSpace([[0.5]], [[1e200]], [[1e200]], [[0.0]]))
    assert bracket.upper == np.inf
    assert "double precision" in bracket.reason
    tiny = hinf(StateSpace([[0.5]], [[1e-200]], [[1e-200]], [[0.0]]))
    assert tiny.lower == 0.0 < tiny.upper < 1e-300


@pytest.mark.parametrize("rtol", [0.0, -1e-6, np.nan, np.inf])
def test_rtol_must_make_sense(rtol: float) -> None:
    with pytest.raises(OptionError, match="rtol is"):
        hinf(_first_order(0.5), rtol)


def test_tighter_and_looser_tolerances(modal) -> None:
    G = modal(0, 4, 2, 2)
    for rtol in (1e-2, 1e-4, 1e-9):
        lower, upper, _ = hinf(G, rtol)
        assert upper / lower - 1 == pytest.approx(rtol, rel=1e-2)
