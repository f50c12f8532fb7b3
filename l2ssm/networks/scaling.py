"""`Scaling`: the standardisation a model carries inside, so that it takes and returns physical units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l2ssm.errors import DataError

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scaling:
    """u_n = (u - u_mean) / u_std, y = y_mean + y_std y_n, one number a channel.

    Raises:
        DataError: a standard deviation that is not a finite number > 0.
    """

    u_mean: Array
    u_std: Array
    y_mean: Array
    y_std: Array

    def __post_init__(self) -> None:
        for name in ("u_mean", "u_std", "y_mean", "y_std"):
            value = np.asarray(getattr(self, name), dtype=np.float64).reshape(-1)
            object.__setattr__(self, name, value)
            if not np.all(np.isfinite(value)) or (name.endswith("std") and not np.all(value > 0)):
                raise DataError(f"{name} is {value}; every channel needs finite data that vary")

    def apply(self, u: Array, y: Array) -> tuple[Array, Array]:
        """(u, y) in standardised units."""
        return (u - self.u_mean) / self.u_std, (y - self.y_mean) / self.y_std
