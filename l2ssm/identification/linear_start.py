"""`start_linear`: a linear model of the training data, found and put into a deep one before it is trained."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from l2ssm.cells.linear_start import modes_of_any
from l2ssm.errors import DataError, OptionError, RealizationError
from l2ssm.identification.initial import InitialState
from l2ssm.identification.initialize import LinearStart, calibrate, check_start, initialize
from l2ssm.identification.linear_orders import MAX_ORDER, falling_orders, start_is_known
from l2ssm.identification.start_states import start_states
from l2ssm.identification.trainee import Trainee, evaluate
from l2ssm.identification.windows import Scored, whole_records
from l2ssm.systems.state_space import StateSpace
from l2ssm.systems.subspace import LinearFit

SHARE = 0.01  # of the deviation


@dataclass(frozen=True)
class Beginning:
    """What a model starts at.

    Attributes:
        words: for the user.
        memory: longest time constant of the linear model, in samples; infinite for a pole on the unit circle, 0 where
            the start is not a linear model.
    """

    words: str
    memory: float = 0.0

    @property
    def linear(self) -> bool:
        """Whether it is a linear model."""
        return self.memory > 0


def start_linear(trainee: Trainee, records: Sequence[Scored], rule: InitialState, wanted: bool) -> Beginning:
    """Start the model at the linear one whose free run, by the rule for the initial state, explains the records best.

    The order is that of `subspace`. Where its states cannot be told from the start of a record - slow modes that look
    alike there - the smaller orders are tried, and the best one is kept.

    Args:
        trainee: its model is started in place where it can hold a linear one, see `initialize`.
        records: training records, all samples.
        rule: for the initial state.
        wanted: whether a model that cannot hold a linear one is an error; otherwise it stays as it is.

    Raises:
        OptionError: wanted, and the model or the data does not allow it.
    """
    batches = whole_records([r for r in records if len(r.u) > rule.n_init], rule)
    random, why = copy.deepcopy(trainee.state_dict()), "no order gave a finite error"
    best: tuple[float, LinearStart, dict, StateSpace] | None = None
    try:
        cells = check_start(trainee.model)
        for found in falling_orders([(r.u, r.y) for r in records], 1.0, min(MAX_ORDER, cells[0].n_x)):
            trainee.load_state_dict(random)
            try:
                start = _started(trainee, found, records, rule)
            except RealizationError as error:
                why = str(error)
                continue
            mse = evaluate(trainee, batches)
            if math.isfinite(mse) and (best is None or mse < best[0]):
                best = mse, start, copy.deepcopy(trainee.state_dict()), found.G
            if start_is_known(mse, found) or start.kept < 1:
                break
    except (DataError, OptionError) as error:
        why = str(error)
    trainee.load_state_dict(random if best is None else best[2])
    if best is not None:
        longest = max((record.u for record in records), key=len)
        return Beginning(f"linear model of {best[1]}", memory(best[3], longest))
    if wanted:
        raise OptionError(f"no linear start: {why}")
    return Beginning(f"random: {why}")


def memory(G: StateSpace, u: NDArray[np.float64]) -> float:
    """Longest time constant of what G does with u, in samples: -1 / log |lam| of its slowest pole, at least 1.

    A pole whose part of the response to u deviates by less than `SHARE` of what the largest part does is not counted:
    such a one carries the offset of a record, and not what the input does.

    Args:
        G: a stable system with a basis of modes, see `modes_of_any`.
        u: (T, n_u), inputs of a record.

    >>> u = np.sin(np.arange(100.0))[:, None]
    >>> memory(StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]]), u)
    1.4426950408889634
    >>> memory(StateSpace([[1.0]], [[1.0]], [[1.0]], [[0.0]]), u)
    inf
    """
    if G.n_x == 0:
        return 1.0
    modes = modes_of_any(G)
    runs = [signal.lfilter([0, 1], [1, -pole], u @ b) for pole, b in zip(modes.lam, modes.B, strict=True)]
    parts = np.std(runs, axis=1) * np.linalg.norm(modes.C, axis=0)
    slowest = float(np.abs(modes.lam[parts >= SHARE * parts.max()]).max())
    return math.inf if slowest >= 1 else max(1.0, -1 / math.log(slowest)) if slowest > 0 else 1.0


def _started(trainee: Trainee, found: LinearFit, records: Sequence[Scored], rule: InitialState) -> LinearStart:
    start = initialize(trainee.model, found.G)
    if trainee.model.gains() is None:
        calibrate(trainee.model, records)
    if trainee.initial is not None:
        start_states(trainee, start, records, rule)
    return start
