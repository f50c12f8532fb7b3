"""Orthonormal functions on which the past of a signal is projected: int g_m g_n w dx = [m = n], each with its integral.

All are computed by three-term recurrences, differentiable in x, float64.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from scipy.special import roots_jacobi, roots_laguerre
from torch import Tensor

from l2ssm.errors import OptionError
from l2ssm.options import integer
from l2ssm.systems.memory import GramMemory

LAGUERRE_MAX = 160
ALPHA_MAX = 1000.0


class Basis(ABC):
    """g_0, ..., g_{n-1}, orthonormal under the weight w on [0, 1] or [0, inf).

    Args:
        n: number of functions.
    """

    end: float = 1.0  # of the domain [0, end]
    polynomial = True
    uniform = True  # w = 1

    def __init__(self, n: int) -> None:
        self.n = integer("order", n, 1)

    @abstractmethod
    def evaluate(self, x: Tensor) -> Tensor:
        """g(x), (..., n) at x (...).

        Args:
            x: places in the domain.
        """

    @abstractmethod
    def integral(self, x: Tensor) -> Tensor:
        """G(x) = int_0^x g w dx, (..., n).

        Args:
            x: upper limits.
        """

    def weight_ratio(self, y: Tensor, x: Tensor) -> Tensor:
        """w(y) / w(x).

        Args:
            y: places after a step.
            x: places before it.
        """
        return torch.ones_like(y)

    def mass(self, x: Tensor) -> Tensor:
        """int_0^x w dx.

        Args:
            x: upper limits.
        """
        return x

    @abstractmethod
    def nodes(self, count: int) -> tuple[Tensor, Tensor]:
        """(x, omega) of a rule: sum omega f(x) = int f w dx over the domain, for f = g_m g_n exact if count >= n.

        Args:
            count: number of nodes.
        """


class Jacobi(Basis):
    """Polynomials under w = x^alpha on [0, 1]: sqrt(2n + alpha + 1) P_n^(0, alpha)(2x - 1).

    Args:
        n: number of polynomials.
        alpha: in [0, 1000]; 0 are the Legendre polynomials.

    Raises:
        OptionError: alpha out of range.
    """

    def __init__(self, n: int, alpha: float = 0.0) -> None:
        super().__init__(n)
        if not 0 <= alpha <= ALPHA_MAX:
            raise OptionError(f"alpha is {alpha!r}, expected a number in [0, {ALPHA_MAX:g}]")
        self.alpha, self.uniform = float(alpha), alpha == 0

    def evaluate(self, x: Tensor) -> Tensor:
        """sqrt(2n + alpha + 1) P_n^(0, alpha)(2x - 1)."""
        return self._norm(x) * _jacobi(0.0, self.alpha, self.n, 2 * x - 1)

    def integral(self, x: Tensor) -> Tensor:
        """-sqrt(2n + alpha + 1) / n (1 - x) x^(alpha + 1) P_{n-1}^(1, alpha + 1)(2x - 1), by Rodrigues' formula."""
        power, norm = (x ** (self.alpha + 1))[..., None], self._norm(x)
        first = power / norm[0]
        if self.n == 1:
            return first
        scale = -norm[1:] / torch.arange(1, self.n, device=x.device)
        rest = scale * (1 - x)[..., None] * power * _jacobi(1.0, self.alpha + 1, self.n - 1, 2 * x - 1)
        return torch.cat([first, rest], dim=-1)

    def _norm(self, x: Tensor) -> Tensor:
        return torch.sqrt(2 * torch.arange(self.n, dtype=torch.float64, device=x.device) + self.alpha + 1)

    def weight_ratio(self, y: Tensor, x: Tensor) -> Tensor:
        """(y / x)^alpha."""
        return torch.ones_like(y) if self.uniform else (y / x) ** self.alpha

    def mass(self, x: Tensor) -> Tensor:
        """x^(alpha + 1) / (alpha + 1)."""
        return x ** (self.alpha + 1) / (self.alpha + 1)

    def nodes(self, count: int) -> tuple[Tensor, Tensor]:
        """Gauss-Jacobi."""
        t, omega = roots_jacobi(count, 0.0, self.alpha)
        return (torch.tensor(t) + 1) / 2, torch.tensor(omega) / 2 ** (self.alpha + 1)


