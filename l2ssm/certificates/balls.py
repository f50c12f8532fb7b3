"""Ball arithmetic: matrices of python-flint's arb and acb, 128 bit. Part of the trusted base of the checker "ball".

Every float is embedded exactly; every operation of arb/acb returns a ball that contains the exact result, whatever the
working precision. A comparison of balls is true only if it holds for all their points, and false for a NaN.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import flint
import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2ssm.certificates.rigorous import Arithmetic, assert_blocks, float_matrix
from l2ssm.errors import CertificateError

PRECISION = 128
"""Bits of the midpoints."""

Ball = Any
"""A real ball, `flint.arb`."""


class Balls:
    """A matrix of real or complex balls; see `rigorous.Matrix`."""

    __array_ufunc__ = None

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix

    @classmethod
    def of(cls, rows: int, columns: int, entries: list[Any]) -> Balls:
        """From the entries, row by row."""
        is_complex = any(isinstance(x, flint.acb) for x in entries)
        return cls((flint.acb_mat if is_complex else flint.arb_mat)(rows, columns, entries))

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.matrix.nrows(), self.matrix.ncols()

    @property
    def T(self) -> Balls:
        """The transpose, without conjugation."""
        return Balls(self.matrix.transpose())

    @property
    def real(self) -> Balls:
        """The real part."""
        return Balls(self.matrix.real) if isinstance(self.matrix, flint.acb_mat) else self

    def conj(self) -> Balls:
        """The complex conjugate."""
        return Balls(self.matrix.conjugate()) if isinstance(self.matrix, flint.acb_mat) else self

    def __getitem__(self, index: tuple[Any, Any]) -> Any:
        if isinstance(index[0], int):
            return self.matrix[index]
        part = [row[index[1]] for row in self.matrix.table()[index[0]]]
        columns = len(range(*index[1].indices(self.shape[1])))
        return Balls.of(len(part), columns, [x for row in part for x in row])

    def __matmul__(self, other: Balls) -> Balls:
        return Balls(self.matrix * other.matrix)

    def __add__(self, other: Any) -> Balls:
        if isinstance(other, Balls) and self.shape == other.shape:
            return Balls(self.matrix + other.matrix)
        return self._each(other, lambda x, y: x + y)

    def __sub__(self, other: Any) -> Balls:
        return self._each(other, lambda x, y: x - y)

    def __rsub__(self, other: Any) -> Balls:
        return self._each(other, lambda x, y: y - x)

    def __mul__(self, other: Any) -> Balls:
        return self._each(other, lambda x, y: x * y)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Balls:
        return self._each(other, lambda x, y: x / y)

    def one_minus_product(self, other: Balls) -> Balls:
        """1 - self * other elementwise; an outer product is one matrix product, [1, x] [1; -y]."""
        if (self.shape[1], other.shape[0]) != (1, 1):
            return 1 - self * other
        left, right = ([x for pair in ((1, y) for y in M.matrix.entries()) for x in pair] for M in (self, other * -1))
        return Balls.of(self.shape[0], 2, left) @ Balls.of(other.shape[1], 2, right).T

    def approximate(self) -> NDArray[np.float64]:
        """The midpoints of real balls as floats, rounded."""
        return np.array([float(x.mid()) for x in self.matrix.entries()]).reshape(self.shape)

    def _each(self, other: Any, op: Callable[[Any, Any], Any]) -> Balls:
        """op elementwise; `other` is a number, or a matrix of the same shape up to axes of length 1."""
        X = self.matrix.entries()
        if not isinstance(other, Balls):
            if isinstance(other, Fraction):
                other = flint.arb(flint.fmpq(other.numerator, other.denominator))
            return Balls.of(*self.shape, [op(x, other) for x in X])
        Y = other.matrix.entries()
        if self.shape == other.shape:
            return Balls.of(*self.shape, [op(x, y) for x, y in zip(X, Y, strict=True)])
        (a, b), (c, d) = self.shape, other.shape
        if (a != c and 1 not in (a, c)) or (b != d and 1 not in (b, d)):
            raise CertificateError(f"shapes {self.shape} and {other.shape} do not fit")
        rows, columns = c if a == 1 else a, d if b == 1 else b
        pairs = ((i % a * b + j % b, i % c * d + j % d) for i in range(rows) for j in range(columns))
        return Balls.of(rows, columns, [op(X[k], Y[l]) for k, l in pairs])


class BallArithmetic(Arithmetic):
    """Matrices of balls."""

    name, description = "ball", f"ball arithmetic, {PRECISION} bit"

    @contextlib.contextmanager
    def session(self) -> Iterator[None]:
        """Compute with `PRECISION` bits inside the block; the caller's precision is restored."""
        before = flint.ctx.prec
        flint.ctx.prec = PRECISION
        try:
            yield
        finally:
            flint.ctx.prec = before

    def embed(self, M: ArrayLike) -> Balls:
        """The matrix of balls of radius 0 that holds these floats.

        >>> BALL.embed([[0.1]])[0, 0].is_exact()
        True
        """
        values = float_matrix(M)
        kind = flint.acb_mat if values.dtype.kind == "c" else flint.arb_mat
        return Balls(kind(*values.shape, values.ravel().tolist()))

    def block(self, rows: Sequence[Sequence[Balls]]) -> Balls:
        """See `Arithmetic.block`."""
        assert_blocks(rows)
        lines = [line for row in rows for line in zip(*(M.matrix.table() for M in row), strict=True)]
        columns = sum(M.shape[1] for M in rows[0])
        return Balls.of(len(lines), columns, [x for line in lines for part in line for x in part])

    def assert_positive_definite(self, S: Balls, name: str) -> None:
        """Every symmetric matrix within the balls S is positive definite, or CertificateError.

        If X S X' > 0 for any square X whatsoever, then S > 0 (v'X S X'v > 0 for all v != 0 makes X' injective). X is
        guessed in floats so that X S X' is near I, and X S X' > 0 is proved by Gershgorin's discs. A second and third
        guess serve matrices whose condition number exceeds 1e16.
        """
        n, columns = S.shape
        if n != columns or isinstance(S.matrix, flint.acb_mat):
            raise CertificateError(f"{name} of shape {S.shape} is not a real square matrix")
        for _ in range(3):
            if not all(S[i, i] > 0 for i in range(n)):
                break
            scale = Balls(flint.arb_mat(n, 1, [(1 / S[i, i].mid().sqrt()).mid() for i in range(n)]))
            S = scale * S * scale.T
            guess = S.approximate()
            if not np.all(np.isfinite(guess)):
                break
            try:
                w, V = np.linalg.eigh(guess)
            except np.linalg.LinAlgError:
                break
            X = self.embed(V.T / np.sqrt(np.maximum(w, 1e-14 * n))[:, None])
            S = X @ S @ X.T
            if is_dominant(S):
                return
        if n:
            raise CertificateError(f"{name} is not proved positive definite")


BALL = BallArithmetic()


def is_dominant(S: Balls) -> bool:
    """S_ii > sum_{j != i} |S_ij| for every i: by Gershgorin's discs a symmetric S is then positive definite."""
    n = S.shape[0]
    return all(S[i, i] > sum((abs(S[i, j]) for j in range(n) if j != i), flint.arb(0)) for i in range(n))
