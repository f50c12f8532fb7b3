"""`start_linear`: a linear model of the training data, found and put into a deep one before it is trained."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

from l2ssm.errors import DataError, OptionError, RealizationError
from l2ssm.identification.initial import InitialState
from l2ssm.identification.initialize import LinearStart, calibrate, check_start, initialize
from l2ssm.identification.linear_orders import MAX_ORDER, falling_orders, start_is_known
from l2ssm.identification.start_states import start_states
from l2ssm.identification.trainee import Trainee, evaluate
from l2ssm.identification.windows import Scored, whole_records
from l2ssm.systems.subspace import LinearFit


def start_linear(trainee: Trainee, records: Sequence[Scored], rule: InitialState, wanted: bool) -> str:
    """Start the model at the linear one whose free run, by the rule for the initial state, explains the records best.

    The order is that of `subspace`. Where its states cannot be told from the start of a record - slow modes that look
    alike there - the smaller orders are tried, and the best one is kept.

    Args:
        trainee: its model is started in place where it can hold a linear one, see `initialize`.
        records: training records, all samples.
        rule: for the initial state.
        wanted: whether a model that cannot hold a linear one is an error; otherwise it stays as it is.

    Returns:
        What the model starts at, in words.

    Raises:
        OptionError: wanted, and the model or the data does not allow it.
    """
    batches = whole_records([r for r in records if len(r.u) > rule.n_init], rule)
    random, why = copy.deepcopy(trainee.state_dict()), "no order gave a finite error"
    best: tuple[float, LinearStart, dict] | None = None
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
                best = mse, start, copy.deepcopy(trainee.state_dict())
            if start_is_known(mse, found) or start.kept < 1:
                break
    except (DataError, OptionError) as error:
        why = str(error)
    trainee.load_state_dict(random if best is None else best[2])
    if best is not None:
        return f"linear model of {best[1]}"
    if wanted:
        raise OptionError(f"no linear start: {why}")
    return f"random: {why}"


def _started(trainee: Trainee, found: LinearFit, records: Sequence[Scored], rule: InitialState) -> LinearStart:
    start = initialize(trainee.model, found.G)
    if trainee.model.gains() is None:
        calibrate(trainee.model, records)
    if trainee.initial is not None:
        start_states(trainee, start, records, rule)
    return start
