"""Output-error refinement of a linear model: the free-run error made least over all of (A, B, C, D) and initial states.

A subspace estimate is near, not optimal: where the plant is nonlinear it can be far off in the slow modes that a free
run accumulates. Here every entry of A, B, C, D is free. Their n_x^2 redundant directions (changes of coordinates) do
nothing to the output, and the damped least-squares step does not move along them (McKelvey, Helmersson and Ribarits,
Automatica 40(9), 2004).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg

from l2ssm.options import integer
from l2ssm.systems.simulation import states
from l2ssm.systems.state_space import StateSpace
from l2ssm.systems.subspace import (
    RADIUS,
    Array,
    LinearFit,
    Pair,
    checked,
    input_responses,
    triangular,
    with_initial_states,
    without_free_response,
)

TOLERANCE = 1e-4  # relative decrease of the error below which the iteration ends


def output_error(
    start: LinearFit, records: Sequence[tuple[ArrayLike, ArrayLike]], *, iterations: int = 30
) -> LinearFit:
    """The fit of least free-run error that a Levenberg-Marquardt iteration reaches from `start`, never a worse one.

    Args:
        start: for instance from `subspace`.
        records: pairs u (T, n_u), y (T, n_y), the ones `start` was identified from.
        iterations: at most.

    Raises:
        DataError: see `subspace`.
        OptionError: iterations below 0.
    """
    pairs, best, damping = checked(records), start, 1e-3
    for _ in range(integer("iterations", iterations, 0)):
        R = _factor(best, pairs)
        scale = np.maximum(np.linalg.norm(R[:, :-1], axis=0), 1e-300)
        before = _cost(best)
        while damping < 1e6:
            trial = _stepped(best, _damped_step(R, scale, damping), pairs)
            if trial is not None and _cost(trial) < before:
                break
            damping *= 4
        else:
            return best
        best, damping = trial, damping / 4
        if not _cost(best) < (1 - TOLERANCE) * before:
            return best
    return best


def _cost(fit: LinearFit) -> float:
    return float(np.sum(fit.rmse**2))


def _damped_step(R: Array, scale: Array, damping: float) -> Array:
    """argmin |J step - e|^2 + damping |scale step|^2, [J e] = Q R."""
    count = R.shape[1] - 1
    rows = np.vstack([R[:, :-1], np.sqrt(damping) * np.diag(scale)])
    return np.asarray(linalg.lstsq(rows, np.concatenate([R[:, -1], np.zeros(count)]))[0])


def _stepped(fit: LinearFit, step: Array, records: Sequence[Pair]) -> LinearFit | None:
    """The fit after a step, None where it leaves the stable systems."""
    G = fit.G
    sizes = np.cumsum([G.A.size, G.B.size, G.C.size])
    dA, dB, dC, dD = np.split(step, sizes)
    A = G.A + dA.reshape(G.A.shape)
    if not (np.all(np.isfinite(step)) and np.abs(np.linalg.eigvals(A)).max(initial=0.0) <= RADIUS):
        return None
    moved = StateSpace(A, G.B + dB.reshape(G.B.shape), G.C + dC.reshape(G.C.shape), G.D + dD.reshape(G.D.shape), G.dt)
    return with_initial_states(moved, records, fit.singular_values)


def _factor(fit: LinearFit, records: Sequence[Pair]) -> Array:
    """The triangular factor of [J e]: J (samples, parameters) the sensitivities of the free run, e its error."""
    G = fit.G
    n, m, p = G.n_x, G.n_u, G.n_y
    R: Array = np.zeros((0, n * n + n * m + p * n + p * m + 1))
    for (u, y), x0 in zip(records, fit.x0, strict=True):
        x, T = states(G, u, x0)[:-1], len(u)
        J = np.zeros((T, p, R.shape[1]))
        for k, v in enumerate([*x.T, *u.T]):  # A_jk meets x_k, B_jk meets u_k
            first, stride = (k, n) if k < n else (n * n + k - n, m)
            J[:, :, first : first + n * stride : stride] = input_responses(G.A, G.C, v)
        for i in range(p):
            J[:, i, n * n + n * m + i * n : n * n + n * m + (i + 1) * n] = x
            J[:, i, R.shape[1] - 1 - (p - i) * m : R.shape[1] - 1 - (p - i - 1) * m] = u
        J[:, :, -1] = y - x @ G.C.T - u @ G.D.T
        R = triangular(np.vstack([R, without_free_response(J.reshape(T * p, -1), G.A, G.C)]))
    return R
