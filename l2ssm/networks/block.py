"""`SequenceBlock`: what a deep model is a chain of; and what all blocks do with the cells and maps inside them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from l2ssm.cells import Cell, SelectiveCell
from l2ssm.errors import OptionError
from l2ssm.systems.layer import Layer
from l2ssm.systems.layers import Affine, Clocked, Dynamic, Selective
from l2ssm.systems.state_space import StateSpace

AnyCell = Cell | SelectiveCell
Build = Callable[[int], AnyCell]
"""Makes a cell with as many inputs as outputs."""


class SequenceBlock(nn.Module, ABC):
    """A causal map (batch, time, d_model) -> (batch, time, d_model) with a state (batch, n_x) complex."""

    @property
    @abstractmethod
    def n_x(self) -> int:
        """Complex states."""

    @abstractmethod
    def forward(self, s: Tensor, x0: Tensor | None = None, gain: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(output, end state) of s from x0, zero if None; the output of the cell inside is multiplied by gain."""

    @abstractmethod
    def frozen(self, dt: float, gain: float | None = None) -> list[Layer]:
        """The same map as explicit float64 numbers: layers one behind the other."""


class Scaffold(SequenceBlock):
    """A block without a prescribed gain: `run` is its map."""

    def forward(self, s: Tensor, x0: Tensor | None = None, gain: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `SequenceBlock.forward`."""
        if gain is not None:
            raise OptionError(f"{type(self).__name__} multiplies unbounded signals and cannot hold a prescribed gain")
        return self.run(s, x0)

    @abstractmethod
    def run(self, s: Tensor, x0: Tensor | None = None, resets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(output, end state); the memory ends where `resets` (batch, time) is true."""


def run_cell(cell: AnyCell, u: Tensor, x0: Tensor | None, resets: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The cell's (y, x_end).

    Raises:
        OptionError: resets for a linear cell, which has none.
    """
    if resets is None:
        return cell(u, x0)
    if not isinstance(cell, SelectiveCell):
        raise OptionError(f"{type(cell).__name__} is linear and time-invariant: it cannot be reset within a run")
    return cell(u, x0, resets)


def frozen_cell(cell: AnyCell, dt: float) -> Layer:
    """The cell as a layer of a frozen model."""
    return cell.frozen() if isinstance(cell, SelectiveCell) else Dynamic(cell.realization(dt))


def scaled(layer: Layer, gain: float) -> Layer:
    """The layer of a cell, its output multiplied by gain.

    Raises:
        OptionError: a layer that no cell with a prescribed gain has.
    """
    if isinstance(layer, Dynamic):
        G = layer.G
        return Dynamic(StateSpace(G.A, G.B, gain * G.C, gain * G.D, G.dt))
    if isinstance(layer, Selective):
        return replace(layer, C=gain * layer.C, D=gain * layer.D)
    if isinstance(layer, Clocked):
        return replace(layer, C_real=gain * layer.C_real, C_imag=gain * layer.C_imag, D=gain * layer.D)
    raise OptionError(f"the output of a {type(layer).__name__} cannot be multiplied by a gain")


def split(x0: Tensor | None, sizes: Sequence[int]) -> list[Tensor | None]:
    """The state cut into one piece a part, None where there is none."""
    return [None] * len(sizes) if x0 is None else list(torch.split(x0, list(sizes), dim=1))


def linear(n_in: int, n_out: int, *, bias: bool, generator: torch.Generator | None) -> nn.Linear:
    """W uniform in +-n_in^-1/2, b = 0."""
    made = nn.utils.skip_init(nn.Linear, n_in, n_out, bias=bias)
    with torch.no_grad():
        made.weight.copy_((2 * torch.rand(n_out, n_in, generator=generator) - 1) * n_in**-0.5)
        if bias:
            made.bias.zero_()
    return made


@torch.no_grad()
def affine(layer: nn.Linear, rows: slice = slice(None)) -> Affine:
    """Rows of a linear layer as a layer of a frozen model."""
    W = layer.weight[rows].double().cpu().numpy()
    return Affine(W, np.zeros(len(W)) if layer.bias is None else layer.bias[rows].double().cpu().numpy())
