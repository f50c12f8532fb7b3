"""Long records from a store: memory and time of a fit, windows a second, and the same fit from memory beside it.

    PYTHONPATH=. python tests/benchmarks/bench_out_of_core.py long [samples] [steps] [folder]
    PYTHONPATH=. python tests/benchmarks/bench_out_of_core.py beside [samples] [steps] [times]

`long` makes a store of two inputs and two outputs (1e8 samples: 1.6 GB), and opens, summarises and fits it; memory is
the peak of the process, resident and anonymous, seen every 10 ms. `beside` fits the same numbers from memory and from a
store in turn, and compares the medians of wall time and of the time of a core. The store is removed at the end, unless
a folder is given.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

import l2ssm as ls
from l2ssm.data.store_writer import StoreWriter
from l2ssm.identification.initial import InitialState
from l2ssm.identification.long_data import LongRecord, prefetched
from l2ssm.identification.windows import random_windows
from l2ssm.networks.scaling import Scaling

BLOCK = 2**18


def make(folder: Path, samples: int, seed: int = 0) -> None:
    """A nonlinear plant of two inputs and two outputs, noise of 1 %."""
    rng = np.random.default_rng(seed)
    slow, states = np.zeros((1, 2)), np.zeros(2)
    with StoreWriter(folder, ["u1", "u2"], ["y1", "y2"], {}, missing=False) as store:
        for first in range(0, samples, BLOCK):
            size = min(BLOCK, samples - first)
            u, slow = lfilter([0.2], [1, -0.8], rng.standard_normal((size, 2)), axis=0, zi=slow)
            x, states = lfilter([0, 0.1, 0.05], [1, -1.6, 0.7], np.tanh(2 * u[:, 0]) + 0.3 * u[:, 1], zi=states)
            y = np.column_stack([x + 0.1 * x**3, np.tanh(x) + 0.2 * u[:, 1]])
            store.append("long", np.hstack([u, y + 0.01 * rng.standard_normal((size, 2))]))
        store.finish({"long": (0.01, 0.0)})


def resident() -> dict[str, float]:
    """MB of this process now, all and anonymous, by /proc."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines)
    return {name: int(found[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon")}


@contextmanager
def measured(what: str):
    """Prints the time and the peak of memory of what is done inside."""
    peak, ended, begun = resident(), threading.Event(), time.perf_counter()

    def watch() -> None:
        while not ended.wait(0.01):
            for name, value in resident().items():
                peak[name] = max(peak[name], value)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        seconds = time.perf_counter() - begun
        print(
            f"{what:34} {seconds:8.1f} s  peak {peak['VmRSS']:6.0f} MB, anonymous {peak['RssAnon']:6.0f} MB", flush=True
        )


def windows_per_second(data: ls.Dataset, window: int, seconds: float = 3.0) -> None:
    stats = data.statistics()
    records = [LongRecord(record, Scaling(stats.u_mean, stats.u_std, stats.y_mean, stats.y_std)) for record in data]
    rule = InitialState("encoder", 50)
    for name, wrap in (("in turn", iter), ("prefetched", prefetched)):
        batches = wrap(random_windows(records, rule, window=window, batch=8, seed=0))
        next(batches)
        count, begun, used = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - begun < seconds:
            next(batches)
            count += 8
        wall, cpu = time.perf_counter() - begun, time.process_time() - used
        told = f"{count / wall:8.0f} a second, {count / cpu:8.0f} a second of a core"
        print(f"windows of {window}, {name:10} {told}", flush=True)


def long(samples: float = 1e8, steps: float = 2000, folder: str | None = None) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        store = Path(folder or temporary) / "store"
        if not store.exists():
            with measured(f"{int(samples)} samples written"):
                make(store, int(samples))
        with measured("opened and checked"):
            data = ls.read(store)
        with measured("statistics"):
            data.statistics()
        for window in (512, 2048):
            windows_per_second(data, window)
        with measured(f"fit, {int(steps)} steps"):
            model = ls.fit(data, steps=int(steps), seed=0)
        print(f"validation RMSE {model.info['valid_rmse']}, {model.info['validation']}; {model.info['linear_start']}")


def beside(samples: float = 4e6, steps: float = 1000, times: float = 3) -> None:
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder) / "store", int(samples))
        stored = ls.read(Path(folder) / "store")
        seconds: dict[str, list[tuple[float, float]]] = {"memory": [], "store": []}
        for _ in range(int(times)):
            for name in seconds:
                data = stored
                if name == "memory":
                    data = ls.Dataset([ls.Record(r.u, r.y, r.dt, name=r.name) for r in stored])
                begun = time.perf_counter(), time.process_time()
                model = ls.fit(data, steps=int(steps), seed=0)
                seconds[name].append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
                wall, cpu = seconds[name][-1]
                print(f"{name:7} {wall:.1f} s, {cpu:.1f} s of a core, RMSE {model.info['valid_rmse']}", flush=True)
        for k, what in enumerate(("wall", "of a core")):
            memory, store = (float(np.median([pair[k] for pair in seconds[name]])) for name in ("memory", "store"))
            print(f"median {what}: {memory:.1f} s from memory, {store:.1f} s from the store: {store / memory - 1:+.1%}")


if __name__ == "__main__":
    names = {"long": long, "beside": beside}
    names[sys.argv[1]](*(float(v) if k < 2 or sys.argv[1] == "beside" else v for k, v in enumerate(sys.argv[2:])))
