# /// script
# [tool.marimo.runtime]
# reactive_tests = false  # each exercise shows its verdict itself
# ///

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Lab 4: identification in anger")

with app.setup:
    import marimo as mo
    import numpy as np
    from matplotlib.figure import Figure
    from scipy.signal import lfilter

    import l2ssm as ls
    from l2ssm.labs.visible import attempt, verdict


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Lab 4 · Identification in anger

    *75 minutes. numpy; one linear fit of the package.*

    **The story.** The benchmark is a single clean record. Your plant gave you eleven: some of 300 samples, some of 9000, each starting from a
    state that nobody knows, with noise that is not white. Your residual test says "model wrong"; your supervisor says "test
    wrong". Both can be right. In this lab: start a free run honestly, score ragged records, find a band that does not cry wolf, and ask
    of a nonlinear plant what linear system it resembles.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 1 · The initial state

    **Theorem 1.** *Let $y_k = C A^k x_0 + (\text{response to } u)_k + e_k$ for $k < n$, $e$ white with variance $\sigma^2$, and let
    $\mathcal O = [C;\,CA;\,\dots;\,CA^{n-1}]$ have full column rank. The least-squares estimate of $x_0$ is unbiased with covariance
    $\sigma^2(\mathcal O^\top\mathcal O)^{-1}$.* Directions that the first $n$ samples do not see are estimated badly, and a **slow** one stays wrong for the
    whole free run. Two slow poles look alike over a short start:
    """)
    return


@app.cell
def _():
    n_init = mo.ui.slider(4, 200, 2, value=20, label="samples of the start", show_value=True)
    slow = mo.ui.slider(
        steps=[0.9, 0.95, 0.98, 0.99, 0.995], value=0.99, label="slower pole (the other is 0.9)", show_value=True
    )
    mo.vstack([n_init, slow])
    return n_init, slow


@app.function
def slow_system(pole):
    """Two real poles, 0.9 and the given one (a little apart if equal), one input and one output."""
    return ls.StateSpace(np.diag([0.9, pole if pole != 0.9 else 0.89]), [[1.0], [0.3]], [[1.0, 1.0]], [[0.0]])


@app.function
def observability(G, n):
    """[C; CA; ...; CA^(n-1)], (n n_y, n_x)."""
    return np.concatenate([G.C @ np.linalg.matrix_power(G.A, k) for k in range(n)])


@app.cell
def _(n_init, slow):
    G = slow_system(slow.value)
    O = observability(G, n_init.value)
    deviation = 0.1 * np.sqrt(np.diag(np.linalg.inv(O.T @ O)))
    spread = observability(G, 400) @ np.linalg.cholesky(0.01 * np.linalg.inv(O.T @ O))
    mo.hstack(
        [
            mo.stat(f"{np.linalg.cond(O):.3g}", label="condition of the observability matrix"),
            mo.stat(f"{deviation[1]:.3g}", label="std of the slow state (noise 0.1)"),
            mo.stat(f"{np.sqrt(np.mean(np.sum(spread**2, 1))):.3g}", label="RMS error it costs over 400 samples"),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ### Exercise 1
    `initial_state(G, u, y)`: the least-squares $x_0$ $(n_x,)$ from the first samples $u$ $(n, n_u)$, $y$ $(n, n_y)$. The response to $u$ from the
    zero state is `G.simulate(u)`; `observability(G, n)` above is yours to use.

    ### Exercise 2
    `pooled_nrmse(records)`: one score for ragged records, a list of $(y, \hat y, n_\text{init})$ with arrays $(T_i,)$: all errors of $y[n_\text{init}:]$ together, RMS,
    divided by the standard deviation of all scored $y$ together. *Not* the mean of the records' scores: that one is dominated by the shortest.
    """)
    return


@app.function
def initial_state(G, u, y):
    """x0 (n_x,) that explains the first samples best, in least squares."""
    raise NotImplementedError("exercise 1")


@app.function
def pooled_nrmse(records):
    """RMS error over all scored samples / standard deviation of all scored samples; records are (y, y_sim, n_init)."""
    raise NotImplementedError("exercise 2")


@app.function
def test_initial_state():
    """Exercise 1: where a free run starts."""
    with attempt():
        G = slow_system(0.99)
        u = np.random.default_rng(0).normal(size=(30, 1))
        x0 = initial_state(G, u, G.simulate(u, [1.0, -2.0]))
        assert np.shape(x0) == (2,), f"shape {np.shape(x0)}, expected (2,)"
        assert np.allclose(x0, [1.0, -2.0], atol=1e-6), (
            f"without noise x0 = (1, -2) is found exactly, yours is {np.round(x0, 4)}"
        )


