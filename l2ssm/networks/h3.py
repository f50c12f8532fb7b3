"""H3 over any cell: a shift register recalls, a product stores, a cell keeps, and a product with the query reads.

Source: Fu et al., "Hungry hungry hippos: towards language modeling with state space models" (2023), section 3.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from l2ssm.cells import SelectiveCell
from l2ssm.errors import OptionError
from l2ssm.networks.block import AnyCell, Build, Scaffold, affine, frozen_cell, linear, run_cell, split
from l2ssm.networks.conv import CausalConv
from l2ssm.networks.norm import Centred
from l2ssm.networks.static import PerceptronLayer
from l2ssm.options import integer
from l2ssm.systems.layer import Layer
from l2ssm.systems.layers import Affine, Dynamic, Product, Residual
from l2ssm.systems.state_space import StateSpace


class H3(nn.Module):
    """W_o (q * cell(conv(k) * v)) + b with q, k, v = W r + b; by heads of d channels, outer products of k and v.

    Args:
        d_model: width.
        build: makes the cell, of as many channels as heads; every entry of the outer products runs through it.
        head_dim: d, a divisor of d_model; above 1 only with linear cells.
        shift: taps of the convolution.
        generator: source of randomness.

    Raises:
        OptionError: head_dim does not divide d_model, or is above 1 with a selective cell.
    """

    cell: AnyCell

    def __init__(
        self,
        d_model: int,
        build: Build,
        *,
        head_dim: int = 1,
        shift: int = 4,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if d_model % integer("head_dim", head_dim, 1):
            raise OptionError(f"head_dim is {head_dim}, expected a divisor of the width {d_model}")
        self.d, self.heads = head_dim, d_model // head_dim
        self.W_q, self.W_k, self.W_v, self.W_out = (
            linear(d_model, d_model, bias=True, generator=generator) for _ in range(4)
        )
        self.conv = CausalConv(d_model, shift, bias=False, generator=generator)
        self.cell = build(self.heads)
        if head_dim > 1 and isinstance(self.cell, SelectiveCell):
            raise OptionError(f"head_dim = {head_dim} needs a linear cell, not {type(self.cell).__name__}; use 1")

    @property
    def n_x(self) -> int:
        """Complex states: those of the convolution, then those of the cell for every pair of channels of a head."""
        return self.conv.n_x + self.d**2 * self.cell.n_x

    def forward(self, r: Tensor, x0: Tensor | None = None, resets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(output, end state) of r from x0."""
        (batch, time, width), pairs = r.shape, self.d**2
        into_conv, into_cell = split(x0, (self.conv.n_x, pairs * self.cell.n_x))
        k, conv_end = self.conv(self.W_k(r), into_conv, resets)
        q, k, v = (m.unflatten(2, (self.heads, self.d)) for m in (self.W_q(r), k, self.W_v(r)))
        stored = torch.einsum("bthd,bthe->bdeth", k, v).reshape(batch * pairs, time, self.heads)
        start = None if into_cell is None else into_cell.reshape(batch * pairs, -1)
        kept, end = run_cell(self.cell, stored, start, resets)
        y = torch.einsum("bthd,bdeth->bteh", q, kept.view(batch, self.d, self.d, time, self.heads))
        return self.W_out(y.reshape(batch, time, width)), torch.cat([conv_end, end.reshape(batch, -1)], dim=1)

    def frozen(self, dt: float) -> list[Layer]:
        """Two products; selections of channels make the outer products of heads of more than one channel."""
        d, heads = self.d, self.heads
        de_h = np.indices((d, d, heads)).reshape(3, -1)
        width, columns = d * heads, np.arange(de_h.shape[1])
        of_d, of_e, sums = (np.zeros((columns.size, width)) for _ in range(3))
        of_d[columns, de_h[2] * d + de_h[0]] = 1.0
        of_e[columns, de_h[2] * d + de_h[1]] = 1.0
        sums[columns, de_h[1] * heads + de_h[2]] = 1.0

        def selected(rows: np.ndarray) -> Affine:
            return Affine(rows, np.zeros(len(rows)))

        cell = frozen_cell(self.cell, dt)
        if d > 1:
            assert isinstance(cell, Dynamic)
            G, copies = cell.G, np.eye(d * d)
            A, B, C, D = (np.asarray(np.kron(copies, M), dtype=np.float64) for M in (G.A, G.B, G.C, G.D))
            cell = Dynamic(StateSpace(A, B, C, D, dt))
        stored = Product((affine(self.W_k), *self.conv.frozen(dt), selected(of_d)), (affine(self.W_v), selected(of_e)))
        read = Product((affine(self.W_q), selected(of_d)), (stored, cell))
        return [read, selected(sums.T), affine(self.W_out)]


class H3Block(Scaffold):
    """h = s + H3(LayerNorm(s)), then h + W2 gelu(W1 LayerNorm(h) + b1) + b2.

    Args:
        d_model: width.
        build: see `H3`.
        head_dim, shift: see `H3`.
        generator: source of randomness.
    """

    def __init__(
        self,
        d_model: int,
        build: Build,
        *,
        head_dim: int = 1,
        shift: int = 4,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.mixing = H3(d_model, build, head_dim=head_dim, shift=shift, generator=generator)
        self.perceptron = PerceptronLayer(d_model, d_model, generator=generator)
        self.norm, self.norm_of_perceptron = Centred(d_model), Centred(d_model)

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
        return [
            Residual((*self.norm.frozen(), *self.mixing.frozen(dt))),
            Residual((*self.norm_of_perceptron.frozen(), self.perceptron.frozen())),
        ]
