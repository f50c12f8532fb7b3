"""Cutting records: along time with a gap, by whole records, at rows that hold a NaN, and to stretches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from l2ssm.data.arrays import FloatArray, as_samples, finite_stretches
from l2ssm.data.record import Record
from l2ssm.errors import DataError, OptionError

Stretch = tuple[int, int, int]
"""Position of a record, first sample, the one behind the last."""


def _cumulated(fractions: Sequence[float]) -> list[float]:
    """0 = c_0 < c_1 < ... < c_k = 1 from the k fractions."""
    try:
        shares = [float(share) for share in fractions]
    except (TypeError, ValueError):
        raise OptionError(f"fractions={fractions!r} must be a list of numbers, such as [0.8, 0.2]") from None
    if not shares or not all(share > 0 for share in shares) or not math.isclose(sum(shares), 1.0, rel_tol=1e-9):
        raise OptionError(f"fractions={list(fractions)} must be positive and sum to 1, such as [0.8, 0.2]")
    return [sum(shares[:index]) for index in range(len(shares))] + [1.0]


def split_by_time(records: Sequence[Record], fractions: Sequence[float], gap: int) -> list[list[Record]]:
    """Part i of every record: consecutive samples in the given shares of T - (k - 1) gap, with `gap` samples between.

    Raises:
        DataError: a part of some record would be empty.
        OptionError: fractions that do not sum to 1, or gap < 0.
    """
    edges = _cumulated(fractions)
    if isinstance(gap, bool) or not isinstance(gap, (int, np.integer)) or gap < 0:
        raise OptionError(f"gap={gap!r} must be a whole number of samples, 0 or more")
    parts: list[list[Record]] = [[] for _ in fractions]
    for record in records:
        usable = record.T - gap * (len(fractions) - 1)
        cuts = [round(edge * max(usable, 0)) for edge in edges]
        for index, (first, stop) in enumerate(pairwise(cuts)):
            if stop <= first:
                raise DataError(
                    f"record {record.name!r} has {record.T} samples, too few to split into {list(fractions)}"
                    f" with a gap of {gap}: part {index} would be empty"
                )
            parts[index].append(record.samples(first + index * gap, stop + index * gap))
    return parts


def split_by_record(records: Sequence[Record], fractions: Sequence[float]) -> list[list[Record]]:
    """Consecutive whole records in the given shares of their number.

    Raises:
        DataError: a part would hold no record.
        OptionError: fractions that do not sum to 1.
    """
    cuts = [round(edge * len(records)) for edge in _cumulated(fractions)]
    parts = [list(records[first:stop]) for first, stop in pairwise(cuts)]
    if not all(parts):
        raise DataError(
            f"{len(records)} record(s) cannot be dealt out as {list(fractions)}: part {parts.index([])} would be empty;"
            ' by="time" cuts inside records'
        )
    return parts


def finite_parts(u: FloatArray, y: FloatArray | None, name: str, dropna: str | None) -> list[slice]:
    """All rows, or with `dropna="split"` the stretches between rows with a NaN or infinity that are long enough to use.

    A stretch needs two samples and as many samples as channels.

    Raises:
        DataError: no stretch is long enough.
        OptionError: `dropna` is none of None, "split" and "mask".
    """
    if dropna in (None, "mask"):
        return [slice(0, u.shape[0])]
    if dropna != "split":
        raise OptionError(
            f'dropna={dropna!r}; expected None (refuse NaN), "split" (cut the record there) or "mask" (a NaN in y is a'
            " sample that was not measured)"
        )
    arrays = [u] if y is None else [u, y]
    shortest = max(2, *(array.shape[1] for array in arrays))
    stretches = finite_stretches(*arrays, shortest=shortest)
    if not stretches:
        raise DataError(f"record {name!r} has no {shortest} consecutive rows without NaN; dropna leaves nothing of it")
    return stretches


def split_at_gaps(
    u: Any, y: Any, dt: float, *, dropna: str | None = None, name: str = "", t0: float = 0.0, **about: Any
) -> list[Record]:
    """One record, or with `dropna="split"` its finite stretches, called name/0, name/1, ..., each with its own t0.

    Raises:
        DataError: no stretch is long enough, or anything a `Record` refuses.
        OptionError: `dropna` is none of None, "split" and "mask".
    """
    if dropna in (None, "mask"):
        return [Record(u, y, dt, name=name, t0=t0, missing=dropna == "mask", **about)]
    time_axis = about.pop("time_axis", 0)
    u, y = as_samples(u, "u", time_axis), None if y is None else as_samples(y, "y", time_axis)
    Record(
        np.zeros_like(u), None if y is None else np.zeros_like(y), dt, name=name, t0=t0, **about
    )  # shapes, names, dt
    parts = finite_parts(u, y, name, dropna)
    if parts == [slice(0, u.shape[0])]:
        return [Record(u, y, dt, name=name, t0=t0, **about)]
    return [
        Record(
            u[part],
            None if y is None else y[part],
            dt,
            name=f"{name or 'record'}/{index}",
            t0=t0 + part.start * dt,
            **about,
        )
        for index, part in enumerate(parts)
    ]


def stretches(lengths: Sequence[int], length: int, count: int) -> list[Stretch]:
    """`count` stretches of `length` samples, evenly spread over the records in a row; a shorter record is one, whole.

    Of short records there are as many more as make up for what they lack. They do not overlap where twice as many fit
    in. There are fewer where several fall on one short record.

    >>> stretches([100, 30, 100], 40, 2)
    [(0, 37, 77), (2, 22, 62)]
    """
    ends = np.cumsum(lengths)
    count = round(count * length / np.average(np.minimum(lengths, length), weights=lengths))
    found: set[Stretch] = set()
    for middle in ((np.arange(count) + 0.5) / count * ends[-1]).astype(int).tolist():
        i = int(np.searchsorted(ends, middle, side="right"))
        begin = middle - (int(ends[i]) - lengths[i]) - length // 2
        first = min(max(begin, 0), max(lengths[i] - length, 0))
        found.add((i, first, min(first + length, lengths[i])))
    return sorted(found)
