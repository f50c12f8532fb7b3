"""Two cascaded tanks with overflow, after the measured benchmark of that name."""

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


@dataclass(frozen=True, kw_only=True)
class CascadedTanks(Plant):
    r"""A pump fills the upper tank, which drains into the lower one, whose level is measured; both tanks can overflow.

    With the heads x1, x2 >= 0 above the outlets, in volts of the level sensor:

        x1' = f1 = -k1 sqrt(x1) + k4 max(u, 0)                          (held at 0 while x1 = height and f1 > 0)
        x2' = f2 = k2 sqrt(x1) - k3 sqrt(x2) + (k2/k1) share max(f1, 0)[x1 = height]
                                                                        (held at 0 while x2 = height + drop and f2 > 0)
        y  = min(x2 - drop, height)

    Of the water that overflows from the upper tank `overflow_share` falls into the lower one, the rest is lost.

    Source of the equations: Schoukens and Noël, Three benchmarks addressing open challenges in nonlinear system
    identification, IFAC 2017. The defaults were identified, as a grey box with these equations, from the estimation
    record of that benchmark (RMSE 0.27 V on it, 0.36 V on the test record) and rounded; the head `drop` of the sensor's
    zero above the lower outlet is ours: without it the error on the estimation record is 0.44 V.

    Args:
        k1: outflow of the upper tank, V^0.5/s.
        k2: the same water in the lower tank, V^0.5/s; k2/k1 is the ratio of the areas upper / lower.
        k3: outflow of the lower tank, V^0.5/s.
        k4: pump, 1/s.
        overflow_share: part of the upper tank's overflow that reaches the lower tank, in [0, 1].
        height: level at which a tank overflows, V; the sensor saturates there too.
        drop: zero of the level sensor above the outlet of the lower tank, V.
        dt: sampling time, s.
        noise: standard deviation of the measured level, V.
    """

    k1: float = 0.0376
    k2: float = 0.0557
    k3: float = 0.0534
    k4: float = 0.035
    overflow_share: float = 0.92
    height: float = 10.0
    drop: float = 1.88
    dt: float = 4.0
    noise: tuple[float, ...] = (0.02,)

    input_names: ClassVar[tuple[str, ...]] = ("u",)
    output_names: ClassVar[tuple[str, ...]] = ("h2",)
    state_names: ClassVar[tuple[str, ...]] = ("x1", "x2")
    units: ClassVar[Mapping[str, str]] = {"u": "V", "h2": "V"}
    any_sign: ClassVar[frozenset[str]] = frozenset({"overflow_share", "drop"})
    samples: ClassVar[int] = 1024
    u_nominal: ClassVar[tuple[float, ...]] = (2.5,)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_range("overflow_share", 0.0, 1.0)
        self._check_range("drop", 0.0, math.inf)

    def overflow(self, x: Sequence[float], u: Sequence[float]) -> float:
        """What leaves the upper tank over its edge, in units of x1', 1/s V: max(f1, 0) at the edge, else 0.

        Args:
            x: (n_x,) state.
            u: (n_u,) input.
        """
        net = self.k4 * max(u[0], 0.0) - self.k1 * math.sqrt(max(x[0], 0.0))
        return max(net, 0.0) if x[0] >= self.height else 0.0

    def rates(self, x: Sequence[float], u: Sequence[float]) -> Sequence[float]:
        """x' = f(x, u), V/s; a full tank does not rise."""
        through = math.sqrt(max(x[0], 0.0))
        spilled = self.overflow(x, u)
        rise1 = self.k4 * max(u[0], 0.0) - self.k1 * through - spilled
        rise2 = self.k2 * through - self.k3 * math.sqrt(max(x[1], 0.0))
        rise2 += self.k2 / self.k1 * self.overflow_share * spilled
        if x[1] >= self.height + self.drop:
            rise2 = min(rise2, 0.0)
        return rise1, rise2

    def output(self, x: FloatArray, u: FloatArray) -> FloatArray:
        """The level of the lower tank, V, at most `height` to the last digit."""
        return np.minimum(x[..., 1:2] - self.drop, self.height)

    def measure(self, y: FloatArray, rng: Generator) -> FloatArray:
        """y plus noise, cut off where the sensor saturates."""
        return np.minimum(super().measure(y, rng), self.height)

    def rest(self, u: FloatArray) -> FloatArray:
        """The heads at which outflow equals inflow, or the edge."""
        inflow = self.k4 * max(float(u[0]), 0.0)
        x1 = min((inflow / self.k1) ** 2, self.height)
        spilled = max(inflow - self.k1 * math.sqrt(self.height), 0.0)
        into_lower = self.k2 * math.sqrt(x1) + self.k2 / self.k1 * self.overflow_share * spilled
        return np.array([x1, min((into_lower / self.k3) ** 2, self.height + self.drop)])

    def jacobians(self, x: FloatArray, u: FloatArray) -> Jacobians:
        """The row of a full tank that would rise is zero; while tank 1 overflows the pump acts on tank 2 directly."""
        half1, half2 = 0.5 / np.sqrt(x)
        pump = self.k4 if u[0] > 0 else 0.0
        A = np.array([[-self.k1 * half1, 0.0], [self.k2 * half1, -self.k3 * half2]])
        B = np.array([[pump], [0.0]])
        if self.overflow(x.tolist(), u.tolist()) > 0:
            spill = self.k2 / self.k1 * self.overflow_share
            A = np.array([[0.0, 0.0], [(1 - self.overflow_share) * self.k2 * half1, -self.k3 * half2]])
            B = np.array([[0.0], [spill * pump]])
        if x[1] >= self.height + self.drop:
            A[1], B[1] = 0.0, 0.0
        return A, B, np.array([[0.0, float(x[1] - self.drop <= self.height)]]), np.zeros((1, 1))

    def excitation(self, samples: int, seed: int | SeedSequence | Generator) -> FloatArray:
        """A slow random-phase multisine, up to 0.0144 Hz as in the benchmark; the level is sometimes at 10 V."""
        rng = np.random.default_rng(seed)
        band = (0.0, 0.0144 * 4.0 / self.dt)
        wave = signals.multisine(max(samples, 128), self.dt, band=band, rms=1.1, mean=3.2, seed=rng)[:samples]
        return np.maximum(wave, 0.0)[:, None]
