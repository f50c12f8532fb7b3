"""Instants: seconds from a time column, the sampling time they imply, and linear interpolation to a uniform grid."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.data.arrays import FloatArray
from l2ssm.errors import DataError

OFFSET = re.compile(r"(.*:.*?)([+-])(\d\d):?(\d\d)")  # 2024-05-01T10:00:00+02:00
OF_DAY = re.compile(r"\d?\d:\d\d:\d\d(\.\d+)?")
LARGEST_JITTER = 0.05  # of dt: what the printed digits of a time column may cost


def seconds_of(instants: NDArray[Any], name: object) -> FloatArray:
    """Dates or durations in seconds, (T,), dates counted from the first one; an empty cell is NaN.

    Raises:
        DataError: not dates.

    >>> seconds_of(np.array(["2024-05-01T10:00:00", "2024-05-01T10:00:02.500"]), "t").tolist()
    [0.0, 2.5]
    """
    if instants.dtype.kind in "UO" and all(isinstance(value, str) for value in instants.tolist()):
        try:
            instants = np.array([_instant(value) for value in instants.tolist()])
        except ValueError:
            raise DataError(f"time column {name!r} holds {instants[0]!r}: neither a number nor an ISO date") from None
    if instants.dtype.kind == "M":
        instants = instants - instants[0]
    if instants.dtype.kind == "m":
        seconds = instants.astype("timedelta64[ns]").astype(np.float64) * 1e-9
        return np.where(np.isnat(instants), np.nan, seconds)
    raise DataError(f"time column {name!r} holds {instants.dtype} such as {instants[0]!r}: neither numbers nor dates")


def _instant(text: str) -> np.datetime64:
    """An ISO date with or without offset from UTC, or a time of day."""
    text = text.strip().removesuffix("Z")
    offset = OFFSET.fullmatch(text)
    if offset:
        minutes = int(offset[2] + "1") * (60 * int(offset[3]) + int(offset[4]))
        return np.datetime64(offset[1], "ns") - np.timedelta64(minutes, "m")
    if OF_DAY.fullmatch(text):
        text = f"1970-01-01T{text}" if text[2] == ":" else f"1970-01-01T0{text}"
    return np.datetime64(text, "ns")


def _check_increasing(time: FloatArray, name: str) -> None:
    where = f"record {name!r}: " if name else ""
    if time.size < 2:
        raise DataError(f"{where}a time column of {time.size} sample(s) implies no dt; pass dt=<seconds>")
    if not np.isfinite(time).all():
        raise DataError(
            f"{where}the time column has a NaN or infinity, first at row {int((~np.isfinite(time)).argmax())}"
        )
    steps = np.diff(time)
    if not (steps > 0).all():
        row = int((~(steps > 0)).argmax())
        raise DataError(
            f"{where}time does not increase: {time[row]:.9g} s at row {row}, {time[row + 1]:.9g} s at row {row + 1};"
            " several records in one table are told apart with record=<column>"
        )


def uniform_dt(time: FloatArray, name: str = "", *, expected: float | None = None) -> float:
    """The sampling time of instants that are a uniform grid up to a jitter of 5 % of dt, with its decimals cleaned.

    Raises:
        DataError: instants that do not increase, a larger jitter, or a dt other than the expected one.

    >>> uniform_dt(np.array([0.0, 0.33, 0.67, 1.0, 1.33, 1.67, 2.0]) * 0.3)
    0.1
    """
    _check_increasing(time, name)
    where = f"record {name!r}: " if name else ""
    last = time.size - 1
    dt = float(time[-1] - time[0]) / last
    steps = np.diff(time)
    worst = int(np.abs(steps - dt).argmax())
    jitter = abs(float(steps[worst]) - dt) / dt
    if not jitter <= LARGEST_JITTER:
        raise DataError(
            f"{where}time is not uniform: the mean step is {dt:.6g} s, the steps are {steps.min():.6g} to"
            f" {steps.max():.6g} s, a jitter of {100 * jitter:.3g} % (first worst at row {worst});"
            f" pass resample={float(f'{np.median(steps):.3g}')!r} to interpolate"
        )
    tidy = float(f"{dt:.6g}")
    if abs(tidy - dt) * last <= 1e-3 * dt:
        dt = tidy
    if expected is not None and not abs(dt - expected) <= 1e-3 * expected:
        raise DataError(f"{where}dt={expected!r} s, but the time column has steps of {dt:g} s; pass one of the two")
    return dt if expected is None else float(expected)


def resample_linear(time: FloatArray, values: FloatArray, dt: float, name: str = "") -> tuple[FloatArray, FloatArray]:
    """Values (T, n) linearly interpolated at time[0], time[0] + dt, ... up to time[-1]; no anti-aliasing filter.

    Raises:
        DataError: instants that do not increase, or dt not positive or longer than the record.

    >>> resample_linear(np.array([0.0, 1.0, 4.0]), np.array([[0.0], [2.0], [8.0]]), 2.0)[1].ravel().tolist()
    [0.0, 4.0, 8.0]
    """
    _check_increasing(time, name)
    span = float(time[-1] - time[0])
    if isinstance(dt, bool) or not isinstance(dt, (int, float, np.number)) or not 0 < dt <= span:
        raise DataError(f"resample={dt!r} must be a sampling time in seconds, > 0 and at most the duration {span:g} s")
    grid = time[0] + dt * np.arange(int(np.floor(span / dt * (1 + 1e-12) + 1e-9)) + 1)
    grid = np.minimum(grid, time[-1])
    return grid, np.column_stack([np.interp(grid, time, column) for column in values.T])
