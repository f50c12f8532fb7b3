"""float64 with a-priori error bounds: discs with a midpoint and a radius. Trusted base of the checker "float".

Every entry stands for all complex (or real) numbers z with |z - mid| <= rad. What is assumed is IEEE 754 binary64 with
rounding to nearest and gradual underflow (tested on entry), and that a matrix product of real matrices adds up the
products of entries, in any order, with or without fused multiply-add. Nothing is assumed of LAPACK, of complex
multiplication or of division: the first is checked by its residual, the others are made of real operations or checked.

Error bounds, with u = 2^-53 and |z|_1 = |Re z| + |Im z| >= |z|. A result fl(x) of +, - satisfies
|fl(x) - x| <= u |fl(x)|, of a product |fl(x) - x| <= u |x| + 2^-1075. Sources: N. Higham, Accuracy and
Stability of Numerical Algorithms, section 3.1, of gamma_k = k u / (1 - k u); S. Rump, BIT 39 (1999), of products.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2ssm.certificates.rigorous import Arithmetic, assert_blocks, exact, float_matrix
from l2ssm.errors import CertificateError

Array = NDArray[np.float64]

U = 2.0**-53
TINY = 2.0**-1022
"""2^52 times the unit of underflow."""
OUT_OF_RANGE = "the numbers leave the range of float64; ball arithmetic has a larger one"


def above(x: Any, roundings: int) -> Any:
    """At least the exact value of the sum of products of non-negative floats that was computed as x.

    With k = `roundings`, at least the number of roundings that any term went through: each loses at most a factor
    1 - u, and each of at most 2^50 k products that underflow at most 2^-1074, so that the exact value is at most
    (x + k 2^-1022)(1 - u)^-k. The factor below exceeds (1 - u)^-(k + 3) for k < 2^50, which leaves three roundings for
    the expression itself.
    """
    return (x + roundings * TINY) * (1 + 2 * (roundings + 4) * U)


def size(z: NDArray[Any]) -> Array:
    """At least |z|."""
    return above(np.abs(z.real) + np.abs(z.imag), 1) if z.dtype.kind == "c" else np.abs(z)


class Discs:
    """A matrix of discs; see `rigorous.Matrix`. Whatever leaves the range of float64 is an error at once."""

    __array_ufunc__ = None

    def __init__(self, mid: NDArray[Any], rad: Array) -> None:
        if not (np.all(np.isfinite(mid)) and np.all(np.isfinite(rad))):
            raise CertificateError(OUT_OF_RANGE)
        self.mid, self.rad = mid, np.broadcast_to(rad, mid.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns)."""
        return self.mid.shape

    @property
    def T(self) -> Discs:
        """The transpose, without conjugation."""
        return Discs(self.mid.T, self.rad.T)

    @property
    def real(self) -> Discs:
        """The real part."""
        return Discs(self.mid.real, self.rad)

    def conj(self) -> Discs:
        """The complex conjugate."""
        return Discs(self.mid.conj(), self.rad)

    def __getitem__(self, index: tuple[slice, slice]) -> Discs:
        return Discs(self.mid[index], self.rad[index])

    def __matmul__(self, other: Discs) -> Discs:
        """mid = fl(A B), rad = |A| (g |B| + R_B) + R_A (|B| + R_B).

        Each part of an entry of A B is a sum of at most two sums of k products, hence off by gamma_{k+1} times the sum
        of the moduli; with |Re| and |Im| both bounded by |A||B|, the modulus of the error is at most
        sqrt(2) gamma_{k+1} |A||B| <= g |A||B| for g = 2 (k + 2) u, apart from 4 k underflows, which `above` includes.
        For real matrices the error is at most gamma_k |A||B|, and g = (k + 2) u.
        """
        k, A, B = self.shape[1], size(self.mid), size(other.mid)
        parts = 2 if "c" in (self.mid.dtype.kind, other.mid.dtype.kind) else 1
        spread = above(parts * (k + 2) * U * B + other.rad, 3)
        rad = A @ spread
        if np.any(self.rad):
            rad = rad + self.rad @ above(B + other.rad, 1)
        return Discs(_bilinear(np.matmul, self.mid, other.mid), above(rad, k + 2))

    def __add__(self, other: Any) -> Discs:
        other = _discs(other)
        mid = self.mid + other.mid
        return Discs(mid, above(self.rad + other.rad + U * size(mid), 4))

    def __sub__(self, other: Any) -> Discs:
        return self + _discs(other) * -1

    def __rsub__(self, other: Any) -> Discs:
        return _discs(other) + self * -1

    def __mul__(self, other: Any) -> Discs:
        """Elementwise, with |fl(a b) - a b| <= sqrt(2) gamma_2 |a||b| < 4 u |a||b|, apart from underflow."""
        if isinstance(other, int) and other == -1:
            return Discs(-self.mid, self.rad)
        other = _discs(other)
        A, B = size(self.mid), size(other.mid)
        mid = _bilinear(np.multiply, self.mid, other.mid)
        return Discs(mid, above(A * above(4 * U * B + other.rad, 3) + self.rad * above(B + other.rad, 1), 4))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Discs:
        return self * _discs(other)._inverse()

    def one_minus_product(self, other: Discs) -> Discs:
        """1 - a b elementwise by error-free transforms: relative accuracy u also where a b is near 1.

        Each product is p + e exactly; the parts of 1 - a b are sums of such terms, added up with their errors.
        """
        if np.any(self.rad) or np.any(other.rad):
            return 1 - self * other
        a, b = self.mid, other.mid
        (p, pe), (q, qe) = _two_product(a.real, b.real), _two_product(a.imag, b.imag)
        (r, re), (s, se) = _two_product(a.real, b.imag), _two_product(a.imag, b.real)
        (mid, rad), (imag, imag_rad) = _sum(np.ones_like(p), -p, q, -pe, qe), _sum(-r, -s, -re, -se)
        if "c" in (a.dtype.kind, b.dtype.kind):
            mid = mid + 1j * imag
        return Discs(mid, above(rad + imag_rad, 1))

    def approximate(self) -> NDArray[Any]:
        """The midpoints."""
        return self.mid

    def norm_bound(self) -> float:
        """At least the spectral norm of every symmetric matrix within the discs: the largest sum of a row."""
        return float(np.max(above(np.sum(size(self.mid) + self.rad, axis=1), self.shape[1] + 3), initial=0.0))

    def _inverse(self) -> Discs:
        """1 / b elementwise: for any guess q and d = |1 - q b| <= 1/2, |q - 1 / b| <= |q| d / (1 - d) <= 2 |q| d."""
        q = Discs(1 / self.mid, np.zeros(1))
        defect = 1 - q * self
        d = above(size(defect.mid) + defect.rad, 1)
        if not np.all(d <= 0.5):
            raise CertificateError("a divisor is not proved to be different from zero")
        return Discs(q.mid, above(2 * size(q.mid) * d, 3))


