"""How long a call takes: the median, the 99th percentile and the worst of many."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from l2ssm.options import integer

FIRST = 10
"""Calls before those that are measured."""


@dataclass(frozen=True)
class Latency:
    """Seconds a call.

    Attributes:
        median, p99, worst: of the calls measured.
        count: how many they were.
    """

    median: float
    p99: float
    worst: float
    count: int

    def __str__(self) -> str:
        micro = [1e6 * t for t in (self.median, self.p99, self.worst)]
        return "median {:.1f} us, 99 % below {:.1f} us, worst {:.1f} us".format(*micro) + f" ({self.count} calls)"


def measured(call: Callable[[], Any], count: int = 1000) -> Latency:
    """The time of `count` calls, each by itself, after a few that are not counted.

    Raises:
        OptionError: count is not an integer >= 1.
    """
    spent = np.empty(integer("count", count, 1))
    for _ in range(FIRST):
        call()
    for k in range(count):
        began = time.perf_counter_ns()
        call()
        spent[k] = time.perf_counter_ns() - began
    median, p99, worst = (1e-9 * np.quantile(spent, (0.5, 0.99, 1.0))).tolist()
    return Latency(median, p99, worst, count)
