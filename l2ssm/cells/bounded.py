"""The certified cell: a complete parametrization of the diagonal systems with gain at most gamma."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from l2ssm.cells.base import DiagonalCell, complex_parameter
from l2ssm.errors import OptionError
from l2ssm.parametrizations.bounded_diagonal import bounded_diagonal
from l2ssm.parametrizations.lti import LTI


class Bounded(DiagonalCell):
    """||G||_inf <= gamma for every parameter value; see `parametrizations.bounded_diagonal`.

    Args:
        n_u, n_x, n_y: sizes, see `DiagonalCell`.
        initial_poles: (nu, theta), each (n_x,).
        gamma: prescribed gain, > 0.
        through: initial direct term D = through * gamma * I: the skip connection, inside the bound.
        generator: source of randomness.

    Raises:
        OptionError: gamma is not a finite number > 0.
    """

    def __init__(
        self,
        n_u: int,
        n_x: int,
        n_y: int,
        *,
        initial_poles: tuple[Tensor, Tensor],
        gamma: float = 1.0,
        through: float = 0.7,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(n_u, n_x, n_y)
        if not (math.isfinite(gamma) and gamma > 0):
            raise OptionError(f"gamma is {gamma}, expected a finite gain > 0")
        self.gamma = float(gamma)
        self.nu, self.theta = (nn.Parameter(v.float()) for v in initial_poles)
        scale = 0.15 * (n_x * max(n_u, n_y)) ** -0.25
        self.B_ri = complex_parameter(n_x, n_u, std=scale, generator=generator)
        self.C_ri = complex_parameter(n_y, n_x, std=scale, generator=generator)
        self.C2_ri = complex_parameter(min(n_u, n_y), n_x, std=scale, generator=generator)
        self.D = nn.Parameter(through * torch.eye(n_y, n_u))
        self.log_pd = nn.Parameter(torch.full((n_x,), math.log(0.05)))

    def system(self) -> LTI:
        """The map theta -> (lam, B, C, D), evaluated in float64 whatever the dtype of the parameters."""
        B, C, C2 = (torch.view_as_complex(v.double()) for v in (self.B_ri, self.C_ri, self.C2_ri))
        lti = bounded_diagonal(
            self.nu.double(), self.theta.double(), B, C, C2, self.D.double(), self.log_pd.double(), self.gamma
        )
        dtype = self.D.dtype
        return LTI(*(v.to(dtype if not v.is_complex() else dtype.to_complex()) for v in lti))
