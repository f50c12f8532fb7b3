"""Search for the structured certificate (Delta, C2, Y) of a diagonal system. Untrusted: `verify` decides.

The best C2 comes from the Riccati solution of the system whose output is augmented by Delta^(1/2) x: by the fixed point
of `systems.structured_bound`, of cost N^2 m a step (about eps^(-1/2) steps), or by structured doubling of cost N^3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l2ssm.certificates.bounded_real import cauchy_matrix
from l2ssm.certificates.riccati import bounded_real_riccati
from l2ssm.certificates.smallest import smallest_gain
from l2ssm.errors import CertificateError, SolverError
from l2ssm.systems.modal import Modes, real_matrices
from l2ssm.systems.structured_bound import StructuredStorage, delta_rule, fixed_point
from l2ssm.systems.threads import threads_for

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

DOUBLING_LIMIT = 512
"""Most states, two a complex mode, for which structured doubling is tried."""

STEPS = 4000
"""Most steps of the fixed point."""


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
    states = modes.lam.size + int(np.count_nonzero(modes.lam.imag))
    norm = max(norm, 1e-100)
    reason: Exception | None = None
    slacks = [eps * 10**i for i in range(8) if eps * 10**i < 0.2]
    for slack in slacks:
        try:
            with threads_for(states):
                V = StructuredStorage(scaled, delta_rule(scaled, norm, slack / 2))
                if slack < 1e-3 and states <= DOUBLING_LIMIT:
                    C2 = doubling(scaled, norm * (1 + slack * 0.9), V.delta)
                else:
                    C2, gain = fixed_point(V, norm * (1 + slack), STEPS)
                    if not gain < np.inf:
                        raise SolverError("the fixed point found no bound: gamma is too small")
                Y = V.best_y(C2, V.terms(C2)[1])
                return _proved(modes, V.delta * k**2, C2 * k.T, Y)
        except (CertificateError, SolverError, np.linalg.LinAlgError, FloatingPointError) as error:
            reason = error
    raise CertificateError(f"no Cauchy certificate is proved near the norm {norm}: {reason}")


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


def _proved(modes: Modes, delta: Array, C2: ComplexArray, Y: Array) -> CauchyWitness:
    """The witness with the smallest gain that is proved for it."""
    arguments = (modes.lam[:, None], modes.B, modes.C, modes.D, delta, C2, Y)
    gain = smallest_gain(lambda arithmetic: cauchy_matrix(*(arithmetic.embed(M) for M in arguments)))
    return CauchyWitness(gain, delta, C2, Y)


def _balanced(modes: Modes) -> tuple[Modes, Array]:
    """(modes of the state k x, k (N, 1)) with |b_i| near |c_i|; k are powers of two, so nothing is rounded."""
    b, c = np.linalg.norm(modes.B, axis=1), np.linalg.norm(modes.C, axis=0)
    usable = (b > 0) & (c > 0)
    ratio = np.where(usable, np.where(usable, c, 1.0) / np.where(usable, b, 1.0), 1.0)
    k = np.exp2(np.round(0.5 * np.log2(ratio)))[:, None]
    return Modes(modes.lam, modes.B * k, modes.C / k.T, modes.D), k
