# %% [markdown]
# # Every recurrent layer on the same data
#
# The layers of `l2ssm.cells.CELLS`, each in the same network with the same optimiser, steps and windows: on a simulated
# pendulum, and on the measured cascaded tanks where their file is at hand. What differs is how the linear part of a
# block is parametrized and where it starts. n_x counts complex states of a cell; a bank (S4, S4D) has n_x a channel.

# %%
import os
import sys
import time
from pathlib import Path

import numpy as np

import l2ssm as ls
from l2ssm.cells import CELLS
from l2ssm.errors import MissingDataError

STEPS = int(os.environ.get("L2SSM_EXAMPLE_STEPS", "600"))
folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("out/04")
folder.mkdir(parents=True, exist_ok=True)

# %%
sources = {"pendulum": ls.plants.Pendulum().experiment(seed=0)}
tasks = {name: (data["train"], data["test"], None) for name, data in sources.items()}
try:
    tanks = ls.benchmark("cascaded_tanks")
    tasks["cascaded tanks"] = (tanks.train, tanks.test, tanks.n_init)
except MissingDataError as error:
    print(f"cascaded tanks are left out: {error}")

# %% [markdown]
# ## Same budget for all
#
# The error is that of the free run on the test record; early stopping has seen held-out blocks of the training record.

# %%
fitted = {}
for task, (train, test, n_init) in tasks.items():
    models = {}
    print(f"\n{task}: {STEPS} steps\n{'cell':20}{'RMSE':>10}{'fit':>9}{'parameters':>12}{'states':>8}{'time':>9}")
    for cell in CELLS:
        began = time.perf_counter()
        models[cell] = ls.fit(train, cell=cell, layers=2, n_init=n_init, window=256, steps=STEPS, seed=0)
        seconds = time.perf_counter() - began
        scores = ls.compare(test, {cell: models[cell]}).scores[cell]
        about = f"{models[cell].info['n_parameters']:>12}{models[cell].network.n_x:>8}{seconds:>7.0f} s"
        print(f"{cell:20}{float(np.mean(scores.rmse)):>10.4f}{float(np.mean(scores.fit)):>7.1f} %{about}", flush=True)
    fitted[task] = models

# %% [markdown]
# ## What the linear parts have become, and a proof for one of them

# %%
train, test, _ = tasks["pendulum"]
models = fitted["pendulum"]
for name, model in models.items():
    radius = max(G.spectral_radius() for G in ls.linear_operators(model).values())
    print(f"{name:20} largest |pole| {radius:.5f}, slowest time constant {-train.dt / np.log(radius):.2f} s")
continuous = models["s5"]
certificate = ls.certify(continuous)
print(certificate)
ls.plots.compare(ls.compare(test, {name: models[name] for name in ("lru", "s4", "s5")})).savefig(folder / "fit.png")
ls.write_report(continuous, test, certificate, folder, "python sysid_examples/04_cells_compared.py")

# %% [markdown]
# ## The same model, sampled twice as fast
#
# S4, S4D and S5 are learned in continuous time: only their steps change with the sample time.

# %%
plant = ls.plants.Pendulum(noise=(0.0,))
fast = ls.Record(
    np.repeat(test.u, 2, axis=0),
    plant.simulate(np.repeat(test.u, 2, axis=0), dt=plant.dt / 2),
    plant.dt / 2,
    input_names=test.input_names,
    output_names=test.output_names,
)
for name in ("s4", "s4d", "s5"):
    twice = ls.resample_model(models[name], plant.dt / 2)
    pair = [float(ls.compare(r, {name: m}).scores[name].rmse[0]) for r, m in ((test, models[name]), (fast, twice))]
    print(f"{name}: RMSE {pair[0]:.4f} rad at {plant.dt:g} s, {pair[1]:.4f} rad at {plant.dt / 2:g} s")
