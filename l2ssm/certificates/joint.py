"""One matrix inequality for a run of layers, nonlinearities included. Part of the trusted base.

With z = (x, u, v), v the outputs of all nonlinearities, differences of two runs obey x+ = F z, y = K z, w = L z and
q_j(w_j, v_j) >= 0. If P > 0 and

    M = diag(P, 0, 0) + gain^2 diag(0, I, 0) - F'PF - K'K - (the matrix of sum_j q_j)  >  0

then V(x) = x'Px satisfies V(x+) - V(x) + |y|^2 <= gain^2 |u|^2 - sum_j q_j at every sample, and q_j is at least 0, or
the increase of a storage function. Summed: sum |y|^2 <= gain^2 sum |u|^2 + V(x0) over every horizon, V of all storages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.certificates.constraints import Constraint
from l2ssm.certificates.flatten import Signal, constraints_of, walk
from l2ssm.certificates.rigorous import Arithmetic, Matrix, exact
from l2ssm.errors import CertificateError
from l2ssm.systems.layers import Dynamic, Layer
from l2ssm.systems.state_space import StateSpace

Array = NDArray[np.float64]


@dataclass(eq=False)
class Rows:
    """The algebra of rows over z = (x, u, v) in an arithmetic, and what a walk left there.

    Attributes:
        n_x, n_u, n_v: widths of the parts of z.
        F, W: rows of x+ and of w, a matrix a linear system and a nonlinearity.
        V: rows of v, likewise.
        pairs: rows of w and of v that s pairs, likewise.
        K: rows of y.
    """

    arithmetic: Any
    n_x: int
    n_u: int
    n_v: int
    F: list[Matrix] = field(default_factory=list)
    W: list[Matrix] = field(default_factory=list)
    V: list[Matrix] = field(default_factory=list)
    pairs: list[tuple[Matrix, Matrix]] = field(default_factory=list)
    K: Matrix = None

    def place(self, M: Array, column: int) -> Matrix:
        """M over the columns that begin with `column`."""
        rows = np.zeros((M.shape[0], self.n_x + self.n_u + self.n_v))
        rows[:, column : column + M.shape[1]] = M
        return self.arithmetic.embed(rows)

    def stack(self, parts: Sequence[Matrix]) -> Matrix:
        """One below the other."""
        return self.arithmetic.block([[part] for part in parts])

    def linear(self, W: Array, rows: Matrix) -> Matrix:
        """See `flatten.Algebra`."""
        return self.arithmetic.embed(W) @ rows

    def dynamic(self, G: StateSpace, rows: Matrix) -> Matrix:
        """See `flatten.Algebra`."""
        first = sum(part.shape[0] for part in self.F)
        self.F.append(self.place(G.A, first) + self.linear(G.B, rows))
        return self.place(G.C, first) + self.linear(G.D, rows)

    def nonlinear(self, constraint: Constraint, rows: Matrix) -> Matrix:
        """See `flatten.Algebra`."""
        v = self.place(np.eye(constraint.widths[1]), self.n_x + self.n_u + sum(part.shape[0] for part in self.V))
        self.W.append(rows)
        self.V.append(v)
        self.pairs.append((rows[: constraint.pairs, :], v[: constraint.pairs, :]))
        return v


def linear_states(layers: Sequence[Layer]) -> int:
    """Number of states of the linear systems, those of P."""
    return sum(inner.n_x for layer in layers for inner in layer.leaves() if isinstance(inner, Dynamic))


def realize(layers: Sequence[Layer], rest: bool, arithmetic: Any) -> Rows:
    """F, K and the rows of all w of a run of layers.

    Args:
        layers: the run.
        rest: the second of the two runs is at rest, and what enters the layers is zero in it.
        arithmetic: a `rigorous.Arithmetic`, or anything with an `embed` and a `block` like numpy's.
    """
    constraints, _ = constraints_of(layers, rest)
    n_x, n_u = linear_states(layers), layers[0].n_in
    rows = Rows(arithmetic, n_x, n_u, sum(constraint.widths[1] for constraint in constraints))
    rows.K = walk(layers, Signal(rows.place(np.eye(n_u), n_x), rest), rows).rows
    return rows


def joint_matrix(
    layers: Sequence[Layer], rest: bool, P: Array, multipliers: Sequence[Array], gain2: Any, arithmetic: Any
) -> Matrix:
    """M of the formula above.

    Args:
        layers, rest, arithmetic: as in `realize`.
        P: (n_x, n_x) symmetric.
        multipliers: T of each nonlinearity, of the shape its constraint expects.
        gain2: gain^2, a number that multiplies the matrices of the arithmetic.
    """
    rows, embed = realize(layers, rest, arithmetic), arithmetic.embed
    n_x, n_u, n_v = rows.n_x, rows.n_u, rows.n_v
    inputs = rows.place(np.eye(n_u), n_x)
    M = inputs.T @ inputs * gain2 - rows.K.T @ rows.K
    if n_x:
        F, states, Q = rows.stack(rows.F), rows.place(np.eye(n_x), 0), embed(P)
        M = M + states.T @ Q @ states - F.T @ (Q @ F)
    if n_v:
        constraints, _ = constraints_of(layers, rest)
        weights = [c.weights(embed(T), embed) for c, T in zip(constraints, multipliers, strict=True)]
        qw, s, r = (rows.stack([weight[i] for weight in weights]) for i in range(3))
        W, V = rows.stack(rows.W), rows.stack(rows.V)
        w, v = (rows.stack(list(parts)) for parts in zip(*rows.pairs, strict=True))
        cross = w.T @ (s * v)
        M = M - W.T @ (qw * W) - cross - cross.T + V.T @ (r * V)
    return M


def assert_joint(
    layers: Sequence[Layer],
    rest: bool,
    P: Array,
    multipliers: Sequence[Array],
    gain: float,
    name: str,
    arithmetic: Arithmetic,
) -> None:
    """P = P' > 0, gain > 0, admissible multipliers and M > 0, or CertificateError; arguments as in `joint_matrix`."""
    constraints, _ = constraints_of(layers, rest)
    n_x = linear_states(layers)
    shapes = [c.shape for c in constraints]
    if P.shape != (n_x, n_x) or [T.shape for T in multipliers] != shapes:
        raise CertificateError(f"{name}: expected a P of shape {(n_x, n_x)} and multipliers of shapes {shapes}")
    if not (gain > 0 and np.array_equal(P, P.T)):
        raise CertificateError(f"{name}: P is not symmetric, or the gain {gain} is not > 0")
    for i, (constraint, T) in enumerate(zip(constraints, multipliers, strict=True)):
        numbers = np.array([exact(t) for t in T.ravel().tolist()], dtype=object).reshape(T.shape)
        if not all(x >= 0 for condition in constraint.conditions(numbers) for x in condition.ravel()):
            raise CertificateError(f"{name}: multiplier {i} is not admissible")
    arithmetic.assert_positive_definite(arithmetic.embed(P), f"P of {name}")
    M = joint_matrix(layers, rest, P, multipliers, exact(gain) ** 2, arithmetic)
    arithmetic.assert_positive_definite(M, f"M(P, T, gain) of {name}")
