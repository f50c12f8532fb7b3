"""Gramians and Hankel singular values of a Schur stable `StateSpace`: what the inputs reach and the outputs see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_discrete_lyapunov

from l2ssm.errors import RealizationError
from l2ssm.systems.circle import one_minus_product
from l2ssm.systems.stability import is_schur, spectral_radius

if TYPE_CHECKING:
    from l2ssm.systems.modal import Modes
    from l2ssm.systems.state_space import StateSpace

Array = NDArray[np.float64]


def controllability_gramian(G: StateSpace) -> Array:
    """Wc (n_x, n_x) = A Wc A' + B B': x' Wc^-1 x is the least energy sum |u|^2 that leads from 0 to x.

    Closed form for block diagonal A (accurate next to the unit circle), a discrete Lyapunov equation otherwise.

    Args:
        G: a Schur stable system.

    Raises:
        RealizationError: G is not Schur stable.

    >>> from l2ssm.systems.state_space import StateSpace
    >>> controllability_gramian(StateSpace([[0.5]], [[3.0]], [[1.0]], [[0.0]])).tolist()
    [[12.0]]
    """
    _require_schur(G)
    if not G.n_x:
        return np.zeros((0, 0))
    if G.modes is not None:
        return _modal_gramian(G.modes)
    W = np.asarray(solve_discrete_lyapunov(G.A, G.B @ G.B.T), dtype=np.float64)
    return np.asarray(0.5 * (W + W.T), dtype=np.float64)


def observability_gramian(G: StateSpace) -> Array:
    """Wo (n_x, n_x) = A' Wo A + C' C: x' Wo x is the energy sum |y|^2 of the free response from x.

    Args:
        G: a Schur stable system.

    Raises:
        RealizationError: G is not Schur stable.
    """
    return controllability_gramian(G.transposed)


def hankel_singular_values(G: StateSpace) -> Array:
    """(n_x,) square roots of the eigenvalues of Wc Wo, largest first; they do not depend on the state coordinates.

    Args:
        G: a Schur stable system.

    Raises:
        RealizationError: G is not Schur stable.
    """
    Rc, Ro = (_root(W) for W in (controllability_gramian(G), observability_gramian(G)))
    return np.asarray(np.linalg.svd(Ro.T @ Rc, compute_uv=False), dtype=np.float64)


def _modal_gramian(modes: Modes) -> Array:
    """Sum_t x_t x_t' of the states (Re x_i, Im x_i): products of modes sum to geometric series."""
    lam, B = modes.lam, modes.B
    same = (B @ B.conj().T) / one_minus_product(lam[:, None], lam.conj()[None])  # sum of x_i conj(x_j)
    twice = (B @ B.T) / one_minus_product(lam[:, None], lam[None])  # sum of x_i x_j
    pair = lam.imag != 0
    first = np.cumsum(np.where(pair, 2, 1)) - np.where(pair, 2, 1)
    second = first[pair] + 1
    n = int(np.sum(np.where(pair, 2, 1)))
    W = np.empty((n, n))
    W[np.ix_(first, first)] = 0.5 * (same + twice).real
    W[np.ix_(second, second)] = 0.5 * (same - twice).real[np.ix_(pair, pair)]
    W[np.ix_(first, second)] = 0.5 * (twice - same).imag[:, pair]
    W[np.ix_(second, first)] = W[np.ix_(first, second)].T
    return 0.5 * (W + W.T)


def _root(W: Array) -> Array:
    """R with R R' = W for W >= 0 up to rounding."""
    values, vectors = np.linalg.eigh(W)
    return vectors * np.sqrt(values.clip(min=0.0))


def _require_schur(G: StateSpace) -> None:
    if not is_schur(G):
        raise RealizationError(f"Gramians need a Schur stable system, spectral radius is {spectral_radius(G):.17g}")
