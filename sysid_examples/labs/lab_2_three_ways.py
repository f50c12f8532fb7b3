# /// script
# [tool.marimo.runtime]
# reactive_tests = false  # each exercise shows its verdict itself
# ///

import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="Lab 2: three ways to run a state-space model",
)

with app.setup:
    from functools import reduce

    import marimo as mo
    import numpy as np
    from matplotlib.figure import Figure

    import l2ssm as ls
    from l2ssm.labs.visible import attempt, verdict


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Lab 2 · Three ways to run a state-space model

    *75 minutes. numpy only.*

    **The story.** A recurrent network is slow to train because step $k$ waits for step $k-1$. A *linear* recurrence does not
    have to wait: it is also a convolution, and also a product of maps that can be taken in any grouping. That is
    the whole reason why state-space models train as fast as convolutions and run as cheaply as recurrences. The three
    ways are equal in exact arithmetic. You will write all of them, and break each one once.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 1 · From the differential equation to the recurrence

    A mode in continuous time, $\dot x = a\,x + b\,u$ with $a \in \mathbb C$, is run at times $k\,\Delta$. Three rules:

    | rule | $\bar a$ | $\bar b$ |
    |---|---|---|
    | zero-order hold | $e^{a\Delta}$ | $b\,(e^{a\Delta}-1)/a$ |
    | bilinear | $(1+a\Delta/2)/(1-a\Delta/2)$ | $\Delta b/(1-a\Delta/2)$ |
    | forward Euler | $1 + a\Delta$ | $\Delta b$ |

    **Theorem 1.** *Let $\mathrm{Re}\,a < 0$ and $\Delta > 0$. Zero-order hold and bilinear give $|\bar a| < 1$ for every
    $\Delta$. Forward Euler does so if and only if $\Delta < 2\,|\mathrm{Re}\,a|/|a|^2$. The hold is exact at the samples
    for inputs that are constant in between.* The middle rule maps the imaginary axis onto the circle, so frequencies
    are warped; the last one breaks first on lightly damped modes. Find the step at which it does.
    """)
    return


@app.cell
def _():
    damping = mo.ui.slider(0.02, 1.0, 0.02, value=0.2, label="damping ratio", show_value=True)
    step = mo.ui.slider(0.01, 2.5, 0.01, value=0.3, label=r"step $\Delta$ (s), mode at 1 rad/s", show_value=True)
    mo.vstack([damping, step])
    return damping, step


@app.cell
def _(damping, step):
    rules = ("zoh", "bilinear", "forward_euler")
    mode = -damping.value + 1j * np.sqrt(1 - damping.value**2)
    real_mode = np.array([[mode.real, -mode.imag], [mode.imag, mode.real]])
    steps_held = {rule: ls.discretize(real_mode, np.array([1.0, 0.0]), step.value, rule) for rule in rules}
    radii = {rule: np.max(np.abs(np.linalg.eigvals(A))) for rule, (A, _) in steps_held.items()}
    mo.hstack(
        [
            mo.stat(
                f"{radius:.4f}", label=f"modulus of the pole, {rule}", caption="Schur" if radius < 1 else "UNSTABLE"
            )
            for rule, radius in radii.items()
        ]
    )
    return rules, steps_held


@app.cell(hide_code=True)
def _(rules, step, steps_held):
    def _figure():
        figure = Figure(figsize=(9.5, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1, 2))
        t = np.linspace(0, 2 * np.pi, 400)
        left.plot(np.cos(t), np.sin(t), color="0.7")
        count = int(min(400, 25 / step.value))
        for i, rule in enumerate(rules):
            A, b = steps_held[rule]
            poles = np.linalg.eigvals(A)
            left.plot(poles.real, poles.imag, "x^s"[i], color=f"C{i}", ms=8, label=rule)
            x = np.zeros(2)
            y = []
            for _ in range(count):
                y.append(x[0])
                x = A @ x + np.ravel(b)
            right.plot(
                step.value * np.arange(count), np.clip(y, -3, 3), "x^s"[i], color=f"C{i}", ls="-", ms=3, label=rule
            )
        left.set_aspect("equal")
        left.set_title("poles")
        right.set_title("response to a unit step (clipped)")
        right.set_xlabel("time (s)")
        right.legend()
        return figure

    _figure()
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ### Exercise 1
    `hold(a, b, step)`: the pair $(\bar a, \bar b)$ of the zero-order hold of one complex mode, **also for $a = 0$** (an
    integrator) and to full accuracy for $|a\Delta| = 10^{-9}$: $e^z - 1$ computed as written loses every digit there.
    (`np.expm1` takes complex numbers.)
    """)
    return


@app.function
def hold(a, b, step):
    """(a_bar, b_bar) of x' = a x + b u with u held over steps of that length."""
    raise NotImplementedError("exercise 1")


