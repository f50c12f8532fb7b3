"""The initial state of a fitted model as operations: from the first samples of u and y to x0."""

from __future__ import annotations

from typing import Any

import numpy as np

from l2ssm.errors import ExportError
from l2ssm.export.tape import Program, Tape
from l2ssm.identification.initial import InitialState, projection


def start_program(model: Any) -> Program | None:
    """(u_start, y_start) -> x0, n_init samples of each, time first; None where the state starts at zero.

    The standardisation is folded into the weights: x0 = W f + b, f the Legendre coefficients of every channel.

    Raises:
        ExportError: the state at the start was learned, and is no function of samples.
    """
    initial: InitialState | None = getattr(model, "initial", None)
    if initial is not None and initial.kind == "learned":
        raise ExportError("the initial state of this model is a constant, model.initial.bias: only the runtime has it")
    if initial is None or initial.kind != "encoder":
        return None
    scaling, network = model.scaling, model.network
    assert initial.weight is not None
    assert initial.bias is not None
    P, n = projection(initial.n_init), initial.n_init
    mean, std = np.concatenate([scaling.u_mean, scaling.y_mean]), np.concatenate([scaling.u_std, scaling.y_std])
    W = initial.weight / np.repeat(std, len(P))
    b = initial.bias - W @ np.outer(mean, P.sum(axis=1)).ravel()
    tape = Tape()
    u, y = tape.input("u_start", n * network.n_u), tape.input("y_start", n * network.n_y)
    channels = [signal[c :: signal.size // n] for signal in (u, y) for c in range(signal.size // n)]
    return Program(tape, {"x0": tape.linear(W, tape.linear(P, tape.concat(channels))) + b})
