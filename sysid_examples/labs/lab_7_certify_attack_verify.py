# /// script
# [tool.marimo.runtime]
# reactive_tests = false  # each exercise shows its verdict itself
# ///

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Lab 7: certify, attack, verify")

with app.setup:
    import dataclasses

    import marimo as mo
    import numpy as np
    from matplotlib.figure import Figure

    import l2ssm as ls
    from l2ssm.certificates.certificate import Certificate
    from l2ssm.certificates.riccati import storage
    from l2ssm.certificates.statement import rounded_down, rounded_up
    from l2ssm.errors import CertificateError, L2ssmError
    from l2ssm.labs.visible import attempt, verdict
    from l2ssm.systems.layers import Dynamic, Residual
    from l2ssm.systems.static_layers import Affine, Perceptron


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Lab 7 · Certify, attack, verify

    *75 minutes. Three roles: the prover, the attacker, the clerk who checks papers.*

    **The story.** A supplier delivers a neural model with a certificate: "gain at most 0.18". You neither have his solver nor his
    patience. What do you check, how would you attack the claim, and how would you *cheat* in his place? In this lab you do all
    three, and are caught.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 1 · The prover: three tiers

    The network: an encoder, two residual blocks $x \mapsto x + W_2\tanh(W_1 G x + b)$ with a linear system $G$ each, a decoder.

    **Theorem 1 (product).** *If operators have incremental gains $g_1, \dots, g_r$ then their series connection has at most
    $g_1 \cdots g_r$ and $u \mapsto u + H u$ has at most $1 + g_H$.* Always true, and almost always very loose: it
    assumes that every layer is at its worst for the same signal.

    **Theorem 2 (network).** *Each $v = \tanh(w)$ satisfies, for differences of two runs, $\;2\,t\,\delta v\,(\delta w - \delta v) \ge 0$ for
    every $t \ge 0$. If $P \succ 0$ and diagonal $T \succeq 0$ make one matrix inequality hold for all blocks together*

    $$V(x^+) - V(x) + |\delta y|^2 - \gamma^2 |\delta u|^2 + 2\,\delta v^\top T(\delta w - \delta v) \;\le\; 0 \quad\text{for all } (x, \delta u, \delta v),$$

    *the network has incremental gain at most $\gamma$.* Tier *block* does this for pieces and multiplies.

    The weights $W_1, W_2$ are scaled by the slider. The product is computed at once, the joint inequalities behind the button
    (about ten seconds); measured before, at the scales 0.3, 0.6 and 1:

    | scale | product | block | network | worst input found |
    |---|---|---|---|---|
    | 0.3 | 0.537 | 0.356 | 0.0728 | 0.0707 |
    | 0.6 | 1.35 | 0.381 | 0.103 | 0.0949 |
    | 1.0 | 4.74 | 0.449 | 0.181 | 0.157 |
    """)
    return


@app.function
def network(scale, seed=0, blocks=2, n=3):
    """Encoder, residual blocks with a linear system and a perceptron each, decoder; explicit numbers."""
    rng = np.random.default_rng(seed)
    layers = [Affine(0.7 * rng.normal(size=(n, 1)), np.zeros(n))]
    for _ in range(blocks):
        lam = rng.uniform(0.5, 0.9, n) * np.exp(1j * rng.uniform(0, 2.5, n))
        B = 0.3 * (1 - abs(lam))[:, None] * (rng.normal(size=(n, n, 2)) @ [1, 1j])
        C = 0.5 * (rng.normal(size=(n, n, 2)) @ [1, 1j])
        G = ls.StateSpace.from_modes(lam, B, C, np.zeros((n, n)))
        W1, b1, W2 = scale * rng.normal(size=(n, n)), 0.1 * rng.normal(size=n), scale * rng.normal(size=(n, n))
        layers.append(Residual((Dynamic(G), Perceptron(W1, b1, W2, np.zeros(n), "tanh"))))
    layers.append(Affine(0.5 * rng.normal(size=(1, n)), np.zeros(1)))
    return ls.Interconnection(tuple(layers), 1.0, ("u",), ("y",), ("",), ("",))


@app.cell
def _():
    scale = mo.ui.slider(0.1, 1.5, 0.05, value=0.6, label="scale of the weights", show_value=True)
    joint = mo.ui.run_button(label="prove the tiers block and network")
    mo.hstack([scale, joint], justify="start")
    return joint, scale


@app.cell
def _(joint, scale):
    net = network(scale.value)
    bounds = {"product": ls.certify(net, method="product", lower=False).gamma}
    if joint.value:
        bounds |= {tier: ls.certify(net, method=tier, lower=False).gamma for tier in ("block", "network")}
    found = ls.worst_input(net, horizon=128, iterations=4)
    mo.hstack(
        [
            *(mo.stat(rounded_up(gamma), label=f"proved, tier {tier}") for tier, gamma in bounds.items()),
            mo.stat(rounded_down(found.gain), label="worst input found (quick search)"),
        ]
    )
    return bounds, found, net


@app.cell(hide_code=True)
def _(found, net):
    def _figure():
        figure = Figure(figsize=(9.5, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.plot(found.du, color="C1", lw=1)
        left.set_title(f"deviation du of the input (base input: RMS {np.sqrt(np.mean(found.u**2)):.2g})")
        right.plot(net.simulate(found.u + found.du) - net.simulate(found.u), color="C0", lw=1)
        right.set_title(f"deviation of the output: gain {found.gain:.4g}")
        for axes in (left, right):
            axes.set_xlabel("sample")
        return figure

    _figure()
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ### Exercise 1
    `product_bound(encoder, blocks, decoder)`: the bound of Theorem 1 for such a network. `encoder` and `decoder` are gains,
    `blocks` is a list of residual blocks, each a list of the gains inside it, for instance `[[0.5, 2.0], [1.0, 0.1]]`.
    """)
    return


