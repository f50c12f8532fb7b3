# %% [markdown]
# # Selective layers: dynamics that depend on the input
#
# 1. A tank whose outlet valve is switched: its time constant is 4 or 80 samples, and the second input tells which. A
#    selective cell changes its poles at every sample, a linear cell cannot.
# 2. Selective copying: keep the few tokens that matter, in order, wherever they are.
# 3. A selective model with a prescribed gain, proved for whatever its coefficients do.

# %%
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

import l2ssm as ls
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


CELLS = ("lru", "s5", "s6", "rglru", "bounded_selective", "bounded_clocked")
# The level that a window begins with is not known; all cells start at random, as some can hold no linear model.
SETTINGS = {"initial": "warmup", "n_init": 100, "window": 200, "linear_start": False}
train, test = switched_tank(0), switched_tank(1)
scores: dict[str, list[float]] = {cell: [] for cell in CELLS}
models = {}
for cell in CELLS:
    began = time.perf_counter()
    for seed in SEEDS:
        options = {"gamma": 20.0} if cell.startswith("bounded") else {}
        sizes = {"layers": 1, "d_model": 8, "n_x": 8, "cell_options": options}
        models[cell] = ls.fit(train, cell=cell, steps=STEPS, seed=seed, **sizes, **SETTINGS)
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
# A sequence holds a few tokens at random places among blanks, then as many marks; at every mark the next token is to
# be said. One Mamba block, so that the order must be kept by the recurrence inside it: S6 forgets by tokens and passes
# over blanks, LRU forgets by samples. n_x = 8 means 8 states for every channel of S6, 8 complex ones in all of LRU;
# with n_x = 128 LRU has as many real states as S6, 256, and more parameters.

# %%
TOKENS, MEMORY, LENGTH = 8, 3, 48
COPY_STEPS = 3 * STEPS // 2
CONTESTANTS = (("s6", 8), ("lru", 8), ("lru", 128))  # cell, n_x


def sequences(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """(one-hot inputs (count, LENGTH + MEMORY, TOKENS + 2), tokens (count, MEMORY))."""
    tokens = torch.randint(TOKENS, (count, MEMORY), generator=generator)
    places = torch.rand(count, LENGTH, generator=generator).argsort(1)[:, :MEMORY].sort(1).values
    symbols = torch.full((count, LENGTH + MEMORY), TOKENS)
    symbols[:, LENGTH:] = TOKENS + 1
    symbols.scatter_(1, places, tokens)
    return functional.one_hot(symbols, TOKENS + 2).float(), tokens


def copying(cell: str, n_x: int, seed: int) -> tuple[float, int]:
    """(part of the tokens that a trained model says correctly, its parameters)."""
    zero, one = np.zeros(TOKENS + 2), np.ones(TOKENS + 2)
    scaling = Scaling(zero, one, zero[:TOKENS], one[:TOKENS])
    sizes = {"layers": 1, "d_model": 16, "n_x": n_x}
    model = DeepSSM(scaling, cell=cell, scaffold="mamba", slowest=2.0 * LENGTH, seed=seed, **sizes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=COPY_STEPS)
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
        right = (model.standardised(u)[0][:, LENGTH:].argmax(-1) == tokens).float().mean()
    return float(right), sum(p.numel() for p in model.parameters())


print(f"\nselective copying of {MEMORY} tokens out of {TOKENS}, {COPY_STEPS} steps, chance {1 / TOKENS:.1%}")
for cell, n_x in CONTESTANTS:
    began = time.perf_counter()
    results = [copying(cell, n_x, seed) for seed in SEEDS]
    said = " ".join(f"{right:.1%}" for right, _ in results)
    seconds = time.perf_counter() - began
    print(f"{cell:4} n_x {n_x:3}   {said}   {results[0][1]} parameters, {seconds:.0f} s", flush=True)

# %% [markdown]
# ## A gain that holds for every sequence of coefficients
#
# With gamma the model is a chain in which zero input keeps every signal zero: the gain is one from rest, because the
# coefficients depend on the input. It holds for all parameters; the certificate is about those that were found.

# %%
sizes = {"layers": 2, "d_model": 8, "n_x": 8}
model = ls.fit(train, cell="bounded_selective", gamma=3.0, steps=STEPS, **sizes, **SETTINGS)
residual = test.y - model.simulate(test)
print(f"\nNRMSE {np.sqrt(np.mean(residual**2)) / np.std(test.y):.3f} with gamma = 3")
print(ls.certify(model, kind="l2"))
