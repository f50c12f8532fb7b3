"""How near each bounded parametrization comes to systems of gain 0.999 gamma: fits of the frequency response.

    python tests/benchmarks/reach.py [--targets 3] [--first 0] [--starts 2] [--adam 900] [--lbfgs 100] [--cells l2ru]

Every cell starts from its own initial parameters at the same random poles; the error is the relative Frobenius error of
the response on a grid with the target's resonances, of the better start; the table shows the median over the targets.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import torch

from l2ssm.cells import BOUNDED_CELLS, CELLS
from l2ssm.cells.base import DenseCell
from l2ssm.parametrizations.stable import ring
from l2ssm.systems.state_space import StateSpace

USE = 0.999  # gain of the targets over gamma
CLASSES = {  # n_u, modes, n_y, largest |lam|
    "square 6x6": (6, 3, 6, 0.95),
    "SISO": (1, 4, 1, 0.95),
    "2x3": (3, 4, 2, 0.95),
    "SISO long": (1, 4, 1, 0.99),
}


def target(kind: str, seed: int) -> StateSpace:
    """Random modes in the disc of the class, random B, C, D, scaled to gain 0.999."""
    n_u, n, n_y, largest = CLASSES[kind]
    rng = np.random.default_rng(seed)
    lam = largest * np.sqrt(rng.uniform(0.25, 1, n)) * np.exp(1j * rng.uniform(0, np.pi, n))
    lam[0] *= largest / abs(lam[0])
    s = np.sqrt(1 - np.abs(lam) ** 2)
    B, C = (rng.standard_normal((*shape, 2)) @ [1, 1j] for shape in ((n, n_u), (n_y, n)))
    G = StateSpace.from_modes(lam, s[:, None] * B, C * s, rng.standard_normal((n_y, n_u)))
    scale = USE / G.hinf().upper
    return StateSpace(G.A, scale * G.B, G.C, scale * G.D)


def grid(G: StateSpace) -> np.ndarray:
    """Uniform, and five points across the band of each pole."""
    poles = G.poles()
    band = [abs(np.angle(p)) + c * (1 - abs(p)) for p in poles for c in (-2.0, -0.7, 0.0, 0.7, 2.0)]
    return np.unique(np.clip(np.concatenate([np.linspace(0, np.pi, 48), band]), 0, np.pi))


def response(cell, z: torch.Tensor) -> torch.Tensor:
    """H (F, n_y, n_u) at the points z of the unit circle."""
    system = cell.system()
    if isinstance(cell, DenseCell):
        A, B, C, D = system
        eye = torch.eye(len(A), dtype=z.dtype)
        return C.to(z.dtype) @ torch.linalg.solve(z[:, None, None] * eye - A, B.to(z.dtype)) + D
    lam, B, C, D = system
    upper = (C[None] / (z[:, None, None] - lam)) @ B
    lower = (C.conj()[None] / (z[:, None, None] - lam.conj())) @ B.conj()
    return 0.5 * (upper + lower) + D


def fit(name: str, G: StateSpace, kind: str, seed: int, adam: int, lbfgs: int) -> float:
    """Relative error of the response after Adam and L-BFGS."""
    n_u, n_x, n_y, largest = CLASSES[kind]
    generator = torch.Generator().manual_seed(seed)
    initial = ring(n_x, r_min=0.5 * largest, r_max=largest, generator=generator)
    cell = CELLS[name](n_u, n_x, n_y, initial_poles=initial, generator=generator).double()
    omega = grid(G)
    z, wanted = torch.tensor(np.exp(1j * omega)), torch.tensor(G.frequency_response(omega))
    size = wanted.abs().square().sum()

    def loss() -> torch.Tensor:
        return (response(cell, z) - wanted).abs().square().sum() / size

    optimizer = torch.optim.Adam(cell.parameters(), lr=0.03, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, adam, eta_min=1e-3)
    for _ in range(adam):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        schedule.step()
    best = [float(loss().detach())]
    polish = torch.optim.LBFGS(
        cell.parameters(), max_iter=lbfgs, history_size=30, line_search_fn="strong_wolfe", tolerance_change=1e-14
    )

    def closure() -> torch.Tensor:
        polish.zero_grad()
        value = loss()
        value.backward()
        best.append(float(value.detach()))
        return value

    polish.step(closure)
    assert name not in BOUNDED_CELLS or cell.realization().hinf().upper <= 1 + 1e-8
    return float(np.sqrt(min(best)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="seed of the first target; the others follow")
    parser.add_argument("--starts", type=int, default=2)
    parser.add_argument("--adam", type=int, default=900)
    parser.add_argument("--lbfgs", type=int, default=100)
    parser.add_argument("--classes", default=",".join(CLASSES))
    parser.add_argument("--cells", default=",".join(BOUNDED_CELLS))
    parser.add_argument("--out")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, dict[str, list[float]]] = {}
    for kind in options.classes.split(","):
        for name in options.cells.split(","):
            start, errors = time.process_time(), []
            for k in range(options.first, options.first + options.targets):
                G = target(kind, k)
                tries = [fit(name, G, kind, 10 * k + j, options.adam, options.lbfgs) for j in range(options.starts)]
                errors.append(min(tries))
            results.setdefault(kind, {})[name] = errors
            shown = " ".join(f"{e:.1e}" for e in errors)
            used = time.process_time() - start
            print(f"{kind:12s} {name:18s} median {np.median(errors):.1e}   {shown}   {used:.0f} s CPU", flush=True)
    if options.out:
        with open(options.out, "w") as file:
            json.dump(results, file)


if __name__ == "__main__":
    main()
