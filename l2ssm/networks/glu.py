"""A linear or selective layer, then a gate, inside a skip: the blocks of S4, S5 and LRU.

Sources: Gu, Goel, Re (2022); Smith, Warrington, Linderman, "Simplified state space layers" (2023), appendix G; Orvieto
et al., "Resurrecting recurrent neural networks for long sequences" (2023).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from l2ssm.networks.block import AnyCell, Build, Scaffold, affine, frozen_cell, linear, run_cell
from l2ssm.networks.norm import Centred
from l2ssm.networks.pointwise import pointwise
from l2ssm.parametrizations.sampling import check_choice
from l2ssm.systems.layer import Layer
from l2ssm.systems.layers import Affine, Gated, Product, Residual

VARIANTS = ("full_glu", "half_glu1", "half_glu2", "gelu")
EPS = 1e-6  # of the norm


class GLUBlock(Scaffold):
    """s + act(v), v = cell(LayerNorm(s)), h = gelu(v), g the logistic function. By variant, act(v) is

    full_glu    (W1 h + b1) * g(W2 h + b2)
    half_glu1   h * g(W2 h + b2)
    half_glu2   v * g(W2 h + b2)
    gelu        h

    Args:
        d_model: width.
        build: makes the cell, of width d_model.
        variant: a name of `VARIANTS`.
        generator: source of randomness.

    Raises:
        OptionError: an unknown variant.
    """

    cell: AnyCell

    def __init__(
        self, d_model: int, build: Build, *, variant: str = "full_glu", generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.variant = check_choice("variant", variant, VARIANTS)
        self.norm, self.cell = Centred(d_model, eps=EPS), build(d_model)
        self.W1 = linear(d_model, d_model, bias=True, generator=generator) if variant == "full_glu" else None
        self.W2 = linear(d_model, d_model, bias=True, generator=generator) if variant != "gelu" else None

    @property
    def n_x(self) -> int:
        """Complex states."""
        return self.cell.n_x

    def run(self, s: Tensor, x0: Tensor | None = None, resets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `Scaffold.run`."""
        v, end = run_cell(self.cell, self.norm(s), x0, resets)
        h = functional.gelu(v, approximate="tanh")
        if self.W2 is None:
            return s + h, end
        value = v if self.variant == "half_glu2" else h if self.W1 is None else self.W1(h)
        return s + value * torch.sigmoid(self.W2(h)), end

    def frozen(self, dt: float, gain: float | None = None) -> list[Layer]:
        """See `SequenceBlock.frozen`."""
        gelu = pointwise(self.norm.scale.numel(), "gelu_tanh")
        return [Residual((*self.norm.frozen(), frozen_cell(self.cell, dt), *self._gate(gelu)))]

    def _gate(self, gelu: Layer) -> list[Layer]:
        if self.W2 is None:
            return [gelu]
        n, steer = gelu.n_in, affine(self.W2)
        identity = Affine(np.eye(n), np.zeros(n))
        if self.variant == "half_glu2":
            ones = Gated(np.zeros((n, n)), np.ones(n), steer.W, steer.b, "identity")
            return [Product((identity,), (gelu, ones))]
        value = identity if self.W1 is None else affine(self.W1)
        return [gelu, Gated(value.W, value.b, steer.W, steer.b, "identity")]