@app.function
def test_hold():
    """Exercise 1: the zero-order hold."""
    with attempt():
        a_bar, b_bar = hold(-0.5 + 2j, 3.0, 0.1)
        assert np.isclose(a_bar, np.exp(-0.05 + 0.2j)), "a_bar = exp(a step)"
        assert np.isclose(b_bar, 3 * (np.exp(-0.05 + 0.2j) - 1) / (-0.5 + 2j)), "b_bar = b (exp(a step) - 1) / a"
        assert np.isclose(hold(0.0, 3.0, 0.1)[1], 0.3), "an integrator gains b step in a step"


@app.cell
def _():
    verdict(test_hold)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 2 · Recurrence = convolution

    **Theorem 2.** *Let $x_{k+1} = A x_k + B u_k$, $y_k = C x_k + D u_k$, $x_0 = 0$. Then $y = K * u$ with
    $K_0 = D$ and $K_l = C A^{l-1} B$ for $l \ge 1$:* $\; y_k = \sum_{l=0}^{k} K_l\,u_{k-l}$.

    For a bank of modes, $y_k = 2\,\mathrm{Re}\sum_i c_i x_{i,k} + d\,u_k$, the kernel is
    $K_l = 2\,\mathrm{Re}\sum_i c_i \lambda_i^{l-1} b_i$: a Vandermonde product, no recurrence. The convolution costs
    $O(T \log T)$ by FFT, *if it is a linear one*: the FFT multiplies polynomials modulo $z^n - 1$, so what comes
    after the end wraps around to the beginning unless $n \ge 2T - 1$.

    ### Exercise 2
    `kernel(lam, b, c, d, length)`: $K_0 .. K_{length-1}$ of a bank of modes, one of each conjugate pair.

    ### Exercise 3
    `convolve(K, u)`: the first $T$ samples of $K * u$ by FFT, both of length $T$.
    """)
    return


@app.function
def kernel(lam, b, c, d, length):
    """K (length,) real, of y = 2 Re(sum c x) + d u with x+ = lam x + b u."""
    raise NotImplementedError("exercise 2")


@app.function
def convolve(K, u):
    """y (T,) with y[k] = sum over l <= k of K[l] u[k - l], by FFT."""
    raise NotImplementedError("exercise 3")


@app.function
def test_kernel():
    """Exercise 2: the kernel of a bank of modes."""
    with attempt():
        lam, b, c = np.array([0.9j, 0.5]), np.array([1.0, 2.0]), np.array([1 - 1j, 0.5])
        G = ls.StateSpace.from_modes(lam, b[:, None], c[None], [[0.3]], conjugate_pairs=True)
        impulse = np.eye(8)[0]
        K = kernel(lam, b, c, 0.3, 8)
        assert np.shape(K) == (8,), f"shape {np.shape(K)}, expected (8,)"
        assert np.allclose(K, G.simulate(impulse).ravel()), (
            "the kernel is the response to an impulse: y[0] = d, y[1] = 2 Re(c b)"
        )


@app.function
def test_convolve():
    """Exercise 3: a linear convolution by FFT."""
    with attempt():
        K, u = np.array([0.0, 1.0, 0.5, 0.25]), np.array([1.0, 2.0, 3.0, 4.0])
        assert np.allclose(convolve(K, u), np.convolve(K, u)[:4]), "the end wraps around to the beginning?"


@app.cell
def _():
    verdict(test_kernel, test_convolve)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 3 · Recurrence = parallel scan

    Write a step as an affine map $x \mapsto a\,x + v$. Doing $(a_1, v_1)$ and *then* $(a_2, v_2)$ is again such a map.

    **Theorem 3.** *The composition $(a_1, v_1) \bullet (a_2, v_2) = (a_2 a_1,\; a_2 v_1 + v_2)$ is associative, so all
    prefixes of $T$ maps can be computed in $2\lceil\log_2 T\rceil$ rounds by as many processors as one likes. It is not
    commutative.* Nothing needs the $a_k$ to be equal: this way stays open for selective models (lab 6),
    where the convolution is lost.

    A number of samples on a slider: rounds of a tree against steps of a loop.
    """)
    return


@app.cell
def _():
    samples = mo.ui.slider(1, 20, 1, value=12, label=r"$\log_2$ of the number of samples", show_value=True)
    samples
    return (samples,)