@app.function
def test_pooled_nrmse():
    """Exercise 2: one score for ragged records."""
    with attempt():
        long, short = np.array([0.0, 2.0, 0.0, 2.0, 0.0, 2.0]), np.array([9.0, 1.0])
        got = pooled_nrmse([(long, long + 0.5, 0), (short, short + 1.0, 1)])
        scored = np.concatenate([long, short[1:]])
        want = np.sqrt((6 * 0.25 + 1.0) / 7) / np.std(scored)
        assert np.isclose(got, want), f"7 samples are scored, together: {want:.4f}"


@app.cell
def _():
    verdict(test_initial_state, test_pooled_nrmse)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 2 · A residual test that does not cry wolf

    If the model is right, the residual $e$ is independent of the input $u$, and the sample correlation
    $\hat r_\tau = \frac{1}{N}\sum_k u_{k-\tau}e_k / (\hat\sigma_u\hat\sigma_e)$ is small. How small?

    **Theorem 2 (Bartlett).** *Let $u$ and $e$ be independent, stationary, Gaussian linear processes with summable correlations $\rho_u, \rho_e$. Then*

    $$N\,\mathrm{Var}\,\hat r_\tau \;\to\; \sum_{k=-\infty}^{\infty} \rho_u(k)\,\rho_e(k) .$$

    The textbook band $\pm 1.96/\sqrt N$ is right only if one of them is white. For two first-order processes with coefficients $a$ and $c$ the sum is $(1+ac)/(1-ac)$.
    Independent signals, 500 runs of 1000 samples: how often does each band alarm at lag 0, when 5 % are asked?
    """)
    return


@app.cell
def _():
    colour = mo.ui.slider(0.0, 0.98, 0.02, value=0.9, label="a = c", show_value=True)
    colour
    return (colour,)


@app.function
def coloured(rng, a, shape):
    """First-order processes x[k] = a x[k-1] + w[k] along the last axis, stationary, variance 1."""
    w = rng.normal(size=shape)
    w[..., 1:] *= np.sqrt(1 - a**2)
    return lfilter([1.0], [1.0, -a], w)


@app.cell
def _(colour):
    N = 1000
    rng = np.random.default_rng(0)
    u_runs, e_runs = (coloured(rng, colour.value, (500, N)) for _ in range(2))
    r_runs = np.mean(u_runs * e_runs, 1) / (u_runs.std(1) * e_runs.std(1))
    honest = 1.96 * np.sqrt((1 + colour.value**2) / (1 - colour.value**2) / N)
    mo.hstack(
        [
            mo.stat(f"{np.mean(np.abs(r_runs) > 1.96 / np.sqrt(N)):.1%}", label="false alarms, textbook band"),
            mo.stat(f"{np.mean(np.abs(r_runs) > honest):.1%}", label="false alarms, Bartlett"),
            mo.stat(f"{N * (1 - colour.value**2) / (1 + colour.value**2):.0f}", label="what 1000 samples are worth"),
        ]
    )
    return honest, r_runs


@app.cell(hide_code=True)
def _(honest, r_runs):
    def _figure():
        figure = Figure(figsize=(9.5, 2.6), layout="constrained")
        axes = figure.subplots()
        axes.hist(r_runs, bins=40, color="0.7")
        for width, colour_, label in ((1.96 / np.sqrt(1000), "C3", "textbook"), (honest, "C0", "Bartlett")):
            axes.axvline(width, color=colour_, label=label)
            axes.axvline(-width, color=colour_)
        axes.set_xlabel("sample correlation of independent signals")
        axes.legend()
        return figure

    _figure()
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ### Exercise 3
    `band(u, e, lags)`: the half-width of the 95 % band at one lag, from the signals themselves: $1.96\sqrt{S/N}$ with
    $S = \sum_{|k| \le \text{lags}} \hat\rho_u(k)\hat\rho_e(k)$, sample autocorrelations of the centred signals ($\hat\rho(0) = 1$, both signs of $k$).
    """)
    return


@app.function
def band(u, e, lags):
    """Half-width of the 95 % band of the correlation of two signals (N,), by Bartlett's formula up to that many lags."""
    raise NotImplementedError("exercise 3")


@app.function
def test_band():
    """Exercise 3: an honest band."""
    with attempt():
        rng = np.random.default_rng(1)
        u, e = (coloured(rng, 0.9, 20000) for _ in range(2))
        want = 1.96 * np.sqrt((1 + 0.81) / (1 - 0.81) / 20000)
        got = band(u, e, 60)
        assert np.isclose(got, want, rtol=0.15), (
            f"two processes with coefficient 0.9, N = 20000: about {want:.4f}, yours is {got:.4f}"
        )


