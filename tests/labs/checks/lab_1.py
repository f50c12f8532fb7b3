"""Hidden checks of lab 1: gains of modes, grids, transients."""

from __future__ import annotations

import numpy as np

import l2ssm as ls
from l2ssm.labs.checking import check, close

HALF_STEP = (
    "the unlucky pole lies half a step away from the two nearest points; compare the truth 1/(1-r) with what those show"
)


@check("mode_gain")
def stable_modes(mode_gain):
    """complex poles of any modulus and angle"""
    for lam, b, c in ((0.3 - 0.4j, 1 + 1j, 2.0), (-0.99, 1.0, 0.5), (0.9999 * np.exp(2j), 3j, -1.0), (0.0, 2.0, 2.0)):
        close(
            mode_gain(lam, b, c),
            abs(b * c) / (1 - abs(lam)),
            1e-9,
            "the gain is |c b| / (1 - |lambda|), at the angle of the pole",
        )


@check("mode_gain")
def many_modes_against_the_norm(mode_gain):
    """50 random modes against the bracket of l2ssm"""
    rng = np.random.default_rng(0)
    for _ in range(50):
        lam = (1 - 10 ** rng.uniform(-5, 0)) * np.exp(1j * rng.uniform(0, np.pi))
        real = np.array([[lam.real, -lam.imag], [lam.imag, lam.real]])  # the complex mode as a 2 by 2 real system
        lower, upper, _ = ls.StateSpace(real, np.eye(2), np.eye(2), np.zeros((2, 2))).hinf()
        got = mode_gain(lam, 1.0, 1.0)
        close(got, 0.5 * (lower + upper), 1e-5, f"the mode lambda = {lam:.5f}, b = c = 1")


@check("mode_gain")
def unstable_modes(mode_gain):
    """poles on and outside the unit circle"""
    for lam in (1.0, -1.2, 1j, 2 + 2j):
        got = mode_gain(lam, 1.0, 1.0)
        assert got == np.inf, f"lambda = {lam} is not inside the unit circle: the gain is infinite, got {got}"


@check("grid_loss")
def the_formula(grid_loss):
    """moduli and grid sizes against a search over angles"""
    for r, points in ((0.5, 5), (0.9, 40), (0.99, 150)):
        delta = np.pi / (2 * (points - 1))
        close(grid_loss(r, points), abs(np.exp(1j * delta) - r) / (1 - r), 1e-6, HALF_STEP)


@check("grid_loss")
def close_to_the_circle(grid_loss):
    """the loss grows without bound as r tends to 1"""
    close(grid_loss(1 - 2e-5, 150), abs(np.exp(1j * np.pi / 298) - 1 + 2e-5) / 2e-5, 1e-4, HALF_STEP)


@check("grid_loss")
def never_below_one(grid_loss):
    """a static mode loses nothing"""
    close(grid_loss(0.0, 10), 1.0, 1e-9, "with r = 0 the response has the same modulus everywhere")


def _random_system(rng, modes):
    lam = (1 - 10 ** rng.uniform(-6, -0.3, modes)) * np.exp(1j * rng.uniform(0, np.pi, modes))
    b, c = rng.normal(size=(2, modes, 2)) @ [1, 1j]
    return ls.StateSpace.from_modes(lam, b[:, None] * (1 - abs(lam[:, None])), c[None], [[0.1]], conjugate_pairs=True)


def _shown(pole_grid, G):
    grid = np.ravel(np.asarray(pole_grid(G.poles()), dtype=float))
    assert grid.size <= 20 * G.n_x, f"{grid.size} frequencies for {G.n_x} poles, at most {20 * G.n_x}"
    assert np.all((grid >= 0) & (grid <= np.pi)), "some frequencies are outside [0, pi]"
    return np.max(np.abs(G.frequency_response(grid)))


@check("pole_grid")
def sharp_resonances(pole_grid):
    """20 random systems with gaps from 0.5 down to 1e-6"""
    rng = np.random.default_rng(1)
    for _ in range(20):
        G = _random_system(rng, 4)
        shown, norm = _shown(pole_grid, G), G.hinf().lower
        assert shown >= 0.99 * norm, (
            f"poles {np.round(G.poles(), 6)}: the grid shows {shown:.5g} of {norm:.5g}; put points at the angle of "
            "every pole and at a few multiples of its half-power band 1 - |lambda| beside it"
        )


@check("pole_grid")
def real_poles(pole_grid):
    """poles on the real axis have their peaks at 0 and pi"""
    for pole in (0.999, -0.999):
        G = ls.StateSpace([[pole]], [[1.0]], [[1.0]], [[0.0]])
        close(_shown(pole_grid, G), 1000.0, 1e-2, f"the pole {pole} peaks at an end of [0, pi]")


@check("growing")
def a_thousandfold(growing):
    """targets from 10 to 100 000"""
    for target in (10.0, 1e3, 1e5):
        A = np.asarray(growing(target), dtype=float)
        assert A.shape == (2, 2), f"shape {A.shape}, expected (2, 2)"
        radius = np.max(np.abs(np.linalg.eigvals(A)))
        assert radius <= 0.9 + 1e-6, f"target {target:g}: the spectral radius is {radius:.4g}, more than 0.9"
        peak = max(np.linalg.norm(np.linalg.matrix_power(A, k), 2) for k in range(200))
        assert peak >= target, f"target {target:g}: the powers reach only {peak:.4g}; what does the coupling do?"


@check("transient_bound")
def it_is_a_bound(transient_bound):
    """100 random Schur matrices"""
    rng = np.random.default_rng(2)
    for _ in range(100):
        A = rng.normal(size=(4, 4))
        A *= rng.uniform(0.3, 0.98) / np.max(np.abs(np.linalg.eigvals(A)))
        truth = max(np.linalg.norm(np.linalg.matrix_power(A, k), 2) for k in range(200))
        bound = transient_bound(A)
        assert bound >= truth * (1 - 1e-9), f"the powers of\n{A}\nreach {truth:.4g}, your bound is {bound:.4g}"


@check("transient_bound")
def it_is_that_of_the_theorem(transient_bound):
    """the value of the theorem with Q = I, for a matrix that is not symmetric"""
    A = np.array([[0.5, 0.3, 0.0], [0.0, 0.4, 0.9], [0.0, 0.0, 0.2]])
    P = np.eye(3)
    for _ in range(200):
        P = np.eye(3) + A.T @ P @ A
    low, *_, high = np.linalg.eigvalsh(P)
    close(transient_bound(A), np.sqrt(high / low), 1e-6, "P = I + A'PA; with A P A' instead the bound is about A'")


@check("transient_bound")
def not_schur(transient_bound):
    """no bound where a power grows for ever"""
    for A in (np.diag([0.5, 1.1]), np.array([[0.0, 1.05], [-1.05, 0.0]]), np.array([[1.2]])):
        got = transient_bound(A)
        assert got == np.inf, f"A = {A.tolist()} is not Schur, got {got}: solve_discrete_lyapunov answers all the same"
