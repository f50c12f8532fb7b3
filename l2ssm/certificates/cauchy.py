"""Search for the structured certificate (Delta, C2, Y) of a diagonal system. Untrusted: `verify` decides.

The best C2 comes from the Riccati solution of the system whose output is augmented by Delta^(1/2) x: by a fixed-point
iteration of cost N^2 m a step (about eps^(-1/2) steps), or by structured doubling of cost N^3 for small eps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l2ssm.certificates.bounded_real import CauchyStorage, cauchy_matrix, input_terms
from l2ssm.certificates.riccati import bounded_real_riccati
from l2ssm.certificates.smallest import smallest_gain
from l2ssm.errors import CertificateError, SolverError
from l2ssm.systems.circle import gap, one_minus_product
from l2ssm.systems.modal import Modes, real_matrices

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

DOUBLING_LIMIT = 256
"""Most modes for which structured doubling is tried."""


@dataclass(frozen=True)
class CauchyWitness:
    """What `bounded_real.cauchy_matrix` needs besides the system.

    Attributes:
        gain: an upper bound of the H-infinity norm, proved once.
        delta: (N, 1) > 0.
        C2: (r, N) complex.
        Y: (r, n_u).
    """

    gain: float
    delta: Array
    C2: ComplexArray
    Y: Array


def search(modes: Modes, norm: float, eps: float = 1e-6) -> CauchyWitness:
    """A witness with gain about norm (1 + eps); eps is raised tenfold, up to 0.1, until one is proved.

    Args:
        modes: |lam_i| < 1.
        norm: a lower bound of the H-infinity norm, the closer the better.
        eps: relative slack.

    Raises:
        CertificateError: nothing was proved.
    """
    scaled, k = _balanced(modes)
    norm = max(norm, 1e-100)
    reason: Exception | None = None
    slacks = [eps * 10**i for i in range(8) if eps * 10**i < 0.2]
    for slack in slacks:
        try:
            delta = delta_rule(scaled, norm, slack / 2)
            if slack < 1e-3 and modes.lam.size <= DOUBLING_LIMIT:
                C2 = doubling(scaled, norm * (1 + slack * 0.9), delta)
            else:
                C2 = fixed_point(scaled, norm, slack, delta)
            Y = best_y(scaled, delta, C2)
            return _proved(modes, delta * k**2, C2 * k.T, Y)
        except (CertificateError, SolverError, np.linalg.LinAlgError, FloatingPointError) as error:
            reason = error
    raise CertificateError(f"no Cauchy certificate is proved near the norm {norm}: {reason}")


def delta_rule(modes: Modes, norm: float, eps: float) -> Array:
    """delta_i = eps norm^2 (1 - |lam_i|)^2 / (N |b_i|^2), (N, 1): it inflates norm^2 by at most a factor 1 + eps.

    A mode that is hardly driven gets the delta of one driven 1e-6 times as much as the strongest.
    """
    drive = np.sum(np.abs(modes.B) ** 2, axis=1)
    drive = np.maximum(drive, 1e-12 * np.max(drive, initial=0.0))
    drive = np.where(drive > 0, drive, 1.0)
    return np.asarray(eps * norm**2 * gap(modes.lam) ** 2 / (modes.lam.size * drive))[:, None]


def fixed_point(modes: Modes, norm: float, eps: float, delta: Array, steps: int = 4000) -> ComplexArray:
    """C2 <- S^(-1/2) H* with S = gamma^2 I - D'D - Tb at gamma = norm (1 + eps), from C2 = 0, monotone.

    Stops when the gain with the best Y is below norm (1 + eps), or improves no more.

    Raises:
        SolverError: S is not positive definite, so gamma is below what this delta allows.
    """
    kernels = _kernels(modes.lam)
    level2 = (norm * (1 + eps)) ** 2 * np.eye(modes.D.shape[1])
    C2 = np.zeros((modes.D.shape[1], modes.lam.size), dtype=np.complex128)
    best, check = np.inf, 16
    for step in range(1, steps + 1):
        Tb, H = input_terms(modes.lam[:, None], modes.B, modes.C, modes.D, _storage(modes, delta, C2, kernels))
        try:
            L = np.linalg.cholesky(level2 - modes.D.T @ modes.D - Tb)
        except np.linalg.LinAlgError:
            raise SolverError(f"the fixed point stopped after {step} steps: gamma is too small") from None
        C2 = np.linalg.solve(L, H.conj().T)
        if step == check:
            gain = _float_gain(modes, delta, C2)
            if gain <= norm * (1 + eps) or gain > best * (1 - 1e-3 * eps):
                break
            best, check = min(best, gain), step + max(16, step // 4)
    return C2


def doubling(modes: Modes, gamma: float, delta: Array) -> ComplexArray:
    """C2 = S^(-1/2) (B'PA + D'C) of the Riccati solution P with [C; delta^(1/2)] as output.

    Raises:
        SolverError: no solution at this gamma.
    """
    A, B, C, D = real_matrices(modes)
    P = bounded_real_riccati(A, B, C, D, gamma, np.diag(np.repeat(delta[:, 0], 2)))
    S = gamma**2 * np.eye(D.shape[1]) - D.T @ D - B.T @ P @ B
    real = np.linalg.solve(np.linalg.cholesky(S), B.T @ P @ A + D.T @ C)
    return np.asarray(real[:, 0::2] - 1j * real[:, 1::2])


def best_y(modes: Modes, delta: Array, C2: ComplexArray) -> Array:
    """Y = (I + W)^-1 K with W = Re(C2 Delta^-1 C2*), K = Re(C2 Delta^-1 H): the minimiser of E* Delta^-1 E + Y'Y."""
    _, H = input_terms(modes.lam[:, None], modes.B, modes.C, modes.D, _storage(modes, delta, C2, _kernels(modes.lam)))
    scaled = C2 / delta.T
    W, K = (scaled @ C2.conj().T).real, (scaled @ H).real
    return np.asarray(np.linalg.solve(np.eye(len(C2)) + W, K))


