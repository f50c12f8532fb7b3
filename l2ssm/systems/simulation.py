"""Free-run simulation of a `StateSpace` in float64: the mode-wise filter where A is diagonal, the loop elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import lfilter

from l2ssm.errors import DataError, RealizationError
from l2ssm.systems.modal import Modes

if TYPE_CHECKING:
    from l2ssm.systems.state_space import StateSpace

Array = NDArray[np.float64]


def signal(u: ArrayLike, channels: int, name: str = "u") -> Array:
    """u as float64 (T, channels); a 1-D signal becomes (T, 1).

    Raises:
        DataError: another number of channels (the shapes are named), more than two axes, a NaN, or no real numbers.
    """
    try:
        raw = np.asarray(u)
        U = np.asarray(raw, dtype=np.float64) if not np.iscomplexobj(raw) else None
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} is not an array of numbers: {error}") from None
    if U is None:
        raise DataError(f"{name} is complex; l2ssm signals are real")
    if U.ndim == 1:
        U = U[:, None]
    if U.ndim != 2 or U.shape[1] != channels:
        raise DataError(f"{name} has shape {np.shape(u)}, expected (T, {channels}): time first, one column a channel")
    if not np.all(np.isfinite(U)):
        row = int(np.argwhere(~np.isfinite(U))[0, 0])
        raise DataError(f"{name}[{row}] is not finite; remove or fill such samples first")
    return U


def states(G: StateSpace, u: ArrayLike, x0: ArrayLike | None = None) -> Array:
    """x (T + 1, n_x) with x[0] = x0 and x[k+1] = A x[k] + B u[k]."""
    U = signal(u, G.n_u)
    start = initial_state(x0, G.n_x)
    if G.modes is not None and G.n_x:
        return _modal_states(G.modes, G, U, start)
    X = np.empty((len(U) + 1, G.n_x))
    X[0] = start
    drive = U @ G.B.T
    for k in range(len(U)):
        X[k + 1] = G.A @ X[k] + drive[k]
    return X


def simulate(G: StateSpace, u: ArrayLike, x0: ArrayLike | None = None) -> Array:
    """y (T, n_y) of the input u (T, n_u) from the state x0.

    Args:
        G: the system; it may be unstable.
        u: (T, n_u), or (T,) for a single input.
        x0: (n_x,), zero by default.

    Raises:
        DataError: u of another width or with a NaN.
        RealizationError: x0 of another length.
    """
    U = signal(u, G.n_u)
    return states(G, U, x0)[:-1] @ G.C.T + U @ G.D.T


def initial_state(x0: ArrayLike | None, n_x: int) -> Array:
    """x0 as float64 (n_x,), zeros for None; a RealizationError names a wrong length or a non-finite entry."""
    if x0 is None:
        return np.zeros(n_x)
    raw = np.asarray(x0).reshape(-1)
    if raw.dtype.kind not in "fiub" or raw.size != n_x or not np.all(np.isfinite(raw)):
        raise RealizationError(f"x0 has shape {np.shape(x0)} and type {raw.dtype}, expected {n_x} finite numbers")
    return raw.astype(np.float64)


def _modal_states(modes: Modes, G: StateSpace, U: Array, start: Array) -> Array:
    """One first-order complex filter a mode; its real and imaginary parts are the real states."""
    X = np.empty((len(U) + 1, G.n_x))
    X[0] = start
    drive = U @ modes.B.T
    column = 0
    for lam, v in zip(modes.lam, drive.T, strict=True):
        paired = column + 1 < G.n_x and G.A[column + 1, column] != 0
        if paired:
            z0 = start[column] + 1j * start[column + 1]
            x, _ = lfilter([1.0], [1.0, -lam], v, zi=[lam * z0])
            X[1:, column], X[1:, column + 1] = x.real, x.imag
        else:
            x, _ = lfilter([1.0], [1.0, -lam.real], v.real, zi=[lam.real * start[column]])
            X[1:, column] = x
        column += 2 if paired else 1
    return X
