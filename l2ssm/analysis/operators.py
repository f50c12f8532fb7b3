"""`linear_operators`: every linear time-invariant system inside a model, by name."""

from __future__ import annotations

from dataclasses import replace

from l2ssm.analysis.subject import Subject, network_of
from l2ssm.errors import RealizationError
from l2ssm.systems.layers import Dynamic
from l2ssm.systems.state_space import StateSpace


def linear_operators(model: Subject) -> dict[str, StateSpace]:
    """{"block0": G0, "block1": G1, ...} in the order the signal passes them.

    The channels of an operator inside a network are hidden signals without a physical unit; they are called in1, in2,
    ... and out1, out2, ..., its states x1, x2, .... A bare `StateSpace` is its own "block0" and keeps names and units.

    Args:
        model: a fitted model, an `Interconnection` or a `StateSpace`.

    Returns:
        The operators with exactly the numbers the simulation uses; empty for a static network.

    Raises:
        OptionError: something else was given.
        RealizationError: a layer with states that is not a linear system.

    >>> G = StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]])
    >>> linear_operators(G)["block0"] is G
    True
    """
    network = network_of(model)
    if isinstance(network, StateSpace):
        return {"block0": network}
    operators = {}
    for name, layer in network.dynamic_layers().items():
        if not isinstance(layer, Dynamic):
            raise RealizationError(f"{name} is a {type(layer).__name__}, which is not a linear system")
        operators[name] = _hidden_labels(layer.G)
    return operators


def known_operators(model: Subject) -> tuple[dict[str, StateSpace], str]:
    """(`linear_operators`, ""), or ({}, why the model has none that are linear)."""
    try:
        return linear_operators(model), ""
    except RealizationError as error:
        return {}, str(error)


def _hidden_labels(G: StateSpace) -> StateSpace:
    def numbered(stem: str, count: int) -> tuple[str, ...]:
        return tuple(f"{stem}{i + 1}" for i in range(count))

    return replace(G, input_names=numbered("in", G.n_u), output_names=numbered("out", G.n_y),
                   state_names=numbered("x", G.n_x))  # fmt: skip
