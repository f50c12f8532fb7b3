"""How long the whole analysis of a model takes: `python tests/benchmarks/analysis_time.py`.

A network of 4 blocks of width 16 with 64 states each, 3 inputs and 3 outputs, and a record of 4000 samples; the
certificate is made before. Printed: seconds of wall clock and of the processor for every part.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

import l2ssm as ls
from l2ssm.analysis.directions import worst_direction
from l2ssm.analysis.modes import mode_table
from l2ssm.analysis.summary import analyse
from l2ssm.systems.gramian import controllability_gramian, hankel_singular_values, observability_gramian
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Contractive, Dynamic, Residual

BLOCKS, WIDTH, MODES, CHANNELS, SAMPLES = 4, 16, 32, 3, 4000
TOTAL = {"wall": 0.0, "cpu": 0.0}


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long the body took."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    TOTAL["wall"] += wall
    TOTAL["cpu"] += cpu
    print(f"{what:60} {wall:7.2f} s wall {cpu:7.2f} s CPU")


def network(seed: int = 0) -> Interconnection:
    """Encoder, residual blocks, decoder; time constants over three decades."""
    rng = np.random.default_rng(seed)
    body = []
    for _ in range(BLOCKS):
        lam = np.exp(-(10.0 ** rng.uniform(-3, -0.5, MODES)) + 1j * rng.uniform(0, 2.5, MODES))
        B = (1 - np.abs(lam))[:, None] * (
            rng.standard_normal((MODES, WIDTH)) + 1j * rng.standard_normal((MODES, WIDTH))
        )
        C = (rng.standard_normal((WIDTH, MODES)) + 1j * rng.standard_normal((WIDTH, MODES))) / MODES
        G = ls.StateSpace.from_modes(lam, B, C, np.zeros((WIDTH, WIDTH)), 0.5)
        W = rng.standard_normal((WIDTH, WIDTH)) / WIDTH**0.5
        body.append(Residual((Dynamic(G), Contractive(W, 0.1 * rng.standard_normal(WIDTH), 1.0, "tanh"))))
    encoder = Affine(rng.standard_normal((WIDTH, CHANNELS)), np.zeros(WIDTH))
    decoder = Affine(rng.standard_normal((CHANNELS, WIDTH)) / WIDTH, np.zeros(CHANNELS))
    names = [f"u{i}" for i in range(CHANNELS)], [f"y{i}" for i in range(CHANNELS)]
    return Interconnection((encoder, *body, decoder), 0.5, *map(tuple, names), ("V",) * CHANNELS, ("cm",) * CHANNELS)


def main() -> None:
    """Every part once, then the report, which holds most of them again."""
    net, rng = network(), np.random.default_rng(1)
    u = rng.standard_normal((SAMPLES, CHANNELS))
    data = ls.Record(u, net.simulate(u) + 0.1 * rng.standard_normal((SAMPLES, CHANNELS)), 0.5)
    certificate = ls.certify(net, method="product", lower=False)
    operators = ls.linear_operators(net)
    with timed("H-infinity brackets, worst directions"):
        for G in operators.values():
            worst_direction(G)
    with timed("modal tables, Gramians, Hankel singular values"):
        for G in operators.values():
            mode_table(G), controllability_gramian(G), observability_gramian(G), hankel_singular_values(G)
    with timed("Jacobian system and its H-infinity bracket"):
        ls.linearize(net).hinf()
    with timed("frequency response in the data, residual tests"):
        ls.frf(data), ls.residuals(net, data)
    with timed("best linear approximation, 4 x 3 experiments"):
        ls.bla(net, realizations=4)
    with timed("analyse: all numbers of a report"):
        analyse(net, certificate, data)
    with timed("write_report: all numbers, all figures, still and interactive"):
        ls.write_report(net, data, certificate, tempfile.mkdtemp())
    print(f"{'all of it':60} {TOTAL['wall']:7.2f} s wall {TOTAL['cpu']:7.2f} s CPU")


if __name__ == "__main__":
    main()
