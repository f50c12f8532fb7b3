# %% [markdown]
# # Bode plots of the plants, and of what was learned of them
#
# For each embedded plant one figure: the best linear approximation (BLA) measured on the plant with random-phase
# multisines, with the levels of its noise and of its nonlinear distortion; that of the learned model under the same
# inputs; and the model's Jacobian system at the operating point, with its H-infinity norm below the certified gain.
#
# Run it as a script (`python sysid_examples/06_bode_of_plants.py [folder] [plant ...]`) or cell by cell. It also writes
# the page README.md with the numbers and the figures; `docs/gallery` is made by
# `python sysid_examples/06_bode_of_plants.py docs/gallery`.

# %%
import os
import sys
from pathlib import Path

import numpy as np

import l2ssm as ls
from l2ssm.analysis.compare import percent
from l2ssm.analysis.gain_curve import gain_curve
from l2ssm.certificates.statement import rounded_up
from l2ssm.data.plants import PLANTS

STEPS = int(os.environ.get("L2SSM_EXAMPLE_STEPS", "300"))
SHARPNESS = 70  # dots per inch
folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("out/06")
names = sys.argv[2:] or (list(PLANTS) if STEPS >= 100 else ["cascaded_tanks"])
folder.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## One plant
#
# The excitation is that of the plant's own experiment: the same mean and rms. The BLA depends on both: it is the best
# linear model *for these inputs*. Where the distortion level (dashed) is close to the curve, no linear model is good.


# %%
def study(name: str) -> str:
    """Measure, fit, certify and draw one plant; a row of the table."""
    plant = PLANTS[name]()
    data = plant.experiment(seed=0)
    u = data["train"].u
    class_of_inputs = {"rms": u.std(axis=0).tolist(), "mean": u.mean(axis=0), "period": 1024, "settle": 3}
    measured = ls.bla(plant, realizations=4, **class_of_inputs)
    single = plant.n_u == plant.n_y == 1
    largest = float(np.max(np.linalg.norm(measured.H, 2, axis=(1, 2))))
    model = ls.fit(data["train"], gamma=2.0 * largest, steps=STEPS, seed=0)
    certificate = ls.certify(model, method="product", lower=False)
    jacobian = model.linearize(u.mean(axis=0))
    lower, upper, omega = jacobian.hinf()
    comparison = ls.compare(data["test"], {"model": model})
    print(f"{name}: {comparison.table.splitlines()[1]}")
    print(f"{name}: H-infinity norm of the Jacobian system in [{lower:.4g}, {upper:.4g}], peak at {omega:.4g} rad/s")
    print(certificate)

    gains = np.max(np.abs(measured.H), axis=0)
    i, j = (int(k) for k in np.unravel_index(int(np.argmax(gains)), gains.shape))
    curves = {
        "plant": measured,
        "model": ls.bla(model, realizations=4, **class_of_inputs),
        "Jacobian system": jacobian,
    }
    figure = ls.plots.frequency(curves, channel=(i, j))
    channel = f"{plant.input_names[j]} to {plant.output_names[i]}"
    mixed = "(each channel in its unit)" if set(plant.units.values()) - {"-"} else ""
    proved = f"{rounded_up(certificate.gamma)} {certificate.unit or mixed}".strip()
    title = f"{name}, {channel}\nH-infinity norm {lower:.3g}, certified gain of the whole model {proved}"
    figure.axes[0].set_title(title, fontsize=12, loc="left")
    figure.savefig(folder / f"bode_{name}.png", dpi=SHARPNESS)
    if single:
        amplitudes = (float(u.std()) * np.geomspace(0.1, 1.0, 4)).tolist()
        sizes = {
            label: gain_curve(system, amplitudes, mean=u.mean(axis=0), samples=512, tones=6)
            for label, system in (("plant", plant), ("model", model))
        }
        ls.plots.gain(sizes, certificate).savefig(folder / f"gain_{name}.png", dpi=SHARPNESS)
    level = 20 * np.log10(np.median(measured.distortion[:, i, j] / np.abs(measured.H[:, i, j])))
    fit = min(comparison.scores["model"].fit)
    gain = f"{lower:.4g} at {omega / (2 * np.pi):.3g} Hz"
    return f"| {name} | {channel} | {percent(fit)} | {level:.0f} dB | {gain} | {proved} |"


# %% [markdown]
# ## All of them

# %%
HEAD = """# Bode plots of the plants

Made by `python sysid_examples/06_bode_of_plants.py docs/gallery`, {steps} steps of training a plant. Points: the best
linear approximation measured on the plant and on the model, with the band that holds it in 95 % of experiments; dotted:
noise, dashed: nonlinear distortion of one realization; line: the Jacobian system of the model at the operating point.
Its H-infinity norm stands beside the certified gain, which holds for all inputs. Second figure, for one input and one
output: the gain of the worst of a few inputs of each size, below the certified line.

| plant | channel drawn | fit on new data, worst output | distortion, median | H-infinity of the Jacobian | certified |
|---|---|---|---|---|---|
"""
rows = [study(plant_name) for plant_name in names]
pictures = [path.name for name in names for path in sorted(folder.glob(f"*_{name}.png"))]
page = HEAD.format(steps=STEPS) + "\n".join(rows) + "\n\n" + "\n".join(f"![{name}]({name})" for name in pictures) + "\n"
(folder / "README.md").write_text(page, encoding="utf-8")
print("wrote README.md,", ", ".join(pictures), "to", folder)