@app.function
def product_bound(encoder, blocks, decoder):
    """The product of all gains, 1 + product of the gains inside for every residual block."""
    raise NotImplementedError("exercise 1")


@app.function
def test_product_bound():
    """Exercise 1: the product tier."""
    with attempt():
        assert np.isclose(product_bound(2.0, [], 3.0), 6.0), "no blocks: 2 times 3"
        assert np.isclose(product_bound(1.0, [[0.5, 2.0], [1.0, 0.1]], 1.0), 2.2), "(1 + 0.5 * 2) (1 + 1 * 0.1) = 2.2"


@app.cell
def _():
    verdict(test_product_bound)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 2 · The attacker

    A linear system over $T$ samples is a matrix $\mathcal T$ (lower triangular, Toeplitz), and its worst input is the right
    singular vector of the largest singular value. Nobody forms the matrix:

    **Theorem 3 (power iteration).** *If $u^{(0)}$ is not orthogonal to the leading right singular space, then
    $u \leftarrow \mathcal T^\top\mathcal T u / |\mathcal T^\top\mathcal T u|$ makes $|\mathcal T u|$ converge to $\sigma_{\max}(\mathcal T)$, from below and monotonically;
    $\sigma_{\max}(\mathcal T) \uparrow \|G\|_\infty$ as $T \to \infty$.*

    $\mathcal T^\top w$ is the *adjoint* system run backwards in time: `G.transposed.simulate(w[::-1])[::-1]`. For a network
    the same iteration runs along the derivative at the present input: that is `ls.worst_input`.

    ### Exercise 2
    `attack(G, T)`: an input `(T, n_u)` whose output, from the zero state, has at least 99 % of the largest possible ratio
    $|y|/|u|$ over $T$ samples.
    """)
    return


@app.function
def attack(G, T):
    """An input (T, n_u) that nearly attains the gain of the StateSpace G over T samples."""
    raise NotImplementedError("exercise 2")


@app.function
def toeplitz_norm(G, T):
    """The largest singular value of the map from T input samples to T output samples (for checks: O(T^3))."""
    columns = [G.simulate(np.eye(T)[:, [k]] * np.eye(G.n_u)[[j]]).ravel() for k in range(T) for j in range(G.n_u)]
    return np.linalg.norm(np.stack(columns, 1), 2)


@app.function
def test_attack():
    """Exercise 2: power iteration."""
    with attempt():
        G = ls.StateSpace.from_modes([0.9 * np.exp(1j)], [[1.0]], [[1.0]], [[0.0]], conjugate_pairs=True)
        u = np.asarray(attack(G, 40), dtype=float)
        assert u.shape == (40, 1), f"shape {u.shape}, expected (40, 1)"
        ratio, best = np.linalg.norm(G.simulate(u)) / np.linalg.norm(u), toeplitz_norm(G, 40)
        assert ratio >= 0.99 * best, f"your input attains {ratio:.4f}, {best:.4f} is possible over 40 samples"


@app.cell
def _():
    horizon = mo.ui.slider(10, 300, 10, value=60, label="horizon T", show_value=True)
    horizon
    return (horizon,)


@app.cell
def _(horizon):
    def _shown():
        G = ls.StateSpace.from_modes([0.97 * np.exp(0.5j)], [[1.0]], [[1.0]], [[0.0]], conjugate_pairs=True)
        best = toeplitz_norm(G, horizon.value)
        boxes = [
            mo.stat(f"{best:.3f}", label=f"possible in {horizon.value} samples"),
            mo.stat(f"{G.hinf().lower:.3f}", label="norm (no horizon)"),
        ]
        try:
            u = np.asarray(attack(G, horizon.value), dtype=float)
            boxes.append(mo.stat(f"{np.linalg.norm(G.simulate(u)) / np.linalg.norm(u):.3f}", label="your attack"))
        except NotImplementedError as error:
            boxes.append(mo.md(f"*your attack: waiting for {error}*"))
        except Exception as error:
            boxes.append(mo.md(f"your attack: {error}"))
        return mo.hstack(boxes)

    mo.vstack([_shown(), verdict(test_attack)])
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 3 · The clerk

    The clerk gets numbers: $A, B, C, D$, a storage function $P$ and $\gamma$. He checks $P \succ 0$ and $M(P,\gamma) \prec 0$ (lab 5) and
    trusts nothing else. A clerk has one virtue: **he fails closed**. What cannot be decided is refused: `if not margin > 0`, so
    that `NaN` falls through; asymmetric $P$, wrong shapes, infinite numbers and negative $\gamma$ are refused before any algebra.

    ### Exercise 3
    `accepts(A, B, C, D, P, gamma)`: `True` only for a valid claim. A claim that holds by less than $10^{-10}$ (relative to
    the size of $M$) may be refused, a false one must not be accepted, and nothing may raise. (`eigvalsh` reads one triangle only:
    what does it say of an asymmetric $P$?)
    """)
    return


