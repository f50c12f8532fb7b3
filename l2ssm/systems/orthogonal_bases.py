"""Laguerre, Kautz and Takenaka-Malmquist: systems whose states' impulse responses are orthonormal, for given poles.

Each pole, real or a conjugate pair, is an all-pass section whose matrix [[A, B], [C, D]] is orthogonal; sections in
series keep that, so A A' + B B' = I: the controllability Gramian is the identity whatever the poles.
Source: Heuberger, Van den Hof and Wahlberg (eds.), "Modelling and identification with rational orthogonal basis
functions" (2005).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from l2ssm.errors import OptionError
from l2ssm.options import integer
from l2ssm.systems.state_space import StateSpace

Array = NDArray[np.float64]


def orthonormal(poles: Sequence[complex], dt: float = 1.0) -> StateSpace:
    """The Takenaka-Malmquist functions of the poles: one state a real pole, two for a pole and its conjugate.

    Args:
        poles: of modulus below 1, in the order of the sections; of a conjugate pair give one.
        dt: sample time in seconds.

    Returns:
        One input; the outputs are the states.

    Raises:
        OptionError: no pole, or one that is not inside the unit circle.

    >>> orthonormal([0.6]).B.tolist()
    [[0.8]]
    """
    poles = [complex(pole) for pole in poles]
    if not poles:
        raise OptionError("no poles given, expected at least one")
    A, B, C, D = np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), np.ones((1, 1))
    for pole in poles:
        if not abs(pole) < 1:
            raise OptionError(f"pole {pole} has modulus {abs(pole):g}, expected one below 1")
        a, b, c, d = _section(pole)
        A = np.block([[A, np.zeros((len(A), len(a)))], [b @ C, a]])
        B, C, D = np.vstack([B, b @ D]), np.hstack([d @ C, c]), d @ D
    return StateSpace(A, B, np.eye(len(A)), np.zeros((len(A), 1)), dt)


def laguerre(pole: float, n: int, dt: float = 1.0) -> StateSpace:
    """n discrete Laguerre functions: the same real pole n times.

    Args:
        pole: real, |pole| < 1.
        n: number of functions.
        dt: sampling time in seconds.

    >>> laguerre(0.5, 3).A.round(12).tolist()
    [[0.5, 0.0, 0.0], [0.75, 0.5, 0.0], [-0.375, 0.75, 0.5]]
    """
    if complex(pole).imag:
        raise OptionError(f"pole {pole} is not real; a conjugate pair makes Kautz functions")
    return orthonormal([pole] * integer("n", n, 1), dt)


def kautz(pole: complex, n: int, dt: float = 1.0) -> StateSpace:
    """2 n Kautz functions: the same conjugate pair of poles n times.

    Args:
        pole: one of the conjugate pair, |pole| < 1.
        n: number of pairs.
        dt: sampling time in seconds.
    """
    if not complex(pole).imag:
        raise OptionError(f"pole {pole} is real; a real pole makes Laguerre functions")
    return orthonormal([pole] * integer("n", n, 1), dt)


def _section(pole: complex) -> tuple[Array, Array, Array, Array]:
    """(A, B, C, D) with [[A, B], [C, D]] orthogonal and A of this pole or pair: a rotation, or a lattice of two."""
    if not pole.imag:
        a, s = pole.real, np.sqrt(1 - pole.real**2)
        return np.array([[a]]), np.array([[s]]), np.array([[s]]), np.array([[-a]])
    c = -(abs(pole) ** 2)
    b = 2 * pole.real / (1 - c)
    s, q = np.sqrt(1 - b**2), np.sqrt(1 - c**2)
    return np.array([[b, c * s], [s, -b * c]]), np.array([[q * s], [-q * b]]), np.array([[0.0, q]]), np.array([[-c]])
