"""Three connected tanks with two pumps, the laboratory plant DTS200."""

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

GRAVITY = 981.0  # cm/s^2
LAMINAR = 0.01  # cm; below this difference of level a connecting pipe is laminar, so that its flow is smooth at 0


@dataclass(frozen=True, kw_only=True)
class ThreeTanks(Plant):
    r"""Pumps fill tanks 1 and 2; water runs 1 -> 3 -> 2 through pipes and leaves tank 2; a tank overflows at its edge.

    With levels h1, h2, h3 in cm and flows in cm^3/s:

        area h1' = q1 - Q13                     Q13 = mu13 pipe S(h1 - h3)
        area h2' = q2 + Q32 - Q20               Q32 = mu32 pipe S(h3 - h2)
        area h3' = Q13 - Q32                    Q20 = mu20 pipe sqrt(2 g h2)

    S(d) = sign(d) sqrt(2 g |d|), made smooth where |d| < 0.01 cm (laminar flow) as sqrt(2 g) d / (d^2 + 0.01^2)^(1/4).
    A full tank (h = height) does not rise; pumps do not suck: q counts as max(q, 0). y = (h1, h2, h3).

    Source: equations and defaults from Theilliol, Noura and Ponsart, Fault diagnosis and accommodation of a three-tank
    system based on analytical redundancy, ISA Transactions 41 (2002).

    Args:
        area: cross-section of each tank, cm^2.
        pipe: cross-section of each pipe, cm^2.
        mu13: outflow coefficient of the pipe between tanks 1 and 3.
        mu32: outflow coefficient of the pipe between tanks 3 and 2.
        mu20: outflow coefficient of the outlet of tank 2.
        height: level at which a tank overflows, cm.
        dt: sampling time, s.
        noise: standard deviations of the measured levels, cm.
    """

    area: float = 154.0
    pipe: float = 0.5
    mu13: float = 0.5
    mu32: float = 0.5
    mu20: float = 0.675
    height: float = 62.0
    dt: float = 5.0
    noise: tuple[float, ...] = (0.1, 0.1, 0.1)

    input_names: ClassVar[tuple[str, ...]] = ("q1", "q2")
    output_names: ClassVar[tuple[str, ...]] = ("h1", "h2", "h3")
    state_names: ClassVar[tuple[str, ...]] = ("h1", "h2", "h3")
    units: ClassVar[Mapping[str, str]] = {"q1": "cm3/s", "q2": "cm3/s", "h1": "cm", "h2": "cm", "h3": "cm"}
    samples: ClassVar[int] = 1500
    u_nominal: ClassVar[tuple[float, ...]] = (30.0, 20.0)

    def flows(self, x: Sequence[float]) -> tuple[float, float, float]:
        """Q13, Q32 and Q20 in cm^3/s.

        Args:
            x: (n_x,) state.
        """
        h1, h2, h3 = x
        unit = self.pipe * math.sqrt(2 * GRAVITY)
        q13 = self.mu13 * unit * (h1 - h3) / ((h1 - h3) ** 2 + LAMINAR**2) ** 0.25
        q32 = self.mu32 * unit * (h3 - h2) / ((h3 - h2) ** 2 + LAMINAR**2) ** 0.25
        return q13, q32, self.mu20 * unit * math.sqrt(max(h2, 0.0))

    def rates(self, x: Sequence[float], u: Sequence[float]) -> Sequence[float]:
        """h' in cm/s."""
        q13, q32, q20 = self.flows(x)
        rise = (max(u[0], 0.0) - q13, max(u[1], 0.0) + q32 - q20, q13 - q32)
        return [(min(r, 0.0) if h >= self.height else r) / self.area for r, h in zip(rise, x, strict=True)]

    def output(self, x: FloatArray, u: FloatArray) -> FloatArray:
        """The three levels, cm."""
        return np.minimum(x, self.height)

    def rest(self, u: FloatArray) -> FloatArray:
        """All of q1 runs through both pipes, q1 + q2 through the outlet.

        Raises:
            OptionError: a tank would overflow.
        """
        q1, q2 = (max(float(flow), 0.0) for flow in u)
        unit = self.pipe * math.sqrt(2 * GRAVITY)
        h2 = ((q1 + q2) / (self.mu20 * unit)) ** 2
        h3 = h2 + _difference(q1 / (self.mu32 * unit))
        h1 = h3 + _difference(q1 / (self.mu13 * unit))
        if max(h1, h2, h3) > self.height:
            raise OptionError(
                f"no equilibrium below the edge under q1={q1:g}, q2={q2:g} cm3/s: the levels would be"
                f" {h1:.3g}, {h2:.3g}, {h3:.3g} cm, the tanks are {self.height:g} cm high"
            )
        return np.array([h1, h2, h3])

    def jacobians(self, x: FloatArray, u: FloatArray) -> Jacobians:
        """Of the levels below the edge; the row of a tank that is full and would rise is zero."""
        h1, h2, h3 = x
        unit = self.pipe * math.sqrt(2 * GRAVITY)
        d13, d32 = self.mu13 * unit * _slope(h1 - h3), self.mu32 * unit * _slope(h3 - h2)
        d20 = self.mu20 * unit * 0.5 / np.sqrt(h2)
        A = np.array([[-d13, 0.0, d13], [0.0, -d32 - d20, d32], [d13, d32, -d13 - d32]]) / self.area
        B = np.array([[float(u[0] > 0), 0.0], [0.0, float(u[1] > 0)], [0.0, 0.0]]) / self.area
        held = (x >= self.height) & (np.array(self.rates(x.tolist(), u.tolist())) >= 0)
        A[held], B[held] = 0.0, 0.0
        return A, B, np.eye(3), np.zeros((3, 2))

    def excitation(self, samples: int, seed: int | SeedSequence | Generator) -> FloatArray:
        """Two random staircases, 5 to 45 cm^3/s and 0 to 40 cm^3/s, each level held for 100 to 600 s."""
        rng = np.random.default_rng(seed)
        hold = (20 * self.dt, 120 * self.dt)
        first = signals.steps(samples, self.dt, levels=(5.0, 45.0), hold=hold, seed=rng)
        return np.column_stack([first, signals.steps(samples, self.dt, levels=(0.0, 40.0), hold=hold, seed=rng)])


def _difference(flow: float) -> float:
    """The d >= 0 with d / (d^2 + LAMINAR^2)^(1/4) = flow: d^4 = flow^4 (d^2 + LAMINAR^2)."""
    r4 = flow**4
    return math.sqrt(0.5 * (r4 + math.sqrt(r4**2 + 4 * r4 * LAMINAR**2)))


def _slope(d: float) -> float:
    """Derivative of d / (d^2 + LAMINAR^2)^(1/4)."""
    s = d * d + LAMINAR**2
    return float((s - 0.5 * d * d) / s**1.25)
