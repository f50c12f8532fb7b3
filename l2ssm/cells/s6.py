"""S6, the selective layer of Mamba: steps, input and output maps depend on the input; one diagonal system a channel.

Source: Gu and Dao, "Mamba: linear-time sequence modeling with selective state spaces" (2023), algorithm 2.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from l2ssm.cells.base import check_options
from l2ssm.cells.selective import DiagonalSelective
from l2ssm.errors import OptionError
from l2ssm.options import integer
from l2ssm.parametrizations.sampling import LOG_DECAY, check_choice
from l2ssm.parametrizations.selective import INPUT_RULES, s6_coefficients, step_bias
from l2ssm.systems.layer import Layer
from l2ssm.systems.s6_core import S6Core
from l2ssm.systems.selective import Selective

FIELDS = ("real", "complex")
SPREAD = 100.0  # of the initial steps, longest over shortest


class S6(DiagonalSelective):
    """Channel d: x_d+ = exp(step_d A_d) x_d + step_d B u_d, y_d = C x_d+ + D_d u_d; step, B, C of all channels of u.

    step = softplus(W_step W_low u + b), B = W_B u, C = W_C u; B and C are shared by the channels. Every channel reads
    the state after the sample, as in the reference.

    Args:
        n_u, n_x, n_y: channels, states of *each* channel, channels again.
        rank: of the map that makes the steps; default ceil(n_u / 16).
        input_rule: "euler": step B, as the reference code; "zoh": A^-1 (exp(step A) - 1) B, as the paper.
        field: "real": A = -(1, ..., n_x); "complex": A = -1/2 + j pi (0, ..., n_x - 1), y = 2 Re(C x) + D u.
        step_min, step_max: range of the initial steps, log-uniform.
        generator: source of randomness.

    Raises:
        OptionError: n_u differs from n_y, or an option out of range.
    """

    def __init__(
        self,
        n_u: int,
        n_x: int,
        n_y: int,
        *,
        rank: int | None = None,
        input_rule: str = "euler",
        field: str = "real",
        step_min: float = 1e-3,
        step_max: float = 1e-1,
        generator: torch.Generator | None = None,
    ) -> None:
        if n_u != n_y:
            raise OptionError(f"S6 is a bank of channels: n_u = {n_u} inputs need as many outputs, not n_y = {n_y}")
        self.field = check_choice("field", field, FIELDS)
        super().__init__(n_u, n_y, states=n_u * integer("n_x", n_x, 1), real=field == "real")
        self.input_rule = check_choice("input_rule", input_rule, INPUT_RULES)
        self.per_channel = n_x
        rank = integer("rank", math.ceil(n_u / 16) if rank is None else rank, 1)
        columns = n_x if self.real else 2 * n_x
        decay = torch.arange(1.0, n_x + 1) if self.real else torch.full((n_x,), 0.5)
        self.log_decay = nn.Parameter(torch.log(decay).repeat(n_u, 1))
        if not self.real:
            self.frequency = nn.Parameter((math.pi * torch.arange(n_x)).repeat(n_u, 1))

        def uniform(rows: int, columns: int, bound: float) -> nn.Parameter:
            return nn.Parameter((2 * torch.rand(rows, columns, generator=generator) - 1) * bound)

        self.W_low = uniform(rank, n_u, n_u**-0.5)
        self.W_step = uniform(n_u, rank, rank**-0.5)
        self.W_B, self.W_C = uniform(columns, n_u, n_u**-0.5), uniform(columns, n_u, n_u**-0.5)
        bias = step_bias(n_u, shortest=step_min, longest=step_max, generator=generator)
        self.step_bias = nn.Parameter(bias.float())
        self.D = nn.Parameter(torch.ones(n_u))

    @classmethod
    def start(
        cls, n_u: int, n_x: int, n_y: int, *, slowest: float, generator: torch.Generator | None = None, **options: Any
    ) -> S6:
        """See `Cell.start`: the step of the slowest channel is 1 / slowest."""
        check_options(cls, options)
        least = 1 / max(slowest, 4.0)
        steps = {"step_min": least, "step_max": min(SPREAD * least, 0.5)} | options
        return cls(n_u, n_x, n_y, generator=generator, **steps)

    def A(self) -> Tensor:
        """(n_u, states a channel), real or complex, in at least float32."""
        decay = -torch.exp(torch.clamp(self.log_decay, *LOG_DECAY))
        return decay if self.real else torch.complex(decay, self.frequency)

    def coefficients(self, u: Tensor, resets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `DiagonalSelective.coefficients`."""
        step = functional.softplus(u @ self.W_low.mT @ self.W_step.mT + self.step_bias)
        a, b = s6_coefficients(step, self.A(), self._vector(u @ self.W_B.mT)[..., None, :], u, self.input_rule)
        if resets is not None:
            a = torch.where(resets[..., None, None], torch.zeros_like(a), a)
        return a.flatten(2), b.flatten(2)

    def read(self, u: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """See `DiagonalSelective.read`."""
        C = self._vector(u @ self.W_C.mT)
        y = torch.einsum("btdn,btn->btd", after.unflatten(2, (self.n_u, self.per_channel)), C)
        return (y if self.real else 2 * y.real) + self.D * u

    def _vector(self, v: Tensor) -> Tensor:
        return v if self.real else torch.complex(*v.chunk(2, dim=-1))

    @torch.no_grad()
    def frozen(self) -> Layer:
        """See `SelectiveCell.frozen`."""
        names = ("W_low", "W_step", "W_B", "W_C", "step_bias", "D")
        W_low, W_step, W_B, W_C, bias, D = (getattr(self, k).double().cpu() for k in names)
        A = torch.view_as_real(self.A().to(torch.complex128)).cpu()
        steer = torch.cat([W_step @ W_low, W_B, W_C])
        offset = torch.cat([bias, torch.zeros(len(W_B) + len(W_C), dtype=torch.float64)])
        core = S6Core(A[..., 0].numpy(), A[..., 1].numpy(), self.input_rule, self.field)
        eye = torch.eye(self.n_u, dtype=torch.float64)
        return Selective(core, *(M.numpy() for M in (steer, offset, eye, eye, torch.diag(D))))
