"""Hawk and Griffin: a temporal mixing block and a gated perceptron, each behind a norm and inside a skip.

Source: De et al., "Griffin: mixing gated linear recurrences with local attention" (2024), section 2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from l2ssm.networks.attention import LocalAttention
from l2ssm.networks.block import AnyCell, Build, Scaffold, affine, frozen_cell, linear, run_cell, split
from l2ssm.networks.conv import CausalConv
from l2ssm.networks.norm import RootMeanSquare
from l2ssm.networks.pointwise import gate
from l2ssm.options import integer
from l2ssm.systems.layer import Layer
from l2ssm.systems.layers import Product, Residual

EPS = 1e-6  # of the norms


class RecurrentMixing(nn.Module):
    """W_o (cell(conv(W_x r + b)) * gelu(W_y r + b)) + b.

    Args:
        d_model: width.
        build: makes the cell.
        width: of the cell.
        conv: taps of the convolution.
        generator: source of randomness.
    """

    cell: AnyCell

    def __init__(
        self, d_model: int, build: Build, *, width: int, conv: int = 4, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        width = integer("width", width, 1)
        self.W_y = linear(d_model, width, bias=True, generator=generator)
        self.W_x = linear(d_model, width, bias=True, generator=generator)
        self.conv = CausalConv(width, conv, std=0.1 * conv**-0.5, generator=generator)
        self.cell = build(width)
        self.W_out = linear(width, d_model, bias=True, generator=generator)

    @property
    def n_x(self) -> int:
        """Complex states: those of the convolution, then those of the cell."""
        return self.conv.n_x + self.cell.n_x

    def forward(self, r: Tensor, x0: Tensor | None = None, resets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(output, end state) of r from x0."""
        into_conv, into_cell = split(x0, (self.conv.n_x, self.cell.n_x))
        v, conv_end = self.conv(self.W_x(r), into_conv, resets)
        v, cell_end = run_cell(self.cell, v, into_cell, resets)
        y = functional.gelu(self.W_y(r), approximate="tanh")
        return self.W_out(v * y), torch.cat([conv_end, cell_end], dim=1)

    def frozen(self, dt: float) -> list[Layer]:
        """Two branches, multiplied."""
        branch = (affine(self.W_x), *self.conv.frozen(dt), frozen_cell(self.cell, dt))
        return [Product(branch, (gate(affine(self.W_y), "gelu_tanh"),)), affine(self.W_out)]


class GatedPerceptron(nn.Module):
    """W2 (gelu(W1 r + b) * (W3 r + b)) + b.

    Args:
        d_model: width.
        expand: hidden units over d_model.
        generator: source of randomness.
    """

    def __init__(self, d_model: int, *, expand: int = 3, generator: torch.Generator | None = None) -> None:
        super().__init__()
        hidden = expand * d_model
        self.W1 = linear(d_model, hidden, bias=True, generator=generator)
        self.W3 = linear(d_model, hidden, bias=True, generator=generator)
        self.W2 = linear(hidden, d_model, bias=True, generator=generator)

    def forward(self, r: Tensor) -> Tensor:
        """The map at every sample."""
        y: Tensor = self.W2(functional.gelu(self.W1(r), approximate="tanh") * self.W3(r))
        return y

    def frozen(self) -> list[Layer]:
        """Two branches, multiplied."""
        return [Product((gate(affine(self.W1), "gelu_tanh"),), (affine(self.W3),)), affine(self.W2)]


class GriffinBlock(Scaffold):
    """h = s + mixing(RMSNorm(s)), then h + perceptron(RMSNorm(h)).

    Args:
        d_model: width.
        mixing: the part with a memory.
        generator: source of randomness.
    """

    def __init__(
        self, d_model: int, mixing: RecurrentMixing | LocalAttention, *, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.mixing = mixing
        self.perceptron = GatedPerceptron(d_model, generator=generator)
        self.norm, self.norm_of_perceptron = (RootMeanSquare(d_model, eps=EPS) for _ in range(2))

    @property
    def n_x(self) -> int:
        """Complex states."""
        return self.mixing.n_x

    def run(self, s: Tensor, x0: Tensor | None = None, resets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `Scaffold.run`."""
        y, end = self.mixing(self.norm(s), x0, resets)
        h = s + y
        return h + self.perceptron(self.norm_of_perceptron(h)), end

    def frozen(self, dt: float, gain: float | None = None) -> list[Layer]:
        """See `SequenceBlock.frozen`."""
        mixing, perceptron = self.mixing.frozen(dt), self.perceptron.frozen()
        return [
            Residual((*self.norm.frozen(), *mixing)),
            Residual((*self.norm_of_perceptron.frozen(), *perceptron)),
        ]
