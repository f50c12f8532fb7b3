# /// script
# [tool.marimo.runtime]
# reactive_tests = false  # each exercise shows its verdict itself
# ///

import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="Lab 3: memory - HiPPO, S4D, S5, LRU, the lag operator",
)

with app.setup:
    import marimo as mo
    import numpy as np
    from matplotlib.figure import Figure

    import l2ssm as ls
    from l2ssm.labs.visible import attempt, verdict
    from l2ssm.systems.nplr import dplr_half


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Lab 3 · Memory: HiPPO, S4D, S5, LRU, the lag operator

    *75 minutes. numpy only.*

    **The story.** A state of 32 numbers is all that a model knows of ten thousand samples. Which 32 numbers? If you leave it
    to gradient descent from a random start, the answer is: the last few samples. The theory of this lab chooses them well: as the
    coefficients of the past in an orthonormal basis, which can be updated without looking back. S4, S4D and S5 start
    from there; LRU starts from a ring of poles. You will build both starts, and prove a stability that no training can break.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 1 · HiPPO: the past in $n$ numbers

    **Theorem 1 (HiPPO-LegS).** *Let $u$ be integrable and $c_n(t) = \frac1t\int_0^t u(s)\,\sqrt{2n+1}\,P_n(2s/t-1)\,ds$, the coefficients of the
    past in normalised Legendre polynomials. Then, exactly,*

    $$\dot c = \tfrac1t\,(A\,c + B\,u), \qquad
    A_{nk} = -\begin{cases}\sqrt{(2n+1)(2k+1)} & n > k\\ n+1 & n = k\\ 0 & n < k\end{cases}, \qquad B_n = \sqrt{2n+1}.$$

    *$\sum_{n<N} c_n(t)\sqrt{2n+1}P_n$ is the best polynomial approximation of degree below $N$ in the mean square over $[0,t]$.*
    Without the factor $1/t$ the same pair remembers with exponential weight; other weights give other pairs (a sliding window: LegT,
    FouT). A signal, and what is left of it in $n$ numbers at the last sample:
    """)
    return


@app.cell
def _():
    measure = mo.ui.dropdown(
        {
            "all of the past, alike (LegS)": "whole",
            "fading (LegS, exponential)": "legs",
            "window (LegT)": "legt",
            "window (Fourier)": "fout",
        },
        value="all of the past, alike (LegS)",
        label="weight",
    )
    order = mo.ui.slider(2, 64, 1, value=24, label="numbers n", show_value=True)
    window = mo.ui.slider(50, 800, 50, value=300, label="window or time constant (samples)", show_value=True)
    mo.vstack([measure, order, window])
    return measure, order, window


@app.cell
def _(measure, order, window):
    t = np.arange(1000) / 100
    signal = (
        np.sin(2 * np.pi * 0.45 * t)
        + 0.6 * np.sin(2 * np.pi * 1.3 * t + 1)
        + 0.4 * np.sign(np.sin(2 * np.pi * 0.2 * t + 0.5))
    )
    ago = 999.5 - np.arange(1000)  # lag of the middle of every sample

    def _recall():
        if measure.value == "whole":
            memory = ls.HippoMemory(order.value)
            return memory.reconstruct(memory.project(signal)[-1], (t + 0.005) / 10)
        memory = ls.LagMemory(measure.value, order.value, window=float(window.value))
        return np.where(ago <= window.value, memory.reconstruct(memory.project(signal)[-1], ago), np.nan)

    recalled = _recall()
    error = np.sqrt(np.nanmean((recalled - signal) ** 2))
    mo.stat(
        f"{error:.4f}",
        label="RMS error of what is recalled",
        caption=f"RMS of the signal {np.sqrt(np.mean(signal**2)):.3f}",
    )
    return recalled, signal, t


@app.cell(hide_code=True)
def _(recalled, signal, t):
    def _figure():
        figure = Figure(figsize=(9.5, 3.0), layout="constrained")
        axes = figure.subplots()
        axes.plot(t, signal, color="0.5", lw=1, label="signal")
        axes.plot(t, recalled, color="C1", label="recalled from n numbers at the end")
        axes.set_ylim(-2.6, 2.6)
        axes.set_xlabel("time (s)")
        axes.legend(loc="lower left", ncols=2)
        return figure

    _figure()
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **Look for:** with LegS every part of the past blurs alike; a window is sharp inside and blind outside. How many numbers does the
    jump cost (Gibbs)?

    ### Exercise 1
    `legs(N)`: the pair $(A, B)$ of Theorem 1. Mind the minus: without it the memory explodes.
    """)
    return


