"""SSMRegressor keeps scikit-learn's contract; only the two checks that shuffle samples in time are expected to fail."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from l2ssm import SSMRegressor
from l2ssm.errors import DataError

ORDER = "samples are consecutive in time: their order is the data"
EXPECTED_FAILURES = {
    "check_methods_sample_order_invariance": ORDER,
    "check_methods_subset_invariance": ORDER,
}


@parametrize_with_checks(
    [SSMRegressor(layers=1, d_model=8, n_x=4, steps=60, learning_rate=2e-2)],
    expected_failed_checks=lambda _: EXPECTED_FAILURES,
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def record(seed: int, T: int) -> tuple[np.ndarray, np.ndarray]:
    """A first-order lag, exactly."""
    u = np.random.default_rng(seed).normal(size=(T, 1))
    y = np.zeros(T)
    for k in range(T - 1):
        y[k + 1] = 0.8 * y[k] + 0.2 * u[k, 0]
    return u, y


def test_lists_of_records_of_different_lengths():
    pairs = [record(seed, T) for seed, T in ((0, 200), (1, 300), (2, 150))]
    X, y = [u for u, _ in pairs], [v for _, v in pairs]
    est = SSMRegressor(layers=1, steps=300, dt=0.1).fit(X, y)
    assert est.model_.dt == 0.1
    predicted = est.predict(X)
    assert [p.shape for p in predicted] == [(200,), (300,), (150,)]
    assert est.score(X, y) > 0.9
    u, v = record(7, 250)
    assert est.score(u, v) > 0.9


def test_lists_that_do_not_match_are_refused():
    u, y = record(0, 100)
    with pytest.raises(DataError, match="list of 2 records, y must be a list of as many"):
        SSMRegressor().fit([u, u], [y])


def test_a_rule_that_needs_outputs_is_refused():
    u, y = record(0, 100)
    with pytest.raises(DataError, match="needs outputs when it predicts"):
        SSMRegressor(initial="encoder").fit(u, y)


def test_clone_and_fit_give_the_same_model_for_the_same_seed():
    u, y = record(0, 120)
    est = SSMRegressor(layers=1, steps=10, random_state=3)
    assert clone(est).fit(u, y).model_.network.digest == est.fit(u, y).model_.network.digest
