"""Exact rational arithmetic, for small systems. Part of the trusted base of the checker "exact".

Every float is a rational number and the formulas use only + - * /: nothing is rounded, every question is decided.
Numbers grow to thousands of digits, so sizes are limited. Only the standard library and numpy's object arrays are used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2ssm.certificates.rigorous import Arithmetic, assert_blocks, float_matrix
from l2ssm.errors import CertificateError

LIMIT = 32
"""The most rows or columns of a matrix."""

_fractions = np.frompyfunc(Fraction, 1, 1)


class Rationals:
    """A matrix of Gaussian rationals re + j im; see `rigorous.Matrix`."""

    __array_ufunc__ = None

    def __init__(self, re: NDArray[Any], im: NDArray[Any] | None = None) -> None:
        self.re, self.im = re, im

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns)."""
        return self.re.shape

    @property
    def T(self) -> Rationals:
        """The transpose, without conjugation."""
        return self._parts(lambda M: M.T)

    @property
    def real(self) -> Rationals:
        """The real part."""
        return Rationals(self.re)

    def conj(self) -> Rationals:
        """The complex conjugate."""
        return self if self.im is None else Rationals(self.re, -self.im)

    def __getitem__(self, index: tuple[slice, slice]) -> Rationals:
        return self._parts(lambda M: M[index])

    def __matmul__(self, other: Rationals) -> Rationals:
        return self._bilinear(other, lambda X, Y: X @ Y)

    def __add__(self, other: Any) -> Rationals:
        other = _rationals(other)
        if self.im is None and other.im is None:
            return Rationals(self.re + other.re)
        return Rationals(self.re + other.re, self._imag() + other._imag())

    def __sub__(self, other: Any) -> Rationals:
        return self + _rationals(other) * -1

    def __rsub__(self, other: Any) -> Rationals:
        return _rationals(other) + self * -1

    def __mul__(self, other: Any) -> Rationals:
        return self._bilinear(_rationals(other), lambda X, Y: X * Y)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Rationals:
        divisor = _rationals(other)
        modulus = divisor.re * divisor.re + divisor._imag() * divisor._imag()
        if np.any(modulus == 0):
            raise CertificateError("a divisor is zero")
        return self * divisor.conj()._parts(lambda M: M / modulus)

    def one_minus_product(self, other: Rationals) -> Rationals:
        """1 - self * other elementwise."""
        return 1 - self * other

    def approximate(self) -> NDArray[np.float64]:
        """The nearest floats of a real matrix."""
        return self.re.astype(np.float64)

    def _imag(self) -> NDArray[Any]:
        return np.asarray(_fractions(np.zeros(self.shape))) if self.im is None else self.im

    def _parts(self, f: Callable[[NDArray[Any]], NDArray[Any]]) -> Rationals:
        return Rationals(f(self.re), None if self.im is None else f(self.im))

    def _bilinear(self, other: Rationals, f: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]) -> Rationals:
        """(a + j b)(c + j d) = (a c - b d) + j (a d + b c) for a product f."""
        a, b, c, d = self.re, self.im, other.re, other.im
        if b is None:
            return Rationals(f(a, c), None if d is None else f(a, d))
        if d is None:
            return Rationals(f(a, c), f(b, c))
        return Rationals(f(a, c) - f(b, d), f(a, d) + f(b, c))


def _rationals(x: Any) -> Rationals:
    """A matrix as it is; a number as a matrix of one entry."""
    return x if isinstance(x, Rationals) else Rationals(_fractions(np.array([[x]], dtype=object)))


class RationalArithmetic(Arithmetic):
    """Matrices of rational numbers."""

    name, description = "exact", "exact rational arithmetic"

    def embed(self, M: ArrayLike) -> Rationals:
        """These floats; CertificateError beyond `LIMIT` rows or columns."""
        values = float_matrix(M)
        if max(values.shape) > LIMIT:
            raise CertificateError(
                f"a matrix of shape {values.shape} is too large for exact rational arithmetic, which takes up to "
                f"{LIMIT} rows and columns; use ball or float"
            )
        return Rationals(_fractions(values.real), _fractions(values.imag) if values.dtype.kind == "c" else None)

    def block(self, rows: Sequence[Sequence[Rationals]]) -> Rationals:
        """See `Arithmetic.block`."""
        assert_blocks(rows)
        re = np.block([[M.re for M in row] for row in rows])
        if all(M.im is None for row in rows for M in row):
            return Rationals(re)
        return Rationals(re, np.block([[M._imag() for M in row] for row in rows]))

    def assert_positive_definite(self, S: Rationals, name: str) -> None:
        """The symmetric matrix S is positive definite, or CertificateError: every pivot of S = L D L' is > 0."""
        n = S.shape[0]
        if S.shape != (n, n) or S.im is not None or np.any(S.re != S.re.T):
            raise CertificateError(f"{name} of shape {S.shape} is not a real symmetric matrix")
        rest = S.re.copy()
        for k in range(n):
            if not rest[k, k] > 0:
                raise CertificateError(f"{name} is not positive definite: pivot {k + 1} is not positive")
            rest[k + 1 :, k + 1 :] -= np.outer(rest[k + 1 :, k] / rest[k, k], rest[k, k + 1 :])


EXACT = RationalArithmetic()
