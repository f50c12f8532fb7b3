"""Options as plain Python numbers: numpy scalars are taken, booleans, text and what is out of range are refused."""

from __future__ import annotations

import math
import numbers
import operator
from typing import Any

from l2ssm.errors import OptionError


def integer(name: str, value: Any, least: int) -> int:
    """The value as an int.

    Raises:
        OptionError: not an integer, or below `least`.

    >>> import numpy as np
    >>> integer("steps", np.int64(5), 1)
    5
    """
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        raise OptionError(f"{name} is {value!r}, expected an integer >= {least}")
    return operator.index(value)


def fraction(name: str, value: Any, below: float = 1.0) -> float:
    """The value as a float.

    Raises:
        OptionError: not a number strictly between 0 and `below`.

    >>> fraction("confidence", 0.95)
    0.95
    """
    good = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (good and 0 < value < below):
        raise OptionError(f"{name} is {value!r}, expected a number between 0 and {below:g}")
    return float(value)


def positive(name: str, value: Any, what: str = "number") -> float:
    """The value as a float.

    Raises:
        OptionError: not a finite real number > 0.
    """
    good = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (good and math.isfinite(value) and value > 0):
        raise OptionError(f"{name} is {value!r}, expected a finite {what} > 0")
    return float(value)
