"""Operations of a tape as ONNX nodes of opset 17, in float64 or float32; what ONNX has no operator for is composed.

In float64, onnxruntime has no Erf: erf(s) = 2 / pi (s / 5 + sum_n e^(-(n / 5)^2) sin(2 n s / 5) / n), a Fourier series,
exact to rounding for |s| <= 6; beyond, erf is 1 to rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.export.precision import rounded
from l2ssm.export.tape import Operation, Program

OPSET = 17
NODES = {
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "maximum": "Max",
    "minimum": "Min",
    "exp": "Exp",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "sqrt": "Sqrt",
    "sin": "Sin",
    "cos": "Cos",
    "concat": "Concat",
}
TERMS = 37  # of the series of erf


class Nodes:
    """The nodes of a program, and the arrays they use.

    Args:
        program: operations, constants and results.
        dtype: of every number.
        suffix: of the names of inputs and results.
    """

    def __init__(self, program: Program, dtype: np.dtype[Any], suffix: str = "") -> None:
        tape = program.tape
        self.dtype = dtype
        self.nodes: list[Any] = []
        self.arrays: dict[str, NDArray[Any]] = {}
        self._names: dict[int, str] = {value.number: name + suffix for name, value in tape.inputs.items()}
        self._count = 0
        for number, array in tape.constants.items():
            self._names[number] = self._array(array)
        for operation in tape.operations:
            self._names[operation.out.number] = self._add(operation)
        for name, value in program.results.items():
            self.node("Identity", self._names[value.number], out=name + suffix)

    def node(self, operator: str, *arguments: str, out: str = "", **attributes: Any) -> str:
        """A node, and the name of what it computes."""
        from onnx import helper

        out = out or self._new("v")
        self.nodes.append(helper.make_node(operator, list(arguments), [out], **attributes))
        return out

    def _add(self, operation: Operation) -> str:
        kind, names = operation.kind, [self._names[v.number] for v in operation.arguments]
        if kind in NODES:
            attributes: dict[str, Any] = {"axis": 0} if kind == "concat" else {}
            return self.node(NODES[kind], *names, **attributes)
        if kind == "gather":
            assert operation.places is not None
            return self.node("Gather", *names, self._array(operation.places), axis=0)
        if kind == "linear":
            W = operation.arguments[0].tape.constants[operation.arguments[0].number]
            return self._linear(W, operation)
        if kind in ("sum", "top"):
            shape = (operation.out.size, operation.arguments[0].size // operation.out.size)
            groups = self.node("Reshape", *names, self._array(np.array(shape)))
            if kind == "sum":
                return self.node("ReduceSum", groups, self._array(np.array([1])), keepdims=0)
            return self.node("ReduceMax", groups, axes=[1], keepdims=0)
        return str(getattr(self, f"_{kind}")(*names))

    def _linear(self, W: NDArray[np.float64], operation: Operation) -> str:
        x, n = operation.arguments[1], W.shape[1]
        if x.size == n:
            return self.node("MatMul", *(self._names[v.number] for v in operation.arguments))
        groups = self.node("Reshape", self._names[x.number], self._array(np.array([-1, n])))
        return self.node("Reshape", self.node("MatMul", groups, self._array(W.T)), self._array(np.array([-1])))

    def _greater(self, a: str, b: str) -> str:
        from onnx import helper

        return self.node("Cast", self.node("Greater", a, b), to=helper.np_dtype_to_tensor_dtype(self.dtype))

    def _expm1(self, s: str) -> str:
        """2 t / (1 - t), t = tanh(s / 2) <= 0: no digit is lost."""
        t = self.node("Tanh", self.node("Mul", s, self._array([0.5])))
        return self.node("Div", self.node("Mul", t, self._array([2.0])), self.node("Sub", self._array([1.0]), t))

    def _softplus(self, s: str) -> str:
        """max(s, 0) + log(1 + e), e = exp(-|s|); with w = 1 + e as rounded, log(1 + e) = e log(w) / (w - 1)."""
        one = self._array([1.0])
        e = self.node("Exp", self.node("Neg", self.node("Abs", s)))
        w = self.node("Add", e, one)
        lost = self.node("Equal", w, one)
        below = self.node("Where", lost, one, self.node("Sub", w, one))
        log = self.node("Where", lost, e, self.node("Div", self.node("Mul", e, self.node("Log", w)), below))
        return self.node("Add", self.node("Max", s, self._array([0.0])), log)

    def _erf(self, s: str) -> str:
        if self.dtype == np.float32:
            return self.node("Erf", s)
        n = np.arange(1, TERMS + 1)
        near = self.node("Min", self.node("Max", s, self._array([-6.0])), self._array([6.0]))
        column = self.node("Reshape", near, self._array(np.array([-1, 1])))
        waves = self.node("Sin", self.node("Mul", column, self._array(0.4 * n)))
        series = self.node("MatMul", waves, self._array(2 / np.pi * np.exp(-((n / 5) ** 2)) / n))
        return self.node("Add", self.node("Mul", near, self._array([0.4 / np.pi])), series)

    def _array(self, numbers: Any) -> str:
        array = np.asarray(numbers)
        array = array if array.dtype.kind == "i" else rounded(array, self.dtype)
        for name, known in self.arrays.items():
            if known.dtype == array.dtype and known.shape == array.shape and np.array_equal(known, array):
                return name
        name = self._new("c")
        self.arrays[name] = array
        return name

    def _new(self, letter: str) -> str:
        self._count += 1
        return f"{letter}{self._count}"
