"""Hidden checks of lab 8: Hankel singular values, truncation, steps, loops."""

from __future__ import annotations

import numpy as np

import l2ssm as ls
from l2ssm.labs.checking import check, close
from l2ssm.systems.gramian import hankel_singular_values
from l2ssm.systems.truncation import difference


def _system(seed, n_x=6, n_u=2, n_y=2, radius=0.95):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(n_x, n_x))
    A *= radius / np.max(np.abs(np.linalg.eigvals(A)))
    return ls.StateSpace(A, rng.normal(size=(n_x, n_u)), rng.normal(size=(n_y, n_x)), rng.normal(size=(n_y, n_u)))


@check("hankel")
def random_systems(hankel):
    """systems with several channels, largest first"""
    for seed in range(5):
        G = _system(seed)
        got = hankel(G.A, G.B, G.C)
        close(
            got,
            hankel_singular_values(G),
            1e-6,
            "roots of the eigenvalues of W_c W_o, largest first; which Gramian takes A transposed?",
        )


@check("hankel")
def unreachable_states(hankel):
    """a state that no input reaches counts zero, not NaN"""
    got = np.asarray(hankel(np.diag([0.9, 0.5, 0.2]), np.array([[1.0], [0.0], [1e-9]]), np.array([[1.0, 1.0, 1.0]])))
    assert np.isfinite(got).all(), f"got {got}: rounding makes an eigenvalue slightly negative, clip it at 0"
    close(got[0], 1 / 0.19, 1e-6, "the reachable state with pole 0.9 has 1 / (1 - 0.81)")


@check("order_for")
def guarantees(order_for):
    """random values against the definition"""
    rng = np.random.default_rng(0)
    for _ in range(30):
        sigma = np.sort(rng.exponential(size=8))[::-1]
        tolerance = 2 * sigma.sum() * rng.uniform(0, 1)
        want = next(r for r in range(9) if 2 * sigma[r:].sum() <= tolerance)
        got = order_for(sigma.tolist(), tolerance)
        assert got == want, f"got {got}, expected {want}: the bound is twice the sum of ALL that are left out"


@check("order_for")
def extremes(order_for):
    """everything or nothing"""
    assert order_for([1.0, 0.5], 3.0) == 0, "2 (1 + 0.5) = 3: no state is needed"
    assert order_for([1.0, 0.5], 0.0) == 2, "tolerance 0: all states are needed"


@check("truncate")
def within_the_bound(truncate):
    """five systems, every order"""
    for seed in range(5):
        G = _system(seed)
        sigma = hankel_singular_values(G)
        for r in (1, 3, 5):
            small = truncate(G, r)
            assert small.n_x == r, f"{small.n_x} states, {r} are asked"
            bound = 2 * sigma[r:].sum()
            found = difference(G, small).hinf().lower
            assert found <= bound * (1 + 1e-6), (
                f"order {r}: the error is {found:.4g}, the theorem promises {bound:.4g}; balance before you cut"
            )


@check("truncate")
def all_states(truncate):
    """nothing cut, nothing changed"""
    G = _system(7)
    found = difference(G, truncate(G, 6)).hinf().lower
    assert found <= 1e-6 * G.hinf().lower, f"with all states the error should be 0, it is {found:.3g}"


@check("make_step")
def equals_the_run(make_step):
    """two inputs, two outputs, float64"""
    G = _system(1)
    u = np.random.default_rng(1).normal(size=(80, 2))
    step = make_step(G, np.float64)
    y = np.array([np.array(step(sample)) for sample in u])
    close(
        y,
        G.simulate(u),
        1e-9,
        "y = C x + D u with the state before the update, the same state object from step to step",
    )


@check("make_step")
def single_precision(make_step):
    """everything in float32"""
    G = _system(2)
    u = np.random.default_rng(2).normal(size=(80, 2))
    step = make_step(G, np.float32)
    y = np.array([np.array(step(sample)) for sample in u])
    assert y.dtype == np.float32, f"the outputs are {y.dtype}"
    size = np.abs(G.simulate(u)).max()
    off = np.abs(y - G.simulate(u)).max() / size
    assert off < 1e-4, f"relative error {off:.1e}: more than rounding"
    assert off > 1e-9, "no rounding at all: is the state kept in float64?"


@check("make_step")
def states_of_their_own(make_step):
    """two controllers made from one system"""
    G = _system(3)
    u = np.random.default_rng(3).normal(size=(20, 2))
    first, second = make_step(G, np.float64), make_step(G, np.float64)
    got = []
    for sample in u:
        got.append(np.array(first(sample)))
        second(100 * sample)
    close(np.array(got), G.simulate(u), 1e-9, "two steps share a state: make the state inside the function")


@check("loop_bounds")
def against_the_package(loop_bounds):
    """the numbers of ls.small_gain"""
    one = ls.certify(ls.StateSpace([[0.5]], [[0.3]], [[1.0]], [[0.0]]), lower=False)
    two = ls.certify(ls.StateSpace([[0.2]], [[0.9]], [[1.0]], [[0.0]]), lower=False)
    want = ls.small_gain(one, two).outputs
    close(loop_bounds(one.gamma, two.gamma), want, 1e-9, "rows are outputs, columns inputs; p = g1 g2")


@check("loop_bounds")
def says_nothing(loop_bounds):
    """p at and above one"""
    for g1, g2 in ((1.0, 1.0), (3.0, 2.0)):
        got = np.asarray(loop_bounds(g1, g2), dtype=float)
        assert np.all(np.isposinf(got)), (
            f"g1 g2 = {g1 * g2}: the theorem does not apply, every bound is inf, got {got.tolist()}"
        )


@check("still_safe")
def triangle_inequality(still_safe):
    """the error adds to the gain"""
    for g, error, g2, want in (
        (1.0, 0.0, 0.5, True),
        (1.0, 0.9, 0.5, True),
        (1.0, 1.0, 0.5, False),
        (0.1, 5.0, 0.5, False),
    ):
        got = still_safe(g, error, g2)
        assert bool(got) is want, (
            f"gains {g} + {error} and {g2}: got {got}; the true gain may be the sum of both, and p < 1 is needed"
        )


@check("still_safe")
def fails_closed(still_safe):
    """an unknown error is no guarantee"""
    assert not still_safe(0.1, np.nan, 0.1), "an error of NaN: write the comparison so that NaN is refused"
