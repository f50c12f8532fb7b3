"""Excitation signals: exact rms, flat spectrum, exact periods, m-sequence autocorrelation, sweep against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from l2ssm.data import signals
from l2ssm.errors import OptionError


@pytest.mark.parametrize("n", [1000, 1001])
@pytest.mark.parametrize("odd", [False, True])
def test_multisine_spectrum_is_flat_on_its_lines_and_zero_elsewhere(n, odd):
    dt, band = 0.01, (2.0, 20.0)
    u = signals.multisine(n, dt, band=band, rms=3.0, odd=odd, seed=1)
    amplitude = np.abs(np.fft.rfft(u)) / n * 2
    lines = np.arange(amplitude.size)
    chosen = (lines / (n * dt) >= 2.0 - 1e-9) & (lines / (n * dt) <= 20.0 + 1e-9) & ((lines % 2 == 1) | (not odd))
    expected = 3.0 * math.sqrt(2 / chosen.sum())
    np.testing.assert_allclose(amplitude[chosen], expected, rtol=1e-10)
    np.testing.assert_allclose(amplitude[~chosen], 0.0, atol=1e-12)
    assert np.sqrt(np.mean(u**2)) == pytest.approx(3.0, rel=1e-12)


def test_multisine_repeats_exactly_and_moves_by_its_mean():
    u = signals.multisine(128, periods=3, mean=5.0, rms=0.5, seed=2)
    assert u.shape == (384,)
    np.testing.assert_array_equal(u[:128], u[128:256])
    np.testing.assert_array_equal(u[:128], u[256:])
    assert u.mean() == pytest.approx(5.0, abs=1e-12)
    assert u.std() == pytest.approx(0.5, rel=1e-12)


def test_odd_multisine_is_antisymmetric_in_half_a_period():
    u = signals.multisine(512, odd=True, seed=3)
    np.testing.assert_allclose(u[256:], -u[:256], atol=1e-12)


def test_default_band_leaves_dc_and_nyquist_empty():
    spectrum = np.abs(np.fft.rfft(signals.multisine(64)))
    assert spectrum[[0, 32]] == pytest.approx([0, 0], abs=1e-10)
    assert spectrum[1:32].min() > 1


@given(st.integers(4, 3000), st.floats(0.01, 100), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_multisine_has_the_rms_asked_for_at_any_length(n, rms, seed):
    u = signals.multisine(n, rms=rms, seed=seed)
    assert np.sqrt(np.mean(u**2)) == pytest.approx(rms, rel=1e-9)


@pytest.mark.parametrize("order", [2, 3, 5, 7, 10])
@pytest.mark.parametrize("levels", [(-1.0, 1.0), (2.0, 6.0)])
def test_prbs_has_the_autocorrelation_of_an_m_sequence(order, levels):
    period = 2**order - 1
    u = signals.prbs(period, levels=levels, order=order, seed=4)
    assert set(np.unique(u)) == set(levels)
    middle, half = np.mean(levels), (levels[1] - levels[0]) / 2
    z = (u - middle) / half
    circular = np.fft.ifft(np.abs(np.fft.fft(z)) ** 2).real / period
    np.testing.assert_allclose(circular, np.r_[1.0, np.full(period - 1, -1 / period)], atol=1e-12)
    assert abs(z.sum()) == 1.0


def test_prbs_repeats_after_its_period_and_holds_for_the_clock():
    u = signals.prbs(3 * 31 * 4, 0.5, clock=2.0, order=5)
    np.testing.assert_array_equal(u[: 31 * 4], u[31 * 4 : 62 * 4])
    np.testing.assert_array_equal(u.reshape(-1, 4), u[::4, None] * np.ones(4))
    assert not np.array_equal(u[: 30 * 4], u[4 : 31 * 4])


def test_prbs_default_order_does_not_repeat_within_n():
    for n in (1, 3, 7, 8, 100, 1023, 1024):
        u = signals.prbs(n, seed=n)
        assert u.shape == (n,)
        order = max(2, math.ceil(math.log2(n + 1)))
        np.testing.assert_array_equal(u, signals.prbs(2**order - 1, order=order, seed=n)[:n])


@pytest.mark.parametrize("method", ["linear", "logarithmic"])
@pytest.mark.parametrize("band", [(1.0, 40.0), (40.0, 1.0)])
def test_chirp_agrees_with_scipy(method, band):
    n, dt = 2000, 0.01
    ours = signals.chirp(n, dt, band=band, amplitude=2.0, method=method, phase=0.3)
    theirs = 2.0 * scipy.signal.chirp(dt * np.arange(n), band[0], n * dt, band[1], method=method, phi=np.degrees(0.3))
    np.testing.assert_allclose(ours, theirs, atol=1e-8)
    assert np.abs(ours).max() <= 2.0


def test_linear_chirp_may_start_at_zero_frequency():
    assert signals.chirp(100, band=(0.0, 0.5))[0] == 1.0


def test_steps_are_held_as_long_as_said():
    u = signals.steps(5000, 0.5, levels=(2.0, 3.0), hold=(5.0, 20.0), seed=5)
    lengths = np.diff(np.flatnonzero(np.r_[True, np.diff(u) != 0, True]))
    assert lengths[:-1].min() == 10
    assert lengths.max() == 40
    assert u.min() >= 2.0
    assert u.max() <= 3.0
    values = u[np.flatnonzero(np.r_[True, np.diff(u) != 0])]
    assert values.mean() == pytest.approx(2.5, abs=4 * math.sqrt(1 / 12 / values.size))
    assert signals.steps(3, hold=(10.0, 10.0)).shape == (3,)


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: signals.multisine(100, seed=seed),
        lambda seed: signals.prbs(200, seed=seed),
        lambda seed: signals.steps(200, hold=(2.0, 9.0), seed=seed),
    ],
    ids=["multisine", "prbs", "steps"],
)
def test_seeds(make):
    np.testing.assert_array_equal(make(7), make(7))
    np.testing.assert_array_equal(make(7), make(np.random.default_rng(7)))
    assert not np.array_equal(make(7), make(8))
    rng = np.random.default_rng(7)
    assert not np.array_equal(make(rng), make(rng)), "a generator goes on"


WRONG = {
    "n": (lambda: signals.multisine(2), "n=2 must be a whole number, at least 3"),
    "n float": (lambda: signals.prbs(10.0), "n=10.0"),
    "n bool": (lambda: signals.prbs(True), "n=True"),
    "dt": (lambda: signals.multisine(10, 0.0), "dt=0.0 must be positive"),
    "dt text": (lambda: signals.multisine(10, "Ts"), "dt='Ts' must be a finite number"),
    "rms": (lambda: signals.multisine(10, rms=-1.0), "rms=-1.0 must be positive"),
    "rms NaN": (lambda: signals.multisine(10, rms=math.nan), "rms=nan must be a finite number"),
    "mean": (lambda: signals.multisine(10, mean=math.inf), "mean=inf"),
    "periods": (lambda: signals.multisine(10, periods=0), "periods=0"),
    "no line": (
        lambda: signals.multisine(100, band=(0.011, 0.019)),
        r"no multiple of 1/\(n dt\) = 0.01 Hz in 0.011 ..",
    ),
    "no odd line": (lambda: signals.multisine(100, band=(0.02, 0.02), odd=True), "no odd multiple"),
    "above Nyquist": (lambda: signals.multisine(100, 0.1, band=(1.0, 6.0)), r"low <= high <= Nyquist = 5 Hz"),
    "band reversed": (lambda: signals.multisine(100, band=(0.3, 0.1)), "band="),
    "band of one": (lambda: signals.multisine(100, band=(0.3,)), "band="),
    "levels": (lambda: signals.prbs(10, levels=(1.0, 1.0)), "low < high"),
    "levels NaN": (lambda: signals.prbs(10, levels=(0.0, math.nan)), "low < high"),
    "clock": (lambda: signals.prbs(10, 0.3, clock=0.5), "clock=0.5 s must be a multiple of dt=0.3 s"),
    "clock short": (lambda: signals.prbs(10, 1.0, clock=0.1), "clock=0.1 s must be a multiple"),
    "clock negative": (lambda: signals.prbs(10, clock=-1.0), "clock=-1.0 must be positive"),
    "order": (lambda: signals.prbs(10, order=1), "order=1"),
    "order long": (lambda: signals.prbs(10, order=40), "order=40 is above 32"),
    "method": (lambda: signals.chirp(10, band=(0.1, 0.2), method="cubic"), "expected 'linear' or 'logarithmic'"),
    "log from zero": (lambda: signals.chirp(10, band=(0.0, 0.2), method="logarithmic"), "above 0 Hz"),
    "chirp of one tone": (lambda: signals.chirp(10, band=(0.2, 0.2)), "two different frequencies"),
    "amplitude": (lambda: signals.chirp(10, band=(0.1, 0.2), amplitude=0.0), "amplitude=0.0 must be positive"),
    "band no pair": (lambda: signals.chirp(10, band=None), "band=None must be a pair of numbers"),
    "band text": (lambda: signals.multisine(10, band=("a", "b")), "must be a pair of numbers"),
    "levels no pair": (lambda: signals.steps(10, levels=3.0, hold=(1.0, 2.0)), r"levels=3\.0 must be a pair"),
    "hold text": (lambda: signals.steps(10, hold=("a", "b")), "must be a pair of numbers"),
    "seed text": (lambda: signals.prbs(10, seed="x"), "seed='x' is no seed"),
    "seed negative": (lambda: signals.multisine(10, seed=-1), "seed=-1 is no seed"),
    "hold": (lambda: signals.steps(10, hold=(5.0, 2.0)), "hold="),
    "hold below dt": (lambda: signals.steps(10, 1.0, hold=(0.1, 2.0)), "dt=1.0 <= shortest"),
}


@pytest.mark.parametrize(("call", "message"), WRONG.values(), ids=WRONG)
def test_wrong_options_are_named(call, message):
    with pytest.raises(OptionError, match=message):
        call()
