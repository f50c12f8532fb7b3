"""Threads that share out a scan: as many as torch is set to use, all asleep between calls.

Neither OpenMP nor numba's thread pools are used: two such pools spin against each other on the same cores.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

_lock = threading.Lock()
_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}


def run(tasks: Sequence[Callable[[], None]]) -> None:
    """Run the tasks side by side, the first in the calling thread, and return when all are done.

    What a task raises is raised here, after the others have ended. Tasks must not call `run` themselves.
    """
    futures = [_pool(len(tasks) - 1).submit(task) for task in tasks[1:]]
    try:
        tasks[0]()
    finally:
        for future in futures:
            future.exception()  # waits
    for future in futures:
        future.result()


def _pool(size: int) -> ThreadPoolExecutor:
    key = (os.getpid(), size)  # a forked child does not inherit the threads
    with _lock:
        if key not in _pools:
            _pools[key] = ThreadPoolExecutor(size, "l2ssm-scan")
        return _pools[key]
