# %% [markdown]
# # Measured data: the cascaded-tanks benchmark
#
# 1024 samples (4 s) to estimate, 1024 to test; the score is the RMSE (V) of the free run on the test record, which may
# look at the first 50 outputs only. The data are not part of the package: see `l2ssm.benchmark`.

# %%
import os
import sys
from pathlib import Path

import numpy as np

import l2ssm as ls
from l2ssm.errors import MissingDataError

STEPS = int(os.environ.get("L2SSM_EXAMPLE_STEPS", "1000"))
folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("out/02")
folder.mkdir(parents=True, exist_ok=True)

# %%
try:
    tanks = ls.benchmark("cascaded_tanks")
except MissingDataError as error:
    sys.exit(f"nothing to do: {error}")
print(tanks.train)

# %% [markdown]
# ## Two models: gain free, and gain prescribed
#
# The best linear model has a peak gain of about 2.3 in normalised units; in volts per volt that is the number below.

# %%
spread = float(np.std(tanks.train[0].y) / np.std(tanks.train[0].u))
gamma = 7.0 * spread
print(f"gamma = {gamma:.2f} V/V, three times the peak gain {2.3 * spread:.2f} V/V of a linear model")
free = ls.fit(tanks.train, n_init=tanks.n_init, steps=STEPS, seed=0)
certified = ls.fit(tanks.train, gamma=gamma, n_init=tanks.n_init, steps=STEPS, seed=0)
comparison = ls.compare(tanks.test, {"LRU": free, "certified": certified})
print(comparison)

# %% [markdown]
# ## What each of them can promise

# %%
for name, model in {"LRU": free, "certified": certified}.items():
    certificate = ls.certify(model)
    print(f"\n{name}\n{certificate}")
    model.save(folder / f"{name}.l2ssm")
    certificate.save(folder / f"{name}.cert.json")
ls.plots.compare(comparison).savefig(folder / "fit.png")
ls.write_report(certified, tanks.test, certificate, folder, "python sysid_examples/02_measured_data.py")
