"""Hidden checks of lab 2: discretisation, convolution, scan, conjugate pairs."""

from __future__ import annotations

import numpy as np

import l2ssm as ls
from l2ssm.labs.checking import check, close


def _bank(seed, modes=5):
    rng = np.random.default_rng(seed)
    lam = rng.uniform(0.2, 0.99, modes) * np.exp(1j * rng.uniform(0, np.pi, modes))
    b, c = rng.normal(size=(2, modes, 2)) @ [1, 1j]
    return lam, b, c, float(rng.normal())


@check("hold")
def against_the_matrix_exponential(hold):
    """20 random modes against ls.discretize"""
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b, step = complex(*rng.normal(size=2)), complex(*rng.normal(size=2)), rng.uniform(0.01, 2)
        A = np.array([[a.real, -a.imag], [a.imag, a.real]])
        A_bar, B_bar = ls.discretize(A, np.array([b.real, b.imag]), step, "zoh")
        B_bar = np.ravel(B_bar)
        a_bar, b_bar = hold(a, b, step)
        close(a_bar, A_bar[0, 0] + 1j * A_bar[1, 0], 1e-9, "a_bar = exp(a step)")
        close(b_bar, B_bar[0] + 1j * B_bar[1], 1e-9, "b_bar = b (exp(a step) - 1) / a: held, not Euler")


@check("hold")
def an_integrator(hold):
    """a = 0 exactly"""
    a_bar, b_bar = hold(0.0, 2.0, 0.25)
    close(a_bar, 1.0, 1e-12, "an integrator keeps its state")
    close(b_bar, 0.5, 1e-12, "for a = 0 the limit of (exp(a step) - 1) / a is the step")


@check("hold")
def slow_modes(hold):
    """modes so slow that exp(a step) - 1 cancels"""
    for a in (-1e-9, -1e-9 + 1e-9j, 1e-12j):
        z = a * 0.1
        close(hold(a, 1.0, 0.1)[1], 0.1 * (1 + z / 2 + z * z / 6), 1e-13, f"a = {a}: use expm1, which does not cancel")


@check("kernel")
def impulse_responses(kernel):
    """random banks against simulated impulse responses"""
    for seed in range(5):
        lam, b, c, d = _bank(seed)
        G = ls.StateSpace.from_modes(lam, b[:, None], c[None], [[d]], conjugate_pairs=True)
        want = G.simulate(np.eye(40)[0]).ravel()
        close(
            kernel(lam, b, c, d, 40), want, 1e-9, "K[0] = d and K[l] = 2 Re(sum c lam^(l-1) b): is it delayed by one?"
        )


@check("kernel")
def it_is_real(kernel):
    """the kernel is a real array, also of length one"""
    lam, b, c, d = _bank(7)
    K = np.asarray(kernel(lam, b, c, d, 1))
    assert not np.iscomplexobj(K), "the kernel of a real system is real: take 2 Re(...)"
    close(K, [d], 1e-12, "a kernel of length one is the direct term")


@check("convolve")
def no_wrap_around(convolve):
    """random signals of even, odd and prime length"""
    rng = np.random.default_rng(1)
    for length in (1, 2, 64, 101, 300):
        K, u = rng.normal(size=(2, length))
        close(
            convolve(K, u),
            np.convolve(K, u)[:length],
            1e-9,
            "pad to 2 T: the FFT of length T is a circular convolution",
        )


@check("convolve")
def in_log_time(convolve):
    """200 000 samples, which the double loop would not do"""
    rng = np.random.default_rng(2)
    K, u = 0.999 ** np.arange(200_000), rng.normal(size=200_000)
    y = np.asarray(convolve(K, u))
    want = sum(K[100_000 - i] * u[i] for i in range(100_001))
    close(y[100_000], want, 1e-8, "sample 100 000 of a long convolution")


@check("compose")
def prefixes_of_a_loop(compose):
    """100 random maps, grouped as a loop and as a tree"""
    rng = np.random.default_rng(3)
    maps = [(rng.normal(), rng.normal()) for _ in range(100)]
    x = 0.7
    for a, v in maps:
        x = a * x + v

    def tree(part):
        middle = len(part) // 2
        return part[0] if len(part) == 1 else compose(tree(part[:middle]), tree(part[middle:]))

    a, v = tree(maps)
    close(a * 0.7 + v, x, 1e-7, "the first map is done first: (a2 a1, a2 v1 + v2)")


@check("compose")
def forgetting_maps(compose):
    """maps with a = 0 (a reset) and long products that underflow"""
    close(
        compose((0.0, 1.0), (0.5, 2.0)),
        (0.0, 2.5),
        1e-12,
        "after a reset to 1 the second map gives 0.5 * 1 + 2; do you divide by a?",
    )
    close(compose((3.0, 1.0), (0.0, 2.0)), (0.0, 2.0), 1e-12, "a reset forgets what was before; do you divide by a?")
    pair = (0.5, 1.0)
    for _ in range(3000):
        pair = compose(pair, (0.5, 1.0))
    close(pair[1], 2.0, 1e-12, "x -> x / 2 + 1, many times, ends at 2")


@check("compose")
def elementwise(compose):
    """many modes at once"""
    a, v = compose((np.array([0.5, 1j]), np.zeros(2)), (np.array([2.0, 1j]), np.ones(2)))
    close(a, [1.0, -1.0], 1e-12, "for arrays the map acts on every mode by itself: no matrix product")
    close(v, [1.0, 1.0], 1e-12, "for arrays the map acts on every mode by itself")


@check("real_form")
def same_response(real_form):
    """random modes against the frequency response of the pair"""
    omega = np.linspace(0, np.pi, 9)
    for seed in range(5):
        (lam,), (b,), (c,), d = _bank(seed, 1)
        G = ls.StateSpace(*real_form(lam, b, c, d))
        z = np.exp(1j * omega)
        want = c * b / (z - lam) + np.conj(c * b) / (z - np.conj(lam)) + d
        close(G.frequency_response(omega)[:, 0, 0], want, 1e-9, "y = 2 Re(c x): the factor 2, and minus Im c on Im x")


@check("real_form")
def shapes(real_form):
    """real arrays of the shapes that a StateSpace takes"""
    got = [np.asarray(M) for M in real_form(0.5 + 0.1j, 1.0, 1.0, 0.0)]
    assert [M.shape for M in got] == [(2, 2), (2, 1), (1, 2), (1, 1)], f"the shapes are {[M.shape for M in got]}"
    assert not any(np.iscomplexobj(M) for M in got), "all four are real"
