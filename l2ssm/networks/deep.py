"""`DeepSSM`: encoder, blocks of a cell and static layers, decoder - standardisation inside, states as arguments.

Two scaffolds:
  residual   s <- s + static(cell(s))   the usual deep SSM; its gain is bounded by prod (1 + L_i g_i), far from tight;
  series     s <- static(cell(s))       the skip is inside the cell (D near I): with cells of gain 1 and 1-Lipschitz
                                        static layers the product of the bounds is tight, and is the prescribed gain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from l2ssm.cells import BOUNDED_CELLS, CELLS, DiagonalCell
from l2ssm.errors import OptionError
from l2ssm.networks.scaling import Scaling
from l2ssm.networks.static import ContractiveLayer, PerceptronLayer, StaticLayer
from l2ssm.options import integer, positive

SCAFFOLDS = ("residual", "series")
GAIN_MARGIN = 1e-5  # the prescribed gain is undercut by this, so that rounding and the proof's slack stay below it


class Block(nn.Module):
    """One cell and the static layers behind it, with or without a skip around both."""

    cell: DiagonalCell

    def __init__(self, cell: DiagonalCell, static: Sequence[StaticLayer], skip: bool) -> None:
        super().__init__()
        self.cell, self.static, self.skip = cell, nn.ModuleList(static), skip

    def forward(self, s: Tensor, x0: Tensor | None) -> tuple[Tensor, Tensor]:
        """(output, end state) of the cell's input s (batch, time, d_model)."""
        v, x_end = self.cell(s, x0)
        for layer in self.static_chain():
            v = layer(v)
        return (s + v if self.skip else v), x_end

    def static_chain(self) -> list[StaticLayer]:
        """The static layers behind the cell, in order."""
        return [layer for layer in self.static if isinstance(layer, StaticLayer)]


