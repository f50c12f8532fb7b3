"""ONNX files of a model: one step with the state in and out, a sequence of fixed length, and the initial state.

Real numbers only, opset 17. The metadata of a file say what `about` says.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from l2ssm.errors import ExportError, OptionError
from l2ssm.export.about import about
from l2ssm.export.onnx_nodes import OPSET, Nodes
from l2ssm.export.precision import dtype_of
from l2ssm.export.start import start_program
from l2ssm.export.steps import step_program
from l2ssm.files import write_atomically
from l2ssm.options import integer

if TYPE_CHECKING:
    from l2ssm.certificates.certificate import Certificate

IR_VERSION = 8  # the one of opset 17
Shapes = Mapping[str, Sequence[int]]


def write_onnx(
    system: Any,
    path: str | os.PathLike[str],
    *,
    length: int | None = None,
    precision: str = "float64",
    certificate: Certificate | None = None,
) -> None:
    """(u (n_u,), x (n_x,)) -> (y (n_y,), x_next), or with a length T (u (T, n_u), x) -> (y (T, n_y), x_next).

    Args:
        system: a fitted model, an `Interconnection` or a `StateSpace`.
        path: of the file.
        length: samples of a sequence; None: one step.
        precision: "float64" or "float32".
        certificate: verified, of just these numbers, to be named in the metadata.

    Raises:
        ExportError: onnx is not installed, a layer has no step, or the certificate is about other numbers.
        OptionError: an unknown precision, or a length that is not an integer >= 1.
    """
    _require_onnx()
    facts, dtype = about(system, precision, certificate), dtype_of(precision)
    n_u, n_y, n_x = facts.network.n_u, facts.network.n_y, facts.network.n_x
    program = step_program(facts.network)
    if length is None:
        nodes = Nodes(program, dtype)
        graph = nodes.nodes
    else:
        nodes = Nodes(program, dtype, "_k")
        graph = [_scan(nodes, {"x_k": [n_x], "u_k": [n_u]}, {"x_next_k": [n_x], "y_k": [n_y]})]
    time = [] if length is None else [integer("length", length, 1)]
    inputs, outputs = {"u": [*time, n_u], "x": [n_x]}, {"y": [*time, n_y], "x_next": [n_x]}
    _write(path, graph, nodes, inputs, outputs, facts.facts())


def write_onnx_start(
    model: Any,
    path: str | os.PathLike[str],
    *,
    precision: str = "float64",
    certificate: Certificate | None = None,
) -> None:
    """(u_start (n_init n_u,), y_start (n_init n_y,)) -> x0 (n_x,): the state before the first of these samples.

    Args:
        model: a `Model` whose initial state is estimated.
        path: file to write, .onnx.
        precision: "float64" or "float32".
        certificate: to name in the metadata.

    Raises:
        OptionError: the model starts at the zero state.
        ExportError: as `write_onnx`.
    """
    _require_onnx()
    program = start_program(model)
    if program is None:
        raise OptionError("the model starts at the zero state; there is no initial state to export")
    facts, nodes = about(model, precision, certificate), Nodes(program, dtype_of(precision))
    inputs = {name: [value.size] for name, value in program.tape.inputs.items()}
    _write(path, nodes.nodes, nodes, inputs, {"x0": [facts.network.n_x]}, facts.facts())


def _scan(nodes: Nodes, inputs: Shapes, outputs: Shapes) -> Any:
    """The nodes of one step as the body of a loop over time."""
    from onnx import helper

    body = helper.make_graph(nodes.nodes, "step", _infos(nodes, inputs), _infos(nodes, outputs))
    return helper.make_node("Scan", ["x", "u"], ["x_next", "y"], body=body, num_scan_inputs=1)


def _infos(nodes: Nodes, shapes: Shapes) -> list[Any]:
    from onnx import helper

    kind = helper.np_dtype_to_tensor_dtype(np.dtype(nodes.dtype))
    return [helper.make_tensor_value_info(name, kind, list(shape)) for name, shape in shapes.items()]


def _write(
    path: str | os.PathLike[str],
    graph: list[Any],
    nodes: Nodes,
    inputs: Shapes,
    outputs: Shapes,
    facts: Mapping[str, str],
) -> None:
    import onnx
    from onnx import helper, numpy_helper

    arrays = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in nodes.arrays.items()]
    whole = helper.make_graph(graph, "l2ssm", _infos(nodes, inputs), _infos(nodes, outputs), arrays)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    model.producer_name, _, model.producer_version = facts["program"].partition(" ")
    helper.set_model_props(model, {**facts, "opset": str(OPSET)})
    onnx.checker.check_model(model, full_check=True)
    write_atomically(path, model.SerializeToString())


def _require_onnx() -> None:
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise ExportError("writing ONNX needs the package onnx: pip install l2ssm[onnx]") from None
