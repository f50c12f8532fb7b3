"""A chain of layers as linear operations and quadratic constraints. Part of the trusted base.

`walk` says what each type of layer does to a difference of two runs, once, in terms of an `Algebra` of signals: rows
over (states, inputs, outputs of nonlinearities) in a rigorous arithmetic (`joint`), or responses at many frequencies
(the search). Biases are common to both runs and drop out; they only decide what is at rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from l2ssm.certificates.constraints import SECTORS, Cocoercive, Constraint, Diamond, Slope, Supply
from l2ssm.certificates.rigorous import exact
from l2ssm.certificates.supply import SUPPLIES
from l2ssm.errors import NotCertifiableError
from l2ssm.systems.activations import ACTIVATIONS
from l2ssm.systems.clocked import Clocked
from l2ssm.systems.layers import Affine, Contractive, Dynamic, Gated, Layer, Perceptron, Residual, RMSNorm, Selective
from l2ssm.systems.state_space import StateSpace

Array = NDArray[np.float64]
Rows = Any
"""A signal as linear rows over the signals everything is made of; `+` adds two."""


class Algebra(Protocol):
    """What a walk needs to know about signals."""

    def linear(self, W: Array, rows: Rows) -> Rows:
        """W rows."""

    def dynamic(self, G: StateSpace, rows: Rows) -> Rows:
        """The output of G."""

    def nonlinear(self, constraint: Constraint, rows: Rows) -> Rows:
        """The new signal v, of which with w = rows only the constraint is known."""


@dataclass(frozen=True)
class Signal:
    """A difference of two runs.

    Attributes:
        rows: in the algebra of the walk.
        rest: the second run is at rest and this signal is zero in it; then sectors hold.
    """

    rows: Rows
    rest: bool


def walk(layers: Sequence[Layer], signal: Signal, algebra: Algebra) -> Signal:
    """The signal behind the chain.

    Raises:
        NotCertifiableError: a layer whose nonlinearity satisfies no constraint here.
    """
    for layer in layers:
        if type(layer) not in WALKS:
            raise NotCertifiableError(f"no quadratic constraint is known for a {type(layer).__name__}")
        signal = WALKS[type(layer)](layer, signal, algebra)
    return signal


def _affine(layer: Affine, signal: Signal, algebra: Algebra) -> Signal:
    return Signal(algebra.linear(layer.W, signal.rows), signal.rest and not np.any(layer.b))


def _dynamic(layer: Dynamic, signal: Signal, algebra: Algebra) -> Signal:
    return Signal(algebra.dynamic(layer.G, signal.rows), signal.rest)


def _residual(layer: Residual, signal: Signal, algebra: Algebra) -> Signal:
    inside = walk(layer.layers, signal, algebra)
    return Signal(signal.rows + inside.rows, signal.rest and inside.rest)


def _perceptron(layer: Perceptron, signal: Signal, algebra: Algebra) -> Signal:
    v = _activate(layer.activation, layer.W1, layer.b1, signal, algebra)
    return Signal(algebra.linear(layer.W2, v.rows), v.rest and not np.any(layer.b2))


def _contractive(layer: Contractive, signal: Signal, algebra: Algebra) -> Signal:
    v = _activate(layer.activation, layer.W, layer.b, signal, algebra)
    scaled = algebra.linear(np.array([[-layer.c]]) * np.eye(layer.n_in), algebra.linear(layer.W.T, v.rows))
    return Signal(signal.rows + scaled, v.rest)


def _gated(layer: Gated, signal: Signal, algebra: Algebra) -> Signal:
    """tanh(a) g(b): the diamond. a g(b): v = k a with k in (0, 1), if the second run has a = 0."""
    h, rest = layer.n_out, signal.rest and not np.any(layer.b)
    if rest:
        rows = algebra.nonlinear(Slope(np.zeros(h), np.ones(h)), algebra.linear(layer.W, signal.rows))
    elif layer.activation == "tanh":
        rows = algebra.nonlinear(Diamond(h), algebra.linear(np.vstack([layer.W, layer.V]), signal.rows))
    else:
        raise NotCertifiableError("(W u + b) * g(V u + c) has no finite gain except from rest without biases")
    return Signal(rows, rest)


def _rms_norm(layer: RMSNorm, signal: Signal, algebra: Algebra) -> Signal:
    """scale * v, v the gradient of n sqrt(mean u^2 + eps), a convex function with Hessians up to 1 / sqrt(eps)."""
    v = algebra.nonlinear(Cocoercive(above_inverse_root(float(layer.eps[0])), layer.n_in), signal.rows)
    return Signal(algebra.linear(np.diag(layer.scale), v), signal.rest)


def above_inverse_root(eps: float) -> float:
    """A float that is at least 1 / sqrt(eps)."""
    bound = float(1 / np.sqrt(eps))
    while exact(bound) ** 2 * exact(eps) < 1:
        bound = float(np.nextafter(bound, np.inf))
    return bound


def _selective(layer: Selective, signal: Signal, algebra: Algebra) -> Signal:
    """C core([S u + s, W u]) + D u."""
    if type(layer.core) not in SUPPLIES:
        raise NotCertifiableError(f"nothing bounds the energy of a {type(layer.core).__name__}")
    if not signal.rest:
        raise NotCertifiableError("a Selective layer has no gain but from rest, with no bias before it")
    v = algebra.nonlinear(Supply(layer.core), algebra.linear(layer.W, signal.rows))
    return Signal(algebra.linear(layer.C, v) + algebra.linear(layer.D, signal.rows), True)


def _activate(activation: str, W: Array, b: Array, signal: Signal, algebra: Algebra) -> Signal:
    """v = sigma(W s + b) - the same of the second run."""
    rest = signal.rest and not np.any(b)
    sigma = ACTIVATIONS[activation]
    low, high = SECTORS[activation] if rest else (sigma.slope_min, sigma.slope_max)
    slope = Slope(np.full(b.shape, low), np.full(b.shape, high))
    return Signal(algebra.nonlinear(slope, algebra.linear(W, signal.rows)), rest)


WALKS: dict[type[Layer], Callable[[Any, Signal, Algebra], Signal]] = {
    Affine: _affine,
    Dynamic: _dynamic,
    Residual: _residual,
    Perceptron: _perceptron,
    Contractive: _contractive,
    Gated: _gated,
    RMSNorm: _rms_norm,
    Selective: _selective,
}


def rests(layers: Sequence[Layer]) -> bool:
    """Whether zero input and the zero state give zero output, layer by layer."""
    return all(
        rests(layer.layers)
        if isinstance(layer, Residual)
        else isinstance(layer, (Clocked, Selective, RMSNorm))
        or (type(layer) in WALKS and constraints_of([layer], True)[1])
        for layer in layers
    )


@dataclass(eq=False)
class _Listing:
    """The algebra without signals: it keeps the constraints."""

    constraints: list[Constraint] = field(default_factory=list)

    def linear(self, W: Array, rows: int) -> int:
        return 0

    def dynamic(self, G: StateSpace, rows: int) -> int:
        return 0

    def nonlinear(self, constraint: Constraint, rows: int) -> int:
        self.constraints.append(constraint)
        return 0


def constraints_of(layers: Sequence[Layer], rest: bool) -> tuple[list[Constraint], bool]:
    """(those of all nonlinearities in the order of the walk, whether the output is zero at rest)."""
    listing = _Listing()
    behind = walk(layers, Signal(0, rest), listing)
    return listing.constraints, behind.rest
