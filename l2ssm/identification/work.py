"""`Work`: what a step, a validation and a refinement compute, all of it in one process; `shared_work` shares it out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from l2ssm.identification.outcome import Progress
from l2ssm.identification.trainee import Trainee, evaluate, squared_error
from l2ssm.identification.windows import Batch

T = TypeVar("T")


class Work:
    """All of it in this process.

    Attributes:
        leads: whether this process writes, reports and decides.
    """

    leads = True

    @property
    def about(self) -> str:
        """How the work is shared out, as far as the numbers that come out depend on it."""
        return "one process"

    def begin(self, trainee: Trainee, step: int) -> None:
        """Before the first step: every process has the same parameters, and has done the same steps.

        Args:
            trainee: gets the parameters of the leading process.
            step: done so far.
        """

    def agree(self, value: T) -> T:
        """That of the leading process, in all of them."""
        return value

    def tell(self, progress: Callable[[Progress], None] | None, report: Progress) -> None:
        """Call `progress` in the leading process; a KeyboardInterrupt or `L2ssmError` there is one in all of them."""
        if progress is not None:
            progress(report)

    def step(
        self, trainee: Trainee, batch: Batch, carried: Tensor | None, penalty: Tensor | float
    ) -> tuple[Tensor, Tensor | None]:
        """(mean error over the scored samples, end states), the gradient left in the parameters.

        Args:
            trainee: without a gradient.
            batch: of one step.
            carried: states that it goes on from, where it does.
            penalty: added to the error; its gradient counts too.
        """
        return self.gradient(trainee, [batch], batch.scored.sum().clamp(min=1), penalty, carried)

    def gradient(
        self,
        trainee: Trainee,
        batches: Sequence[Batch],
        count: Tensor | float,
        penalty: Tensor | float,
        carried: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """(sum of the errors over count, end states of the last batch), the gradient left in the parameters.

        Args:
            trainee: without a gradient.
            batches: all of them.
            count: of scored samples.
            penalty: added to the error; its gradient counts too.
            carried: states that the batch goes on from, where it does.
        """
        errors, ends = zip(*(squared_error(trainee, batch, carried) for batch in batches), strict=True)
        loss = torch.stack(errors).sum() / count
        (loss + penalty).backward()
        return loss.detach(), ends[-1]

    def evaluate(self, trainee: Trainee, records: Sequence[Batch]) -> float:
        """Mean loss over all scored samples of all records.

        Args:
            trainee: to be judged.
            records: of validation.
        """
        return evaluate(trainee, records)
