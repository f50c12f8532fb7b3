"""fit on plants and lags: what it learns, how it ends, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from l2ssm import Dataset, Record, certify, fit, plants
from l2ssm.errors import DataError, FitError, OptionError
from l2ssm.identification.initial import InitialState, features, projection
from l2ssm.identification.minimize import MAX_ROLLBACKS, Progress, one_cycle
from l2ssm.identification.windows import Scored, consecutive_windows, hold_out, random_windows

SMALL = {"layers": 1, "d_model": 4, "n_x": 4, "steps": 60, "validate_every": 20, "refine_steps": 0,
         "linear_start": False}  # fmt: skip


def lag(seed: int = 0, T: int = 300, x0: float = 0.0, **options) -> Record:
    """y[k+1] = 0.9 y[k] + 0.1 u[k], steps as input."""
    rng = np.random.default_rng(seed)
    u = np.repeat(rng.normal(size=T // 10 + 1), 10)[:T]
    y = np.empty(T)
    y[0] = x0
    for k in range(T - 1):
        y[k + 1] = 0.9 * y[k] + 0.1 * u[k]
    return Record(u, y, 0.5, name=f"lag{seed}", **options)


def test_learns_a_lag_from_an_unknown_initial_state():
    train = Dataset([lag(s, x0=2.0 * s - 2) for s in range(3)])
    model = fit(train, layers=1, d_model=4, n_x=4, steps=400, n_init=20)
    test = lag(9, x0=3.0)
    error = (model.simulate(test) - test.y)[20:]
    assert np.sqrt(np.mean(error**2)) < 0.1 * test.y[20:].std()


def test_prescribed_gain_in_physical_units():
    """A plant of DC gain 1 in units far from 1: the proof is about u and y as they came."""
    record = lag()
    scaled = Record(1e3 * record.u + 500, 1e-3 * record.y + 7, 0.5)
    model = fit(scaled, gamma=2e-6, **SMALL)
    assert certify(model, lower=False).gamma <= 2e-6


def test_a_certified_fit_of_a_nonlinear_plant_beats_the_mean_by_far():
    data = plants.CascadedTanks().experiment(seed=1)
    model = fit(data["train"], gamma=6.0, steps=150)
    test = data["test"]
    error = (model.simulate(test) - test.y)[model.n_init :]
    assert np.sqrt(np.mean(error**2)) < 0.5 * test.y.std()


def test_same_seed_same_model_and_global_random_state_is_left_alone():
    torch.manual_seed(123)
    before = torch.get_rng_state()
    one, two = fit(lag(), seed=4, **SMALL), fit(lag(), seed=4, **SMALL)
    assert torch.equal(before, torch.get_rng_state())
    assert one.network.digest == two.network.digest
    assert fit(lag(), seed=5, **SMALL).network.digest != one.network.digest


def test_best_on_validation_is_kept_and_reported():
    reports: list[Progress] = []
    model = fit(lag(), progress=reports.append, **SMALL)
    best = min(reports, key=lambda r: r.valid_mse)
    assert model.info["best_step"] == best.step
    assert [r.step for r in reports] == [20, 40, 60]
    std = lag().y.std()
    assert math.sqrt(best.valid_mse) * std == pytest.approx(model.info["valid_rmse"][0], rel=1e-3)


def test_given_validation_data_are_used():
    model = fit(lag(0), lag(1), **SMALL)
    y = model.simulate(lag(1))
    rmse = np.sqrt(np.mean((y - lag(1).y)[model.n_init :] ** 2))
    assert model.info["valid_rmse"][0] == pytest.approx(rmse, rel=1e-9)
    assert model.info["validation"] == "given"


def test_budget_and_patience_end_the_fit():
    assert "budget" in fit(lag(), minutes=1e-6, layers=1, steps=10_000).info["stopped"]
    impatient = fit(lag(), layers=1, steps=2000, validate_every=1, patience=3, learning_rate=0.5, d_model=4, n_x=4)
    assert impatient.info["stopped"] == "no improvement in 3 validations"


def test_interrupt_returns_the_best_so_far():
    def stop(report: Progress) -> None:
        if report.step == 40:
            raise KeyboardInterrupt

    model = fit(lag(), progress=stop, **SMALL)
    assert model.info["stopped"] == "interrupted at step 40"
    assert model.info["best_step"] in (20, 40)


def test_gradients_are_clipped(monkeypatch):
    """However steep the loss, no optimiser step sees a gradient of norm above 1."""
    from l2ssm.identification import work

    true_error, true_step, norms = work.squared_error, torch.optim.AdamW.step, []
    monkeypatch.setattr(work, "squared_error", lambda *given: (1e6 * (found := true_error(*given))[0], found[1]))

    def step(self, *given):
        grads = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        norms.append(float(torch.sqrt(sum(g.double().square().sum() for g in grads))))
        return true_step(self, *given)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    fit(lag(), **SMALL)
    assert len(norms) == 60
    assert max(norms) == pytest.approx(1.0, rel=1e-4)


def test_minutes_count_the_linear_start(monkeypatch):
    """A start that takes them all leaves one step; it is never cut short itself."""
    import time

    from l2ssm.identification import fit as fitting

    true_start, clock, now = fitting.start_linear, {"late": 0.0}, time.monotonic

    def slow(*given):
        clock["late"] = 600.0
        return true_start(*given)

    monkeypatch.setattr(fitting, "start_linear", slow)
    monkeypatch.setattr(time, "monotonic", lambda: now() + clock["late"])
    reports: list[Progress] = []
    options = SMALL | {"layers": 2, "linear_start": True, "refine_steps": 5}
    model = fit(lag(), minutes=5, progress=reports.append, **options)
    assert model.info["stopped"] == "the budget of 5.0 minutes is spent"
    assert [report.step for report in reports] == [1]


def test_divergence_is_rolled_back_then_reported(monkeypatch):
    """Steps with non-finite gradients change nothing; when only such steps come, the fit says so."""
    from l2ssm.identification import trainee, work

    true_error = work.squared_error
    calls = {"n": 0}

    def spoiled(*given):
        calls["n"] += 1
        total, end = true_error(*given)
        return total * (float("nan") if calls["n"] % 7 == 0 else 1.0), end

    monkeypatch.setattr(work, "squared_error", spoiled)
    model = fit(lag(), **SMALL)
    assert 0 < model.info["rollbacks"] <= MAX_ROLLBACKS
    assert f"{model.info['rollbacks']} steps that were not finite" in str(model)
    for module in (trainee, work):  # validation too
        monkeypatch.setattr(module, "squared_error", lambda *given: (true_error(*given)[0] * float("nan"), None))
    with pytest.raises(FitError, match="no finite validation error"):
        fit(lag(), **SMALL)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gamma": -1}, "gamma is -1, expected a finite gain > 0"),
        ({"gamma": "5"}, "gamma is '5', expected a finite gain > 0"),
        ({"gamma": True}, "gamma is True, expected a finite gain > 0"),
        ({"seed": -1}, "seed is -1, expected an integer >= 0"),
        ({"seed": None}, "seed is None, expected an integer >= 0"),
        ({"n_init": 2.5}, "n_init is 2.5, expected an integer >= 0"),
        ({"hidden": 0}, "hidden is 0, expected an integer >= 1"),
        ({"static_layers": -1}, "static_layers is -1, expected an integer >= 1"),
        ({"patience": 0}, "patience is 0, expected an integer >= 1"),
        ({"learning_rate": "x"}, "learning_rate is 'x', expected a finite number > 0"),
        ({"window": 50}, "window is 50 and n_init is 50: expected a window > n_init"),
        ({"steps": 0}, "steps is 0, expected an integer >= 1"),
        ({"learning_rate": float("inf")}, "learning_rate is inf, expected a finite number > 0"),
        ({"minutes": 0}, "minutes is 0, expected a finite number > 0"),
        ({"initial": "observer"}, "unknown initial state rule 'observer'; known: zero, learned, warmup, encoder"),
        ({"initial": "warmup", "n_init": 0}, "n_init is 0; initial='warmup' needs at least 1 sample"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(OptionError, match=message):
        fit(lag(), **options)


def test_bad_data():
    with pytest.raises(DataError, match="expected a Dataset or a Record"):
        fit(np.zeros((10, 2)))
    with pytest.raises(DataError, match="zero variance"):
        fit(Record(np.ones(100), np.arange(100.0), 1.0))
    with pytest.raises(DataError, match="output"):
        fit(Record(np.arange(100.0), None, 1.0))
    with pytest.raises(DataError, match="too short"):
        fit(lag(T=60), n_init=60)
    with pytest.raises(DataError, match="nothing of 'y' is left to score"):
        fit(lag(), lag(1, T=20), n_init=20)
    with pytest.raises(DataError, match="dt"):
        fit(lag(), Record(lag().u, lag().y, 0.25))


def test_features_are_the_least_squares_polynomial():
    t = np.linspace(-1, 1, 40)
    signal = 2.0 - t + 0.5 * (3 * t**2 - 1) / 2
    found = features(signal[None, :, None], np.zeros((1, 40, 1)), 40)
    np.testing.assert_allclose(found[0, :6], [2.0, -1.0, 0.5, 0, 0, 0], atol=1e-12)
    assert projection(3).shape == (3, 3)


def test_hold_out_covers_each_scored_sample_once():
    records = [Scored(np.zeros((T, 1)), np.zeros((T, 1)), np.ones(T, dtype=bool)) for T in (1000, 47, 20)]
    train, valid = hold_out(records, 20, 0.15, 5)
    for T, t, v in zip((1000, 47, 20), train, valid, strict=True):
        assert not (t.scored & v.scored).any()
        assert (t.scored | v.scored)[20:].all()
        assert not (t.scored | v.scored)[:20].any()
        assert T == 20 or 0.1 < v.scored.sum() / (T - 20) < 0.25
    assert np.diff(valid[0].scored.astype(int)).tolist().count(1) == 5


def test_windows_stay_inside_their_record():
    """Every window is a stretch of one record: consecutive samples, never across the border."""
    records = []
    for i, T in enumerate((50, 80, 20)):
        u = (1000.0 * i + np.arange(T))[:, None]
        records.append(Scored(u, u.copy(), np.ones(T, dtype=bool)))
    batches = random_windows(records, InitialState("zero", 0), window=30, batch=64, seed=0)
    starts = set()
    for _ in range(30):
        batch = next(batches)
        for u, scored in zip(batch.u[:, :, 0].numpy(), batch.scored[:, :, 0].numpy(), strict=True):
            assert (np.diff(u[scored > 0]) == 1).all()
            starts.add(int(u[0]))
    assert starts == set(range(21)) | set(range(1000, 1051)) | {2000}


@pytest.mark.parametrize("windows", [random_windows, consecutive_windows])
def test_every_record_is_trained_on(windows):
    """Records of all lengths are drawn, short ones padded by samples that do not count."""
    lengths = (300, 301, 40)
    records = [Scored(np.full((T, 1), i), np.zeros((T, 1)), np.ones(T, dtype=bool)) for i, T in enumerate(lengths)]
    batches = windows(records, InitialState("zero", 0), window=512, batch=8, seed=0)
    seen = set()
    for _ in range(20):
        batch = next(batches)
        for u, scored in zip(batch.u, batch.scored, strict=True):
            assert scored.sum() == lengths[int(u[0, 0])]
            seen.add(int(u[0, 0]))
    assert seen == {0, 1, 2}


def test_numpy_numbers_are_options():
    options = {"layers": np.int64(1), "n_x": np.int32(3), "d_model": 4, "steps": np.int64(5), "n_init": np.int64(5)}
    model = fit(lag(), gamma=np.float32(2), learning_rate=np.float32(0.01), seed=np.uint8(3), **options)
    assert len(model.digest) == 64


def test_consecutive_windows_continue_where_the_last_one_ended():
    """Each item walks on sample by sample; a new record starts afresh, and only fresh windows lose n_init samples."""
    records = []
    for i, T in enumerate((200, 65)):
        u = (1000.0 * i + np.arange(T))[:, None]
        records.append(Scored(u, u.copy(), np.ones(T, dtype=bool)))
    batches = consecutive_windows(records, InitialState("warmup", 5), window=20, batch=2, seed=0)
    before = None
    fresh, continued = 0, 0
    for _ in range(40):
        batch = next(batches)
        for item in range(2):
            unscored = int((batch.scored[item] == 0).sum())
            if batch.continues[item]:
                assert before is not None
                assert batch.u[item, 0, 0] == before.u[item, -1, 0] + 1
                assert unscored == 0
                continued += 1
            else:
                assert unscored == 5
                fresh += 1
        before = batch
    assert min(fresh, continued) > 10


def test_carrying_the_state_learns_a_memory_longer_than_the_window():
    """A lag of 200 samples, windows of 40 that start at zero: it cannot be seen; with the carried state it can."""
    rng = np.random.default_rng(0)
    u = np.repeat(rng.normal(size=80), 50)
    y = np.zeros(4000)
    for k in range(3999):
        y[k + 1] = 0.995 * y[k] + 0.005 * u[k]
    record = Record(u, y, 1.0)
    options = {"initial": "zero", "window": 40, "batch": 4, "steps": 400, "layers": 1, "d_model": 4, "n_x": 4}
    options |= {"linear_start": False, "refine_steps": 0, "learning_rate": 5e-3, "scaffold": "residual",
                "activation": "gelu"}  # fmt: skip
    cut, carried = (fit(record, carry_state=carry, **options).info["valid_rmse"][0] for carry in (False, True))
    assert carried < 0.5 * cut
    assert carried < 0.4 * y.std()


def test_one_cycle():
    rates = [one_cycle(k / 1000) for k in range(1, 1001)]
    assert max(rates) == pytest.approx(1.0, abs=2e-3)
    assert rates[-1] == pytest.approx(0.01)
    assert min(rates) > 0
