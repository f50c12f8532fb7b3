"""The diagonal storage of a modal system that makes its matrix the best contraction: a convex problem in log P."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from l2ssm.errors import RealizationError
from l2ssm.systems.modal import Modes, real_matrices

Array = NDArray[np.float64]

POWERS = (8, 32, 128, 512)  # of the singular values in the smooth maximum


def modal_contraction(modes: Modes, gamma: float, *, real: bool) -> tuple[float, Array]:
    """min over k of ||K||, K = [[lam, k B / gamma], [C / k, D / gamma]], and the k (n,) > 0 that attains it.

    log ||diag(k, I) K diag(k, I)^-1|| is convex in log k.

    Args:
        modes: the system.
        gamma: prescribed gain.
        real: norm of K as a map of (Re x, Im x, u) to (Re, Im, y); otherwise of the complex matrix, which bounds
            |C x + D u| rather than its real part.
    """
    n = modes.lam.size
    if real:
        A, B, C, D = real_matrices(modes)
        K = np.block([[A, B / gamma], [C, D / gamma]])
        group = np.repeat(np.arange(n), 2)
    else:
        K = np.block([[np.diag(modes.lam), modes.B / gamma], [modes.C, modes.D / gamma]])
        group = np.arange(n)
    b, c = np.linalg.norm(modes.B / gamma, axis=1), np.linalg.norm(modes.C, axis=0)
    q = 0.5 * (np.log(np.maximum(c, 1e-12)) - np.log(np.maximum(b, 1e-12)))
    q = _minimise(K, group, q)
    return _norm(K, group, q), np.exp(q)


def assert_contraction(norm: float, bound: float, gamma: float, name: str) -> None:
    """RealizationError unless the smallest norm over all diagonal storages is below the bound."""
    if not norm < bound:
        raise RealizationError(
            f"{name} cannot hold this system at gamma = {gamma:.9g}: its storage is diagonal in the modes, and no such "
            f"storage exists (smallest norm {norm:.6g}, needed < {bound:.6g}); raise gamma or use the bounded cell"
        )


def _minimise(K: NDArray, group: NDArray, q: Array) -> Array:
    from scipy.optimize import minimize

    def smooth(q: Array, power: int) -> tuple[float, Array]:
        left, right = _scales(K, group, q)
        U, sigma, Vh = np.linalg.svd(left[:, None] * K / right, full_matrices=False)
        log_sigma = np.log(np.maximum(sigma, 1e-300))
        weight = np.exp(2 * power * (log_sigma - log_sigma[0]))
        value = log_sigma[0] + np.log(weight.sum()) / (2 * power)
        weight /= weight.sum()
        rows = (np.abs(U[: group.size]) ** 2 - np.abs(Vh[:, : group.size].T) ** 2) @ weight
        gradient: Array = np.bincount(group, rows, q.size).astype(np.float64)
        return float(value), gradient

    for power in POWERS:
        q = np.asarray(minimize(smooth, q, (power,), jac=True, method="L-BFGS-B", options={"maxiter": 300}).x)
    return q


def _norm(K: NDArray, group: NDArray, q: Array) -> float:
    left, right = _scales(K, group, q)
    return float(np.linalg.norm(left[:, None] * K / right, 2))


def _scales(K: NDArray, group: NDArray, q: Array) -> tuple[Array, Array]:
    k = np.exp(q[group])
    return tuple(np.concatenate([k, np.ones(size - group.size)]) for size in K.shape)  # type: ignore[return-value]