@app.cell
def _():
    verdict(test_band)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    `ls.residuals(model, data)` does this for all lags, inputs and outputs together. A linear model of a
    Wiener-Hammerstein circuit (a filter, a diode, a filter), on the test record:
    """)
    return


@app.cell
def _():
    data = ls.plants.WienerHammerstein().experiment(seed=0, samples=1024)
    train, test = data["train"], data["test"]
    linear_model = ls.fit_linear(ls.Dataset([train]), n_init=50)
    about_the_mean = ls.Record(test.u - train.u.mean(0), test.y - train.y.mean(0), test.dt)
    mo.md(f"*{linear_model}*\n\n{ls.residuals(linear_model.G, about_the_mean)}")
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 3 · The best linear approximation

    **Theorem 3 (Bussgang).** *Let $u$ be Gaussian with mean 0 and standard deviation $\sigma$, and $y = f(u)$ with $E|u f(u)| < \infty$. The linear gain that is closest in mean
    square is $g(\sigma) = E[u f(u)]/\sigma^2$, the rest $y - g u$ is uncorrelated with $u$.* It **depends on the level**: what you measure at one level is not
    what the plant does at another. A saturation $f = \tanh$:
    """)
    return


@app.cell
def _():
    level = mo.ui.slider(0.05, 5.0, 0.05, value=1.0, label=r"level $\sigma$", show_value=True)
    level
    return (level,)


@app.cell
def _(level):
    def _gain(sigma):
        nodes, weights = np.polynomial.hermite_e.hermegauss(80)
        return weights @ (nodes * np.tanh(sigma * nodes)) / weights.sum() / sigma

    def _figure():
        figure = Figure(figsize=(9.5, 3.0), layout="constrained")
        left, right = figure.subplots(1, 2)
        sigmas = np.linspace(0.05, 5, 100)
        left.plot(sigmas, [_gain(s) for s in sigmas])
        left.plot(level.value, _gain(level.value), "o")
        left.set_xlabel("level")
        left.set_title("gain of the best linear approximation")
        u = level.value * np.random.default_rng(0).normal(size=600)
        right.plot(u, np.tanh(u), ".", ms=2)
        right.plot(u, _gain(level.value) * u, lw=1)
        right.set_xlabel("u")
        return figure

    mo.vstack([mo.stat(f"{_gain(level.value):.4f}", label="gain at this level"), _figure()])
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    With dynamics around $f$ one excites with random-phase multisines: $M$ realizations of the phases, $P$ periods each. Noise changes from period to period,
    **nonlinear distortion** repeats with the period and changes with the realization. `l2ssm.analysis.bla` does it for models and plants.

    ### Exercise 4
    `linear_gain(f, sigma)`: $g(\sigma)$ for a vectorised function `f`, to 1e-6 (a quadrature; $10^6$ random numbers give $10^{-3}$).

    ### Exercise 5
    `split(Y)`: from responses `Y` $(M, P, F)$, complex, one a realization, period and frequency, the pair (noise, distortion) of
    variances $(F,)$: *noise* of a single period = mean over realizations of the variance over periods; the variance over realizations of the
    period means is *distortion* + noise$/P$. Both variances unbiased (`ddof=1`), distortion not below 0.
    """)
    return


@app.function
def linear_gain(f, sigma):
    """E[u f(u)] / sigma^2 for u Gaussian with mean 0 and standard deviation sigma."""
    raise NotImplementedError("exercise 4")


@app.function
def split(Y):
    """(noise variance of a period, distortion variance), each (F,), of responses Y (M, P, F)."""
    raise NotImplementedError("exercise 5")


@app.function
def test_linear_gain():
    """Exercise 4: Bussgang's gain."""
    with attempt():
        assert np.isclose(linear_gain(lambda u: u**3, 0.5), 0.75, rtol=1e-6), "f = u^3: 3 sigma^2 = 0.75 at sigma = 0.5"
        assert np.isclose(linear_gain(lambda u: 2 * u + u**2, 3.0), 2.0, rtol=1e-6), "an even part changes nothing: 2"


@app.function
def test_split():
    """Exercise 5: noise and distortion."""
    with attempt():
        repeated = np.arange(4.0)[:, None, None] * np.ones((4, 3, 2), complex)
        noise, distortion = split(repeated)
        assert np.allclose(noise, 0), "what repeats in every period is no noise"
        assert np.allclose(distortion, np.var(np.arange(4.0), ddof=1)), "it changes with the realization: distortion"


@app.cell
def _():
    verdict(test_linear_gain, test_split)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## What to take home

    - Without an initial state there is no honest free-run error; a slow state needs a long start.
    - Pool ragged records sample by sample. Say which samples were scored.
    - Colour makes samples worth less: the textbook band alarms where nothing is wrong.
    - A linear model of a nonlinear plant belongs to a level. Measure the distortion before you blame the noise.

    Grade your file: `l2ssm lab 4 --check lab_4_identification.py`
    """)
    return


@app.cell(hide_code=True)
def _():
    if mo.app_meta().mode == "script":
        print(verdict(test_initial_state, test_pooled_nrmse, test_band, test_linear_gain, test_split))
    return


if __name__ == "__main__":
    app.run()
