"""How good a simulation is: RMSE, normalised RMSE and fit percentage per output channel, pooled over records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2ssm.errors import DataError

Array = NDArray[np.float64]
Records: TypeAlias = ArrayLike | Sequence[ArrayLike]


@dataclass(frozen=True, eq=False)
class Scores:
    """The metrics of one simulation, each (n_y,): rmse in the unit of the output, nrmse = RMSE / std(y), fit in %.

    Attributes:
        rmse: sqrt(mean e^2), in the unit of the output.
        nrmse: RMSE over the standard deviation of the output.
        fit: 100 (1 - NRMSE), in %.
    """

    rmse: Array
    nrmse: Array
    fit: Array


def score(y: Records, y_hat: Records, n_init: int = 0, *, missing: bool = False) -> Scores:
    """RMSE = sqrt(mean e^2), NRMSE = RMSE / std(y), fit = 100 (1 - ||e|| / ||y - mean y||), all over y[n_init:].

    Several records are pooled: sums and the mean of y run over the scored samples of all of them.

    Args:
        y: measured outputs, (T, n_y) or (T,), or a list of such numpy arrays, one a record; finite.
        y_hat: simulated outputs of the same shapes. Where they are not finite the RMSE is inf and the fit -inf.
        n_init: samples at the start of every record that are not scored.
        missing: whether NaN in y is a sample that was not measured, and is left out of every sum.

    Returns:
        One number per channel. A channel without variation has NRMSE inf and fit -inf, unless the error is exactly 0.

    Raises:
        DataError: shapes that differ, no sample left after n_init, NaN in the measurements that is not allowed.

    >>> s = score([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 3.0])
    >>> s.rmse.tolist(), round(float(s.fit[0]), 2)
    ([0.5], 55.28)
    """
    target, error = _pooled(y, y_hat, n_init, missing)
    count = ~np.isnan(target)
    if not count.any(axis=0).all():
        raise DataError(f"output {int(count.any(axis=0).argmin())} has no measured sample after n_init = {n_init}")
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        root = np.sqrt(np.mean(error**2, axis=0, where=count))
        root = np.where(np.isfinite(root), root, np.inf)
        varies = np.nanmax(target, axis=0) > np.nanmin(target, axis=0)
        spread = np.where(varies, np.std(target, axis=0, where=count), 0.0)
        relative = np.where(root == 0, 0.0, root / spread)
    return Scores(root, relative, 100.0 * (1.0 - relative))


def rmse(y: Records, y_hat: Records, n_init: int = 0) -> Array:
    """sqrt(mean e^2) per channel, (n_y,), in the unit of the output; arguments and errors as in `score`.

    Args:
        y: measured outputs (T, n_y), or a list of records.
        y_hat: simulated ones, of the same shapes.
        n_init: first samples of every record that do not count.
    """
    return score(y, y_hat, n_init).rmse


def nrmse(y: Records, y_hat: Records, n_init: int = 0) -> Array:
    """RMSE / std(y) per channel, (n_y,); arguments and errors as in `score`.

    Args:
        y: measured outputs (T, n_y), or a list of records.
        y_hat: simulated ones, of the same shapes.
        n_init: first samples of every record that do not count.
    """
    return score(y, y_hat, n_init).nrmse


def fit_percent(y: Records, y_hat: Records, n_init: int = 0) -> Array:
    """100 (1 - ||e|| / ||y - mean y||) per channel, (n_y,): 100 is perfect, 0 is as good as the mean of y.

    Args:
        y: measured outputs (T, n_y), or a list of records.
        y_hat: simulated ones, of the same shapes.
        n_init: first samples of every record that do not count.
    """
    return score(y, y_hat, n_init).fit


def _pooled(y: Records, y_hat: Records, n_init: int, missing: bool) -> tuple[Array, Array]:
    """(y, y - y_hat), each (samples of all records after n_init, n_y)."""
    if n_init < 0:
        raise DataError(f"n_init is {n_init}, expected >= 0 samples")
    targets, outputs = _as_list(y, "y"), _as_list(y_hat, "y_hat")
    if len(targets) != len(outputs):
        raise DataError(f"y has {len(targets)} records, y_hat {len(outputs)}")
    for i, (target, output) in enumerate(zip(targets, outputs, strict=True)):
        if target.shape != output.shape:
            raise DataError(f"record {i}: y has shape {target.shape}, y_hat {output.shape}; expected the same (T, n_y)")
        if target.shape[1] != targets[0].shape[1]:
            raise DataError(f"record {i} has {target.shape[1]} outputs, record 0 has {targets[0].shape[1]}")
        if np.isinf(target).any() or (np.isnan(target).any() and not missing):
            raise DataError(f"record {i}: the measured y holds NaN or infinity")
        if len(target) <= n_init:
            raise DataError(f"record {i} has {len(target)} samples, none is left after n_init = {n_init}")
    with np.errstate(over="ignore", invalid="ignore"):
        errors = [target[n_init:] - output[n_init:] for target, output in zip(targets, outputs, strict=True)]
    return np.concatenate([target[n_init:] for target in targets]), np.concatenate(errors)


def _as_list(values: Records, name: str) -> list[Array]:
    """One (T, n_y) array a record: a list or tuple of numpy arrays holds records, anything else is one record."""
    several = isinstance(values, (list, tuple)) and any(isinstance(v, np.ndarray) and v.ndim > 0 for v in values)
    arrays = [np.asarray(v, dtype=np.float64) for v in (cast(Sequence[ArrayLike], values) if several else [values])]
    arrays = [v[:, None] if v.ndim == 1 else v for v in arrays]
    for v in arrays:
        if v.ndim != 2:
            raise DataError(f"{name} has shape {v.shape}, expected (T, n_y) or a list of such arrays")
    return arrays
