"""The storage function that belongs to given multipliers, by structured doubling. Untrusted: `joint` decides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from l2ssm.certificates.joint import joint_matrix, linear_states, realize
from l2ssm.certificates.network_forms import Forms
from l2ssm.certificates.network_multipliers import Point, Problem
from l2ssm.certificates.network_response import evaluate
from l2ssm.certificates.riccati import doubling
from l2ssm.errors import SolverError
from l2ssm.systems.layers import Layer

Array = NDArray[np.float64]

SHARE = 0.5
"""Of the room that gain leaves at the tightest frequency, what makes the inequality strict in the states."""


class Floats:
    """numpy as the arithmetic of `joint`."""

    embed = staticmethod(np.asarray)
    block = staticmethod(np.block)


def storage(layers: Sequence[Layer], rest: bool, forms: Forms, point: Point, theta: Array) -> Array:
    """P = P' with M(P, T, g^(1/2)) > 0, in floats, by the Riccati equation of the states with room for rounding.

    The states are scaled to their largest response z*X*X z <= z*Phi z over the frequencies theta, so that a multiple
    rho of the identity may be added to their supply as long as rho X*X < Phi.

    Args:
        layers, rest: as in `joint.realize`.
        forms: the constraints of the layers.
        point: multipliers and g, strictly feasible at all frequencies.
        theta: (F,) angles where the room is measured.

    Raises:
        SolverError: none was found.
    """
    rows = realize(layers, rest, Floats)
    n_x = rows.n_x
    if n_x == 0:
        return np.zeros((0, 0))
    multipliers = [part[:, None] for part in forms.split(point.T)]
    N = joint_matrix(layers, rest, np.zeros((n_x, n_x)), multipliers, point.g, Floats)
    scale, rho = _room(layers, rest, forms, point, theta)
    F = rows.stack(rows.F) / scale[:, None]
    A, B = F[:, :n_x] * scale, F[:, n_x:]
    Q, S, R = -N[:n_x, :n_x] * scale[:, None] * scale, -N[:n_x, n_x:] * scale[:, None], -N[n_x:, n_x:]
    P = doubling(A, B, Q + SHARE * rho * np.eye(n_x), S, R) / scale[:, None] / scale
    return (P + P.T) / 2


def _room(layers: Sequence[Layer], rest: bool, forms: Forms, point: Point, theta: Array) -> tuple[Array, float]:
    """(scale (n_x,) powers of two, rho): diag(1/scale) X has rows of size 1 in the norm of Phi, rho X*X <= Phi."""
    level, responses = np.zeros(linear_states(layers)), []
    for angle in theta:
        response = evaluate(layers, rest, np.array([angle]), states=True)
        try:
            L = np.linalg.cholesky(Problem(forms, response).phi(slice(0, 1), point)[0])
        except np.linalg.LinAlgError:
            raise SolverError(f"gain {point.g**0.5} leaves no room at {angle} rad") from None
        Z = np.linalg.solve(L, response.X[0].conj().T)  # (n, n_x)
        level = np.maximum(level, np.sum(np.abs(Z) ** 2, axis=0))
        responses.append(Z)
    level = np.sqrt(level)
    usable = np.isfinite(level) & (level > 1e-12 * np.max(level, initial=0.0))
    scale = np.exp2(np.round(np.log2(np.where(usable, level, 1.0))))
    return scale, 1 / max(float(np.linalg.norm(Z / scale, 2)) ** 2 for Z in responses)
