"""Table of docs/certificates.md: how tight the bounds of whole networks are, and what they cost.

    python tests/benchmarks/bench_network_certificates.py              14 small networks and one of 256 states
    python tests/benchmarks/bench_network_certificates.py large        one of 1024 states: minutes

Networks x_0 = E u, s_i = (I + a G_i) x_i, x_{i+1} = s_i + a W2_i tanh(W1_i s_i), y = H x_r with factors of norm 1 and
random modes. Lower bound: the largest gain that constant slopes 0 and 1 give at a frequency, by coordinate ascent
from several starts, or that of the worst input found on the network itself, whichever is larger.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from numpy.typing import NDArray

from l2ssm.certificates.compose import certify
from l2ssm.certificates.constraints import Slope
from l2ssm.certificates.falsify import worst_input
from l2ssm.certificates.flatten import constraints_of
from l2ssm.certificates.network_response import evaluate, grid
from l2ssm.certificates.statement import rounded_down, rounded_up
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Dynamic, Layer, Perceptron, Residual
from l2ssm.systems.state_space import StateSpace

Array = NDArray[np.float64]

SMALL = [
    # blocks, width, modes, hidden, a, inputs, largest modulus of a pole, seed
    (2, 4, 8, 8, 0.5, 1, 0.95, 0),
    (2, 4, 8, 8, 0.5, 1, 0.95, 1),
    (4, 4, 8, 8, 0.5, 1, 0.95, 0),
    (4, 4, 8, 8, 0.5, 1, 0.95, 1),
    (4, 8, 8, 8, 0.27, 1, 0.95, 0),
    (4, 8, 8, 8, 0.27, 1, 0.95, 1),
    (4, 8, 16, 16, 0.5, 1, 0.95, 0),
    (4, 8, 16, 16, 0.5, 1, 0.95, 1),
    (4, 8, 16, 16, 1.0, 1, 0.95, 0),
    (4, 8, 16, 16, 1.0, 1, 0.95, 1),
    (4, 8, 8, 8, 0.5, 8, 0.95, 0),
    (2, 4, 8, 8, 0.5, 4, 0.95, 0),
    (4, 8, 16, 16, 0.5, 1, 0.999, 0),
    (2, 4, 8, 8, 0.5, 1, 0.99999, 0),
]
MEDIUM = [(4, 32, 32, 32, 0.3, 2, 0.95, 0)]
LARGE = [(8, 64, 64, 64, 0.3, 2, 0.95, 0)]


def random_network(
    blocks: int, width: int, modes: int, hidden: int, a: float, n_u: int, radius: float, seed: int
) -> Interconnection:
    """The network of the module's docstring, with n_u inputs and outputs."""
    rng = np.random.default_rng(seed)
    layers: list[Layer] = [Affine(_unit(rng, width, n_u), np.zeros(width))]
    for _ in range(blocks):
        lam = rng.uniform(0.3, radius, modes) * np.exp(1j * rng.uniform(0, np.pi, modes))
        B = _gaussian(rng, modes, width) * np.sqrt(1 - np.abs(lam) ** 2)[:, None]
        C, D = _gaussian(rng, width, modes), 0.1 * rng.standard_normal((width, width))
        norm = StateSpace.from_modes(lam, B, C, D).hinf().upper
        G = StateSpace.from_modes(lam, B, a / norm * C, a / norm * D)
        static = Perceptron(
            _unit(rng, hidden, width),
            0.1 * rng.standard_normal(hidden),
            a * _unit(rng, width, hidden),
            np.zeros(width),
            "tanh",
        )
        layers += [Residual((Dynamic(G),)), Residual((static,))]
    layers.append(Affine(_unit(rng, n_u, width), np.zeros(n_u)))
    return Interconnection(tuple(layers), 1.0, ("u",) * n_u, ("y",) * n_u, ("",) * n_u, ("",) * n_u)


