"""The gain of the best linear model of some data: where prescribed gains are worth trying."""

from __future__ import annotations

from l2ssm.data.dataset import Dataset
from l2ssm.errors import DataError
from l2ssm.identification.linear_baseline import INTEGRATING
from l2ssm.systems.output_error import output_error
from l2ssm.systems.state_space import StateSpace
from l2ssm.systems.subspace import subspace

REFINEMENTS = 10  # iterations on the free-run error


def linear_gain(data: Dataset) -> float:
    """sup |G| over all frequencies, G the linear model of least free-run error, in output units per input unit.

    Args:
        data: records with outputs; the mean of each channel is the operating point.

    Raises:
        DataError: no outputs, a channel that does not vary, records too short, or a linear model without any gain or
            that integrates.
    """
    data.require_outputs()
    data.require_variation()
    stats = data.statistics()
    pairs = [(record.u - stats.u_mean, record.y - stats.y_mean) for record in data if record.y is not None]
    G = output_error(subspace(pairs, data.dt), pairs, iterations=REFINEMENTS).G
    gain, to = G.hinf().upper, stats.y_std[:, None]
    standardised = StateSpace(G.A, G.B * stats.u_std, G.C / to, G.D * stats.u_std / to, G.dt).hinf().upper
    if not 0 < standardised < INTEGRATING:
        raise DataError(
            f"the best linear model has the gain {gain:.4g} ({standardised:.4g} standardised)"
            + (", it integrates" if standardised >= INTEGRATING else "")
            + ": give the gains to try"
        )
    return float(gain)
