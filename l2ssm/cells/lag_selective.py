"""The lag-operator cell with steps that depend on the input: how much of the past to forget is decided every sample.

Not a linear system, so not a row of `CELLS`; its memories contract for every sequence of steps all the same.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from l2ssm.cells.lag import Lag, memory_step


class SelectiveLag(nn.Module):
    """c[k+1] = A(delta[k]) c[k] + b(delta[k]) W u[k], y = C c + D u, delta[k] = exp(log_step + S u[k]).

    With |A c + b v|^2 <= rho |c|^2 + (1 - rho) v^2 at every step ("legendre" with "exponential"), |c_h[k]| never
    exceeds the largest |v_h| so far, and sum |c_h|^2 <= beta / alpha sum v_h^2 where all 1 - rho are in [alpha, beta].

    Args:
        n_u, n_x, n_y: sizes, see `Cell`.
        generator: source of randomness; S starts small.
        options: keyword-only options of `Lag`.

    Raises:
        OptionError: as `Lag`.
    """

    def __init__(
        self, n_u: int, n_x: int, n_y: int, *, generator: torch.Generator | None = None, **options: Any
    ) -> None:
        super().__init__()
        self.lag = Lag(n_u, n_x, n_y, generator=generator, **options)
        self.S = nn.Parameter(0.1 * n_u**-0.5 * torch.randn(self.lag.memories, n_u, generator=generator))

    def steps(self, u: Tensor) -> Tensor:
        """delta (batch, time, memories), float64, > 0."""
        return memory_step(self.lag.log_step + u @ self.S.mT)

    def forward(self, u: Tensor, x0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(y (batch, time, n_y), x_end (batch, n_x) complex) of u (batch, time, n_u) from x0 (batch, n_x) complex."""
        c = self.states(u, x0)
        seen = c[:, :-1] if self.lag.readout == "pre" else c[:, 1:]
        end = c[:, -1].unflatten(1, (self.lag.n_x, 2)).contiguous()
        return seen @ self.lag.C.mT + u @ self.lag.D.mT, torch.view_as_complex(end)

    def states(self, u: Tensor, x0: Tensor | None = None) -> Tensor:
        """c (batch, time + 1, 2 n_x), before the first and after every sample."""
        A, b = (M.to(u.dtype) for M in self.lag.operator.transition(self.steps(u)))
        drive = b * (u @ self.lag.W.mT)[..., None]
        c = drive.new_zeros((u.shape[0], *drive.shape[2:]))
        if x0 is not None:
            c = torch.view_as_real(x0.resolve_conj()).flatten(1).view_as(c)
        states = [c]
        for A_k, drive_k in zip(A.unbind(1), drive.unbind(1), strict=True):
            states.append((A_k @ states[-1][..., None])[..., 0] + drive_k)
        return torch.stack(states, dim=1).flatten(2)
