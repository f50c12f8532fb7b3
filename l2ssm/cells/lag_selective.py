"""The lag-operator cell with steps that depend on the input: how much of the past to forget is decided every sample.

Its memories contract for every sequence of steps, so that their gain is bounded by the bounds of the steps alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from l2ssm.cells.base import check_options, options_of
from l2ssm.cells.lag import STEP, Lag, memory_step
from l2ssm.cells.selective import SelectiveCell
from l2ssm.errors import OptionError
from l2ssm.parametrizations.history_basis import Jacobi
from l2ssm.parametrizations.warp import Dilation
from l2ssm.systems.layer import Layer
from l2ssm.systems.legendre_core import LegendreCore
from l2ssm.systems.selective import Selective


class SelectiveLag(SelectiveCell):
    """c[k+1] = A(delta[k]) c[k] + b(delta[k]) W u[k], y = C c + D u, delta[k] = exp(log_step + S u[k]).

    With |A c + b v|^2 <= rho |c|^2 + (1 - rho) v^2 at every step ("legendre" with "exponential"), |c_h[k]| never
    exceeds the largest |v_h| so far, and sum |c_h|^2 <= beta / alpha sum v_h^2 where all 1 - rho are in [alpha, beta].

    Args:
        n_u, n_x, n_y: sizes, see `Cell`.
        step_min, step_max: bounds of delta; 1 - exp(-step_min) is the alpha above.
        generator: source of randomness; S starts small.
        options: keyword-only options of `Lag`.

    Raises:
        OptionError: as `Lag`.
    """

    def __init__(
        self,
        n_u: int,
        n_x: int,
        n_y: int,
        *,
        step_min: float = STEP[0],
        step_max: float = STEP[1],
        generator: torch.Generator | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        if not STEP[0] <= step_min <= step_max <= STEP[1]:
            raise OptionError(f"step_min, step_max are {step_min}, {step_max}, expected {STEP[0]} <= ... <= {STEP[1]}")
        self.n_u, self.n_x, self.n_y, self.bounds = n_u, n_x, n_y, (step_min, step_max)
        self.lag = Lag(n_u, n_x, n_y, generator=generator, **options)
        self.S = nn.Parameter(0.1 * n_u**-0.5 * torch.randn(self.lag.memories, n_u, generator=generator))

    def steps(self, u: Tensor) -> Tensor:
        """delta (batch, time, memories), float64, > 0.

        Args:
            u: (batch, time, n_u) inputs.
        """
        return torch.clamp(memory_step(self.lag.log_step + u @ self.S.mT), *self.bounds)

    @classmethod
    def start(
        cls, n_u: int, n_x: int, n_y: int, *, slowest: float, generator: torch.Generator | None = None, **options: Any
    ) -> SelectiveLag:
        """See `Cell.start`."""
        check_options(cls, options, *options_of(Lag))
        return cls(n_u, n_x, n_y, slowest=slowest, generator=generator, **options)

    def forward(self, u: Tensor, x0: Tensor | None = None, resets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `SelectiveCell.forward`; it has no resets."""
        if resets is not None:
            raise OptionError("SelectiveLag cannot be reset within a run")
        c = self.states(u, x0)
        seen = c[:, :-1] if self.lag.readout == "pre" else c[:, 1:]
        end = c[:, -1].unflatten(1, (self.lag.n_x, 2)).contiguous()
        return seen @ self.lag.C.mT + u @ self.lag.D.mT, torch.view_as_complex(end)

    def stepper(self) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """See `SelectiveCell.stepper`."""

        def update(u: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
            y, end = self.forward(u[:, None], x)
            return y[:, 0], end

        return update

    @torch.no_grad()
    def frozen(self) -> Layer:
        """See `SelectiveCell.frozen`.

        Raises:
            OptionError: another basis or warp than "legendre" and "exponential", or the read-out "post".
        """
        lag = self.lag
        legendre = isinstance(lag.operator.basis, Jacobi) and lag.operator.basis.uniform
        if not (legendre and isinstance(lag.operator.warp, Dilation) and lag.readout == "pre"):
            raise OptionError("only basis 'legendre' with warp 'exponential' and readout 'pre' can be frozen")
        low, high, order = (np.full(lag.memories, float(v)) for v in (*self.bounds, lag.order))
        numbers = (v.double().cpu().numpy() for v in (self.S, lag.log_step, lag.W, lag.C, lag.D))
        S, s, W, C, D = numbers
        return Selective(LegendreCore(low, high, order), S, s, W, C, D)

    def states(self, u: Tensor, x0: Tensor | None = None) -> Tensor:
        """c (batch, time + 1, 2 n_x), before the first and after every sample.

        Args:
            u: (batch, time, n_u) inputs.
            x0: (batch, n_x) complex state; zero if None.
        """
        A, b = (M.to(u.dtype) for M in self.lag.operator.transition(self.steps(u)))
        drive = b * (u @ self.lag.W.mT)[..., None]
        c = drive.new_zeros((u.shape[0], *drive.shape[2:]))
        if x0 is not None:
            c = torch.view_as_real(x0.resolve_conj()).flatten(1).view_as(c)
        states = [c]
        for A_k, drive_k in zip(A.unbind(1), drive.unbind(1), strict=True):
            states.append((A_k @ states[-1][..., None])[..., 0] + drive_k)
        return torch.stack(states, dim=1).flatten(2)
