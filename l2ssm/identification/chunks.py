"""`Chunks`: windows and records cut in time between processes, one chunk each, joined exactly."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import reduce

import torch
from torch import Tensor

from l2ssm.cells.base import DiagonalCell
from l2ssm.cells.selective import DiagonalSelective
from l2ssm.errors import OptionError
from l2ssm.identification.distributed import Place
from l2ssm.identification.grouped_work import GroupedWork, leave, taken
from l2ssm.identification.trainee import Trainee, squared_error
from l2ssm.identification.windows import Batch
from l2ssm.networks.deep import Block, DeepSSM
from l2ssm.scan.sequence_parallel import sequence_parallel


class Chunks(GroupedWork):
    """Windows and records cut in time, one chunk a process."""

    @property
    def about(self) -> str:
        """See `Work.about`."""
        return "chunks of time"

    def gradient(
        self,
        trainee: Trainee,
        batches: Sequence[Batch],
        count: Tensor | float,
        penalty: Tensor | float,
        carried: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """See `Work.gradient`."""
        parameters, n = list(trainee.parameters()), sum(trainee.model.state_sizes)
        size = 1 + sum(p.numel() for p in parameters)
        losses = []
        for error, end in self._errors(trainee, batches, carried):  # noqa: B007 - the last one's counts
            losses.append(error.detach() / count)
            (error / count).backward()
        row = torch.cat([torch.stack(losses).sum()[None], taken(parameters), torch.view_as_real(end).flatten()])
        rows = self.gathered(row[None])[:, 0]
        total = reduce(torch.add, rows[:, :size])
        leave(parameters, total[1:], penalty)
        return total[0], torch.view_as_complex(rows[-1, size:].view(-1, n, 2))

    @torch.no_grad()
    def evaluate(self, trainee: Trainee, records: Sequence[Batch]) -> float:
        """See `Work.evaluate`."""
        own = torch.tensor([[float(error) for error, _ in self._errors(trainee, records, None)]], dtype=torch.float64)
        return float(self.gathered(own).sum()) / sum(float(r.scored.sum()) for r in records)

    def _errors(
        self, trainee: Trainee, batches: Sequence[Batch], carried: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Of this process's chunk of each batch: the error and the end state."""
        for batch in batches:
            with nullcontext() if self.here.size == 1 else sequence_parallel():
                found = squared_error(trainee, chunk(batch, self.here), carried)
            yield found


def check_chunks(model: DeepSSM) -> None:
    """OptionError unless nothing but diagonal recurrences, linear in the state, looks along time."""
    for block in model.chain():
        if not isinstance(block, Block):
            raise OptionError(
                f"sequence_parallel: {type(block).__name__} looks along time beside its recurrence; expected the "
                "scaffold series, twofold or residual"
            )
        if type(block.cell).forward not in (DiagonalCell.forward, DiagonalSelective.forward):
            raise OptionError(
                f"sequence_parallel: {type(block.cell).__name__} does not run as a diagonal recurrence that is linear "
                "in its state, so its chunks cannot be joined; expected a cell such as lru, s4d, s5, bounded or rglru"
            )


def chunk(batch: Batch, here: Place) -> Batch:
    """This process's part of the time axis; features and what continues are those of the windows.

    Raises:
        OptionError: fewer samples than processes.
    """
    time = batch.u.shape[1]
    if time < here.size:
        raise OptionError(f"sequence_parallel: {here.size} processes share {time} samples, expected at least one each")
    span = slice(time * here.rank // here.size, time * (here.rank + 1) // here.size)
    return dataclasses.replace(batch, u=batch.u[:, span], y=batch.y[:, span], scored=batch.scored[:, span])
