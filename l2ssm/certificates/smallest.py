"""The smallest gain that is proved for a given matrix: a guess in floats, raised until the proof succeeds."""

from __future__ import annotations

import numpy as np

from l2ssm.certificates.rigorous import Ball, Balls, assert_gain, exact, midpoints, rounded_up
from l2ssm.errors import CertificateError

SLACKS = (0.0, 1e-15, 1e-14, 1e-13, 1e-12, 1e-10, 1e-8, 1e-6)
SMALLEST = float(np.finfo(np.float64).tiny)


def smallest_gain(T: Balls) -> float:
    """A float gain with T < gain^2 I proved, within 1e-15 of sqrt(lambda_max(T)) if the balls are narrow.

    Raises:
        CertificateError: no gain within 1e-6 of it is proved.
    """
    n = T.shape[0]
    if n == 0:
        return SMALLEST
    peak = max((T[i, i].mid() for i in range(n)), key=float)
    if not peak > 0:
        assert_gain(T, SMALLEST, "T")
        return SMALLEST
    guess = midpoints(T * (1 / peak))
    if not np.all(np.isfinite(guess)):
        raise CertificateError("the entries of T are not finite")
    top = float(np.linalg.eigvalsh(guess)[-1])
    for slack in SLACKS:
        gain = max(rounded_up((exact(top) * peak).sqrt() * (1 + exact(slack))), SMALLEST)
        try:
            assert_gain(T, gain, "T")
            return gain
        except CertificateError as error:
            reason = error
    raise CertificateError(f"no gain up to 1 + {SLACKS[-1]:g} times the estimate is proved: {reason}")


def smallest_float(x: Ball) -> float:
    """The ball rounded up to a float, at least the smallest normal number."""
    return max(rounded_up(x), SMALLEST)
