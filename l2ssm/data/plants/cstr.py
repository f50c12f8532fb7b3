"""Continuous stirred-tank reactor with an exothermic reaction, cooled through a jacket."""

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

MINUTE = 60.0  # flows and rates are per minute, time is in seconds


@dataclass(frozen=True, kw_only=True)
class CSTR(Plant):
    r"""Reaction A -> B heats the reactor; the coolant flow qc decides concentration and temperature.

    With the concentration c in mol/L and the temperature T in K, time in minutes (integrated in seconds):

        c' = q/V (c_feed - c) - k0 c exp(-E_R / T)
        T' = q/V (T_feed - T) + heat k0 c exp(-E_R / T) + qc/V (1 - exp(-jacket / qc)) (T_coolant - T)
        y  = (c, T)

    Gain and damping vary strongly over the range of qc; near 110 L/min the reactor oscillates. qc counts as max(qc, 0).

    Source: equations and parameters of Morningred, Paden, Seborg and Mellichamp, An adaptive nonlinear predictive
    controller, Chemical Engineering Science 47 (1992); the data set "continuous stirred tank reactor" of DaISy.

    Args:
        q: feed flow, L/min.
        V: volume, L.
        c_feed: concentration of the feed, mol/L.
        T_feed: temperature of the feed, K.
        T_coolant: temperature of the coolant, K.
        k0: rate of reaction, 1/min.
        E_R: activation energy over gas constant, K.
        heat: heat of reaction over density and heat capacity, K L/mol.
        jacket: heat transfer of the jacket over density and heat capacity of the coolant, L/min.
        dt: sampling time, s.
        noise: standard deviations of concentration (mol/L) and temperature (K).
    """

    q: float = 100.0
    V: float = 100.0
    c_feed: float = 1.0
    T_feed: float = 350.0
    T_coolant: float = 350.0
    k0: float = 7.2e10
    E_R: float = 1e4
    heat: float = 200.0
    jacket: float = 700.0
    dt: float = 6.0
    noise: tuple[float, ...] = (5e-4, 0.1)

    input_names: ClassVar[tuple[str, ...]] = ("qc",)
    output_names: ClassVar[tuple[str, ...]] = ("c", "T")
    state_names: ClassVar[tuple[str, ...]] = ("c", "T")
    units: ClassVar[Mapping[str, str]] = {"qc": "L/min", "c": "mol/L", "T": "K"}
    samples: ClassVar[int] = 2000
    u_nominal: ClassVar[tuple[float, ...]] = (100.0,)

    def cooling(self, qc: float) -> float:
        """qc/V (1 - exp(-jacket / qc)), 1/min.

        Args:
            qc: flow of the coolant.
        """
        return qc / self.V * -math.expm1(-self.jacket / qc) if qc > 0 else 0.0

    def rates(self, x: Sequence[float], u: Sequence[float]) -> Sequence[float]:
        """(c', T') per second."""
        c, T = x
        reaction = self.k0 * c * math.exp(-self.E_R / T)
        feed = self.q / self.V
        dc = feed * (self.c_feed - c) - reaction
        dT = feed * (self.T_feed - T) + self.heat * reaction + self.cooling(u[0]) * (self.T_coolant - T)
        return dc / MINUTE, dT / MINUTE

    def output(self, x: FloatArray, u: FloatArray) -> FloatArray:
        """Concentration and temperature."""
        return x

    def rest(self, u: FloatArray) -> FloatArray:
        """The hottest of the one to three steady states: the ignited one where it exists."""
        feed, cooling = self.q / self.V, self.cooling(float(u[0]))

        def heating(T: float) -> float:
            k = self.k0 * math.exp(-self.E_R / T)
            c = feed * self.c_feed / (feed + k)
            return feed * (self.T_feed - T) + self.heat * k * c + cooling * (self.T_coolant - T)

        hot = max(self.T_feed, self.T_coolant) + self.heat * self.c_feed + 1.0  # hotter than all heat together
        step = 0.25
        while heating(hot - step) < 0:
            hot -= step
        T = float(brentq(heating, hot - step, hot, xtol=1e-12, rtol=1e-15))
        return np.array([feed * self.c_feed / (feed + self.k0 * math.exp(-self.E_R / T)), T])

    def jacobians(self, x: FloatArray, u: FloatArray) -> Jacobians:
        """Per second."""
        c, T = x
        k = self.k0 * np.exp(-self.E_R / T)
        by_T = k * c * self.E_R / T**2
        feed, qc = self.q / self.V, float(u[0])
        A = np.array([[-feed - k, -by_T], [self.heat * k, -feed + self.heat * by_T - self.cooling(qc)]])
        ratio = self.jacket / qc if qc > 0 else math.inf
        slope = (1 - math.exp(-ratio) * (1 + ratio)) / self.V if 0 < ratio < math.inf else 0.0
        B = np.array([[0.0], [slope * (self.T_coolant - T)]])
        return A / MINUTE, B / MINUTE, np.eye(2), np.zeros((2, 1))

    def excitation(self, samples: int, seed: int | SeedSequence | Generator) -> FloatArray:
        """A random staircase of the coolant flow, 90 to 107 L/min, each level held for 2 to 10 minutes."""
        hold = (20 * self.dt, 100 * self.dt)
        return signals.steps(samples, self.dt, levels=(90.0, 107.0), hold=hold, seed=seed)[:, None]
