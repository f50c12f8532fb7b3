"""`DeepSSM`: encoder, blocks of a cell and static layers, decoder - standardisation inside, states as arguments.

Three scaffolds:
  series     s <- static(g_i cell(s))     the skip is inside the cell (D near I). With a prescribed gain: cells of gain
                                          1, 1-Lipschitz static layers, gain at most ||H|| g_1 ... g_r ||E||, which is
                                          the prescribed one for all parameters;
  residual   s <- s + static(cell(s))     the usual deep SSM;
  twofold    s <- s + cell(s), then s <- s + static(s)   a skip around each part: every block can hold a linear system
                                          exactly, beside what it adds to it.
In the last two no product of bounds is near the gain. A prescribed one is held by a factor of the output that follows
from a certificate, see `hold`.

Those of `scaffolds.SCAFFOLD_BLOCKS` (Mamba, Hawk, Griffin, H3, gated linear units) have no finite gain.

Selective cells of `BOUNDED_FROM_REST` have a gain from rest only. With them the series scaffold has no bias before the
last layer: zero input keeps every signal zero, and gamma bounds the gain from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from l2ssm.cells import BOUNDED_CELLS, BOUNDED_FROM_REST, CELLS, SELECTIVE_CELLS
from l2ssm.cells.gain import PrescribedGain
from l2ssm.errors import OptionError
from l2ssm.networks.block import AnyCell, SequenceBlock, frozen_cell, scaled
from l2ssm.networks.fitting_parts import check_cell_options, check_fits, check_names, check_prescribable
from l2ssm.networks.scaffolds import SCAFFOLD_BLOCKS, make_block
from l2ssm.networks.scaling import Scaling
from l2ssm.networks.static import LIPSCHITZ, STATIC, StaticLayer
from l2ssm.options import integer, positive
from l2ssm.parametrizations.spectral import spectral_norm
from l2ssm.systems.layer import Layer
from l2ssm.systems.layers import Residual

SHARE_LIMIT = 20.0  # log gains shared over the blocks stay within it
SMALLEST = 1e-30  # norms below it count as it
GAIN_MARGIN = 1e-5  # the prescribed gain is undercut by this, so that rounding and the proof's slack stay below it


class Block(SequenceBlock):
    """One cell and the static layers behind it: a chain, with a skip around it, or with one around each part."""

    cell: AnyCell

    def __init__(self, cell: AnyCell, static: Sequence[StaticLayer], scaffold: str) -> None:
        super().__init__()
        self.cell, self.static, self.scaffold = cell, nn.ModuleList(static), scaffold

    @property
    def n_x(self) -> int:
        """Complex states."""
        return self.cell.n_x

    def forward(self, s: Tensor, x0: Tensor | None = None, gain: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `SequenceBlock.forward`."""
        v, x_end = self.cell(s, x0)
        v = v if gain is None else v * gain.to(v.dtype)
        if self.scaffold == "twofold":
            v = s + v
            for layer in self.static_chain():
                v = v + layer(v)
            return v, x_end
        for layer in self.static_chain():
            v = layer(v)
        return (s + v if self.scaffold == "residual" else v), x_end

    def frozen(self, dt: float, gain: float | None = None) -> list[Layer]:
        """See `SequenceBlock.frozen`."""
        cell = frozen_cell(self.cell, dt)
        chain = [cell if gain is None else scaled(cell, gain), *(layer.frozen() for layer in self.static_chain())]
        if self.scaffold == "twofold":
            return [Residual((layer,)) for layer in chain]
        return [Residual(tuple(chain))] if self.scaffold == "residual" else chain

    def static_chain(self) -> list[StaticLayer]:
        """The static layers behind the cell, in order."""
        return [layer for layer in self.static if isinstance(layer, StaticLayer)]


