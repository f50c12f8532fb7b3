"""`Trainee`: what is trained - a model and the map to its initial state - and its error on a batch and on records."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from l2ssm.identification.losses import Loss
from l2ssm.identification.windows import Batch
from l2ssm.networks.deep import DeepSSM

SQUARED = Loss()


class AffineFromZero(nn.Module):
    """W f + b for f (batch, n_features), W (count, n_features) and b (count,) zero at first; n_features may be zero."""

    def __init__(self, n_features: int, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(count, n_features))
        self.bias = nn.Parameter(torch.zeros(count))

    def forward(self, f: Tensor) -> Tensor:
        """(batch, count)."""
        return nn.functional.linear(f, self.weight, self.bias)


class Trainee(nn.Module):
    """The model and, where the initial state is learned, the affine map from features to x0.

    Args:
        model: the model.
        n_features: features of the initial state, 0 for one that is the same for all records; None: it is zero.
        loss: of an error.
    """

    def __init__(self, model: DeepSSM, n_features: int | None, loss: Loss = SQUARED) -> None:
        super().__init__()
        self.model = model
        self.loss = loss
        self.initial = None
        if n_features is not None:
            self.initial = AffineFromZero(n_features, 2 * sum(model.state_sizes))

    def forward(self, batch: Batch, carried: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The free run (batch, T, n_y) in standardised units and its end state, from `carried` where it continues."""
        x0 = None
        if self.initial is not None:
            assert batch.features is not None
            x0 = torch.view_as_complex(self.initial(batch.features).unflatten(1, (-1, 2)))
        if carried is not None and bool(batch.continues.any()):
            x0 = torch.where(batch.continues[:, None], carried, torch.zeros_like(carried) if x0 is None else x0)
        return self.model.standardised(batch.u, x0)


def squared_error(trainee: Trainee, batch: Batch, carried: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Sum of the losses of the free run over all scored samples, standardised; and the detached end state."""
    y, x_end = trainee(batch, carried)
    return (trainee.loss(y - batch.y) * batch.scored).sum(), x_end.detach()


@torch.no_grad()
def evaluate(trainee: Trainee, records: Sequence[Batch]) -> float:
    """Mean loss over all scored samples of all records, in standardised units."""
    total = sum(float(squared_error(trainee, r)[0]) for r in records)
    return total / sum(float(r.scored.sum()) for r in records)
