# /// script
# [tool.marimo.runtime]
# reactive_tests = false  # each exercise shows its verdict itself
# ///

import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="Lab 6: selective models - switching, common storage, gates",
)

with app.setup:
    import marimo as mo
    import numpy as np
    from matplotlib.figure import Figure

    from l2ssm.labs.visible import attempt, verdict


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Lab 6 · Selective models: switching, common storage, gates

    *75 minutes. numpy, and cvxpy where you want it.*

    **The story.** Mamba, Griffin and their kin let the input choose the coefficients: $x_{k+1} = A(u_k)\,x_k + B(u_k)\,u_k$. "All $A(u)$ have
    their eigenvalues inside the circle, so it is stable" says the paper you review. You reply with two matrices and a word of
    zeros and ones.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 1 · Two Schur matrices that diverge

    $$A_0 = \rho\begin{bmatrix}\cos a & -s\,\sin a\\ \tfrac1s\sin a & \cos a\end{bmatrix}, \qquad A_1 = A_0^\top, \qquad \rho = 0.95 .$$

    Both turn on ellipses, one lying, one standing, in opposite senses; both have spectral radius $\rho$ for every stretch $s$. Follow one for a while, then the
    other, and switch at the right moments.

    **Theorem 1.** *Let a word $w_1 \dots w_L$ be repeated for ever. The state tends to zero for every start if and only if the
    spectral radius of the product $A_{w_L}\cdots A_{w_1}$ is below one. Its $L$-th root is the growth per step.* The supremum of that growth over all
    words is the *joint spectral radius*; whether it is below one cannot be read off the eigenvalues of the $A_i$.
    """)
    return


@app.cell
def _():
    stretch = mo.ui.slider(1.0, 3.0, 0.05, value=2.0, label="stretch s", show_value=True)
    turn = mo.ui.slider(0.05, 1.5, 0.05, value=0.6, label="turn a (rad/sample)", show_value=True)
    dwell = mo.ui.slider(1, 12, 1, value=2, label="samples before each switch", show_value=True)
    mo.vstack([stretch, turn, dwell])
    return dwell, stretch, turn


@app.function
def ellipse_pair(stretch, turn, rho=0.95):
    """The two matrices of part 1."""
    cos, sin = np.cos(turn), np.sin(turn)
    A = rho * np.array([[cos, -stretch * sin], [sin / stretch, cos]])
    return A, A.T


@app.cell
def _(dwell, stretch, turn):
    pair = ellipse_pair(stretch.value, turn.value)
    word = [0] * dwell.value + [1] * dwell.value
    trajectory = [np.array([1.0, 0.0])]
    for _k in range(120):
        trajectory.append(pair[word[_k % len(word)]] @ trajectory[-1])
    product = np.linalg.matrix_power(pair[1], dwell.value) @ np.linalg.matrix_power(pair[0], dwell.value)
    per_step = np.max(np.abs(np.linalg.eigvals(product))) ** (1 / len(word))
    mo.hstack(
        [
            mo.stat(f"{np.max(np.abs(np.linalg.eigvals(pair[0]))):.3f}", label="spectral radius of each matrix"),
            mo.stat(
                f"{per_step:.4f}",
                label="growth per step of the switched system",
                caption="DIVERGES" if per_step > 1 else "tends to 0",
            ),
        ]
    )
    return (trajectory,)


@app.cell(hide_code=True)
def _(trajectory):
    def _figure():
        figure = Figure(figsize=(9.5, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1, 2))
        x = np.array(trajectory)
        left.plot(*x[:40].T, ".-", ms=3, lw=0.8)
        left.set_title("first 40 states")
        right.semilogy(np.linalg.norm(x, axis=1), label="|x|, switched")
        right.semilogy(0.95 ** np.arange(len(x)), "--", color="0.5", label="spectral radius to the k")
        right.set_xlabel("k")
        right.legend()
        return figure

    _figure()
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ### Exercise 1
    `growth(matrices, word)`: the growth per step of Theorem 1. `word` is a list of indices, the first is applied first.

    ### Exercise 2
    `diverging()`: a pair of real matrices with spectral radii **at most 0.9** and a word that diverges: `(matrices, word)`.
    """)
    return


@app.function
def growth(matrices, word):
    """Spectral radius of the product of the word, to the power 1 / length."""
    raise NotImplementedError("exercise 1")


@app.function
def diverging():
    """([A_0, A_1], word) with spectral radii at most 0.9 and growth above 1."""
    raise NotImplementedError("exercise 2")


