"""A program as calls of numpy functions that write where they are told: no call makes an array."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.export.precision import rounded
from l2ssm.export.tape import ELEMENTWISE, Operation, Program, progression

Array = NDArray[np.floating]
Call = Callable[[], Any]


class Calls:
    """The calls of a program and the arrays they read and write.

    Args:
        program: what is to be computed.
        given: an array for each input of the program; the calls read it.
        dtype: of every number.
    """

    def __init__(self, program: Program, given: Mapping[str, Array], dtype: np.dtype[np.floating]) -> None:
        tape = program.tape
        self.dtype = dtype
        self.calls: list[Call] = []
        self._half, self._zero = np.array(0.5, dtype), np.array(0.0, dtype)
        self._where: dict[int, Array] = {k: rounded(v, dtype) for k, v in tape.constants.items()}
        self._where |= {value.number: given[name] for name, value in tape.inputs.items()}
        for operation in tape.operations:
            self._add(operation)
        self.results = {name: self._where[value.number] for name, value in program.results.items()}

    def _add(self, operation: Operation) -> None:
        arguments = [self._where[v.number] for v in operation.arguments]
        kind, number = operation.kind, operation.out.number
        if kind == "gather":
            assert operation.places is not None
            self._where[number] = self._gathered(arguments[0], operation.places)
            return
        out = self._where[number] = np.zeros(operation.out.size, self.dtype)
        if kind in ELEMENTWISE:  # against no axis numpy needs no broadcasting, half of the time
            arguments = [a.reshape(()) if a.size == 1 < out.size else a for a in arguments]
        if kind == "linear":
            self._linear(arguments[0], arguments[1], out)
        elif kind == "concat":
            first = 0
            for part in arguments:
                self.calls.append(partial(np.copyto, out[first : first + part.size], part))
                first += part.size
        elif kind in ("sum", "top"):
            groups = self._contiguous(arguments[0]).reshape(out.size, -1)
            ones = np.ones(groups.shape[1], self.dtype)
            sums, tops = partial(np.dot, groups, ones, out), partial(np.maximum.reduce, groups, 1, None, out)
            self.calls.append(sums if kind == "sum" else tops)
        elif kind == "sigmoid":  # (1 + tanh(s / 2)) / 2
            self.calls += [
                partial(np.multiply, *arguments, self._half, out=out),
                partial(np.tanh, out, out=out),
                partial(np.multiply, out, self._half, out=out),
                partial(np.add, out, self._half, out=out),
            ]
        elif kind == "greater":
            truth = np.zeros(out.size, dtype=bool)
            self.calls += [partial(np.greater, *arguments, out=truth), partial(np.copyto, out, truth)]
        elif kind == "softplus":
            self.calls.append(partial(np.logaddexp, self._zero, *arguments, out=out))
        elif kind == "erf":
            from scipy.special import erf

            self.calls.append(partial(erf, *arguments, out=out))
        else:
            assert kind in ELEMENTWISE
            self.calls.append(partial(getattr(np, kind), *arguments, out=out))

    def _gathered(self, x: Array, places: NDArray[np.int64]) -> Array:
        """A view where the places are equally spaced, else a copy made by a call."""
        steps = progression(places)
        if steps is not None:
            return x[steps]
        out = np.zeros(len(places), self.dtype)
        self.calls.append(partial(np.take, self._contiguous(x), places, None, out, "clip"))  # "raise" makes a copy
        return out

    def _linear(self, W: Array, x: Array, out: Array) -> None:
        x = self._contiguous(x)
        if x.size == W.shape[1]:
            self.calls.append(partial(np.dot, W, x, out))
        else:
            self.calls.append(partial(np.matmul, x.reshape(-1, W.shape[1]), W.T, out.reshape(-1, W.shape[0])))

    def _contiguous(self, x: Array) -> Array:
        if x.flags.c_contiguous:
            return x
        copy = np.zeros(x.size, self.dtype)
        self.calls.append(partial(np.copyto, copy, x))
        return copy
