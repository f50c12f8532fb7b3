"""Metrics against their closed forms, and shape errors that name the shapes."""

from __future__ import annotations

import numpy as np
import pytest

from l2ssm.analysis.metrics import fit_percent, nrmse, rmse, score
from l2ssm.errors import DataError


def test_a_constant_offset_has_that_rmse_in_every_channel() -> None:
    y = np.random.default_rng(0).standard_normal((50, 3))
    np.testing.assert_allclose(rmse(y, y + np.array([1.0, -2.0, 0.0])), [1.0, 2.0, 0.0], atol=1e-15)


def test_fit_is_the_norm_ratio_of_its_definition() -> None:
    rng = np.random.default_rng(1)
    y, y_hat = rng.standard_normal((80, 2)), rng.standard_normal((80, 2))
    e, spread = y[10:] - y_hat[10:], y[10:] - y[10:].mean(axis=0)
    expected = 100 * (1 - np.linalg.norm(e, axis=0) / np.linalg.norm(spread, axis=0))
    np.testing.assert_allclose(fit_percent(y, y_hat, n_init=10), expected, rtol=1e-12)
    np.testing.assert_allclose(nrmse(y, y_hat, 10), np.linalg.norm(e, axis=0) / np.linalg.norm(spread, axis=0))


def test_the_mean_of_y_scores_zero_and_y_itself_one_hundred() -> None:
    y = np.random.default_rng(2).standard_normal((40, 1))
    assert fit_percent(y, y)[0] == 100.0
    assert fit_percent(y, np.full_like(y, y.mean()))[0] == pytest.approx(0.0, abs=1e-12)


def test_the_first_n_init_samples_of_every_record_do_not_count() -> None:
    y = [np.arange(10.0), np.arange(20.0)]
    bad_start = [v.copy() for v in y]
    for v in bad_start:
        v[:4] += 100
    assert rmse(y, bad_start, n_init=4)[0] == 0.0
    assert rmse(y, bad_start, n_init=3)[0] == pytest.approx(100 * np.sqrt(2 / (7 + 17)))


def test_records_are_pooled_by_samples_not_by_record() -> None:
    y = [np.zeros(10), np.ones(30)]
    y_hat = [np.ones(10), np.ones(30)]
    assert rmse(y, y_hat)[0] == pytest.approx(0.5)
    assert nrmse(y, y_hat)[0] == pytest.approx(0.5 / np.std(np.concatenate(y)))


def test_a_diverged_simulation_and_a_constant_output_have_definite_scores() -> None:
    y = np.arange(5.0)
    for bad in (np.nan, np.inf, 1e200):
        s = score(y, np.array([0, 1, bad, 3, 4]))
        assert s.rmse[0] == np.inf
        assert s.fit[0] == -np.inf
    flat = score(np.ones(5), np.zeros(5))
    assert (flat.rmse[0], flat.nrmse[0], flat.fit[0]) == (1.0, np.inf, -np.inf)
    assert score(np.full(5, 0.1), np.full(5, 0.1)).fit[0] == 100.0


@pytest.mark.parametrize(
    ("y", "y_hat", "n_init", "message"),
    [
        (np.zeros((5, 2)), np.zeros((5, 3)), 0, r"\(5, 2\).*\(5, 3\)"),
        (np.zeros(5), np.zeros(6), 0, r"\(5, 1\).*\(6, 1\)"),
        ([np.zeros(5)], [np.zeros(5), np.zeros(5)], 0, "1 records, y_hat 2"),
        (np.zeros(5), np.zeros(5), 5, "none is left"),
        (np.zeros(5), np.zeros(5), -1, ">= 0"),
        (np.full(5, np.nan), np.zeros(5), 0, "NaN"),
        (np.zeros((2, 2, 2)), np.zeros((2, 2, 2)), 0, r"\(2, 2, 2\)"),
        ([np.zeros((4, 1)), np.zeros((4, 2))], [np.zeros((4, 1)), np.zeros((4, 2))], 0, "record 1 has 2 outputs"),
    ],
)
def test_what_cannot_be_scored_is_named(y: object, y_hat: object, n_init: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        score(y, y_hat, n_init)  # type: ignore[arg-type]
