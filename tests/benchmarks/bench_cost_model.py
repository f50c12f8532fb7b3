"""Time and memory of a training step against samples, states, width, layers and processes, for docs/scaling.md.

    PYTHONPATH=. python tests/benchmarks/bench_cost_model.py [rounds]

One thread a process. Steps are whole ones (draw, forward, backward, clip, AdamW) of the default network and of larger
ones; every size is measured in a process of its own, round after round over all sizes, and the median is told: seconds
on the clock, and processor seconds, which other jobs on the machine change less. The law

    processor seconds = layers (t0 + samples (c0 + c1 width states + c2 width^2))

is fitted to the relative errors with coefficients >= 0, and compared with two steps of a million samples.
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import nnls

from l2ssm.identification.chunks import Chunks
from l2ssm.identification.distributed import launch, place
from l2ssm.identification.initial import InitialState
from l2ssm.identification.minimize import decay_groups
from l2ssm.identification.shards import Replicas, Shards
from l2ssm.identification.trainee import Trainee
from l2ssm.identification.windows import Scored, random_windows
from l2ssm.identification.work import Work
from l2ssm.networks.deep import DeepSSM
from l2ssm.networks.scaling import Scaling
from l2ssm.scan.bench import resident_peak

RECORD = 2**21  # samples
DEFAULT = {"windows": 8, "window": 512, "layers": 5, "d_model": 8, "n_x": 8}
SIZES = [
    *({"window": 512 * 4**k} for k in range(4)),
    {"windows": 64},
    *({"n_x": n} for n in (32, 128)),
    *({"d_model": n} for n in (32, 128)),
    {"d_model": 64, "n_x": 64},
    *({"layers": n} for n in (2, 10)),
]
BEYOND = [{"window": 2**17}, {"windows": 1, "window": 10**6}]  # measured, and not seen by the law
STEPS = 3  # a measurement, after one that is not counted
WORK: dict[str, Callable[[], Work]] = {
    "ordinary": Work,
    "8 shards": lambda: Shards(place(), 8),
    "2 shards": lambda: Shards(place(), 2),
    "replicas": lambda: Replicas(place()),
    "chunks": lambda: Chunks(place()),
}
LARGE = {"windows": 64, "d_model": 64, "n_x": 64}
WAYS = ((1, "ordinary"), (1, "8 shards"), (2, "8 shards"), (2, "2 shards"), (2, "replicas"))
SHARED = [  # processes, how, and sizes
    *((n, how, size) for size in ({}, {"windows": 64}, LARGE) for n, how in WAYS),
    *((n, how, {"windows": 1, "window": 2**17}) for n, how in ((1, "ordinary"), (2, "chunks"))),
]


class Cost(NamedTuple):
    """Of a step in this process: seconds on the clock, processor seconds, growth of the resident size in bytes."""

    clock: float
    processor: float
    memory: int


def steps(how: str, size: dict[str, int]) -> Cost:
    """The medians of some steps."""
    made = DEFAULT | size
    scaling = Scaling(np.zeros(1), np.ones(1), np.zeros(1), np.ones(1))
    trainee = Trainee(DeepSSM(scaling, layers=made["layers"], d_model=made["d_model"], n_x=made["n_x"]), 12)
    optimizer = torch.optim.AdamW(decay_groups(trainee, 1e-3), lr=1e-6, fused=True)
    given = random_windows([RECORDED], RULE, window=made["window"], batch=made["windows"], seed=0)
    work, carried, before, taken = WORK[how](), None, resident_peak(), []
    work.begin(trainee, 0)
    for _ in range(1 + STEPS):
        began = time.perf_counter(), time.process_time()
        optimizer.zero_grad(set_to_none=True)
        _, carried = work.step(trainee, next(given), carried, 0.0)
        torch.nn.utils.clip_grad_norm_(trainee.parameters(), 1.0)
        optimizer.step()
        taken.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    clock, processor = (statistics.median(one) for one in zip(*taken[1:], strict=True))
    return Cost(clock, processor, resident_peak() - before)


def in_a_process(size: dict[str, int]) -> Cost:
    """`steps` in a fresh fork, whose largest resident size is its own."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(steps, ("ordinary", size))


def law(sizes: list[dict[str, int]], seconds: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """(t0, c0, c1, c2), fitted to all but those `BEYOND`, and what it gives over what was measured."""
    rows = []
    for size in sizes:
        n = size["windows"] * size["window"]
        terms = (1, n, n * size["d_model"] * size["n_x"], n * size["d_model"] ** 2)
        rows.append([size["layers"] * term for term in terms])
    relative = np.array(rows) / np.array(seconds)[:, None]
    fitted = relative[: -len(BEYOND)]
    scale = fitted.max(axis=0)
    found = nnls(fitted / scale, np.ones(len(fitted)))[0] / scale
    return found, relative @ found


def main(rounds: int = 3) -> None:
    torch.set_num_threads(1)
    steps("ordinary", {"window": 64})  # code is loaded
    sizes = [DEFAULT | size for size in SIZES + BEYOND]
    found = [[in_a_process(size) for size in sizes] for _ in range(rounds)]
    costs = [[one[k] for one in found] for k in range(len(sizes))]
    coefficients, ratio = law(sizes, [statistics.median(c.processor for c in cost) for cost in costs])
    print("law: t0 {:.3g}, c0 {:.3g}, c1 {:.3g}, c2 {:.3g} s".format(*coefficients))
    for size, cost, told in zip(sizes, costs, ratio, strict=True):
        samples, grown = size["windows"] * size["window"], max(c.memory for c in cost)
        print(size, described(cost), f"law/measured {told:.2f}, {grown / 2**20:.0f} MB,", end=" ")
        print(f"{grown / samples / size['layers']:.0f} B a sample and layer", flush=True)
    runs = [
        [launch(partial(steps, how, size), n, start_method="fork") for n, how, size in SHARED] for _ in range(rounds)
    ]
    for k, (n, how, size) in enumerate(SHARED):
        cost = [run[k] for run in runs]
        windows = (DEFAULT | size)["windows"] / statistics.median(c.clock for c in cost)
        print(n, "processes,", how, size or "default", described(cost), f"{windows:.0f} windows a second", flush=True)
    for count in (1, 100, 10_000):
        records = [cut_out(RECORDED, slice(0, 200)) for _ in range(count)]
        given = random_windows(records, RULE, window=512, batch=8, seed=0)
        next(given)
        began = time.process_time()
        for _ in range(50):
            next(given)
        print(f"{count} records: {1e3 * (time.process_time() - began) / 50:.2f} processor ms to draw a batch")


def described(costs: list[Cost]) -> str:
    """The median of the processor and all clock times."""
    clocks = "/".join(f"{1e3 * c.clock:.0f}" for c in costs)
    return f"{1e3 * statistics.median(c.processor for c in costs):.1f} processor ms (clock {clocks})"


def cut_out(record: Scored, span: slice) -> Scored:
    """A part of a record."""
    return Scored(record.u[span], record.y[span], record.scored[span])


if __name__ == "__main__":
    generator = np.random.default_rng(0)
    RULE = InitialState("encoder", 50)
    RECORDED = Scored(*generator.standard_normal((2, RECORD, 1)), np.ones(RECORD, dtype=bool))
    main(*map(int, sys.argv[1:]))
