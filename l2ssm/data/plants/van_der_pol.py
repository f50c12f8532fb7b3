"""Forced Van der Pol oscillator: a limit cycle, so no equilibrium it returns to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.random import Generator, SeedSequence

from l2ssm.data import signals
from l2ssm.data.arrays import FloatArray
from l2ssm.data.plants.base import Jacobians, Plant


@dataclass(frozen=True, kw_only=True)
class VanDerPol(Plant):
    r"""x'' - mu (1 - x^2) x' + x = u: damping is negative inside |x| < 1 and positive outside; all dimensionless.

        x' = v
        v' = mu (1 - x^2) v - x + u
        y  = x

    Every equilibrium with |u0| < 1 is unstable: the plant oscillates by itself, and it has no finite L2 gain.

    Source: Khalil, Nonlinear Systems, 3rd ed., example 2.6.

    Args:
        mu: strength of the nonlinear damping.
        dt: sampling time, s.
        noise: standard deviation of the measured position.
    """

    mu: float = 1.0
    dt: float = 0.1
    noise: tuple[float, ...] = (0.01,)

    input_names: ClassVar[tuple[str, ...]] = ("u",)
    output_names: ClassVar[tuple[str, ...]] = ("y",)
    state_names: ClassVar[tuple[str, ...]] = ("x", "v")
    units: ClassVar[Mapping[str, str]] = {"u": "-", "y": "-"}
    samples: ClassVar[int] = 2000
    u_nominal: ClassVar[tuple[float, ...]] = (0.0,)

    def rates(self, x: Sequence[float], u: Sequence[float]) -> Sequence[float]:
        """(v, v')."""
        position, speed = x
        return speed, self.mu * (1 - position * position) * speed - position + u[0]

    def output(self, x: FloatArray, u: FloatArray) -> FloatArray:
        """The position."""
        return x[..., :1]

    def rest(self, u: FloatArray) -> FloatArray:
        """x = u, v = 0."""
        return np.array([float(u[0]), 0.0])

    def jacobians(self, x: FloatArray, u: FloatArray) -> Jacobians:
        """[[0, 1], [-2 mu x v - 1, mu (1 - x^2)]]."""
        A = np.array([[0.0, 1.0], [-2 * self.mu * x[0] * x[1] - 1, self.mu * (1 - x[0] ** 2)]])
        return A, np.array([[0.0], [1.0]]), np.array([[1.0, 0.0]]), np.zeros((1, 1))

    def excitation(self, samples: int, seed: int | SeedSequence | Generator) -> FloatArray:
        """A random-phase multisine up to 0.5 Hz (three times the frequency of the cycle), rms 1."""
        return signals.multisine(max(samples, 64), self.dt, band=(0.0, 0.05 / self.dt), seed=seed)[:samples, None]
