"""The one training loop: AdamW on random windows, best parameters on validation data, non-finite steps rolled back."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from l2ssm.errors import FitError
from l2ssm.identification.averaging import TailAverage
from l2ssm.identification.checkpoint import Checkpoint, TrainingState
from l2ssm.identification.outcome import ALL_STEPS, BUDGET, INTERRUPTED, Outcome, Progress
from l2ssm.identification.prescribed_gain import PrescribedGainTraining
from l2ssm.identification.trainee import Trainee
from l2ssm.identification.windows import Batch
from l2ssm.identification.work import Work

WARMUP = 0.05  # fraction of the steps in which the learning rate rises
FINAL_RATE = 0.01  # of the learning rate, reached at the last step
MAX_ROLLBACKS = 20
UNDECAYED = {
    "nu",
    "theta",
    "poles_ri",
    "log_decay",
    "frequency",
    "log_step",
    "step_bias",
    "recurrence",
    "P_ri",
    "log_scale",
    "log_pd",
    "D",
} | {
    "shares",
    "log_gamma",
    "log_psi",
}
"""Poles and what makes them, steps, input scale, storage and direct term of a cell; gains and what shares them."""
WORK_WORTH_THREADS = 1e8  # multiply-adds a step


def minimize(
    trainee: Trainee,
    batches: Callable[[int], Iterator[Batch]],
    valid: Sequence[Batch],
    *,
    steps: int,
    learning_rate: float,
    weight_decay: float,
    validate_every: int,
    patience: int | None,
    minutes: float | None,
    began: float | None = None,
    average: float = 0.0,
    prescribed: PrescribedGainTraining | None = None,
    monitor: Callable[[int], float | None] | None = None,
    progress: Callable[[Progress], None] | None = None,
    checkpoint: Checkpoint | None = None,
    work: Work | None = None,
) -> Outcome:
    """Train in place; on return the parameters are those of the best validation step, also after Ctrl-C.

    Args:
        trainee: what is trained.
        batches: endless training windows, from those of the step after so many on.
        valid: validation records.
        steps: optimiser steps at most.
        learning_rate: peak of the one-cycle schedule.
        weight_decay: of AdamW, see `decay_groups`.
        validate_every: steps between validations.
        patience: validations without an improvement after which to stop; None: never.
        minutes: wall-clock budget; None: none.
        began: the `time.monotonic()` that it counts from; None: now.
        average: share of the steps, the last ones, over which the parameters are averaged too; the mean is kept where
            its validation error is the smaller one.
        prescribed: what happens to a prescribed gain.
        monitor: called with the number of each validation (1, 2, ...) for the gain to report.
        progress: called at each validation.
        checkpoint: written at each validation; where it exists, training goes on from it, and ends bit for bit as it
            would have ended.
        work: how it is shared out between processes; None: not at all.

    Raises:
        FitError: no step gave finite parameters and a finite validation error.
    """
    began, outcome = time.monotonic() if began is None else began, Outcome()
    optimizer = torch.optim.AdamW(decay_groups(trainee, weight_decay), lr=learning_rate, fused=True)
    prescribed, work = prescribed or PrescribedGainTraining(trainee.model, steps), work or Work()
    resumed = None if checkpoint is None else checkpoint.read()
    first, running, carried, tail = 0, math.nan, None, TailAverage(trainee, steps, average)
    if resumed is None:
        work.begin(trainee, first)
        prescribed.before_validation()
        start = work.agree(work.evaluate(trainee, valid))
        outcome.best_mse = start if math.isfinite(start) else math.inf
        best = copy.deepcopy(trainee.state_dict())
    else:
        first, running, carried, outcome = resumed.step, resumed.running, resumed.carried, resumed.outcome
        trainee.load_state_dict(resumed.parameters)
        optimizer.load_state_dict(optimizer.state_dict() | {"state": resumed.optimizer})
        best, began, tail.mean = resumed.best, began - resumed.seconds, resumed.mean
        work.begin(trainee, first)
        prescribed.before_validation()
    last_good, step, drawn = _snapshot(trainee, optimizer), first, batches(first)
    try:
        for step in range(first + 1, steps + 1 if outcome.reason == ALL_STEPS else 0):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * one_cycle(step / steps)
            optimizer.zero_grad(set_to_none=True)
            prescribed.before_step(step)
            loss, carried = work.step(trainee, next(drawn), carried, prescribed.loss())
            norm = nn.utils.clip_grad_norm_(trainee.parameters(), 1.0)
            if torch.isfinite(loss) and torch.isfinite(norm):
                optimizer.step()
                value = float(loss)
                running = value if math.isnan(running) else 0.95 * running + 0.05 * value
            else:
                outcome.rollbacks += 1
                _restore(trainee, optimizer, last_good)
                if outcome.rollbacks > MAX_ROLLBACKS:
                    outcome.reason = f"more than {MAX_ROLLBACKS} non-finite steps"
                    break
            tail.add(step)
            late = minutes is not None and work.agree(time.monotonic() - began > 60 * minutes)
            if step % validate_every and step != steps and not late:
                continue
            prescribed.before_validation()
            mse = work.evaluate(trainee, valid)
            gain = monitor(len(outcome.history) + 1) if monitor is not None and work.leads else None
            report = work.agree(Progress(step, steps, running, mse, time.monotonic() - began, gain))
            mse = report.valid_mse
            outcome.history.append(report)
            if math.isfinite(mse):
                last_good = _snapshot(trainee, optimizer)
            if mse < outcome.best_mse:
                outcome.best_mse, outcome.best_step, outcome.averaged, best = mse, step, False, last_good[0]
            if tail.mean:
                with tail.applied():
                    prescribed.before_validation()
                    mean_mse = work.agree(work.evaluate(trainee, valid))
                    if mean_mse < outcome.best_mse:
                        outcome.best_mse, outcome.best_step, outcome.averaged = mean_mse, step, True
                        best = copy.deepcopy(trainee.state_dict())
                prescribed.before_validation()
            if late:
                outcome.reason = f"{BUDGET} {minutes} minutes is spent"
            elif patience is not None and step - outcome.best_step >= patience * validate_every:
                outcome.reason = f"no improvement in {patience} validations"
            if checkpoint is not None and work.leads and math.isfinite(mse) and not late:
                seconds, moments = report.seconds, last_good[1]["state"]
                parts = last_good[0], moments, best, tail.mean, carried
                checkpoint.write(TrainingState(step, running, seconds, outcome, *parts))
            work.tell(progress, report)
            if outcome.reason != ALL_STEPS:
                break
    except KeyboardInterrupt:
        outcome.reason = f"{INTERRUPTED} {step}"
    trainee.load_state_dict(best)
    if outcome.history and not any(math.isfinite(report.valid_mse) for report in outcome.history):
        raise FitError(
            f"no finite validation error in {step} steps ({outcome.reason}); "
            f"lower learning_rate (now {learning_rate}) or look at the data"
        )
    return outcome


def decay_groups(trainee: Trainee, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups for AdamW: all weights decay but those of `UNDECAYED`, whose zero means nothing special."""
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for name, parameter in trainee.named_parameters():
        groups[name.rpartition(".")[2] not in UNDECAYED].append(parameter)
    return [
        {"params": groups[True], "weight_decay": weight_decay},
        {"params": groups[False], "weight_decay": 0.0},
    ]


@contextmanager
def threads_for(work: float) -> Iterator[None]:
    """One torch thread inside the block where a step has less than WORK_WORTH_THREADS multiply-adds; then as before.

    On small tensors a second thread does little but wait for the first, and waits by spinning.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if work < WORK_WORTH_THREADS else threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def one_cycle(progress: float) -> float:
    """Learning rate as a fraction of its peak: linear up, cosine down to FINAL_RATE."""
    if progress < WARMUP:
        return progress / WARMUP
    return FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * (progress - WARMUP) / (1 - WARMUP)))


def _snapshot(trainee: Trainee, optimizer: torch.optim.Optimizer) -> tuple[dict, dict]:
    return copy.deepcopy(trainee.state_dict()), copy.deepcopy(optimizer.state_dict())


def _restore(trainee: Trainee, optimizer: torch.optim.Optimizer, snapshot: tuple[dict, dict]) -> None:
    trainee.load_state_dict(snapshot[0])
    optimizer.load_state_dict(snapshot[1])
