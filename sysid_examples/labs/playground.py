# /// script
# [tool.marimo.runtime]
# reactive_tests = false  # each exercise shows its verdict itself
# ///

import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="full",
    app_title="Playground: plant, gamma, layers, poles",
)

with app.setup:
    import os
    import tempfile
    from dataclasses import replace
    from pathlib import Path

    import marimo as mo
    import numpy as np
    from matplotlib.figure import Figure

    import l2ssm as ls
    from l2ssm.certificates.statement import rounded_down, rounded_up
    from l2ssm.errors import DataError, L2ssmError


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Playground

    Choose a plant or drop a CSV file, then move the prescribed gain, the number of layers and the poles that training starts from.
    Every change fits a small model again (100 steps, a few seconds); the button trains longer. The gain of whatever comes out is proved.
    Of a file the first three quarters train, the rest tests; name its columns (commas between them), and give its sample time or the column that holds the time.
    """)
    return


@app.cell
def _():
    plant = mo.ui.dropdown(sorted(ls.plants.PLANTS), value="cascaded_tanks", label="plant")
    file = mo.ui.file(filetypes=[".csv"], kind="area", label="or drop a CSV file here")
    inputs = mo.ui.text("u", label="input columns")
    outputs = mo.ui.text("y", label="output columns")
    clock = mo.ui.text("1", label="sample time (s), or time column")
    mo.hstack([mo.vstack([plant, inputs, outputs, clock]), file], widths=[1, 2])
    return clock, file, inputs, outputs, plant


@app.cell
def _(clock, file, inputs, outputs, plant):
    def _dropped(folder):
        path = Path(folder) / Path(file.name()).name
        path.write_bytes(file.contents())
        names = {
            "inputs": [name.strip() for name in inputs.value.split(",")],
            "outputs": [name.strip() for name in outputs.value.split(",")],
        }
        try:
            names["dt"] = float(clock.value)
        except ValueError:  # no number: the name of a column
            names["time"] = clock.value.strip()
        data = ls.read(path, **names)
        return [
            replace(part[0], name=name) for part, name in zip(data.split([0.75, 0.25]), ("train", "test"), strict=True)
        ]

    def _loaded():
        if not file.value:
            data = ls.plants.PLANTS[plant.value]().experiment(seed=0, samples=1024)
            return data["train"], data["test"], None
        with tempfile.TemporaryDirectory() as folder:
            try:
                first, second = _dropped(folder)
                if not (np.ptp(first.u, 0).all() and np.ptp(first.y, 0).all()):
                    raise DataError("a channel has the same value in all of the first three quarters: nothing to learn")
            except L2ssmError as error:
                return None, None, str(error).replace(f"{folder}{os.sep}", "")
        return first, second, None

    train, test, problem = _loaded()
    mo.stop(problem is not None, mo.callout(f"This file cannot be used as it is: {problem}", kind="danger"))
    unit_gain = float(np.linalg.norm(train.y.std(0)) / np.linalg.norm(train.u.std(0)))
    mo.plain_text(str(ls.Dataset([train, test])))
    return test, train, unit_gain


@app.cell
def _(unit_gain):
    gamma = mo.ui.slider(
        steps=[0.25, 0.5, 1, 2, 3, 5, 8, 12, 20],
        value=5,
        label=f"gamma, in units of std(y)/std(u) = {unit_gain:.4g}",
        show_value=True,
    )
    layers = mo.ui.slider(1, 5, 1, value=2, label="layers", show_value=True)
    constants = mo.ui.range_slider(
        steps=[1, 2, 5, 10, 20, 50, 100, 200, 500],
        value=[5, 50],
        label="time constants of the first poles (samples)",
        show_value=True,
    )
    longer = mo.ui.run_button(label="train with 600 steps (up to a minute)")
    mo.vstack([mo.hstack([gamma, layers, constants], justify="start"), longer])
    return constants, gamma, layers, longer


@app.cell
def _(constants, gamma, layers, longer, test, train, unit_gain):
    def _fit():
        shortest, longest = (train.dt * samples for samples in constants.value)
        ring = {"dt": train.dt, "shortest": shortest, "longest": longest, "fastest": 1 / (2 * np.pi * shortest)}
        steps = 600 if longer.value else 100
        width = max(4, train.u.shape[1], train.y.shape[1])
        sizes = {
            "layers": layers.value,
            "d_model": width,
            "n_x": 4,
            "window": 256,
            "steps": steps,
            "refine_steps": 0,
            "learning_rate": 2e-2,
        }
        return ls.fit(train, gamma=gamma.value * unit_gain, cell_options={"ring": ring}, seed=0, **sizes)

    try:
        model = _fit()
        certificate = ls.certify(model, method="product")
        scores = ls.compare(test, {"model": model}).scores["model"]
    except L2ssmError as error:
        mo.stop(True, mo.callout(f"No certified model of these data: {error}", kind="danger"))
    mo.hstack(
        [
            mo.stat(", ".join(f"{fit:.1f} %" for fit in scores.fit), label="fit on test data"),
            mo.stat(
                f"{gamma.value * unit_gain:.4g}", label=f"prescribed gamma ({certificate.unit or 'output per input'})"
            ),
            mo.stat(rounded_up(certificate.gamma), label="proved"),
            mo.stat(rounded_down(certificate.lower.gain), label="worst input found"),
        ]
    )
    return certificate, model


@app.cell
def _(certificate, model, test):
    def _worst():
        lower = certificate.lower
        figure = Figure(figsize=(10, 4), layout="constrained")
        left, right = figure.subplots(1, 2)
        t = test.dt * np.arange(len(lower.u))
        left.plot(t, lower.u, color="0.6")
        left.plot(t, lower.u + lower.du, lw=1)
        left.set_title("base input (grey) and the worst one")
        right.plot(t, model.network.simulate(lower.u + lower.du) - model.network.simulate(lower.u))
        right.set_title(f"what it does to the outputs: gain {lower.gain:.4g}")
        for axes in (left, right):
            axes.set_xlabel("time (s)")
        return figure

    operators = ls.linear_operators(model)
    mo.ui.tabs(
        {
            "Fit": ls.plots.compare(ls.compare(test, {"model": model})),
            "Bode": ls.plots.bode(ls.linearize(model), hz=True),
            "Singular values": ls.plots.sigma(operators, hz=True),
            "Poles": ls.plots.poles(operators),
            "Worst input": _worst(),
            "Certificate": mo.plain_text(str(certificate)),
        }
    )
    return


@app.cell(hide_code=True)
def _(certificate):
    if mo.app_meta().mode == "script":
        print(certificate)
    return


if __name__ == "__main__":
    app.run()
