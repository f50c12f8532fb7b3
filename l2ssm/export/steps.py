"""One sample of every layer of a frozen model, as operations on a tape: y and the next state from u and the state x.

Each function is the same map as `run` of the layer it is about, one sample of it. `STEPS` has all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from l2ssm.errors import ExportError
from l2ssm.export.attention_step import attention
from l2ssm.export.selective_steps import clocked, gated_core, legendre_core, lossless_core, s6_core
from l2ssm.export.tape import Program, Tape, Value
from l2ssm.systems.activations import CUBIC, FAR
from l2ssm.systems.attention import Attention
from l2ssm.systems.clocked import Clocked
from l2ssm.systems.contractive_cores import GatedCore, LosslessCore
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Contractive, Dynamic, Gated, Layer, Perceptron, Product, Residual, RMSNorm
from l2ssm.systems.legendre_core import LegendreCore
from l2ssm.systems.s6_core import S6Core
from l2ssm.systems.selective import Selective

Step = tuple[Value, Sequence[Value]]
"""The output, and the next state in parts."""


def step_program(network: Interconnection) -> Program:
    """(u, x) -> (y, x_next): one sample of the network, its state flat as `Interconnection.simulate` takes it.

    Raises:
        ExportError: a layer that has no step here; it is named.
    """
    _check(network)
    tape = Tape()
    u, x = tape.input("u", network.n_u), tape.input("x", network.n_x)
    y, after = chain(network.layers, u, x)
    return Program(tape, {"y": y, "x_next": tape.concat(after) if after else x})


def _check(network: Interconnection) -> None:
    names = {id(layer): name for name, layer in network.dynamic_layers().items()}
    for layer in (leaf for outer in network.layers for leaf in outer.leaves()):
        part, known = (layer.core, CORES) if isinstance(layer, Selective) else (layer, STEPS)
        if type(part) not in known:
            kinds = ", ".join(sorted(kind.__name__ for kind in known))
            where = names.get(id(layer), "a static layer")
            raise ExportError(f"{where}: a {type(part).__name__} has no step that can be exported; known: {kinds}")


def chain(layers: Sequence[Layer], u: Value, x: Value) -> Step:
    """Layers one behind the other."""
    after: list[Value] = []
    first = 0
    for layer in layers:
        u, parts = STEPS[type(layer)](layer, u, x[first : first + layer.n_x])
        after += parts
        first += layer.n_x
    return u, after


def _affine(layer: Affine, u: Value, x: Value) -> Step:
    return u.tape.linear(layer.W, u) + layer.b, ()


def _contractive(layer: Contractive, u: Value, x: Value) -> Step:
    v = activate(layer.activation, u.tape.linear(layer.W, u) + layer.b)
    return u - layer.c * u.tape.linear(layer.W.T, v), ()


def _perceptron(layer: Perceptron, u: Value, x: Value) -> Step:
    v = activate(layer.activation, u.tape.linear(layer.W1, u) + layer.b1)
    return u.tape.linear(layer.W2, v) + layer.b2, ()


def _gated(layer: Gated, u: Value, x: Value) -> Step:
    value = u.tape.linear(layer.W, u) + layer.b
    if layer.activation == "tanh":
        value = u.tape.apply("tanh", value)
    return value * u.tape.apply("sigmoid", u.tape.linear(layer.V, u) + layer.c), ()


def _rms_norm(layer: RMSNorm, u: Value, x: Value) -> Step:
    mean = u.tape.sum(u * u, u.size) / float(u.size)
    return layer.scale * u / u.tape.apply("sqrt", mean + layer.eps), ()


def _dynamic(layer: Dynamic, u: Value, x: Value) -> Step:
    """A x by its diagonals where A is made of 1 x 1 and 2 x 2 blocks."""
    G, tape = layer.G, u.tape
    if not G.n_x:
        return tape.linear(G.D, u), ()
    if G.modes is None:
        both = tape.linear(np.block([[G.A, G.B], [G.C, G.D]]), tape.concat([x, u]))
        return both[G.n_x :], (both[: G.n_x],)
    driven = tape.linear(np.vstack([G.B, G.D]), u)
    after = x * np.diag(G.A) + driven[: G.n_x]
    rows, columns = np.nonzero(G.A - np.diag(np.diag(G.A)))
    if rows.size:
        partner, weight = np.arange(G.n_x), np.zeros(G.n_x)
        partner[rows], weight[rows] = columns, G.A[rows, columns]
        after = after + x[partner] * weight
    return tape.linear(G.C, x) + driven[G.n_x :], (after,)


def _residual(layer: Residual, u: Value, x: Value) -> Step:
    v, after = chain(layer.layers, u, x)
    return u + v, after


def _product(layer: Product, u: Value, x: Value) -> Step:
    n_left = sum(inner.n_x for inner in layer.left)
    left, left_after = chain(layer.left, u, x[:n_left])
    right, right_after = chain(layer.right, u, x[n_left:])
    return left * right, (*left_after, *right_after)


def _selective(layer: Selective, u: Value, x: Value) -> Step:
    core, tape = layer.core, u.tape
    steering, drive = tape.linear(layer.S, u) + layer.s, tape.linear(layer.W, u)
    v, after = CORES[type(core)](core, steering, drive, x)
    return tape.linear(layer.C, v) + tape.linear(layer.D, u), (after,)


def activate(name: str, s: Value) -> Value:
    """An activation of `systems.activations`."""
    apply = s.tape.apply
    if name == "tanh":
        return apply("tanh", s)
    if name == "relu":
        return apply("maximum", s, 0.0)
    if name == "gelu":
        return s * (0.5 + 0.5 * apply("erf", s * math.sqrt(0.5)))
    if name == "silu":
        return s * apply("sigmoid", s)
    if name == "gelu_tanh":
        near = apply("minimum", apply("maximum", s, -FAR), FAR)
        return s * apply("sigmoid", 2 * math.sqrt(2 / math.pi) * (near + CUBIC * near * near * near))
    raise ExportError(f"the activation {name!r} has no form that can be exported")


STEPS: dict[type[Layer], Callable[[Any, Value, Value], Step]] = {
    Affine: _affine,
    Contractive: _contractive,
    Perceptron: _perceptron,
    Gated: _gated,
    RMSNorm: _rms_norm,
    Dynamic: _dynamic,
    Residual: _residual,
    Product: _product,
    Selective: _selective,
    Clocked: clocked,
    Attention: attention,
}
CORES: dict[type[Layer], Callable[[Any, Value, Value, Value], tuple[Value, Value]]] = {
    S6Core: s6_core,
    GatedCore: gated_core,
    LosslessCore: lossless_core,
    LegendreCore: legendre_core,
}