@app.function
def accepts(A, B, C, D, P, gamma):
    """Whether P proves the gain gamma of (A, B, C, D); False for whatever is not a proof."""
    raise NotImplementedError("exercise 3")


@app.function
def test_accepts():
    """Exercise 3: a clerk who fails closed."""
    with attempt():
        G = ls.StateSpace([[0.5, 0.1], [0.0, 0.4]], [[1.0], [0.5]], [[1.0, -1.0]], [[0.2]])
        gamma, P = storage(G, 1e-3)
        matrices = (G.A, G.B, G.C, G.D)
        assert accepts(*matrices, P, gamma) is True, "an honest proof was refused"
        assert accepts(*matrices, P, 0.99 * gamma) is False, "gamma below the norm"
        assert accepts(*matrices, -P, gamma) is False, "P is not positive"
        assert accepts(*matrices, P, np.nan) is False, "gamma is NaN"


@app.cell
def _():
    verdict(test_accepts)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 4 · The forger

    A certificate of the package is a JSON file: numbers of the model, witnesses, and a digest of everything. Changing one digit breaks
    the digest. A serious forger repairs that.

    ### Exercise 4
    `forge(certificate)`: the *text* of a certificate about the same system that claims at most 90 % of its $\gamma$ and is well
    formed, so that `Certificate.from_json` takes it. (`dataclasses.replace` and `to_json` are your ink and seal.) Then `ls.verify`
    reads it. If you find a forgery that is accepted, write to the authors: you have found a bug, and they want it.
    """)
    return


@app.function
def forge(certificate):
    """The JSON text of a well-formed certificate that claims 0.9 gamma or less about the same system."""
    raise NotImplementedError("exercise 4")


@app.function
def test_forge():
    """Exercise 4: forge a certificate and get caught."""
    with attempt():
        honest = ls.certify(ls.StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]]))
        text = forge(honest)
        try:
            forged = Certificate.from_json(text)
        except L2ssmError as error:
            raise AssertionError(f"caught by the clerk at the door: {error}") from None
        assert forged.digest == honest.digest, "your forgery is about another system"
        assert forged.gamma <= 0.9 * honest.gamma, (
            f"it claims {forged.gamma:.4f}, at most {0.9 * honest.gamma:.4f} is asked"
        )
        caught = False
        try:
            ls.verify(forged)
        except CertificateError:
            caught = True
        assert caught, "verify accepted it: this is a bug of the package, please report it"


@app.cell
def _(bounds, net):
    def _shown():
        honest = ls.certify(net, method="product", lower=False)
        forged = dataclasses.replace(honest, gamma=0.5 * honest.gamma)
        try:
            ls.verify(forged)
        except CertificateError as error:
            return f"Half of the proved product {bounds['product']:.4g}, handed to `verify`: *{error}*"

    mo.vstack([mo.md(_shown()), verdict(test_forge)])
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## What to take home

    - Product bounds are cheap and loose; one joint inequality knows how the layers interact.
    - Attacks give lower bounds. Where attack and proof meet, nothing is left to argue about.
    - The proof is in the numbers of the file. Digests catch accidents; the *inequality* catches forgers.
    - Check in an arithmetic that knows its rounding (`l2ssm verify --arithmetic ball|float|exact`), and fail closed.

    Grade your file: `l2ssm lab 7 --check lab_7_certify_attack_verify.py`
    """)
    return


@app.cell(hide_code=True)
def _():
    if mo.app_meta().mode == "script":
        print(verdict(test_product_bound, test_attack, test_accepts, test_forge))
    return


if __name__ == "__main__":
    app.run()
