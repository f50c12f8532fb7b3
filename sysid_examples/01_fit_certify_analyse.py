# %% [markdown]
# # From a plant to a proof
#
# Two cascaded tanks: a pump voltage u (V) fills the upper tank, which drains into the lower one; its level h2 is
# measured (V at the sensor). Both tanks can overflow. The plant is simulated, with noise; nothing is downloaded.
# We fit a deep state-space model whose L2 gain is prescribed, prove the gain, and look at what was learned.
#
# Run it as a script (`python sysid_examples/01_fit_certify_analyse.py [folder]`) or cell by cell.

# %%
import os
import sys
from pathlib import Path

import l2ssm as ls

STEPS = int(os.environ.get("L2SSM_EXAMPLE_STEPS", "600"))  # fewer when the examples are tested
folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("out/01")
folder.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## Data: one training and one test experiment

# %%
data = ls.plants.CascadedTanks().experiment(seed=0, samples=2048)
train, test = data["train"], data["test"]
print(data)

# %% [markdown]
# ## Fit with a prescribed gain
#
# gamma = 8 V/V bounds how much the output can change, in energy, for any change of the input. A smaller gamma gives a
# calmer model and, from some point on, a worse fit: a gain that the plant has cannot be had for less.

# %%
model = ls.fit(train, gamma=8.0, steps=STEPS, seed=0)
print(model)
print(ls.compare(test, {"certified": model}))

# %% [markdown]
# ## Certify: a proof that anybody can check
#
# The certificate holds the numbers of the model and a storage function; `verify` needs neither torch nor a solver.

# %%
certificate = ls.certify(model)
certificate.save(folder / "cert.json")
model.save(folder / "model.l2ssm")
ls.verify(folder / "cert.json", model=folder / "model.l2ssm")
print(certificate)

# %% [markdown]
# ## Analyse the learned operators

# %%
operators = ls.linear_operators(model)
for name, G in operators.items():
    lower, upper, omega = G.hinf()
    print(f"{name}: spectral radius {G.spectral_radius():.5f}, H-infinity norm in [{lower:.4f}, {upper:.4f}]")
ls.plots.sigma(operators).savefig(folder / "sigma.png")
ls.plots.compare(ls.compare(test, {"certified": model})).savefig(folder / "fit.png")
ls.write_report(model, test, certificate, folder, "python sysid_examples/01_fit_certify_analyse.py")
print("wrote", ", ".join(sorted(p.name for p in folder.iterdir())), "to", folder)
