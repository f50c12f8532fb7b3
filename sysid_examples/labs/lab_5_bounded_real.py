# /// script
# [tool.marimo.runtime]
# reactive_tests = false  # each exercise shows its verdict itself
# ///

import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="Lab 5: from the Bounded Real Lemma to L2RU",
)

with app.setup:
    import marimo as mo
    import numpy as np
    from matplotlib.figure import Figure

    import l2ssm as ls
    from l2ssm.certificates.lmi import storage_from_lmi
    from l2ssm.certificates.riccati import bounded_real_riccati
    from l2ssm.certificates.statement import rounded_up
    from l2ssm.errors import SolverError
    from l2ssm.labs.visible import attempt, verdict


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Lab 5 · From the Bounded Real Lemma to L2RU

    *75 minutes. LMI, Riccati, and parameters without constraints.*

    **The story.** You ask a semidefinite solver for the smallest gain of a filter. It answers "optimal". You print the number
    next to a frequency at which the filter has a larger gain. Who is wrong? The solver, by $10^{-8}$ - and a claim that is
    false by $10^{-8}$ is false. Worse: the storage function it hands over proves *nothing at all*. You will repair both,
    and then turn the lemma around: instead of checking a gain after training, build it into the parameters.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 1 · The lemma

    **Theorem 1 (Bounded Real Lemma, discrete time).** *Let $x_{k+1} = A x_k + B u_k$, $y_k = C x_k + D u_k$ and $\gamma > 0$. If there is
    $P = P^\top \succ 0$ with*

    $$M(P,\gamma) = \begin{bmatrix} A^\top P A - P + C^\top C & A^\top P B + C^\top D \\
      B^\top P A + D^\top C & B^\top P B + D^\top D - \gamma^2 I\end{bmatrix} \prec 0,$$

    *then $A$ is Schur and $\sum_k |y_k|^2 \le \gamma^2 \sum_k |u_k|^2 + x_0^\top P x_0$ over every horizon. Conversely, if $A$ is Schur
    and $\|G\|_\infty < \gamma$ (strictly), such a $P$ exists.*

    *Proof of the useful half.* $z = (x,u)$ gives $z^\top M z = V(x^+) - V(x) + |y|^2 - \gamma^2|u|^2 \le 0$ with $V(x) = x^\top P x$. Sum
    over the samples; $V \ge 0$. $\square$

    So all states that can be reached with inputs of energy 1 lie in the ellipse $V(x) \le \gamma^2$. Dots: end states of
    inputs of energy 1, random ones and the most effective ones. Lower $\gamma$ towards the norm, and below.
    """)
    return


@app.cell
def _():
    ratio = mo.ui.slider(0.90, 2.00, 0.01, value=1.20, label=r"$\gamma\,/\,\|G\|_\infty$", show_value=True)
    radius = mo.ui.slider(0.50, 0.99, 0.01, value=0.90, label="modulus of the poles", show_value=True)
    mo.vstack([ratio, radius])
    return radius, ratio


@app.cell
def _(radius, ratio):
    G = ls.StateSpace.from_modes([radius.value * np.exp(0.6j)], [[1.0]], [[1.0 - 0.5j]], [[0.2]], conjugate_pairs=True)
    norm = G.hinf().lower
    gamma = ratio.value * norm

    def _storage():
        try:
            return bounded_real_riccati(G.A, G.B, G.C, G.D, gamma, 1e-9 * np.eye(2))
        except SolverError:
            return None

    P = _storage()
    mo.hstack(
        [
            mo.stat(f"{norm:.5f}", label="norm"),
            mo.stat(f"{gamma:.5f}", label="gamma"),
            mo.stat("none" if P is None else f"{np.linalg.eigvalsh(P)[0]:.4f}", label="smallest eigenvalue of P"),
        ]
    )
    return G, P, gamma


@app.cell(hide_code=True)
def _(G, P, gamma):
    def _figure():
        figure = Figure(figsize=(9.5, 3.8), layout="constrained")
        axes = figure.subplots()
        rng = np.random.default_rng(0)
        steering = np.stack([np.linalg.matrix_power(G.A, k) @ G.B[:, 0] for k in range(200)])[
            ::-1
        ]  # x_T = sum u_j of these
        inputs = [*(steering @ d for d in rng.normal(size=(80, 2))), *rng.normal(size=(80, 200))]
        ends = [steering.T @ (u / np.linalg.norm(u)) for u in inputs]
        axes.plot(*np.transpose(ends), ".", ms=3, color="C0", label="reached with energy 1")
        if P is None:
            axes.set_title("no storage function: gamma is not above the norm")
        else:
            t = np.linspace(0, 2 * np.pi, 200)
            ellipse = gamma * np.linalg.solve(np.linalg.cholesky(P).T, np.stack([np.cos(t), np.sin(t)]))
            axes.plot(*ellipse, color="C1", label="V(x) = gamma^2")
        axes.set_aspect("equal")
        axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1))
        return figure

    _figure()
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ### Exercise 1
    `bounded_real(A, B, C, D, P, gamma)`: the symmetric matrix $M(P, \gamma)$.
    """)
    return