class DeepSSM(nn.Module):
    """y = H block_r( ... block_1(E u + b)) + h, in physical units.

    Args:
        scaling: standardisation of the training data; also gives n_u and n_y.
        cell: a name of `CELLS`.
        layers: number of blocks.
        d_model: width of the blocks.
        n_x: complex states of a cell.
        gamma: prescribed gain from u to y in physical units (cells of `BOUNDED_CELLS` only); None: no prescription.
        scaffold: "residual" or "series"; default "series" with gamma, "residual" without.
        static_layers: static layers of a block.
        hidden: hidden units of a static layer, default 2 d_model ("residual") or d_model ("series").
        activation: default "gelu", or "tanh" where the layer must be 1-Lipschitz.
        slowest: longest initial time constant in samples.
        cell_options: keyword-only options of the cell.
        seed: of the initial parameters.

    Raises:
        OptionError: an unknown name, a size below 1, gamma not positive, or gamma with a cell that cannot hold it.
    """

    u_mean: Tensor
    u_std: Tensor
    y_mean: Tensor
    y_std: Tensor

    def __init__(
        self,
        scaling: Scaling,
        *,
        cell: str = "lru",
        layers: int = 3,
        d_model: int = 16,
        n_x: int = 16,
        gamma: float | None = None,
        scaffold: str | None = None,
        static_layers: int | None = None,
        hidden: int | None = None,
        activation: str | None = None,
        slowest: float = 100.0,
        cell_options: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        given = {"hidden": hidden, "static_layers": static_layers}
        sizes = {"layers": layers, "d_model": d_model, "n_x": n_x} | {k: v for k, v in given.items() if v is not None}
        _check_options(cell, gamma, scaffold, **sizes)
        bounded = cell in BOUNDED_CELLS
        scaffold = scaffold or ("series" if gamma is not None else "residual")
        self.n_u, self.n_y, self.gamma = scaling.u_mean.size, scaling.y_mean.size, gamma
        self.bound = None if gamma is None else (1.0 if scaffold == "series" else 2.0**layers)
        for name in ("u_mean", "u_std", "y_mean", "y_std"):
            self.register_buffer(name, torch.tensor(getattr(scaling, name)))  # float64: units can be large
        generator = torch.Generator().manual_seed(seed)
        self.E = nn.Parameter(nn.init.orthogonal_(torch.empty(d_model, self.n_u), generator=generator))
        self.e = nn.Parameter(torch.zeros(d_model))
        self.H = nn.Parameter(nn.init.orthogonal_(torch.empty(self.n_y, d_model), generator=generator))
        self.h = nn.Parameter(torch.zeros(self.n_y))

        def static() -> StaticLayer:
            if bounded:
                return ContractiveLayer(
                    d_model, hidden=hidden or d_model, activation=activation or "tanh", generator=generator
                )
            return PerceptronLayer(
                d_model, hidden=hidden or 2 * d_model, activation=activation or "gelu", generator=generator
            )

        def block() -> Block:
            options = dict(cell_options or {})
            made = CELLS[cell].start(d_model, n_x, d_model, slowest=slowest, generator=generator, **options)
            count = static_layers or (2 if bounded else 1)
            return Block(made, [static() for _ in range(count)], skip=scaffold == "residual")

        self.blocks = nn.ModuleList(block() for _ in range(layers))

    @property
    def state_sizes(self) -> list[int]:
        """Complex states of each block."""
        return [block.cell.n_x for block in self.chain()]

    def chain(self) -> list[Block]:
        """The blocks, in order."""
        return [block for block in self.blocks if isinstance(block, Block)]

    def encoder(self) -> tuple[Tensor, Tensor]:
        """(W, b) acting on the standardised input; of norm sqrt(gamma) in units of the scaling where prescribed."""
        return self._prescribed(self.E, (self.u_std.min() / self.u_std).to(self.E.dtype)), self.e

    def decoder(self) -> tuple[Tensor, Tensor]:
        """(W, b) giving the standardised output."""
        weight = (self.y_std / self.y_std.max()).to(self.H.dtype)
        return self._prescribed(self.H.mT, weight).mT, self.h

    def _prescribed(self, W: Tensor, weight: Tensor) -> Tensor:
        """W (., channels) scaled so that ||W diag(weight)|| is the square root of the gain left to the two ends."""
        if self.gamma is None or self.bound is None:
            return W
        gain = self.gamma * (1 - GAIN_MARGIN) / self.bound * float(self.u_std.min() / self.y_std.max())
        return W * (math.sqrt(gain) / torch.linalg.matrix_norm(W * weight, ord=2))

    def forward(self, u: Tensor, x0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(y, x_end) of u from the state x0.

        Args:
            u: (batch, time, n_u) in physical units.
            x0: (batch, sum of n_x) complex, zero if None.

        Returns:
            y (batch, time, n_y) in physical units, x_end (batch, sum of n_x) complex.
        """
        y, x_end = self.standardised(((u - self.u_mean) / self.u_std).to(self.E.dtype), x0)
        return (self.y_mean + self.y_std * y).to(u.dtype), x_end

    def standardised(self, u: Tensor, x0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """`forward` between standardised signals."""
        sizes = self.state_sizes
        starts = [None] * len(sizes) if x0 is None else list(torch.split(x0, sizes, dim=1))
        s = functional.linear(u, *self.encoder())
        ends = []
        for block, start in zip(self.chain(), starts, strict=True):
            s, end = block(s, start)
            ends.append(end)
        return functional.linear(s, *self.decoder()), torch.cat(ends, dim=1)


def _check_options(cell: str, gamma: float | None, scaffold: str | None, **sizes: int) -> None:
    if cell not in CELLS:
        raise OptionError(f"unknown cell {cell!r}; known: {', '.join(CELLS)}")
    if scaffold is not None and scaffold not in SCAFFOLDS:
        raise OptionError(f"unknown scaffold {scaffold!r}; known: {', '.join(SCAFFOLDS)}")
    if gamma is not None:
        positive("gamma", gamma, "gain")
    if gamma is not None and cell not in BOUNDED_CELLS:
        raise OptionError(
            f"cell {cell!r} cannot hold a prescribed gain; use one of {', '.join(BOUNDED_CELLS)}, or no gamma"
        )
    if scaffold == "series" and cell not in BOUNDED_CELLS:
        raise OptionError(f"the series scaffold needs a bounded cell ({', '.join(BOUNDED_CELLS)}), not {cell!r}")
    for name, size in sizes.items():
        integer(name, size, 1)
