"""Trained models: the product of all gains, the bound of the whole network, and the worst input found.

    python tests/benchmarks/bench_trained_certificates.py [--benchmarks cascaded_tanks,silverbox] [--steps 600]

"constant slopes" is the largest gain found with a constant slope of every unit, within its interval: a lower bound for
every method that knows nothing but those intervals. Bounds are rounded up, what was attained down.

For each benchmark a default fit, and one with a prescribed gain: 1.5 times the peak gain of the linear model of the
training data. Where neural-ssm is installed, its certified model of the same shape (3 blocks of width 8 with 16 real
states) is trained with the same prescribed gain on the same windows, steps and learning rates, and shown with its own
`certified_gain_bound()` and the worst input found for it, from rest in its own units, which is what its bound is about.

RMSE on the main test record, in its unit, without the first n_init samples.
"""

from __future__ import annotations

import argparse
import time
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from bench_network_certificates import slope_gain

import l2ssm as ls
from l2ssm.certificates.falsify import WorstInput, climb
from l2ssm.certificates.statement import rounded_down, rounded_up
from l2ssm.data.benchmarks import Benchmark
from l2ssm.identification.initial import InitialState
from l2ssm.identification.linear_gain import linear_gain
from l2ssm.identification.minimize import one_cycle
from l2ssm.identification.windows import hold_out, random_windows, standardise
from l2ssm.networks.scaling import Scaling
from l2ssm.systems.interconnection import Tangent

LAYERS, WIDTH, MODES, RATE, HORIZON = 3, 8, 8, 5e-3, 1024


def ours(bench: Benchmark, gamma: float | None, options: argparse.Namespace) -> None:
    """A row of the table for `fit`."""
    model = ls.fit(
        bench.train,
        gamma=gamma,
        layers=LAYERS,
        d_model=WIDTH,
        n_x=MODES,
        n_init=bench.n_init,
        steps=options.steps,
        validate_every=200,
        seed=options.seed,
    )
    product = ls.certify(model, method="product")
    began = time.monotonic()
    network = ls.certify(model, method="network", lower=False, time_limit=options.time_limit)
    used = time.monotonic() - began
    name = "l2ssm" if gamma is None else f"l2ssm, gamma = {gamma:.3g}"
    rmse = error(bench, model.simulate(bench.test)[0])
    slopes = slope_gain(model.network, 12, 10)
    show(bench, name, model.info["n_parameters"], rmse, product.gamma, network.gamma, slopes, product.lower.gain, used)


class Peer:
    """neural-ssm's network in float64 as far as `climb` needs it."""

    def __init__(self, net: Any) -> None:
        self.net = net.double().eval()

    def simulate(self, u: np.ndarray) -> np.ndarray:
        """y (T, n_y)."""
        with torch.no_grad():
            return self.net(torch.as_tensor(u)[None])[0][0].numpy()

    def tangent(self, u: np.ndarray) -> Tangent:
        """y and the adjoint of the derivative at u."""
        v = torch.as_tensor(u)[None].clone().requires_grad_()
        y = self.net(v)[0]

        def vjp(w: np.ndarray) -> np.ndarray:
            return torch.autograd.grad(y, v, torch.as_tensor(w)[None], retain_graph=True)[0][0].numpy()

        return Tangent(y.detach()[0].numpy(), lambda du: du, vjp)


def theirs(bench: Benchmark, gamma: float, options: argparse.Namespace) -> None:
    """A row of the table for neural-ssm."""
    from neural_ssm.ssm import DeepSSM

    stats = bench.train.statistics()
    scaling = Scaling(stats.u_mean, stats.u_std, stats.y_mean, stats.y_std)
    unit = float(stats.y_std[0] / stats.u_std[0])
    torch.manual_seed(options.seed)
    sizes = {"d_model": WIDTH, "d_state": 2 * MODES, "n_layers": LAYERS, "gamma": gamma / unit}
    net = DeepSSM(1, 1, param="l2n", ff="LGLU2", **sizes)
    rule = InitialState("warmup", bench.n_init)
    fitted, _ = hold_out(standardise(bench.train, scaling), bench.n_init, 0.15, 5)
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=0.0)
    for step, batch in enumerate(random_windows(fitted, rule, window=512, batch=8, seed=options.seed), 1):
        for group in optimizer.param_groups:
            group["lr"] = RATE * one_cycle(step / options.steps)
        optimizer.zero_grad()
        residual = (net(batch.u)[0] - batch.y)[batch.scored > 0]
        residual.square().mean().backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        if step == options.steps:
            break
    net.eval()
    bound = float(net.certified_gain_bound()) * unit
    peer, rng = Peer(net), np.random.default_rng(options.seed)
    rest = np.zeros((HORIZON, 1))
    shapes = [rest + 1, rng.standard_normal(rest.shape), np.sin(np.linspace(0, np.pi, HORIZON))[:, None]]
    starts = [WorstInput(0.0, rest, size * shape, "rest") for size in (0.1, 1.0, 10.0) for shape in shapes]
    worst = max(climb(peer, start, 40).gain for start in starts) * unit  # type: ignore[arg-type]
    record = bench.test[0]
    u, _ = scaling.apply(record.u, record.y)
    simulated = peer.simulate(u) * stats.y_std + stats.y_mean
    parameters = sum(p.numel() for p in net.parameters())
    show(
        bench,
        f"neural-ssm, gamma = {gamma:.3g}",
        parameters,
        error(bench, simulated),
        bound,
        np.nan,
        np.nan,
        worst,
        np.nan,
    )


def error(bench: Benchmark, simulated: np.ndarray) -> float:
    """RMSE in the unit of the benchmark."""
    residual = (simulated - bench.test[0].y)[bench.n_init :]
    return float(np.sqrt(np.mean(residual**2))) * bench.scale


def show(bench: Benchmark, name: str, parameters: int, rmse: float, *numbers: float) -> None:
    """One row in Markdown."""
    rounding = (rounded_up, rounded_up, rounded_down, rounded_down, rounded_up)
    shown = ["-" if np.isnan(x) else rounded(x, 4) for x, rounded in zip(numbers, rounding, strict=True)]
    gap = f"{np.nanmin(numbers[:2]) / numbers[3]:.4g}"
    cells = (bench.name, name, str(parameters), f"{rmse:.3g} {bench.unit}", *shown[:4], gap, f"{shown[4]} s")
    print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benchmarks", default="cascaded_tanks,silverbox")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--time-limit", type=float, default=600.0, help="seconds for the bound of a whole network")
    options = parser.parse_args()
    torch.set_num_threads(1)
    columns = ("data", "model", "parameters", "RMSE", "product", "network", "constant slopes", "worst input found")
    print("| " + " | ".join((*columns, "bound / worst", "network search")) + " |")
    print("|---" * (len(columns) + 2) + "|")
    for name in options.benchmarks.split(","):
        bench = ls.benchmark(name)
        gamma = 1.5 * linear_gain(bench.train)
        ours(bench, None, options)
        ours(bench, gamma, options)
        if find_spec("neural_ssm") is not None:
            theirs(bench, gamma, options)


if __name__ == "__main__":
    main()
