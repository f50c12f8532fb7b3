"""A given linear system in the forms that bounded cells start from: checked gain, storage coordinates, modes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from l2ssm.errors import OptionError, RealizationError, SolverError
from l2ssm.parametrizations.stable import DECAY_MIN
from l2ssm.systems.modal import Modes
from l2ssm.systems.state_space import StateSpace

Array = NDArray[np.float64]

HALVINGS = 40
LEAST_MODULUS = 1e-12  # of a pole: smaller ones are as good as 0


def assert_gain_below(G: StateSpace, gamma: float) -> float:
    """||G||_inf (upper end of its bracket), or a RealizationError unless it is below gamma and G is stable."""
    if not (np.isfinite(gamma) and gamma > 0):
        raise OptionError(f"gamma is {gamma}, expected a finite gain > 0")
    bracket = G.hinf()
    if not np.isfinite(bracket.upper):
        raise RealizationError(f"the system has no finite gain ({bracket.reason}); no bounded cell can start at it")
    if not bracket.upper < gamma:
        raise RealizationError(
            f"the gain is {bracket.lower:.9g}, expected less than gamma = {gamma:.9g}; raise gamma or scale B, D"
        )
    return bracket.upper


def contraction_of(G: StateSpace, gamma: float) -> Array:
    """K = [[S A S^-1, S B / gamma], [C S^-1, D / gamma]] with ||K|| < 1 for a storage function |S x|^2 of G at gamma.

    The storage is that of (A, B) / sqrt(1 - eta) for the largest eta = 1/2, 1/4, ... for which there is one, so that
    ||K||^2 <= 1 - eta up to rounding.

    Args:
        G: real states.
        gamma: above ||G||_inf.

    Raises:
        RealizationError: the gain is not below gamma, or too near for float64.
    """
    from l2ssm.certificates.riccati import bounded_real_riccati

    assert_gain_below(G, gamma)
    n, B, D = G.n_x, G.B / gamma, G.D / gamma
    if n == 0:
        return D
    for k in range(1, HALVINGS):
        eta = 0.5**k
        grown = StateSpace(G.A / np.sqrt(1 - eta), B / np.sqrt(1 - eta), G.C, D)
        level = np.sqrt(1 - eta)
        if not (grown.is_schur() and grown.hinf().upper < level * (1 - 0.01 * eta)):
            continue
        try:
            extra = 1e-10 * max(float(np.linalg.norm(G.C, 2)) ** 2, 1e-30) * np.eye(n)
            P = bounded_real_riccati(grown.A, grown.B, grown.C, grown.D, level, extra) / (1 - eta)
            S = np.linalg.cholesky((P + P.T) / 2).T
        except (SolverError, np.linalg.LinAlgError):
            continue
        inverse = np.linalg.inv(S)
        K = np.block([[S @ G.A @ inverse, S @ B], [G.C @ inverse, D]])
        if np.linalg.norm(K, 2) < 1:
            return K
    raise RealizationError(f"no storage function was found at gamma = {gamma:.9g}: the gain of the system is too near")


def decay_and_phase(lam: NDArray[np.complex128]) -> tuple[Array, Array]:
    """(nu, theta) with poles(nu, theta) = lam.

    Raises:
        RealizationError: a pole nearer to the unit circle than the map can go.
    """
    rate = -np.log(np.maximum(np.abs(lam), LEAST_MODULUS))
    if not np.all(rate > DECAY_MIN):
        worst = lam[np.argmin(rate)]
        raise RealizationError(f"pole {worst:.9g}: |lam| is above exp(-{DECAY_MIN:g}), the largest one of the cell")
    return np.log(rate - DECAY_MIN), np.angle(lam)


def state_count(n_x: int | None, needed: int, G: StateSpace) -> int:
    """n_x, by default the number of modes needed, or a RealizationError if it is smaller."""
    if n_x is not None and n_x < needed:
        raise RealizationError(f"n_x is {n_x}, but {needed} complex states are needed for {G!r}")
    return max(needed, 1) if n_x is None else n_x


def modes_of_any(G: StateSpace) -> Modes:
    """One mode per real pole and per conjugate pair of poles, y = Re(C x) + D u; exact where A is block diagonal.

    Raises:
        RealizationError: A has no well-conditioned basis of eigenvectors.
    """
    if G.modes is not None:
        return G.modes
    lam, V = np.linalg.eig(G.A)
    condition = np.linalg.cond(V)
    if not condition < 1e7:
        raise RealizationError(
            f"A has (nearly) repeated poles without a basis of eigenvectors (condition {condition:.1e}): not diagonal"
        )
    B, C = np.linalg.solve(V, G.B.astype(complex)), G.C @ V
    keep = lam.imag >= 0
    weight = np.where(lam.imag > 0, 2.0, 1.0)
    lam, B, C = (np.asarray(v, dtype=np.complex128) for v in (lam[keep], B[keep], (C * weight)[:, keep]))
    return Modes(lam, B, C, G.D)


def with_conjugates(modes: Modes) -> Modes:
    """The same system with two modes, of poles lam and conj(lam), for every mode whose pole is not real."""
    pair = modes.lam.imag != 0
    half = np.where(pair, 0.5, 1.0)
    return Modes(
        np.concatenate([modes.lam, modes.lam[pair].conj()]),
        np.concatenate([modes.B, modes.B[pair].conj()]),
        np.concatenate([modes.C * half, 0.5 * modes.C[:, pair].conj()], axis=1),
        modes.D,
    )
