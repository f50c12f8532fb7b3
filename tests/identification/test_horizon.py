"""fit(horizon=k): the error of predictions up to k steps ahead, each from a state that measured outputs tell."""

from __future__ import annotations

import numpy as np
import pytest

from l2ssm import Record, fit
from l2ssm.errors import OptionError
from l2ssm.identification.initial import InitialState
from l2ssm.identification.windows import Scored, prediction_windows

SMALL = {"layers": 1, "d_model": 4, "n_x": 4, "steps": 200, "validate_every": 50, "n_init": 8, "refine_steps": 10,
         "linear_start": False}  # fmt: skip


def drifting(seed: int, T: int = 600) -> Record:
    """A lag driven by its input and by a slow disturbance, which no free run can know."""
    rng = np.random.default_rng(seed)
    u, y, d = rng.normal(size=T), np.zeros(T), 0.0
    for k in range(T - 1):
        d = 0.99 * d + 0.1 * rng.normal()
        y[k + 1] = 0.8 * y[k] + 0.2 * u[k] + 0.2 * d
    return Record(u, y, 1.0)


def error_ahead(model, record: Record, k: int) -> float:
    """RMSE of the predictions 1 ... k steps ahead: free runs of n_init + k samples, one after the other."""
    n, errors = model.n_init, []
    for first in range(0, record.T - n, k):
        stop = min(first + n + k, record.T)
        y = model.simulate(record.u[first:stop], record.y[first:stop])
        errors.append((y - record.y[first:stop])[n:])
    return float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))


def test_the_validation_loss_is_that_of_predictions():
    valid = drifting(1, 205)
    model = fit(drifting(0), valid, horizon=6, **SMALL)
    std = drifting(0).y.std()
    assert model.info["window"] == 14
    assert model.info["valid_loss"] == pytest.approx((error_ahead(model, valid, 6) / std) ** 2, rel=1e-6)
    rmse = np.sqrt(np.mean((model.simulate(valid) - valid.y)[8:] ** 2))
    assert model.info["valid_rmse"][0] == pytest.approx(rmse, rel=1e-9)


def test_it_predicts_better_than_a_fit_of_the_free_run():
    train, test = drifting(0), drifting(2)
    ahead, free = (fit(train, horizon=k, **SMALL) for k in (5, None))
    assert error_ahead(ahead, test, 5) < 0.8 * error_ahead(free, test, 5)


def test_each_sample_is_in_one_horizon():
    u = np.arange(103.0)[:, None]
    scored = (u[:, 0] < 40) | (u[:, 0] > 95)
    batches = prediction_windows([Scored(u, u, scored)], InitialState("encoder", 4), horizon=7, batch=3)
    seen = np.concatenate([b.u[:, :, 0][b.scored[:, :, 0] > 0] for b in batches])
    assert sorted(seen.tolist()) == [k for k in range(4, 103) if scored[k]]
    assert sum(len(b.u) for b in prediction_windows([Scored(u, u, scored)], InitialState("encoder", 4), horizon=7,
                                                    most=3)) == 3  # fmt: skip


@pytest.mark.parametrize("options", [{"initial": "warmup"}, {"initial": "zero"}, {"carry_state": True}])
def test_what_does_not_go_with_it(options):
    with pytest.raises(OptionError, match="horizon needs the state at the start of every window"):
        fit(drifting(0), horizon=5, **SMALL | {"n_init": None} | options)
