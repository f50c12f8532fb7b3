"""BLAS threads: one for small matrices, where a second one costs more than it computes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from threadpoolctl import threadpool_limits

SMALL = 512
"""States up to which one thread is used: with two, on a busy machine, small factorizations took 5 times longer."""


def threads_for(n_x: int) -> AbstractContextManager[Any]:
    """Within the block BLAS uses one thread if n_x is small, and as many as before otherwise."""
    return threadpool_limits(1 if n_x <= SMALL else None, user_api="blas")
