"""A model identified at one sample time and run at another, on a plant and against exact sampling."""

from __future__ import annotations

import numpy as np
import pytest

import l2ssm as ls
from l2ssm.errors import OptionError
from l2ssm.identification.resample import rebuilt, resample_model

PLANT = ls.plants.CascadedTanks(noise=(0.0,))
DT = PLANT.dt
CONTINUOUS = ["s4", "s4d", "s5"]


def records(seed, samples):
    """The same experiment sampled at DT and at DT / 2, its input held for ten long samples."""
    u = np.repeat(1.2 + 1.2 * np.random.default_rng(seed).uniform(size=samples // 8), 8)[:, None]
    twice = np.repeat(u, 2, axis=0)
    return ls.Record(u, PLANT.simulate(u), DT), ls.Record(twice, PLANT.simulate(twice, dt=DT / 2), DT / 2)


def rmse(model, record):
    return float(np.sqrt(np.mean((model.simulate(record) - record.y)[model.n_init :] ** 2)))


def small(cell, record, **options):
    sizes = {"layers": 2, "d_model": 4, "n_x": 4, "window": 200, "batch": 4, "steps": 80, "learning_rate": 0.02}
    sizes |= {"scaffold": "residual", "refine_steps": 0}
    return ls.fit(record, cell=cell, **sizes | options)


@pytest.mark.parametrize("cell", CONTINUOUS)
def test_a_plant_at_half_the_sample_time_and_back(cell, tmp_path):
    """The error on an unseen experiment is nearly that at the sample time of the identification."""
    (train, _), (coarse, fine) = records(0, 1024), records(1, 512)
    model = small(cell, train)
    again = resample_model(model, DT / 2)
    assert (again.dt, again.n_init, again.info["identified_at"]) == (DT / 2, 2 * model.n_init - 1, DT)
    assert rmse(model, coarse) < 0.2 * coarse.y.std()
    assert rmse(again, fine) == pytest.approx(rmse(model, coarse), rel=0.1)
    difference = (again.simulate(fine)[::2] - model.simulate(coarse))[model.n_init :]
    assert np.sqrt(np.mean(difference**2)) < 0.1 * rmse(model, coarse)
    again.save(tmp_path / "half.l2ssm")
    back = resample_model(ls.load(tmp_path / "half.l2ssm"), DT)
    np.testing.assert_allclose(back.simulate(coarse), model.simulate(coarse), rtol=1e-3, atol=1e-4 * coarse.y.std())
    assert back.n_init == model.n_init


@pytest.mark.parametrize("cell", [*CONTINUOUS, "lag"])
def test_the_rebuilt_network_is_the_frozen_one(cell):
    train, _ = records(0, 512)
    model = small(cell, train, steps=5)
    network = ls.freeze(rebuilt(model), model.dt, input_names=model.input_names, output_names=model.output_names)
    assert network.digest == model.network.digest
    np.testing.assert_allclose(
        resample_model(model, model.dt).simulate(train), model.simulate(train), rtol=0, atol=1e-6 * train.y.std()
    )


@pytest.mark.parametrize("initial", ["zero", "warmup"])
def test_other_initial_states_keep_their_time(initial):
    train, _ = records(0, 512)
    model = small("s4d", train, steps=2, initial=initial)
    assert resample_model(model, DT / 4).n_init == 4 * model.n_init


def test_refusals():
    train, _ = records(0, 512)
    with pytest.raises(OptionError, match=r"cell 'lru' is learned in discrete time, for dt = 4 s .*s4, s4d, s5, lag"):
        resample_model(small("lru", train, steps=1), 1.0)
    model = small("s4d", train, steps=1)
    with pytest.raises(OptionError, match="dt is 0"):
        resample_model(model, 0)
    with pytest.raises(OptionError, match="needs 6 samples"):
        resample_model(model, 100.0)


def test_a_gain_held_by_a_certificate_is_in_the_resampled_model_too():
    """At the same sample time it is the same model; at another one its gain is not proved, and none is named."""
    train, _ = records(0, 512)
    model = small("s4d", train, steps=10, gamma=0.5, static="perceptron", gain_penalty=1e-3)
    assert "learned, by certificate" in str(model)
    again = resample_model(resample_model(model, DT), DT)
    np.testing.assert_allclose(again.simulate(train), model.simulate(train), rtol=0, atol=1e-6 * train.y.std())
    assert "not prescribed" in str(again)