@app.function
def bounded_real(A, B, C, D, P, gamma):
    """M(P, gamma), square of size n_x + n_u."""
    raise NotImplementedError("exercise 1")


@app.function
def test_bounded_real():
    """Exercise 1: the matrix of the lemma."""
    with attempt():
        M = bounded_real(
            np.array([[0.5]]), np.array([[1.0]]), np.array([[1.0]]), np.array([[0.0]]), np.array([[2.0]]), 3.0
        )
        assert np.shape(M) == (2, 2), f"shape {np.shape(M)}, expected (2, 2)"
        assert np.allclose(M, [[0.5 - 2 + 1, 1.0], [1.0, 2.0 - 9]]), "A = 0.5, B = C = 1, D = 0, P = 2, gamma = 3"


@app.cell
def _():
    verdict(test_bounded_real)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 2 · The solver's "optimal" gamma

    For fixed $\gamma$ the lemma is a linear matrix inequality in $P$; with $\gamma^2$ as a variable too, it is a semidefinite
    program. Ten random filters, solved by Clarabel. The last column is what its $P$ can *prove*, from exercise 2:

    $$\gamma(P)^2 = \lambda_{\max}\bigl(D^\top D + B^\top P B + S^\top (P - A^\top P A - C^\top C)^{-1} S\bigr), \qquad S = A^\top P B + C^\top D,$$

    if $P \succ 0$ and $P - A^\top P A - C^\top C \succ 0$, and nothing otherwise (Schur complement of $M(P,\gamma) \preceq 0$).
    """)
    return


@app.cell
def _():
    pole_radius = mo.ui.slider(
        steps=[0.9, 0.95, 0.99, 0.999, 0.9999], value=0.99, label="modulus of the slowest pole", show_value=True
    )
    pole_radius
    return (pole_radius,)


@app.function
def random_filter(seed, radius, modes=3):
    """A random real system with one input and one output whose slowest mode has the given modulus."""
    rng = np.random.default_rng(seed)
    lam = rng.uniform(0.4, radius, modes) * np.exp(1j * rng.uniform(0, np.pi, modes))
    lam[0] *= radius / abs(lam[0])
    b, c = rng.normal(size=(2, modes, 2)) @ [1, 1j]
    return ls.StateSpace.from_modes(lam, b[:, None], c[None], [[0.1]], conjugate_pairs=True)


@app.cell
def _(pole_radius):
    def _rows():
        rows = []
        for seed in range(10):
            system = random_filter(seed, pole_radius.value)
            lower = system.hinf().lower
            try:
                witness = storage_from_lmi(system)
            except SolverError as error:
                rows.append({"filter": seed, "attained": lower, "solver says": str(error)})
                continue
            row = {
                "filter": seed,
                "attained": lower,
                "solver says": f"{witness.gamma:.10g} ({witness.status})",
                "solver / attained - 1": f"{witness.gamma / lower - 1:+.1e}",
            }
            try:
                row["its P proves"] = f"{provable(system.A, system.B, system.C, system.D, witness.P):.10g}"
            except NotImplementedError as error:
                row["its P proves"] = f"waiting for {error}"
            except Exception as error:
                row["its P proves"] = str(error)
            rows.append(row)
        return rows

    optima = _rows()
    below = sum(row.get("solver / attained - 1", "+").startswith("-") for row in optima)
    mo.vstack(
        [
            mo.stat(f"{below} of {len(optima)}", label='"optimal" gamma below a gain that is attained'),
            mo.ui.table(optima, selection=None),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **Why?** At the optimum $M(P,\gamma)$ is singular: an interior-point method stops when its residuals are small, on either
    side. And $P$ sits on the boundary, where "$\prec 0$" is a coin toss. Neither is a bug.

    ### Exercise 2
    `provable(A, B, C, D, P)`: the number above, `np.inf` where $P$ proves nothing. Then look at the table again.

    ### Exercise 3
    `prove(G)`: a pair $(\gamma, P)$ with $M(P,\gamma) \prec 0$, $P \succ 0$ and $\gamma \le 1.001\,\|G\|_\infty$. One idea: choose $\gamma$ a little
    *above* the norm first (`G.hinf()`), then ask for a $P$ with room to spare: `storage_from_lmi(G, gamma).P` has the
    largest margin at that $\gamma$; or `bounded_real_riccati(A, B, C, D, gamma, extra)` with a small `extra` $\succ 0$.
    """)
    return


