"""`SSMRegressor`: `fit` and `simulate` under scikit-learn's conventions, for arrays or lists of records."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_array, check_is_fitted, check_X_y, validate_data

from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import DataError
from l2ssm.identification.fit import fit
from l2ssm.identification.model import Model


class SSMRegressor(RegressorMixin, BaseEstimator):
    """y = deep state-space model of u; samples are consecutive in time, so their order matters.

    Args:
        cell, gamma, gamma_start, gain_penalty, scaffold, static, layers, d_model, n_x: see `l2ssm.fit`.
        steps, learning_rate, window, batch: see `l2ssm.fit`.
        dt: sample time in seconds.
        initial: "zero", "learned" or "warmup": a regressor sees no outputs when it predicts.
        n_init: samples at the start of each record that training does not score, for "warmup"; `score` counts all.
        random_state: seed; None stands for 0.

    Attributes:
        model_: the fitted `Model`.
        n_features_in_: number of inputs.

    >>> from l2ssm import SSMRegressor
    >>> SSMRegressor(cell="lru", n_x=4).get_params()["n_x"]
    4
    """

    def __init__(
        self,
        *,
        cell: str | None = None,
        gamma: float | None = None,
        gamma_start: float | None = None,
        gain_penalty: float | None = None,
        scaffold: str | None = None,
        static: str | None = None,
        layers: int = 2,
        d_model: int = 8,
        n_x: int = 8,
        dt: float = 1.0,
        initial: str = "zero",
        n_init: int | None = None,
        window: int = 512,
        batch: int = 8,
        steps: int = 500,
        learning_rate: float = 5e-3,
        random_state: int | None = None,
    ) -> None:
        self.cell = cell
        self.gamma = gamma
        self.gamma_start = gamma_start
        self.gain_penalty = gain_penalty
        self.scaffold = scaffold
        self.static = static
        self.layers = layers
        self.d_model = d_model
        self.n_x = n_x
        self.dt = dt
        self.initial = initial
        self.n_init = n_init
        self.window = window
        self.batch = batch
        self.steps = steps
        self.learning_rate = learning_rate
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> SSMRegressor:
        """Fit on u = X (T, n_u), y (T,) or (T, n_y); or on lists of such arrays, one a record.

        Args:
            X: inputs (T, n_u), or a list of such arrays, one a record.
            y: outputs (T, n_y), or a list.

        Raises:
            DataError: lists of different lengths, or a regressor that would need outputs to predict.
            ValueError: what scikit-learn's own checks refuse.
        """
        if self.initial == "encoder":
            raise DataError(
                "initial='encoder' needs outputs when it predicts; use l2ssm.fit, or 'zero', 'learned' or 'warmup'"
            )
        data = self._records(X, y)
        self.model_: Model = fit(
            data,
            cell=self.cell,
            gamma=self.gamma,
            gamma_start=self.gamma_start,
            gain_penalty=self.gain_penalty,
            scaffold=self.scaffold,
            static=self.static,
            layers=self.layers,
            d_model=self.d_model,
            n_x=self.n_x,
            initial=self.initial,
            n_init=self.n_init,
            window=self.window,
            batch=self.batch,
            steps=self.steps,
            learning_rate=self.learning_rate,
            validate_every=max(1, self.steps // 10),
            seed=0 if self.random_state is None else int(np.random.default_rng(self.random_state).integers(2**31)),
        )
        return self

    def predict(self, X: Any) -> NDArray | list[NDArray]:
        """The free run for u = X (T, n_u), of the shape y had in `fit`; a list for a list of records.

        Args:
            X: inputs (T, n_u), or a list.
        """
        check_is_fitted(self)
        if isinstance(X, list) and X and np.ndim(X[0]) == 2:
            return [self._shaped(self.model_.simulate(check_array(u))) for u in X]
        return self._shaped(self.model_.simulate(validate_data(self, X, reset=False)))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R^2 of the free run over all records together.

        Args:
            X: inputs (T, n_u), or a list.
            y: outputs (T, n_y), or a list.
            sample_weight: weights of the samples (T,), or a list.
        """
        predicted = self.predict(X)
        if isinstance(predicted, list):
            return float(r2_score(np.concatenate(y), np.concatenate(predicted)))
        return float(RegressorMixin.score(self, X, y, sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _records(self, X: Any, y: Any) -> Dataset:
        if isinstance(X, list) and X and np.ndim(X[0]) == 2:
            if not isinstance(y, list) or len(y) != len(X):
                raise DataError(f"X is a list of {len(X)} records, y must be a list of as many")
            pairs = [check_X_y(u, v, multi_output=True, y_numeric=True) for u, v in zip(X, y, strict=True)]
            self.n_features_in_ = pairs[0][0].shape[1]
        else:
            pairs = [validate_data(self, X, y, multi_output=True, y_numeric=True, ensure_min_samples=2)]
        self._one_output = pairs[0][1].ndim == 1
        return Dataset([Record(u, v, self.dt, name=f"record{i}") for i, (u, v) in enumerate(pairs)])

    def _shaped(self, y: NDArray) -> NDArray:
        return y[:, 0] if self._one_output else y
