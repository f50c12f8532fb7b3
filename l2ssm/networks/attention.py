"""Local multi-query attention, the third mixing block of Griffin; its window of keys and values is its state.

Source: De et al., "Griffin: mixing gated linear recurrences with local attention" (2024), section 2.3.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from l2ssm.cells.selective import complex_states, real_states
from l2ssm.errors import OptionError
from l2ssm.networks.block import affine, linear
from l2ssm.options import integer
from l2ssm.systems.attention import MAX_WAVELENGTH, Attention
from l2ssm.systems.layer import Layer


class LocalAttention(nn.Module):
    """W_o softmax(q'k / sqrt(d)) v + b over the sample itself and `window` before it; one key and value for all heads.

    Half of the channels of a head are turned by rotary position embedding.

    Args:
        d_model: width.
        heads: queries; a divisor of d_model.
        window: samples of the past that are seen.
        generator: source of randomness.

    Raises:
        OptionError: heads does not divide d_model.
    """

    def __init__(
        self, d_model: int, *, heads: int = 1, window: int = 16, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        if d_model % integer("heads", heads, 1):
            raise OptionError(f"heads is {heads}, expected a divisor of the width {d_model}")
        self.window, self.d = integer("window", window, 1), d_model // heads
        self.W_q, self.W_out = (linear(d_model, d_model, bias=bias, generator=generator) for bias in (False, True))
        self.W_k, self.W_v = (linear(d_model, self.d, bias=False, generator=generator) for _ in range(2))

    @property
    def n_x(self) -> int:
        """Complex states: key, value and mark of every sample in the window, in pairs."""
        return (self.window * (2 * self.d + 1) + 1) // 2

    def forward(self, r: Tensor, x0: Tensor | None = None, resets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(output, end state) of r from x0; nothing before a reset is seen."""
        batch, time, w = r.shape[0], r.shape[1], self.window
        past = r.new_zeros(batch, w, 2 * self.d + 1)
        if x0 is not None:
            past = real_states(x0)[:, : w * (2 * self.d + 1)].unflatten(1, (w, -1))
        marked = torch.cat([self.W_k(r), self.W_v(r), r.new_ones(batch, time, 1)], dim=2)
        held = torch.cat([past, marked], dim=1)
        k, v, mark = held[..., : self.d], held[..., self.d : -1], held[..., -1] > 0.5
        place = torch.arange(w + time, device=r.device)
        q = rotated(self.W_q(r).unflatten(2, (-1, self.d)), place[w:, None])
        lag = place[w:, None] - place
        seen = ((lag >= 0) & (lag <= w)) & mark[:, None]
        if resets is not None:
            record = nn.functional.pad(torch.cumsum(resets, dim=1), (w, 0))
            seen = seen & (record[:, w:, None] == record[:, None])
        logits = torch.einsum("bthd,bsd->bths", q, rotated(k, place)) * self.d**-0.5
        attention = torch.softmax(logits.masked_fill(~seen[:, :, None], -torch.inf), dim=-1)
        y = torch.einsum("bths,bsd->bthd", attention, v).flatten(2)
        end = held[:, time:]
        if resets is not None:
            mark_end = end[..., -1:] * (record[:, time:] == record[:, -1:])[..., None]
            end = torch.cat([end[..., :-1], mark_end], dim=2)
        return self.W_out(y), complex_states(end.flatten(1))

    def frozen(self, dt: float) -> list[Layer]:
        """`Attention`, and the map out of it."""
        Q, K, V = (affine(layer).W for layer in (self.W_q, self.W_k, self.W_v))
        return [Attention(Q, K, V, np.array([float(self.window)])), affine(self.W_out)]


def rotated(x: Tensor, position: Tensor) -> Tensor:
    """See `systems.attention.rotated`; position broadcasts against x without its channels."""
    quarter = x.shape[-1] // 4
    rate = MAX_WAVELENGTH ** -(torch.arange(quarter, device=x.device, dtype=x.dtype) / max(quarter, 1))
    angle = position[..., None] * rate
    a, b, rest = x[..., :quarter], x[..., quarter : 2 * quarter], x[..., 2 * quarter :]
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.cat([a * cos - b * sin, b * cos + a * sin, rest], dim=-1)
