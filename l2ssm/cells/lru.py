"""The linear recurrent unit: poles stable by construction, gain free.

Source: Orvieto et al., "Resurrecting Recurrent Neural Networks for Long Sequences" (2023). The input normalisation is
the exact sqrt(1 - |lam|^2) of the current poles rather than a learned copy of its initial value.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from l2ssm.cells.base import DiagonalCell, complex_parameter
from l2ssm.parametrizations.lti import LTI
from l2ssm.parametrizations.stable import poles, unit_variance_scale


class LRU(DiagonalCell):
    """lam = exp(-exp(nu) + j theta), y = Re(C x) + D u, no bound on the gain.

    Args:
        n_u, n_x, n_y: sizes, see `DiagonalCell`.
        initial_poles: (nu, theta), each (n_x,), from `stable.ring` or `stable.time_constants`.
        generator: source of randomness for B and C; D starts at zero.
    """

    def __init__(
        self,
        n_u: int,
        n_x: int,
        n_y: int,
        *,
        initial_poles: tuple[Tensor, Tensor],
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(n_u, n_x, n_y)
        self.nu, self.theta = (nn.Parameter(v.float()) for v in initial_poles)
        self.B_ri = complex_parameter(n_x, n_u, std=n_u**-0.5, generator=generator)
        self.C_ri = complex_parameter(n_y, n_x, std=n_x**-0.5, generator=generator)
        self.D = nn.Parameter(torch.zeros(n_y, n_u))

    def system(self) -> LTI:
        """The map theta -> (lam, B, C, D)."""
        B, C = torch.view_as_complex(self.B_ri), torch.view_as_complex(self.C_ri)
        return LTI(poles(self.nu, self.theta), unit_variance_scale(self.nu)[:, None] * B, C, self.D)
