# /// script
# [tool.marimo.runtime]
# reactive_tests = false  # each exercise shows its verdict itself
# ///

import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="Lab 8: reduce, deploy, close the loop",
)

with app.setup:
    import marimo as mo
    import numpy as np
    from matplotlib.figure import Figure

    import l2ssm as ls
    from l2ssm.labs.visible import attempt, verdict
    from l2ssm.systems import gramian
    from l2ssm.systems.truncation import balanced_truncation, difference


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Lab 8 · Reduce, deploy, close the loop

    *75 minutes. numpy only.*

    **The story.** Your model has forty states and a certificate. The controller board has room for twelve, computes in single precision, gets
    one sample at a time, and sits in a feedback loop. Each of the three steps - fewer states, a `step()` function, a loop - can cost
    you the guarantee. You will keep it.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 1 · Fewer states, with a proved error

    With the Gramians $W_c - A W_c A^\top = BB^\top$ and $W_o - A^\top W_o A = C^\top C$ the **Hankel singular values** are
    $\sigma_i = \sqrt{\lambda_i(W_c W_o)}$: what a state costs to reach against what it is worth at the output.

    **Theorem 1 (balanced truncation, discrete time).** *Let $A$ be Schur, and let $G_r$ keep the $r$ states of a balanced realization with the largest
    $\sigma_i$, $\sigma_r > \sigma_{r+1}$. Then $G_r$ is stable and*

    $$\sigma_{r+1} \;\le\; \|G - G_r\|_\infty \;\le\; 2\sum_{i>r}\sigma_i .$$

    *(The left inequality holds for **every** system with $r$ states: nobody can do better than $\sigma_{r+1}$.)* In discrete time the truncated
    realization is in general not balanced any more, but the bound holds. A plant with forty states:
    """)
    return


@app.cell
def _():
    keep = mo.ui.slider(1, 39, 1, value=12, label="states kept", show_value=True)
    keep
    return (keep,)


@app.function
def forty_states(seed=0):
    """Twenty modes with time constants from 2 to 300 samples and random residues."""
    rng = np.random.default_rng(seed)
    tau = np.geomspace(2, 300, 20)
    lam = np.exp(-1 / tau + 1j * rng.uniform(0, 3, 20) / np.sqrt(tau))
    b, c = rng.normal(size=(2, 20, 2)) @ [1, 1j]
    return ls.StateSpace.from_modes(lam, (b * (1 - abs(lam)))[:, None], c[None], [[0.0]], conjugate_pairs=True)


@app.cell
def _(keep):
    G = forty_states()
    sigma = gramian.hankel_singular_values(G)
    reduced = balanced_truncation(G, order=keep.value)
    error = difference(G, reduced.G).hinf()
    mo.hstack(
        [
            mo.stat(f"{sigma[keep.value]:.3e}", label="lower bound for all systems with so many states"),
            mo.stat(f"{error.lower:.3e}", label="error of this one (H-infinity)"),
            mo.stat(f"{reduced.bound:.3e}", label="bound 2 (sum of the rest)"),
        ]
    )
    return G, reduced, sigma


@app.cell(hide_code=True)
def _(G, keep, reduced, sigma):
    def _figure():
        figure = Figure(figsize=(9.5, 3.3), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.semilogy(np.arange(1, 41), sigma, "o", ms=4)
        left.axvline(keep.value + 0.5, color="C1")
        left.set_title("Hankel singular values")
        omega = np.geomspace(1e-3, np.pi, 600)
        for system, label in ((G, "40 states"), (reduced.G, f"{keep.value} states")):
            right.loglog(omega, np.abs(system.frequency_response(omega)[:, 0, 0]), label=label)
        right.loglog(
            omega, np.abs(difference(G, reduced.G).frequency_response(omega)[:, 0, 0]), ":", label="difference"
        )
        right.set_xlabel("frequency (rad/sample)")
        right.legend()
        return figure

    _figure()
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ### Exercise 1
    `hankel(A, B, C)`: the Hankel singular values, largest first. (`scipy.linalg.solve_discrete_lyapunov(a, q)` solves
    $a x a^\top - x + q = 0$; rounding may leave a tiny negative eigenvalue, whose root is not a number.)

    ### Exercise 2
    `order_for(sigma, tolerance)`: the smallest $r$ for which Theorem 1 *guarantees* $\|G - G_r\|_\infty \le$ `tolerance`.

    ### Exercise 3
    `truncate(G, r)`: a `StateSpace` with $r$ states and error at most $2\sum_{i>r}\sigma_i$. Square roots of the Gramians do it:
    $W_c = RR^\top$, $W_o = LL^\top$, $L^\top R = U\Sigma V^\top$; project with $\Sigma_r^{-1/2}U_r^\top L^\top$ and embed with $R V_r\Sigma_r^{-1/2}$.
    Keeping the slowest poles is *not* it. (`gramian.controllability_gramian(G)` and `gramian.observability_gramian(G)` are there.)
    """)
    return