@app.function
def legs(N):
    """(A (N, N), B (N,)) of HiPPO-LegS."""
    raise NotImplementedError("exercise 1")


@app.function
def test_legs():
    """Exercise 1: the LegS pair."""
    with attempt():
        A, B = legs(3)
        assert np.allclose(B, np.sqrt([1, 3, 5])), "B[n] = sqrt(2 n + 1)"
        assert np.allclose(np.diag(A), [-1, -2, -3]), "the diagonal is -(n + 1): stable"
        assert np.allclose(A, np.tril(A)), "lower triangular: higher orders do not act on lower ones"
        assert np.isclose(A[2, 1], -np.sqrt(15)), "A[2, 1] = -sqrt(5 * 3)"


@app.cell
def _():
    verdict(test_legs)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 2 · The lag operator: a memory that cannot blow up

    One step of size $\delta$ on the clock of the memory, the input held: $c^+ = A(r)\,c + b(r)\,u$ with $r = e^{-\delta}$,
    $A(r) = e^{\delta A}$, $b(r) = \int_0^\delta e^{sA}B\,ds$.

    **Theorem 2.** *For every $N$, every $\delta > 0$ and every $c$, $u$:*

    $$|A(r)\,c + b(r)\,u|^2 \;\le\; r\,|c|^2 + (1-r)\,u^2 .$$

    *Hence $|c_k| \le \max_j |u_j|$ for **every** sequence of steps, also one that depends on the input, and the $\ell_2$ gain from $u$ to
    $c$ is 1 for constant steps.* Reason: shifting the past and projecting on polynomials does not lengthen it. The poles of
    $A(r)$ are $r, r^2, \dots, r^N$, harmless; but $A(r)$ is far from normal, and a *discretisation* of the same pair need not
    inherit the theorem. Compare:
    """)
    return


@app.cell
def _():
    delta = mo.ui.slider(0.01, 1.0, 0.01, value=0.10, label=r"step $\delta$", show_value=True)
    size = mo.ui.slider(2, 32, 1, value=12, label="N", show_value=True)
    mo.vstack([delta, size])
    return delta, size


@app.function
def memory_step(N, delta, rule="zoh"):
    """(A, b) of one step of size delta of the LegS memory under a discretisation rule of the package."""
    from l2ssm.systems.hippo import legs as pair

    A, B, _ = pair(N)
    return ls.discretize(A, B, delta, rule)


@app.cell
def _(delta, size):
    def _largest(rule):
        A, b = memory_step(size.value, delta.value, rule)
        K = np.column_stack([A, np.ravel(b)])
        r = np.exp(-delta.value)
        return np.linalg.eigvalsh(K.T @ K - np.diag([*[r] * size.value, 1 - r]))[-1]

    mo.hstack(
        [
            mo.stat(f"{_largest(rule):.2e}", label=f"excess over the theorem, {rule}", caption=caption)
            for rule, caption in (
                ("zoh", "exact: zero"),
                ("bilinear", ""),
                ("backward_euler", ""),
                ("forward_euler", ""),
            )
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ### Exercise 2
    `excess(A, b, r)`: the largest value of $|A c + b u|^2 - r|c|^2 - (1-r)u^2$ over all $|c|^2 + u^2 = 1$: an eigenvalue. It
    is at most zero (up to rounding) if and only if the theorem holds for this step: a proof by one eigenvalue.
    """)
    return


@app.function
def excess(A, b, r):
    """max over |c|^2 + u^2 = 1 of |A c + b u|^2 - r |c|^2 - (1 - r) u^2."""
    raise NotImplementedError("exercise 2")