@app.function
def test_growth():
    """Exercise 1: growth per step."""
    with attempt():
        up, down = np.array([[0.5, 4.0], [0.0, 0.5]]), np.array([[0.5, 0.0], [4.0, 0.5]])
        assert np.isclose(growth([up], [0, 0, 0]), 0.5), "one matrix, repeated: its spectral radius"
        want = np.sqrt(np.max(np.abs(np.linalg.eigvals(down @ up))))
        assert np.isclose(growth([up, down], [0, 1]), want), f"the word 0, 1 grows by {want:.4f} per step"


@app.function
def test_diverging():
    """Exercise 2: two Schur matrices and a word."""
    with attempt():
        matrices, word = diverging()
        radii = [np.max(np.abs(np.linalg.eigvals(A))) for A in matrices]
        assert len(matrices) == 2, f"{len(matrices)} matrices, two are asked"
        assert max(radii) <= 0.9 + 1e-9, f"spectral radii {np.round(radii, 4)}, at most 0.9"
        x = np.ones(len(matrices[0]))
        for _ in range(200):
            for i in word:
                x = matrices[i] @ x
            if np.linalg.norm(x) > 1e6:
                return
        raise AssertionError(f"after 200 repetitions of the word the state has norm {np.linalg.norm(x):.3g}")


@app.cell
def _():
    verdict(test_growth, test_diverging)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 2 · One storage function for all

    **Theorem 2.** *If one $P \succ 0$ satisfies $A_i^\top P A_i \prec P$ for **all** $i$, then the state tends to zero under **every** sequence of
    switches.* Proof: $V = x^\top P x$ falls whoever is on. The converse is false: some stable switched systems have no quadratic
    common storage (Dayawansa and Martin, 1999), but for the certificates of deep networks it is what can be checked.

    How far can the ellipses of part 1 be stretched? This is a linear matrix inequality; by symmetry $P = I$ is as good as any other, so the answer
    is $\sigma_{\max}(A_0) < 1$: watch the largest singular value.
    """)
    return


@app.cell
def _(stretch, turn):
    first, _ = ellipse_pair(stretch.value, turn.value)
    sigma = np.linalg.norm(first, 2)
    mo.stat(
        f"{sigma:.4f}",
        label="largest singular value at the sliders of part 1",
        caption="P = I is a common storage" if sigma < 1 else "P = I is none",
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ### Exercise 3
    `common_storage(matrices)`: a symmetric $P$ with $P \succ 0$ and $P - A_i^\top P A_i \succ 0$ for all $i$, or `None` where there is none. With cvxpy: maximise
    $t$ subject to $P - A_i^\top P A_i \succeq t I$ and $P \preceq I$; **check** what comes back before you return it (lab 5).
    """)
    return


@app.function
def common_storage(matrices):
    """P that proves stability for every switching sequence, or None."""
    raise NotImplementedError("exercise 3")


@app.function
def test_common_storage():
    """Exercise 3: a common storage function."""
    with attempt():
        tame = [np.array([[0.5, 0.6], [0.0, 0.5]]), np.array([[0.5, 0.0], [0.1, 0.5]])]
        P = common_storage(tame)
        assert P is not None, "this pair has a common storage function"
        P = np.asarray(P, dtype=float)
        assert np.linalg.eigvalsh(P)[0] > 0, "P is not positive definite"
        for A in tame:
            low = np.linalg.eigvalsh(P - A.T @ P @ A)[0]
            assert low > 0, f"P - A'PA has the eigenvalue {low:.2e} for A = {A.tolist()}"
        assert common_storage(ellipse_pair(2.0, 0.6)) is None, "the pair of part 1 diverges: there can be no P"


