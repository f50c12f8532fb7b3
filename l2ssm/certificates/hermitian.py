"""Linear algebra of the search for multipliers: batches of small Hermitian matrices, one a frequency. Untrusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.linalg.lapack import zpotrf, zpotri

from l2ssm.errors import SolverError

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


def log_det(Phi: ComplexArray) -> float:
    """log det of a Hermitian positive definite matrix, -infinity of any other."""
    if not Phi.size:
        return 0.0
    L, fail = zpotrf(Phi, lower=1)
    return -np.inf if fail else 2 * float(np.sum(np.log(np.diag(L).real)))


def inverse(Phi: ComplexArray) -> ComplexArray:
    """Phi^-1 of a Hermitian positive definite matrix; SolverError of any other."""
    L, fail = zpotrf(Phi, lower=1)
    if fail:
        raise SolverError("a matrix of the search for multipliers is not positive definite")
    lower = np.tril(zpotri(L, lower=1)[0])
    return np.asarray(lower + np.tril(lower, -1).conj().T)


def room(Phi: ComplexArray) -> float:
    """About the smallest eigenvalue of Phi scaled to a unit diagonal; -1 where that is not positive."""
    diagonal = np.diag(Phi).real
    if not np.all(diagonal > 0):
        return -1.0
    scale = 1 / np.sqrt(diagonal)
    try:
        factor = cho_factor(Phi * scale[:, None] * scale, lower=True)
    except LinAlgError:
        return -1.0
    x, size = np.cos(np.arange(len(Phi)) ** 2 + 0j), 1.0
    for _ in range(8):
        x = cho_solve(factor, x / np.linalg.norm(x))
        size = float(np.linalg.norm(x))
    return 1 / size


def level(Phi: ComplexArray, block: slice, after: slice) -> float:
    """The largest eigenvalue of -Phi_bb + Phi_ba Phi_aa^-1 Phi_ab; infinity where Phi_aa is not positive definite."""
    S = -Phi[block, block]
    if Phi[after].size:
        try:
            factor = cho_factor(Phi[after, after], lower=True)
        except LinAlgError:
            return np.inf
        S = S + Phi[block, after] @ cho_solve(factor, Phi[after, block])
    return float(np.linalg.eigvalsh(S)[-1])


def adjoint(M: ComplexArray) -> ComplexArray:
    """The conjugate transpose of every matrix."""
    return np.swapaxes(M.conj(), -1, -2)


def squares(a: ComplexArray, b: ComplexArray) -> Array:
    """sum over frequencies and columns of Re(a conj(b)): one a row."""
    return np.asarray(np.einsum("kil,kil->i", a, b.conj()).real)


def inner(A: ComplexArray, B: ComplexArray) -> Array:
    """sum_k Re(A_k conj(B_k)), elementwise."""
    return np.asarray(np.einsum("kij,kij->ij", A.real, B.real) + np.einsum("kij,kij->ij", A.imag, B.imag))


def weighted(a: ComplexArray, G: ComplexArray, b: ComplexArray, trace: bool = False) -> Array:
    """sum_k Re(conj(a_i) . b_j G_ij); with `trace` also summed over j."""
    E = a.conj() @ np.swapaxes(b, 1, 2)
    total = np.einsum("kij,kij->ij", E.real, G.real) - np.einsum("kij,kij->ij", E.imag, G.imag)
    return np.asarray(total.sum(1) if trace else total)
