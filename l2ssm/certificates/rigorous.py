"""Ball arithmetic: matrices that enclose exact values, and the proofs built on them. Part of the trusted base.

Every float is embedded exactly; every operation of python-flint (arb/acb) returns a ball that contains the exact
result, whatever the working precision. A comparison of balls is true only if it holds for all their points, and false
for a NaN: every test below has the form `if not x > y: raise`, so that anything undecided is refused.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import flint
import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2ssm.errors import CertificateError

PRECISION = 128
"""Bits of the midpoints."""

Ball = Any
"""A real ball, `flint.arb`."""


@contextlib.contextmanager
def ball_arithmetic() -> Iterator[None]:
    """Compute with `PRECISION` bits inside the block; the caller's precision is restored."""
    before = flint.ctx.prec
    flint.ctx.prec = PRECISION
    try:
        yield
    finally:
        flint.ctx.prec = before


class Balls:
    """A matrix of real or complex balls, with those operations of a 2-D numpy array that the formulas use.

    `*`, `/`, `+`, `-` are elementwise (an axis of length 1 broadcasts), `@` is the matrix product.
    """

    __array_ufunc__ = None

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix

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

    def __getitem__(self, index: tuple[int, int]) -> Ball:
        return self.matrix[index]

    def __matmul__(self, other: Balls) -> Balls:
        return Balls(self.matrix * other.matrix)

    def __add__(self, other: Any) -> Balls:
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

    def _each(self, other: Any, op: Callable[[Any, Any], Any]) -> Balls:
        """op elementwise; `other` is a number, a ball, or a matrix of the same shape up to axes of length 1."""
        if not isinstance(other, Balls):
            rows, columns = self.shape
            entries = [op(x, other) for x in self.matrix.entries()]
        else:
            (rows, columns), X, Y = _broadcast(self.shape, other.shape), self.matrix.table(), other.matrix.table()
            a, b, c, d = *self.shape, *other.shape
            entries = [op(X[i % a][j % b], Y[i % c][j % d]) for i in range(rows) for j in range(columns)]
        is_complex = any(isinstance(x, flint.acb) for x in entries)
        return Balls((flint.acb_mat if is_complex else flint.arb_mat)(rows, columns, entries))


def _broadcast(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    """The common shape, or a CertificateError."""
    if any(x != y and 1 not in (x, y) for x, y in zip(a, b, strict=True)):
        raise CertificateError(f"shapes {a} and {b} do not fit")
    rows, columns = (x if y == 1 else y for x, y in zip(a, b, strict=True))
    return rows, columns


def embed(M: ArrayLike) -> Balls:
    """The matrix of balls of radius 0 that holds these floats.

    Raises:
        CertificateError: an entry is not finite, or M is not a matrix.

    >>> embed([[0.1]])[0, 0].is_exact()
    True
    """
    values = np.asarray(M)
    if values.ndim != 2 or values.dtype.kind not in "fc" or not np.all(np.isfinite(values)):
        raise CertificateError(f"expected a finite float matrix, got {values.dtype} of shape {values.shape}")
    kind = flint.acb_mat if values.dtype.kind == "c" else flint.arb_mat
    return Balls(kind(*values.shape, values.ravel().tolist()))


def exact(x: float) -> Ball:
    """The ball of radius 0 at a finite float."""
    if not math.isfinite(x):
        raise CertificateError(f"{x} is not a finite number")
    return flint.arb(float(x))


def identity(n: int) -> Balls:
    """I (n, n)."""
    return embed(np.eye(n))


def midpoints(S: Balls) -> NDArray[np.float64]:
    """The midpoints of real balls as floats, rounded: good for a guess, never for a proof."""
    return np.array([float(x.mid()) for x in S.matrix.entries()]).reshape(S.shape)


def rounded_up(x: Ball) -> float:
    """A float that is at least every point of the ball (CertificateError where there is none)."""
    value = float(x.upper())
    if math.isfinite(value) and not x <= exact(value):
        value = math.nextafter(value, math.inf)
    if not (math.isfinite(value) and x <= exact(value)):
        raise CertificateError(f"no finite float bounds {x}")
    return value


def assert_positive_definite(S: Balls, name: str) -> None:
    """Every symmetric matrix within the balls S is positive definite, or CertificateError.

    If X S X' > 0 for any square X whatsoever, then S > 0 (v'X S X'v > 0 for all v != 0 makes X' injective). X is
    guessed in floats so that X S X' is near I, and X S X' > 0 is proved by Gershgorin's discs. A second and third guess
    serve matrices whose condition number exceeds 1e16.

    Args:
        S: (n, n) real balls around a symmetric matrix.
        name: how the error calls it.

    Raises:
        CertificateError: not proved.
    """
    n, columns = S.shape
    if n != columns or isinstance(S.matrix, flint.acb_mat):
        raise CertificateError(f"{name} of shape {S.shape} is not a real square matrix")
    for _ in range(3):
        if not all(S[i, i] > 0 for i in range(n)):
            break
        scale = Balls(flint.arb_mat(n, 1, [(1 / S[i, i].mid().sqrt()).mid() for i in range(n)]))
        S = scale * S * scale.T
        guess = midpoints(S)
        if not np.all(np.isfinite(guess)):
            break
        try:
            w, V = np.linalg.eigh(guess)
        except np.linalg.LinAlgError:
            break
        X = embed(V.T / np.sqrt(np.maximum(w, 1e-14 * n))[:, None])
        S = X @ S @ X.T
        if is_dominant(S):
            return
    if n:
        raise CertificateError(f"{name} is not proved positive definite")


def is_dominant(S: Balls) -> bool:
    """S_ii > sum_{j != i} |S_ij| for every i: by Gershgorin's discs a symmetric S is then positive definite."""
    n = S.shape[0]
    return all(S[i, i] > sum((abs(S[i, j]) for j in range(n) if j != i), exact(0.0)) for i in range(n))


def assert_schur(lam: NDArray[np.complex128]) -> None:
    """|lam_i| < 1 for every mode, in exact rational arithmetic, or CertificateError."""
    for i, value in enumerate(lam.tolist()):
        if not (abs(value) < 2 and Fraction(value.real) ** 2 + Fraction(value.imag) ** 2 < 1):
            raise CertificateError(f"pole {i} = {value} is not inside the unit circle")


def assert_gain(T: Balls, gain: float, name: str) -> None:
    """T < gain^2 I, or CertificateError."""
    if not gain > 0:
        raise CertificateError(f"the gain of {name} is claimed to be {gain}, expected a number > 0")
    assert_positive_definite(exact(gain) ** 2 * identity(T.shape[0]) - T, f"gain^2 I - T of {name}")


def gram(W: NDArray[np.float64]) -> Balls:
    """W'W or W W', the smaller of the two: ||W||_2^2 is its largest eigenvalue."""
    M = embed(W)
    return M.T @ M if W.shape[1] <= W.shape[0] else M @ M.T
