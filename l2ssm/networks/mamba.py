"""The Mamba block over any cell: causal convolution, SiLU, the cell, and a gate that multiplies.

Source: Gu and Dao, "Mamba: linear-time sequence modeling with selective state spaces" (2023), section 3.4.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from l2ssm.networks.block import AnyCell, Build, Scaffold, affine, frozen_cell, linear, run_cell, split
from l2ssm.networks.conv import CausalConv
from l2ssm.networks.norm import RootMeanSquare
from l2ssm.networks.pointwise import gate, pointwise
from l2ssm.options import integer
from l2ssm.systems.layer import Layer
from l2ssm.systems.layers import Product, Residual


class MambaBlock(Scaffold):
    """s + W_out (cell(silu(conv(W_u r))) * silu(W_z r)), r = RMSNorm(s).

    Args:
        d_model: width.
        build: makes the cell, of width expand * d_model.
        expand: width of the inside over d_model.
        conv: taps of the convolution.
        generator: source of randomness.
    """

    cell: AnyCell

    def __init__(
        self,
        d_model: int,
        build: Build,
        *,
        expand: int = 2,
        conv: int = 4,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        inside = integer("expand", expand, 1) * d_model
        self.norm = RootMeanSquare(d_model)
        self.W_in = linear(d_model, 2 * inside, bias=False, generator=generator)
        self.conv = CausalConv(inside, conv, generator=generator)
        self.cell = build(inside)
        self.W_out = linear(inside, d_model, bias=False, generator=generator)

    @property
    def n_x(self) -> int:
        """Complex states: those of the convolution, then those of the cell."""
        return self.conv.n_x + self.cell.n_x

    def run(self, s: Tensor, x0: Tensor | None = None, resets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `Scaffold.run`."""
        y, end = self.mix(self.norm(s), x0, resets)
        return s + y, end

    def mix(self, r: Tensor, x0: Tensor | None = None, resets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The block without norm and skip."""
        into_conv, into_cell = split(x0, (self.conv.n_x, self.cell.n_x))
        u, z = self.W_in(r).chunk(2, dim=-1)
        u, conv_end = self.conv(u, into_conv, resets)
        v, cell_end = run_cell(self.cell, functional.silu(u), into_cell, resets)
        return self.W_out(v * functional.silu(z)), torch.cat([conv_end, cell_end], dim=1)

    def frozen(self, dt: float, gain: float | None = None) -> list[Layer]:
        """See `SequenceBlock.frozen`."""
        inside = self.conv.channels
        branch = [affine(self.W_in, slice(inside)), *self.conv.frozen(dt), pointwise(inside, "silu")]
        gated = Product((*branch, frozen_cell(self.cell, dt)), (gate(affine(self.W_in, slice(inside, None)), "silu"),))
        return [Residual((*self.norm.frozen(), gated, affine(self.W_out)))]