class Laguerre(Basis):
    """exp(-tilt x) L_n(x) under w = exp(-(1 - 2 tilt) x) on [0, inf).

    Args:
        n: number of functions, at most 160: the weights of more nodes underflow.
        tilt: in [0, 1/2].

    Raises:
        OptionError: n or tilt out of range.
    """

    end = math.inf

    def __init__(self, n: int, tilt: float = 0.0) -> None:
        super().__init__(n)
        if n > LAGUERRE_MAX:
            raise OptionError(f"order is {n}, expected at most {LAGUERRE_MAX} Laguerre functions")
        if not 0 <= tilt <= 0.5:
            raise OptionError(f"tilt is {tilt!r}, expected a number in [0, 0.5]")
        self.tilt, self.uniform = float(tilt), tilt == 0.5

    def evaluate(self, x: Tensor) -> Tensor:
        """exp(-tilt x) L_n(x)."""
        return torch.exp(-self.tilt * x)[..., None] * _laguerre(self.n, x)

    def integral(self, x: Tensor) -> Tensor:
        """I_n(0) - I_n(x) with the integrals I_n from x to infinity."""
        return self._tail(torch.zeros_like(x)) - self._tail(x)

    def _tail(self, x: Tensor) -> Tensor:
        """I_n = int_x^inf e^(-sy) L_n dy = (1 - 1/s) I_{n-1} + e^(-sx) (L_n - L_{n-1}) / s, s = 1 - tilt (by parts)."""
        s = 1 - self.tilt
        decay, L = torch.exp(-s * x), _laguerre(self.n, x)
        tail = [decay / s]
        for n in range(1, self.n):
            tail.append((1 - 1 / s) * tail[-1] + decay * (L[..., n] - L[..., n - 1]) / s)
        return torch.stack(tail, dim=-1)

    def weight_ratio(self, y: Tensor, x: Tensor) -> Tensor:
        """exp(-(1 - 2 tilt) (y - x))."""
        return torch.exp(-(1 - 2 * self.tilt) * (y - x))

    def mass(self, x: Tensor) -> Tensor:
        """(1 - exp(-(1 - 2 tilt) x)) / (1 - 2 tilt), x at tilt 1/2."""
        rate = 1 - 2 * self.tilt
        return -torch.expm1(-rate * x) / rate if rate else x

    def nodes(self, count: int) -> tuple[Tensor, Tensor]:
        """Gauss-Laguerre; its factor exp(-x) is the product of two functions and the weight."""
        x, omega = (torch.tensor(v) for v in roots_laguerre(count))
        return x, omega * torch.exp(2 * self.tilt * x)


