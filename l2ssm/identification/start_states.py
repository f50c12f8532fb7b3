"""`start_states`: what the start of a record tells of the initial state of a model that `initialize` started."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from l2ssm.cells.base import DiagonalCell
from l2ssm.identification.initial import InitialState
from l2ssm.identification.initialize import DISTINCT, LinearStart, modes_of_cell, passed_on
from l2ssm.identification.trainee import Trainee
from l2ssm.identification.windows import Scored
from l2ssm.systems.simulation import states
from l2ssm.systems.state_space import StateSpace
from l2ssm.systems.subspace import free_responses, triangular, with_initial_states

Array = NDArray[np.float64]

STARTS = 2000  # of the regression, over all records
START_SHARE = 10  # the start of a record, where most free runs begin, counts as one in so many of them
SEEN = 1e-7  # of the largest free response: smaller ones tell nothing of a state


def start_states(trainee: Trainee, start: LinearStart, records: Sequence[Scored], rule: InitialState) -> None:
    """What the features of a record tell of the first cell's initial states, by ridge regression, in place.

    The states to be explained are those of the cell driven by the input alone, along whole records, each from the state
    that explains its outputs best.

    Args:
        trainee: with a map to x0, its model started by `initialize`.
        start: what that returned.
        records: training records.
        rule: for the initial state; one that is the same for all records is the mean of theirs, at their starts.
    """
    assert trainee.initial is not None
    model, n_init = trainee.model, rule.n_init
    cell = model.chain()[0].cell
    assert isinstance(cell, DiagonalCell)
    own = modes_of_cell(cell)
    lam = np.where(abs(own.lam.imag) <= 2 * DISTINCT, own.lam.real, own.lam)  # nothing shows such an imaginary part
    W = model.encoder()[0].detach().double().numpy()
    R = passed_on(model) * model.decoder()[0].detach().double().numpy()
    G = StateSpace.from_modes(lam, own.B @ W, R @ own.C, R @ own.D @ W)  # the model at its start
    long = [r for r in records if len(r.u) > n_init and not (r.inside and rule.known_at_start)]
    pairs = [(record.u, record.y * start.kept) for record in long]
    stride = max(1, sum(len(u) for u, _ in pairs) // STARTS)
    known, wanted = [], []
    for record, x0 in zip(long, with_initial_states(G, pairs, np.zeros(0)).x0, strict=True):
        u, y = record.u, record.y
        first = np.arange(0, len(u) - n_init, stride)
        first = np.concatenate([np.zeros(len(first) // START_SHARE, dtype=int), first])
        first = np.zeros(1, dtype=int) if rule.known_at_start else first
        windows = first[:, None] + np.arange(n_init)
        seen_there = rule.features(u[windows], y[windows])
        assert seen_there is not None
        known.append(seen_there)
        wanted.append(states(G, u, x0)[first])
    free = free_responses(G.A, G.C, max(len(u) for u, _ in pairs))
    _, sizes, basis = np.linalg.svd(triangular(free), full_matrices=False)
    seen = sizes > SEEN * sizes.max(initial=0.0)  # in these coordinates an error of any state costs the output the same
    to_seen, back = basis[seen].T * sizes[seen], basis[seen].T / sizes[seen]
    weights, bias = ridge(np.vstack(known), np.vstack(wanted) @ to_seen)
    weights, bias = back @ weights, back @ bias
    with torch.no_grad():
        trainee.initial.weight[: G.n_x] = torch.tensor(weights).to(trainee.initial.weight.dtype)
        trainee.initial.bias[: G.n_x] = torch.tensor(bias).to(trainee.initial.bias.dtype)


def ridge(X: Array, Y: Array) -> tuple[Array, Array]:
    """(W, b) of Y = X W' + b by ridge regression, one ridge a column of Y chosen by generalised cross-validation.

    Source: Golub, Heath and Wahba, "Generalized cross-validation as a method for choosing a good ridge parameter",
    Technometrics 21(2), 1979.

    Args:
        X: (samples, inputs).
        Y: (samples, outputs).
    """
    x, y, N = X.mean(axis=0), Y.mean(axis=0), len(X)
    U, s, Vt = np.linalg.svd(X - x, full_matrices=False)
    found = U.T @ (Y - y)
    outside = np.maximum(((Y - y) ** 2).sum(axis=0) - (found**2).sum(axis=0), 0.0)
    largest = s.max(initial=0.0) ** 2 or 1.0
    kept = s**2 / (s**2 + np.geomspace(1e-12, 1e2, 57)[:, None] * largest)  # (ridges, inputs)
    errors = ((1 - kept)[:, :, None] * found) ** 2
    scores = (errors.sum(axis=1) + outside) / (1 - (kept.sum(axis=1)[:, None] + 1) / (N + 1)) ** 2
    best = kept[scores.argmin(axis=0)].T  # (inputs, outputs)
    W = (Vt.T @ (best * found / np.where(s > 0, s, 1.0)[:, None])).T
    return W, y - W @ x