@app.cell
def _():
    verdict(test_common_storage)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 3 · Gates: what the normaliser of RG-LRU does not do

    RG-LRU runs $h_{k+1} = a_k h_k + \sqrt{1-a_k^2}\;u_k$ with gates $a_k \in [0, \bar a]$ that the input chooses. For white $u$ of variance 1 and gates that do not look
    at it, $E h^2 = 1$. An adversary is not white.

    **Theorem 3.** *Let $0 \le a_k \le \bar a < 1$, $h_0 = 0$. Then for every sequence of gates*

    $$\max_k |h_k| \le g\,\max_k|u_k|, \qquad \sum h_k^2 \le g^2 \sum u_k^2, \qquad g = \sqrt{\frac{1+\bar a}{1-\bar a}},$$

    *and $g$ cannot be improved. With gates that may come as close to 1 as they like, as published, no finite $g$ does.* Set the gate:
    """)
    return


@app.cell
def _():
    gate = mo.ui.slider(0.0, 0.99, 0.01, value=0.9, label=r"largest gate $\bar a$", show_value=True)
    gate
    return (gate,)


@app.cell
def _(gate):
    def _largest_found(trials=300, T=200):
        rng = np.random.default_rng(0)
        best = 0.0
        for _ in range(trials):
            gates, u, h = gate.value * rng.uniform(size=T), np.sign(rng.normal(size=T)), 0.0
            for a, value in zip(gates, u, strict=True):
                h = a * h + np.sqrt(1 - a**2) * value
                best = max(best, abs(h))
        return best

    mo.hstack(
        [
            mo.stat(f"{np.sqrt((1 + gate.value) / (1 - gate.value)):.3f}", label="g of the theorem"),
            mo.stat(f"{_largest_found():.3f}", label="largest |h| of 300 random runs with |u| = 1"),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    Random search finds little. You can do better.

    ### Exercise 4
    `loudest(bound, T)`: gates $(T,)$ in $[0, \bar a]$ and inputs $(T,)$ in $[-1, 1]$ whose $|h_T|$ is at least 99 % of $g$, for `bound` $=\bar a$ and a
    $T$ of at least ten time constants.

    ## 4 · A selective step that cannot amplify

    Take in and give out, and keep the books: with $s = \sqrt{1-|\lambda|^2}$

    $$x^+ = \lambda x + s\,w, \qquad v = s\,x - \bar\lambda\,w \qquad\Longrightarrow\qquad |x^+|^2 + |v|^2 = |x|^2 + |w|^2 .$$

    **Theorem 4.** *The step is unitary for every $|\lambda| \le 1$; so with $V = |x|^2$ the gain from $w$ to $v$ is exactly 1 for **every** sequence $\lambda_k$, chosen by
    whom you like.* This is `bounded_selective` of the package: selectivity with a prescribed gain.

    ### Exercise 5
    `lossless_step(lam, x, w)`: `(x_next, v)` of this step, for complex numbers.
    """)
    return


@app.function
def loudest(bound, T):
    """(gates (T,) in [0, bound], inputs (T,) in [-1, 1]) that make |h_T| nearly as large as it can be."""
    raise NotImplementedError("exercise 4")


@app.function
def lossless_step(lam, x, w):
    """(x_next, v) with |x_next|^2 + |v|^2 = |x|^2 + |w|^2 for every |lam| <= 1."""
    raise NotImplementedError("exercise 5")


@app.function
def test_loudest():
    """Exercise 4: the adversary of the gates."""
    with attempt():
        gates, u = (np.asarray(one, dtype=float) for one in loudest(0.9, 200))
        assert gates.shape == u.shape == (200,), f"shapes {gates.shape} and {u.shape}, expected (200,)"
        assert gates.min() >= 0, "gates are not negative"
        assert gates.max() <= 0.9, f"the largest gate is {gates.max():.3f}, at most 0.9"
        assert np.abs(u).max() <= 1, "inputs within [-1, 1]"
        h = 0.0
        for a, value in zip(gates, u, strict=True):
            h = a * h + np.sqrt(1 - a**2) * value
        assert abs(h) >= 0.99 * np.sqrt(1.9 / 0.1), f"|h| = {abs(h):.3f}, at least {0.99 * np.sqrt(19):.3f} is asked"


@app.function
def test_lossless_step():
    """Exercise 5: a step that keeps the books."""
    with attempt():
        x, v = lossless_step(0.6j, 1.0, 2.0)
        assert np.isclose(abs(x) ** 2 + abs(v) ** 2, 5.0), (
            f"|x|^2 + |v|^2 is {abs(x) ** 2 + abs(v) ** 2:.4f}, 5 went in"
        )
        assert np.isclose(x, 0.6j + 1.6), "x_next = lam x + s w with s = 0.8"


@app.cell
def _():
    verdict(test_loudest, test_lossless_step)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## What to take home

    - Eigenvalues of the members say nothing about the switched system. One common storage function says everything it can prove.
    - A normaliser that keeps variances is not a gain. With gates that come as close to 1 as they like, as in RG-LRU as published, there is none.
    - If every step is lossless, nobody can choose coefficients that amplify: build the bound in.
    - In the package: cells `rglru`, `s6`, `bounded_selective`, `bounded_clocked`; which gain each block has: `docs/selective.md`.

    Grade your file: `l2ssm lab 6 --check lab_6_selective.py`
    """)
    return


@app.cell(hide_code=True)
def _():
    if mo.app_meta().mode == "script":
        print(verdict(test_growth, test_diverging, test_common_storage, test_loudest, test_lossless_step))
    return


if __name__ == "__main__":
    app.run()