@app.function
def test_excess():
    """Exercise 2: a theorem as an eigenvalue."""
    with attempt():
        A, b = memory_step(8, 0.1)
        r = np.exp(-0.1)
        assert abs(excess(A, np.ravel(b), r)) < 1e-9, "for the exact step of LegS it is zero"
        assert np.isclose(excess(np.zeros((2, 2)), np.zeros(2), 0.4), -0.4), (
            "A = 0, b = 0: the largest of -r and -(1 - r)"
        )


@app.cell
def _():
    verdict(test_excess)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 3 · Diagonal: S4D and S5

    A scan wants a diagonal $A$. LegS itself must not be diagonalised (its eigenvectors, of norm 1, have a condition of $10^{23}$ at $N = 32$),
    but $A = S - P P^\top$ with $S + \tfrac12 I$ skew: S4D and S5 keep the eigenvalues of $S$, all with real part $-\tfrac12$, and drop the
    rank-one part. Sampled with step $\Delta$ by the hold, the kernel read out *after* the update is

    $$K_l = 2\,\mathrm{Re}\sum_i c_i\,b_i\,\frac{e^{a_i\Delta}-1}{a_i}\,e^{l\,a_i\Delta}, \qquad l = 0, 1, \dots$$

    **The step is the time scale:** modes live for about $2/\Delta$ samples and the $i$-th turns by $\Delta\,\mathrm{Im}\,a_i$ each. Above $\pi$ it aliases.
    """)
    return


@app.cell
def _():
    log_step = mo.ui.slider(-3.0, 0.0, 0.05, value=-2.2, label=r"$\log_{10}\Delta$", show_value=True)
    start = mo.ui.dropdown(["S4D-LegS", "S4D-Lin", "S4D-Inv"], value="S4D-LegS", label="poles")
    mo.vstack([log_step, start])
    return log_step, start


@app.cell
def _(log_step, start):
    from l2ssm.systems.hippo import legs as _legs

    def _poles(half=16):
        n = np.arange(half)
        if start.value == "S4D-Lin":
            return -0.5 + 1j * np.pi * n
        if start.value == "S4D-Inv":
            return -0.5 + 1j * (2 * half / np.pi) * (2 * half / (2 * n + 1) - 1)
        return dplr_half(_legs(2 * half)).Lam

    sampled = np.exp(_poles() * 10**log_step.value)
    turns = np.abs(_poles().imag) * 10**log_step.value
    mo.hstack(
        [
            mo.stat(f"{-1 / np.log(np.abs(sampled).max()):.3g}", label="memory (samples)"),
            mo.stat(
                f"{turns.max():.3g}",
                label="fastest turn (rad/sample)",
                caption="ALIASED" if turns.max() > np.pi else "",
            ),
        ]
    )
    return (sampled,)


@app.cell(hide_code=True)
def _(sampled):
    def _figure():
        figure = Figure(figsize=(9.5, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1, 2))
        angle = np.linspace(0, 2 * np.pi, 300)
        left.plot(np.cos(angle), np.sin(angle), color="0.7")
        left.plot(sampled.real, sampled.imag, "x", color="C3")
        left.set_aspect("equal")
        kernels = np.real(sampled[None, :] ** np.arange(300)[:, None])
        right.plot(kernels[:, ::4])
        right.set_xlabel("lag (samples)")
        right.set_title("every fourth mode")
        return figure

    _figure()
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ### Exercise 3
    `s4d_kernel(a, b, c, step, L)`: $K_0 .. K_{L-1}$ above, real, for arrays `a, b, c` of one mode of each conjugate pair.
    """)
    return


@app.function
def s4d_kernel(a, b, c, step, L):
    """K (L,) of diagonal modes in continuous time, held input, read out after the update."""
    raise NotImplementedError("exercise 3")


