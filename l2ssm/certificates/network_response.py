"""The signals of a network as responses to its inputs and to the outputs of its nonlinearities. Untrusted search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from l2ssm.certificates.constraints import Constraint
from l2ssm.certificates.flatten import Signal, constraints_of, walk
from l2ssm.systems.frequency import Response
from l2ssm.systems.layers import Dynamic, Layer
from l2ssm.systems.stability import poles
from l2ssm.systems.state_space import StateSpace

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class Responses:
    """At every frequency: w = W z and y = Y z, z = (u, v) with v the outputs of all nonlinearities.

    Attributes:
        W: (F, n_w, n).
        Y: (F, n_y, n).
        X: (F, n_x, n), the states; empty unless asked for.
        n_u: columns of u.
    """

    W: ComplexArray
    Y: ComplexArray
    X: ComplexArray
    n_u: int


@dataclass(eq=False)
class _Evaluation:
    """The algebra of responses (F, rows, n)."""

    theta: Array
    n: int
    column: int
    states: bool
    W: list[ComplexArray] = field(default_factory=list)
    X: list[ComplexArray] = field(default_factory=list)

    def linear(self, W: Array, rows: ComplexArray) -> ComplexArray:
        return W.astype(np.complex128) @ rows

    def dynamic(self, G: StateSpace, rows: ComplexArray) -> ComplexArray:
        if self.states:
            n, m = G.n_x, G.n_u
            x = Response(StateSpace(G.A, G.B, np.eye(n), np.zeros((n, m)), G.dt))(self.theta) @ rows
            self.X.append(x)
        return np.asarray(Response(G)(self.theta) @ rows)

    def nonlinear(self, constraint: Constraint, rows: ComplexArray) -> ComplexArray:
        self.W.append(rows)
        h = constraint.widths[1]
        v = np.zeros((self.theta.size, h, self.n), np.complex128)
        v[:, range(h), range(self.column, self.column + h)] = 1.0
        self.column += h
        return v


def evaluate(layers: Sequence[Layer], rest: bool, theta: Array, states: bool = False) -> Responses:
    """The responses of a chain at the frequencies.

    Args:
        layers: a chain whose linear systems are Schur stable.
        rest: whether sectors are used.
        theta: (F,) angles in rad.
        states: whether X is wanted.
    """
    n_u = layers[0].n_in
    n = n_u + sum(constraint.widths[1] for constraint in constraints_of(layers, rest)[0])
    algebra = _Evaluation(theta, n, n_u, states)
    start = np.zeros((theta.size, n_u, n), np.complex128)
    start[:, range(n_u), range(n_u)] = 1.0
    Y = walk(layers, Signal(start, rest), algebra).rows
    empty = np.zeros((theta.size, 0, n), np.complex128)
    W, X = (np.concatenate([empty, *rows], axis=1) for rows in (algebra.W, algebra.X))
    return Responses(W, np.asarray(Y), X, n_u)


def linear_systems(layers: Sequence[Layer]) -> list[StateSpace]:
    """All of a chain, also those inside residuals."""
    return [inner.G for layer in layers for inner in layer.leaves() if isinstance(inner, Dynamic)]


def grid(layers: Sequence[Layer], density: float, points: int) -> Array:
    """Angles from 0 to pi, each step `density` times the distance to the nearest pole, at most pi / points."""
    lam = np.concatenate([np.zeros(0, np.complex128), *(poles(G) for G in linear_systems(layers))])
    theta = [0.0]
    while theta[-1] < np.pi:
        distance = float(np.min(np.abs(np.exp(1j * theta[-1]) - lam), initial=1.0))
        theta.append(theta[-1] + max(min(density * distance, np.pi / points), 1e-13))
    return np.append(theta[:-1], np.pi)