@app.function
def provable(A, B, C, D, P):
    """The smallest gamma with P > 0 and M(P, gamma) <= 0; inf where there is none."""
    raise NotImplementedError("exercise 2")


@app.function
def prove(G):
    """(gamma, P) that satisfies the lemma strictly, gamma at most 0.1 % above the norm of the StateSpace G."""
    raise NotImplementedError("exercise 3")


@app.function
def test_provable():
    """Exercise 2: what a storage function proves."""
    with attempt():
        one = [np.array([[v]]) for v in (0.5, 1.0, 1.0, 0.0)]
        # A = 0.5, B = C = 1: P - P/4 - 1 = 0.5 for P = 2, S = 1, gamma^2 = 2 + 1 / 0.5 = 4
        assert np.isclose(provable(*one, np.array([[2.0]])), 2.0), (
            "P = 2 proves 2 for A = 0.5, B = C = 1, which is the norm"
        )
        assert provable(*one, np.array([[1.0]])) == np.inf, "P = 1 proves nothing: P - A'PA - C'C = -1/4"
        assert provable(*one, np.array([[-5.0]])) == np.inf, "P has to be positive"


@app.function
def test_prove():
    """Exercise 3: a proof that holds."""
    with attempt():
        G = random_filter(1, 0.99)
        gamma, P = prove(G)
        F, K = np.hstack([G.A, G.B]), np.hstack([G.C, G.D])
        corner = np.zeros((7, 7))
        corner[:6, :6], corner[6, 6] = P, gamma**2
        M = F.T @ P @ F + K.T @ K - corner
        assert np.linalg.eigvalsh(P)[0] > 0, "P is not positive definite"
        assert np.linalg.eigvalsh(M)[-1] < 0, (
            f"the largest eigenvalue of M is {np.linalg.eigvalsh(M)[-1]:.2e}, not negative"
        )
        assert gamma <= 1.001 * G.hinf().upper, (
            f"gamma = {gamma:.6g}, more than 0.1 % above the norm {G.hinf().lower:.6g}"
        )


@app.cell
def _():
    verdict(test_provable, test_prove)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    In the package `ls.certify(G)` does this for you, and the last word has ball arithmetic, which encloses every rounding error:
    """)
    return


@app.cell
def _(G):
    certificate = ls.certify(G)
    mo.plain_text(str(certificate))
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 3 · Free parameters: a gain that training cannot break

    **Theorem 2.** *If $K = \begin{bmatrix} A & B \\ C & D\end{bmatrix}$ has $\|K\|_2 \le 1$ then $(A, \gamma B, C, \gamma D)$ has gain at most $\gamma$ (from
    $x_0 = 0$): take $P = I$. Conversely every system with $A$ Schur and $\|G\|_\infty < \gamma$ has a
    realization of this form: in the coordinates $P^{1/2}x$ of a $P$ from the lemma.*

    So $K \mapsto K/\max(1, \|K\|_2)$ maps *all* matrices onto *all* certified systems: gradient descent needs no constraint, no
    projection and no solver. **L2RU** goes the other way round: it chooses the right-hand side, $M(P,\gamma) = -XX^\top - \varepsilon I$ with a free $X$, and solves the
    lemma backwards for $P$, $A$ and $B$ with Cholesky factors ($n_x = n_u = n_y$). In the package: `l2ru`, `contraction`, and `bounded`, which keeps $A$
    diagonal so that the scan stays fast (`docs/parametrizations.md`).

    ### Exercise 4
    `free_map(K, n_x, gamma)`: $(A, B, C, D)$ of gain at most $\gamma$, for *every* real matrix $K$ with $n_x$ state rows and
    columns; a $K$ that is a contraction already is used as it is.

    ### Exercise 5
    `contraction_of(A, B, C, D, P, gamma)`: given $P$ with $M(P,\gamma) \prec 0$, the matrix $K$, $\|K\|_2 \le 1$, whose
    `free_map` has the same input-output behaviour (another basis of the state is fine).
    """)
    return


@app.function
def free_map(K, n_x, gamma):
    """(A, B, C, D) with gain at most gamma, from any matrix K (n_x + n_y, n_x + n_u)."""
    raise NotImplementedError("exercise 4")


