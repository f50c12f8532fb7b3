"""Normal plus low rank: A = V (diag(Lam) - P P*) V* with a unitary V, from a real A and the P that makes A normal."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from l2ssm.errors import RealizationError
from l2ssm.systems.hippo import Hippo

Complex = NDArray[np.complex128]

DEFECT = 1e-10  # relative distance of A + P P' from alpha I + skew that counts as rounding


class Dplr(NamedTuple):
    """A = V (diag(Lam) - P P*) V* and V B is the real input; of half of the modes, [V, conj V] takes the place of V.

    Attributes:
        Lam: (m,), imaginary parts ascending.
        P: (m, rank).
        B: (m,).
        V: (n, m) orthonormal columns.
    """

    Lam: Complex
    P: Complex
    B: Complex
    V: Complex


def dplr(pair: Hippo) -> Dplr:
    """All n modes of a real A whose sum with P P' is alpha I + skew.

    The imaginary parts are eigenvalues of a Hermitian matrix and the real part is exactly alpha, so nothing here is
    ill-conditioned (unlike the eigenvectors of a HiPPO matrix itself).

    Args:
        pair: of `systems.hippo`, with its P.

    Raises:
        RealizationError: A + P P' is not alpha I + skew.
    """
    A, _, P = pair
    n = A.shape[0]
    S = A + P @ P.T
    alpha = float(np.mean(np.diag(S)))
    skew = (S - S.T) / 2
    defect = np.abs(S - skew - alpha * np.eye(n)).max()
    if not defect <= DEFECT * np.abs(A).max():
        raise RealizationError(f"A + P P' is {defect:.1e} away from alpha I + skew: P is not the low-rank part of A")
    frequency, V = np.linalg.eigh(-1j * skew)
    return _in_basis(pair, alpha + 1j * frequency, V)


def dplr_half(pair: Hippo) -> Dplr:
    """The n/2 modes of nonpositive imaginary part; the others are their conjugates, sum = 2 Re.

    A pair of zero eigenvalues (FouT has one) gets a conjugate pair of eigenvectors, like every other pair.

    Args:
        pair: of `systems.hippo`, with its P.

    Raises:
        RealizationError: n is odd, more than two zero eigenvalues, or as `dplr`.
    """
    n = pair.A.shape[0]
    if n % 2:
        raise RealizationError(f"A has {n} states; half of the modes needs an even number")
    full = dplr(pair)
    Lam, V = full.Lam[: n // 2].copy(), full.V[:, : n // 2].copy()
    zero = np.abs(full.Lam.imag) <= DEFECT * np.abs(full.Lam.imag).max()
    if zero.sum() > 2:
        raise RealizationError(f"{zero.sum()} eigenvalues have imaginary part 0; at most one pair can be split")
    if zero.any():
        plane = full.V[:, zero]
        real = np.linalg.svd(np.concatenate([plane.real, plane.imag], axis=1))[0]  # a real basis of the same plane
        V[:, -1] = (real[:, 0] + 1j * real[:, 1]) * 0.5**0.5
        Lam[-1] = Lam[-1].real
    return _in_basis(pair, Lam, V)


def _in_basis(pair: Hippo, Lam: Complex, V: Complex) -> Dplr:
    adjoint = V.conj().T
    return Dplr(Lam, adjoint @ pair.P.astype(np.complex128), adjoint @ pair.B.astype(np.complex128), V)
