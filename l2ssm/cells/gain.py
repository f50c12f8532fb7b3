"""`BoundedCell`, and the gain it does not exceed: fixed, scheduled from outside, or learned."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor, nn

from l2ssm.cells.base import Cell
from l2ssm.errors import OptionError
from l2ssm.systems.state_space import StateSpace

LOG_LIMIT = 46.0  # a learned gain stays within 1e-20 .. 1e20


class PrescribedGain(nn.Module):
    """gamma > 0 as a float64 number, called for its value.

    A fixed gain is kept as the bits of a float64, which `.float()` cannot round; `prescribe` changes it between steps.
    A learned gain is exp(log_gamma), positive for every parameter value.

    Args:
        gamma: (initial) gain, finite and > 0.
        learned: whether it is a parameter.

    Raises:
        OptionError: gamma is not a finite number > 0.

    >>> PrescribedGain(0.1).float().value
    0.1
    """

    bits: Tensor

    def __init__(self, gamma: float, *, learned: bool = False) -> None:
        super().__init__()
        self.learned = learned
        if learned:
            self.log_gamma = nn.Parameter(torch.tensor(math.log(_checked(gamma))))
        else:
            self.register_buffer("bits", _bits(gamma))

    def forward(self) -> Tensor:
        """The gain, a float64 scalar."""
        if self.learned:
            return torch.exp(torch.clamp(self.log_gamma.double(), -LOG_LIMIT, LOG_LIMIT))
        return self.bits.view(torch.float64)

    @property
    def value(self) -> float:
        """The gain as a number."""
        return float(self().detach())

    @torch.no_grad()
    def prescribe(self, gamma: float) -> None:
        """Set the gain: the next call uses it.

        Raises:
            OptionError: gamma is not a finite number > 0.
        """
        if self.learned:
            self.log_gamma.fill_(math.log(_checked(gamma)))
        else:
            self.bits.copy_(_bits(gamma))


class BoundedCell(Cell):
    """A cell of gain at most gamma for every parameter value.

    Args:
        n_u, n_x, n_y: sizes, see `Cell`.
        initial_poles: (nu, theta), each (n_x,), see `stable.poles`.
        gamma: prescribed gain, > 0.
        learn_gamma: whether gamma is a parameter; it stays positive.
        through: initial direct term D = through * gamma * I, in [0, 1): the skip connection, inside the bound.
        generator: source of randomness.

    Raises:
        OptionError: a size, gamma or through out of range.
    """

    def __init__(
        self,
        n_u: int,
        n_x: int,
        n_y: int,
        *,
        initial_poles: tuple[Tensor, Tensor],
        gamma: float = 1.0,
        learn_gamma: bool = False,
        through: float = 0.6,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(n_u, n_x, n_y)
        self.gain = PrescribedGain(gamma, learned=learn_gamma)
        check_through(through)
        nu, theta = (v.double() for v in initial_poles)
        self.initialise(nu, theta, through, generator)

    @abstractmethod
    def initialise(self, nu: Tensor, theta: Tensor, through: float, generator: torch.Generator | None) -> None:
        """Make the parameters: poles near `stable.poles(nu, theta)`, small random B and C, D = through * gamma * I.

        Args:
            nu: (n_x,) logarithms of the decay of the poles.
            theta: (n_x,) phases of the poles.
            through: share of gamma that passes at once.
            generator: source of randomness.
        """

    @classmethod
    @abstractmethod
    def from_state_space(cls, G: StateSpace, gamma: float, *, n_x: int | None = None) -> BoundedCell:
        """A float64 cell that is G, exactly up to rounding.

        Args:
            G: a system that the class contains.
            gamma: prescribed gain, above that of G.
            n_x: complex states, default as many as are needed; unused ones fill the rest.

        Raises:
            OptionError: gamma is not a finite number > 0.
            RealizationError: the class does not contain G at this gamma, or n_x is too small; the message says why.
        """

    @property
    def gamma(self) -> float:
        """The prescribed gain."""
        return self.gain.value


def check_through(through: float) -> None:
    """OptionError unless it is a part of gamma that a direct term can take."""
    if not (isinstance(through, (int, float)) and 0 <= through < 1):
        raise OptionError(f"through is {through!r}, expected a number in [0, 1): the part of gamma that D takes")


def geometric_schedule(start: float, end: float, steps: int) -> list[float]:
    """`steps` gains from `start` to `end` by a constant factor, for `prescribe`; the last one is exactly `end`.

    >>> geometric_schedule(8.0, 2.0, 3)
    [8.0, 4.0, 2.0]

    Raises:
        OptionError: a gain that is not a finite number > 0, or fewer than 1 step.
    """
    if not (isinstance(steps, int) and steps >= 1):
        raise OptionError(f"steps is {steps!r}, expected an integer >= 1")
    ratio = _checked(end) / _checked(start)
    return [start * ratio ** (k / (steps - 1)) for k in range(steps - 1)] + [float(end)]


def _checked(gamma: float) -> float:
    if not (isinstance(gamma, (int, float)) and math.isfinite(gamma) and gamma > 0):
        raise OptionError(f"gamma is {gamma!r}, expected a finite gain > 0")
    return float(gamma)


def _bits(gamma: float) -> Tensor:
    return torch.tensor(_checked(gamma), dtype=torch.float64).view(torch.int64)
