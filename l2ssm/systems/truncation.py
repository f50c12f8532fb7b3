"""Balanced truncation: a stable linear system with the states left out that matter least between input and output.

In balanced coordinates both Gramians are diag(sigma), the Hankel singular values. Keeping the first r states of them
leaves a stable system whose error has H-infinity norm at most 2 (sigma_{r+1} + ... + sigma_n), in discrete time too
(Al-Saggaf and Franklin, IEEE TAC 32(9), 1987; Antoulas, "Approximation of Large-Scale Dynamical Systems", 2005, 7.2).
The bound is that of exact arithmetic: a certificate of the `difference` is the proof for the numbers at hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from l2ssm.errors import OptionError
from l2ssm.systems.gramian import controllability_gramian, observability_gramian
from l2ssm.systems.state_space import StateSpace

Array = NDArray[np.float64]

FLOOR = 1e-10
"""Relative to the largest: smaller Hankel singular values are rounding, their states are never kept."""
LARGEST_CONDITION = 1e6
"""Of the eigenvectors of a reduced A that is made block diagonal."""


@dataclass(frozen=True, eq=False)
class Truncation:
    """A system of fewer states, and how it came about.

    Attributes:
        G: the reduced system, block diagonal where its eigenvectors allow it; D, names and units of the original.
        project: (order, n_x): the reduced state that stands for a state of the original.
        hankel: (n_x,) Hankel singular values of the original, largest first.
    """

    G: StateSpace
    project: Array
    hankel: Array

    @property
    def bound(self) -> float:
        """2 (sum of the left out Hankel singular values) >= ||original - G||_inf, up to rounding."""
        return 2.0 * float(self.hankel[self.G.n_x :].sum())


def balanced_truncation(G: StateSpace, order: int | None = None, tolerance: float | None = None) -> Truncation:
    """The first states of the balanced realization, computed from square roots of the Gramians.

    Args:
        G: Schur stable.
        order: states to keep, at most; fewer where the others are zero up to rounding.
        tolerance: of the H-infinity norm of the error; the fewest states that keep it are found by bisection, between
            sigma_{r+1} <= error and the bound above. One of the two.

    Raises:
        OptionError: not one of order and tolerance.
        RealizationError: G is not Schur stable.

    >>> G = StateSpace(np.diag([0.9, 0.5, 0.1]), np.ones((3, 1)), [[1.0, 0.1, 0.001]], [[0.0]])
    >>> reduced = balanced_truncation(G, order=2)
    >>> reduced.G.n_x, difference(G, reduced.G).hinf().upper < reduced.bound < 0.01
    (2, True)
    """
    if (order is None) == (tolerance is None):
        raise OptionError(f"order = {order} and tolerance = {tolerance}: expected one of the two")
    reach, see = _root(controllability_gramian(G)), _root(observability_gramian(G))
    U, hankel, Vt = np.linalg.svd(see.T @ reach)
    rank = int(np.sum(hankel > FLOOR * hankel.max(initial=0.0)))

    def first(r: int) -> Truncation:
        scale = 1.0 / np.sqrt(hankel[:r])
        project, embed = scale[:, None] * (U[:, :r].T @ see.T), (reach @ Vt[:r].T) * scale
        A, T = _block_diagonal(project @ G.A @ embed)
        project, embed = np.linalg.solve(T, project), embed @ T
        labels = (G.input_names, G.output_names, None, G.input_units, G.output_units)
        return Truncation(StateSpace(A, project @ G.B, G.C @ embed, G.D, G.dt, *labels), project, hankel)

    if tolerance is None:
        return first(min(order or 0, rank))
    left_out = 2.0 * np.append(np.cumsum(hankel[::-1])[::-1], 0.0)  # by the number of states kept
    low, high = int(np.sum(hankel > tolerance)), min(int(np.argmax(left_out <= tolerance)), rank)
    while low < high:
        middle = (low + high) // 2
        good = difference(G, first(middle).G).hinf().upper <= tolerance
        low, high = (low, middle) if good else (middle + 1, high)
    return first(high)


def difference(G: StateSpace, H: StateSpace, floor: float = 0.0) -> StateSpace:
    """[G - H; floor I] of systems with the same D, every number kept: only signs of C change.

    Args:
        G, H: of the same channels, D and dt.
        floor: > 0 appends floor * u to the output. The norm is then at least floor, which gives a proof room where
            G - H is as small as the rounding of its own response.

    Raises:
        OptionError: other channels, another D or another dt.
    """
    if G.dt != H.dt or not np.array_equal(G.D, H.D):
        raise OptionError(f"{G!r} and {H!r} differ in channels, D or dt")
    A, B, C = linalg.block_diag(G.A, H.A), np.vstack([G.B, H.B]), np.hstack([G.C, -H.C])
    below = G.n_u if floor else 0
    C, D = np.vstack([C, np.zeros((below, len(A)))]), np.vstack([0 * G.D, floor * np.eye(below, G.n_u)])
    return StateSpace(A, B, C, D, G.dt)


def _root(W: Array) -> Array:
    """R with R R' = W for W >= 0 up to rounding; its diagonal is scaled to 1 first, so that small states count."""
    size = np.sqrt(np.diag(W).clip(min=0.0))
    size[size == 0] = 1.0
    values, vectors = np.linalg.eigh(W / size[:, None] / size)
    return np.asarray(size[:, None] * vectors * np.sqrt(values.clip(min=0.0)))


def _block_diagonal(A: Array) -> tuple[Array, Array]:
    """(T^-1 A T, T) with blocks a and [[a, -b], [b, a]]; (A, I) where T would be ill-conditioned."""
    lam, V = np.linalg.eig(A)
    T, blocks = [], []
    for pole, v in zip(lam, V.T, strict=True):
        if pole.imag == 0:
            T.append(v.real)
            blocks.append(np.array([[pole.real]]))
        elif pole.imag > 0:
            T += [v.real, -v.imag]
            blocks.append(np.array([[pole.real, -pole.imag], [pole.imag, pole.real]]))
    basis = np.array(T).reshape(len(A), len(A)).T
    if not len(A) or not np.linalg.cond(basis) < LARGEST_CONDITION:
        return A, np.eye(len(A))
    return np.asarray(linalg.block_diag(*blocks)).reshape(A.shape), basis
