"""Nonparametric frequency responses against the systems behind them, and the confidence they claim."""

from __future__ import annotations

import numpy as np
import pytest

from l2ssm.analysis.frf import frf
from l2ssm.analysis.periodic import period_of
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.data.signals import multisine
from l2ssm.errors import DataError, OptionError
from l2ssm.systems.state_space import StateSpace

MODES = [0.8 * np.exp(0.5j), 0.6]
G = StateSpace.from_modes(MODES, [[0.5], [0.4]], [[1.0, 0.5j]], [[0.3]], 0.1)
WIDE = StateSpace.from_modes(MODES, [[0.5, 0.2j], [0.4, 0.3]], [[1.0, 0.5j], [0.2, 1.0]], [[0.3, 0], [0, 0.1]], 0.1)


def _settled(system: StateSpace, seed: int, periods: int, noise: float) -> Record:
    rng = np.random.default_rng(seed)
    u = np.column_stack([multisine(200, 0.1, periods=periods + 2, seed=rng) for _ in range(system.n_u)])
    y = system.simulate(u) + noise * rng.standard_normal((len(u), system.n_y))
    return Record(u[400:], y[400:], 0.1)


def test_periods_are_found_and_give_the_exact_response() -> None:
    record = _settled(G, 0, 3, 0.0)
    assert period_of([record]) == 200
    found = frf(record)
    assert "3 periods of 200" in found.method
    assert np.max(np.abs(found.H - G.frequency_response(found.omega))) < 1e-9
    np.testing.assert_allclose(found.omega, 2 * np.pi * np.arange(1, 100) / 20.0, rtol=1e-12)


def test_two_inputs_need_two_records() -> None:
    records = [_settled(WIDE, s, 3, 0.0) for s in (0, 1)]
    found = frf(Dataset([records[0], Record(records[1].u, records[1].y, 0.1, name="b")]))
    assert np.max(np.abs(found.H - WIDE.frequency_response(found.omega))) < 1e-8
    with pytest.raises(DataError, match="cannot be told apart"):
        frf(records[0])


@pytest.mark.parametrize("periods", [3, 10])
def test_the_circle_of_a_periodic_response_holds_as_often_as_it_says(periods: int) -> None:
    inside = []
    for seed in range(20):
        found = frf(_settled(G, seed, periods, 0.3))
        inside.append(np.abs(found.H - G.frequency_response(found.omega)) <= found.radius(0.95))
    assert np.mean(inside) == pytest.approx(0.95, abs=0.02)


def test_the_circle_of_welch_holds_as_often_as_it_says() -> None:
    inside = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        u = rng.standard_normal((6000, 2))
        y = WIDE.simulate(u) + 0.7 * rng.standard_normal((6000, 2))
        found = frf(Record(u, y, 0.1), segment=300)
        inside.append(np.abs(found.H - WIDE.frequency_response(found.omega)) <= found.radius(0.95))
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)


def test_coherence_is_the_share_of_the_linear_output() -> None:
    rng = np.random.default_rng(1)
    u = rng.standard_normal(100000)
    found = frf(Record(u, G.simulate(u) + 0.5 * rng.standard_normal((100000, 1)), 0.1), segment=500)
    power = np.abs(G.frequency_response(found.omega)[:, 0, 0]) ** 2
    assert found.coherence is not None
    np.testing.assert_allclose(found.coherence[:, 0], power / (power + 0.25), atol=0.08)


def test_data_that_has_no_response() -> None:
    u = np.random.default_rng(0).standard_normal(400)
    with pytest.raises(DataError, match="too few"):
        frf(Record(u, u, 1.0), segment=390)
    with pytest.raises(DataError, match="does not vary"):
        frf(Record(np.ones(400), u, 1.0))
    with pytest.raises(DataError, match="multiples of each other"):
        frf(Record(np.column_stack([u, 2 * u]), u, 1.0))
    with pytest.raises(OptionError, match="not both"):
        frf(Record(u, u, 1.0), period=10, segment=10)
    with pytest.raises(OptionError, match="period is 900"):
        frf(Record(u, u, 1.0), period=900)
    with pytest.raises(OptionError, match="confidence"):
        frf(Record(u, u, 1.0)).radius(1.0)
