"""The smallest gain that is proved for a given matrix: a guess in floats, raised until the proof succeeds."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from l2ssm.certificates.balls import BALL
from l2ssm.certificates.midrad import FLOAT
from l2ssm.certificates.rigorous import Arithmetic, Matrix, rounded_up
from l2ssm.errors import CertificateError

SLACKS = (0.0, 1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6)
SMALLEST = float(np.finfo(np.float64).tiny)


def smallest_gain(matrix: Callable[[Arithmetic], Matrix]) -> float:
    """A float gain with T < gain^2 I proved: in float64 and hence by every checker, else in ball arithmetic.

    Args:
        matrix: T in a given arithmetic, symmetric, with entries of order 1 for a gain of order 1.

    Raises:
        CertificateError: no gain within 1e-6 of sqrt(lambda_max(T)) is proved.
    """
    reason: CertificateError | None = None
    for arithmetic in (FLOAT, BALL):
        try:
            with arithmetic.session():
                return _smallest(matrix(arithmetic), arithmetic)
        except CertificateError as error:
            reason = error
    raise CertificateError(f"no gain up to 1 + {SLACKS[-1]:g} times the estimate is proved: {reason}")


def spectral_norm(W: NDArray[np.float64]) -> float:
    """A float that is proved to be above ||W||_2; W is scaled by a power of two meanwhile."""
    exponent = int(np.frexp(np.max(np.abs(W), initial=0.0))[1])
    gain = smallest_gain(lambda arithmetic: arithmetic.gram(np.ldexp(W, -exponent)))
    return max(float(np.ldexp(gain, exponent)), SMALLEST)


def smallest_float(x: Fraction) -> float:
    """x rounded up to a float, at least the smallest normal number."""
    return max(rounded_up(x), SMALLEST)


def _smallest(T: Matrix, arithmetic: Arithmetic) -> float:
    guess = T.approximate()
    if not np.all(np.isfinite(guess)):
        raise CertificateError("the entries of T are not finite")
    norm = float(np.sqrt(max(np.max(np.linalg.eigvalsh(guess), initial=0.0), 0.0)))
    reason: CertificateError | None = None
    for slack in SLACKS:
        gain = max(norm * (1 + slack), SMALLEST)
        try:
            arithmetic.assert_gain(T, gain, "T")
            return gain
        except CertificateError as error:
            reason = error
    raise CertificateError(str(reason))
