"""Balanced truncation against a textbook computation, its error bound, and the exactness of what it hands on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import linalg

from l2ssm.errors import OptionError, RealizationError
from l2ssm.systems.gramian import hankel_singular_values
from l2ssm.systems.state_space import StateSpace
from l2ssm.systems.truncation import balanced_truncation, difference


def plant(n: int, m: int, p: int, seed: int) -> StateSpace:
    """A dense stable system with time constants spread over two decades."""
    rng = np.random.default_rng(seed)
    lam = np.exp(-(10.0 ** rng.uniform(-2.5, 0.0, n // 2)) + 1j * rng.uniform(0, 2.5, n // 2))
    blocks = [np.array([[z.real, -z.imag], [z.imag, z.real]]) for z in lam]
    A = linalg.block_diag(*blocks, *(rng.uniform(-0.9, 0.99) for _ in range(n % 2)))
    T = rng.standard_normal((n, n))
    B, C = rng.standard_normal((n, m)), rng.standard_normal((p, n))
    return StateSpace(np.linalg.solve(T, A @ T), B, C, rng.standard_normal((p, m)), 0.5)


def worst_gain(G: StateSpace, H: StateSpace) -> float:
    """sup |G - H| on a dense grid, by the definition of the transfer function."""
    z = np.exp(1j * np.concatenate([np.linspace(0, np.pi, 2000), np.geomspace(1e-5, 1, 1000)]))
    return float(np.linalg.svd(transfer(G, z) - transfer(H, z), compute_uv=False).max())


def transfer(G: StateSpace, z: np.ndarray) -> np.ndarray:
    return G.C @ np.linalg.solve(z[:, None, None] * np.eye(G.n_x) - G.A, G.B[None]) + G.D


@pytest.mark.parametrize(("n", "m", "p"), [(7, 1, 1), (8, 2, 3), (9, 3, 2)])
def test_the_error_is_between_the_next_singular_value_and_the_bound(n, m, p):
    G = plant(n, m, p, seed=n)
    hankel = hankel_singular_values(G)
    for order in range(n):
        reduced = balanced_truncation(G, order=order)
        H = reduced.G
        assert H.n_x == order
        assert H.is_schur()
        np.testing.assert_array_equal(H.D, G.D)
        np.testing.assert_allclose(reduced.hankel, hankel, rtol=1e-6)
        error = worst_gain(G, H)
        assert error <= 2 * hankel[order:].sum() * (1 + 1e-6)
        assert error >= hankel[order] * (1 - 1e-2)  # the grid may miss the peak by a little
        bracket = difference(G, H).hinf()
        assert bracket.lower * (1 - 1e-2) <= error <= bracket.upper * (1 + 1e-6)


def test_the_reduced_system_is_that_of_a_textbook_implementation():
    """Against the balanced realization by a Cholesky factor and an eigenvalue problem."""
    G = plant(6, 1, 1, seed=5)
    Lc = np.linalg.cholesky(linalg.solve_discrete_lyapunov(G.A, G.B @ G.B.T))
    values, vectors = np.linalg.eigh(Lc.T @ linalg.solve_discrete_lyapunov(G.A.T, G.C.T @ G.C) @ Lc)
    values, vectors = values[::-1], vectors[:, ::-1]
    T = Lc @ vectors * values**-0.25
    A, B, C = np.linalg.solve(T, G.A @ T)[:3, :3], np.linalg.solve(T, G.B)[:3], (G.C @ T)[:, :3]
    H = balanced_truncation(G, order=3).G
    z = np.exp(1j * np.linspace(0, np.pi, 7))
    np.testing.assert_allclose(transfer(H, z), transfer(StateSpace(A, B, C, G.D, G.dt), z), rtol=1e-8)


def test_blocks_are_diagonal_and_the_state_map_is_that_of_the_states():
    """From the zero state with the same input, project x follows the reduced state where nothing is left out."""
    G = plant(8, 2, 2, seed=1)
    G2 = StateSpace(  # twice the same system in parallel: half of the states are not needed
        linalg.block_diag(G.A, G.A), np.vstack([G.B, G.B]), np.hstack([G.C, G.C]), G.D, G.dt
    )
    reduced = balanced_truncation(G2, order=16)
    assert reduced.G.n_x == 8
    assert reduced.G.modes is not None
    u = np.random.default_rng(0).standard_normal((200, 2))
    x, z = G2.states(u), reduced.G.states(u)
    np.testing.assert_allclose(x @ reduced.project.T, z, rtol=0, atol=1e-8 * np.abs(z).max())
    np.testing.assert_allclose(G2.simulate(u), reduced.G.simulate(u), rtol=0, atol=1e-8)


@pytest.mark.parametrize("G", [plant(9, 2, 2, seed=11), plant(12, 1, 1, seed=12)])
@pytest.mark.parametrize("relative", [0.7, 0.4, 0.2, 0.1, 1e-2, 1e-3, 1e-5, None])
def test_a_tolerance_is_kept_by_the_fewest_states(G, relative):
    """None: just below the smallest Hankel singular value, so that every state is needed."""
    limit = relative * G.hinf().lower if relative else 0.8 * hankel_singular_values(G)[-1]
    order = balanced_truncation(G, tolerance=limit).G.n_x
    assert worst_gain(G, balanced_truncation(G, order=order).G) <= limit * (1 + 1e-6)
    if order:
        assert worst_gain(G, balanced_truncation(G, order=order - 1).G) > limit * (1 - 1e-3)


def test_a_system_that_cannot_be_made_diagonal_stays_dense():
    """Three equal poles in a row: a balanced system with (nearly) repeated poles."""
    G = StateSpace(0.5 * np.eye(3) + 0.5 * np.eye(3, k=1), [[0.0], [0.0], [1.0]], [[1.0, 0.0, 0.0]], [[0.0]])
    reduced = balanced_truncation(G, order=3)
    assert worst_gain(G, reduced.G) < 1e-6


def test_difference_keeps_every_number():
    G, H = plant(4, 2, 1, seed=0), plant(3, 2, 1, seed=1)
    H = StateSpace(H.A, H.B, H.C, G.D, G.dt)
    E = difference(G, H, 0.25)
    assert (E.n_x, E.n_u, E.n_y) == (7, 2, 3)
    u = np.random.default_rng(0).standard_normal((50, 2))
    np.testing.assert_allclose(E.simulate(u), np.hstack([G.simulate(u) - H.simulate(u), 0.25 * u]), atol=1e-12)
    assert {*np.abs(E.C).ravel()} <= {0.0, *np.abs(G.C).ravel(), *np.abs(H.C).ravel()}
    with pytest.raises(OptionError, match="differ in channels, D or dt"):
        difference(G, plant(3, 2, 1, seed=1))


def test_what_is_refused():
    with pytest.raises(OptionError, match="expected one of the two"):
        balanced_truncation(plant(4, 1, 1, 0))
    with pytest.raises(RealizationError, match="Schur stable"):
        balanced_truncation(StateSpace([[1.0]], [[1.0]], [[1.0]], [[0.0]]), order=1)
