"""What an arithmetic must offer so that a certificate can be checked in it. Part of the trusted base.

An arithmetic embeds floats exactly and gives matrices that stand for the exact result of every operation: they enclose
it (`balls`, `midrad`) or are it (`rational`). Numbers that are not matrices are `Fraction` in all of them: products and
comparisons of gains are exact. Everything is written so that what is undecided, a NaN included, is refused.
"""

from __future__ import annotations

import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2ssm.errors import CertificateError

Matrix = Any
"""A matrix of an arithmetic. Like a 2-D numpy array it has

    .shape  .T  .conj()  .real  M[i:j, k:l]  A @ B
    + - * /         elementwise with a matrix (an axis of length 1 broadcasts), an int or a Fraction
    .one_minus_product(M)   1 - self * M elementwise (broadcast), accurate where the product is near 1
    .approximate()  floats near the entries: for guesses, never for a proof
"""


class Arithmetic(ABC):
    """Rigorous arithmetic with matrices.

    Attributes:
        name: what `verify` calls it.
        description: what a printout calls it.
    """

    name: str
    description: str

    @abstractmethod
    def embed(self, M: ArrayLike) -> Matrix:
        """The matrix that holds exactly these floats.

        Raises:
            CertificateError: an entry is not finite, or M is not a matrix of floats.
        """

    @abstractmethod
    def block(self, rows: Sequence[Sequence[Matrix]]) -> Matrix:
        """The matrix with these blocks, as `numpy.block`; CertificateError where they do not fit."""

    @abstractmethod
    def assert_positive_definite(self, S: Matrix, name: str) -> None:
        """Every symmetric matrix that S stands for is positive definite, or CertificateError (in words: `name`)."""

    def session(self) -> contextlib.AbstractContextManager[Any]:
        """The context in which to compute."""
        return contextlib.nullcontext()

    def identity(self, n: int) -> Matrix:
        """I (n, n)."""
        return self.embed(np.eye(n))

    def assert_gain(self, T: Matrix, gain: float, name: str) -> None:
        """T < gain^2 I, or CertificateError."""
        if not gain > 0:
            raise CertificateError(f"the gain of {name} is claimed to be {gain}, expected a number > 0")
        self.assert_positive_definite(self.identity(T.shape[0]) * exact(gain) ** 2 - T, f"gain^2 I - T of {name}")

    def gram(self, W: NDArray[np.float64]) -> Matrix:
        """W'W or W W', the smaller of the two: ||W||_2^2 is its largest eigenvalue."""
        M = self.embed(W)
        return M.T @ M if W.shape[1] <= W.shape[0] else M @ M.T


def float_matrix(M: ArrayLike) -> NDArray[Any]:
    """M as a finite 2-D array of float64 or complex128, or CertificateError."""
    values = np.asarray(M)
    if values.ndim != 2 or values.dtype not in (np.float64, np.complex128) or not np.all(np.isfinite(values)):
        raise CertificateError(f"expected a finite float matrix, got {values.dtype} of shape {values.shape}")
    return values


def assert_blocks(rows: Sequence[Sequence[Matrix]]) -> None:
    """The blocks of each row have one height, the rows one width; CertificateError otherwise."""
    fits = all(M.shape[0] == row[0].shape[0] for row in rows for M in row)
    if not fits or len({sum(M.shape[1] for M in row) for row in rows}) != 1:
        raise CertificateError(f"blocks of shapes {[[M.shape for M in row] for row in rows]} do not fit")


def exact(x: float) -> Fraction:
    """The rational number that a finite float is."""
    if not math.isfinite(x):
        raise CertificateError(f"{x} is not a finite number")
    return Fraction(x)


def rounded_up(x: Fraction) -> float:
    """The smallest float that is at least x, or CertificateError where there is none.

    >>> rounded_up(Fraction(1, 3)), rounded_up(Fraction(1, 4))
    (0.33333333333333337, 0.25)
    """
    try:
        value = float(x)
    except OverflowError:
        raise CertificateError("no finite float is as large") from None
    value = value if exact(value) >= x else math.nextafter(value, math.inf)
    if not exact(value) >= x:
        raise CertificateError("no finite float is as large")
    return value


def assert_schur(lam: NDArray[np.complex128]) -> None:
    """|lam_i| < 1 for every mode, in exact rational arithmetic, or CertificateError."""
    for i, value in enumerate(lam.tolist()):
        if not (abs(value) < 2 and Fraction(value.real) ** 2 + Fraction(value.imag) ** 2 < 1):
            raise CertificateError(f"pole {i} = {value} is not inside the unit circle")
