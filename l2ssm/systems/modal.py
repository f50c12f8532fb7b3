"""Diagonal complex systems inside real state-space matrices, without a rounding error in either direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from l2ssm.systems.state_space import StateSpace


@dataclass(frozen=True, eq=False)
class Modes:
    """x[k+1] = diag(lam) x[k] + B u[k],  y[k] = Re(C x[k]) + D u[k].

    Attributes:
        lam: (n,) complex poles.
        B: (n, n_u) complex.
        C: (n_y, n) complex.
        D: (n_y, n_u) real.
    """

    lam: NDArray[np.complex128]
    B: NDArray[np.complex128]
    C: NDArray[np.complex128]
    D: NDArray[np.float64]


def real_matrices(modes: Modes) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """(A, B, C, D) real, two states (Re x_i, Im x_i) a mode: A = blockdiag [[a, -b], [b, a]] for lam = a + jb.

    Returns:
        A (2n, 2n), B (2n, n_u), C (n_y, 2n), D (n_y, n_u); every entry is one of the given floats or its negative.
    """
    n = modes.lam.size
    A = np.zeros((2 * n, 2 * n))
    i = 2 * np.arange(n)
    A[i, i] = A[i + 1, i + 1] = modes.lam.real
    A[i, i + 1], A[i + 1, i] = -modes.lam.imag, modes.lam.imag
    B = np.empty((2 * n, modes.B.shape[1]))
    B[0::2], B[1::2] = modes.B.real, modes.B.imag
    C = np.empty((modes.C.shape[0], 2 * n))
    C[:, 0::2], C[:, 1::2] = modes.C.real, -modes.C.imag
    return A, B, C, modes.D


def modes_of(G: StateSpace) -> Modes | None:
    """The modes of a system whose A is block diagonal with blocks a or [[a, -b], [b, a]]; None for any other A.

    A 1x1 block becomes a mode with real lam, B and C. Nothing is computed: the numbers are those of G.
    """
    A = G.A
    n = G.n_x
    sub, sup = np.diag(A, -1), np.diag(A, 1)
    if np.count_nonzero(A) != np.count_nonzero(np.diag(A)) + np.count_nonzero(sub) + np.count_nonzero(sup):
        return None
    starts, pairs = [], []
    i = 0
    while i < n:
        pair = i + 1 < n and (sub[i] != 0 or sup[i] != 0)
        if pair and (A[i, i] != A[i + 1, i + 1] or sub[i] != -sup[i]):
            return None
        if pair and i + 2 < n and (sub[i + 1] != 0 or sup[i + 1] != 0):
            return None
        starts.append(i)
        pairs.append(pair)
        i += 2 if pair else 1
    first = np.array(starts, dtype=int)
    is_pair = np.array(pairs, dtype=bool)
    second = np.where(is_pair, first + 1, first)
    imag = np.where(is_pair, 1.0, 0.0)
    lam = A[first, first] + 1j * imag * A[second, first]
    B = G.B[first] + 1j * (imag[:, None] * G.B[second])
    C = G.C[:, first] - 1j * (imag[None, :] * G.C[:, second])
    return Modes(lam, B, C, G.D)
