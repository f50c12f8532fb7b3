"""The frequencies where a singular value of H crosses a level gamma: eigenvalues of a Hamiltonian matrix.

Source: S. Boyd, V. Balakrishnan, P. Kabamba, Math. Control Signals Systems 2 (1989) 207-219; N. Bruinsma, M. Steinbuch,
Systems & Control Letters 14 (1990) 287-293. Discrete time is mapped to continuous time by w = (1 + s)/(1 - s), where
z = -pole w and `pole` is a point of the unit circle, sent to s = inf, at which H is small and well conditioned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import matrix_balance

if TYPE_CHECKING:
    from l2ssm.systems.state_space import StateSpace

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


def crossing_angles(G: StateSpace, gamma: float, infinity: complex) -> Array:
    """Angles in [0, pi] that hold every theta where a singular value of H(e^{j theta}) equals gamma.

    No tolerance decides which eigenvalues lie on the imaginary axis: the angles of all of them are returned. Where
    the gain exceeds gamma it does so on an open interval between two crossings, hence at the midpoint of two
    neighbours of this list.

    Args:
        G: Schur stable, n_x > 0.
        gamma: > the norm of H(infinity).
        infinity: the point of the unit circle sent to s = inf.

    Raises:
        numpy.linalg.LinAlgError: numbers beyond the range of double precision.
    """
    A, B, C, D = _continuous(G, gamma, infinity)
    R = np.eye(D.shape[1]) - D.conj().T @ D
    S = np.eye(D.shape[0]) - D @ D.conj().T
    F = A + B @ np.linalg.solve(R, D.conj().T @ C)
    H = np.block([[F, B @ np.linalg.solve(R, B.conj().T)], [-C.conj().T @ np.linalg.solve(S, C), -F.conj().T]])
    nu = np.linalg.eigvals(H).imag  # LAPACK balances H first
    theta = np.angle(-infinity) + 2.0 * np.arctan(nu)
    return np.unique(np.abs(np.angle(np.exp(1j * theta))) if infinity != -1 else np.abs(theta))


def _continuous(G: StateSpace, gamma: float, infinity: complex) -> tuple[ComplexArray, ...]:
    """The continuous-time system of G / gamma whose imaginary axis is the unit circle of G; real for infinity = +-1."""
    k = -np.conj(infinity)
    k = k.real if k.imag == 0 else k
    A, (scale, _) = matrix_balance(G.A, permute=False, separate=True)
    B, C = G.B / scale[:, None], G.C * scale
    eye = np.eye(G.n_x)
    W = eye + k * A
    root = np.sqrt(2.0 / gamma)
    Bc = np.linalg.solve(W, B)
    Cc = k * np.linalg.solve(W.T, C.T).T
    Ac = np.linalg.solve(W, k * A - eye)
    return Ac, root * Bc, root * Cc, (G.D - Cc @ B) / gamma