@app.function
def hankel(A, B, C):
    """Hankel singular values, largest first."""
    raise NotImplementedError("exercise 1")


@app.function
def order_for(sigma, tolerance):
    """The smallest r with 2 (sigma[r] + sigma[r+1] + ...) <= tolerance."""
    raise NotImplementedError("exercise 2")


@app.function
def truncate(G, r):
    """A StateSpace with r states, at most 2 (sum of the other Hankel singular values) away from G."""
    raise NotImplementedError("exercise 3")


@app.function
def test_hankel():
    """Exercise 1: Hankel singular values."""
    with attempt():
        got = hankel(np.array([[0.5]]), np.array([[1.0]]), np.array([[1.0]]))
        assert np.allclose(got, [4 / 3]), "one state: W_c = W_o = 1 / (1 - 0.25) = 4/3"


@app.function
def test_order_for():
    """Exercise 2: the order that a tolerance needs."""
    with attempt():
        assert order_for([4.0, 2.0, 1.0, 0.5], 3.0) == 2, "2 (1 + 0.5) = 3: two states are enough"
        assert order_for([4.0, 2.0, 1.0, 0.5], 0.1) == 4, "nothing can be left out"


@app.function
def test_truncate():
    """Exercise 3: balanced truncation."""
    with attempt():
        full = forty_states()
        small = truncate(full, 8)
        assert small.n_x == 8, f"{small.n_x} states, 8 are asked"
        bound = 2 * gramian.hankel_singular_values(full)[8:].sum()
        found = difference(full, small).hinf().lower
        assert found <= bound, f"the error is {found:.3e}, the theorem promises {bound:.3e}"


@app.cell
def _():
    verdict(test_hankel, test_order_for, test_truncate)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 2 · One sample at a time

    In training, sequences; on the board, `step(u)`. The contract: a run cut into pieces, or done by steps, gives the numbers of the whole run. In
    single precision it does not, and the rounding is *not* covered by the certificate: measure it.

    ### Exercise 4
    `make_step(G, dtype)`: a function `step(u)` that takes one sample `(n_u,)`, returns `(n_y,)`, keeps the state between calls, and computes
    everything in `dtype`. Output first, then the state: $y_k = C x_k + D u_k$ *before* $x$ moves on. Two steps made from the same $G$ must not
    share a state.
    """)
    return


@app.function
def make_step(G, dtype):
    """step(u (n_u,)) -> y (n_y,), a closure with a state of its own, computed in dtype."""
    raise NotImplementedError("exercise 4")


@app.function
def test_make_step():
    """Exercise 4: streaming."""
    with attempt():
        full = forty_states()
        u = np.random.default_rng(0).normal(size=(50, 1))
        step = make_step(full, np.float64)
        y = np.array([np.array(step(sample)) for sample in u])
        assert np.allclose(y, full.simulate(u), atol=1e-9), (
            "step by step is not the run: is the output taken before the state moves on?"
        )
        assert np.asarray(make_step(full, np.float32)(u[0])).dtype == np.float32, "with float32 the output is float32"


@app.cell
def _(reduced):
    def _shown():
        u = np.random.default_rng(0).normal(size=(500, 1))
        try:
            step = make_step(reduced.G, np.float32)
            y = np.array([np.array(step(sample)) for sample in u])
        except NotImplementedError as error:
            return mo.md(f"*your step: waiting for {error}*")
        except Exception as error:
            return mo.md(f"your step: {error}")
        rounding = np.abs(y - reduced.G.simulate(u)).max()
        return mo.stat(f"{rounding:.1e}", label="your float32 steps against the float64 run, 500 samples")

    mo.vstack([verdict(test_make_step), _shown()])
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    The package: `l2ssm export` writes such a step with its certificate; `docs/reduction.md` has what is proved.

    ## 3 · Close the loop

    $e_1 = w_1 + y_2$, $e_2 = w_2 + y_1$, $y_1 = H_1 e_1$, $y_2 = H_2 e_2$.

    **Theorem 2 (small gain).** *If $H_1$, $H_2$ have incremental gains $g_1, g_2$ from any initial state of theirs and $p = g_1 g_2 < 1$, the loop has exactly one
    solution for all $w_1, w_2$, and differences of two solutions with the same initial states satisfy*

    $$\|\delta y_1\| \le \frac{g_1\|\delta w_1\| + p\,\|\delta w_2\|}{1-p}, \qquad \|\delta y_2\| \le \frac{p\,\|\delta w_1\| + g_2\|\delta w_2\|}{1-p}.$$

    It knows gains, no phase: a loop with $p \ge 1$ may be stable. Here a first-order controller $k/(z-0.5)$ in *positive* feedback with a
    first-order plant: increase its gain beyond what the theorem allows, and beyond what is true.
    """)
    return


