"""x[k+1] = a[k] x[k] + b[k], elementwise with coefficients that change: the loop, and its adjoint backwards in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.inexact]
"""Float64 or complex128."""


def recur(a: Signal, b: Signal, x0: Signal) -> Signal:
    """x (T + 1, ...) from x[0] = x0; a and b (T, ...).

    >>> recur(np.array([0.5, 2.0]), np.array([1.0, 1.0]), np.array(0.0)).tolist()
    [0.0, 1.0, 3.0]
    """
    x = np.empty((len(a) + 1, *b.shape[1:]), dtype=np.result_type(a, b, x0))
    x[0] = x0
    for k in range(len(a)):
        x[k + 1] = a[k] * x[k] + b[k]
    return x


def recur_adjoint(a: Signal, g: Signal) -> Signal:
    """p (T, ...) with sum Re(conj(g) dx) = sum Re(conj(p) db) for dx[k+1] = a[k] dx[k] + db[k], dx[0] = 0.

    Args:
        a: (T, ...).
        g: (T + 1, ...); g[0] does not matter.
    """
    p = np.empty_like(g[1:])
    carried = np.zeros_like(g[0])
    for k in range(len(a) - 1, -1, -1):
        p[k] = carried = g[k + 1] + carried
        carried = np.conj(a[k]) * carried
    return p
