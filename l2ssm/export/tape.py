"""A step as a list of operations on vectors of real numbers: what the numpy runtime, ONNX and C are made from.

A `Value` is used like a number (`a * b + 1.0`), and what is done with it is written on its `Tape`. Vectors of size 1
go with every size. The operations are the names of `ELEMENTWISE`, and

    linear     every group of n numbers of x, times W (h, n)
    gather     numbers of x by their place, each any number of times
    concat     one vector behind the other
    sum, top   of every group of n numbers: their sum, the largest of them
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2ssm.errors import RealizationError

Array = NDArray[np.float64]

BINARY = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "greater")
UNARY = ("exp", "expm1", "tanh", "sigmoid", "softplus", "sqrt", "erf", "sin", "cos")
ELEMENTWISE = BINARY + UNARY
"""`greater` is 1 or 0; `expm1` is of numbers <= 0."""


@dataclass(frozen=True, eq=False)
class Value:
    """A vector that a step computes, is given or holds.

    Attributes:
        tape: where it is from.
        number: its place among the values of the tape.
        size: how many numbers it is.
    """

    tape: Tape
    number: int
    size: int

    def __add__(self, other: Value | ArrayLike) -> Value:
        return self.tape.apply("add", self, other)

    def __sub__(self, other: Value | ArrayLike) -> Value:
        return self.tape.apply("subtract", self, other)

    def __mul__(self, other: Value | ArrayLike) -> Value:
        return self.tape.apply("multiply", self, other)

    def __truediv__(self, other: Value | ArrayLike) -> Value:
        return self.tape.apply("divide", self, other)

    def __radd__(self, other: ArrayLike) -> Value:
        return self.tape.apply("add", other, self)

    def __rsub__(self, other: ArrayLike) -> Value:
        return self.tape.apply("subtract", other, self)

    def __rmul__(self, other: ArrayLike) -> Value:
        return self.tape.apply("multiply", other, self)

    def __rtruediv__(self, other: ArrayLike) -> Value:
        return self.tape.apply("divide", other, self)

    __array_ufunc__ = None  # an array on the left leaves the operator to this class

    def __getitem__(self, places: slice | Sequence[int] | NDArray[np.int64]) -> Value:
        return self.tape.gather(self, np.arange(self.size)[places])


@dataclass(frozen=True)
class Operation:
    """out = kind(arguments).

    Attributes:
        kind: see the head of this file.
        out: what it computes.
        arguments: of what.
        places: of "gather", (out.size,).
    """

    kind: str
    out: Value
    arguments: tuple[Value, ...]
    places: NDArray[np.int64] | None = None


@dataclass(eq=False)
class Tape:
    """The operations in their order.

    Attributes:
        inputs: what is given, by name.
        constants: arrays by the number of their value.
        operations: in the order in which they are done.
    """

    inputs: dict[str, Value] = field(default_factory=dict)
    constants: dict[int, Array] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    _count: int = 0
    _known: dict[tuple[Any, ...], Value] = field(default_factory=dict)

    def input(self, name: str, size: int) -> Value:
        """A vector that is given at every step."""
        self.inputs[name] = self._value(size)
        return self.inputs[name]

    def constant(self, numbers: ArrayLike) -> Value:
        """An array that never changes; the same value for the same array."""
        array = np.array(numbers, dtype=np.float64, ndmin=1)
        key = (array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = self._value(array.size)
            self.constants[self._known[key].number] = array
        return self._known[key]

    def apply(self, kind: str, *arguments: Value | ArrayLike) -> Value:
        """An operation of `ELEMENTWISE`.

        Raises:
            RealizationError: the sizes do not fit.
        """
        values = tuple(v if isinstance(v, Value) else self.constant(v) for v in arguments)
        sizes = {v.size for v in values} - {1}
        if len(sizes) > 1:
            raise RealizationError(f"{kind} of vectors of {' and '.join(map(str, sorted(sizes)))} numbers")
        return self._done(kind, sizes.pop() if sizes else 1, values)

    def linear(self, W: ArrayLike, x: Value) -> Value:
        """W (h, n) times every group of n numbers of x (groups n,), one group behind the other (groups h,)."""
        matrix = np.asarray(W, dtype=np.float64)
        return self._done("linear", matrix.shape[0] * self._groups(x, matrix.shape[1]), (self.constant(matrix), x))

    def gather(self, x: Value, places: NDArray[np.int64]) -> Value:
        """The numbers of x at these places."""
        if np.array_equal(places, np.arange(x.size)):
            return x
        return self._done("gather", len(places), (x,), np.asarray(places, dtype=np.int64))

    def concat(self, parts: Sequence[Value]) -> Value:
        """One vector behind the other."""
        full = [part for part in parts if part.size]
        return full[0] if len(full) == 1 else self._done("concat", sum(part.size for part in full), tuple(full))

    def sum(self, x: Value, n: int) -> Value:
        """The sum of every group of n numbers."""
        return self._done("sum", self._groups(x, n), (x,))

    def top(self, x: Value, n: int) -> Value:
        """The largest of every group of n numbers."""
        return self._done("top", self._groups(x, n), (x,))

    def _groups(self, x: Value, n: int) -> int:
        if n < 1 or x.size % n:
            raise RealizationError(f"{x.size} numbers are not made of groups of {n}")
        return x.size // n

    def _value(self, size: int) -> Value:
        self._count += 1
        return Value(self, self._count - 1, size)

    def _done(
        self, kind: str, size: int, arguments: tuple[Value, ...], places: NDArray[np.int64] | None = None
    ) -> Value:
        operation = Operation(kind, self._value(size), arguments, places)
        self.operations.append(operation)
        return operation.out


@dataclass(frozen=True, eq=False)
class Program:
    """A tape and the values it ends with.

    Attributes:
        tape: its inputs and operations.
        results: what is computed, by name.
    """

    tape: Tape
    results: dict[str, Value]


def progression(places: NDArray[np.int64]) -> slice | None:
    """The slice that takes these places, None where they are not equally spaced upwards.

    >>> progression(np.array([1, 3, 5])), progression(np.array([0, 0]))
    (slice(1, 6, 2), None)
    """
    if not len(places):
        return slice(0, 0, 1)
    step = int(places[1] - places[0]) if len(places) > 1 else 1
    if step < 1 or not np.array_equal(places, places[0] + step * np.arange(len(places))):
        return None
    return slice(int(places[0]), int(places[-1]) + 1, step)
