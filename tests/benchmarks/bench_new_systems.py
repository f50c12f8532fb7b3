"""The defaults on eight simulated systems that no default was chosen on: NRMSE of the free run on new data.

    python tests/benchmarks/bench_new_systems.py [--systems gas,ced,...] [--families linear,lru,...] [--seeds 1]

What they have in common with data that users bring: noise that may be coloured, few samples, several channels, an
output that tells half of the state only. NRMSE = RMS error / standard deviation of y, a channel, from n_init on.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import signal

from l2ssm.analysis.metrics import rmse
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import DataError
from l2ssm.identification.accuracy import FAMILIES, Task
from l2ssm.identification.linear_baseline import fit_linear

Array = NDArray[np.float64]
Pair = tuple[Array, Array]


def levels(rng: np.random.Generator, n: int, hold: int, values: Array | None = None) -> Array:
    """Random levels, each held for `hold` samples: of `values`, or uniform in [-1, 1]."""
    count = n // hold + 1
    drawn = rng.uniform(-1, 1, size=count) if values is None else rng.choice(values, size=count)
    return np.repeat(drawn, hold)[:n]


def coloured(rng: np.random.Generator, n: int, edge: float) -> Array:
    """White noise through a Butterworth low-pass of order 3; edge relative to half the sampling frequency."""
    return signal.lfilter(*signal.butter(3, edge), rng.standard_normal(n))


def integrated(f: Callable[[Array, Array], Array], x: Array, u: Array, dt: float, parts: int) -> Array:
    """States at the samples of x' = f(x, u), u held, by Runge and Kutta with so many parts of a sample time."""
    states, h = [], dt / parts
    for held in u:
        states.append(x)
        for _ in range(parts):
            a = f(x, held)
            b = f(x + h / 2 * a, held)
            c = f(x + h / 2 * b, held)
            x = x + h / 6 * (a + 2 * b + 2 * c + f(x + h * c, held))
    return np.array(states)


def gas(rng: np.random.Generator, n: int) -> Pair:
    """A slow linear process with coloured noise about as large as what the input does."""
    u = signal.lfilter([0.3], [1, -1.5, 0.55], rng.standard_normal(n))
    y = -signal.lfilter([0, 0, 0, 0.5, 0.4, 0.2], [1, -0.57], u)
    return u, 53 + y + signal.lfilter([1], [1, -1.5, 0.6], 0.25 * rng.standard_normal(n))


def ced(rng: np.random.Generator, n: int) -> Pair:
    """A belt drive whose sensor does not see the direction: the absolute value of a resonance behind a lag."""
    u = levels(rng, n, 10, np.array([-1.0, 1.0])) * rng.choice([0.5, 1, 1.5])
    num, den, _ = signal.cont2discrete((np.array([80.0]), np.array([1, 1.5, 80.0])), 0.02)
    speed = signal.lfilter([0.1], [1, -0.9], signal.lfilter(num.ravel(), den, u))
    return u, 2 * np.abs(speed) + 0.02 * rng.standard_normal(n)


def boucwen(rng: np.random.Generator, n: int) -> Pair:
    """An oscillator with a hysteretic spring (Bouc and Wen), 750 Hz, 1 % noise."""

    def f(x: Array, u: Array) -> Array:
        force = 5e4 * x[1] - 800 * abs(x[1]) * x[2] + 550 * x[1] * abs(x[2])
        return np.array([x[1], (u - 5e4 * x[0] - 10 * x[1] - x[2]) / 2, force])

    u = 100 * coloured(rng, n, 0.3)
    y = 1e3 * integrated(f, np.zeros(3), u, 1 / 750, 10)[:, 0]
    return u, y + 0.01 * y.std() * rng.standard_normal(n)


def parwh(rng: np.random.Generator, n: int) -> Pair:
    """Two Wiener-Hammerstein branches in parallel, one odd, one even."""
    u = 2 * coloured(rng, n, 0.4)
    odd = np.tanh(2 * signal.lfilter(*signal.butter(2, 0.2), u))
    even = signal.lfilter(*signal.butter(2, [0.15, 0.35], "band"), u) ** 2
    y = signal.lfilter(*signal.cheby1(2, 1, 0.3), odd) + signal.lfilter(*signal.butter(1, 0.1), even)
    return u, y + 0.005 * rng.standard_normal(n)


