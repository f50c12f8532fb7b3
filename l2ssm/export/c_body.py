"""Operations of a tape as C99 statements: loops over arrays of fixed size, constants as static tables.

Where the numbers of a value are: an input, a table, or a place in the scratch array `w`, given back after its last use.
Equally spaced numbers of another value are not copied.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.export.precision import rounded
from l2ssm.export.tape import BINARY, Operation, Program, Value, progression

SYMBOLS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "greater": ">"}
FUNCTIONS = ("exp", "expm1", "tanh", "sqrt", "erf", "sin", "cos")
A_LINE = 6  # numbers of a table on one line


@dataclass(frozen=True)
class Place:
    """The numbers base[first + step k]; `owner` is the value whose scratch they are in, -1 for none."""

    base: str
    first: int
    step: int
    owner: int

    def at(self, index: str) -> str:
        """The C expression of number `index`."""
        inside = {0: "", 1: index}.get(self.step, f"{self.step} * {_factor(index)}")
        terms = [term for term in (str(self.first) if self.first else "", inside) if term]
        return f"{self.base}[{' + '.join(terms) or '0'}]"


class Body:
    """The statements of a program, the tables they read and the scratch they need.

    Args:
        program: what is to be computed.
        names: C names of its inputs.
        dtype: of every number.
        letter: in the names of the tables.
    """

    def __init__(self, program: Program, names: dict[str, str], dtype: np.dtype[Any], letter: str) -> None:
        tape, self.program = program.tape, program
        self._suffix, self._dtype = "f" if dtype == np.float32 else "", dtype
        self._letter, self._tables = letter, 0
        self.tables: list[str] = []
        self.lines: list[str] = []
        self.scratch = 0
        self._free: list[tuple[int, int]] = []
        self._held: dict[int, tuple[int, int]] = {}
        self._where = {value.number: Place(names[name], 0, 1, -1) for name, value in tape.inputs.items()}
        self._constants = tape.constants
        owners = _owners(program)
        last = {owner: k for k, op in enumerate(tape.operations) for owner in (owners[v.number] for v in op.arguments)}
        kept = {owners[value.number] for value in program.results.values()}
        for k, operation in enumerate(tape.operations):
            self._add(operation)
            for owner in [n for n in self._held if last.get(n, k) <= k and n not in kept]:
                self._give_back(*self._held.pop(owner))

    def copy(self, name: str, target: str) -> str:
        """The statement that copies a result to an array."""
        value = self.program.results[name]
        return f"for (i = 0; i < {value.size}; i++) {target}[i] = {self._at(value, 'i')};"

    def _add(self, operation: Operation) -> None:
        kind, arguments, out = operation.kind, operation.arguments, operation.out
        if kind == "gather":
            assert operation.places is not None
            steps = progression(operation.places)
            if steps is not None:
                self._where[out.number] = self._part(arguments[0], steps)
                return
            index = "0" if arguments[0].size == 1 else f"{self._table(operation.places, 'int')}[i]"
            target = self._take(out)
            self._loop(out, f"{target.at('i')} = {self._at(arguments[0], index)};")
            return
        target = self._take(out)
        if kind == "linear":
            self._linear(operation, target)
        elif kind == "concat":
            first = 0
            for part in arguments:
                piece = Place("w", target.first + first, 1, -1)
                self._loop(part, f"{piece.at('i')} = {self._at(part, 'i')};")
                first += part.size
        elif kind in ("sum", "top"):
            n = arguments[0].size // out.size
            self._groups(kind, n, out, target, arguments[0])
        elif kind in BINARY:
            self._loop(out, f"{target.at('i')} = {self._binary(kind, *(self._at(v, 'i') for v in arguments))};")
        else:
            self._loop(out, f"{target.at('i')} = {self._unary(kind, self._at(arguments[0], 'i'))};")

    def _binary(self, kind: str, a: str, b: str) -> str:
        if kind in ("maximum", "minimum"):
            return f"{a} {'>' if kind == 'maximum' else '<'} {b} ? {a} : {b}"
        if kind == "greater":
            return f"{a} > {b} ? {self._number(1.0)} : {self._number(0.0)}"
        return f"{a} {SYMBOLS[kind]} {b}"

    def _unary(self, kind: str, a: str) -> str:
        half, f = self._number(0.5), self._suffix
        if kind == "sigmoid":
            return f"{half} + {half} * tanh{f}({half} * {a})"
        if kind == "softplus":
            return f"({a} > 0 ? {a} : {self._number(0.0)}) + log1p{f}(exp{f}(-fabs{f}({a})))"
        assert kind in FUNCTIONS
        return f"{kind}{f}({a})"

    def _linear(self, operation: Operation, target: Place) -> None:
        W, x = operation.arguments
        h, n = self._constants[W.number].shape
        groups, matrix = x.size // n, self._place(W)
        weights, sample = matrix.at(f"{n} * j + k"), self._at(x, f"{n} * i + k" if groups > 1 else "k")
        inner = f"for (k = 0; k < {n}; k++) sum += {weights} * {sample};"
        row = f"{{ sum = 0; {inner} {target.at(f'{h} * i + j' if groups > 1 else 'j')} = sum; }}"
        rows = f"for (j = 0; j < {h}; j++) {row}"
        self.lines.append(f"for (i = 0; i < {groups}; i++) {rows}" if groups > 1 else rows)

    def _groups(self, kind: str, n: int, out: Value, target: Place, x: Value) -> None:
        entry = self._at(x, f"{n} * i + k")
        first = self._at(x, f"{n} * i")
        fold = f"sum += {entry};" if kind == "sum" else f"if ({entry} > sum) sum = {entry};"
        body = f"sum = {first}; for (k = 1; k < {n}; k++) {{ {fold} }} {target.at('i')} = sum;"
        self.lines.append(f"for (i = 0; i < {out.size}; i++) {{ {body} }}")

    def _loop(self, value: Value, statement: str) -> None:
        if value.size:
            self.lines.append(f"for (i = 0; i < {value.size}; i++) {statement}")

    def _at(self, value: Value, index: str) -> str:
        constant = self._constants.get(value.number)
        if constant is not None and constant.size == 1:
            return self._number(float(constant.item()))
        return (self._place(value)).at(index if value.size > 1 else "0")

    def _place(self, value: Value) -> Place:
        if value.number not in self._where:
            name = self._table(self._constants[value.number].ravel(), "l2ssm_real")
            self._where[value.number] = Place(name, 0, 1, -1)
        return self._where[value.number]

    def _part(self, x: Value, steps: slice) -> Place:
        whole = self._place(x)
        return Place(whole.base, whole.first + whole.step * steps.start, whole.step * (steps.step or 1), whole.owner)

    def _take(self, out: Value) -> Place:
        """The first place in the scratch array that is free and large enough."""
        size = max(out.size, 1)
        for k, (first, room) in enumerate(self._free):
            if room >= size:
                self._free[k : k + 1] = [(first + size, room - size)] if room > size else []
                break
        else:
            first, self.scratch = self.scratch, self.scratch + size
        self._held[out.number] = (first, size)
        self._where[out.number] = Place("w", first, 1, out.number)
        return self._where[out.number]

    def _give_back(self, first: int, size: int) -> None:
        merged: list[tuple[int, int]] = []
        for start, room in sorted([*self._free, (first, size)]):
            if merged and sum(merged[-1]) == start:
                merged[-1] = (merged[-1][0], merged[-1][1] + room)
            else:
                merged.append((start, room))
        self._free = merged

    def _table(self, numbers: NDArray[Any], kind: str) -> str:
        self._tables += 1
        name = f"l2ssm_{self._letter}{self._tables}"
        texts = [str(int(v)) if kind == "int" else self._number(float(v)) for v in numbers]
        self.tables.append(table(name, kind, texts))
        return name

    def _number(self, value: float) -> str:
        return number(value, self._dtype)


def _owners(program: Program) -> dict[int, int]:
    """The value whose memory each value lies in: its own, or for a part without a copy that of the whole."""
    tape = program.tape
    owners = {value.number: value.number for value in tape.inputs.values()} | {n: n for n in tape.constants}
    for operation in tape.operations:
        part = operation.kind == "gather" and operation.places is not None and progression(operation.places) is not None
        owners[operation.out.number] = owners[operation.arguments[0].number] if part else operation.out.number
    return owners


def number(value: float, dtype: np.dtype[Any]) -> str:
    """The number as a C constant that every compiler reads alike: hexadecimal, or a small whole number.

    >>> number(0.5, np.dtype(np.float64)), number(3.0, np.dtype(np.float32))
    ('0x1p-1', '3.0f')
    """
    close = float(rounded(value, dtype))
    whole = close == round(close) and abs(close) < 1e6
    text = f"{close:.1f}" if whole else re.sub(r"\.?0+p", "p", close.hex())
    return f"{text}f" if dtype == np.float32 else text


def table(name: str, kind: str, texts: Sequence[str]) -> str:
    """A static array."""
    rows = [", ".join(texts[k : k + A_LINE]) for k in range(0, len(texts), A_LINE)]
    return f"static const {kind} {name}[{len(texts)}] = {{\n    " + ",\n    ".join(rows) + "\n};"


def _factor(index: str) -> str:
    return index if index.replace("_", "").isalnum() else f"({index})"