def _discs(x: Any) -> Discs:
    """Discs as they are; a number as a matrix of one entry that encloses it."""
    if isinstance(x, Discs):
        return x
    try:
        mid = float(x)
    except OverflowError:
        raise CertificateError(OUT_OF_RANGE) from None
    error = abs(Fraction(x) - exact(mid))
    return Discs(np.array([[mid]]), np.array([[above(float(error), 1) if error else 0.0]]))


def _bilinear(f: Callable[[Array, Array], Array], a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """f(a, b) for a bilinear f of real arrays, `@` or `*`: (p + j q)(r + j s) = (p r - q s) + j (p s + q r)."""
    if a.dtype.kind != "c" and b.dtype.kind != "c":
        return f(a, b)
    if b.dtype.kind != "c":
        return f(a.real, b) + 1j * f(a.imag, b)
    if a.dtype.kind != "c":
        return f(a, b.real) + 1j * f(a, b.imag)
    return f(a.real, b.real) - f(a.imag, b.imag) + 1j * (f(a.real, b.imag) + f(a.imag, b.real))


def _two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """(p, e) with p = fl(a b) and p + e = a b up to underflow; e is NaN for |a| or |b| > 2^995 (Dekker 1971)."""
    p = a * b
    (ah, al), (bh, bl) = _halves(a), _halves(b)
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


def _halves(x: Array) -> tuple[Array, Array]:
    """x = high + low, exactly, with at most 26 bits each."""
    t = 134217729.0 * x  # 2^27 + 1
    high = t - (t - x)
    return high, x - high


def _sum(first: Array, *rest: Array) -> tuple[Array, Array]:
    """(mid, rad) of a sum of floats: the error of every addition is added exactly once more (Knuth's TwoSum)."""
    total, errors, moduli = first, np.zeros_like(first), np.zeros_like(first)
    for x in rest:
        s = total + x
        t = s - total
        e = (total - (s - t)) + (x - t)
        total, errors, moduli = s, errors + e, moduli + np.abs(e)
    mid = total + errors
    return mid, above(U * np.abs(mid) + (len(rest) + 1) * U * moduli, len(rest) + 4)


class FloatArithmetic(Arithmetic):
    """Matrices of discs with float64 midpoints and radii."""

    name, description = "float", "float64 with a-priori error bounds"

    @contextlib.contextmanager
    def session(self) -> Iterator[None]:
        """Without warnings; refused unless this thread rounds to nearest and underflows gradually."""
        one, half, least = np.ones(1), np.full(1, U), np.full(1, 5e-324)
        nearest = one + half == 1 and one + half * (1 + 2 * U) == 1 + 2 * U and -one - half == -1
        if not (nearest and least * one > 0 and np.full(1, TINY) * 0.5 > 0):
            raise CertificateError("this thread does not round to nearest, or flushes small numbers to zero")
        with np.errstate(all="ignore"):
            yield

    def embed(self, M: ArrayLike) -> Discs:
        """Discs of radius 0."""
        return Discs(float_matrix(M), np.zeros(1))

    def block(self, rows: Sequence[Sequence[Discs]]) -> Discs:
        """See `Arithmetic.block`."""
        assert_blocks(rows)
        return Discs(np.block([[M.mid for M in row] for row in rows]), np.block([[M.rad for M in row] for row in rows]))

    def assert_positive_definite(self, S: Discs, name: str) -> None:
        """Every symmetric matrix within the discs S is positive definite, or CertificateError.

        For any matrix L and any c > 0: if the discs S - c I - L L' have a norm below c, then S > L L' >= 0. L is the
        Cholesky factor of S - c I that LAPACK finds; c is what rounding is expected to cost, from the factor of S. (The
        idea is that of S. Rump, BIT 46 (2006) 433-452, but the residual of the factorization is bounded here instead of
        taken from its theory.) S is scaled by powers of two beforehand, which is exact up to underflow.
        """
        n = S.shape[0]
        if S.shape != (n, n) or S.mid.dtype.kind == "c":
            raise CertificateError(f"{name} of shape {S.shape} is not a real square matrix")
        diagonal = np.diagonal(S.mid)
        if np.all(diagonal > 0):
            k = -(np.frexp(diagonal)[1] // 2)
            shift = k[:, None] + k
            S = Discs(np.ldexp(S.mid, shift), above(np.ldexp(S.rad, shift), 1))
            spread = Discs(np.zeros((n, n)), S.rad).norm_bound()
            with contextlib.suppress(np.linalg.LinAlgError):
                size_of_L = np.abs(np.linalg.cholesky(S.mid))
                size_of_product = float(np.max(size_of_L @ (size_of_L.T @ np.ones(n)), initial=1.0))
                c = 1.1 * (spread + (n + 10) * U * size_of_product)
                L = self.embed(np.linalg.cholesky(S.mid - c * np.eye(n)))
                if (S - self.identity(n) * exact(c) - L @ L.T).norm_bound() < c:
                    return
        if n:
            raise CertificateError(f"{name} is not proved positive definite")


FLOAT = FloatArithmetic()