def mimo(rng: np.random.Generator, n: int) -> Pair:
    """Two inputs, two outputs, of which one is a slow integral of a product of states; 5 % noise."""

    def f(x: Array, u: Array) -> Array:
        first = -x[0] + np.tanh(1.5 * u[0]) + 0.15 * x[1]
        return np.array([first, -0.5 * x[1] + u[1] - 0.3 * x[1] ** 3 + 0.3 * x[0], -0.2 * x[2] + x[0] * x[1]])

    u = np.stack([levels(rng, n, 15), levels(rng, n, 25)], axis=1)
    y = integrated(f, np.zeros(3), u, 0.2, 2)[:, [0, 2]]
    return u, y + 0.05 * y.std(axis=0) * rng.standard_normal(y.shape)


def dryer(rng: np.random.Generator, n: int) -> Pair:
    """A linear process with dead time and slow noise."""
    u = 5 + levels(rng, n, 4, np.array([-1.0, 1.0]))
    y = signal.lfilter([0, 0, 0, 0.067, 0.06], [1, -1.3, 0.43], u)
    return u, y + signal.lfilter([1], [1, -0.9], 0.04 * rng.standard_normal(n))


def exchanger(rng: np.random.Generator, n: int) -> Pair:
    """A heat exchanger whose flow is the input, with a sensor lag: bilinear; noise of 0.3 degrees."""

    def f(x: Array, u: Array) -> Array:
        return np.array([-(x[0] - 20) * (0.02 + 0.2 * u) + 0.1 * (95 - x[0]), 0.3 * (x[0] - x[1])])

    u = 0.3 + 0.15 * np.clip(6 * coloured(rng, n, 0.02), -1.8, 1.8)
    y = integrated(f, np.full(2, 60.0), u, 1.0, 2)[:, 1]
    return u, y + 0.3 * rng.standard_normal(n)


def friction(rng: np.random.Generator, n: int) -> Pair:
    """A mass on a spring with dry friction."""

    def f(x: Array, u: Array) -> Array:
        return np.array([x[1], u - 0.8 * np.tanh(20 * x[1]) - 0.3 * x[1] - 2 * x[0]])

    u = 3 * levels(rng, n, 40)
    return u, integrated(f, np.zeros(2), u, 0.05, 4)[:, 0] + 0.005 * rng.standard_normal(n)


SYSTEMS: dict[str, tuple[Callable[[np.random.Generator, int], Pair], int, int]] = {
    "gas": (gas, 200, 288),
    "ced": (ced, 300, 500),
    "boucwen": (boucwen, 8192, 8192),
    "parwh": (parwh, 16384, 8192),
    "mimo": (mimo, 3000, 3000),
    "dryer": (dryer, 500, 1000),
    "exchanger": (exchanger, 2000, 2000),
    "friction": (friction, 5000, 3000),
}
"""What makes (u, y), and the numbers of samples to train and to test on."""


def records(name: str) -> tuple[Dataset, Dataset]:
    """(train, test), of one random generator after the other."""
    make, *sizes = SYSTEMS[name]
    rng, found = np.random.default_rng(sum(map(ord, name))), []
    for n in sizes:
        u, y = make(rng, n)
        found.append(Dataset([Record(u.reshape(n, -1), y.reshape(n, -1), dt=1.0, name=name)]))
    return found[0], found[1]


def start_of(train: Dataset) -> int:
    """n_init: 50 samples, or a quarter of them."""
    return max(1, min(50, train.T // 4))


def nrmse(model: Any, test: Dataset, n_init: int) -> Array:
    """RMS error of the free run over the standard deviation of y, a channel, four digits."""
    measured = test[0].y
    assert measured is not None
    return np.round(np.ravel(rmse([measured], model.simulate(test), n_init)) / measured.std(axis=0), 4)


def main() -> None:
    """One row a system, a family and a seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--families", default="linear,lru,certified,gru")
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.systems.split(","):
        train, test = records(name)
        n_init = start_of(train)
        for family in options.families.split(","):
            for seed in range(1 if family == "linear" else options.seeds):
                began = time.monotonic()
                task = Task(train, n_init, seed, None, None, lambda: fit_linear(train, n_init), None)  # noqa: B023
                try:
                    model = FAMILIES[family](task).model
                except DataError as error:  # nothing to prescribe
                    print(f"{name:10s} {family:9s} seed {seed}  refused: {error}", flush=True)
                    continue
                error = nrmse(model, test, n_init)
                used = time.monotonic() - began
                print(f"{name:10s} {family:9s} seed {seed}  NRMSE {error}  {used:.0f} s", flush=True)


if __name__ == "__main__":
    main()