@app.cell
def _():
    gain = mo.ui.slider(-1.0, 1.0, 0.01, value=0.1, label="controller gain k", show_value=True)
    gain
    return (gain,)


@app.cell
def _(gain):
    def _loop():
        plant = ls.StateSpace([[0.8]], [[0.5]], [[1.0]], [[0.0]])
        controller = ls.StateSpace([[0.5]], [[1.0]], [[gain.value]], [[0.0]])
        p = plant.hinf().upper * controller.hinf().upper
        A = np.block([[plant.A, plant.B @ controller.C], [controller.B @ plant.C, controller.A]])
        closed = ls.StateSpace(A, [[0.5], [0.0]], [[1.0, 0.0]], [[0.0]])
        bound = f"{plant.hinf().upper / (1 - p):.3f}" if p < 1 else "nothing"
        true = f"{closed.hinf().lower:.3f}" if closed.is_schur() else "UNSTABLE"
        return [
            mo.stat(f"{p:.3f}", label="product of the gains"),
            mo.stat(bound, label="small gain proves |y1| <= ... |w1|"),
            mo.stat(true, label="true gain w1 -> y1"),
        ]

    mo.hstack(_loop())
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ### Exercise 5
    `loop_bounds(g1, g2)`: the bounds of Theorem 2 as a 2 by 2 matrix, rows $y_1, y_2$, columns $w_1, w_2$; all entries
    `np.inf` where it says nothing. And the catch: you replaced $H_1$ by a reduced model with $\|H_1 - H_{1,r}\|_\infty \le \varepsilon$, so that the gain of
    the true $H_1$ is at most $g_{1,r} + \varepsilon$.

    `still_safe(g1_reduced, error, g2)`: whether the theorem proves the loop with the **true** $H_1$ stable.
    """)
    return


@app.function
def loop_bounds(g1, g2):
    """((w1 -> y1, w2 -> y1), (w1 -> y2, w2 -> y2)) of the small-gain theorem, inf where it does not apply."""
    raise NotImplementedError("exercise 5")


@app.function
def still_safe(g1_reduced, error, g2):
    """Whether the small-gain theorem holds for the true H1, of which only a reduced model is known."""
    raise NotImplementedError("exercise 5, second part")


@app.function
def test_loop_bounds():
    """Exercise 5: gains of the loop."""
    with attempt():
        assert np.allclose(loop_bounds(2.0, 0.25), [[4.0, 1.0], [1.0, 0.5]]), (
            "g1 = 2, g2 = 1/4: p = 1/2, so 2/(1-p) = 4 and p/(1-p) = 1"
        )
        assert np.all(np.isinf(loop_bounds(2.0, 0.5))), "p = 1: the theorem says nothing"


@app.function
def test_still_safe():
    """Exercise 5: the loop with the true plant."""
    with attempt():
        assert still_safe(2.0, 0.1, 0.4), "(2 + 0.1) 0.4 = 0.84 < 1"
        assert not still_safe(2.0, 0.6, 0.4), "(2 + 0.6) 0.4 = 1.04: the true loop may be unstable"


@app.cell
def _():
    verdict(test_loop_bounds, test_still_safe)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## What to take home

    - Hankel singular values bound the error from both sides: no reduction beats $\sigma_{r+1}$, balanced truncation is within the sum.
    - `ls.reduce` and `l2ssm reduce` do it for every linear block of a network, and prove each error; the gain of the whole is proved anew.
    - Steps equal the run in exact arithmetic; single precision is extra, measured or bounded, never assumed.
    - `ls.small_gain(certificate, certificate)` is Theorem 2 in exact rationals. It is sufficient, not necessary.

    Grade your file: `l2ssm lab 8 --check lab_8_reduce_deploy_close.py`
    """)
    return


@app.cell(hide_code=True)
def _():
    if mo.app_meta().mode == "script":
        print(verdict(test_hankel, test_order_for, test_truncate, test_make_step, test_loop_bounds, test_still_safe))
    return


if __name__ == "__main__":
    app.run()
