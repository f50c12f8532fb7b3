"""The weights of a storage function sum p_h |x_h|^2 that prove the smallest gain: a convex problem. Untrusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from l2ssm.certificates.supply import SUPPLIES, supply_matrix
from l2ssm.errors import NotCertifiableError
from l2ssm.systems.selective import Selective

Array = NDArray[np.float64]
GAP = 1e-7  # of gain^2, where the iteration ends
STEPS = 40  # of Newton for one weight of the barrier
TINY = 1e-12
FROM_REST = "'bounded_selective', 'bounded_clocked', 'lag_selective' or 'rglru' with gate_min > 0"
"""The selective cells with a finite gain."""


def search(layer: Selective, name: str) -> tuple[Array, float]:
    """(p (memories, 1) > 0, gain), the smallest gain up to `GAP`; in floats.

    M(p, gain^2) of `supply.supply_matrix` is affine in (p, gain^2); Newton's method minimises
    weight * gain^2 - log det M for growing weights (Boyd and Vandenberghe, Convex Optimization, 11.3).

    Raises:
        NotCertifiableError: no weights prove a finite gain; `name` is the layer.
    """
    core = layer.core
    if type(core) not in SUPPLIES:
        raise NotCertifiableError(
            f"{name}: the input multiplies what it steers ({type(core).__name__}), so no finite gain; selective "
            f"cells with one are {FROM_REST}"
        )
    alpha, beta = (np.asarray(v)[:, 0] for v in SUPPLIES[type(core)](core, np.asarray))
    if not np.all(alpha > 0):
        raise NotCertifiableError(
            f"{name}: the recurrence gate may close (gate_min = 0) and a memory then keeps everything, so no finite "
            "gain; give 'rglru' a gate_min > 0, or use 'bounded_selective' or 'bounded_clocked'"
        )
    into, out, _ = core.memories()
    n, n_v = alpha.size, core.n_out
    factors = np.zeros((n_v + layer.n_in, n_v + core.n_drive))  # M = const + sum over columns f of (p or -p) f f'
    factors[:n_v, :n_v] = np.diag(np.sqrt(alpha[out]))
    factors[n_v:, n_v:] = (layer.W * np.sqrt(beta[into])[:, None]).T
    owner, sign = np.concatenate([out, into]), np.concatenate([np.ones(n_v), -np.ones(core.n_drive)])
    point = _start(layer, alpha, beta)
    weight, rows = 1.0 / point[-1], n_v + layer.n_in
    while weight * GAP * point[-1] < rows:
        weight *= 8.0
        for _ in range(STEPS):
            point, decrement = _newton(layer, point, weight, factors, owner, sign, n)
            if decrement < 1e-3:
                break
    return point[:-1, None].copy(), float(np.sqrt(point[-1]))


def _start(layer: Selective, alpha: Array, beta: Array) -> Array:
    """(p, gain^2) strictly inside: p alpha = 2 ||C||^2, gain^2 above what is left."""
    p = (2 * np.linalg.norm(layer.C, 2) ** 2 + TINY) / alpha
    into = layer.core.memories().drives
    through = layer.D.T @ layer.D * 2 + layer.W.T @ ((p * beta)[into][:, None] * layer.W)
    return np.append(p, 2 * float(np.linalg.norm(through, 2)) + TINY)


def _newton(
    layer: Selective, point: Array, weight: float, factors: Array, owner: Array, sign: Array, n: int
) -> tuple[Array, float]:
    """(the next point, half the squared Newton decrement)."""
    inverse = np.linalg.inv(np.asarray(supply_matrix(layer, point[:-1, None], point[-1], np.asarray)))
    n_v = layer.core.n_out
    S = np.zeros((factors.shape[1], n))
    S[np.arange(owner.size), owner] = sign
    G = factors.T @ inverse @ factors
    by_gain = inverse[:, n_v:]
    gradient = np.append(-(np.diag(G) @ S), weight - np.trace(inverse[n_v:, n_v:]))
    H = np.empty((n + 1, n + 1))
    H[:n, :n] = S.T @ (G**2) @ S
    H[:n, n] = H[n, :n] = np.sum((factors.T @ by_gain) ** 2, axis=1) @ S
    H[n, n] = np.sum(inverse[n_v:, n_v:] ** 2)
    scale = 1 / np.sqrt(np.diag(H))
    step = -scale * np.linalg.lstsq(H * np.outer(scale, scale), scale * gradient)[0]
    decrement, length = float(-gradient @ step) / 2, 1.0
    before = _barrier(layer, point, weight)
    while length > 1e-10 and not _barrier(layer, point + length * step, weight) <= before - 0.1 * length * decrement:
        length *= 0.5
    return (point + length * step, decrement) if length > 1e-10 else (point, 0.0)


def _barrier(layer: Selective, point: Array, weight: float) -> float:
    """weight * gain^2 - log det M, infinity where M is not positive definite."""
    try:
        M = np.asarray(supply_matrix(layer, point[:-1, None], point[-1], np.asarray))
        return float(weight * point[-1] - 2 * np.sum(np.log(np.diag(np.linalg.cholesky(M)))))
    except np.linalg.LinAlgError:
        return np.inf
