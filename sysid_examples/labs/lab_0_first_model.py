# /// script
# [tool.marimo.runtime]
# reactive_tests = false  # each exercise shows its verdict itself
# ///

import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="Lab 0: set-up and a first certified model",
)

with app.setup:
    import marimo as mo
    import numpy as np
    from matplotlib.figure import Figure

    import l2ssm as ls
    from l2ssm.certificates.statement import rounded_down, rounded_up
    from l2ssm.labs.visible import attempt, verdict


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Lab 0 · Set-up and a first certified model

    *75 minutes, most of them to look around. Needs torch, which the package brings.*

    **The story.** Two tanks, one above the other. A pump fills the upper one (voltage $u$), which drains into the lower one,
    whose level is measured ($y$, V at the sensor). Both can overflow. You will learn a model from one
    experiment, and then ask it a question that a fit does not answer: *by how much can the level change if somebody
    tampers with the pump, in any way whatsoever?* The answer is one number, with a proof.

    **How these labs work.** Cells are reactive: move a slider, and what depends on it runs again. Exercises are
    functions of this file; below each you are told at once how it does. Change a function and run the cell. If something
    here does not run at all, `l2ssm doctor` in a terminal says what is installed and what is missing. A longer list of checks runs with `l2ssm lab 0 --check lab_0_first_model.py`.
    """)
    return


@app.cell
def _():
    data = ls.plants.CascadedTanks().experiment(seed=0, samples=1024)
    train, test = data["train"], data["test"]
    mo.plain_text(str(data))
    return test, train


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 1 · A model, and how well it fits

    `ls.fit(train, gamma=8)` trains a deep state-space model. `gamma` prescribes a bound before training begins;
    every parameter value keeps it. To start quickly, the model below has two small blocks and 60 steps (a few seconds).
    The button fits with 600 steps. What to expect of both, on the test record (one run, one core):
    """)
    return


@app.cell
def _():
    choice = mo.ui.dropdown(["2", "4", "8"], value="8", label="prescribed gamma (V/V)")
    longer = mo.ui.run_button(label="fit with 600 steps (up to a minute)")
    mo.hstack([choice, longer], justify="start")
    return choice, longer


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    | prescribed gamma (V/V) | fit, 60 steps | proved | fit, 600 steps | proved |
    |---|---|---|---|---|
    | 2 | 32.3 % | 1.95 | 46.2 % | 2.00 |
    | 4 | 54.8 % | 3.94 | 72.5 % | 3.99 |
    | 8 | 71.9 % | 7.85 | 79.2 % | 7.72 |
    """)
    return


@app.cell
def _(choice, longer, train):
    model = ls.fit(
        train,
        gamma=float(choice.value),
        layers=2,
        d_model=4,
        n_x=4,
        window=256,
        steps=600 if longer.value else 60,
        refine_steps=0,
        seed=0,
    )
    certificate = ls.certify(model)
    return certificate, model


@app.cell(hide_code=True)
def _(model, test):
    def _figure():
        y, y_sim = test.y[:, 0], model.simulate(test)[:, 0]
        figure = Figure(figsize=(9.5, 3.2), layout="constrained")
        axes = figure.subplots()
        axes.plot(test.t, y, color="0.2", lw=1.2, label="measured")
        axes.plot(test.t, y_sim, color="C1", lw=1.5, label="free run of the model")
        axes.axvspan(test.t[0], test.t[model.n_init], color="0.9")
        axes.set_xlabel("time (s)")
        axes.set_ylabel("level (V)")
        axes.legend()
        return figure

    scores = ls.compare(test, {"model": model}).scores["model"]
    mo.vstack(
        [
            mo.hstack(
                [
                    mo.stat(f"{scores.fit[0]:.1f} %", label="fit"),
                    mo.stat(f"{scores.rmse[0]:.3f} V", label="RMSE, free run"),
                ]
            ),
            _figure(),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ### Exercise 1
    The *fit* in per cent is what the System Identification Toolbox prints:
    $100\,\bigl(1 - \|y - \hat y\| / \|y - \bar y\|\bigr)$ with $\bar y$ the mean of the measurement. 100 is perfect, 0 is
    what a constant achieves, and it can be negative. Write it.
    """)
    return


@app.function
def fit_percent(y, y_sim):
    """100 (1 - ||y - y_sim|| / ||y - mean(y)||) of two signals (T,)."""
    raise NotImplementedError("exercise 1")


@app.function
def test_fit_percent():
    """Exercise 1: fit in per cent."""
    with attempt():
        y = np.array([1.0, 2.0, 3.0, 6.0])
        assert np.isclose(fit_percent(y, y), 100), "a perfect simulation has a fit of 100 %"
        assert np.isclose(fit_percent(y, np.full(4, 3.0)), 0), "the mean of y as a simulation has a fit of 0 %"
        assert np.isclose(fit_percent(y, 2 * y), 100 * (1 - np.sqrt(50 / 14))), "a bad simulation has a negative fit"


