"""Outputs that were not measured: no number of a fit or a score depends on them, and what needs all of them says so."""

from __future__ import annotations

import numpy as np
import pytest

import l2ssm as ls
from l2ssm import Dataset, Record
from l2ssm.analysis.metrics import score
from l2ssm.errors import DataError
from l2ssm.identification.gaps import filled_in
from l2ssm.identification.initial import without_gaps
from l2ssm.identification.windows import Scored, hold_out, standardise
from l2ssm.networks.scaling import Scaling
from l2ssm.systems.state_space import StateSpace

SMALL = {"layers": 1, "d_model": 4, "n_x": 3, "steps": 60, "validate_every": 20, "window": 100, "refine_steps": 5,
         "n_init": 10}  # fmt: skip
G = StateSpace([[0.9, 0.2], [-0.2, 0.8]], [[1.0], [0.5]], [[0.3, 0.4], [0.0, 0.5]], [[0.0], [0.1]])


def with_gaps(y, share=0.2, seed=1):
    """y with the share of NaN, each output at other samples."""
    return np.where(np.random.default_rng(seed).random(y.shape) < share, np.nan, y)


def record(seed=0, T=600, noise=0.02, **options) -> Record:
    rng = np.random.default_rng(seed)
    u = np.repeat(rng.normal(size=T // 3 + 1), 3)[:T]
    y = G.simulate(u) + noise * rng.normal(size=(T, 2))
    return Record(u, y, 1.0, **options)


def masked(full: Record, **options) -> Record:
    return Record(full.u, with_gaps(full.y), full.dt, missing=True, **options)


def test_a_fit_with_a_fifth_missing_is_close_to_the_one_without():
    full, test = record(), record(5)
    models = [ls.fit(data, **SMALL) for data in (full, masked(full))]
    assert models[1].info["linear_start"].startswith("linear model of order")
    one, two = (ls.compare(test, {"m": model}).scores["m"].fit for model in models)
    assert (one > 97).all()
    assert (two > one - 1).all()


@pytest.mark.parametrize("options", [{}, {"gamma": 4.0}, {"carry_state": True, "loss": "huber"}])
def test_a_random_start_takes_them_too(options):
    model = ls.fit(masked(record()), masked(record(3)), **SMALL | options | {"linear_start": False})
    assert np.isfinite(model.info["valid_rmse"]).all()


def test_only_measured_samples_are_averaged():
    """valid_rmse and the scores, against sums written out."""
    data = masked(record(3))
    model = ls.fit(record(), data, **SMALL | {"steps": 2, "refine_steps": 0})
    error = (model.simulate(data) - data.y)[10:]
    by_hand = [np.sqrt(np.mean(e[~np.isnan(e)] ** 2)) for e in error.T]
    np.testing.assert_allclose(model.info["valid_rmse"], by_hand, rtol=1e-12)
    scores = ls.compare(data, {"m": model}).scores["m"]
    np.testing.assert_allclose(scores.rmse, by_hand, rtol=1e-12)
    np.testing.assert_allclose(scores.nrmse, [b / np.nanstd(y) for b, y in zip(by_hand, data.y[10:].T, strict=True)])
    np.testing.assert_allclose(Dataset(data).statistics().y_mean, np.nanmean(data.y, axis=0))
    np.testing.assert_allclose(Dataset(data).statistics().y_std, np.nanstd(data.y, axis=0))


def test_the_linear_start_does_not_see_what_validates():
    """Other numbers in the held-out samples and in the gaps: the same records for the linear model, to the bit."""
    full = record()
    scaling = Scaling(np.zeros(1), np.ones(1), np.zeros(2), np.ones(2))
    fitted, checked = hold_out(standardise(Dataset(full), scaling), 10, 0.15, 5)
    other = [Scored(r.u, np.where(c.scored[:, None], 1e3, r.y), r.scored) for r, c in zip(fitted, checked, strict=True)]
    assert checked[0].scored.sum() > 50
    one, two = filled_in(fitted, 10), filled_in(other, 10)
    np.testing.assert_array_equal(one[0].y, two[0].y)
    held = checked[0].scored
    np.testing.assert_array_equal(one[0].y[~held], full.y[~held])
    noise_free = G.simulate(full.u)[held]
    assert np.sqrt(np.mean((one[0].y[held] - noise_free) ** 2)) < 0.02  # as good as a measurement


def test_records_without_gaps_are_left_as_they_are():
    full = standardise(Dataset(record()), Scaling(np.zeros(1), np.ones(1), np.zeros(2), np.ones(2)))
    np.testing.assert_array_equal(filled_in(full, 10)[0].y, full[0].y)
    empty = Scored(full[0].u, np.full_like(full[0].y, np.nan), np.zeros(600, dtype=bool))
    assert len(filled_in([*full, empty], 10)) == 1


def test_gaps_are_straight_lines():
    y = np.array([[np.nan, np.nan], [1.0, np.nan], [np.nan, np.nan], [3.0, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(without_gaps(y), [[1, 0], [1, 0], [2, 0], [3, 0], [3, 0]])


def test_what_needs_every_sample_says_so():
    full = record()
    model = ls.fit_noise(ls.fit(full, **SMALL | {"steps": 2}), masked(full))
    assert model.noise is not None
    with pytest.raises(DataError, match="outputs that were not measured, and this needs all of them"):
        ls.residuals(model, masked(full))
    with pytest.raises(DataError, match="not finite; remove or fill"):
        model.predict(masked(full), k=1)
    with pytest.raises(DataError, match="not finite; remove or fill"):
        ls.fit_linear(Dataset(masked(full)), 10)
    with pytest.raises(DataError, match="holds NaN or infinity"):
        score(masked(full).y, full.y)
    with pytest.raises(DataError, match="output 1 has no measured sample after n_init = 0"):
        score([[1.0, np.nan], [2.0, np.nan]], [[1.0, 0.0], [2.0, 0.0]], missing=True)


def test_a_start_that_tells_nothing_is_refused():
    full, y = record(), np.array(record().y)
    y[:10, 1] = np.nan
    late = Record(full.u, y, 1.0, missing=True, name="late")
    with pytest.raises(DataError, match="record 'late': no sample of output 1 is measured among the first n_init = 10"):
        ls.fit(late, **SMALL)
    model = ls.fit(full, **SMALL | {"steps": 2})
    with pytest.raises(DataError, match="no sample of output 1"):
        model.simulate(late)
    assert np.isfinite(ls.fit(late, **SMALL | {"initial": "warmup"}).info["valid_rmse"]).all()


def test_an_output_without_validation_samples_is_refused():
    full, y = record(), np.array(record().y)
    y[12:, 1] = np.nan
    with pytest.raises(
        DataError, match="nothing of 'y2' is left to score: every validation sample, cut from the training"
    ):
        ls.fit(Record(full.u, y, 1.0, missing=True), **SMALL)


def test_ensembles_score_what_is_measured():
    full = record()
    ensemble = ls.fit_many(full, [0, 1], **SMALL | {"steps": 2, "refine_steps": 0})
    assert np.isfinite(ensemble.scores(masked(full))["mean"].rmse).all()
