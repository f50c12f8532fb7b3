"""Duffing oscillator, after the measured Silverbox."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.random import Generator, SeedSequence
from scipy.optimize import brentq

from l2ssm.data import signals
from l2ssm.data.arrays import FloatArray
from l2ssm.data.plants.base import Jacobians, Plant


@dataclass(frozen=True, kw_only=True)
class Duffing(Plant):
    r"""An electronic mass-spring-damper whose spring hardens: the resonance moves up with the amplitude.

    With w0 = 2 pi resonance:

        x' = v
        v' = w0^2 (gain u - x - hardening x^3) - 2 damping w0 v
        y  = x

    Source: the equations are those of the Silverbox, Wigren and Schoukens, Three free data sets for development and
    benchmarking in nonlinear system identification, ECC 2013. The defaults were identified with these equations from
    the first two periods of its multisine data (free-run RMSE 13 mV, the signal has 54 mV) and rounded.

    Args:
        resonance: of the linear part without damping, Hz.
        damping: damping ratio of the linear part.
        hardening: cubic over linear stiffness, 1/V^2.
        gain: static gain of the linear part, V/V.
        dt: sampling time, s.
        noise: standard deviation of the measured voltage, V.
    """

    resonance: float = 69.6
    damping: float = 0.05
    hardening: float = 4.0
    gain: float = 1.0
    dt: float = 1.0 / 610.35
    noise: tuple[float, ...] = (2e-4,)

    input_names: ClassVar[tuple[str, ...]] = ("u",)
    output_names: ClassVar[tuple[str, ...]] = ("y",)
    state_names: ClassVar[tuple[str, ...]] = ("x", "v")
    units: ClassVar[Mapping[str, str]] = {"u": "V", "y": "V"}
    samples: ClassVar[int] = 4096
    u_nominal: ClassVar[tuple[float, ...]] = (0.0,)

    @property
    def w0(self) -> float:
        """2 pi resonance, rad/s."""
        return 2 * math.pi * self.resonance

    def energy(self, x: FloatArray) -> FloatArray:
        """v^2/2 + w0^2 (x^2/2 + hardening x^4/4), V^2/s^2: without input it only falls, by 2 damping w0 v^2.

        Args:
            x: (..., 2) states.
        """
        position, speed = x[..., 0], x[..., 1]
        return speed**2 / 2 + self.w0**2 * (position**2 / 2 + self.hardening * position**4 / 4)

    def rates(self, x: Sequence[float], u: Sequence[float]) -> Sequence[float]:
        """(v, v')."""
        position, speed = x
        force = self.gain * u[0] - position - self.hardening * position**3
        return speed, self.w0**2 * force - 2 * self.damping * self.w0 * speed

    def output(self, x: FloatArray, u: FloatArray) -> FloatArray:
        """The position, V."""
        return x[..., :1]

    def rest(self, u: FloatArray) -> FloatArray:
        """The only root of x + hardening x^3 = gain u."""
        pull = self.gain * float(u[0])
        root = brentq(lambda x: x + self.hardening * x**3 - pull, -abs(pull) - 1, abs(pull) + 1, xtol=1e-15, rtol=1e-15)
        return np.array([float(root), 0.0])

    def jacobians(self, x: FloatArray, u: FloatArray) -> Jacobians:
        """The stiffness grows by 3 hardening x^2."""
        stiffness = self.w0**2 * (1 + 3 * self.hardening * x[0] ** 2)
        A = np.array([[0.0, 1.0], [-stiffness, -2 * self.damping * self.w0]])
        return A, np.array([[0.0], [self.w0**2 * self.gain]]), np.array([[1.0, 0.0]]), np.zeros((1, 1))

    def excitation(self, samples: int, seed: int | SeedSequence | Generator) -> FloatArray:
        """An odd random-phase multisine up to a third of the sampling frequency (200 Hz), 22 mV rms."""
        band = (0.0, 0.3277 / self.dt)
        return signals.multisine(max(samples, 64), self.dt, band=band, rms=0.022, odd=True, seed=seed)[:samples, None]
