"""What a `Record` asks of its samples, its times and its names; each check is a `DataError` that says what is wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from l2ssm.data.arrays import FloatArray, first_non_finite
from l2ssm.errors import DataError


def check_orientation(u: FloatArray, y: FloatArray | None, where: str) -> None:
    """DataError unless both are as long, and longer than wide."""
    shapes = f"u {u.shape}" + ("" if y is None else f" and y {y.shape}")
    if y is not None and u.shape[0] != y.shape[0]:
        if u.shape[1] == y.shape[1] > max(u.shape[0], y.shape[0]):
            fix = "both look transposed, pass time_axis=1"
        elif u.shape[0] == y.shape[1] > y.shape[0]:
            fix = "y looks transposed, pass y.T"
        elif y.shape[0] == u.shape[1] > u.shape[0]:
            fix = "u looks transposed, pass u.T"
        else:
            fix = "every input sample needs one output sample"
        raise DataError(f"{where}unequal lengths, {shapes} as (samples, channels): {fix}")
    for array in (u, y):
        if array is not None and array.shape[1] > array.shape[0]:
            raise DataError(
                f"{where}{shapes} as (samples, channels): more channels than samples looks transposed, pass time_axis=1"
            )


def check_width(samples: int, n_u: int, n_y: int, where: str) -> None:
    """DataError where there are more channels than samples."""
    check_orientation(np.broadcast_to(0.0, (samples, n_u)), np.broadcast_to(0.0, (samples, n_y)), where)


def check_time(dt: Any, t0: Any, where: str) -> None:
    """DataError unless dt is a positive and t0 a finite number of seconds."""
    for what, value in (("dt", dt), ("t0", t0)):
        if isinstance(value, (bool, str)) or not isinstance(value, (int, float, np.number)) or not math.isfinite(value):
            raise DataError(f"{where}{what}={value!r} is not a finite number of seconds")
    if not dt > 0:
        raise DataError(f"{where}dt={dt!r}: the sampling time must be positive (seconds)")


def check_finite(
    array: FloatArray, names: Sequence[str], where: str, *, missing: bool = False, before: int = 0
) -> None:
    """DataError where a number is infinite, or NaN unless it may be `missing`.

    Args:
        array: (T, channels).
        names: of the channels.
        where: what the message begins with.
        missing: whether NaN is a sample that was not measured.
        before: samples of the record before these, for the message.
    """
    bad = first_non_finite(np.where(np.isnan(array), 0.0, array) if missing else array)
    if bad is None:
        return
    row, channel = bad
    rows = int((~np.isfinite(array)).any(axis=1).sum())
    kind = "NaN" if np.isnan(array[row, channel]) else "infinity"
    raise DataError(
        f"{where}{kind} in channel {names[channel]!r}, first at row {before + row} ({rows} of {array.shape[0]} rows):"
        ' repair it, or split the record there with dropna="split" of read, Dataset.from_arrays or Dataset.from_frame;'
        ' where an output was not measured, dropna="mask" keeps the row (Record: missing=True)'
    )


def names_of(given: Any, stem: str, count: int, what: str, where: str) -> tuple[str, ...]:
    """The given names of so many channels, or stem, or stem1, stem2, ...; a DataError unless there are as many."""
    if given is None:
        return (stem,) if count == 1 else tuple(f"{stem}{index + 1}" for index in range(count))
    names = (given,) if isinstance(given, str) else tuple(str(name) for name in given)
    if len(names) != count:
        raise DataError(f"{where}{what}={list(names)} has {len(names)} names for {count} channels")
    if not all(names):
        raise DataError(f"{where}{what}={list(names)} holds an empty name")
    return names
