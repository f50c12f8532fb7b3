"""Networks with a prescribed gain: teachers of gain 1, cascaded tanks and simulated systems, by bounded cell.

    python tests/benchmarks/bench_prescribed.py teacher [--seeds 3] [--steps 800] [--refine 800] [--cells bounded]
    python tests/benchmarks/bench_prescribed.py defaults [--seeds 3] [--cells contraction,bounded]
    python tests/benchmarks/bench_prescribed.py tanks [--seeds 1] [--steps 1000] [--gamma 8]
    python tests/benchmarks/bench_prescribed.py systems [--systems mimo,friction] [--cells contraction,bounded]

teacher: y = G2 f(G1 u), G1 and G2 random low-pass filters of two modes with peak gain exactly 1, at frequency 0, and f
with slopes in [0, 1]: the incremental gain is 1, attained by slow signals in the steepest part of f. The contractive
layers contain the first f exactly, the others not. Students: 2 blocks of width 4 with 4 modes, gamma = 1 prescribed,
Adam at 0.01, 4096 samples of noise-free coloured noise; NRMSE = RMS error / standard deviation of y on 4096 others.

defaults: the same teachers, and `fit(train, gamma=1.0, cell=...)` without another option.

tanks: the official records, gamma prescribed in V/V, defaults of `fit`.

systems: those of bench_new_systems.py, three times the peak gain of the best linear model prescribed.

Attained: the worst pair of inputs found for the trained model by `certificates.falsify`.
"""

from __future__ import annotations

import argparse
import itertools
import time

import numpy as np
import torch
from bench_new_systems import nrmse as error_on
from bench_new_systems import records, start_of

import l2ssm as ls
from l2ssm.cells import BOUNDED_CELLS
from l2ssm.data.record import Record
from l2ssm.identification.accuracy import TIMES_PEAK
from l2ssm.identification.linear_baseline import fit_linear
from l2ssm.systems.state_space import StateSpace

STATIC_MAPS = {
    "bend": lambda v: v - np.tanh(2 * v) / 4,
    "saturation": np.tanh,
    "dead zone": lambda v: np.sign(v) * np.maximum(np.abs(v) - 0.3, 0.0),
    "one-sided": lambda v: np.where(v > 0, v, 0.3 * v),
}


def low_pass(rng: np.random.Generator) -> StateSpace:
    """Two modes with time constants of 2 to 12 samples, scaled to a peak gain of 1 that lies at frequency 0."""
    while True:
        rate = 1 / np.exp(rng.uniform(np.log(2), np.log(12), 2))
        lam = np.exp(-rate + 1j * np.array([0.0, rng.uniform(0, 1.0)]) * rate)
        B = rng.standard_normal((2, 1)) + 0j
        C = (rng.standard_normal((1, 2)) + 1j * rng.standard_normal((1, 2))) * rate
        G = StateSpace.from_modes(lam, B, C, np.zeros((1, 1)))
        peak = G.hinf()
        if peak.lower > 0 and abs(G.frequency_response(np.zeros(1))[0, 0, 0]) > peak.lower * (1 - 1e-6):
            return StateSpace(G.A, G.B / peak.upper, G.C, G.D)


def teacher(kind: str, seed: int) -> tuple[Record, Record]:
    """(training, test) records of one teacher, 4096 samples each, standard deviation 1 of what enters f."""
    rng = np.random.default_rng(seed)
    first, second = low_pass(rng), low_pass(rng)
    colour = StateSpace([[0.7]], [[1.0]], [[1.0]], [[0.0]])
    made: list[Record] = []
    size = 1.0 / float(first.simulate(colour.simulate(rng.standard_normal((4096, 1)))).std())
    for name in ("train", "test"):
        u = colour.simulate(rng.standard_normal((4096, 1)))
        y = second.simulate(STATIC_MAPS[kind](size * first.simulate(u)))
        made.append(Record(size * u, y, 1.0, name=name))
    return made[0], made[1]


