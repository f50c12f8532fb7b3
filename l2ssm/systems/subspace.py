"""Linear identification by subspaces: a `StateSpace` from records of u and y, without an iteration.

Past and future inputs and outputs are stacked to block Hankel matrices. What the past tells about the future outputs
beyond the future inputs spans the column space of the observability matrix (C; CA; CA^2; ...): an orthogonal projection
and an SVD give it, and with it A and C (PO-MOESP: Verhaegen, Automatica 30(1), 1994; Van Overschee and De Moor,
"Subspace Identification for Linear Systems", 1996). B, D and the initial states then minimise the error of the free
run, a linear least-squares problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg
from scipy.signal import lfilter

from l2ssm.errors import DataError, OptionError
from l2ssm.options import integer, positive
from l2ssm.systems.simulation import signal, states
from l2ssm.systems.state_space import StateSpace

Array = NDArray[np.float64]
Pair = tuple[Array, Array]

RADIUS = 1 - 1e-6
"""Largest modulus of an identified pole."""
LARGEST_CONDITION = 1e6
"""Of a basis of eigenvectors that is computed with."""


@dataclass(frozen=True, eq=False)
class LinearFit:
    """A linear model identified from records, and how well its free run explains them.

    Attributes:
        G: the system, between the signals as given.
        x0: one initial state (n_x,) a record, that of the least squares.
        singular_values: of the weighted projection, largest first; a gap after the n-th suggests order n.
        rmse: (n_y,) of the free run over all records, from those initial states.
    """

    G: StateSpace
    x0: tuple[Array, ...]
    singular_values: Array
    rmse: Array

    @property
    def order(self) -> int:
        """Number of states."""
        return self.G.n_x


class Hankel:
    """The triangular factor of [U_future; W_past; Y_future], W_past = [U_past; Y_past], over all records.

    Args:
        records: pairs u (T, n_u), y (T, n_y).
        horizon: block rows of the past and of the future.

    Raises:
        DataError: records that are too short for the horizon, or of different widths.
    """

    def __init__(self, records: Sequence[tuple[ArrayLike, ArrayLike]], horizon: int) -> None:
        self.horizon = integer("horizon", horizon, 2)
        self.records = checked(records)
        self.n_u, self.n_y = self.records[0][0].shape[1], self.records[0][1].shape[1]
        rows = 2 * self.horizon * (self.n_u + self.n_y)
        columns = sum(max(0, len(u) - 2 * self.horizon + 1) for u, _ in self.records)
        if columns < rows:
            raise DataError(
                f"{sum(len(u) for u, _ in self.records)} samples in {len(self.records)} records give {columns} "
                f"columns, a horizon of {self.horizon} needs {rows}; give longer records or a smaller horizon"
            )
        factor: Array = np.zeros((0, rows))
        for u, y in self.records:
            for chunk in self._chunks(u, y, max(rows, 4096)):
                factor = triangular(np.vstack([factor, chunk]))
        self.factor = factor.T
        """L (rows, rows), lower triangular."""

    def _chunks(self, u: Array, y: Array, size: int) -> list[Array]:
        """Columns of the Hankel matrix as rows, some at a time."""
        h = self.horizon
        windows = [np.lib.stride_tricks.sliding_window_view(v, 2 * h, axis=0) for v in (u, y) if len(v) >= 2 * h]
        if not windows:
            return []
        U, Y = (w.transpose(0, 2, 1) for w in windows)  # (columns, 2h, channels)
        parts = (U[:, h:], U[:, :h], Y[:, :h], Y[:, h:])
        return [
            np.hstack([part[k : k + size].reshape(min(size, len(U) - k), -1) for part in parts])
            for k in range(0, len(U), size)
        ]

    def observability(self) -> tuple[Array, Array]:
        """(U, s): orthonormal columns that span the extended observability matrix, and the singular values."""
        inputs, outputs = self.horizon * self.n_u, self.horizon * self.n_y
        projected = self.factor[-outputs:, inputs:-outputs]
        columns, values, _ = np.linalg.svd(projected, full_matrices=False)
        return columns, values

    def system_matrices(self, order: int) -> tuple[Array, Array]:
        """(A, C) of this order, A stable."""
        columns, values = self.observability()
        if order > (self.horizon - 1) * self.n_y:
            raise OptionError(f"order {order} needs a horizon of at least {order // self.n_y + 2}, got {self.horizon}")
        gamma = columns[:, :order] * np.sqrt(np.maximum(values[:order], np.finfo(float).tiny))
        A = linalg.lstsq(gamma[: -self.n_y], gamma[self.n_y :])[0]
        return stabilised(A), gamma[: self.n_y]


def subspace(
    records: Sequence[tuple[ArrayLike, ArrayLike]],
    dt: float,
    *,
    order: int | None = None,
    max_order: int = 10,
    horizon: int | None = None,
) -> LinearFit:
    """The linear system whose free run explains the outputs, of the given order or of the best one up to max_order.

    Args:
        records: pairs u (T, n_u), y (T, n_y), deviations from an operating point (subtract the means first).
        dt: sample time in seconds.
        order: number of states; None: the smallest whose free-run error is within 1 % of the smallest one, both with
            a penalty for the number of parameters (BIC).
        max_order: the largest order tried.
        horizon: block rows of the past and of the future; default 2 max_order + 5, less for short records.

    Raises:
        DataError: no records, records too short, widths that differ, a number that is not finite.
        OptionError: a size below 1, or an order that the horizon does not hold.

    >>> rng = np.random.default_rng(0)
    >>> G = StateSpace([[0.9, 0.2], [-0.2, 0.9]], [[1.0], [0.0]], [[0.0, 1.0]], [[0.0]])
    >>> u = rng.standard_normal((500, 1))
    >>> found = subspace([(u, G.simulate(u))], 1.0, order=2).G
    >>> bool(np.allclose(np.sort(found.poles()), np.sort(G.poles())))
    True
    """
    positive("dt", dt)
    max_order = integer("max_order", max_order if order is None else order, 1)
    pairs = checked(records)
    hankel = Hankel(pairs, _horizon(pairs, max_order) if horizon is None else horizon)
    _, values = hankel.observability()
    limit = min(max_order, (hankel.horizon - 1) * hankel.n_y)
    orders = range(1, limit + 1) if order is None else (max_order,)
    fits = [_fit(hankel, n, dt, values) for n in orders]
    scores = [_score(fit, sum(len(u) for u, _ in pairs)) for fit in fits]
    good = [fit for fit, score in zip(fits, scores, strict=True) if score <= min(scores) + 0.02]
    return good[0]


def checked(records: Sequence[tuple[ArrayLike, ArrayLike]]) -> list[Pair]:
    """The records as float64 pairs (T, n_u), (T, n_y) of the same widths, or a DataError."""
    pairs: list[Pair] = []
    for i, (u, y) in enumerate(records):
        first = pairs[0] if pairs else (np.asarray(u), np.asarray(y))
        U, Y = (
            signal(v, 1 if w.ndim == 1 else w.shape[-1], f"{name} of record {i}")
            for name, v, w in zip("uy", (u, y), first, strict=True)
        )
        if len(U) != len(Y):
            raise DataError(f"record {i} has {len(U)} samples of u and {len(Y)} of y")
        pairs.append((U, Y))
    if not pairs:
        raise DataError("linear identification needs at least one record")
    return pairs


def _horizon(records: Sequence[Pair], max_order: int) -> int:
    """2 max_order + 5, or what the records have columns for."""
    channels = records[0][0].shape[1] + records[0][1].shape[1]
    for h in range(2 * max_order + 5, 2, -1):
        if sum(max(0, len(u) - 2 * h + 1) for u, _ in records) >= 4 * h * channels:
            return h
    return 2


def triangular(M: Array) -> Array:
    """The factor R of M = Q R."""
    return np.asarray(linalg.qr(M, mode="r", overwrite_a=True)[0][: min(M.shape)])


def stabilised(A: Array) -> Array:
    """A with every eigenvalue outside the circle of `RADIUS` moved to 1 / conj(lam), at most to `RADIUS`."""
    T, Z = linalg.schur(A, output="complex")
    lam = np.diag(T).copy()
    outside = np.abs(lam) > RADIUS
    if not outside.any():
        return A
    moved = lam[outside] / np.abs(lam[outside]) * np.minimum(1 / np.abs(lam[outside]), RADIUS)
    lam[outside] = moved
    np.fill_diagonal(T, lam)
    return np.asarray((Z @ T @ Z.conj().T).real)


def _score(fit: LinearFit, samples: int) -> float:
    """BIC a sample: sum of log mean squares + parameters log(T) / T."""
    G = fit.G
    parameters = G.n_x * (G.n_u + G.n_y) + G.n_u * G.n_y
    return float(np.sum(np.log(np.maximum(fit.rmse**2, 1e-300))) + parameters * np.log(samples) / samples)


def _fit(hankel: Hankel, order: int, dt: float, values: Array) -> LinearFit:
    A, C = hankel.system_matrices(order)
    return fit_inputs(A, C, hankel.records, dt, values)


def fit_inputs(A: Array, C: Array, records: Sequence[Pair], dt: float, singular_values: Array) -> LinearFit:
    """B, D and one initial state a record for given A, C: the linear least squares of the free-run error.

    Each record's own initial state is projected out first (its columns are the observability matrix), so that the
    problem does not grow with the number of records.
    """
    n, m, p = len(A), records[0][0].shape[1], len(C)
    count = n * m + p * m
    stacked: Array = np.zeros((0, count + 1))
    for u, y in records:
        rows = without_free_response(np.column_stack([_regressors(A, C, u), y.reshape(-1)]), A, C)
        stacked = triangular(np.vstack([stacked, rows]))
    theta = linalg.lstsq(stacked[:, :-1], stacked[:, -1])[0]
    G = StateSpace(A, theta[: n * m].reshape(n, m), C, theta[n * m :].reshape(p, m), dt)
    return with_initial_states(G, records, singular_values)


def with_initial_states(G: StateSpace, records: Sequence[Pair], singular_values: Array) -> LinearFit:
    """G with the initial state of each record that makes the error of its free run least, and that error."""
    starts, squares = [], np.zeros(G.n_y)
    for u, y in records:
        error = y - G.simulate(u)
        free = free_responses(G.A, G.C, len(u))
        x0 = linalg.lstsq(free, error.reshape(-1))[0]
        starts.append(x0)
        squares += ((error - (free @ x0).reshape(error.shape)) ** 2).sum(axis=0)
    return LinearFit(G, tuple(starts), singular_values, np.sqrt(squares / sum(len(u) for u, _ in records)))


def without_free_response(columns: Array, A: Array, C: Array) -> Array:
    """The columns (T n_y, k) minus what an initial state could explain of each: C A^k x0 is projected out."""
    free = free_responses(A, C, len(columns) // len(C))
    basis = linalg.qr(free, mode="economic")[0]
    return np.asarray(columns - basis @ (basis.T @ columns))


def _regressors(A: Array, C: Array, u: Array) -> Array:
    """(T p, n m + p m): the output for a unit B_jk, then for a unit D_ik, all else zero; rows time first."""
    n, m, p, T = len(A), u.shape[1], len(C), len(u)
    columns = np.zeros((T, p, n * m + p * m))
    for k in range(m):
        columns[:, :, k : n * m : m] = input_responses(A, C, u[:, k])
        for i in range(p):
            columns[:, i, n * m + i * m + k] = u[:, k]
    return columns.reshape(T * p, -1)


def input_responses(A: Array, C: Array, v: Array) -> Array:
    """(T, p, n): outputs C x of x[k+1] = A x[k] + e_j v[k], for every j; v (T,).

    Where A has a sound basis of eigenvectors W they are C W (z - lam)^-1 W^-1 e_j: one scalar filter a pole. Elsewhere
    the transposed systems, one a row of C, give all j at once.
    """
    lam, W = np.linalg.eig(A)
    if np.linalg.cond(W) < LARGEST_CONDITION:
        delayed = np.concatenate([[0.0], v[:-1]])
        modes = np.column_stack([lfilter([1.0], [1.0, -pole], delayed) for pole in lam])
        weights = np.einsum("pk,kj->kpj", C @ W, np.linalg.inv(W))
        return np.einsum("tk,kpj->tpj", modes, weights, optimize=True).real
    out = np.empty((len(v), len(C), len(A)))
    for i in range(len(C)):
        dual = StateSpace(A.T, C[i][:, None], np.eye(len(A)), np.zeros((len(A), 1)))
        out[:, i, :] = states(dual, v)[:-1]
    return out


def free_responses(A: Array, C: Array, T: int) -> Array:
    """(T p, n): C A^k, rows time first."""
    impulse = np.zeros(T + 1)
    impulse[0] = 1.0
    return input_responses(A, C, impulse)[1:].reshape(T * len(C), len(A))