def _proved(modes: Modes, delta: Array, C2: ComplexArray, Y: Array) -> CauchyWitness:
    """The witness with the smallest gain that is proved for it."""
    arguments = (modes.lam[:, None], modes.B, modes.C, modes.D, delta, C2, Y)
    gain = smallest_gain(lambda arithmetic: cauchy_matrix(*(arithmetic.embed(M) for M in arguments)))
    return CauchyWitness(gain, delta, C2, Y)


def _kernels(lam: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
    """1/(1 - conj(lam_i) lam_j) and 1/(1 - lam_i lam_j), free of cancellation."""
    return 1 / one_minus_product(lam.conj()[:, None], lam[None]), 1 / one_minus_product(lam[:, None], lam[None])


def _storage(modes: Modes, delta: Array, C2: ComplexArray, kernels: tuple[ComplexArray, ComplexArray]) -> CauchyStorage:
    Ce = np.concatenate([modes.C, C2])
    pd = delta / (gap(modes.lam) * (1 + np.abs(modes.lam)))[:, None]
    return CauchyStorage(pd, (Ce.conj().T @ Ce) * kernels[0], (Ce.T @ Ce) * kernels[1])


def _float_gain(modes: Modes, delta: Array, C2: ComplexArray) -> float:
    """sqrt(lambda_max(T)) in floats, with the best Y."""
    V = _storage(modes, delta, C2, _kernels(modes.lam))
    Tb, H = input_terms(modes.lam[:, None], modes.B, modes.C, modes.D, V)
    Y = best_y(modes, delta, C2)
    E = H - C2.conj().T @ Y
    T = modes.D.T @ modes.D + Tb + (E.conj().T @ (E / delta)).real + Y.T @ Y
    return float(np.sqrt(max(np.linalg.eigvalsh((T + T.T) / 2)[-1], 0.0)))


def _balanced(modes: Modes) -> tuple[Modes, Array]:
    """(modes of the state k x, k (N, 1)) with |b_i| near |c_i|; k are powers of two, so nothing is rounded."""
    b, c = np.linalg.norm(modes.B, axis=1), np.linalg.norm(modes.C, axis=0)
    usable = (b > 0) & (c > 0)
    ratio = np.where(usable, np.where(usable, c, 1.0) / np.where(usable, b, 1.0), 1.0)
    k = np.exp2(np.round(0.5 * np.log2(ratio)))[:, None]
    return Modes(modes.lam, modes.B * k, modes.C / k.T, modes.D), k
