"""`filled_in`: records in which every output stands, for a linear identification, which needs all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from l2ssm.errors import DataError
from l2ssm.identification.initial import without_gaps
from l2ssm.identification.windows import Scored
from l2ssm.systems.output_error import output_error
from l2ssm.systems.subspace import Array, Pair, subspace, with_initial_states

ROUNDS = 3  # what is still wrong shrinks by the share of the gaps in each of them


def filled_in(records: Sequence[Scored], n_init: int) -> list[Scored]:
    """The records with the free run of a linear model in their gaps, so that these say nothing of the model.

    It explains the other samples best, and where its run stands already the output error is zero. First there are
    straight lines over the gaps; then model and gaps are found from each other in turn (expectation maximisation).

    Args:
        records: a gap is an output that is NaN, or that is not scored: held-out samples are not looked at. The first
            n_init samples are, since a free run is started from them. Records without a scored sample are left out.
        n_init: samples for the initial state.
    """
    used = [record for record in records if record.scored.any()]
    gaps = [np.isnan(r.y) | ~(r.scored | (np.arange(len(r.u)) < n_init))[:, None] for r in used]
    outputs = [without_gaps(np.where(gap, np.nan, r.y)) for r, gap in zip(used, gaps, strict=True)]
    if any(gap.any() for gap in gaps):
        outputs = _explained([(r.u, y) for r, y in zip(used, outputs, strict=True)], gaps)
    return [Scored(r.u, y, np.ones(len(y), dtype=bool), None, r.inside) for r, y in zip(used, outputs, strict=True)]


def _explained(pairs: list[Pair], gaps: Sequence[NDArray[np.bool_]]) -> list[Array]:
    """The outputs; as interpolated where there are too few samples for a linear model."""
    try:
        G = subspace(pairs, 1.0).G
    except DataError:
        return [y for _, y in pairs]
    for _ in range(ROUNDS):
        found = output_error(with_initial_states(G, pairs, np.zeros(0)), pairs)
        G = found.G
        runs = [G.simulate(u, x0) for (u, _), x0 in zip(pairs, found.x0, strict=True)]
        pairs = [(u, np.where(gap, run, y)) for (u, y), gap, run in zip(pairs, gaps, runs, strict=True)]
    return [y for _, y in pairs]
