"""Recurrences that make no energy whatever steers them: `GatedCore` and `LosslessCore`.

Each states the inequality |x+|^2 - |x|^2 <= beta |drive|^2 - alpha |output|^2 that every memory of it satisfies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import special

from l2ssm.errors import RealizationError
from l2ssm.systems.core import Core, Memories, softplus
from l2ssm.systems.layer import Array, Linear
from l2ssm.systems.recurrence import recur, recur_adjoint


@dataclass(frozen=True, eq=False)
class GatedCore(Core):
    """h+ = a h + sqrt(1 - a^2) i u, v = h+, a = exp(-rate r), r = gate_min + (1 - gate_min) g(p), i = g(q).

    Steering: p (n), q (n). Drive: u (n). g is the logistic function.

    For every steering, with t = rate gate_min, the state obeys h+^2 - h^2 <= (S + 1) u^2 - (S - 1) h+^2 where
    1 <= S <= e^t. Proof: a <= e^-t <= c = 1 / S, and h+^2 <= (a^2 / p + (1 - a^2) i^2 / k) (p h^2 + k u^2) for all
    p, k > 0. For p = c / (1 - c), k = (1 + c) / (1 - c), (p + 1) times the first factor is at most 1: it is linear in
    a^2, at a^2 = 0 it is (p + 1) / k = 1 / (1 + c), at a = c it is c + 1 - c = 1. So p (h+^2 - h^2) <= k u^2 - h+^2,
    and 1 / p = S - 1, k / p = S + 1. Hence sum v^2 <= (1 + c) / (1 - c) sum u^2 from rest, a bound that a = c and u
    constant attain in the limit; and |h+| <= a |h| + sqrt(1 - a^2) |u| gives |h| <= sqrt((1 + c) / (1 - c)) max |u|.

    Args:
        rate: (n,) >= 0.
        gate_min: (n,) in [0, 1); at 0 a may come near to 1 and there is no bound.
    """

    rate: Array
    gate_min: Array
    fields: ClassVar[dict[str, int]] = {"rate": 1, "gate_min": 1}

    def __post_init__(self) -> None:
        self._freeze()
        if not (np.all(self.rate >= 0) and np.all(self.gate_min >= 0) and np.all(self.gate_min < 1)):
            raise RealizationError(f"a GatedCore needs rates >= 0 and 0 <= gate_min < 1, got gate_min {self.gate_min}")
        n = self.rate.size
        self._sized(2 * n, n, n, n, n)

    def memories(self) -> Memories:
        """See `Core.memories`: one a channel."""
        channels = np.arange(self.n_drive)
        return Memories(channels, channels, channels)

    def _trajectory(self, z: Array, x0: Array) -> tuple[Any, ...]:
        n = self.n_drive
        p, i, u = special.expit(z[:, :n]), special.expit(z[:, n : 2 * n]), z[:, 2 * n :]
        log_a = -self.rate * (self.gate_min + (1 - self.gate_min) * p)
        a, m = np.exp(log_a), np.sqrt(-np.expm1(2 * log_a))
        return p, i, u, a, m, recur(a, m * i * u, x0[:n])

    def run(self, u: Array, x0: Array) -> Array:
        """The states after every sample (T, n)."""
        return np.asarray(self._trajectory(u, x0)[-1][1:])

    def derivative(self, u: Array, x0: Array) -> tuple[Linear, Linear]:
        """By the chain rule through log a, i and the recurrence."""
        p, i, drive, a, m, h = self._trajectory(u, x0)
        by_gate = (
            -self.rate
            * (1 - self.gate_min)
            * p
            * (1 - p)
            * (  # d(a h + m i u) / d(p before g)
                a * h[:-1] - a**2 / np.maximum(m, 1e-150) * i * drive
            )
        )
        by_input, by_drive = m * drive * i * (1 - i), m * i
        factors = np.hstack([by_gate, by_input, by_drive])
        n = self.n_drive

        def jvp(dz: Array) -> Array:
            parts = factors * dz
            db = parts[:, :n] + parts[:, n : 2 * n] + parts[:, 2 * n :]
            return np.asarray(recur(a, db, np.zeros(n))[1:])

        def vjp(w: Array) -> Array:
            return factors * np.tile(recur_adjoint(a, np.vstack([np.zeros((1, n)), w])), (1, 3))

        return jvp, vjp


@dataclass(frozen=True, eq=False)
class LosslessCore(Core):
    """x+ = lam x + s w, v = s x - conj(lam) w, lam = exp(-step (rate - j frequency)), s = sqrt(1 - |lam|^2).

    Steering: step before the softplus (n). Drive: Re w (n), Im w (n). Output: Re v (n), Im v (n).
    [[lam, s], [s, -conj(lam)]] is unitary, so |x+|^2 - |x|^2 = |w|^2 - |v|^2 for every steering.

    Args:
        rate: (n,) >= 0.
        frequency: (n,) in rad a unit step.
    """

    rate: Array
    frequency: Array
    fields: ClassVar[dict[str, int]] = {"rate": 1, "frequency": 1}

    def __post_init__(self) -> None:
        self._freeze()
        if not np.all(self.rate >= 0):
            raise RealizationError("a LosslessCore needs rates >= 0")
        n = self.rate.size
        self._sized(n, 2 * n, 2 * n, 2 * n, n)

    def memories(self) -> Memories:
        """See `Core.memories`: one a mode."""
        modes = np.arange(self.rate.size)
        return Memories(np.tile(modes, 2), np.tile(modes, 2), np.repeat(modes, 2))

    def _trajectory(self, z: Array, x0: Array) -> tuple[Any, ...]:
        n = self.rate.size
        step, w = softplus(z[:, :n]), z[:, n : 2 * n] + 1j * z[:, 2 * n :]
        lam = np.exp(step * (-self.rate + 1j * self.frequency))
        s = np.sqrt(-np.expm1(-2 * step * self.rate))
        return special.expit(z[:, :n]), w, lam, s, recur(lam, s * w, x0.reshape(-1, 2) @ np.array([1, 1j]))

    def run(self, u: Array, x0: Array) -> Array:
        """[Re v, Im v] (T, 2 n)."""
        _, w, lam, s, x = self._trajectory(u, x0)
        v = s * x[:-1] - lam.conj() * w
        return np.hstack([v.real, v.imag])

    def derivative(self, u: Array, x0: Array) -> tuple[Linear, Linear]:
        """By the chain rule through step, lam, s and the recurrence."""
        slope, w, lam, s, x = self._trajectory(u, x0)
        n = self.rate.size
        dlam = lam * (-self.rate + 1j * self.frequency) * slope
        ds = self.rate * np.abs(lam) ** 2 / np.maximum(s, 1e-150) * slope
        by_x, by_v = dlam * x[:-1] + ds * w, ds * x[:-1] - dlam.conj() * w

        def jvp(dz: Array) -> Array:
            dw = dz[:, n : 2 * n] + 1j * dz[:, 2 * n :]
            dx = recur(lam, by_x * dz[:, :n] + s * dw, np.zeros(n, dtype=complex))
            dv = s * dx[:-1] + by_v * dz[:, :n] - lam.conj() * dw
            return np.hstack([dv.real, dv.imag])

        def vjp(g: Array) -> Array:
            gv = g[:, :n] + 1j * g[:, n:]
            p = recur_adjoint(lam, np.vstack([s * gv, np.zeros((1, n))]))
            gw = s * p - lam * gv
            steer = (by_x.conj() * p + by_v.conj() * gv).real
            return np.hstack([steer, gw.real, gw.imag])

        return jvp, vjp
