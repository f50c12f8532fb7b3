# %% [markdown]
# # Selective layers: dynamics that depend on the input
#
# 1. A tank whose outlet valve is switched: its time constant is 4 or 80 samples, and the second input tells which. A
#    selective cell changes its poles at every sample, a linear cell cannot.
# 2. Selective copying: keep the few tokens that matter, in order, wherever they are.
# 3. A selective cell with a gain that is proved for whatever its coefficients do.

# %%
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

import l2ssm as ls
from l2ssm.cells import BoundedSelective
from l2ssm.networks.deep import DeepSSM
from l2ssm.networks.scaling import Scaling

STEPS = int(os.environ.get("L2SSM_EXAMPLE_STEPS", "400"))
SEEDS = range(5 if STEPS >= 100 else 1)
folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("out/05")
folder.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## A plant with switched dynamics
#
# x[k+1] = exp(-r) x[k] + (1 - exp(-r)) u[k] / (80 r) with r = 1/4 (valve open) or 1/80 (closed), measured with noise.


# %%
def switched_tank(seed: int, samples: int = 2000) -> ls.Record:
    """Inflow u and valve position, each held for random times; level y."""
    rng = np.random.default_rng(seed)
    inflow, valve = np.zeros(samples), np.zeros(samples)
    for signal, draw, hold in ((inflow, rng.normal, 8), (valve, lambda: float(rng.random() < 0.5), 40)):
        k = 0
        while k < samples:
            length = 1 + rng.geometric(1 / hold)
            signal[k : k + length] = draw()
            k += length
    level = np.zeros(samples + 1)
    for k in range(samples):
        r = 1 / 4 if valve[k] else 1 / 80
        level[k + 1] = np.exp(-r) * level[k] - np.expm1(-r) * inflow[k] / (80 * r)
    y = level[:-1] + 0.002 * rng.normal(size=samples)
    return ls.Record(np.stack([inflow, valve], 1), y, 1.0, input_names=["inflow", "valve"], output_names=["level"])


CELLS = ("lru", "s5", "s6", "rglru", "bounded_selective")
train, test = switched_tank(0), switched_tank(1)
scores: dict[str, list[float]] = {cell: [] for cell in CELLS}
models = {}
for cell in CELLS:
    began = time.perf_counter()
    for seed in SEEDS:
        options = {"gamma": 20.0} if cell == "bounded_selective" else {}
        sizes = {"layers": 1, "d_model": 8, "n_x": 8, "cell_options": options}
        models[cell] = ls.fit(train, cell=cell, initial="zero", window=128, steps=STEPS, seed=seed, **sizes)
        residual = test.y - models[cell].simulate(test)
        scores[cell].append(float(np.sqrt(np.mean(residual**2)) / np.std(test.y)))
    seconds, size = time.perf_counter() - began, models[cell].info["n_parameters"]
    errors = " ".join(f"{score:.3f}" for score in scores[cell])
    print(
        f"{cell:18} NRMSE median {np.median(scores[cell]):.3f} of {errors}   {size} parameters, {seconds:.0f} s",
        flush=True,
    )

comparison = ls.compare(test, {cell: models[cell] for cell in ("lru", "rglru", "bounded_selective")})
ls.plots.compare(comparison, span=(0.0, 400.0)).savefig(folder / "switched_tank.png")

# %% [markdown]
# ## Selective copying
#
# A sequence holds a few tokens among blanks, then as many marks; at every mark the next token is to be said. One block,
# so that the order must be kept by the recurrence itself: the one of S6 can forget by tokens and ignore blanks, that of
# LRU forgets by samples. Both models have 4500 to 6000 parameters.

# %%
TOKENS, MEMORY, LENGTH = 8, 4, 32
COPY_STEPS = 4 * STEPS


def sequences(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """(one-hot inputs (count, LENGTH + MEMORY, TOKENS + 2), tokens (count, MEMORY))."""
    tokens = torch.randint(TOKENS, (count, MEMORY), generator=generator)
    places = torch.rand(count, LENGTH, generator=generator).argsort(1)[:, :MEMORY].sort(1).values
    symbols = torch.full((count, LENGTH + MEMORY), TOKENS)
    symbols[:, LENGTH:] = TOKENS + 1
    symbols.scatter_(1, places, tokens)
    return functional.one_hot(symbols, TOKENS + 2).float(), tokens


def copying(cell: str, seed: int) -> float:
    """The part of the tokens that a trained model says correctly."""
    zero, one = np.zeros(TOKENS + 2), np.ones(TOKENS + 2)
    scaling = Scaling(zero, one, zero[:TOKENS], one[:TOKENS])
    sizes = {"layers": 1, "d_model": 32, "n_x": 16}
    model = DeepSSM(scaling, cell=cell, scaffold="full_glu", slowest=2.0 * LENGTH, seed=seed, **sizes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=COPY_STEPS)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(COPY_STEPS):
        u, tokens = sequences(32, generator)
        said = model.standardised(u)[0][:, LENGTH:]
        loss = functional.cross_entropy(said.flatten(0, 1), tokens.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    u, tokens = sequences(1000, torch.Generator().manual_seed(10_000))
    with torch.no_grad():
        return float((model.standardised(u)[0][:, LENGTH:].argmax(-1) == tokens).float().mean())


print(f"\nselective copying of {MEMORY} tokens out of {TOKENS}, chance {1 / TOKENS:.0%}")
for cell in ("s6", "lru"):
    began = time.perf_counter()
    accuracy = copying(cell, 0)
    print(
        f"{cell:5} {accuracy:.1%} of the tokens after {COPY_STEPS} steps, {time.perf_counter() - began:.0f} s",
        flush=True,
    )

# %% [markdown]
# ## A proof for every sequence of coefficients
#
# The cell alone, trained on the tank with the prescribed gain: the bound is one from rest, because the coefficients
# depend on the input.

# %%
cell = BoundedSelective.start(2, 8, 1, slowest=100.0, gamma=4.0, generator=torch.Generator().manual_seed(0))
optimizer = torch.optim.Adam(cell.parameters(), lr=0.01)
u, y = (torch.tensor(v, dtype=torch.float32)[None] for v in (train.u, train.y))
for _ in range(max(STEPS // 4, 10)):
    loss = (cell(u)[0] - y).square().mean() / y.var()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
names = train.input_names, train.output_names, ("", ""), ("",)
network = ls.Interconnection((cell.frozen(),), train.dt, *names)
print(f"\nNRMSE {float(loss.detach()) ** 0.5:.3f} with gamma = {cell.gamma:g}\n{ls.certify(network, kind='l2')}")