class DeepSSM(nn.Module):
    """y = H block_r( ... block_1(E u + b)) + h, in physical units.

    Args:
        scaling: standardisation of the training data; also gives n_u and n_y.
        cell: a name of `CELLS` or `SELECTIVE_CELLS`.
        layers: number of blocks.
        d_model: width of the blocks.
        n_x: complex states of a cell.
        gamma: prescribed gain from u to y in physical units; in the series scaffold with cells of `BOUNDED_CELLS` and
            static layers of `LIPSCHITZ`; with cells of `BOUNDED_FROM_REST` from rest, u = 0 and the zero state; in
            "twofold" and "residual" nothing holds it but `hold`, which `fit` sets; None: no prescription.
        learn_gamma: whether gamma is a parameter, positive for every value of it; the given one is its start.
        scaffold: a name of `SCAFFOLDS`; default "series" with gamma; without, "residual" with a cell of `BOUNDED_CELLS`
            and "twofold" with another.
        static: of "residual", "series" and "twofold", a name of `STATIC`; default "contractive" with a cell of
            `BOUNDED_CELLS` and in the series scaffold, "perceptron" otherwise.
        static_layers: static layers of a block; default 2 if they are 1-Lipschitz, else 1.
        hidden, activation: of a static layer; default as the layer says.
        slowest: longest initial time constant in samples.
        cell_options: keyword-only options of the cell.
        scaffold_options: options of the scaffold, see `scaffolds`.
        seed: of the initial parameters.

    Attributes:
        hold: called for a factor of the output that keeps a prescribed gain of a free network while it is trained, see
            `identification.held_gain`; None: nothing holds it.

    Raises:
        OptionError: an unknown name, a size below 1, gamma not positive, or gamma with a cell or a static layer that
            cannot hold it.
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
        learn_gamma: bool = False,
        scaffold: str | None = None,
        static: str | None = None,
        static_layers: int | None = None,
        hidden: int | None = None,
        activation: str | None = None,
        slowest: float = 100.0,
        cell_options: Mapping[str, Any] | None = None,
        scaffold_options: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.from_rest = gamma is not None and cell in BOUNDED_FROM_REST
        scaffold = scaffold or ("series" if gamma is not None else "residual" if cell in BOUNDED_CELLS else "twofold")
        has_static = scaffold not in SCAFFOLD_BLOCKS
        check_fits(scaffold, has_static, gamma, scaffold_options, static, static_layers, hidden, activation)
        bounded = cell in BOUNDED_CELLS or (gamma is not None and scaffold == "series")
        static = static or ("contractive" if bounded or self.from_rest else "perceptron")
        given = {"hidden": hidden, "static_layers": static_layers}
        sizes = {"layers": layers, "d_model": d_model, "n_x": n_x} | {k: v for k, v in given.items() if v is not None}
        check_names(cell, scaffold, static)
        for name, size in sizes.items():
            integer(name, size, 1)
        options = dict(cell_options or {})
        check_cell_options(options)
        if gamma is not None:
            check_prescribable(positive("gamma", gamma, "gain"), cell, scaffold, static, options)
        elif scaffold == "series" and cell not in BOUNDED_CELLS:
            raise OptionError(
                f"the series scaffold needs a bounded cell ({', '.join(BOUNDED_CELLS)}), or with gamma one that is "
                f"bounded from rest ({', '.join(BOUNDED_FROM_REST)}), not {cell!r}"
            )
        elif learn_gamma:
            raise OptionError("learn_gamma needs gamma, the value to start from")
        self.n_u, self.n_y, self.scaffold = scaling.u_mean.size, scaling.y_mean.size, scaffold
        for name in ("u_mean", "u_std", "y_mean", "y_std"):
            self.register_buffer(name, torch.tensor(getattr(scaling, name)))  # float64: units can be large
        generator = torch.Generator().manual_seed(seed)
        self.E = nn.Parameter(nn.init.orthogonal_(torch.empty(d_model, self.n_u), generator=generator))
        self.e = None if self.from_rest else nn.Parameter(torch.zeros(d_model))
        self.H = nn.Parameter(nn.init.orthogonal_(torch.empty(self.n_y, d_model), generator=generator))
        self.h = nn.Parameter(torch.zeros(self.n_y))
        series = gamma is not None and scaffold == "series"
        if series:  # H near E': what the blocks pass on arrives, so that the gain is used from the start
            n = max(d_model, self.n_u, self.n_y)
            Q = nn.init.orthogonal_(torch.empty(n, n), generator=generator)[:d_model]
            self.E, self.H = nn.Parameter(Q[:, : self.n_u].clone()), nn.Parameter(Q[:, : self.n_y].mT.clone())
        self.gain = None if gamma is None else PrescribedGain(float(gamma), learned=learn_gamma)
        self.hold: Callable[[], Tensor] | None = None
        if series:
            self.shares = nn.Parameter(torch.zeros(layers + 2))

        def layer() -> StaticLayer:
            return STATIC[static](
                d_model, d_model, hidden=hidden, activation=activation, rest=self.from_rest, generator=generator
            )

        def build(width: int) -> AnyCell:
            made: AnyCell = (CELLS | SELECTIVE_CELLS)[cell].start(
                width, n_x, width, slowest=slowest, generator=generator, **options
            )
            return made

        def block(index: int) -> SequenceBlock:
            if not has_static:
                return make_block(scaffold, index, d_model, build, generator, scaffold_options)
            count = static_layers or (2 if static in LIPSCHITZ else 1)
            return Block(build(d_model), [layer() for _ in range(count)], scaffold)

        self.blocks = nn.ModuleList(block(i) for i in range(layers))

    @property
    def gamma(self) -> float | None:
        """The prescribed gain in physical units, now."""
        return None if self.gain is None else self.gain.value

    @property
    def state_sizes(self) -> list[int]:
        """Complex states of each block."""
        return [block.n_x for block in self.chain()]

    def chain(self) -> list[SequenceBlock]:
        """The blocks, in order."""
        return [block for block in self.blocks if isinstance(block, SequenceBlock)]

    def gains(self) -> list[Tensor] | None:
        """The norm of the encoder, the gains g_1 ... g_r of the cells and the norm of the decoder, float64.

        They share gamma by the learned weights w: log g_i = w_i - mean(w), and the ends take in addition half of
        log gamma each, so that the product is gamma. None where no gain is prescribed, or not by construction.
        """
        if self.gain is None or self.scaffold != "series":
            return None
        unit = float(self.u_std.min() / self.y_std.max()) * (1 - GAIN_MARGIN)
        log_end = 0.5 * torch.log(self.gain() * unit)
        w = torch.clamp(self.shares.double(), -SHARE_LIMIT, SHARE_LIMIT)
        first, *middle, last = torch.unbind(w - w.mean())
        return [torch.exp(v) for v in (first + log_end, *middle, last + log_end)]

    def cell_gains(self) -> list[Tensor] | list[None]:
        """The factors g_1 ... g_r behind the cells, None where there are none."""
        gains = self.gains()
        return [None] * len(self.blocks) if gains is None else gains[1:-1]

    @torch.no_grad()
    def held_at(self, factor: float) -> None:
        """Multiply the weights of the decoder by a factor, instead of by one that is called for."""
        self.hold = None
        self.H.mul_(factor)

    def encoder(self) -> tuple[Tensor, Tensor]:
        """(W, b) acting on the standardised input; of a prescribed norm in units of the scaling, see `gains`.

        From rest b undoes the standardisation: u = 0 becomes 0.
        """
        W = self._prescribed(self.E, self.u_std.min() / self.u_std, 0)
        return W, (W @ (self.u_mean / self.u_std).to(W.dtype) if self.e is None else self.e)

    def decoder(self, *, factored: bool = True) -> tuple[Tensor, Tensor]:
        """(W, b) giving the standardised output, W with the factor that holds a gain or without."""
        W = self._prescribed(self.H.mT, self.y_std / self.y_std.max(), -1).mT
        if factored and self.hold is not None:
            W = (self.hold() * W.double()).to(W.dtype)
        return W, self.h

    def _prescribed(self, W: Tensor, weight: Tensor, end: int) -> Tensor:
        """W (., channels) scaled so that ||W diag(weight)|| is the gain of this end."""
        gains = self.gains()
        if gains is None:
            return W
        norm = torch.clamp(spectral_norm(W.double() * weight.double()), min=SMALLEST)
        return (W.double() * (gains[end] / norm)).to(W.dtype)

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
        for block, start, gain in zip(self.chain(), starts, self.cell_gains(), strict=True):
            s, end = block(s, start, gain)
            ends.append(end)
        return functional.linear(s, *self.decoder()), torch.cat(ends, dim=1)
