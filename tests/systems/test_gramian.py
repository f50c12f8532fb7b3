"""Gramians and Hankel singular values: series, Lyapunov equation, python-control, closed forms, energies."""

from __future__ import annotations

import control
import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov

from l2ssm.errors import RealizationError
from l2ssm.systems.gramian import controllability_gramian, hankel_singular_values, observability_gramian
from l2ssm.systems.hinf import hinf
from l2ssm.systems.state_space import StateSpace

SEEDS = [pytest.param(seed, marks=[pytest.mark.slow] if seed >= 20 else []) for seed in range(200)]


def _mixed() -> StateSpace:
    """Real poles, a pair and a delay in one block diagonal A."""
    A = np.diag([0.9, 0.0, 0.0, -0.5, 0.0])
    A[1:3, 1:3] = [[0.4, -0.7], [0.7, 0.4]]
    rng = np.random.default_rng(1)
    return StateSpace(A, rng.normal(size=(5, 2)), rng.normal(size=(3, 5)), np.zeros((3, 2)))


@pytest.mark.parametrize("seed", SEEDS)
def test_against_lyapunov_equations(seed: int, modal, dense) -> None:
    for G in (modal(seed, 5, 2, 3), dense(seed, 7, 2, 3), _mixed()):
        Wc, Wo = controllability_gramian(G), observability_gramian(G)
        for W, F, Q in ((Wc, G.A, G.B @ G.B.T), (Wo, G.A.T, G.C.T @ G.C)):
            np.testing.assert_allclose(W, solve_discrete_lyapunov(F, Q), rtol=0, atol=1e-10 * np.abs(W).max())
            np.testing.assert_allclose(F @ W @ F.T - W + Q, 0, atol=1e-11 * np.abs(W).max())
            np.testing.assert_array_equal(W, W.T)
            assert np.linalg.eigvalsh(W)[0] >= -1e-12 * np.abs(W).max()


def test_against_the_defining_series(modal) -> None:
    G = modal(0, 3, 2, 2, gap=0.3)
    Wc = sum(np.linalg.matrix_power(G.A, t) @ G.B @ G.B.T @ np.linalg.matrix_power(G.A.T, t) for t in range(200))
    np.testing.assert_allclose(controllability_gramian(G), Wc, rtol=0, atol=1e-12)


def test_against_control_where_it_can(dense) -> None:
    """python-control's discrete Gramians need slycot; its Lyapunov solver does not."""
    G = dense(2, 6, 2, 2)
    np.testing.assert_allclose(controllability_gramian(G), control.dlyap(G.A, G.B @ G.B.T), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9])
def test_slow_first_order_closed_form(gap: float) -> None:
    a = 1 - gap
    G = StateSpace([[a]], [[2.0]], [[3.0]], [[0.0]])
    want = 1 / ((1 - a) * (1 + a))  # 1 - a is exact
    assert controllability_gramian(G)[0, 0] == pytest.approx(4 * want, rel=1e-14)
    assert observability_gramian(G)[0, 0] == pytest.approx(9 * want, rel=1e-14)
    assert hankel_singular_values(G)[0] == pytest.approx(6 * want, rel=1e-14)


@pytest.mark.parametrize("seed", range(10))
def test_hankel_singular_values_do_not_depend_on_coordinates(seed: int, modal) -> None:
    G = modal(seed, 4, 2, 2)
    S = np.random.default_rng(seed).normal(size=(8, 8)) + 3 * np.eye(8)
    moved = StateSpace(S @ G.A @ np.linalg.inv(S), S @ G.B, G.C @ np.linalg.inv(S), G.D)
    sigma = hankel_singular_values(G)
    np.testing.assert_allclose(hankel_singular_values(moved), sigma, rtol=0, atol=1e-7 * sigma[0])
    product = np.linalg.eigvals(controllability_gramian(G) @ observability_gramian(G))
    np.testing.assert_allclose(sigma, np.sqrt(np.sort(np.abs(product))[::-1]), rtol=0, atol=1e-7 * sigma[0])


@pytest.mark.parametrize("seed", range(10))
def test_hankel_norm_bounds(seed: int, modal) -> None:
    """sigma_1 <= ||G - D||_inf <= 2 sum sigma_i (Glover 1984)."""
    G = modal(seed, 4, 2, 3, 1e-3)
    strictly_proper = StateSpace(G.A, G.B, G.C, np.zeros_like(G.D))
    lower, upper, _ = hinf(strictly_proper)
    sigma = hankel_singular_values(G)
    assert sigma[0] <= upper
    assert lower <= 2 * sigma.sum()


def test_observability_gramian_is_the_output_energy(dense) -> None:
    G = dense(3, 5, 1, 2, radius=0.8)
    x0 = np.random.default_rng(0).normal(size=5)
    energy = np.sum(G.simulate(np.zeros((400, 1)), x0) ** 2)
    assert x0 @ observability_gramian(G) @ x0 == pytest.approx(energy, rel=1e-10)


def test_delay_chain_and_static() -> None:
    n = 4
    G = StateSpace(np.eye(n, k=-1), np.eye(n)[:, :1], np.eye(n)[-1:], [[0.0]])
    np.testing.assert_allclose(controllability_gramian(G), np.eye(n), atol=1e-14)
    np.testing.assert_allclose(hankel_singular_values(G), np.ones(n), atol=1e-14)
    static = StateSpace(np.zeros((0, 0)), np.zeros((0, 2)), np.zeros((1, 0)), [[1.0, 2.0]])
    assert controllability_gramian(static).shape == (0, 0)
    assert hankel_singular_values(static).shape == (0,)


@pytest.mark.parametrize("a", [1.0, -1.0, 1.1])
def test_unstable_systems_are_refused(a: float) -> None:
    G = StateSpace([[a]], [[1.0]], [[1.0]], [[0.0]])
    for function in (controllability_gramian, observability_gramian, hankel_singular_values):
        with pytest.raises(RealizationError, match=f"spectral radius is {abs(a):.17g}"):
            function(G)
