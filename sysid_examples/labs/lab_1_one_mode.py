# /// script
# [tool.marimo.runtime]
# reactive_tests = false  # each exercise shows its verdict itself
# ///

import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="Lab 1: one mode - poles, gain, grids",
)

with app.setup:
    import marimo as mo
    import numpy as np
    from matplotlib.figure import Figure

    import l2ssm as ls
    from l2ssm.labs.visible import attempt, verdict


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Lab 1 · One mode: poles, gain, grids

    *75 minutes. No training today: one pole, one number, and two ways to be wrong about it.*

    **The story.** A colleague identifies a lightly damped arm, plots the magnitude at 150 frequencies and reads a peak
    gain of **108**. He closes the loop with a controller of gain $1/200$: by the small-gain theorem that is safe, as
    $108/200 < 1$. The arm destroys itself. The true peak gain is **50 000**. Nothing was wrong with the model.

    You will (1) compute the gain of a mode exactly, (2) find out how wrong a grid can be, (3) build a grid that cannot
    be, (4) meet a matrix with all its eigenvalues at 0.9 that amplifies a thousandfold, and (5) bound such growth.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 1 · The gain of a mode

    A structured state-space model is a bank of modes. One of them, with $\lambda, b, c \in \mathbb C$:

    $$x_{k+1} = \lambda x_k + b\,u_k, \qquad y_k = c\,x_k, \qquad
      H(e^{j\omega}) = \frac{c\,b}{e^{j\omega} - \lambda} .$$

    **Theorem 1.** *Let $|\lambda| < 1$. Then the largest gain over all inputs of finite energy is*

    $$\|H\|_\infty = \sup_\omega |H(e^{j\omega})| = \frac{|c\,b|}{1 - |\lambda|},
      \qquad\text{attained at } \omega = \arg\lambda .$$

    *Proof.* $|e^{j\omega} - \lambda| \ge 1 - |\lambda|$, with equality where $e^{j\omega}$ points the way $\lambda$ does. $\square$
    The hypothesis is needed: for $|\lambda| > 1$ the quotient is still finite on the circle, and the gain is not.

    A *real* system has the pair $\lambda, \bar\lambda$ and $y_k = 2\,\mathrm{Re}(c\,x_k)$; the second term of
    $H$ moves the peak a little. `l2ssm` brackets its norm: `G.hinf()` is `(lower, upper, omega)`.
    Move the pole towards the circle, and change the number of points of the grid.
    """)
    return


@app.cell
def _():
    distance = mo.ui.slider(
        steps=[0.1, 0.01, 1e-3, 1e-4, 2e-5, 1e-5, 1e-6], value=2e-5, label=r"$1-|\lambda|$", show_value=True
    )
    angle = mo.ui.slider(0.05, 3.09, 0.01, value=1.19, label=r"$\arg\lambda$ (rad/sample)", show_value=True)
    points = mo.ui.slider(20, 2000, 10, value=150, label="points of the grid", show_value=True)
    mo.vstack([distance, angle, points])
    return angle, distance, points


@app.cell
def _(angle, distance, points):
    pole = (1 - distance.value) * np.exp(1j * angle.value)
    G = ls.StateSpace.from_modes([pole], [[1.0]], [[1.0]], [[0.0]], conjugate_pairs=True)
    grid = np.linspace(0, np.pi, points.value)
    on_grid = np.abs(G.frequency_response(grid)[:, 0, 0])
    lower, _, omega = G.hinf()
    mo.hstack(
        [
            mo.stat(f"{on_grid.max():.6g}", label="largest value on the grid"),
            mo.stat(f"{lower:.6g}", label="true norm", caption=f"at {omega:.6f} rad/sample"),
            mo.stat(f"{lower / on_grid.max():.4g}", label="true / shown"),
        ]
    )
    return G, grid, omega, on_grid, pole


@app.cell(hide_code=True)
def _(G, grid, omega, on_grid, pole):
    def _figure():
        figure = Figure(figsize=(9.5, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1, 2))
        t = np.linspace(0, 2 * np.pi, 400)
        left.plot(np.cos(t), np.sin(t), color="0.7")
        left.plot([pole.real] * 2, [pole.imag, -pole.imag], "x", color="C3", ms=10, mew=2)
        left.set_aspect("equal")
        left.set_title("poles and the unit circle")
        offsets = np.geomspace(1e-7, 1, 200)
        fine = np.unique(np.clip(np.concatenate([grid, omega - offsets, [omega], omega + offsets]), 0, np.pi))
        right.semilogy(fine, np.abs(G.frequency_response(fine)[:, 0, 0]), color="0.6", label="what is there")
        right.semilogy(grid, on_grid, ".", color="C0", ms=4, label="what the grid shows")
        right.set_xlabel("frequency (rad/sample)")
        right.set_ylabel("|H|")
        right.legend()
        return figure

    _figure()
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **Look for:** the setting of the story ($1-|\lambda| = 2\cdot10^{-5}$, $\arg\lambda = 1.19$, 150 points) shows 108. More points
    help only by luck: try 170, then 200. Default grids of good software do the same: with a pole at the angle 1.5,
    python-control 0.10.2 chose 928 frequencies and the largest value on them was 99.5.

    ### Exercise 1
    Write the norm of one complex mode. An unstable mode has no finite gain: return `np.inf` for it.
    """)
    return


