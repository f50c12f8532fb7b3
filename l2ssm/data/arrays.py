"""From what the user holds to a float64 array of shape (T, n), time first; anything else is a clear `DataError`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.errors import DataError, OptionError

FloatArray = NDArray[np.float64]


def as_samples(values: Any, what: str, time_axis: int = 0) -> FloatArray:
    """A fresh float64 array (T, n) of the samples; 1-D becomes (T, 1), `time_axis=1` transposes a 2-D array.

    Args:
        values: array-like, (T,), (T, n) or, with `time_axis=1`, (n, T).
        what: name used in error messages, such as "u" or "column 'h1'".
        time_axis: 0 if samples run along the rows, 1 if along the columns.

    Raises:
        DataError: not numbers, complex, ragged, a scalar, more than two dimensions, or no samples.
        OptionError: `time_axis` is neither 0 nor 1.

    >>> as_samples([1, 2, 3], "u").shape
    (3, 1)
    >>> as_samples([[1, 2, 3]], "u", time_axis=1).shape
    (3, 1)
    """
    if time_axis not in (0, 1):
        raise OptionError(f"time_axis={time_axis!r}: 0 is (time, channels), 1 is (channels, time)")
    array = _to_float(values, what)
    if array.ndim == 0:
        raise DataError(f"{what} is a single number; expected an array of shape (T,) or (T, channels)")
    if array.ndim > 2:
        raise DataError(
            f"{what} has shape {array.shape}: one record is (T, channels), at most 2-D; give several records as a list"
        )
    if array.ndim == 1:
        array = array[:, None]
    elif time_axis == 1:
        array = array.T
    if array.size == 0:
        raise DataError(f"{what} is empty (shape {np.shape(values)}); expected at least one sample")
    return np.ascontiguousarray(array)


def _to_float(values: Any, what: str) -> FloatArray:
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(np.float64), np.nan)
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise DataError(f"{what} is not a rectangular array of numbers: {error}") from None
    if array.dtype.kind == "c":
        raise DataError(
            f"{what} is complex ({array.dtype}); records are real: give real and imaginary part as channels"
        )
    if array.dtype.kind not in "buifO":
        raise DataError(f"{what} is not numeric (dtype {array.dtype}); expected real numbers")
    try:
        return array.astype(np.float64)  # always a copy
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{what} is not numeric: {error}") from None


def first_non_finite(array: FloatArray) -> tuple[int, int] | None:
    """(row, channel) of the first NaN or infinity in time order, or None.

    >>> first_non_finite(np.array([[1.0, 2.0], [3.0, np.nan]]))
    (1, 1)
    """
    bad = ~np.isfinite(array)
    if not bad.any():
        return None
    row = int(bad.any(axis=1).argmax())
    return row, int(bad[row].argmax())


def finite_stretches(*arrays: FloatArray, shortest: int = 2) -> list[slice]:
    """Row ranges in which every array is finite, in order; ranges of fewer than `shortest` rows are dropped.

    >>> finite_stretches(np.array([[1.0], [2.0], [np.nan], [4.0], [5.0], [6.0]]))
    [slice(0, 2, None), slice(3, 6, None)]
    """
    good = np.all([np.isfinite(array).all(axis=1) for array in arrays], axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(np.int8)))
    pairs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [slice(start, stop) for start, stop in pairs if stop - start >= shortest]
