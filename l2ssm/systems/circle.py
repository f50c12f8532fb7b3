"""Distances to the unit circle and points on it, accurate where they are many orders of magnitude below one.

A pole at 1 - 1e-9 leaves seven digits to the plain expressions 1 - |lam|^2 and e^{j theta} - lam. The functions here
keep full relative accuracy by error-free products (Dekker 1971; Ogita, Rump, Oishi, SIAM J. Sci. Comput. 26, 2005).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_SPLIT = 134217729.0  # 2^27 + 1


def product(a: Array, b: Array) -> tuple[Array, Array]:
    """(p, e) with p = fl(a b) and p + e = a b exactly, for |a|, |b| < 1e150."""

    def halves(x: Array) -> tuple[Array, Array]:
        t = _SPLIT * x
        high = t - (t - x)
        return high, x - high

    p = a * b
    (ah, al), (bh, bl) = halves(a), halves(b)
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


def total(a: ArrayLike, b: ArrayLike) -> tuple[Array, Array]:
    """(s, e) with s = fl(a + b) and s + e = a + b exactly (Knuth's TwoSum)."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    s = a + b
    part = s - a
    return s, (a - (s - part)) + (b - part)


def square_excess(lam: ArrayLike) -> Array:
    """|lam|^2 - 1 with a relative error of a few units in the last place, also next to the unit circle.

    >>> float(square_excess(1 - 2.0**-40)) == -(2.0**-39) + 2.0**-80
    True
    """
    z = np.asarray(lam, dtype=np.complex128)
    a, b = np.abs(z.real), np.abs(z.imag)
    big, small = np.maximum(a, b), np.minimum(a, b)
    near = big < 2.0
    (p, pe), (q, qe) = (product(np.where(near, v, 0.0), np.where(near, v, 0.0)) for v in (big, small))
    s, se = total(p, -1.0)  # not exact where both squares are just below 1/2
    with np.errstate(over="ignore"):
        far = big * big - 1.0 + small * small
    return np.where(near, (s + q) + (se + (pe + qe)), far)


def gap(lam: ArrayLike) -> Array:
    """1 - |lam|, accurate to its last digits; negative outside the unit circle."""
    return -square_excess(lam) / (1.0 + np.abs(np.asarray(lam, dtype=np.complex128)))


def log_modulus(lam: ArrayLike) -> Array:
    """log |lam|, accurate next to the unit circle; -inf for 0."""
    z = np.asarray(lam, dtype=np.complex128)
    modulus = np.abs(z)
    near = (modulus > 0.5) & (modulus < 2.0)
    with np.errstate(divide="ignore"):
        return np.where(near, 0.5 * np.log1p(np.where(near, square_excess(z), 0.0)), np.log(modulus))


def one_minus_product(a: ComplexArray, b: ComplexArray) -> ComplexArray:
    """1 - a b for |a|, |b| < 1 (broadcast), each part accurate where the product is close to 1."""
    (p, pe), (q, qe) = product(a.real, b.real), product(a.imag, b.imag)
    (r, re), (s, se) = product(a.real, b.imag), product(a.imag, b.real)
    real_first = np.abs(p) >= np.abs(q)
    t, te = total(1.0, np.where(real_first, -p, q))
    real = (t + np.where(real_first, q, -p)) + (te + (qe - pe))
    return real - 1j * ((r + s) + (re + se))


def point(theta: ArrayLike, delta: ArrayLike = 0.0) -> tuple[ComplexArray, ComplexArray]:
    """(z, dz) with z + dz on the unit circle at the angle theta + delta.

    `(z - lam) + dz` is e^{j (theta + delta)} - lam to full relative accuracy when lam is close, because z - lam is
    then exact. The modulus of z + dz is 1 up to the square of a rounding error; its angle is off by at most one unit
    in the last place of theta. theta within one rounding of pi means z = -1.

    Args:
        theta: (F,) angle in rad.
        delta: (F,) a small offset in rad, not rounded away when it is far below theta.
    """
    angle = np.asarray(theta, dtype=np.float64)
    z = np.cos(angle) + 1j * np.where(np.abs(np.abs(angle) - np.pi) < 5e-16, 0.0, np.sin(angle))
    offset = np.asarray(delta, dtype=np.float64)
    turn = -2.0 * np.sin(0.5 * offset) ** 2 + 1j * np.sin(offset)
    return z, z * (turn - 0.5 * square_excess(z) * (1.0 + turn))
