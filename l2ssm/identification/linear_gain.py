"""The gain of the best linear model of some data: where prescribed gains are worth trying."""

from __future__ import annotations

from l2ssm.data.dataset import Dataset
from l2ssm.errors import DataError
from l2ssm.systems.output_error import output_error
from l2ssm.systems.subspace import subspace

REFINEMENTS = 10  # iterations on the free-run error


def linear_gain(data: Dataset) -> float:
    """sup |G| over all frequencies, G the linear model of least free-run error, in output units per input unit.

    Args:
        data: records with outputs; the mean of each channel is the operating point.

    Raises:
        DataError: no outputs, a channel that does not vary, records too short, or a linear model without any gain.
    """
    data.require_outputs()
    data.require_variation()
    stats = data.statistics()
    pairs = [(record.u - stats.u_mean, record.y - stats.y_mean) for record in data if record.y is not None]
    gain = output_error(subspace(pairs, data.dt), pairs, iterations=REFINEMENTS).G.hinf().upper
    if not 0 < gain < float("inf"):
        raise DataError(f"the best linear model has the gain {gain}: give the gains to try")
    return float(gain)
