"""A causal convolution of every channel with its own few taps; the last inputs are its state."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from l2ssm.cells.selective import complex_states, real_states
from l2ssm.options import integer
from l2ssm.systems.layer import Layer
from l2ssm.systems.layers import Affine, Dynamic
from l2ssm.systems.state_space import StateSpace


class CausalConv(nn.Module):
    """y[k] = sum_j taps[j] u[k - j] + bias, elementwise; taps[0] is the current one.

    Args:
        channels: inputs and outputs.
        width: taps.
        bias: whether there is one.
        std: of the initial taps; default 1 / sqrt(width).
        generator: source of randomness.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        bias: bool = True,
        std: float | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.width = integer("channels", channels, 1), integer("width", width, 1)
        std = width**-0.5 if std is None else std
        self.taps = nn.Parameter(std * torch.randn(width, channels, generator=generator))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None

    @property
    def n_x(self) -> int:
        """Complex states: the last width - 1 inputs, in pairs."""
        return ((self.width - 1) * self.channels + 1) // 2

    def forward(self, u: Tensor, x0: Tensor | None = None, resets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(y, state) of u (batch, time, channels) from x0 (batch, n_x) complex.

        Args:
            u: inputs.
            x0: the inputs before, the latest first; zero if None.
            resets: (batch, time) booleans, true where a new record begins: what was before it does not count.
        """
        past, time = self.width - 1, u.shape[1]
        before = u.new_zeros(u.shape[0], past, self.channels)
        if x0 is not None:
            before = real_states(x0)[:, : past * self.channels].unflatten(1, (past, -1)).flip(1)
        seen = torch.cat([before, u], dim=1)
        y = u * self.taps[0]
        for j in range(1, self.width):
            tap = seen[:, past - j : past - j + time] * self.taps[j]
            y = y + (tap if resets is None else tap * _same_record(resets, j))
        end = complex_states(seen[:, time:].flip(1).flatten(1))
        return (y if self.bias is None else y + self.bias), end

    @torch.no_grad()
    def frozen(self, dt: float) -> list[Layer]:
        """A shift register, and the bias."""
        taps, n = self.taps.double().cpu().numpy(), self.channels
        held, states = (self.width - 1) * n, 2 * self.n_x
        A, B, C = np.zeros((states, states)), np.zeros((states, n)), np.zeros((n, states))
        A[n:held, : held - n] = np.eye(max(held - n, 0))
        B[: min(n, held)] = np.eye(n)[: min(n, held)]
        C[:, :held] = np.hstack([np.diag(t) for t in taps[1:]]) if held else C[:, :0]
        layers: list[Layer] = [Dynamic(StateSpace(A, B, C, np.diag(taps[0]), dt))]
        if self.bias is not None:
            layers.append(Affine(np.eye(n), self.bias.double().cpu().numpy()))
        return layers


def _same_record(resets: Tensor, lag: int) -> Tensor:
    """(batch, time, 1): 1 where no record begins within the last `lag` samples, this one included."""
    record = torch.cumsum(resets, dim=1)
    past = torch.nn.functional.pad(record, (lag, 0))[:, : record.shape[1]]
    return (record == past)[..., None]
