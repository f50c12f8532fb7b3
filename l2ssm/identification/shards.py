"""`Shards` and `Replicas`: the windows of a batch shared out between processes.

shards     a batch is cut into so many parts. Each process takes its share of them; errors and gradients of every single
           part go to all processes, which add them in the order of the parts. So the sum is the same to the bit for
           every number of processes, also where that changes from one step to the next.
replicas   `torch.nn.parallel.DistributedDataParallel` averages the gradients of the processes: less to send where there
           are many parameters, and the same bits for one number of processes only.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise

import torch
from torch import Tensor, nn

from l2ssm.errors import OptionError
from l2ssm.identification.distributed import Place
from l2ssm.identification.grouped_work import GroupedWork, leave, taken
from l2ssm.identification.trainee import Trainee, squared_error
from l2ssm.identification.windows import Batch


class Shards(GroupedWork):
    """Windows in parts, added in their order.

    Args:
        here: the place of this process.
        shards: parts of a batch.
    """

    def __init__(self, here: Place, shards: int) -> None:
        super().__init__(here)
        self.shards = shards

    @property
    def about(self) -> str:
        """See `Work.about`."""
        return f"{self.shards} shards"

    def gradient(
        self,
        trainee: Trainee,
        batches: Sequence[Batch],
        count: Tensor | float,
        penalty: Tensor | float,
        carried: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """See `Work.gradient`."""
        here, parameters = self.here, list(trainee.parameters())
        parts = [part for batch in batches for part in cut(batch, carried, self.shards)]
        n, size = sum(trainee.model.state_sizes), 1 + sum(p.numel() for p in parameters)
        widest = max(len(part.u) for part, _ in parts)
        rows = _zeros(parameters, -(-len(parts) // here.size), size + widest * 2 * n)
        for row, (part, own) in zip(rows, parts[here.rank :: here.size], strict=False):
            error, end = squared_error(trainee, part, own)
            loss = error / count
            loss.backward()
            filled = torch.cat([loss.detach()[None], taken(parameters), torch.view_as_real(end).flatten()])
            row[: len(filled)] = filled
        rows = self.gathered(rows).transpose(0, 1).flatten(0, 1)[: len(parts)]
        total = reduce(torch.add, rows[:, :size])
        leave(parameters, total[1:], penalty)
        last = len(cut(batches[-1], carried, self.shards))
        ends = [row[size : size + len(part.u) * 2 * n] for row, (part, _) in zip(rows, parts, strict=True)][-last:]
        return total[0], torch.view_as_complex(torch.cat(ends).view(-1, n, 2))


class Replicas(Shards):
    """Windows shared out by torch's DistributedDataParallel; in the refinement as many shards as processes.

    Args:
        here: the place of this process.
    """

    def __init__(self, here: Place) -> None:
        super().__init__(here, here.size)
        self.module: nn.Module | None = None

    @property
    def about(self) -> str:
        """See `Work.about`."""
        return "replicas"

    def begin(self, trainee: Trainee, step: int) -> None:
        """See `Work.begin`."""
        super().begin(trainee, step)
        self.module = trainee if self.here.size == 1 else nn.parallel.DistributedDataParallel(trainee)

    def step(
        self, trainee: Trainee, batch: Batch, carried: Tensor | None, penalty: Tensor | float
    ) -> tuple[Tensor, Tensor | None]:
        """See `Work.step`.

        Raises:
            OptionError: a step of fewer windows than processes.
        """
        assert self.module is not None
        parts = cut(batch, carried, self.here.size)
        if len(parts) < self.here.size:  # records of few windows that are carried
            raise OptionError(
                f"{self.here.size} processes share a step of {len(parts)} windows: expected at least one each; "
                f"give a shorter window, or shards"
            )
        part, own = parts[self.here.rank]
        y, end = self.module(part, own)
        error = (trainee.loss(y - part.y) * part.scored).sum() / batch.scored.sum().clamp(min=1)
        (self.here.size * error + penalty).backward()  # DDP takes the mean over the processes
        row = error.new_zeros(1, 1 + 2 * end.shape[1] * max(len(part.u) for part, _ in parts))
        row[0, 0], own_end = error.detach(), torch.view_as_real(end.detach()).flatten()
        row[0, 1 : 1 + len(own_end)] = own_end
        rows = self.gathered(row)[:, 0]
        ends = [row[1 : 1 + len(part.u) * 2 * end.shape[1]] for row, (part, _) in zip(rows, parts, strict=True)]
        return reduce(torch.add, rows[:, 0]), torch.view_as_complex(torch.cat(ends).view(-1, end.shape[1], 2))


def cut(batch: Batch, carried: Tensor | None, parts: int) -> list[tuple[Batch, Tensor | None]]:
    """The windows of a batch, and the states they go on from, in so many parts; those without a window are left out."""
    edges = [len(batch.u) * k // parts for k in range(parts + 1)]
    spans = [slice(*ends) for ends in pairwise(edges) if ends[0] < ends[1]]
    return [(_taken_out(batch, k), None if carried is None else carried[k]) for k in spans]


def _taken_out(batch: Batch, k: slice) -> Batch:
    features = None if batch.features is None else batch.features[k]
    return Batch(batch.u[k], batch.y[k], features, batch.scored[k], batch.continues[k])


def _zeros(parameters: Sequence[nn.Parameter], *shape: int) -> Tensor:
    return torch.zeros(shape, dtype=reduce(torch.promote_types, (p.dtype for p in parameters)))