def _unit(rng: np.random.Generator, rows: int, columns: int) -> Array:
    M = rng.standard_normal((rows, columns))
    return np.asarray(M / np.linalg.norm(M, 2))


def _gaussian(rng: np.random.Generator, rows: int, columns: int) -> NDArray[np.complex128]:
    return rng.standard_normal((rows, columns)) + 1j * rng.standard_normal((rows, columns))


def slope_gain(network: Interconnection, starts: int, sweeps: int, seed: int = 0) -> float:
    """The largest gain found over constant slopes at the ends of their intervals, and frequencies.

    In a chain every slope enters the response at most linearly, so the gain is convex in each of them. No method that
    knows nothing but the intervals proves less, since constant slopes are in them.
    """
    rng = np.random.default_rng(seed)
    theta = grid(network.layers, 0.25, 100)
    R = evaluate(network.layers, False, theta)
    intervals = [(c.low, c.high) for c in constraints_of(network.layers, False)[0] if isinstance(c, Slope)]
    low, high = (np.concatenate([ends[i] for ends in intervals]) for i in range(2))
    n_u, h, best = R.n_u, R.W.shape[1], 0.0
    assert low.size == h  # slopes and nothing else

    def gain(k: int, slopes: Array) -> float:
        Wu, Wv, Y = R.W[k][:, :n_u], R.W[k][:, n_u:], R.Y[k]
        w = np.linalg.solve(np.eye(h) - Wv * slopes, Wu)
        return float(np.linalg.norm(Y[:, :n_u] + Y[:, n_u:] @ (slopes[:, None] * w), 2))

    for start in range(starts):
        slopes = high.copy() if start == 0 else np.where(rng.integers(0, 2, h) == 1, high, low)
        k = int(np.argmax([gain(k, slopes) for k in range(theta.size)]))
        here = gain(k, slopes)
        for _ in range(sweeps):
            before = here
            for j in rng.permutation(h):
                old, slopes[j] = slopes[j], low[j] + high[j] - slopes[j]
                trial = gain(k, slopes)
                here, slopes[j] = (trial, slopes[j]) if trial > here else (here, old)
            k = int(np.argmax([gain(k, slopes) for k in range(theta.size)]))
            here = gain(k, slopes)
            if not here > before * (1 + 1e-6):
                break
        best = max(best, here)
    return best


def row(case: tuple, starts: int, sweeps: int, limit: float) -> float:
    """Print a line of the table; the ratio of the two bounds."""
    network = random_network(*case)
    product = certify(network, method="product", lower=False, eps=1e-3).gamma
    began, cpu = time.monotonic(), time.process_time()
    proved = certify(network, method="network", lower=False, time_limit=limit)
    wall, cpu = time.monotonic() - began, time.process_time() - cpu
    slopes, attained = slope_gain(network, starts, sweeps), worst_input(network).gain
    ratio = proved.gamma / max(slopes, attained)
    bounds = [rounded_up(gain, 4) for gain in (product, proved.gamma)]
    numbers = (*bounds, *(rounded_down(gain, 4) for gain in (slopes, attained)), rounded_up(ratio, 4))
    print("|", " | ".join((", ".join(map(str, case)), *numbers, f"{wall:.1f}", f"{cpu:.1f}")), "|", flush=True)
    return float(ratio)


def main() -> None:
    """The table."""
    large = "large" in sys.argv[1:]
    print(
        "| blocks, width, modes, hidden, a, n_u, radius, seed | product | network | slopes | input | ratio | s | CPU |"
    )
    print("|---|---|---|---|---|---|---|---|")
    if large:
        for case in LARGE:
            row(case, 2, 2, 3600)
        return
    ratios = [row(case, 12, 8, 600) for case in SMALL]
    print(f"median ratio of the {len(ratios)} small networks: {np.median(ratios):.4f}")
    for case in MEDIUM:
        row(case, 4, 4, 600)


if __name__ == "__main__":
    main()