@app.cell
def _():
    verdict(test_fit_percent)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 2 · The claim

    **Theorem (what the certificate says).** *For every two inputs $u, v$ of the model, with the same initial state, and for
    every horizon $T$,*

    $$\sum_{k<T} |y_u[k] - y_v[k]|^2 \;\le\; \gamma^2 \sum_{k<T} |u[k] - v[k]|^2 .$$

    Hypotheses to keep in mind: it is about the *numbers of the model* (not about the tank), in exact arithmetic (not
    about the rounding of whoever runs it), and the two runs start in the *same state*. It needs no hypothesis on
    the size or shape of $u$ and $v$.

    It was found with floating-point optimisation, which nobody has to trust, and proved in ball arithmetic:
    """)
    return


@app.cell
def _(certificate):
    mo.plain_text(str(certificate))
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    Try to beat it. The pump voltage of the test record gets an additional sinusoid; the ratio of the norms is a lower bound of
    the gain. Which frequency is worst? Which amplitude?
    """)
    return


@app.cell
def _():
    amplitude = mo.ui.slider(0.1, 5.0, 0.1, value=1.0, label="amplitude (V)", show_value=True)
    cycles = mo.ui.slider(0, 60, 1, value=10, label="periods in the record", show_value=True)
    mo.vstack([amplitude, cycles])
    return amplitude, cycles


@app.cell
def _(amplitude, certificate, cycles, model, test):
    u = test.u
    v = u + amplitude.value * np.cos(2 * np.pi * cycles.value * np.arange(len(u)) / len(u))[:, None]
    y_u, y_v = model.network.simulate(u), model.network.simulate(v)
    ratio = np.linalg.norm(y_u - y_v) / np.linalg.norm(u - v)
    mo.hstack(
        [
            mo.stat(f"{ratio:.4f}", label="|y_u - y_v| / |u - v|"),
            mo.stat(rounded_down(certificate.lower.gain), label="worst input found by the package"),
            mo.stat(rounded_up(certificate.gamma), label="proved gamma (V/V)"),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ### Exercise 2
    `secant_gain(u, v, y_u, y_v)`: that ratio, for arrays $(T, n)$ of any number of channels; `0.0` where the outputs are
    equal, and `np.inf` where equal inputs gave different outputs (that refutes any $\gamma$).
    """)
    return


@app.function
def secant_gain(u, v, y_u, y_v):
    """||y_u - y_v|| / ||u - v|| over time and channels."""
    raise NotImplementedError("exercise 2")


@app.function
def test_secant_gain():
    """Exercise 2: the ratio of two runs."""
    with attempt():
        zero, one = np.zeros((4, 1)), np.ones((4, 1))
        assert np.isclose(secant_gain(one, zero, 3 * one, zero), 3.0), "all differences three times as large: 3"
        assert secant_gain(one, one, zero, zero) == 0.0, "equal outputs: 0, not 0/0"
        assert secant_gain(one, one, one, zero) == np.inf, "equal inputs, different outputs: infinite"


@app.cell
def _():
    verdict(test_secant_gain)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 3 · Refute a claim that is false

    Somebody claims that the linear tank below has the gain 3.6, because "it filters everything". Its norm is 4.0 (the
    brackets of `hinf` are shown). A claim is refuted by *one* pair of inputs.

    ### Exercise 3
    `refuting_pair(T)`: two inputs of shape `(T, 1)`, with values in $[-1, 1]$, whose outputs differ by more than 3.6
    times their difference, for a record of `T = 600` samples. What is the gain of a slow system largest for?
    """)
    return


@app.cell
def _():
    linear_tank = ls.StateSpace([[0.95, 0.0], [0.05, 0.9]], [[0.4], [0.0]], [[0.0, 1.0]], [[0.0]], dt=4.0)
    lower, upper, omega = linear_tank.hinf()
    mo.md(f"`linear_tank.hinf()`: between {lower:.6f} and {upper:.6f}, attained at {omega:g} rad/s")
    return


@app.function
def refuting_pair(T):
    """Two inputs (T, 1) within [-1, 1] that show a gain above 3.6 of the linear tank."""
    raise NotImplementedError("exercise 3")


@app.function
def test_refuting_pair():
    """Exercise 3: one pair refutes."""
    with attempt():
        tank = ls.StateSpace([[0.95, 0.0], [0.05, 0.9]], [[0.4], [0.0]], [[0.0, 1.0]], [[0.0]], dt=4.0)
        first, second = (np.asarray(one, dtype=float) for one in refuting_pair(600))
        assert first.shape == second.shape == (600, 1), f"shapes {first.shape} and {second.shape}, expected (600, 1)"
        assert max(np.abs(first).max(), np.abs(second).max()) <= 1, "values within [-1, 1]"
        ratio = np.linalg.norm(tank.simulate(first) - tank.simulate(second)) / np.linalg.norm(first - second)
        assert ratio > 3.6, f"your pair shows {ratio:.3f}, more than 3.6 is needed"


@app.cell
def _():
    verdict(test_refuting_pair)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## What to take home

    - A fit is about one record. A certificate is about *all* inputs, and about the model, not the plant.
    - Below: inputs, which show what can happen. Above: a proof of what cannot. The gap says how much is not known.
    - `fit`, `certify`, `verify`: three lines. The proof is a file; `l2ssm verify` checks it without torch and solver.
    - A smaller prescribed gamma gives a calmer model and, from some point on, a worse fit: lab 5.

    Grade your file: `l2ssm lab 0 --check lab_0_first_model.py`
    """)
    return


@app.cell(hide_code=True)
def _():
    if mo.app_meta().mode == "script":
        print(verdict(test_fit_percent, test_secant_gain, test_refuting_pair))
    return


if __name__ == "__main__":
    app.run()
