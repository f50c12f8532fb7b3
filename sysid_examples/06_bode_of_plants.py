# %% [markdown]
# # Bode plots of the plants, and of what was learned of them
#
# For each embedded plant one figure: the best linear approximation (BLA) measured on the plant with random-phase
# multisines, with the levels of its noise and of its nonlinear distortion; that of the learned model under the same
# inputs; and the model's Jacobian system at the operating point, with its H-infinity norm below the certified gain.
#
# Run it as a script (`python sysid_examples/06_bode_of_plants.py [folder] [plant ...]`) or cell by cell.

# %%
import os
import sys
from pathlib import Path

import numpy as np

import l2ssm as ls
from l2ssm.analysis.bla import bla
from l2ssm.analysis.gain_curve import gain_curve
from l2ssm.data.plants import PLANTS

STEPS = int(os.environ.get("L2SSM_EXAMPLE_STEPS", "300"))
folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("out/06")
names = sys.argv[2:] or (list(PLANTS) if STEPS >= 100 else ["cascaded_tanks"])
folder.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## One plant
#
# The excitation is that of the plant's own experiment: the same mean and rms. The BLA depends on both: it is the best
# linear model *for these inputs*. Where the distortion level (dashed) is close to the curve, no linear model is good.


# %%
def study(name: str) -> None:
    """Measure, fit, certify and draw one plant."""
    plant = PLANTS[name]()
    data = plant.experiment(seed=0)
    u = data["train"].u
    class_of_inputs = {"rms": u.std(axis=0).tolist(), "mean": u.mean(axis=0), "period": 1024, "settle": 3}
    measured = bla(plant, realizations=4, **class_of_inputs)
    single = plant.n_u == plant.n_y == 1
    largest = float(np.max(np.linalg.norm(measured.H, 2, axis=(1, 2))))
    model = ls.fit(data["train"], gamma=2.0 * largest if single else None, steps=STEPS, seed=0)
    certificate = ls.certify(model, method="product", lower=False)
    jacobian = ls.linearize(model, u.mean(axis=0))
    lower, upper, omega = jacobian.hinf()
    print(f"{name}: {ls.compare(data['test'], {'model': model}).table.splitlines()[1]}")
    print(f"{name}: H-infinity norm of the Jacobian system in [{lower:.4g}, {upper:.4g}], peak at {omega:.4g} rad/s")
    print(certificate)

    gains = np.max(np.abs(measured.H), axis=0)
    strongest = np.unravel_index(int(np.argmax(gains)), gains.shape)
    curves = {
        "plant": measured,
        "model": bla(model, realizations=4, **class_of_inputs),
        "Jacobian system": jacobian,
    }
    figure = ls.plots.frequency(curves, channel=(int(strongest[0]), int(strongest[1])))
    channel = f"{plant.input_names[strongest[1]]} to {plant.output_names[strongest[0]]}"
    proved = f"its gain {lower:.3g} ≤ certified {certificate.gamma:.4g} {certificate.unit}"
    figure.axes[0].set_title(f"{name}, {channel}: {proved}", fontsize=12, loc="left")
    figure.savefig(folder / f"bode_{name}.png", dpi=100)
    if single:
        amplitudes = (float(u.std()) * np.geomspace(0.1, 1.0, 4)).tolist()
        sizes = {
            label: gain_curve(system, amplitudes, mean=u.mean(axis=0), samples=512, tones=6)
            for label, system in (("plant", plant), ("model", model))
        }
        ls.plots.gain(sizes, certificate).savefig(folder / f"gain_{name}.png", dpi=100)


# %% [markdown]
# ## All of them

# %%
for plant_name in names:
    study(plant_name)
print("wrote", ", ".join(sorted(path.name for path in folder.glob("*.png"))), "to", folder)