@app.cell
def _(samples):
    mo.hstack(
        [
            mo.stat(f"{2**samples.value:,}", label="steps of the loop, one after the other"),
            mo.stat(f"{2 * samples.value}", label="rounds of the scan"),
            mo.stat(f"{2 ** (samples.value + 1) * samples.value:,}", label="about T log T of the FFT, T doubled"),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ### Exercise 4
    `compose(first, then)`: the pair of the composed map. The checks feed it to a tree *and* to a loop; both orders of
    grouping have to agree, and they have to be right. (Beware of the trick that divides by
    $\prod a_k$: with $|a| = 0.5$ it dies after a thousand samples.)
    """)
    return


@app.function
def compose(first, then):
    """(a, v) of doing x -> first[0] x + first[1] and then x -> then[0] x + then[1]."""
    raise NotImplementedError("exercise 4")


@app.function
def test_compose():
    """Exercise 4: the operator of the scan."""
    with attempt():
        maps = [(0.5, 1.0), (2.0, -1.0), (-1.0, 3.0)]
        a, v = reduce(compose, maps)
        x = 7.0
        for factor, offset in maps:
            x = factor * x + offset
        assert np.isclose(a * 7.0 + v, x), f"three maps, one after the other, take 7 to {x}, yours to {a * 7.0 + v}"
        left = compose(compose(maps[0], maps[1]), maps[2])
        right = compose(maps[0], compose(maps[1], maps[2]))
        assert np.allclose(left, right), "the grouping matters: not associative"


@app.cell
def _():
    verdict(test_compose)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 4 · Conjugate pairs: real numbers in, real numbers out

    A real system has its complex poles in pairs, so half of them suffices: $y = 2\,\mathrm{Re}(C x)$. Written in
    $(\mathrm{Re}\,x, \mathrm{Im}\,x)$ one mode is a scaled rotation,

    $$\begin{bmatrix}\mathrm{Re}\,\lambda & -\mathrm{Im}\,\lambda\\ \mathrm{Im}\,\lambda & \mathrm{Re}\,\lambda\end{bmatrix},$$

    and the complex bank is an ordinary real `StateSpace` with the *same numbers*: that is what certificates are about.

    ### Exercise 5
    `real_form(lam, b, c, d)`: real $(A, B, C, D)$, two states for the one mode $\lambda, b, c$, with $y = 2\,\mathrm{Re}(c\,x) + d\,u$.
    """)
    return


@app.function
def real_form(lam, b, c, d):
    """A (2, 2), B (2, 1), C (1, 2), D (1, 1), real, of one complex mode with y = 2 Re(c x) + d u."""
    raise NotImplementedError("exercise 5")


@app.function
def test_real_form():
    """Exercise 5: the real form of a mode."""
    with attempt():
        G = ls.StateSpace(*real_form(0.6 + 0.7j, 1 - 2j, 0.5 + 1j, 0.1))
        H = ls.StateSpace.from_modes([0.6 + 0.7j], [[1 - 2j]], [[0.5 + 1j]], [[0.1]], conjugate_pairs=True)
        impulse = np.eye(10)[0]
        assert np.allclose(G.simulate(impulse), H.simulate(impulse)), "another impulse response; check the sign of Im c"


@app.cell
def _():
    verdict(test_real_form)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## All three at once

    With your functions, on a bank of 16 modes and 512 samples: largest difference to the loop.
    """)
    return


@app.cell
def _():
    def _differences():
        rng = np.random.default_rng(0)
        a = -rng.uniform(0.05, 1, 16) + 1j * rng.uniform(0, 3, 16)
        pairs = [hold(one, 1.0, 0.1) for one in a]
        lam, b = np.array(pairs).T
        c, u = rng.normal(size=(16, 2)) @ [1, 1j], rng.normal(size=512)
        x, loop = np.zeros(16, complex), []
        for value in u:
            loop.append(2 * np.real(c @ x))
            x = lam * x + b * value
        by_kernel = convolve(kernel(lam, b, c, 0.0, 512), u)
        prefix = (np.ones(16), np.zeros(16))
        scan = []
        for value in u:
            scan.append(2 * np.real(c @ prefix[1]))
            prefix = compose(prefix, (lam, b * value))
        loop = np.array(loop)
        return mo.hstack(
            [
                mo.stat(f"{np.abs(by_kernel - loop).max():.1e}", label="convolution - loop"),
                mo.stat(f"{np.abs(np.array(scan) - loop).max():.1e}", label="prefixes - loop"),
            ]
        )

    def _shown():
        try:
            return _differences()
        except NotImplementedError as error:
            return mo.md(f"*waiting for {error}*")

    _shown()
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## What to take home

    - One linear model, three programs: loop (streaming, $O(1)$ memory), FFT (time-invariant only), scan (anything linear in $x$).
    - The discretisation decides about stability: the hold and the bilinear rule keep it, Euler does not.
    - Pad to $2T$; use `expm1`; never divide by a cumulated product; half the conjugate pairs are enough.
    - In the package: `ls.discretize`, `StateSpace.from_modes`, `l2ssm.scan` with its backends (`docs/scan.md`).

    Grade your file: `l2ssm lab 2 --check lab_2_three_ways.py`
    """)
    return


@app.cell(hide_code=True)
def _():
    if mo.app_meta().mode == "script":
        print(verdict(test_hold, test_kernel, test_convolve, test_compose, test_real_form))
    return


if __name__ == "__main__":
    app.run()
