"""ARX identification: linear least squares for the one-step prediction, and its state-space realization."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from l2ssm.errors import DataError
from l2ssm.options import integer, positive
from l2ssm.systems.state_space import StateSpace
from l2ssm.systems.subspace import Array, checked


def arx(records: Sequence[tuple[ArrayLike, ArrayLike]], dt: float, *, n_a: int, n_b: int, delay: int = 0) -> StateSpace:
    """y[k] = sum_{i=1..n_a} A_i y[k-i] + sum_{j=0..n_b-1} B_j u[k-delay-j] + e[k], the A_i, B_j of least squares.

    The equation error e is white only where the noise enters through 1 / A: with noise on the outputs alone the poles
    are biased (Ljung, "System Identification", 1999, section 7.3), and the free run of `subspace` is the better start.

    Args:
        records: pairs u (T, n_u), y (T, n_y), deviations from an operating point.
        dt: sample time in seconds.
        n_a: past outputs used.
        n_b: inputs used, >= 1.
        delay: samples between an input and its first effect.

    Returns:
        The free-run system from u to y in observer form, max(n_a, delay + n_b - 1) n_y states; it may be unstable.

    Raises:
        DataError: records too short, of different widths, or not finite.
        OptionError: n_a or delay below 0, n_b below 1.

    >>> u = np.array([1.0, -1.0, 0.5, 2.0, 0.0, 1.0])
    >>> y = StateSpace([[0.5]], [[2.0]], [[1.0]], [[0.0]]).simulate(u)
    >>> arx([(u, y)], 1.0, n_a=1, n_b=1, delay=1).A.round(12).tolist()
    [[0.5]]
    """
    positive("dt", dt)
    n_a, n_b, delay = integer("n_a", n_a, 0), integer("n_b", n_b, 1), integer("delay", delay, 0)
    pairs = checked(records)
    m, p = pairs[0][0].shape[1], pairs[0][1].shape[1]
    lag = max(n_a, delay + n_b - 1)
    rows = [_regressors(u, y, n_a, n_b, delay, lag) for u, y in pairs if len(u) > lag]
    if sum(len(row) for row in rows) < n_a * p + n_b * m:
        raise DataError(f"{sum(len(u) for u, _ in pairs)} samples are too few for n_a = {n_a}, n_b = {n_b}")
    target = np.vstack([y[lag:] for _, y in pairs if len(y) > lag])
    theta = np.linalg.lstsq(np.vstack(rows), target, rcond=None)[0].T
    past = np.zeros((lag + 1, p, p))
    inputs = np.zeros((lag + 1, p, m))
    for i in range(n_a):
        past[i + 1] = theta[:, i * p : (i + 1) * p]
    for j in range(n_b):
        inputs[delay + j] = theta[:, n_a * p + j * m : n_a * p + (j + 1) * m]
    return _observer_form(past, inputs, dt)


def _regressors(u: Array, y: Array, n_a: int, n_b: int, delay: int, lag: int) -> Array:
    T = len(u)
    outputs = [y[lag - i : T - i] for i in range(1, n_a + 1)]
    return np.hstack([*outputs, *(u[lag - delay - j : T - delay - j] for j in range(n_b))])


def _observer_form(past: Array, inputs: Array, dt: float) -> StateSpace:
    """x_i[k+1] = x_{i+1}[k] + A_i y[k] + B_i u[k], y = x_1 + B_0 u: x_i holds what lags of i and more will add."""
    lag, p = len(past) - 1, past.shape[1]
    D = inputs[0]
    A = np.asarray(np.kron(np.eye(lag, k=1), np.eye(p)), dtype=np.float64)
    C: Array = np.zeros((p, lag * p))
    if lag:
        A[:, :p] += past[1:].reshape(lag * p, p)
        C[:, :p] = np.eye(p)
    B = (inputs[1:] + past[1:] @ D).reshape(lag * p, -1)
    return StateSpace(A, B, C, D, dt)
