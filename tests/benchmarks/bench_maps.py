"""Cost of one evaluation of each parametrization and its gradient, beside a training step; float32 models, one thread.

    PYTHONPATH=. python tests/benchmarks/bench_maps.py [--rounds 9]

CPU time, not wall time; the contestants take turns, the table shows medians. neural-ssm takes part where installed.
On a busy machine both terms of the ratio at the end are larger, the short one more: it is printed with the load.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from peer_cells import peers

from l2ssm.cells import BOUNDED_CELLS, Bounded
from l2ssm.parametrizations.stable import ring

SIZES = [(16, 4), (64, 4), (64, 64), (256, 64), (512, 64)]  # n_x, n_u = n_y
STEP = (64, 64, 16, 4096)  # n_x, n_u = n_y, batch, time of the training step
SLOW = 2.0  # seconds: a contestant beyond this runs once more and no oftener


def evaluate(numbers: Callable[[], tuple[torch.Tensor, ...]]) -> None:
    """The map, and its gradient for given derivatives with respect to all its results."""
    found = numbers()
    torch.autograd.backward(found, [v.detach() for v in found])


def contestants(n_x: int, n: int) -> dict[str, Callable[[], None]]:
    """One evaluation with gradient of each map at these sizes."""
    found: dict[str, Callable[[], None]] = {}
    for name, build in BOUNDED_CELLS.items():
        generator = torch.Generator().manual_seed(0)
        initial = ring(n_x, r_min=0.9, r_max=0.999, generator=generator)
        found[name] = partial(evaluate, build(n, n_x, n, initial_poles=initial, generator=generator).system)
    for name, peer in peers().items():
        torch.manual_seed(0)
        found[name] = partial(evaluate, partial(peer.matrices, peer.build(n, n_x, n, 1.0)))
    return found


def training_step() -> Callable[[], None]:
    """Forward and backward of the bounded cell on a batch."""
    n_x, n, batch, samples = STEP
    cell = Bounded(n, n_x, n, initial_poles=ring(n_x, r_min=0.9, r_max=0.999))
    u = torch.randn(batch, samples, n)
    return lambda: cell(u)[0].square().mean().backward()


def medians(functions: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """CPU milliseconds of each, in turns; the first call is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(rounds + 1):
        for name, function in functions.items():
            if turn > 1 and seconds[name][0] > SLOW:
                continue
            start = time.process_time()
            function()
            if turn:
                seconds[name].append(time.process_time() - start)
    return {name: 1e3 * float(np.median(values)) for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    columns = {size: medians(contestants(*size), rounds) for size in SIZES}
    print("| map, ms | " + " | ".join(f"n_x {n_x}, m {n}" for n_x, n in SIZES) + " |")
    print("|---|" + "---|" * len(SIZES))
    for name in next(iter(columns.values())):
        print(f"| {name} | " + " | ".join(f"{columns[size][name]:.3g}" for size in SIZES) + " |")
    n_x, n, batch, samples = STEP
    both = medians({"step": training_step(), "map": contestants(n_x, n)["bounded"]}, rounds)
    print(f"\nbounded, n_x {n_x}, m {n}: map {both['map']:.2f} ms, training step at ({batch}, {samples}) ", end="")
    print(f"{both['step']:.1f} ms, ratio {100 * both['map'] / both['step']:.1f} %, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
