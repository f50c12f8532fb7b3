"""What a fit minimises: squared or robust errors, weights of channels, of records and of samples."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from torch import Tensor
from torch.nn import functional

from l2ssm.data.dataset import Dataset
from l2ssm.errors import OptionError
from l2ssm.identification.long_data import LongRecord
from l2ssm.identification.windows import Scored
from l2ssm.options import positive

LOSSES = ("mse", "huber")
AnyRecord = TypeVar("AnyRecord", Scored, LongRecord)


@dataclass(frozen=True)
class Loss:
    """w e^2, or with a delta w (2 delta |e| - delta^2) where |e| > delta; e in standardised units, w one a channel.

    Args:
        delta: error from which on it counts linearly; None: never.
        channels: weights of mean 1, one an output; (): all 1.
    """

    delta: float | None = None
    channels: tuple[float, ...] = ()

    def __call__(self, error: Tensor) -> Tensor:
        """The loss (..., n_y) of every error (..., n_y)."""
        if self.delta is None:
            loss = error**2
        else:
            loss = 2 * functional.huber_loss(error, error.new_zeros(()).expand_as(error), "none", self.delta)
        return loss * error.new_tensor(self.channels) if self.channels else loss


def checked_loss(kind: str, delta: float, channels: Sequence[float] | None, n_y: int) -> Loss:
    """The loss that these options of `fit` name.

    Raises:
        OptionError: an unknown loss, delta <= 0, not one weight an output, a negative one, or none above 0.
    """
    if kind not in LOSSES:
        raise OptionError(f"loss is {kind!r}, expected one of {', '.join(LOSSES)}")
    delta = positive("huber_delta", delta)
    if channels is None:
        given = np.array([])
    else:
        given = _numbers("channel_weights", channels, n_y)
        if given.shape != (n_y,):
            raise OptionError(f"channel_weights is {channels!r}, expected {n_y} numbers, one an output")
        given = given / _mean("channel_weights", given)
    return Loss(delta if kind == "huber" else None, tuple(given.tolist()))


def weighted(records: Sequence[AnyRecord], data: Dataset, weights: Mapping[str, Any] | None) -> list[AnyRecord]:
    """The records with their weights, scaled to the mean 1 over all samples above 0; the others are not scored.

    Args:
        records: those of the data, in order.
        data: what the weights name.
        weights: by the name of a record one number, or (T,) numbers, >= 0; 1 for a record that is not named.

    Raises:
        OptionError: a weight that is negative or not finite, not T of them, or none above 0.
    """
    if weights is None:
        return list(records)
    given = [
        np.broadcast_to(_numbers(f"weights[{record.name!r}]", weights.get(record.name, 1.0), record.T), record.T)
        for record in data
    ]
    mean = _mean("weights", np.concatenate(given))
    return [record.weighing(w / mean) for record, w in zip(records, given, strict=True)]


def check_names(weights: Mapping[str, Any] | None, train: Dataset, valid: Dataset | None) -> None:
    """OptionError unless every weight is of a record."""
    known = [*train.names, *(valid.names if valid is not None else ())]
    if weights is not None and not isinstance(weights, Mapping):
        raise OptionError(f"weights is a {type(weights).__name__}, expected a dict by the names of records")
    for name in weights or ():
        if name not in known:
            raise OptionError(f"weights name {name!r}, which is no record; the records are {', '.join(known[:20])}")


def weights_digest(records: Sequence[Scored | LongRecord]) -> str | None:
    """SHA-256 of all weights; None where there are none."""
    sha = hashlib.sha256()
    for record in records:
        if record.weight is None:
            return None
        sha.update(record.weight.tobytes())
    return sha.hexdigest()


def _numbers(name: str, value: Any, count: int) -> np.ndarray:
    """One number, or `count` of them, all finite and >= 0."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise OptionError(f"{name} is {value!r}, expected numbers >= 0") from None
    if array.shape not in ((), (count,)):
        raise OptionError(f"{name} has the shape {array.shape}, expected one number or {count} of them")
    good = np.isfinite(array) & (array >= 0)
    if not good.all():
        raise OptionError(f"{name} holds {array[~good][0]}, expected finite numbers >= 0")
    return array


def _mean(name: str, values: np.ndarray) -> float:
    """Of those above 0."""
    if not (values > 0).any():
        raise OptionError(f"{name} are all 0, expected one above")
    return float(values[values > 0].mean())
