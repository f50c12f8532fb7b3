"""`linear_operators` returns the very numbers the simulation uses, in the order of the signal."""

from __future__ import annotations

import numpy as np
import pytest

from l2ssm.analysis.operators import linear_operators
from l2ssm.errors import OptionError
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine

from .systems_under_test import FakeModel, network, random_modes


def test_the_operators_of_a_network_are_its_dynamic_layers_bit_for_bit() -> None:
    net = network(2, 1, 5, 3, 0.1)
    operators = linear_operators(FakeModel(net))
    assert list(operators) == ["block0", "block1", "block2"]
    for i, G in enumerate(operators.values()):
        original = net.layers[1 + i].layers[0].G  # type: ignore[attr-defined]
        assert G.digest == original.digest
        assert np.array_equal(G.A, original.A)
    G = operators["block1"]
    assert (G.input_names[0], G.output_names[-1], G.state_names[0]) == ("in1", "out5", "x1")  # type: ignore[index]


def test_a_bare_system_keeps_its_names_and_units() -> None:
    G = random_modes(2, 1, 1, input_names=("pump",), input_units=("V",))
    assert linear_operators(G) == {"block0": G}


def test_a_static_network_has_no_operators() -> None:
    static = Interconnection((Affine([[2.0]], [0.0]),), 1.0, ("u",), ("y",), ("",), ("",))
    assert linear_operators(static) == {}


def test_something_else_is_refused_by_name() -> None:
    with pytest.raises(OptionError, match="ndarray is not something to analyse"):
        linear_operators(np.eye(2))  # type: ignore[arg-type]