def run_teachers(options: argparse.Namespace) -> None:
    """One row a cell, a map f and a seed, then the medians."""
    for cell in options.cells.split(","):
        for kind in STATIC_MAPS:
            found = []
            for seed in range(options.seeds):
                train, test = teacher(kind, seed)
                model = ls.fit(
                    train,
                    cell=cell,
                    gamma=1.0,
                    layers=2,
                    d_model=4,
                    n_x=4,
                    static=options.static,
                    initial="warmup",
                    n_init=64,
                    learning_rate=1e-2,
                    steps=options.steps,
                    refine_steps=options.refine,
                    seed=seed,
                )
                found.append((nrmse(model, test), *gains(model)))
            show(f"{cell:18s} {kind:11s} {model.info['n_parameters']} parameters, NRMSE", np.array(found))


def run_defaults(options: argparse.Namespace) -> None:
    """One row a cell and a map f, then the medians."""
    for cell, kind in itertools.product(options.cells.split(","), STATIC_MAPS):
        found = []
        for seed in range(options.seeds):
            train, test = teacher(kind, seed)
            model = ls.fit(train, gamma=1.0, seed=seed, cell=cell)
            found.append((nrmse(model, test), *gains(model)))
        show(f"{cell:18s} {kind:11s} {model.info['n_parameters']} parameters, NRMSE", np.array(found))


def nrmse(model: ls.Model, test: Record) -> float:
    """RMS error over the standard deviation of y, from n_init on."""
    error = (model.simulate(test) - test.y)[model.n_init :]
    return float(np.sqrt(np.mean(error**2)) / np.std(test.y))


def run_tanks(options: argparse.Namespace) -> None:
    """One row a bounded cell."""
    bench = ls.benchmark("cascaded_tanks")
    for cell in options.cells.split(","):
        found = []
        began = time.monotonic()
        for seed in range(options.seeds):
            model = ls.fit(
                bench.train,
                cell=cell,
                gamma=options.gamma,
                n_init=bench.n_init,
                steps=options.steps,
                refine_steps=options.refine,
                seed=seed,
            )
            errors = [model.simulate(record) - record.y for record in bench.test]
            rmse = np.sqrt(np.mean(np.concatenate([e[bench.n_init :] for e in errors]) ** 2))
            found.append((rmse, *gains(model)))
        used = (time.monotonic() - began) / options.seeds
        show(f"{cell:18s} {model.info['n_parameters']} parameters, {used:.0f} s a fit, RMSE V", np.array(found))


def run_systems(options: argparse.Namespace) -> None:
    """One row a simulated system, at three times the peak gain of its best linear model, and a cell."""
    for name in options.systems.split(","):
        train, test = records(name)
        n_init = start_of(train)
        linear = fit_linear(train, n_init)
        gamma = TIMES_PEAK * linear.peak_gain()
        for cell in ("linear", *options.cells.split(",")):
            began = time.monotonic()
            model = linear if cell == "linear" else ls.fit(train, cell=cell, gamma=gamma, n_init=n_init)
            error = error_on(model, test, n_init)
            used = time.monotonic() - began
            print(f"{name:10s} gamma {gamma:7.4g} {cell:18s} NRMSE {error}  {used:.0f} s", flush=True)


def gains(model: ls.Model) -> tuple[float, float]:
    """(certified, worst input found) gain."""
    certificate = ls.certify(model, method="product")
    return certificate.gamma, certificate.lower.gain


def show(label: str, found: np.ndarray) -> None:
    """Medians over the seeds, then every seed: error, certified gain, worst gain found."""
    rows = " | ".join(" ".join(f"{value:.4f}" for value in row) for row in found)
    print(f"{label}: median {np.median(found[:, 0]):.4f}, found {np.median(found[:, 2]):.4f};  {rows}", flush=True)


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=("teacher", "defaults", "tanks", "systems"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--refine", type=int, default=0, help="iterations of L-BFGS after the steps")
    parser.add_argument("--static", default="contractive")
    parser.add_argument("--cells", default=",".join(BOUNDED_CELLS))
    parser.add_argument("--systems", default="ced,boucwen,mimo,exchanger,friction", help="of bench_new_systems")
    parser.add_argument("--gamma", type=float, default=8.0, help="tanks, V/V")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tables = {"teacher": run_teachers, "defaults": run_defaults, "tanks": run_tanks, "systems": run_systems}
    tables[options.table](options)


if __name__ == "__main__":
    main()
