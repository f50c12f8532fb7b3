"""Layers one behind the other: the output, its derivative, and the state cut into pieces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from l2ssm.systems.layer import Array, Layer, Linear


def run_chain(layers: Sequence[Layer], u: Array, x0: Array) -> Array:
    """The output of the chain from the flat state x0."""
    for layer, start in zip(layers, split_state(layers, x0), strict=True):
        u = layer.run(u, start)
    return u


def split_state(layers: Sequence[Layer], x0: Array) -> list[Array]:
    """The flat state of a chain cut into one piece a layer."""
    return np.split(x0, np.cumsum([layer.n_x for layer in layers])[:-1])


def differentiate_chain(layers: Sequence[Layer], u: Array, states: Sequence[Array]) -> tuple[Array, Linear, Linear]:
    """(output, jvp, vjp) of a chain of layers along the trajectory of u, each layer from its state."""
    steps = []
    for layer, start in zip(layers, states, strict=True):
        steps.append(layer.derivative(u, start))
        u = layer.run(u, start)

    def jvp(du: Array) -> Array:
        for forward, _ in steps:
            du = forward(du)
        return du

    def vjp(w: Array) -> Array:
        for _, backward in reversed(steps):
            w = backward(w)
        return w

    return u, jvp, vjp