class Fourier(Basis):
    """1, sqrt2 cos 2 pi x, sqrt2 sin 2 pi x, sqrt2 cos 4 pi x, ... under w = 1 on [0, 1]."""

    polynomial = False

    def evaluate(self, x: Tensor) -> Tensor:
        """1, then cosine and sine of each frequency."""
        angle, amplitude = self._angle(x), 2**0.5
        waves = torch.stack([amplitude * torch.cos(angle), amplitude * torch.sin(angle)], dim=-1).flatten(-2)
        return torch.cat([torch.ones_like(x)[..., None], waves], dim=-1)[..., : self.n]

    def integral(self, x: Tensor) -> Tensor:
        """x, then sqrt2 sin / (2 pi k) and sqrt2 (1 - cos) / (2 pi k)."""
        angle = self._angle(x)
        amplitude = 2**0.5 / (2 * math.pi * self._frequency(x))
        waves = torch.stack([amplitude * torch.sin(angle), amplitude * (1 - torch.cos(angle))], dim=-1).flatten(-2)
        return torch.cat([x[..., None], waves], dim=-1)[..., : self.n]

    def nodes(self, count: int) -> tuple[Tensor, Tensor]:
        """Gauss-Legendre."""
        return Jacobi(1).nodes(count)

    def _frequency(self, x: Tensor) -> Tensor:
        return torch.arange(1, self.n // 2 + 1, dtype=torch.float64, device=x.device)

    def _angle(self, x: Tensor) -> Tensor:
        return 2 * math.pi * x[..., None] * self._frequency(x)


class Gram(Basis):
    """Discrete Legendre polynomials of `count` samples, as steps: g_n(x) = p_n(j) for j < count x <= j + 1, w = 1.

    Coefficients of a held signal are those of the least-squares fit to its samples. The functions change with their
    number, so they belong to the warp "linear".

    Args:
        n: number of functions; those from `count` on are 0.
        count: samples.
    """

    def __init__(self, n: int, count: int = 1) -> None:
        super().__init__(n)
        self.count = integer("count", count, 1)
        self._values = torch.tensor(GramMemory(n).polynomials(count))

    def around(self, delta: float) -> tuple[Gram, Gram]:
        """The functions before and after the step delta = ln((k + 1) / k) from k to k + 1 samples.

        Args:
            delta: step, ln of the numbers of samples after and before it.

        Raises:
            OptionError: delta is no such step.
        """
        count = -1 / math.expm1(-delta)
        if abs(count - round(count)) > 1e-6:
            raise OptionError(f"step {delta!r} is not ln((k + 1) / k) of k samples; the warp 'linear' has these steps")
        return Gram(self.n, max(round(count) - 1, 1)), Gram(self.n, round(count))

    def evaluate(self, x: Tensor) -> Tensor:
        """p_n of the sample that covers x."""
        return self._values.to(x.device)[self._sample(x)]

    def integral(self, x: Tensor) -> Tensor:
        """Linear between the sums over the first samples, divided by their number."""
        values, j = self._values.to(x.device), self._sample(x)
        return (torch.cumsum(values, 0)[j] + (x * self.count - j - 1)[..., None] * values[j]) / self.count

    def nodes(self, count: int) -> tuple[Tensor, Tensor]:
        """The middle of every sample."""
        x = (torch.arange(self.count, dtype=torch.float64) + 0.5) / self.count
        return x, torch.full_like(x, 1 / self.count)

    def _sample(self, x: Tensor) -> Tensor:
        return torch.clamp((x * self.count).long(), max=self.count - 1)


BASES: dict[str, type[Basis]] = {"legendre": Jacobi, "jacobi": Jacobi, "laguerre": Laguerre, "fourier": Fourier}
SHAPED = ("jacobi", "laguerre")  # bases with a shape: alpha, tilt


def named_basis(name: str, n: int, shape: float | None = None) -> Basis:
    """The first n functions of a basis of `BASES`.

    Args:
        name: "legendre", "jacobi", "laguerre" or "fourier".
        n: number of functions.
        shape: alpha of "jacobi", tilt of "laguerre", default 0.

    Raises:
        OptionError: an unknown name, or a shape of a basis that has none.
    """
    if name not in BASES:
        raise OptionError(f"unknown basis {name!r}; known: {', '.join(BASES)}")
    if shape is None:
        return BASES[name](n)
    if name not in SHAPED:
        raise OptionError(f"basis {name!r} has no shape, got {shape!r}; those with one: {', '.join(SHAPED)}")
    return BASES[name](n, shape)  # type: ignore[call-arg]


def _jacobi(a: float, b: float, n: int, t: Tensor) -> Tensor:
    """P_0^(a, b)(t), ..., P_{n-1}^(a, b)(t) along a new last axis."""
    P = [torch.ones_like(t), a + 1 + (a + b + 2) * (t - 1) / 2]
    for k in range(2, n):
        c = 2 * k + a + b
        up = (c - 1) * (c * (c - 2) * t + a * a - b * b) * P[-1] - 2 * (k + a - 1) * (k + b - 1) * c * P[-2]
        P.append(up / (2 * k * (k + a + b) * (c - 2)))
    return torch.stack(P[:n], dim=-1)


def _laguerre(n: int, x: Tensor) -> Tensor:
    """L_0(x), ..., L_{n-1}(x) along a new last axis."""
    L = [torch.ones_like(x), 1 - x]
    for k in range(2, n):
        L.append(((2 * k - 1 - x) * L[-1] - (k - 1) * L[-2]) / k)
    return torch.stack(L[:n], dim=-1)
