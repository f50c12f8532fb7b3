"""Residual tests: the false-alarm rate of coloured signals by Monte Carlo, the power, and the words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.signal import lfilter

from l2ssm.analysis.correlation import centred, covariance, cross_correlation, squared, whiteness
from l2ssm.analysis.residuals import residuals
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import DataError, OptionError
from l2ssm.systems.state_space import StateSpace

from .systems_under_test import random_modes

Array = NDArray[np.float64]
Make = Callable[[int, np.random.Generator], Array]


def ar(pole: float) -> Make:
    """A stationary first-order autoregression."""
    return lambda T, rng: lfilter([1.0], [1.0, -pole], rng.standard_normal(T + 500))[500:]


def multisine(T: int, rng: np.random.Generator) -> Array:
    """30 lines of a period of 200 samples, random phases."""
    k = np.arange(1, 31)
    return np.cos(2 * np.pi * np.outer(np.arange(T), k) / 200 + rng.uniform(0, 2 * np.pi, k.size)).sum(axis=1)


def prbs(T: int, rng: np.random.Generator) -> Array:
    """Random levels held for ten samples."""
    return np.repeat(rng.choice([-1.0, 1.0], T // 10 + 1), 10)[:T]


def _false_alarms(u: Make, e: Make, T: int, records: int, runs: int, seed: int) -> tuple[int, int]:
    """(alarms of our band, alarms of the naive band that is right for white signals) in so many independent runs."""
    rng = np.random.default_rng(seed)
    ours = naive = 0
    naive_band = stats.norm.isf(0.005 / 26) / np.sqrt(T * records)
    for _ in range(runs):
        result = cross_correlation(
            centred([u(T, rng) for _ in range(records)]), centred([e(T, rng) for _ in range(records)]), 25, 0.01
        )
        ours += int(np.max(np.abs(result.rho)) > result.band)
        naive += int(np.max(np.abs(result.rho)) > naive_band)
    return ours, naive


def square_of(make: Make) -> Make:
    """What the test of the square of an input looks at."""
    return lambda T, rng: squared(centred([make(T, rng)]))[0]


CASES = {
    "white": (ar(0.0), ar(0.0), 1000, 1),
    "coloured": (ar(0.95), ar(0.95), 1000, 1),
    "multisine": (multisine, ar(0.9), 1000, 1),
    "prbs, four records": (prbs, ar(0.9), 300, 4),
    "square of a coloured one": (square_of(ar(0.9)), ar(0.9), 1000, 1),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_independent_signals_rarely_leave_the_band(case: tuple[Make, Make, int, int]) -> None:
    runs = 120
    ours, naive = _false_alarms(*case, runs=runs, seed=11)
    assert ours <= stats.binom.isf(1e-3, runs, 0.01)  # nominal 1 %: more than this has probability 0.1 %
    if case[1] is not CASES["white"][1]:
        assert naive > 0.1 * runs  # the reason for all this: the naive band alarms in 30 to 80 % of these runs


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_false_alarm_rate_is_the_nominal_one(case: tuple[Make, Make, int, int]) -> None:
    runs = 2000
    ours, _ = _false_alarms(*case, runs=runs, seed=5)
    assert 0.005 * runs <= ours <= 0.02 * runs


@pytest.mark.parametrize("varying", [False, True], ids=["constant variance", "changing variance"])
def test_white_noise_is_called_white(varying: bool) -> None:
    rng = np.random.default_rng(2)
    runs, alarms = 1500, 0
    gain = 1 + 0.9 * np.sin(np.arange(500) / 30) * varying
    for _ in range(runs):
        rho, band = whiteness(centred([gain * rng.standard_normal(500)]), 25, 0.01)
        alarms += int(np.any(np.abs(rho[1:]) > band[1:]))
    assert 0.002 * runs <= alarms <= 0.02 * runs


def test_covariance_is_the_sum_of_its_definition_over_all_records() -> None:
    rng = np.random.default_rng(4)
    u, e = [rng.standard_normal(T) for T in (30, 7)], [rng.standard_normal(T) for T in (30, 7)]
    expected = [sum(a[: len(a) - k] @ b[k:] for a, b in zip(u, e, strict=True) if k < len(a)) / 37 for k in range(12)]
    np.testing.assert_allclose(covariance(u, e, 11), expected, atol=1e-14)


def test_white_signals_get_the_familiar_variance() -> None:
    rng = np.random.default_rng(6)
    result = cross_correlation(centred([rng.standard_normal(20000)]), centred([rng.standard_normal(20000)]), 25, 0.01)
    expected = stats.norm.isf(0.5 * -np.expm1(np.log1p(-0.01) / 26)) / np.sqrt(20000)
    assert result.band == pytest.approx(expected, rel=0.03)
    assert result.effective == pytest.approx(20000, rel=0.05)


def test_two_first_order_signals_have_the_closed_form_sample_size() -> None:
    a, b, T = 0.9, 0.8, 200000
    rng = np.random.default_rng(7)
    result = cross_correlation(centred([ar(a)(T, rng)]), centred([ar(b)(T, rng)]), 5, 0.01)
    assert result.effective == pytest.approx(T * (1 - a * b) / (1 + a * b), rel=0.1)


@pytest.mark.slow
def test_the_whole_verdict_on_the_input_alarms_at_the_nominal_rate() -> None:
    """Two inputs, two outputs, linear and square tests together: the bound of Bonferroni costs little."""
    G, runs, alarms = random_modes(3, 2, 2, 0.1), 400, 0
    for seed in range(runs):
        alarms += residuals(G, _experiment(G, seed, 800, colour=0.9)).independent is False
    assert 1 <= alarms <= stats.binom.isf(1e-3, runs, 0.01)


def _experiment(G: StateSpace, seed: int = 0, T: int = 1500, noise: float = 0.1, colour: float = 0.0) -> Record:
    rng = np.random.default_rng(seed)
    u = np.column_stack([ar(0.8)(T, rng) for _ in range(G.n_u)])
    v = np.column_stack([ar(colour)(T, rng) for _ in range(G.n_y)])
    return Record(u, G.simulate(u) + noise * v, G.dt)


def test_the_true_system_with_white_noise_passes_both_tests() -> None:
    G = random_modes(3, 2, 2, 0.1)
    result = residuals(G, _experiment(G))
    assert result.independent is True
    assert result.white
    assert result.verdict == (
        "No dependence of the residual on the input or its square at 99 % confidence: no missing dynamics found."
        " The residual is white."
    )


def test_coloured_noise_is_not_mistaken_for_missing_dynamics() -> None:
    G = random_modes(3, 1, 1, 0.1)
    result = residuals(G, _experiment(G, colour=0.95))
    assert result.independent is True
    assert not result.white
    assert "not white" in result.verdict


def test_missing_dynamics_are_found_and_named() -> None:
    G = random_modes(3, 2, 2, 0.1, input_names=("valve", "pump"), output_names=("h1", "h2"))
    D = G.D.copy()
    D[1, 0] += 0.2
    wrong = StateSpace(G.A, G.B, G.C, D, G.dt)
    rng = np.random.default_rng(1)
    u = rng.standard_normal((1500, 2))
    y = G.simulate(u) + 0.1 * rng.standard_normal((1500, 2))
    result = residuals(wrong, Record(u, y, 0.1, input_names=("valve", "pump"), output_names=("h1", "h2")))
    assert result.independent is False
    assert result.dependent == [(1, 0)]
    assert "residual of h2 depends on valve" in result.verdict
    assert "lag 0" in result.verdict


def test_a_missing_even_nonlinearity_is_found_by_the_square_alone() -> None:
    G = StateSpace([[0.6]], [[1.0]], [[1.0]], [[0.0]], 0.1)
    rng = np.random.default_rng(3)
    u = np.column_stack([ar(0.5)(3000, rng), rng.choice([-1.0, 1.0], 3000)])
    both = StateSpace(np.diag([0.6, 0.3]), np.eye(2), np.ones((1, 2)), np.zeros((1, 2)), 0.1)
    y = both.simulate(u) + 0.1 * G.simulate(u[:, :1] ** 2) + 0.2 * rng.standard_normal((3000, 1))
    result = residuals(both, Record(u, y, 0.1, input_names=("valve", "switch")))
    assert result.independent is False
    assert (result.dependent, result.nonlinear) == ([], [(0, 0)])
    assert "depends on the square of valve" in result.verdict
    assert "even nonlinearity" in result.verdict
    assert np.all(np.isnan(result.square[0, 1]))  # two levels: the square says nothing new


def test_slow_signals_that_carry_no_information_are_called_inconclusive() -> None:
    rng = np.random.default_rng(0)
    T = 400
    u = np.where(np.arange(T) < T // 2, 0.0, 1.0)  # one step: worth a handful of samples
    y = np.cumsum(0.1 * rng.standard_normal(T))
    result = residuals(StateSpace([[0.0]], [[0.0]], [[0.0]], [[0.0]]), Record(u, y, 1.0))
    assert result.independent is None
    assert "Too little data" in result.verdict


def test_perfect_diverged_and_constant_cases_are_worded_not_crashed() -> None:
    G = random_modes(2, 1, 1)
    u = np.random.default_rng(0).standard_normal(300)
    perfect = residuals(G, Record(u, G.simulate(u), 1.0))
    assert perfect.independent is None
    assert not perfect.white
    for pole, words in ((100.0, "diverged"), (2.0, "Too little data")):  # beyond the float range, and within it
        unstable = StateSpace([[pole]], [[1.0]], [[1.0]], [[0.0]])
        result = residuals(unstable, Record(u, G.simulate(u), 1.0))
        assert words in result.verdict
        assert result.independent is None
        assert not result.white
    constant = residuals(G, Record(np.ones(300), u, 1.0))
    assert constant.independent is None


def test_options_and_short_records_are_refused() -> None:
    G = random_modes(2, 1, 1)
    record = Record(np.arange(60.0), np.arange(60.0), 1.0)
    with pytest.raises(DataError, match="expected at least 100"):
        residuals(G, Dataset([record]))
    with pytest.raises(OptionError, match="false_alarm"):
        residuals(G, record, false_alarm=0.9)
    with pytest.raises(OptionError, match="max_lag"):
        residuals(G, record, max_lag=0)


@pytest.mark.parametrize("pole", [0.9, 0.95, 0.98, 0.99, 0.998])
def test_a_transient_is_never_called_white(pole: float) -> None:
    """Its energy sits in few samples, and bands that allow for that are wide."""
    rng = np.random.default_rng(0)
    transient = (8.0 * pole ** np.arange(1000) + 1e-3 * rng.normal(size=1000))[:, None]
    G = StateSpace([[0.5]], [[0.0]], [[0.0]], [[0.0]])
    found = residuals(G, Record(rng.normal(size=(1000, 1)), transient, 1.0), n_init=0)
    assert not found.white
    assert "is white" not in found.verdict