@app.function
def mode_gain(lam, b, c):
    """The largest gain of x+ = lam x + b u, y = c x over all inputs of finite energy; inf where there is none."""
    raise NotImplementedError("exercise 1")


@app.function
def test_mode_gain():
    """Exercise 1: the gain of a mode."""
    with attempt():
        assert np.isclose(mode_gain(0.5, 1.0, 1.0), 2.0), "a pole at 0.5 with b = c = 1 has gain 1 / (1 - 0.5) = 2"
        assert np.isclose(mode_gain(0.6 + 0.6j, 2.0, 1.0), 2 / (1 - np.hypot(0.6, 0.6))), "what counts is |lambda|"
        assert mode_gain(1.5, 1.0, 1.0) == np.inf, "a pole outside the circle: no finite gain"


@app.cell
def _():
    verdict(test_mode_gain)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 2 · How wrong can a grid be?

    A uniform grid $\omega_i = \pi i/(N-1)$, $i = 0..N-1$, is at worst half a step away from the peak, so for one
    complex mode of modulus $r$ with $|cb| = 1$ the largest value it shows is, over all angles of the pole, at least

    $$\min_{\arg\lambda}\ \max_i |H(e^{j\omega_i})| = \frac{1}{\left|e^{j\delta} - r\right|},
      \qquad \delta = \frac{\pi}{2(N-1)} .$$

    As $r \to 1$ the truth tends to infinity and this does not: **no fixed grid has a bounded relative error**.

    ### Exercise 2
    `grid_loss(r, N)`: the factor by which a uniform grid of `N` points underestimates the gain when the
    angle of the pole is as unlucky as it can be (1 means no loss). Only poles with angles in $[0, \pi]$ count.
    """)
    return


@app.function
def grid_loss(r, N):
    """max over angles of (true norm / largest value on N uniform points of [0, pi]) for one complex mode."""
    raise NotImplementedError("exercise 2")


@app.function
def test_grid_loss():
    """Exercise 2: how wrong a grid can be."""
    with attempt():
        loss = grid_loss(0.9, 11)
        grid = np.linspace(0, np.pi, 11)
        angles = np.linspace(0, np.pi, 2001)
        tried = [10.0 * np.min(np.abs(np.exp(1j * grid) - 0.9 * np.exp(1j * a))) for a in angles]
        assert np.isclose(loss, max(tried), rtol=1e-3), f"2001 angles of a pole of modulus 0.9 give {max(tried):.4f}"


@app.cell
def _():
    verdict(test_grid_loss)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 3 · A grid that knows the poles

    Near its pole a mode looks like $1/\sqrt{(1-r)^2 + (\omega-\theta)^2}$: it lives on the scale $1-r$, the *half-power band*.
    Points at $\theta + s\,(1-r)$ for a few $s$ therefore see every resonance, however sharp. What they cannot give
    is a *guarantee* for a sum of modes; an upper bound needs the level-set test inside `hinf`, or a certificate (lab 5).

    ### Exercise 3
    `pole_grid(poles)`: at most 20 frequencies for each pole, all in $[0, \pi]$, on which a system with these
    poles shows at least 99 % of its norm. Put in the ends 0 and $\pi$ and points that cover $[0, \pi]$ coarsely.
    """)
    return


