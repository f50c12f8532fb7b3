"""The quadratic constraints of a network, stacked for the search, and a barrier for their multipliers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import block_diag

from l2ssm.certificates.constraints import Constraint, Diamond
from l2ssm.errors import SolverError

Array = NDArray[np.float64]

CAP = 1e-6
DIAMOND_START = (1.0, 0.25, 1.0, 1.2)  # t, s, p, q: strictly admissible


class Forms:
    """The quadratic constraints of a network, stacked: qw, s, r as linear maps of T, and what s pairs."""

    def __init__(self, constraints: Sequence[Constraint]) -> None:
        self.constraints = list(constraints)
        self.sizes = [c.shape[0] for c in constraints]
        self.n_w, self.n_v = (sum(c.widths[i] for c in constraints) for i in range(2))
        parts = [c.weights(np.eye(size), np.asarray) for c, size in zip(constraints, self.sizes, strict=True)]
        none = [np.zeros((0, 0))]  # without it nothing at all would have one row
        self.qw, self.s, self.r = (sparse.csr_array(block_diag(*none, *(part[i] for part in parts))) for i in range(3))
        self.pair_w, self.pair_v = (self._pairs(i) for i in range(2))
        self.has_qw = bool(np.any(self.qw.data))

    def _pairs(self, which: int) -> NDArray[np.int64]:
        """Which rows of w (0) or v (1) s is about."""
        starts = np.cumsum([0, *(c.widths[which] for c in self.constraints)])[:-1]
        parts = [start + np.arange(c.pairs) for c, start in zip(self.constraints, starts, strict=True)]
        return np.concatenate([np.zeros(0, np.int64), *parts])

    def split(self, T: Array) -> list[Array]:
        """T of every constraint."""
        return np.split(T, np.cumsum(self.sizes)[:-1]) if self.sizes else []

    def start(self, i: int) -> Array:
        """Admissible multipliers of constraint i with r >= 1."""
        constraint = self.constraints[i]
        if isinstance(constraint, Diamond):
            return np.repeat(DIAMOND_START, constraint.h)
        r = constraint.weights(np.ones(constraint.shape), np.asarray)[2]
        if not np.all(r > 0):
            raise SolverError("a memory may keep everything: its multiplier cannot pay for its output")
        return np.full(constraint.shape[0], 1 / float(np.min(r)))

    def barrier(self, T: Array) -> tuple[float, Array, Array]:
        """(value, gradient, Hessian) of -sum log(conditions / T), those that T > 0 does not imply; >= 0 far inside."""
        value, gradient, H, i = 0.0, np.zeros(T.size), np.zeros((T.size, T.size)), 0
        for constraint, part in zip(self.constraints, self.split(T), strict=True):
            if isinstance(constraint, Diamond):
                here = slice(i, i + part.size)
                v, gradient[here], H[here, here] = _diamond_barrier(part)
                value += v
            i += part.size
        return value, gradient, H


def _diamond_barrier(T: Array) -> tuple[float, Array, Array]:
    """-sum log((p + 2 s - t) / p) - log((p (q - t) - s^2) / (p q)) + `CAP` q / t, the last for gates without effect."""
    t, s, p, q = T.reshape(4, -1)
    h, zero, one = t.size, np.zeros_like(t), np.ones_like(t)
    linear, m = p + 2 * s - t, p * (q - t) - s * s
    if not (np.all(linear > 0) and np.all(m > 0)):
        return np.inf, np.zeros(T.size), np.zeros((T.size, T.size))
    by_linear, by_m = np.stack([-one, 2 * one, one, zero]), np.stack([-p, -2 * s, q - t, p])
    second = np.array([[0, 0, -1, 0], [0, -2, 0, 0], [-1, 0, 0, 1], [0, 0, 1, 0]])[:, :, None]
    blocks = by_linear[:, None] * by_linear / linear**2 + by_m[:, None] * by_m / m**2 - second / m
    H = np.zeros((4, h, 4, h))
    H[:, range(h), :, range(h)] = np.moveaxis(blocks, 2, 0)
    for i, j, second_derivative in (
        (2, 2, -2 / p**2),
        (3, 3, -1 / q**2),
        (0, 0, 2 * CAP * q / t**3),
        (0, 3, -CAP / t**2),
        (3, 0, -CAP / t**2),
    ):
        H[i, range(h), j, range(h)] += second_derivative
    gradient = -by_linear / linear - by_m / m + np.stack([-CAP * q / t**2, zero, 2 / p, 1 / q + CAP / t])
    value = float(np.sum(CAP * q / t + 2 * np.log(p) + np.log(q) - np.log(linear) - np.log(m)))
    return value, gradient.ravel(), H.reshape(4 * h, 4 * h)
