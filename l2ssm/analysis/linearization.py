"""`linearize`: the linear system a model is near a constant operating point, between its physical channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import block_diag

from l2ssm.analysis.connect import series
from l2ssm.analysis.subject import Array, Subject, each_input, network_of
from l2ssm.errors import RealizationError
from l2ssm.systems.layers import Dynamic, Layer, Product, Residual
from l2ssm.systems.stability import is_schur
from l2ssm.systems.state_space import StateSpace


def linearize(model: Subject, u0: ArrayLike = 0.0) -> StateSpace:
    """The Jacobian system at the steady state that the constant input u0 leads to; exact, no step of differences.

    Args:
        model: a fitted model, an `Interconnection` or a `StateSpace`, which is returned as it is.
        u0: (n_u,) or one number for all inputs, physical units.

    Returns:
        du -> dy with the states of all linear blocks, and the channel names and units of the model.

    Raises:
        DataError: u0 of another size.
        RealizationError: a block without a steady state, or a layer with states that is not linear; it is named.
        OptionError: not a model.

    >>> from l2ssm.systems.interconnection import Interconnection
    >>> from l2ssm.systems.layers import Perceptron
    >>> layers = (Dynamic(StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]])), Perceptron([[1]], [0], [[3]], [0], "tanh"))
    >>> network = Interconnection(layers, 1.0, ("u",), ("y",), ("",), ("",))
    >>> linearize(network).frequency_response([0.0]).real.item()
    6.0
    """
    network = network_of(model)
    v = each_input(u0, network.n_u)
    if isinstance(network, StateSpace):
        return network
    names = {id(layer): name for name, layer in network.dynamic_layers().items()}
    G, _ = _chain(network.layers, v, network.dt, names)
    labels = (network.input_names, network.output_names, None, network.input_units, network.output_units)
    return StateSpace(G.A, G.B, G.C, G.D, G.dt, *labels)


def settled(G: StateSpace, v: Array, name: str) -> Array:
    """What the constant input v settles to: (C (I - A)^-1 B + D) v.

    Raises:
        RealizationError: G is not Schur stable.
    """
    if not is_schur(G):
        raise RealizationError(f"{name} is not Schur stable: it has no steady state for every input")
    return np.asarray(G.C @ np.linalg.solve(np.eye(G.n_x) - G.A, G.B @ v) + G.D @ v)


def _chain(layers: Sequence[Layer], v: Array, dt: float, names: dict[int, str]) -> tuple[StateSpace, Array]:
    """(Jacobian system, steady output) of a chain for the constant input v."""
    n = v.size
    total = StateSpace(np.zeros((0, 0)), np.zeros((0, n)), np.zeros((n, 0)), np.eye(n), dt)
    for layer in layers:
        G, v = _layer(layer, v, dt, names)
        total = series(total, G)
    return total, v


def _layer(layer: Layer, v: Array, dt: float, names: dict[int, str]) -> tuple[StateSpace, Array]:
    if isinstance(layer, Dynamic):
        return layer.G, settled(layer.G, v, names[id(layer)])
    if isinstance(layer, Residual):
        G, y = _chain(layer.layers, v, dt, names)
        return StateSpace(G.A, G.B, G.C, G.D + np.eye(v.size), dt), v + y
    if isinstance(layer, Product):
        (G, y), (H, z) = (_chain(branch, v, dt, names) for branch in (layer.left, layer.right))
        C, D = np.hstack([z[:, None] * G.C, y[:, None] * H.C]), z[:, None] * G.D + y[:, None] * H.D
        return StateSpace(block_diag(G.A, H.A), np.vstack([G.B, H.B]), C, D, dt), y * z
    if layer.n_x:
        raise RealizationError(
            f"{names.get(id(layer), 'a layer')} is a {type(layer).__name__}: its states are not those of a linear "
            "system, so there is no Jacobian system of it here"
        )
    rest = np.zeros(0)
    forward, _ = layer.derivative(v[None], rest)
    D = np.array([forward(e[None])[0] for e in np.eye(v.size)]).T.reshape(layer.n_out, v.size)
    static = StateSpace(np.zeros((0, 0)), np.zeros((0, v.size)), np.zeros((layer.n_out, 0)), D, dt)
    return static, layer.run(v[None], rest)[0]
