"""The precisions of an export, and numbers rounded to them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2ssm.errors import ExportError, OptionError

PRECISIONS: dict[str, np.dtype[Any]] = {"float64": np.dtype(np.float64), "float32": np.dtype(np.float32)}


def dtype_of(precision: str) -> np.dtype[Any]:
    """The dtype of a precision.

    Raises:
        OptionError: unknown; the message lists what there is.
    """
    if precision not in PRECISIONS:
        raise OptionError(f"precision is {precision!r}, expected one of {', '.join(PRECISIONS)}")
    return PRECISIONS[precision]


def rounded(numbers: ArrayLike, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The numbers in a dtype.

    Raises:
        ExportError: one is too large for it.
    """
    array = np.asarray(numbers, dtype=np.float64)
    with np.errstate(over="ignore"):
        close = array.astype(dtype)
    if not np.all(np.isfinite(close)):
        raise ExportError(f"the number {array[~np.isfinite(close)].flat[0]:g} is too large for {dtype}")
    return close