@app.function
def contraction_of(A, B, C, D, P, gamma):
    """K = [A B; C D] in the coordinates of P^(1/2), inputs scaled by gamma, with norm at most 1."""
    raise NotImplementedError("exercise 5")


@app.function
def test_free_map():
    """Exercise 4: parameters without constraints."""
    with attempt():
        rng = np.random.default_rng(0)
        for scale in (0.01, 1.0, 100.0):
            G = ls.StateSpace(*free_map(scale * rng.normal(size=(5, 4)), 3, 2.0))
            assert G.D.shape == (2, 1), f"D has shape {G.D.shape}, expected (2, 1) for K (5, 4) and three states"
            assert G.hinf().lower <= 2.0, f"a gain of {G.hinf().lower:.4g} with gamma = 2, K of size {scale:g}"
        K = np.array([[0.5, 0.5], [0.5, 0.0]])
        assert np.isclose(free_map(K, 1, 3.0)[1].item(), 1.5), "this K is a contraction already: B is 3 times its entry"


@app.function
def test_contraction_of():
    """Exercise 5: every certified system is reached."""
    with attempt():
        A, B, C, D = (np.array([[v]]) for v in (0.5, 1.0, 1.0, 0.0))
        K = contraction_of(A, B, C, D, np.array([[2.0]]), 2.5)
        assert np.linalg.norm(K, 2) <= 1 + 1e-9, f"the norm of K is {np.linalg.norm(K, 2):.4g}"
        got = K[0, 0], 2.5 * K[1, 0] * K[0, 1], 2.5 * K[1, 1]
        assert np.allclose(got, (0.5, 1.0, 0.0)), "A, C B and D of the free map are 0.5, 1 and 0 in every basis"


@app.cell
def _():
    verdict(test_free_map, test_contraction_of)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 4 · Accuracy against gamma

    A prescribed gain is a hypothesis about the plant. Too small, and no parameters can follow the data; large, and it does nothing.
    Cascaded tanks, two small blocks, 600 steps (measured, one seed); the button trains your own point with 60 steps.
    """)
    return


@app.cell
def _():
    wanted = mo.ui.slider(
        steps=[1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0], value=3.0, label="prescribed gamma (V/V)", show_value=True
    )
    train = mo.ui.run_button(label="fit with this gamma (some seconds)")
    mo.hstack([wanted, train], justify="start")
    return train, wanted


@app.cell
def _(train, wanted):
    MEASURED = {1: 1.153, 2: 0.846, 3: 0.602, 4: 0.432, 6: 0.359, 8: 0.326, 12: 0.294}  # gamma: RMSE

    def _own():
        records = ls.plants.CascadedTanks().experiment(seed=0, samples=1024)
        options = {"layers": 2, "d_model": 4, "n_x": 4, "window": 256, "refine_steps": 0, "seed": 0}
        model = ls.fit(records["train"], gamma=wanted.value, steps=60, **options)
        return ls.compare(records["test"], {"model": model}).scores["model"].rmse[0], ls.certify(model).gamma

    own = _own() if train.value else None

    def _figure():
        figure = Figure(figsize=(9.5, 3.0), layout="constrained")
        axes = figure.subplots()
        axes.plot(list(MEASURED), list(MEASURED.values()), "o-", label="measured, 600 steps")
        if own:
            axes.plot(own[1], own[0], "s", color="C1", label="yours, 60 steps, proved gain")
        axes.set_xlabel("gamma (V/V)")
        axes.set_ylabel("RMSE of the free run (V)")
        axes.legend()
        return figure

    shown = (
        f"RMSE {own[0]:.3f} V at a proved gain of {rounded_up(own[1])} V/V"
        if own
        else "press the button to add a point"
    )
    mo.vstack([mo.md(shown), _figure()])
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## What to take home

    - One matrix inequality is the whole proof; where $P$ comes from does not matter, *checking* it does.
    - A solver's optimum is a hint. Take $\gamma$ a little larger, ask for margin, verify with rounding accounted for.
    - The lemma is complete in both directions, hence so are the free maps: nothing with a smaller gain is excluded.
    - The price of a small gain is accuracy, from the gain of the plant downwards.

    Grade your file: `l2ssm lab 5 --check lab_5_bounded_real.py`
    """)
    return


@app.cell(hide_code=True)
def _():
    if mo.app_meta().mode == "script":
        print(verdict(test_bounded_real, test_provable, test_prove, test_free_map, test_contraction_of))
    return


if __name__ == "__main__":
    app.run()