@app.function
def test_s4d_kernel():
    """Exercise 3: the kernel of S4D."""
    with attempt():
        a, b, c, step = -0.5 + 3j, 1.0, 0.5 - 1j, 0.1
        K = s4d_kernel(np.array([a]), np.array([b]), np.array([c]), step, 4)
        x, want = 0.0, []
        for k in range(4):  # the impulse response of the recurrence
            x = np.exp(a * step) * x + b * (np.exp(a * step) - 1) / a * (k == 0)
            want.append(2 * np.real(c * x))
        assert np.allclose(K, want), f"the recurrence answers an impulse with {np.round(want, 5)}"


@app.cell
def _():
    verdict(test_s4d_kernel)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 4 · LRU: a ring of poles

    LRU forgets about polynomials: poles $\lambda_i$ on a ring $r_{\min} \le |\lambda| \le r_{\max}$ and inputs scaled so that all modes are equally loud.

    **Theorem 3.** *Let $|\lambda| < 1$ and $x_{k+1} = \lambda x_k + s\,w_k$ with $w$ white, of unit variance. In the steady state $E|x|^2 = s^2/(1-|\lambda|^2)$; so
    $s = \sqrt{1-|\lambda|^2}$ makes it 1.* For amplitudes instead of variances it does nothing of the kind (lab 6).

    A mode forgets by $1/e$ in $\tau = -1/\ln|\lambda|$ samples: time constants, not moduli, are what an engineer knows.

    ### Exercise 4
    `ring(shortest, longest, n)`: $n$ moduli whose time constants (in samples) are spaced geometrically from the shortest to the longest.

    ### Exercise 5
    LRU stores $\nu$, with $|\lambda| = e^{-e^{\nu}}$, so that no step of training leaves the disc - in exact arithmetic.
    `input_scale(nu)`: $\sqrt{1-|\lambda|^2}$ for numbers and arrays, **computed in the precision of `nu`** without losing digits: for
    `nu = np.float32(-16)` the formula as written is wrong by a quarter, and for `-20` it says 0.
    """)
    return


@app.function
def ring(shortest, longest, n):
    """Moduli (n,) with time constants spaced geometrically from shortest to longest, in samples."""
    raise NotImplementedError("exercise 4")


@app.function
def input_scale(nu):
    """sqrt(1 - |lambda|^2) with |lambda| = exp(-exp(nu)), accurate in the precision of nu."""
    raise NotImplementedError("exercise 5")


@app.function
def test_ring():
    """Exercise 4: poles from time constants."""
    with attempt():
        moduli = np.asarray(ring(10.0, 1000.0, 3))
        assert np.allclose(moduli, np.exp([-1 / 10, -1 / 100, -1 / 1000])), (
            "time constants 10, 100, 1000: moduli exp(-1/tau)"
        )


@app.function
def test_input_scale():
    """Exercise 5: a scale without cancellation."""
    with attempt():
        assert np.isclose(input_scale(0.0), np.sqrt(1 - np.exp(-2))), "nu = 0: |lambda| = exp(-1)"
        for nu in (-16.0, -20.0):
            got, want = float(input_scale(np.float32(nu))), np.sqrt(-np.expm1(-2 * np.exp(nu)))
            assert np.isclose(got, want, rtol=1e-4), f"nu = float32({nu:g}): {want:.5e} is right, yours is {got:.5e}"


@app.cell
def _():
    verdict(test_ring, test_input_scale)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## What to take home

    - A good start is a good memory: coefficients in an orthonormal basis, or modes spread over the time constants of the data.
    - The measured effect, from `docs/cells.md`: recalling the input 200 samples back, S4D from LegS poles reaches a relative squared error of 0.055 to 0.097,
      random poles stay at 0.94 to 1.00 (three seeds).
    - The exact step of LegS is a contraction for every step size; other discretisations of the same pair are not.
    - Do not diagonalise what has no good eigenvectors, and do not write $1 - |\lambda|^2$.

    `sysid_examples/03_memory_hippo.py` and `docs/memory.md` go on from here. Grade your file: `l2ssm lab 3 --check lab_3_memory.py`
    """)
    return


@app.cell(hide_code=True)
def _():
    if mo.app_meta().mode == "script":
        print(verdict(test_legs, test_excess, test_s4d_kernel, test_ring, test_input_scale))
    return


if __name__ == "__main__":
    app.run()
