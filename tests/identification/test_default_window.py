"""How long training windows are where nobody says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.identification.default_window import correlation_time, default_window
from l2ssm.identification.fit import fit


@pytest.mark.parametrize("tau", [5.0, 50.0, 400.0])
def test_correlation_time_of_a_first_order_process_is_its_time_constant(tau: float) -> None:
    noise = np.random.default_rng(0).standard_normal(400_000)
    assert correlation_time(lfilter([1.0], [1.0, -np.exp(-1 / tau)], noise)) == pytest.approx(tau, rel=0.15, abs=1)


def test_constant_and_ever_rising_signals() -> None:
    assert correlation_time(np.full(50, 3.0)) == 0
    assert 0 < correlation_time(np.arange(50.0)) < 50


def slow(T: int, tau: float, gaps: bool = False) -> Dataset:
    rng = np.random.default_rng(1)
    u = rng.standard_normal((T, 2))
    y = lfilter([1.0], [1.0, -np.exp(-1 / tau)], u, axis=0)
    y[:, 0] = u[:, 0]
    if gaps:
        y[100:150] = np.nan
    return Dataset([Record(u, y, dt=1.0, missing=gaps), Record(u[:20], u[:20], dt=1.0, name="short")])


@pytest.mark.parametrize("gaps", [False, True])
def test_the_slowest_output_decides_between_the_ends(gaps: bool) -> None:
    assert default_window(slow(3000, 3.0, gaps)) == 512
    assert 600 < default_window(slow(60_000, 500.0, gaps)) < 1600
    assert default_window(slow(60_000, 20_000.0, gaps)) == 4096


def test_a_step_over_long_windows_takes_fewer_of_them() -> None:
    def used(**options: int) -> tuple[int, int]:
        model = fit(slow(30_000, 2000.0), layers=1, d_model=4, n_x=2, steps=1, refine_steps=0, n_init=5, **options)
        return model.info["window"], model.info["batch"]

    assert used(window=100) == (100, 8)
    assert used(window=1024) == (1024, 4)
    assert used(window=1024, batch=8) == (1024, 8)
    window, batch = used()
    assert 512 < window <= 4096
    assert batch == max(2, 4096 // window)


def test_a_window_is_more_than_what_the_initial_state_takes() -> None:
    options = {"layers": 1, "d_model": 4, "n_x": 2, "steps": 1, "refine_steps": 0, "linear_start": False}
    assert fit(slow(2000, 3.0)[:1], n_init=400, **options).info["window"] == 800