@app.function
def pole_grid(poles):
    """Frequencies in [0, pi], at most 20 a pole, that miss no resonance of these poles."""
    raise NotImplementedError("exercise 3")


@app.function
def test_pole_grid():
    """Exercise 3: a grid that knows the poles."""
    with attempt():
        G = ls.StateSpace.from_modes([(1 - 2e-5) * np.exp(1.19j)], [[1.0]], [[1.0]], [[0.0]], conjugate_pairs=True)
        grid = np.ravel(pole_grid(G.poles()))
        assert grid.size <= 40, f"{grid.size} frequencies for two poles, at most 40"
        assert np.all((grid >= 0) & (grid <= np.pi)), "frequencies are in [0, pi]"
        shown = np.max(np.abs(G.frequency_response(grid)))
        assert shown > 0.99 * G.hinf().lower, f"your grid shows {shown:.6g}, the norm is {G.hinf().lower:.6g}"


@app.cell
def _(G):
    def _shown():
        try:
            grid = np.ravel(pole_grid(G.poles()))
            shown = np.max(np.abs(G.frequency_response(grid)))
            return (
                f"your grid: {grid.size} points, largest value {shown:.6g} of {G.hinf().lower:.6g} (sliders of part 1)"
            )
        except NotImplementedError as error:
            return f"*your grid: waiting for {error}*"
        except Exception as error:
            return f"your grid: {error}"

    mo.vstack([verdict(test_pole_grid), mo.md(_shown())])
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 4 · Schur, and yet ...

    **Theorem 2.** *$A^k \to 0$ if and only if $A$ is Schur: all its eigenvalues satisfy $|\lambda_i| < 1$.* It promises nothing about
    *when*. Only for normal $A$ ($AA^\top = A^\top A$) is $\|A^k\|_2 = \rho(A)^k$. Watch

    $$A = \begin{bmatrix} 0.9 & t \\ 0 & 0.9 \end{bmatrix}, \qquad A^k = 0.9^{k}\begin{bmatrix} 1 & k\,t/0.9 \\ 0 & 1\end{bmatrix}.$$
    """)
    return


@app.cell
def _():
    coupling = mo.ui.slider(0.0, 300.0, 1.0, value=100.0, label="coupling t", show_value=True)
    coupling
    return (coupling,)


@app.cell(hide_code=True)
def _(coupling):
    def _figure():
        A = np.array([[0.9, coupling.value], [0.0, 0.9]])
        norms = [np.linalg.norm(np.linalg.matrix_power(A, k), 2) for k in range(101)]
        figure = Figure(figsize=(9.5, 3.0), layout="constrained")
        axes = figure.subplots()
        axes.semilogy(norms, label="largest amplification after k steps")
        axes.semilogy(0.9 ** np.arange(101), "--", color="0.5", label="spectral radius to the k")
        axes.set_xlabel("k")
        axes.legend()
        return mo.vstack([mo.stat(f"{max(norms):.4g}", label="largest amplification"), figure])

    _figure()
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ### Exercise 4
    Break the sentence "the eigenvalues are at most 0.9 in modulus, so nothing grows much":
    `growing(target)` returns a 2 by 2 matrix with spectral radius at most 0.9 that amplifies some state by at least `target`.
    """)
    return


