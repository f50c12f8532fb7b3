"""Initialisations where memory is needed: HiPPO against random poles, by two tasks, equal otherwise.

    PYTHONPATH=. python tests/benchmarks/long_memory.py [delay|digits] [seeds] [steps]

delay   y[k] = u[k - 200] of noise below a quarter of the Nyquist frequency, 1000 samples; the error is relative to the
        variance of y: 1 is what a model without memory reaches. One bank of 8 channels between two linear maps, N = 64.
digits  `sklearn.datasets.load_digits` read pixel by pixel: 64 samples, the class is read from the last output alone.
        Two residual blocks of 16 channels, N = 32, cell then GELU and a linear map; accuracy on the last 450 images.

Every configuration takes the same optimiser (AdamW, 1e-2 and 1e-3 for poles and steps) and the same number of steps.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from l2ssm.cells import LRU, S4, S4D, S5
from l2ssm.identification.minimize import UNDECAYED
from l2ssm.parametrizations.stable import ring

DELAY, SAMPLES = 200, 1000
Build = Callable[[int, int, torch.Generator], nn.Module]


def s4(measure: str) -> Build:
    """S4 from a HiPPO measure."""
    return lambda H, N, g: S4(H, N // 2, H, measure=measure, length=SAMPLES, readout="post", generator=g)


def s4d(init: str) -> Build:
    """S4D from a law of its poles."""
    return lambda H, N, g: S4D(H, N // 2, H, init=init, readout="post", generator=g)


def lru(r_min: float, r_max: float, phase_max: float) -> Build:
    """LRU from a ring, with as many modes in one system as a bank has in all channels together."""
    return lambda H, N, g: LRU(
        H, H * N // 2, H, readout="post", generator=g,
        initial_poles=ring(H * N // 2, r_min=r_min, r_max=r_max, phase_max=phase_max, generator=g),
    )  # fmt: skip


CASES: dict[str, Build] = {
    "S4 LegS": s4("legs"),
    "S4 LegT": s4("legt"),
    "S4 FouT": s4("fout"),
    "S4D-LegS": s4d("legs"),
    "S4D-Lin": s4d("lin"),
    "S4D-Inv": s4d("inv"),
    "S4D-Real": s4d("real"),
    "S4D random": s4d("random"),
    "S5": lambda H, N, g: S5(H, H * N // 2, H, blocks=H, readout="post", generator=g),
    "LRU ring 0.9-0.999": lru(0.9, 0.999, np.pi / 4),
    "LRU ring 0-0.99": lru(0.0, 0.99, np.pi),
}


class Line(nn.Module):
    """One bank between two linear maps."""

    def __init__(self, build: Build, g: torch.Generator) -> None:
        super().__init__()
        self.encoder, self.cell, self.decoder = nn.Linear(1, 8), build(8, 64, g), nn.Linear(8, 1)

    def forward(self, u: Tensor) -> Tensor:
        """(batch, time, 1) -> (batch, time, 1)."""
        return self.decoder(self.cell(self.encoder(u))[0])


class Reader(nn.Module):
    """Two residual blocks and a classifier that sees the last sample."""

    def __init__(self, build: Build, g: torch.Generator) -> None:
        super().__init__()
        self.encoder, self.head = nn.Linear(1, 16), nn.Linear(16, 10)
        self.cells = nn.ModuleList(build(16, 32, g) for _ in range(2))
        self.mixers = nn.ModuleList(nn.Linear(16, 16) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(16) for _ in range(2))

    def forward(self, u: Tensor) -> Tensor:
        """(batch, time, 1) -> logits (batch, 10)."""
        s = self.encoder(u)
        for cell, mixer, norm in zip(self.cells, self.mixers, self.norms, strict=True):
            s = s + mixer(functional.gelu(cell(norm(s))[0]))
        return self.head(s[:, -1])


def optimizer_of(model: nn.Module) -> torch.optim.Optimizer:
    """AdamW; poles and steps slowly and without decay."""
    slow = [p for name, p in model.named_parameters() if name.rpartition(".")[2] in UNDECAYED - {"D"}]
    fast = [p for name, p in model.named_parameters() if name.rpartition(".")[2] not in UNDECAYED - {"D"}]
    return torch.optim.AdamW([{"params": slow, "lr": 1e-3, "weight_decay": 0.0}, {"params": fast, "lr": 1e-2}])


def noise(batch: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """(u, u delayed), noise of variance 1 below a quarter of the Nyquist frequency."""
    spectrum = torch.fft.rfft(torch.randn(batch, SAMPLES, generator=g))
    spectrum[:, SAMPLES // 8 :] = 0
    u = torch.fft.irfft(spectrum, SAMPLES)[..., None]
    u = u / u.std()
    return u, torch.cat([torch.zeros(batch, DELAY, 1), u[:, :-DELAY]], dim=1)


def delay(build: Build, seed: int, steps: int) -> float:
    """Relative squared error after training, on fresh noise."""
    g = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = Line(build, g)
    optimizer = optimizer_of(model)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        u, y = noise(8, g)
        optimizer.zero_grad()
        (model(u) - y)[:, DELAY:].square().mean().backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        u, y = noise(32, torch.Generator().manual_seed(99))
        return float((model(u) - y)[:, DELAY:].square().mean() / y[:, DELAY:].square().mean())


def digits(build: Build, seed: int, steps: int) -> float:
    """Accuracy on the last 450 images."""
    from sklearn.datasets import load_digits

    images, classes = load_digits(return_X_y=True)
    u, c = torch.tensor(images / 8 - 1, dtype=torch.float32)[..., None], torch.tensor(classes)
    g = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = Reader(build, g)
    optimizer = optimizer_of(model)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        rows = torch.randint(len(u) - 450, (32,), generator=g)
        optimizer.zero_grad()
        functional.cross_entropy(model(u[rows]), c[rows]).backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return float((model(u[-450:]).argmax(-1) == c[-450:]).double().mean())


def main(task: str = "delay", seeds: int = 2, steps: int = 400) -> None:
    run = {"delay": delay, "digits": digits}[task]
    for name, build in CASES.items():
        began = time.perf_counter()
        results = [run(build, seed, steps) for seed in range(seeds)]
        seconds = (time.perf_counter() - began) / seeds
        print(
            f"{name:20} {np.mean(results):8.4f}  of {np.round(results, 4).tolist()}  {seconds:6.1f} s a run", flush=True
        )


if __name__ == "__main__":
    main(*sys.argv[1:2], *(int(argument) for argument in sys.argv[2:]))
