"""Linear models of falling order, for data where the start of a record does not tell the states of the best one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from l2ssm.systems.output_error import output_error
from l2ssm.systems.subspace import LinearFit, Pair, subspace

MAX_ORDER = 10
KNOWN_START = 1.2  # times the error from the best initial states: above it the rule for them does not suit the order


def falling_orders(pairs: Sequence[Pair], dt: float, max_order: int = MAX_ORDER) -> Iterator[LinearFit]:
    """The best linear model, refined on the free-run error, then the orders below; each made when asked for."""
    first = output_error(subspace(pairs, dt, max_order=max_order), pairs)
    yield first
    for order in range(first.order - 1, 0, -1):
        yield output_error(subspace(pairs, dt, order=order), pairs)


def start_is_known(mse: float, found: LinearFit) -> bool:
    """Whether a free run with this mean squared error starts nearly as well as from the best initial states."""
    return mse <= KNOWN_START**2 * float((found.rmse**2).mean())
