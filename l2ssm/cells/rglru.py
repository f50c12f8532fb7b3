"""The real-gated linear recurrent unit of Hawk and Griffin.

Source: De et al., "Griffin: mixing gated linear recurrences with local attention" (2024), section 2.4 and appendix A.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from l2ssm.cells.base import check_options
from l2ssm.cells.selective import DiagonalSelective
from l2ssm.errors import OptionError
from l2ssm.options import integer
from l2ssm.parametrizations.selective import gated_coefficients, ring_of_gates
from l2ssm.systems.contractive_cores import GatedCore
from l2ssm.systems.layer import Layer
from l2ssm.systems.selective import Selective

SCALE = 8.0  # c of the paper


class RGLRU(DiagonalSelective):
    """h+ = a h + sqrt(1 - a^2) i u, log a = -8 r softplus(w), r = gate_min + (1 - gate_min) g(W_a u + b_a), y = h+.

    i = g(W_i u + b_i), g the logistic function, W_a and W_i block diagonal. The state of every channel obeys
    |h| <= k max |u| and sum h^2 <= k^2 sum u^2 from rest with k = sqrt((1 + a_max) / (1 - a_max)), where a_max is a at
    r = gate_min, for every sequence of gates: `systems.selective.GatedCore`. gate_min = 0, the published cell, has
    a_max = 1 and no such bound.

    Args:
        n_u, n_x, n_y: channels; ignored, one real state a channel; channels again.
        blocks: number of blocks of the gates' weights, a divisor of n_u.
        init: "code" or "paper", see `ring_of_gates`.
        gate_min: least value of the recurrence gate, in [0, 1).
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
        blocks: int = 1,
        init: str = "code",
        gate_min: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> None:
        if n_u != n_y:
            raise OptionError(f"RG-LRU is a bank of channels: n_u = {n_u} inputs need as many outputs, not n_y = {n_y}")
        super().__init__(n_u, n_y, states=n_u, real=True)
        if n_u % integer("blocks", blocks, 1):
            raise OptionError(f"blocks is {blocks}, expected a divisor of the {n_u} channels")
        if not (isinstance(gate_min, (int, float)) and 0 <= gate_min < 1):
            raise OptionError(f"gate_min is {gate_min!r}, expected a number in [0, 1)")
        self.gate_min, width = float(gate_min), n_u // blocks
        self.recurrence = nn.Parameter(ring_of_gates(n_u, init=init, scale=SCALE, generator=generator).float())
        self.W_a, self.W_i = (
            nn.Parameter(torch.randn(blocks, width, width, generator=generator) * width**-0.5) for _ in range(2)
        )
        self.b_a, self.b_i = nn.Parameter(torch.zeros(n_u)), nn.Parameter(torch.zeros(n_u))

    @classmethod
    def start(
        cls, n_u: int, n_x: int, n_y: int, *, slowest: float, generator: torch.Generator | None = None, **options: Any
    ) -> RGLRU:
        """See `Cell.start`; the published initialisations do not look at `slowest`."""
        check_options(cls, options)
        return cls(n_u, n_x, n_y, generator=generator, **options)

    def coefficients(self, u: Tensor, resets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `DiagonalSelective.coefficients`."""
        r = self.gate_min + (1 - self.gate_min) * torch.sigmoid(self._mixed(u, self.W_a) + self.b_a)
        i = torch.sigmoid(self._mixed(u, self.W_i) + self.b_i)
        return gated_coefficients(-SCALE * r * functional.softplus(self.recurrence), i * u, resets)

    def read(self, u: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """See `DiagonalSelective.read`."""
        return after

    def _mixed(self, u: Tensor, W: Tensor) -> Tensor:
        return torch.einsum("bthi,hij->bthj", u.unflatten(2, W.shape[:2]), W).flatten(2)

    @torch.no_grad()
    def frozen(self) -> Layer:
        """See `SelectiveCell.frozen`."""
        W = torch.cat([torch.block_diag(*M.double().mT) for M in (self.W_a, self.W_i)]).cpu().numpy()
        offset = torch.cat([self.b_a, self.b_i]).double().cpu().numpy()
        rate = (SCALE * functional.softplus(self.recurrence)).double().cpu().numpy()
        eye = np.eye(self.n_u)
        return Selective(GatedCore(rate, np.full(self.n_u, self.gate_min)), W, offset, eye, eye, 0 * eye)
