"""`LegendreCore`: memories in Legendre polynomials with chosen steps; they contract for every sequence of steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from l2ssm.errors import RealizationError
from l2ssm.systems.core import Core, Memories
from l2ssm.systems.layer import Array, Linear


@dataclass(frozen=True, eq=False)
class LegendreCore(Core):
    """c_h+ = A(step_h) c_h + (I - A(step_h)) e_0 w_h, output c_h; A(step) = expm(step A_S), A_S that of HiPPO-LegS.

    Steering: log step (m), cut to [log low, log high]. Drive: w (m). Output: c (m n), before the sample.

    c_h holds the first n normalised Legendre coefficients of the past on [0, 1]. A step of r = exp(-step) moves the
    past to [0, r] and fills the rest with w; projection does not lengthen, so |c+|^2 <= r |c|^2 + (1 - r) w^2, and
    |c+|^2 - |c|^2 <= beta w^2 - alpha |c|^2 wherever alpha <= 1 - r <= beta, whatever steers it.

    Args:
        low, high: (m,), bounds of the steps, 0 < low <= high.
        order: (m,), n in every entry.
    """

    low: Array
    high: Array
    order: Array
    fields: ClassVar[dict[str, int]] = {"low": 1, "high": 1, "order": 1}

    def __post_init__(self) -> None:
        self._freeze()
        m, n = self.low.size, int(self.order[0])
        if not (np.all(self.low > 0) and np.all(self.low <= self.high) and n >= 1 and np.all(self.order == n)):
            raise RealizationError(f"a LegendreCore needs 0 < low <= high and one order >= 1, got order {self.order}")
        self._sized(m, m, m * n, m * n, m)

    def memories(self) -> Memories:
        """See `Core.memories`."""
        each = np.arange(self.low.size)
        coefficients = np.repeat(each, int(self.order[0]))
        return Memories(each, coefficients, coefficients)

    def _step(self, steer: Array) -> tuple[Array, Array]:
        """(step, its derivative with respect to the steering), (T, m)."""
        step = np.exp(np.clip(steer, np.log(self.low), np.log(self.high)))
        inside = (steer >= np.log(self.low)) & (steer <= np.log(self.high))
        return step, step * inside

    def _trajectory(self, z: Array, x0: Array) -> tuple[Any, ...]:
        m, n = self.low.size, int(self.order[0])
        step, slope = self._step(z[:, :m])
        A = transitions(step, n)
        w = z[:, m:]
        b = np.eye(n)[0] - A[..., 0]
        c = np.empty((len(z) + 1, m, n))
        c[0] = x0[: m * n].reshape(m, n)
        for k in range(len(z)):
            c[k + 1] = np.einsum("hij,hj->hi", A[k], c[k]) + b[k] * w[k][:, None]
        return slope, A, b, w, c

    def run(self, u: Array, x0: Array) -> Array:
        """The coefficients before every sample."""
        return np.asarray(self._trajectory(u, x0)[-1][:-1].reshape(len(u), -1))

    def derivative(self, u: Array, x0: Array) -> tuple[Linear, Linear]:
        """dA = A_S A dstep, db = -A_S A e_0 dstep."""
        slope, A, b, w, c = self._trajectory(u, x0)
        T, (m, n) = len(u), c.shape[1:]
        by_step = slope[..., None] * np.einsum(
            "ij,thj->thi", generator(n), np.einsum("thij,thj->thi", A, c[:-1]) - A[..., 0] * w[..., None]
        )

        def jvp(dz: Array) -> Array:
            drive = by_step * dz[:, :m, None] + b * dz[:, m:, None]
            dc = np.zeros_like(c)
            for k in range(T):
                dc[k + 1] = np.einsum("hij,hj->hi", A[k], dc[k]) + drive[k]
            return np.asarray(dc[:-1].reshape(T, -1))

        def vjp(g: Array) -> Array:
            g = g.reshape(T, m, n)
            p, back = np.zeros((m, n)), np.empty((T, 2 * m))
            for k in range(T - 1, -1, -1):
                back[k] = np.concatenate([np.sum(by_step[k] * p, axis=1), np.sum(b[k] * p, axis=1)])
                p = np.einsum("hij,hi->hj", A[k], p) + g[k]
            return back

        return jvp, vjp


def generator(n: int) -> Array:
    """A_S (n, n) of HiPPO-LegS: -sqrt(2i + 1) sqrt(2j + 1) below the diagonal, -(i + 1) on it."""
    root = np.sqrt(2 * np.arange(n) + 1)
    return -(np.tril(np.outer(root, root), -1) + np.diag(np.arange(n) + 1.0))


def transitions(step: Array, n: int) -> Array:
    """A (..., n, n) = expm(step A_S) = r int_0^1 p_i(r x) p_j(x) dx, r = exp(-step), by a rule that is exact."""
    x, weights = np.polynomial.legendre.leggauss(n)
    r, root = np.exp(-step)[..., None], np.sqrt(2 * np.arange(n) + 1)
    here = np.polynomial.legendre.legvander(x, n - 1) * root
    moved = np.polynomial.legendre.legvander(r * (x + 1) - 1, n - 1) * root
    return np.tril(r[..., None] * np.einsum("...qi,q,qj->...ij", moved, weights / 2, here))
