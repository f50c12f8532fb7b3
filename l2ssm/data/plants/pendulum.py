"""A driven pendulum with viscous and dry friction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.random import Generator, SeedSequence

from l2ssm.data import signals
from l2ssm.data.arrays import FloatArray
from l2ssm.data.plants.base import Jacobians, Plant
from l2ssm.errors import OptionError


@dataclass(frozen=True, kw_only=True)
class Pendulum(Plant):
    r"""A point mass on a rod, driven by a torque at the pivot; the angle is measured from hanging down.

        theta' = omega
        mass length^2 omega' = u - mass gravity length sin(theta) - viscous omega - dry tanh(omega / slip)
        y = theta

    Dry friction is Coulomb's, made smooth over speeds of about `slip`.

    Source: Khalil, Nonlinear Systems, 3rd ed., section 1.2.1 (pendulum) and 1.2.3 (friction); the defaults are ours and
    describe a bench-top pendulum.

    Args:
        mass: kg.
        length: m.
        gravity: m/s^2.
        viscous: viscous friction, N m s/rad.
        dry: dry friction torque, N m.
        slip: speed over which dry friction sets in, rad/s.
        dt: sampling time, s.
        noise: standard deviation of the measured angle, rad.
    """

    mass: float = 0.3
    length: float = 0.4
    gravity: float = 9.81
    viscous: float = 0.03
    dry: float = 0.02
    slip: float = 0.05
    dt: float = 0.02
    noise: tuple[float, ...] = (2e-3,)

    input_names: ClassVar[tuple[str, ...]] = ("torque",)
    output_names: ClassVar[tuple[str, ...]] = ("theta",)
    state_names: ClassVar[tuple[str, ...]] = ("theta", "omega")
    units: ClassVar[Mapping[str, str]] = {"torque": "N m", "theta": "rad"}
    samples: ClassVar[int] = 2000
    u_nominal: ClassVar[tuple[float, ...]] = (0.0,)

    @property
    def inertia(self) -> float:
        """mass length^2, kg m^2."""
        return self.mass * self.length**2

    @property
    def weight_torque(self) -> float:
        """mass gravity length, N m: the largest torque of gravity."""
        return self.mass * self.gravity * self.length

    def energy(self, x: FloatArray) -> FloatArray:
        """Kinetic and potential energy, J: without torque it only falls.

        Args:
            x: (..., 2) states.
        """
        return self.inertia * x[..., 1] ** 2 / 2 + self.weight_torque * (1 - np.cos(x[..., 0]))

    def rates(self, x: Sequence[float], u: Sequence[float]) -> Sequence[float]:
        """(omega, omega')."""
        angle, speed = x
        friction = self.viscous * speed + self.dry * math.tanh(speed / self.slip)
        return speed, (u[0] - self.weight_torque * math.sin(angle) - friction) / self.inertia

    def output(self, x: FloatArray, u: FloatArray) -> FloatArray:
        """The angle, rad; it does not wrap."""
        return x[..., :1]

    def rest(self, u: FloatArray) -> FloatArray:
        """theta = asin(u / (mass gravity length)), the lower of the two.

        Raises:
            OptionError: the torque is more than gravity can hold.
        """
        torque = float(u[0])
        if abs(torque) > self.weight_torque:
            raise OptionError(f"no equilibrium under {torque:g} N m: gravity holds at most {self.weight_torque:g} N m")
        return np.array([math.asin(torque / self.weight_torque), 0.0])

    def jacobians(self, x: FloatArray, u: FloatArray) -> Jacobians:
        """Near omega = 0 dry friction acts as viscous friction of dry/slip."""
        friction = self.viscous + self.dry / self.slip / np.cosh(x[1] / self.slip) ** 2
        A = np.array([[0.0, 1.0], [-self.weight_torque * np.cos(x[0]) / self.inertia, -friction / self.inertia]])
        return A, np.array([[0.0], [1 / self.inertia]]), np.array([[1.0, 0.0]]), np.zeros((1, 1))

    def excitation(self, samples: int, seed: int | SeedSequence | Generator) -> FloatArray:
        """A random-phase multisine up to 2 Hz, 0.25 of the largest torque of gravity in rms."""
        band, rms = (0.0, 0.04 / self.dt), 0.25 * self.weight_torque
        return signals.multisine(max(samples, 64), self.dt, band=band, rms=rms, seed=seed)[:samples, None]
