"""Wiener-Hammerstein circuit: filter, diode, filter, after the measured benchmark of 2009."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator, SeedSequence
from scipy.signal import cheb1ap, cheb2ap, zpk2tf

from l2ssm.data import signals
from l2ssm.data.arrays import FloatArray
from l2ssm.data.plants.base import Jacobians, Plant


@dataclass(frozen=True, kw_only=True)
class WienerHammerstein(Plant):
    r"""Two third-order analogue filters around a resistor-diode circuit that clips from above.

        x1' = w1 (A1 x1 + B1 u),   v = C1 x1        Chebyshev I:  0.5 dB ripple, pass band up to w1 = 2 pi pass_band
        w   = v - (1 - leak) knee log(1 + exp((v - clip) / knee))
        x2' = w2 (A2 x2 + B2 w),   y = C2 x2        Chebyshev II: 40 dB attenuation above w2 = 2 pi stop_band

    (A_i, B_i, C_i) is the controllable canonical form of the filter prototype for 1 rad/s. The slope of the diode falls
    smoothly from 1 to `leak` around v = clip.

    Source: structure and filters from Schoukens, Suykens and Ljung, Wiener-Hammerstein benchmark, IFAC SYSID 2009; the
    shape of the diode curve is ours.

    Args:
        pass_band: edge of the first filter, Hz.
        stop_band: edge of the second filter, Hz.
        clip: voltage at which the diode opens, V.
        knee: width of the transition, V.
        leak: slope of the curve above the clip, in [0, 1].
        dt: sampling time, s.
        noise: standard deviation of the measured voltage, V.
    """

    pass_band: float = 4400.0
    stop_band: float = 5000.0
    clip: float = 0.4
    knee: float = 0.05
    leak: float = 0.1
    dt: float = 1.0 / 51200.0
    noise: tuple[float, ...] = (2e-4,)

    input_names: ClassVar[tuple[str, ...]] = ("u",)
    output_names: ClassVar[tuple[str, ...]] = ("y",)
    state_names: ClassVar[tuple[str, ...]] = ("a1", "a2", "a3", "b1", "b2", "b3")
    units: ClassVar[Mapping[str, str]] = {"u": "V", "y": "V"}
    any_sign: ClassVar[frozenset[str]] = frozenset({"clip", "leak"})
    samples: ClassVar[int] = 4096
    u_nominal: ClassVar[tuple[float, ...]] = (0.0,)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_range("leak", 0.0, 1.0)

    @cached_property
    def filters(self) -> tuple[tuple[FloatArray, FloatArray, FloatArray], tuple[FloatArray, FloatArray, FloatArray]]:
        """(A, B, C) of both filters in 1/s: of shapes (3, 3), (3,) and (3,)."""
        w1, w2 = 2 * math.pi * self.pass_band, 2 * math.pi * self.stop_band
        first, second = _canonical(*cheb1ap(3, 0.5)), _canonical(*cheb2ap(3, 40.0))
        return (w1 * first[0], w1 * first[1], first[2]), (w2 * second[0], w2 * second[1], second[2])

    def diode(self, v: FloatArray) -> FloatArray:
        """w(v).

        Args:
            v: voltage at its input.
        """
        return v - (1 - self.leak) * self.knee * np.logaddexp(0.0, (v - self.clip) / self.knee)

    def diode_slope(self, v: float) -> float:
        """dw/dv = 1 - (1 - leak) / (1 + exp(-(v - clip) / knee)).

        Args:
            v: voltage at its input.
        """
        return float(1 - (1 - self.leak) * 0.5 * (1 + math.tanh((v - self.clip) / (2 * self.knee))))

    def rates(self, x: Sequence[float], u: Sequence[float]) -> Sequence[float]:
        """x' of the six states; both A have the canonical rows (0 1 0), (0 0 1), so only last rows are sums."""
        (row1, C1), (row2, _C2) = self._rows
        a1, a2, a3, b1, b2, b3 = x
        v = C1[0] * a1 + C1[1] * a2 + C1[2] * a3
        s = (v - self.clip) / self.knee
        soft = s + math.log1p(math.exp(-s)) if s > 0 else math.log1p(math.exp(s))
        w = v - (1 - self.leak) * self.knee * soft
        w1, w2 = 2 * math.pi * self.pass_band, 2 * math.pi * self.stop_band
        last1 = row1[0] * a1 + row1[1] * a2 + row1[2] * a3 + w1 * u[0]
        last2 = row2[0] * b1 + row2[1] * b2 + row2[2] * b3 + w2 * w
        return w1 * a2, w1 * a3, last1, w2 * b2, w2 * b3, last2

    @cached_property
    def _rows(self) -> list[tuple[list[float], list[float]]]:
        """Last row of A, and C, of both filters."""
        return [(A[2].tolist(), C.tolist()) for A, _B, C in self.filters]

    def output(self, x: FloatArray, u: FloatArray) -> FloatArray:
        """The voltage behind the second filter, V."""
        return x[..., 3:] @ self.filters[1][2][:, None]

    def rest(self, u: FloatArray) -> FloatArray:
        """Both filters at rest, the second under what the diode lets through."""
        (A1, B1, C1), (A2, B2, _C2) = self.filters
        first = np.linalg.solve(A1, -B1 * float(u[0]))
        return np.concatenate([first, np.linalg.solve(A2, -B2 * self.diode(C1 @ first))])

    def jacobians(self, x: FloatArray, u: FloatArray) -> Jacobians:
        """The diode counts with its slope."""
        (A1, B1, C1), (A2, B2, C2) = self.filters
        A = np.zeros((6, 6))
        A[:3, :3], A[3:, 3:] = A1, A2
        A[3:, :3] = self.diode_slope(float(C1 @ x[:3])) * np.outer(B2, C1)
        return A, np.r_[B1, np.zeros(3)][:, None], np.r_[np.zeros(3), C2][None, :], np.zeros((1, 1))

    def excitation(self, samples: int, seed: int | SeedSequence | Generator) -> FloatArray:
        """A random-phase multisine up to 10 kHz at the default rate, 0.64 V rms, as in the benchmark."""
        band = (0.0, 0.1953 / self.dt)
        return signals.multisine(max(samples, 64), self.dt, band=band, rms=0.64, seed=seed)[:samples, None]


def _canonical(zeros: Any, poles: Any, gain: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Controllable canonical form (A, B, C) of a strictly proper third-order filter given by zeros, poles and gain."""
    numerator, denominator = (np.real(np.atleast_1d(p)) for p in zpk2tf(zeros, poles, gain))
    A = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], -denominator[:0:-1]])
    C = np.zeros(3)
    C[: numerator.size] = numerator[::-1]
    return A, np.array([0.0, 0.0, 1.0]), C
