"""`linear_operators`: every linear system inside a model, by name, and selective cells with frozen coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from l2ssm.analysis.frozen import frozen
from l2ssm.analysis.linearization import settled
from l2ssm.analysis.subject import Array, Subject, each_input, network_of
from l2ssm.errors import RealizationError
from l2ssm.systems.clocked import Clocked
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Dynamic, Layer, Product, Residual
from l2ssm.systems.selective import Selective
from l2ssm.systems.state_space import StateSpace

FROZEN = " (frozen at u = "


def linear_operators(model: Subject, u0: ArrayLike = 0.0) -> dict[str, StateSpace]:
    """{"block0": G0, "block1": G1, ...} in the order the signal passes them.

    The channels of an operator inside a network are hidden signals without a physical unit; they are called in1, in2,
    ... and out1, out2, ..., its states x1, x2, .... A bare `StateSpace` is its own "block0" and keeps names and units.

    A selective cell appears as "block0 (frozen at u = 0.5 V)": the linear system it would be if its coefficients stayed
    those that the constant input u0 of the model leads to. That is a picture of it, not a part of the model: `frozen`.

    Args:
        model: a fitted model, an `Interconnection` or a `StateSpace`.
        u0: (n_u,) or one number for all inputs, physical units; of no matter where no cell is selective.

    Returns:
        The operators with exactly the numbers the simulation uses; empty for a static network.

    Raises:
        OptionError: something else was given.
        DataError: u0 of another size.
        RealizationError: a layer with states that is neither linear nor selective, or no steady state in front of a
            selective one.

    >>> G = StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]])
    >>> linear_operators(G)["block0"] is G
    True
    """
    network = network_of(model)
    v = each_input(u0, network.n_u)
    if isinstance(network, StateSpace):
        return {"block0": network}
    layers = network.dynamic_layers()
    frozen_ones: dict[int, StateSpace] = {}
    if not all(isinstance(layer, Dynamic) for layer in layers.values()):
        _pass(network.layers, v, network.dt, {id(layer): name for name, layer in layers.items()}, frozen_ones)
    at = FROZEN + _words(network, v) + ")"
    operators = {}
    for name, layer in layers.items():
        if isinstance(layer, Dynamic):
            operators[name] = _hidden_labels(layer.G)
        else:
            operators[name + at] = _hidden_labels(frozen_ones[id(layer)])
    return operators


def is_frozen(name: str) -> bool:
    """Whether an operator of that name is a selective cell with frozen coefficients.

    >>> is_frozen("block0 (frozen at u = 0)"), is_frozen("block0")
    (True, False)
    """
    return FROZEN in name


def known_operators(model: Subject, u0: ArrayLike = 0.0) -> tuple[dict[str, StateSpace], str]:
    """(`linear_operators`, ""), or ({}, why the model has none that are linear)."""
    try:
        return linear_operators(model, u0), ""
    except RealizationError as error:
        return {}, str(error)


def _pass(layers: Sequence[Layer], v: Array, dt: float, names: dict[int, str], found: dict[int, StateSpace]) -> Array:
    """The steady output of a chain for the constant input v; every selective layer on the way, frozen, into `found`."""
    for layer in layers:
        if isinstance(layer, Residual):
            v = v + _pass(layer.layers, v, dt, names, found)
        elif isinstance(layer, Product):
            left, right = (_pass(branch, v, dt, names, found) for branch in (layer.left, layer.right))
            v = left * right
        elif isinstance(layer, Dynamic):
            v = settled(layer.G, v, names[id(layer)])
        elif layer.n_x:
            if not isinstance(layer, (Selective, Clocked)):
                raise RealizationError(f"{names[id(layer)]} is a {type(layer).__name__}, which is not a linear system")
            G = found[id(layer)] = frozen(layer, v, dt)
            v = settled(G, v, f"{names[id(layer)]}, frozen at its steady input,")
        else:
            v = layer.run(v[None], np.zeros(0))[0]
    return v


def _words(network: Interconnection, v: Array) -> str:
    """The constant input in words, with units."""
    parts = [f"{x:.4g} {unit}".strip() for x, unit in zip(v.tolist(), network.input_units, strict=True)]
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


def _hidden_labels(G: StateSpace) -> StateSpace:
    def numbered(stem: str, count: int) -> tuple[str, ...]:
        return tuple(f"{stem}{i + 1}" for i in range(count))

    return replace(G, input_names=numbered("in", G.n_u), output_names=numbered("out", G.n_y),
                   state_names=numbered("x", G.n_x))  # fmt: skip
