"""Time warps: where an instant of the past lies in the domain of a basis, and how a step moves it.

A warp has a geometry - the place psi(lag) of what happened `lag` ago, on the warp's own clock - and a clock: how far
delta >= 0 it advances in each sample. One step moves x to L(x) = psi(psi^-1(x) + delta), so steps add up.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from l2ssm.options import integer, positive


class Warp(ABC):
    """The place of the past in [0, end]; the present is at `place(0)`."""

    end: float = 1.0
    sign = 1.0  # -1 where the place grows with the lag
    affine = True  # L is affine on the whole domain: it maps polynomials to polynomials
    sheds_nothing = True  # L stays inside the domain
    stationary = True  # equal samples are equal steps

    @abstractmethod
    def place(self, lag: Tensor) -> Tensor:
        """psi(lag), lag >= 0 on the warp's clock.

        Args:
            lag: how long ago.
        """

    @abstractmethod
    def move(self, x: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
        """(L(x), |L'(x)|).

        Args:
            x: places.
            delta: steps on the warp's clock.
        """

    def kept(self, x: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
        """(x', dx'/dx): the domain mapped onto the part of it that a step leaves inside.

        Args:
            x: places.
            delta: steps on the warp's clock.
        """
        return x, torch.ones_like(x)

    def steps(self, count: int, step: float) -> Tensor:
        """delta (count,) of the samples 0, 1, ..., count - 1 of sample time `step`.

        Args:
            count: samples.
            step: sample time on the clock.
        """
        return torch.full((integer("count", count, 1),), positive("step", step), dtype=torch.float64)


class Dilation(Warp):
    """psi = exp(-lag): what is in memory shrinks towards 0, L(x) = r x with r = exp(-delta).

    Args:
        growth: W(t), increasing, with x = W(s) / W(t) for the instant s: the clock is ln W. None: W = exp(t).
    """

    def __init__(self, growth: Callable[[Tensor], Tensor] | None = None) -> None:
        self.growth, self.stationary = growth, growth is None

    def place(self, lag: Tensor) -> Tensor:
        """exp(-lag)."""
        return torch.exp(-lag)

    def move(self, x: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
        """r x, r."""
        r = torch.exp(-delta)
        return r * x, r.expand_as(r * x)

    def steps(self, count: int, step: float) -> Tensor:
        """ln W(t_{k+1}) - ln W(t_k) at t_k = k step; inf where W(t_k) = 0: nothing was known before."""
        if self.growth is None:
            return super().steps(count, step)
        W = self.growth(positive("step", step) * torch.arange(integer("count", count, 1) + 1, dtype=torch.float64))
        return torch.log(W[1:]) - torch.log(W[:-1])


class Window(Warp):
    """psi = 1 - lag on [0, 1]: a window of length 1 slides; what leaves it is lost."""

    affine = False
    sheds_nothing = False

    def place(self, lag: Tensor) -> Tensor:
        """1 - lag, 0 for all that is older."""
        return torch.clamp(1 - lag, min=0.0)

    def move(self, x: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
        """x - delta, 1."""
        return x - torch.clamp(delta, max=1.0), torch.ones_like(x)

    def kept(self, x: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
        """[delta, 1]."""
        left = torch.clamp(delta, max=1.0)
        return left + (1 - left) * x, (1 - left).expand_as(left * x)


class Shift(Warp):
    """psi = lag on [0, inf): L(x) = x + delta."""

    end = math.inf
    sign = -1.0

    def place(self, lag: Tensor) -> Tensor:
        """The lag itself."""
        return lag

    def move(self, x: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
        """x + delta, 1."""
        return x + delta, torch.ones_like(x + delta)


class Hyperbolic(Warp):
    """psi = 1 / (1 + lag): memory that fades like a power, L(x) = x / (1 + x delta)."""

    affine = False

    def place(self, lag: Tensor) -> Tensor:
        """1 / (1 + lag)."""
        return 1 / (1 + lag)

    def move(self, x: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
        """x / (1 + x delta), 1 / (1 + x delta)^2."""
        shrink = 1 / (1 + x * delta)
        return x * shrink, shrink**2


def power(exponent: float) -> Dilation:
    """W = t^exponent: recent samples weigh more for exponents above 1, old ones below.

    Args:
        exponent: > 0.
    """
    exponent = positive("exponent", exponent)
    return Dilation(lambda t: t**exponent)


WARPS: dict[str, Warp] = {
    "exponential": Dilation(),
    "linear": Dilation(lambda t: t),
    "log": Dilation(torch.log1p),
    "hyperbolic": Hyperbolic(),
    "window": Window(),
    "shift": Shift(),
}
