"""Matrices with orthonormal columns from free parameters, by the Cayley transform."""

from __future__ import annotations

import torch
from torch import Tensor


def semi_orthogonal(X: Tensor, Y: Tensor) -> Tensor:
    """Q = [(I - Z)(I + Z)^-1; 2 Y (I + Z)^-1] with Z = X - X' + Y'Y: Q'Q = I for all X, Y, and Q = [I; 0] at zero.

    (I - Z')(I - Z) + 4 Y'Y = (I + Z')(I + Z), since Z + Z' = 2 Y'Y. I + Z is never singular: its symmetric part is at
    least I. Two Newton steps towards Q'Q = I take back what large parameters lose to rounding.

    Args:
        X: (h, h).
        Y: (k, h).

    Returns:
        Q (h + k, h).

    Source: Trockman and Kolter, "Orthogonalizing convolutional layers with the Cayley transform", 2021.
    """
    S, eye = X - X.mT, torch.eye(X.shape[0], dtype=X.dtype, device=X.device)
    Z = S + Y.mT @ Y
    Q = torch.linalg.solve(eye + Z, torch.cat([eye - Z, 2 * Y]), left=False)
    for _ in range(2):
        Q = Q @ (1.5 * eye - 0.5 * (Q.mT @ Q))
    return Q
