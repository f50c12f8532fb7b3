"""`SemiOrthogonal`: a trained matrix with orthonormal columns or rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from l2ssm.parametrizations.orthogonal import semi_orthogonal


class SemiOrthogonal(nn.Module):
    """A matrix with orthonormal columns or rows, `start` at zero parameters; any other by the Cayley transform.

    Args:
        start: (rows, columns) with orthonormal columns, or rows where it is wide.
    """

    basis: Tensor

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.wide = start.shape[1] > start.shape[0]
        tall = (start.mT if self.wide else start).double()
        rows, columns = tall.shape
        basis, R = torch.linalg.qr(tall, mode="complete")
        basis[:, :columns] *= torch.sign(torch.diagonal(R))
        self.register_buffer("basis", basis)
        self.X = nn.Parameter(torch.zeros(columns, columns))
        self.Y = nn.Parameter(torch.zeros(rows - columns, columns))

    def forward(self) -> Tensor:
        """The matrix, computed in float64."""
        Q = self.basis.double() @ semi_orthogonal(self.X.double(), self.Y.double())
        return Q.mT if self.wide else Q
