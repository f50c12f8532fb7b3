"""Count, mean, variance and range of every channel over all records, in one pass over blocks of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from l2ssm.data.arrays import FloatArray

if TYPE_CHECKING:
    from l2ssm.data.record import Record

LONG = 2**20
"""Samples of all records together; data of more are never copied whole, but passed through in blocks."""
NUMBERS = 2**21
"""Of a block of long data, over all channels."""
CONSTANT = 1e-12  # a channel whose range is below this fraction of its magnitude does not vary


@dataclass(frozen=True)
class Statistics:
    """Means `u_mean`, `y_mean` and standard deviations `u_std`, `y_std` (divisor N) over all samples of all records."""

    u_mean: FloatArray
    u_std: FloatArray
    y_mean: FloatArray
    y_std: FloatArray


@dataclass(frozen=True)
class Summary:
    """Of the measured samples of each channel, inputs first: how many, mean, variance (divisor count), range.

    NaN in a channel without one.
    """

    count: FloatArray
    mean: FloatArray
    variance: FloatArray
    minimum: FloatArray
    maximum: FloatArray

    @property
    def varies(self) -> NDArray[np.bool_]:
        """Whether each channel has a range that is more than rounding."""
        largest = np.maximum(np.abs(self.minimum), np.abs(self.maximum))
        return np.asarray(self.maximum - self.minimum > CONSTANT * largest)


def is_long(records: Sequence[Record]) -> bool:
    """Whether the records hold more than LONG samples together."""
    return sum(record.T for record in records) > LONG


def blocks(records: Sequence[Record]) -> Iterator[tuple[FloatArray, FloatArray]]:
    """(u, y) of all samples of all records in a row, in one block, or of long data in several.

    y is (T, 0) of records without outputs.
    """
    channels = max(1, len(records[0].channels))
    rows = max(1, NUMBERS // channels) if is_long(records) else LONG
    parts: list[tuple[FloatArray, FloatArray]] = []
    held = 0
    for record in records:
        first = 0
        while first < record.T:
            stop = min(record.T, first + rows - held)
            u, y = record.block(first, stop)
            parts.append((u, np.empty((len(u), 0)) if y is None else y))
            first, held = stop, held + len(u)
            if held == rows:
                yield _joined(parts)
                parts, held = [], 0
    if parts:
        yield _joined(parts)


def _joined(parts: list[tuple[FloatArray, FloatArray]]) -> tuple[FloatArray, FloatArray]:
    return np.concatenate([u for u, _ in parts]), np.concatenate([y for _, y in parts])


def summary(records: Sequence[Record]) -> Summary:
    """Of all samples of all records; an output that is NaN does not count.

    >>> from l2ssm.data.record import Record
    >>> summary([Record([1.0, 2.0, 3.0], [0.0, 4.0, 8.0], 1.0)]).mean.tolist()
    [2.0, 4.0]
    """
    long = is_long(records)  # then column by column: twice as fast, and rounded otherwise
    return reduce(merged, (_of_block(np.asfortranarray(u) if long else u, y) for u, y in blocks(records)))


def merged(one: Summary, other: Summary) -> Summary:
    """Of the samples of both together.

    Source: Chan, Golub and LeVeque, "Algorithms for computing the sample variance", The American Statistician 37(3),
    1983, eq. (2.1).
    """
    total = one.count + other.count
    with np.errstate(invalid="ignore", divide="ignore"):
        share, step = other.count / total, other.mean - one.mean
        both = Summary(
            total,
            one.mean + share * step,
            (1 - share) * one.variance + share * other.variance + share * (1 - share) * step**2,
            np.fmin(one.minimum, other.minimum),
            np.fmax(one.maximum, other.maximum),
        )
    return Summary(
        **{
            field.name: np.where(
                one.count == 0,
                getattr(other, field.name),
                np.where(other.count == 0, getattr(one, field.name), getattr(both, field.name)),
            )
            for field in fields(Summary)
        }
    )


def _of_block(u: FloatArray, y: FloatArray) -> Summary:
    known = [column[~np.isnan(column)] for column in y.T]

    def of(statistic: Callable[..., FloatArray]) -> FloatArray:
        return np.array([*statistic(u, axis=0), *(statistic(column) if column.size else np.nan for column in known)])

    count = np.array([float(len(u))] * u.shape[1] + [float(column.size) for column in known])
    return Summary(count, of(np.mean), of(np.var), of(np.min), of(np.max))
