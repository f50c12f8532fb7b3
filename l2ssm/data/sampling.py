"""Instants: seconds from a time column, the sampling time they imply, and linear interpolation to a uniform grid."""

from __future__ import annotations

import math
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


def _check_increasing(time: FloatArray, name: str, before: int = 0) -> None:
    """DataError unless the instants are finite and increase; `before` of the record were there already."""
    where = f"record {name!r}: " if name else ""
    if not np.isfinite(time).all():
        row = before + int((~np.isfinite(time)).argmax())
        raise DataError(f"{where}the time column has a NaN or infinity, first at row {row}")
    steps = np.diff(time)
    if not (steps > 0).all():
        row = int((~(steps > 0)).argmax())
        raise DataError(
            f"{where}time does not increase: {time[row]:.9g} s at row {before + row}, {time[row + 1]:.9g} s at row"
            f" {before + row + 1}; several records in one table are told apart with record=<column>"
        )


class Grid:
    """Instants of one record, given piece by piece: the sampling time that they imply, and how even they are.

    Args:
        name: of the record, for messages.
    """

    def __init__(self, name: str = "") -> None:
        self.name, self.count = name, 0
        self.first = self.last = self._usual = math.nan
        self._shortest = self._longest = (math.nan, -1)  # a step and the row before it

    def add(self, time: FloatArray) -> None:
        """The next instants.

        Raises:
            DataError: a number that is not finite, or no increase.
        """
        known = np.concatenate([[self.last], time]) if self.count else time
        before = max(self.count - 1, 0)
        _check_increasing(known, self.name, before)
        if not self.count and time.size:
            self.first = float(time[0])
        if known.size > 1:
            steps = np.diff(known)
            self._usual = float(np.median(steps)) if math.isnan(self._usual) else self._usual
            low, high = int(steps.argmin()), int(steps.argmax())
            if not steps[low] >= self._shortest[0]:
                self._shortest = float(steps[low]), before + low
            if not steps[high] <= self._longest[0]:
                self._longest = float(steps[high]), before + high
        self.count += time.size
        self.last = float(known[-1]) if known.size else self.last

    def dt(self, expected: float | None = None) -> float:
        """See `uniform_dt`."""
        where = f"record {self.name!r}: " if self.name else ""
        if self.count < 2:
            raise DataError(f"{where}a time column of {self.count} sample(s) implies no dt; pass dt=<seconds>")
        steps = self.count - 1
        dt = (self.last - self.first) / steps
        extremes = sorted((self._shortest, self._longest), key=lambda step: (-abs(step[0] - dt), step[1]))
        jitter = abs(extremes[0][0] - dt) / dt
        if not jitter <= LARGEST_JITTER:
            raise DataError(
                f"{where}time is not uniform: the mean step is {dt:.6g} s, the steps are {self._shortest[0]:.6g} to"
                f" {self._longest[0]:.6g} s, a jitter of {100 * jitter:.3g} % (first worst at row {extremes[0][1]});"
                f" pass resample={float(f'{self._usual:.3g}')!r} to interpolate"
            )
        tidy = float(f"{dt:.6g}")
        if abs(tidy - dt) * steps <= 1e-3 * dt:
            dt = tidy
        if expected is not None and not abs(dt - expected) <= 1e-3 * expected:
            raise DataError(f"{where}dt={expected!r} s, but the time column has steps of {dt:g} s; pass one of the two")
        return dt if expected is None else float(expected)


def uniform_dt(time: FloatArray, name: str = "", *, expected: float | None = None) -> float:
    """The sampling time of instants that are a uniform grid up to a jitter of 5 % of dt, with its decimals cleaned.

    Raises:
        DataError: instants that do not increase, a larger jitter, or a dt other than the expected one.

    >>> uniform_dt(np.array([0.0, 0.33, 0.67, 1.0, 1.33, 1.67, 2.0]) * 0.3)
    0.1
    """
    grid = Grid(name)
    grid.add(time)
    return grid.dt(expected)


def resample_linear(time: FloatArray, values: FloatArray, dt: float, name: str = "") -> tuple[FloatArray, FloatArray]:
    """Values (T, n) linearly interpolated at time[0], time[0] + dt, ... up to time[-1]; no anti-aliasing filter.

    Raises:
        DataError: instants that do not increase, or dt not positive or longer than the record.

    >>> resample_linear(np.array([0.0, 1.0, 4.0]), np.array([[0.0], [2.0], [8.0]]), 2.0)[1].ravel().tolist()
    [0.0, 4.0, 8.0]
    """
    if time.size < 2:
        raise DataError(f"record {name!r} has {time.size} instant(s), which nothing can be interpolated between")
    _check_increasing(time, name)
    span = float(time[-1] - time[0])
    if isinstance(dt, bool) or not isinstance(dt, (int, float, np.number)) or not 0 < dt <= span:
        raise DataError(f"resample={dt!r} must be a sampling time in seconds, > 0 and at most the duration {span:g} s")
    grid = time[0] + dt * np.arange(int(np.floor(span / dt * (1 + 1e-12) + 1e-9)) + 1)
    grid = np.minimum(grid, time[-1])
    return grid, np.column_stack([np.interp(grid, time, column) for column in values.T])
