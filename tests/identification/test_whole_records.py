"""What L-BFGS looks at where a plant remembers more than a training window holds."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

from l2ssm.analysis.metrics import rmse
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.identification import fit_data
from l2ssm.identification.fit import fit
from l2ssm.identification.fit_data import FitData
from l2ssm.identification.fit_options import FitOptions
from l2ssm.identification.linear_baseline import fit_linear
from l2ssm.identification.linear_start import memory
from l2ssm.networks.scaling import Scaling
from l2ssm.systems.state_space import StateSpace

SMALL = {"layers": 2, "n_x": 4, "n_init": 20, "window": 128, "batch": 8}


def plant(T: int, pole: float, seed: int) -> Record:
    """x+ = pole x + 0.05 tanh(2 u), with a loop around it that keeps x within bounds where the pole is 1."""
    rng = np.random.default_rng(seed)
    wanted, x, u, y = np.repeat(rng.uniform(-1, 1, T // 40 + 1), 40)[:T], 0.0, np.zeros((T, 1)), np.zeros((T, 1))
    for t in range(T):
        u[t], y[t] = 1.5 * wanted[t] - 0.5 * x, x
        x = pole * x + 0.05 * math.tanh(2 * u[t, 0])
    return Record(u, y + 0.002 * rng.standard_normal((T, 1)), dt=1.0, name=f"r{seed}")


def prepared(lengths: list[int]) -> tuple[FitData, FitOptions]:
    data = Dataset([plant(T, 1.0, seed) for seed, T in enumerate(lengths)])
    given = {name: parameter.default for name, parameter in inspect.signature(fit).parameters.items()}
    options = FitOptions.of(given | SMALL, data, None)
    return FitData.of(data, None, None, Scaling(*np.array([[0.0], [1.0], [0.0], [1.0]])), options.rule), options


def test_whole_records_count_as_much_as_all_windows() -> None:
    data, options = prepared([700, 400])
    refined, judged = data.fixed_batches(options, whole=True)
    runs, windows = refined[:2], refined[2:]
    assert [run.u.shape[1] for run in runs] == [700, 400]
    assert all(cut.u.shape[1] == 128 for cut in windows)
    whole, parts = (sum(float(batch.scored.sum()) for batch in part) for part in (runs, windows))
    assert parts == pytest.approx(whole, rel=1e-5)
    for run, record in zip(runs, data.fitted, strict=True):  # what validates is not scored
        assert np.array_equal(
            run.scored[0, :, 0].numpy() > 0, record.scored & (np.arange(len(record)) >= options.n_init)
        )
    plain, same = data.fixed_batches(options)
    assert [cut.u.shape for cut in plain] == [cut.u.shape for cut in windows]
    assert [batch.u.shape for batch in same] == [batch.u.shape for batch in judged]


def test_stretches_of_what_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_data, "WHOLE", (300, 900))
    data, options = prepared([2000, 150, 800])
    runs = [batch for batch in data.fixed_batches(options, whole=True)[0] if batch.u.shape[1] != options.window]
    lengths = [run.u.shape[1] for run in runs]
    assert max(lengths) == 300
    assert 600 <= sum(lengths) <= 1200


def test_records_that_are_no_longer_than_a_window_are_whole_in_the_windows() -> None:
    """They are not taken twice, one too short for an initial state is left out, and alone they change nothing."""
    data, options = prepared([700, 128, 100])
    runs = [batch for batch in data.fixed_batches(options, whole=True)[0] if len(batch.u) == 1]
    assert [run.u.shape[1] for run in runs] == [700]
    short = Dataset([plant(600, 1.0, 1), plant(8, 1.0, 2)])
    assert fit(short, plant(200, 1.0, 5), steps=10, **SMALL).info["refine_steps"] == 2
    many = Dataset([plant(120, 1.0, seed) for seed in range(4)])
    assert fit(many, steps=40, **SMALL).info["refine_steps"] == 2


@pytest.mark.parametrize(("pole", "share"), [(1.0, 5), (0.9, 20)])
def test_a_slow_plant_is_refined_longer(pole: float, share: int) -> None:
    """Where nobody says how long; the linear start tells whether it is slow."""
    model = fit(plant(800, pole, 3), steps=40, **SMALL)
    assert model.info["linear_start"].startswith("linear model")
    assert model.info["refine_steps"] == 40 // share
    assert fit(plant(800, pole, 3), steps=40, refine_steps=1, **SMALL).info["refine_steps"] == 1


@pytest.mark.slow
def test_the_free_run_of_an_integrating_plant_over_a_new_record() -> None:
    """By the defaults it is nearer the data than the best linear model's, over four windows of a record not seen."""
    train, test = plant(2000, 1.0, 1), plant(2000, 1.0, 2)
    model, linear = fit(train, n_init=20), fit_linear(train, 20)
    assert test.y is not None
    errors = [float(rmse([test.y], found.simulate(Dataset([test])), 20)[0]) for found in (model, linear)]
    assert errors[0] < 0.6 * errors[1]


def test_offsets_of_records_do_not_make_a_plant_slow() -> None:
    records = [plant(1500, 0.7, seed) for seed in range(4)]
    assert all(record.y is not None for record in records)
    data = Dataset([Record(r.u, r.y + 0.1 * k, dt=1.0, name=r.name) for k, r in enumerate(records) if r.y is not None])
    model = fit(data, steps=40, **SMALL)
    assert model.info["linear_start"].startswith("linear model")
    assert model.info["refine_steps"] == 2


def test_memory_is_the_longest_time_constant_of_what_the_input_does() -> None:
    u = np.random.default_rng(0).standard_normal((2000, 1))
    G = StateSpace(np.diag([math.exp(-1 / 30), 0.2]), np.ones((2, 1)), np.ones((1, 2)), np.zeros((1, 1)))
    assert memory(G, u) == pytest.approx(30)
    assert memory(StateSpace(np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), np.ones((1, 1))), u) == 1
    for drive, slowest in ((1e-5, 0.5), (1e-2, 0.99999)):  # an offset, a slow part
        G = StateSpace(np.diag([0.99999, 0.5]), [[drive], [1.0]], np.ones((1, 2)), np.zeros((1, 1)))
        assert memory(G, u) == pytest.approx(-1 / math.log(slowest))
