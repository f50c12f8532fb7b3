"""Hidden checks of lab 0: fit, gain of a pair of inputs, refutation."""

from __future__ import annotations

import numpy as np

import l2ssm as ls
from l2ssm.labs.checking import check, close

TANK = ls.StateSpace([[0.95, 0.0], [0.05, 0.9]], [[0.4], [0.0]], [[0.0, 1.0]], [[0.0]], dt=4.0)


@check("fit_percent")
def random_signals(fit_percent):
    """random signals, with an offset"""
    rng = np.random.default_rng(0)
    for offset in (0.0, 50.0):
        y, e = offset + rng.normal(size=200), 0.3 * rng.normal(size=200)
        want = 100 * (1 - np.linalg.norm(e) / np.linalg.norm(y - y.mean()))
        close(fit_percent(y, y + e), want, 1e-9, "100 (1 - |y - y_sim| / |y - mean of y|): is the mean taken out of y?")


@check("fit_percent")
def a_constant(fit_percent):
    """the mean has a fit of zero, a worse simulation a negative one"""
    y = np.array([0.0, 1.0, 2.0])
    close(fit_percent(y, np.ones(3)), 0.0, 1e-9, "the mean of y has a fit of 0", atol=1e-9)
    close(
        fit_percent(y, -y),
        100 * (1 - np.sqrt(10)),
        1e-9,
        "nothing keeps the fit from being negative; norms, not squares",
    )


@check("secant_gain")
def many_channels(secant_gain):
    """three inputs, two outputs"""
    rng = np.random.default_rng(1)
    u, v = rng.normal(size=(2, 50, 3))
    y_u, y_v = rng.normal(size=(2, 50, 2))
    want = np.sqrt(np.sum((y_u - y_v) ** 2) / np.sum((u - v) ** 2))
    close(secant_gain(u, v, y_u, y_v), want, 1e-9, "Euclidean norms over time and channels together")


@check("secant_gain")
def degenerate_pairs(secant_gain):
    """equal inputs or equal outputs"""
    one, zero = np.ones((5, 2)), np.zeros((5, 2))
    assert secant_gain(one, one, zero, zero) == 0.0, "equal outputs refute nothing: 0"
    assert secant_gain(one, one, one, zero) == np.inf, "equal inputs with different outputs refute every gamma: inf"


@check("refuting_pair")
def refutes(refuting_pair):
    """the pair for 600 samples"""
    _assert_refutes(refuting_pair, 600)


@check("refuting_pair")
def refutes_with_longer_records(refuting_pair):
    """the pairs for 1000 and 4000 samples"""
    for T in (1000, 4000):
        _assert_refutes(refuting_pair, T)


def _assert_refutes(refuting_pair, T):
    first, second = (np.asarray(one, dtype=float) for one in refuting_pair(T))
    assert first.shape == second.shape == (T, 1), f"shapes {first.shape} and {second.shape}, expected ({T}, 1)"
    assert max(np.abs(first).max(), np.abs(second).max()) <= 1, "values have to be within [-1, 1]"
    assert np.any(first != second), "two equal inputs show nothing"
    ratio = np.linalg.norm(TANK.simulate(first) - TANK.simulate(second)) / np.linalg.norm(first - second)
    assert ratio > 3.6, f"T = {T}: your pair shows {ratio:.3f}; a slow system passes slow differences best"
