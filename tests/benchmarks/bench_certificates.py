"""Certificates of one linear block, as a table: seconds of every phase, tightness, memory.

    PYTHONPATH=. OMP_NUM_THREADS=1 python tests/benchmarks/bench_certificates.py [--largest 1024] [--wall]

CPU seconds of one thread. "norm" is the search of the largest gain on the resonance grid, "search" that of the witness
with one proof in floats, "float" and "ball" are `check_cauchy` in each arithmetic, "all" is a whole `certify`.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from l2ssm.certificates import cauchy
from l2ssm.certificates.certificate import Claim
from l2ssm.certificates.compose import certify
from l2ssm.certificates.statement import rounded_up
from l2ssm.certificates.verify import ARITHMETICS, check_cauchy
from l2ssm.systems.hinf import hinf
from l2ssm.systems.layers import Dynamic
from l2ssm.systems.state_space import StateSpace

CASES: list[tuple[int, int, float | None]] = [  # modes, channels, gap (None: S4D-Lin)
    *[(8, 1, 1e-2), (64, 1, 1e-3), (64, 16, 1e-6), (64, 4, None)],
    *[(256, 1, 1e-3), (256, 16, 1e-3), (256, 16, 1e-6), (256, 4, None)],
    *[(512, 4, 1e-3), (1024, 1, 1e-3), (1024, 16, 1e-3)],
]


def system(n: int, m: int, gap: float | None) -> StateSpace:
    """m inputs and outputs; 1 - |lam| geometric from the gap to 1/2, or the S4D-Lin poles at dt = 0.01."""
    rng = np.random.default_rng(n + m)
    if gap is None:
        continuous = -0.5 + 1j * np.pi * np.arange(n)
        lam = np.exp(0.01 * continuous)
        B = ((lam - 1) / continuous)[:, None] * np.ones((n, m))
    else:
        radius = 1 - np.geomspace(gap, 0.5, n)
        lam = radius * np.exp(1j * rng.uniform(0, np.pi, n))
        B = np.sqrt(1 - radius**2)[:, None] * (rng.standard_normal((n, m)) + 1j * rng.standard_normal((n, m)))
    C = (rng.standard_normal((m, n)) + 1j * rng.standard_normal((m, n))) / np.sqrt(n)
    return StateSpace.from_modes(lam, B, C, 0.3 * rng.standard_normal((m, m)))


def timed(clock: Callable[[], float], f: Callable[[], Any]) -> tuple[Any, float]:
    start = clock()
    return f(), clock() - start


def row(n: int, m: int, gap: float | None, clock: Callable[[], float]) -> str:
    G = system(n, m, gap)
    assert G.modes is not None
    norm, norm_s = timed(clock, lambda: hinf(G, upper=False).lower)
    eps = 1e-6 if G.n_x <= cauchy.DOUBLING_LIMIT else 1e-3
    w, search_s = timed(clock, lambda: cauchy.search(G.modes, norm, eps))
    claim = Claim("cauchy", w.gain, {"delta": w.delta, "C2_real": w.C2.real, "C2_imag": w.C2.imag, "Y": w.Y})
    checks = []
    for name in ("float", "ball"):
        arithmetic = ARITHMETICS[name]
        with arithmetic.session():
            checks.append(timed(clock, lambda a=arithmetic: check_cauchy(Dynamic(G), claim, "block", a))[1])
    certificate, all_s = timed(clock, lambda: certify(G))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    used = certificate.verified_in.split()[0].rstrip(",")
    seconds = " | ".join(f"{s:.2f}" for s in (norm_s, search_s, *checks, all_s))
    label = "S4D-Lin" if gap is None else f"{gap:g}"
    excess = rounded_up(certificate.gamma / norm - 1, 3)
    return f"| {n} | {m} | {label} | {seconds} ({used}) | {excess} | {memory:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=1024)
    parser.add_argument("--wall", action="store_true", help="wall-clock instead of CPU seconds")
    options = parser.parse_args()
    print("| modes | channels | 1 - max abs lam | norm | search | float | ball | all | gamma / norm - 1 | GB so far |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for n, m, gap in CASES:
        if n <= options.largest:
            print(row(n, m, gap, time.perf_counter if options.wall else time.process_time), flush=True)


if __name__ == "__main__":
    main()
