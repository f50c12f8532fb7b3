"""x' = A x + B u sampled with step h: x[k+1] = Ad x[k] + Bd u[k], by the exact hold, the trapezoid and Euler's rules.

Every rule takes any A, singular ones included: no rule divides by A.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import expm

from l2ssm.errors import OptionError, RealizationError
from l2ssm.options import positive

Array = NDArray[np.float64]


def zoh(A: Array, B: Array, step: float) -> tuple[Array, Array]:
    """Exact for u constant over the step: exp([[A, B], [0, 0]] h) = [[Ad, Bd], [0, I]].

    >>> Ad, Bd = zoh(np.zeros((1, 1)), np.ones((1, 1)), 0.5)
    >>> float(Ad[0, 0]), float(Bd[0, 0])
    (1.0, 0.5)
    """
    n, m = A.shape[0], B.reshape(A.shape[0], -1).shape[1]
    block = np.zeros((n + m, n + m))
    block[:n, :n], block[:n, n:] = A, B.reshape(n, m)
    block = expm(block * step)
    return block[:n, :n], block[:n, n:].reshape(B.shape)


def bilinear(A: Array, B: Array, step: float) -> tuple[Array, Array]:
    """Trapezoidal rule: Ad = (I - hA/2)^-1 (I + hA/2), Bd = (I - hA/2)^-1 h B; stable where A is."""
    eye = np.eye(A.shape[0])
    return _implicit(eye - step / 2 * A, eye + step / 2 * A, step * B)


def forward_euler(A: Array, B: Array, step: float) -> tuple[Array, Array]:
    """Ad = I + hA, Bd = h B; unstable where h is large."""
    return np.eye(A.shape[0]) + step * A, step * B


def backward_euler(A: Array, B: Array, step: float) -> tuple[Array, Array]:
    """Ad = (I - hA)^-1, Bd = Ad h B; stable where A is."""
    eye = np.eye(A.shape[0])
    return _implicit(eye - step * A, eye, step * B)


def _implicit(left: Array, Ad: Array, Bd: Array) -> tuple[Array, Array]:
    return np.linalg.solve(left, Ad).astype(np.float64), np.linalg.solve(left, Bd).astype(np.float64)


DISCRETIZATIONS: dict[str, Callable[[Array, Array, float], tuple[Array, Array]]] = {
    "zoh": zoh,
    "bilinear": bilinear,
    "forward_euler": forward_euler,
    "backward_euler": backward_euler,
}


def discretize(A: ArrayLike, B: ArrayLike, step: float, method: str = "zoh") -> tuple[Array, Array]:
    """(Ad, Bd) by a rule of `DISCRETIZATIONS`.

    Args:
        A: (n, n).
        B: (n,) or (n, n_u); Bd has its shape.
        step: h > 0, seconds.
        method: "zoh", "bilinear", "forward_euler" or "backward_euler".

    Raises:
        OptionError: an unknown rule, or a step that is not a finite number > 0.
        RealizationError: shapes that do not fit, or entries that are not finite.
    """
    if method not in DISCRETIZATIONS:
        raise OptionError(f"unknown discretization {method!r}; known: {', '.join(DISCRETIZATIONS)}")
    A, B = np.asarray(A, dtype=np.float64), np.asarray(B, dtype=np.float64)
    if A.ndim != 2 or B.ndim not in (1, 2) or not A.shape[0] == A.shape[1] == B.shape[0]:
        raise RealizationError(f"A is {A.shape} and B is {B.shape}, expected (n, n) and (n,) or (n, n_u)")
    if not (np.isfinite(A).all() and np.isfinite(B).all()):
        raise RealizationError("A or B has an entry that is not finite")
    return DISCRETIZATIONS[method](A, B, positive("step", step, "number of seconds"))
