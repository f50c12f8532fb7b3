"""Normalisations of every sample over its channels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from l2ssm.systems.layer import Layer
from l2ssm.systems.layers import Affine, RMSNorm


class RootMeanSquare(nn.Module):
    """y = scale * u / sqrt(mean u^2 + eps)."""

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps, self.scale = eps, nn.Parameter(torch.ones(channels))

    def forward(self, u: Tensor) -> Tensor:
        """The map at every sample."""
        return self.scale * u * torch.rsqrt(u.pow(2).mean(-1, keepdim=True) + self.eps)

    @torch.no_grad()
    def frozen(self) -> list[Layer]:
        """`RMSNorm`."""
        return [RMSNorm(self.scale.double().cpu().numpy(), np.array([self.eps]))]


class Centred(RootMeanSquare):
    """The layer norm: y = scale * (u - mean u) / sqrt(var u + eps) + shift."""

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__(channels, eps=eps)
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, u: Tensor) -> Tensor:
        """The map at every sample."""
        return super().forward(u - u.mean(-1, keepdim=True)) + self.shift

    @torch.no_grad()
    def frozen(self) -> list[Layer]:
        """The centring, `RMSNorm` and the shift."""
        n = self.scale.numel()
        centre = Affine(np.eye(n) - 1 / n, np.zeros(n))
        return [centre, *super().frozen(), Affine(np.eye(n), self.shift.double().cpu().numpy())]