@app.function
def growing(target):
    """A real 2 by 2 matrix, spectral radius at most 0.9, with max_k ||A^k|| >= target."""
    raise NotImplementedError("exercise 4")


@app.function
def test_growing():
    """Exercise 4: Schur with large transients."""
    with attempt():
        A = np.asarray(growing(50.0), dtype=float)
        assert A.shape == (2, 2), f"shape {A.shape}, expected (2, 2)"
        radius = np.max(np.abs(np.linalg.eigvals(A)))
        assert radius <= 0.9 + 1e-6, f"spectral radius {radius:.4g}, at most 0.9"
        peak = max(np.linalg.norm(np.linalg.matrix_power(A, k), 2) for k in range(200))
        assert peak >= 50, f"its powers reach {peak:.4g}, at least 50 is asked"


@app.cell
def _():
    verdict(test_growing)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 5 · A bound that is a proof

    **Theorem 3 (Lyapunov).** *$A$ is Schur if and only if for one (equivalently every) $Q \succ 0$ there is $P \succ 0$ with
    $A^\top P A - P = -Q$.* Then $V(x) = x^\top P x$ falls along every trajectory, and as
    $\lambda_{\min}(P)\,|x_k|^2 \le V(x_k) \le V(x_0) \le \lambda_{\max}(P)\,|x_0|^2$,

    $$\|A^k\|_2 \;\le\; \sqrt{\lambda_{\max}(P)/\lambda_{\min}(P)} \qquad \text{for all } k \ge 0 .$$

    One matrix, finitely many numbers to check, and it holds for *all* $k$. This is what a certificate is.

    ### Exercise 5
    `transient_bound(A)`: a proved bound of $\max_k \|A^k\|_2$ by this theorem, `np.inf` for a matrix that is not Schur.
    (`scipy.linalg.solve_discrete_lyapunov(a, q)` solves $a x a^\top - x + q = 0$: mind the transpose. And it does
    not mind whether $A$ is Schur: look at what it returns.)
    """)
    return


@app.function
def transient_bound(A):
    """sqrt(lambda_max(P) / lambda_min(P)) with A'PA - P = -I; inf where A is not Schur."""
    raise NotImplementedError("exercise 5")


@app.function
def test_transient_bound():
    """Exercise 5: a bound that is a proof."""
    with attempt():
        A = np.array([[0.9, 5.0], [0.0, 0.8]])
        truth = max(np.linalg.norm(np.linalg.matrix_power(A, k), 2) for k in range(500))
        bound = transient_bound(A)
        assert bound >= truth, f"the powers reach {truth:.4g}, which is more than your bound {bound:.4g}"
        assert bound <= 20 * truth, f"{bound:.4g} is a bound, but not the one of Theorem 3"
        assert transient_bound(np.diag([0.5, 1.1])) == np.inf, "not Schur: no bound"


@app.cell
def _():
    verdict(test_transient_bound)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## What to take home

    - The gain of a mode is $|cb|/(1-|\lambda|)$. Sharp resonances are narrow: a fixed grid misses them by any factor.
    - A grid gives lower bounds only. `G.hinf()` gives both ends; a certificate gives an end that can be checked.
    - Schur is about the limit, not about the way there. Amplification in between is bounded by a storage function.
    - A student of lab 5 writes Theorem 3 once more, with an input: it is then called the Bounded Real Lemma.

    Grade your file: `l2ssm lab 1 --check lab_1_one_mode.py`
    """)
    return


@app.cell(hide_code=True)
def _():
    if mo.app_meta().mode == "script":
        print(verdict(test_mode_gain, test_grid_loss, test_pole_grid, test_growing, test_transient_bound))
    return


if __name__ == "__main__":
    app.run()
