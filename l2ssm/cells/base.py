"""`DiagonalCell`: a layer that is a linear time-invariant system with diagonal complex A, trained through the scan."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from l2ssm.errors import OptionError, RealizationError
from l2ssm.parametrizations.lti import LTI
from l2ssm.scan import lti_scan
from l2ssm.systems.state_space import StateSpace


class DiagonalCell(nn.Module, ABC):
    """y = G u with x[k+1] = lam x[k] + B u[k], y[k] = Re(C x[k]) + D u[k]; subclasses own the parameters of G.

    Args:
        n_u: inputs.
        n_x: complex states (2 n_x real ones).
        n_y: outputs.

    Raises:
        OptionError: a size that is not a positive integer.
    """

    def __init__(self, n_u: int, n_x: int, n_y: int) -> None:
        super().__init__()
        for name, size in (("n_u", n_u), ("n_x", n_x), ("n_y", n_y)):
            if not (isinstance(size, int) and size > 0):
                raise OptionError(f"{name} is {size!r}, expected an integer >= 1")
        self.n_u, self.n_x, self.n_y = n_u, n_x, n_y

    @abstractmethod
    def system(self) -> LTI:
        """The numbers (lam, B, C, D) that `forward` uses, in the dtype of the parameters."""

    def forward(self, u: Tensor, x0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(y (batch, time, n_y), x_end (batch, n_x) complex) of u (batch, time, n_u) from x0 (batch, n_x) complex."""
        lam, B, C, D = self.system()
        return lti_scan(u, lam, B, C, D, x0)

    @torch.no_grad()
    def realization(self, dt: float = 1.0) -> StateSpace:
        """The system as explicit float64 numbers, real states (Re x_1, Im x_1, Re x_2, ...).

        Raises:
            RealizationError: a parameter is NaN or infinite.
        """
        lam, B, C, D = (t.cpu().numpy() for t in copy.deepcopy(self).double().system())
        try:
            return StateSpace.from_modes(lam, B, C, D, dt)
        except RealizationError as error:
            raise RealizationError(f"{type(self).__name__} has no finite realization: {error}") from None


def complex_parameter(*shape: int, std: float, generator: torch.Generator | None = None) -> nn.Parameter:
    """A complex matrix as a real (..., 2) parameter, E |entry|^2 = std^2."""
    return nn.Parameter(torch.randn(*shape, 2, generator=generator) * (std * 0.5**0.5))
