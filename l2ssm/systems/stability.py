"""Poles, spectral radius and the Schur test of a `StateSpace`; exact where A shows its eigenvalues."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from l2ssm.systems.circle import log_modulus

if TYPE_CHECKING:
    from l2ssm.systems.state_space import StateSpace

ComplexArray = NDArray[np.complex128]


class Mode(NamedTuple):
    """One pole as an engineer reads it, through s = log(pole) / dt.

    Attributes:
        pole: the eigenvalue, of a conjugate pair the one with positive imaginary part.
        frequency: natural frequency |s| in rad/s; inf for a pole at 0 (a delay).
        damping: -Re s / |s|; 1 for a pole at 0 or at 1, negative outside the unit circle.
        time_constant: -1 / Re s in seconds; 0 for a pole at 0, inf on the unit circle, negative outside.
        states: the number of states it stands for, 2 for a conjugate pair.
    """

    pole: complex
    frequency: float
    damping: float
    time_constant: float
    states: int


def exact_poles(G: StateSpace) -> ComplexArray | None:
    """The eigenvalues read off A without arithmetic (2x2 rotation blocks, or triangular A); None for any other A."""
    modes = G.modes
    if modes is not None:
        pair = modes.lam.imag != 0
        return np.concatenate([modes.lam, modes.lam[pair].conj()])
    if not np.any(np.tril(G.A, -1)) or not np.any(np.triu(G.A, 1)):
        return np.diag(G.A).astype(np.complex128)
    return None


def poles(G: StateSpace) -> ComplexArray:
    """Eigenvalues (n_x,) of A, sorted by modulus, largest first; conjugate pairs stay together.

    Exact for block diagonal (`StateSpace.from_modes`) and for triangular A; LAPACK's otherwise, which are the exact
    eigenvalues of a matrix within about 1e-16 ||A|| of A (for a defective A of size n they may be off by 1e-16^(1/n)).

    >>> from l2ssm.systems.state_space import StateSpace
    >>> StateSpace.from_modes([0.6 + 0.8j], [[1]], [[1]], [[0.0]]).poles().tolist()
    [(0.6+0.8j), (0.6-0.8j)]
    """
    lam = exact_poles(G)
    if lam is None:
        lam = np.asarray(np.linalg.eigvals(G.A), dtype=np.complex128)
    order = np.lexsort((-lam.imag, np.abs(lam.imag), lam.real, -np.abs(lam)))
    return lam[order]


def spectral_radius(G: StateSpace) -> float:
    """max |pole|, rounded to the nearest double; 0 for a static system."""
    return float(np.max(np.abs(poles(G)), initial=0.0))


def is_schur(G: StateSpace) -> bool:
    """Whether every pole lies strictly inside the unit circle.

    For block diagonal and triangular A the answer is exact: |pole|^2 < 1 is decided in rational arithmetic. For any
    other A it is the statement about the computed eigenvalues (see `poles`), hence undecided by rounding within about
    1e-16 ||A|| times their condition of the circle; a certificate is the rigorous answer there.
    """
    lam = exact_poles(G)
    if lam is None:
        return bool(np.all(np.abs(np.linalg.eigvals(G.A)) < 1.0))
    modulus = np.abs(lam)
    if np.any(modulus > 1.0 + 1e-9):
        return False
    doubtful = lam[modulus > 1.0 - 1e-9]
    return all(Fraction(z.real) ** 2 + Fraction(z.imag) ** 2 < 1 for z in map(complex, doubtful))


def modal_table(G: StateSpace) -> list[Mode]:
    """One `Mode` a real pole or conjugate pair, slowest (largest modulus) first.

    >>> from l2ssm.systems.state_space import StateSpace
    >>> G = StateSpace([[np.exp(-0.1 / 2.0)]], [[1.0]], [[1.0]], [[0.0]], dt=0.1)
    >>> round(modal_table(G)[0].time_constant, 12)
    2.0
    """
    lam = poles(G)
    lam = lam[lam.imag >= 0]
    return [_mode(complex(z), float(r), G.dt) for z, r in zip(lam, log_modulus(lam), strict=True)]


def _mode(pole: complex, log_radius: float, dt: float) -> Mode:
    states = 2 if pole.imag else 1
    if pole == 0:
        return Mode(pole, np.inf, 1.0, 0.0, states)
    s = complex(log_radius, np.angle(pole)) / dt
    if s == 0:
        return Mode(pole, 0.0, 1.0, np.inf, states)
    return Mode(pole, abs(s), -s.real / abs(s), -1.0 / s.real if s.real else np.inf, states)
