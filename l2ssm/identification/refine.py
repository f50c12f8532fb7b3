"""`refine`: full-batch L-BFGS in float64 after the stochastic steps, where these no longer find the way down."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from l2ssm.identification.outcome import BUDGET, INTERRUPTED, Outcome, Progress
from l2ssm.identification.prescribed_gain import PrescribedGainTraining
from l2ssm.identification.trainee import Trainee
from l2ssm.identification.windows import Batch
from l2ssm.identification.work import Work

CHUNK = 25  # iterations between validations
MEMORY = 20  # pairs that L-BFGS keeps
STALLED = 8  # validations without an improvement after which it ends


def refine(
    trainee: Trainee,
    records: Sequence[Batch],
    valid: Sequence[Batch],
    outcome: Outcome,
    *,
    iterations: int,
    minutes: float | None,
    prescribed: PrescribedGainTraining,
    progress: Callable[[Progress], None] | None = None,
    work: Work | None = None,
) -> None:
    """Train in place on all samples at once; the parameters become float64, those of the best validation are kept.

    Nothing is done where `minimize` was interrupted, and where there are no iterations or no minutes left.

    The validation error never ends above the one it started from: what is no improvement is taken back, also after
    Ctrl-C.

    Args:
        trainee: what is trained.
        records: training records.
        valid: validation records.
        outcome: of `minimize`, continued here.
        iterations: of L-BFGS at most.
        minutes: wall-clock budget, the time of `minimize` included; None: none.
        prescribed: what happens to a prescribed gain.
        progress: called at each validation.
        work: how it is shared out between processes; None: not at all.
    """
    work = work or Work()
    if iterations <= 0 or outcome.reason.startswith((INTERRUPTED, BUDGET)):
        return
    first, before = (outcome.history[-1].step, outcome.history[-1].seconds) if outcome.history else (0, 0.0)
    began, seconds = time.monotonic(), math.inf if minutes is None else 60 * minutes - before
    trainee.double()
    records, valid = ([_double(batch) for batch in part] for part in (records, valid))
    count = sum(float(batch.scored.sum()) for batch in records)
    optimizer = torch.optim.LBFGS(
        trainee.parameters(), max_iter=CHUNK, history_size=MEMORY, line_search_fn="strong_wolfe"
    )
    prescribed.before_validation()
    best, outcome.best_mse = copy.deepcopy(trainee.state_dict()), work.agree(work.evaluate(trainee, valid))
    error = math.nan

    def closure() -> Tensor:
        nonlocal error
        optimizer.zero_grad()
        penalty = prescribed.loss()
        mse, _ = work.gradient(trainee, records, count, penalty)
        error = float(mse)
        for parameter in trainee.parameters():  # L-BFGS takes gradients as views in one row
            parameter.grad = None if parameter.grad is None else parameter.grad.contiguous()
        return mse + penalty

    done = better = 0
    try:
        while done < min(iterations, better + STALLED * CHUNK):
            if minutes is not None and work.agree(time.monotonic() - began >= seconds):
                outcome.reason = f"{BUDGET} {minutes} minutes is spent"
                break
            optimizer.param_groups[0]["max_iter"] = min(CHUNK, iterations - done)
            optimizer.step(closure)
            done += min(CHUNK, iterations - done)
            prescribed.before_validation()
            now = before + time.monotonic() - began
            report = work.agree(Progress(first + done, first + iterations, error, work.evaluate(trainee, valid), now))
            mse = report.valid_mse
            outcome.history.append(report)
            work.tell(progress, report)
            if not math.isfinite(mse):
                outcome.rollbacks += 1
                break
            if mse < outcome.best_mse:
                outcome.best_mse, outcome.best_step, best = mse, first + done, copy.deepcopy(trainee.state_dict())
                better = done
    except KeyboardInterrupt:
        outcome.reason = f"{INTERRUPTED} {first + done}"
    trainee.load_state_dict(best)


def _double(batch: Batch) -> Batch:
    """The batch in float64."""
    features = None if batch.features is None else batch.features.double()
    return dataclasses.replace(
        batch, u=batch.u.double(), y=batch.y.double(), features=features, scored=batch.scored.double()
    )
