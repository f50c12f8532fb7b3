"""Hidden checks of lab 4: initial states, ragged records, honest bands, best linear approximations."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

import l2ssm as ls
from l2ssm.labs.checking import check, close


def _coloured(rng, a, shape):
    w = rng.normal(size=shape)
    w[..., 1:] *= np.sqrt(1 - a**2)
    return lfilter([1.0], [1.0, -a], w)


def _system(seed, n_u=1, n_y=1):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(3, 3))
    A *= 0.95 / np.max(np.abs(np.linalg.eigvals(A)))
    return ls.StateSpace(A, rng.normal(size=(3, n_u)), rng.normal(size=(n_y, 3)), rng.normal(size=(n_y, n_u)))


@check("initial_state")
def without_noise(initial_state):
    """systems with several channels and a direct term"""
    rng = np.random.default_rng(0)
    for seed in range(4):
        G = _system(seed, 2, 2)
        x0, u = rng.normal(size=3), rng.normal(size=(25, 2))
        close(
            initial_state(G, u, G.simulate(u, x0)),
            x0,
            1e-6,
            "the state before the first sample; the response to u has to be taken out first",
        )


@check("initial_state")
def least_squares(initial_state):
    """with noise, the residual is orthogonal to the free responses"""
    rng = np.random.default_rng(1)
    G = _system(5)
    u = rng.normal(size=(40, 1))
    y = G.simulate(u, [1.0, 0.0, -1.0]) + 0.3 * rng.normal(size=(40, 1))
    O = np.concatenate([G.C @ np.linalg.matrix_power(G.A, k) for k in range(40)])
    want = np.linalg.lstsq(O, (y - G.simulate(u)).ravel(), rcond=None)[0]
    close(initial_state(G, u, y), want, 1e-6, "use all the samples, in least squares")


@check("pooled_nrmse")
def ragged(pooled_nrmse):
    """three records of different length, with samples that are not scored"""
    rng = np.random.default_rng(2)
    records = [
        (rng.normal(size=T) + 3 * i, rng.normal(size=T), n) for i, (T, n) in enumerate(((20, 5), (300, 0), (77, 10)))
    ]
    e = np.concatenate([(y - s)[n:] for y, s, n in records])
    y = np.concatenate([y[n:] for y, _, n in records])
    want = np.sqrt(np.mean(e**2)) / np.std(y)
    close(
        pooled_nrmse(records),
        want,
        1e-9,
        "all scored errors together over the standard deviation of all scored y together",
    )


@check("pooled_nrmse")
def perfect_start(pooled_nrmse):
    """what is before n_init does not count"""
    y = np.array([100.0, 1.0, -1.0, 1.0, -1.0])
    close(pooled_nrmse([(y, y * 0, 1)]), 1.0, 1e-9, "the first n_init samples are not scored, neither in e nor in y")


@check("band")
def first_order_processes(band):
    """colours from white to 0.95, also of opposite sign"""
    rng = np.random.default_rng(3)
    for a, c in ((0.0, 0.9), (0.8, 0.8), (0.95, 0.9), (0.7, -0.7)):
        u, e = _coloured(rng, a, 40000), _coloured(rng, c, 40000)
        want = 1.96 * np.sqrt((1 + a * c) / (1 - a * c) / 40000)
        close(
            band(u, e, 80),
            want,
            0.2,
            f"first-order processes with {a} and {c}: S = (1 + ac)/(1 - ac); both signs of k, and no absolute values",
        )


@check("band")
def offsets_and_scales(band):
    """means and units do not matter"""
    rng = np.random.default_rng(4)
    u, e = _coloured(rng, 0.6, 3000), _coloured(rng, 0.6, 3000)
    close(band(100 + 5 * u, 7 - 0.1 * e, 30), band(u, e, 30), 1e-6, "centre the signals and normalise: rho(0) = 1")


@check("band")
def false_alarms(band):
    """independent coloured signals leave the band in about 5 % of runs"""
    rng = np.random.default_rng(5)
    alarms = 0
    for _ in range(300):
        u, e = _coloured(rng, 0.9, 600), _coloured(rng, 0.9, 600)
        r = np.mean((u - u.mean()) * (e - e.mean())) / (u.std() * e.std())
        alarms += abs(r) > band(u, e, 40)
    assert 2 <= alarms <= 45, f"{alarms} alarms in 300 runs of independent signals, about 15 are right"


@check("linear_gain")
def known_gains(linear_gain):
    """polynomials, a sine, a saturation"""
    for f, sigma, want in (
        (lambda u: u**3, 2.0, 12.0),
        (lambda u: u**5, 0.7, 15 * 0.7**4),
        (lambda u: np.sin(u), 1.5, np.exp(-(1.5**2) / 2)),
        (lambda u: 4.0 + u**2, 1.0, 0.0),
    ):
        close(
            linear_gain(f, sigma),
            want,
            1e-6,
            f"E[u f(u)] / sigma^2 at sigma = {sigma}; its derivative-free form, to 1e-6",
            atol=1e-6,
        )


@check("linear_gain")
def it_depends_on_the_level(linear_gain):
    """a saturation: 1 for small signals, sqrt(2/pi)/sigma for large ones"""
    close(linear_gain(np.tanh, 1e-3), 1.0, 1e-5, "for small signals the gain is the slope at 0")
    x = np.linspace(-12, 12, 200_001)
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    want = np.sum(x * np.tanh(2 * x) * density) * (x[1] - x[0]) / 2
    close(linear_gain(np.tanh, 2.0), want, 1e-5, "tanh at level 2: enough nodes?")


@check("split")
def simulated(split):
    """noise and distortion of known size, 2000 realizations"""
    rng = np.random.default_rng(6)
    M, P, F = 2000, 4, 3

    def draw(*shape):
        return (rng.normal(size=(*shape, 2)) @ [1, 1j]) / np.sqrt(2)

    Y = 5.0 + 0.5 * draw(M, 1, F) + 2.0 * draw(M, P, F)
    noise, distortion = split(Y)
    close(noise, np.full(F, 4.0), 0.15, "variance over periods, of a single period, averaged over realizations")
    close(distortion, np.full(F, 0.25), 0.4, "subtract noise / P: means over P periods still have noise")


@check("split")
def exactly(split):
    """the formula on a small example"""
    rng = np.random.default_rng(7)
    Y = rng.normal(size=(5, 3, 4)) + 1j * rng.normal(size=(5, 3, 4))
    want_noise = np.mean(np.var(Y, axis=1, ddof=1), axis=0)
    want = np.maximum(np.var(np.mean(Y, axis=1), axis=0, ddof=1) - want_noise / 3, 0)
    noise, distortion = split(Y)
    close(noise, want_noise, 1e-9, "ddof = 1 over the periods, then the mean over realizations")
    close(
        distortion,
        want,
        1e-9,
        "variance over realizations (ddof = 1) of the period means, minus noise / P, not below 0",
    )
