"""`GroupedWork`: what every way of sharing a fit out between processes has in common.

Every process draws the same batches, which costs little next to a step, and makes the same validation, so that none of
them waits for another for long. The first one decides, reports and writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist

from l2ssm.errors import L2ssmError, ModelFileError
from l2ssm.identification.distributed import Place
from l2ssm.identification.outcome import Progress
from l2ssm.identification.trainee import Trainee
from l2ssm.identification.work import Work

T = TypeVar("T")


class GroupedWork(Work):
    """What all kinds have in common.

    Args:
        here: the place of this process.
    """

    def __init__(self, here: Place) -> None:
        self.here, self.leads = here, here.rank == 0

    def begin(self, trainee: Trainee, step: int) -> None:
        """See `Work.begin`.

        Raises:
            ModelFileError: the processes did not read the same checkpoint.
        """
        if self.here.size == 1:
            return
        steps: list[int] = [0] * self.here.size
        dist.all_gather_object(steps, step)
        if len(set(steps)) > 1:
            raise ModelFileError(f"the processes read checkpoints of steps {steps}: all of them must see the same file")
        for tensor in trainee.state_dict().values():
            dist.broadcast(tensor, 0)

    def agree(self, value: T) -> T:
        """See `Work.agree`."""
        values = [value]
        if self.here.size > 1:
            dist.broadcast_object_list(values, 0)
        return values[0]

    def tell(self, progress: Callable[[Progress], None] | None, report: Progress) -> None:
        """See `Work.tell`."""
        error: BaseException | None = None
        if self.leads and progress is not None:
            try:
                progress(report)
            except (KeyboardInterrupt, L2ssmError) as raised:
                error = raised
        error = self.agree(error)
        if error is not None:
            raise error

    def gathered(self, row: Tensor) -> Tensor:
        """(processes, *row.shape): what each process has."""
        if self.here.size == 1:
            return row[None]
        rows = row.new_empty((self.here.size, *row.shape))
        dist.all_gather(list(rows), row)
        return rows


def taken(parameters: Sequence[nn.Parameter]) -> Tensor:
    """The gradient in one row, zero where there is none; the parameters are left without."""
    parts = [torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in parameters]
    for parameter in parameters:
        parameter.grad = None
    return torch.cat(parts)


def leave(parameters: Sequence[nn.Parameter], row: Tensor, penalty: Tensor | float) -> None:
    """The gradient in one row, and that of the penalty, for the optimiser to find."""
    if isinstance(penalty, Tensor) and penalty.requires_grad:
        penalty.backward()
        row = row + taken(parameters)
    for parameter, part in zip(parameters, row.split([p.numel() for p in parameters]), strict=True):
        parameter.grad = part.view_as(parameter).to(parameter.dtype)
