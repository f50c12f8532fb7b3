"""Long data in a fit: windows are read and standardised when they are drawn, and what looks at whole records - linear
start, refinement, validation - looks at stretches of them, evenly spread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from l2ssm.data.record import Record
from l2ssm.identification.windows import Array, Scored
from l2ssm.networks.scaling import Scaling

Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class LongRecord:
    """What `Scored` says of a whole record, of which only the part that is asked for is read.

    Args:
        record: in memory or in a store.
        scaling: standardises it.
        weight: (T,), or None for 1.
        held: first samples, and those behind the last, of stretches that are never scored.
    """

    record: Record
    scaling: Scaling
    weight: Array | None = None
    held: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return self.record.T

    def cut(self, first: int, stop: int) -> Scored:
        """Samples first..stop-1, no more than there are."""
        u, y = self.record.block(first, stop)
        assert y is not None
        u, y = self.scaling.apply(u, y)
        scored = np.asarray((~np.isnan(y)).any(axis=1))
        for begin, end in self.held:
            if begin < stop and end > first:
                scored[max(begin - first, 0) : end - first] = False
        cut = Scored(u, y, scored, inside=first > 0)
        return cut if self.weight is None else cut.weighing(self.weight[first:stop])

    def weighing(self, weight: Array) -> LongRecord:
        """The record with weights (T,); where they are 0 nothing is scored."""
        return replace(self, weight=weight)

    def without(self, held: Sequence[tuple[int, int]]) -> LongRecord:
        """The record with these stretches never scored."""
        return replace(self, held=tuple(held))


def prefetched(items: Iterator[Item]) -> Iterator[Item]:
    """The same items of an endless iterator, each made by a thread while the one before is used."""
    with ThreadPoolExecutor(1, thread_name_prefix="windows") as thread:
        coming = thread.submit(next, items)
        while True:
            item = coming.result()
            coming = thread.submit(next, items)
            yield item
