"""Complex numbers on a tape, as pairs of real vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from l2ssm.export.tape import Array, Value


@dataclass(frozen=True, eq=False)
class Pair:
    """re + j im."""

    re: Value
    im: Value

    def __add__(self, other: Pair) -> Pair:
        return Pair(self.re + other.re, self.im + other.im)

    def __sub__(self, other: Pair) -> Pair:
        return Pair(self.re - other.re, self.im - other.im)

    def __mul__(self, other: Pair) -> Pair:
        return Pair(self.re * other.re - self.im * other.im, self.re * other.im + self.im * other.re)

    def scaled(self, factor: Value | ArrayLike) -> Pair:
        """Times real numbers."""
        return Pair(self.re * factor, self.im * factor)

    def conj(self) -> Pair:
        """re - j im."""
        return Pair(self.re, 0.0 - self.im)

    def inverse(self) -> Pair:
        """1 / (re + j im)."""
        square = self.re * self.re + self.im * self.im
        return Pair(self.re / square, (0.0 - self.im) / square)

    def interleaved(self) -> Value:
        """(Re x_1, Im x_1, Re x_2, ...)."""
        n = self.re.size
        both = self.re.tape.concat([self.re, self.im])
        return both[np.arange(2 * n).reshape(2, n).T.ravel()]

    @classmethod
    def of(cls, x: Value) -> Pair:
        """The pair that was interleaved."""
        return cls(x[0::2], x[1::2])

    @classmethod
    def constant(cls, like: Value, re: Array, im: Array) -> Pair:
        """Numbers, on the tape of another value."""
        return cls(like.tape.constant(re), like.tape.constant(im))


def exp(z: Pair) -> Pair:
    """e^z."""
    tape, size = z.re.tape, z.re.tape.apply("exp", z.re)
    return Pair(size * tape.apply("cos", z.im), size * tape.apply("sin", z.im))


def expm1(z: Pair) -> Pair:
    """e^z - 1 for Re z <= 0: (e^a - 1) cos b - 2 sin^2(b / 2) + j e^a sin b."""
    tape = z.re.tape
    half = tape.apply("sin", 0.5 * z.im)
    re = tape.apply("expm1", z.re) * tape.apply("cos", z.im) - 2.0 * half * half
    return Pair(re, tape.apply("exp", z.re) * tape.apply("sin", z.im))
