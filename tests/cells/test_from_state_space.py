"""A bounded cell that starts at a given system is that system; what a class does not contain is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from l2ssm.cells import BOUNDED_CELLS, L2RU, LRU, Bounded, Contraction, ContractionDense, L2RUDiagonal
from l2ssm.cells.l2ru import inverse_cayley
from l2ssm.errors import RealizationError
from l2ssm.parametrizations.l2ru import cayley
from l2ssm.systems.state_space import StateSpace

SIZES = [(4, 4, 4), (4, 1, 1), (4, 3, 2), (5, 2, 7), (3, 1, 4)]
OMEGA = np.concatenate([np.linspace(0, np.pi, 100), np.geomspace(1e-5, 1, 50)])


def random_system(seed, size=None):
    """Dense A of spectral radius 0.5 .. 0.999."""
    rng = np.random.default_rng(seed)
    n, m, p = size or SIZES[seed % len(SIZES)]
    A = rng.standard_normal((n, n))
    A *= rng.choice([0.5, 0.95, 0.999]) / np.abs(np.linalg.eigvals(A)).max()
    return StateSpace(A, rng.standard_normal((n, m)), rng.standard_normal((p, n)), rng.standard_normal((p, m)))


def distance(G, H):
    return np.abs(G.frequency_response(OMEGA) - H.frequency_response(OMEGA)).max() / G.hinf().lower


@pytest.mark.parametrize("cls", [Bounded, ContractionDense, L2RU])
@pytest.mark.parametrize("use", [0.3, 0.9, 0.999])
def test_complete_classes_hold_every_system(cls, use):
    for seed in range(15):
        G = random_system(seed)
        gamma = G.hinf().upper / use
        H = cls.from_state_space(G, gamma).realization()
        assert distance(G, H) < 1e-8
        assert H.hinf().upper <= gamma


@pytest.mark.slow
@pytest.mark.parametrize("cls", [Bounded, ContractionDense, L2RU])
@pytest.mark.parametrize("use", [0.9, 0.999])
def test_a_hundred_systems(cls, use):
    for seed in range(100):
        G = random_system(seed)
        assert distance(G, cls.from_state_space(G, G.hinf().upper / use).realization()) < 1e-8


@pytest.mark.parametrize("use", [0.9999, 0.999999])
def test_bounded_next_to_gamma_with_slow_poles(use):
    rng = np.random.default_rng(0)
    for n, m, p in [(1, 1, 1), (6, 1, 1), (8, 2, 3), (16, 3, 2)]:
        lam = (1 - 10.0 ** rng.uniform(-5, -1, n)) * np.exp(1j * rng.uniform(0, 3, n))
        s = np.sqrt(1 - np.abs(lam) ** 2)
        B, C = (rng.standard_normal((*shape, 2)) @ [1, 1j] for shape in ((n, m), (p, n)))
        G = StateSpace.from_modes(lam, s[:, None] * B, C * s, rng.standard_normal((p, m)))
        gamma = G.hinf().upper / use
        for smooth in (True, False):
            H = Bounded.from_state_space(G, gamma, smooth=smooth).realization()
            assert distance(G, H) < 1e-6


def diagonal_round_trip(cls, seed):
    """A system of the class in another state basis: the storage is found again."""
    generator = torch.Generator().manual_seed(seed)
    n, m, p = [(3, 2, 2), (2, 1, 1), (4, 3, 2), (3, 1, 3)][seed % 4]
    zeros = torch.zeros(n, dtype=torch.float64)
    cell = cls(m, n, p, initial_poles=(zeros, zeros), gamma=2.0).double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.copy_(0.7 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    G = cell.realization()
    T = np.random.default_rng(seed).standard_normal((G.n_x, G.n_x)) + 3 * np.eye(G.n_x)
    turned = StateSpace(T @ G.A @ np.linalg.inv(T), T @ G.B, G.C @ np.linalg.inv(T), G.D)
    H = cls.from_state_space(turned, 2.0 / 0.999).realization()
    assert distance(G, H) < 1e-8
    assert H.hinf().upper <= 2.0 / 0.999


@pytest.mark.parametrize("cls", [Contraction, L2RUDiagonal])
def test_diagonal_storage_round_trip(cls):
    for seed in range(12):
        diagonal_round_trip(cls, seed)


@pytest.mark.slow
@pytest.mark.parametrize("cls", [Contraction, L2RUDiagonal])
def test_a_hundred_systems_with_a_diagonal_storage(cls):
    for seed in range(100):
        diagonal_round_trip(cls, seed)


@pytest.mark.parametrize("cls", [Contraction, L2RUDiagonal])
def test_diagonal_storage_is_refused_where_there_is_none(cls):
    G = random_system(3, (8, 1, 1))
    with pytest.raises(RealizationError, match="diagonal in the modes"):
        cls.from_state_space(G, G.hinf().upper * 1.01)
    assert distance(G, cls.from_state_space(G, G.hinf().upper * 30).realization()) < 1e-8


@pytest.mark.parametrize("name", BOUNDED_CELLS)
def test_refusals(name):
    cls = BOUNDED_CELLS[name]
    G = random_system(2)
    with pytest.raises(RealizationError, match="gamma"):
        cls.from_state_space(G, 0.99 * G.hinf().lower)
    with pytest.raises(RealizationError, match="no finite gain"):
        cls.from_state_space(StateSpace([[1.0]], [[1.0]], [[1.0]], [[0.0]]), 5.0)
    with pytest.raises(RealizationError, match="n_x is 1"):
        cls.from_state_space(random_system(0, (6, 1, 1)), 1e6, n_x=1)


@pytest.mark.parametrize("cls", [Bounded, Contraction, L2RUDiagonal])
def test_jordan_blocks_are_refused_by_diagonal_cells(cls):
    G = StateSpace([[0.5, 1.0], [0.0, 0.5]], [[0.0], [1.0]], [[1.0, 0.0]], [[0.0]])
    with pytest.raises(RealizationError, match="eigenvectors"):
        cls.from_state_space(G, 10.0)
    assert distance(G, ContractionDense.from_state_space(G, 10.0).realization()) < 1e-8


def test_poles_beyond_the_cell_are_refused():
    G = StateSpace([[1 - 1e-8]], [[1e-9]], [[1.0]], [[0.0]])
    with pytest.raises(RealizationError, match="above exp"):
        Bounded.from_state_space(G, 1.0)


@pytest.mark.parametrize("cls", [Bounded, Contraction, L2RUDiagonal, ContractionDense, L2RU])
def test_spare_states_can_be_trained(cls):
    G = random_system(0, (4, 2, 2))
    gamma = 30 * G.hinf().upper
    cell = cls.from_state_space(G, gamma, n_x=6)
    assert cell.n_x == 6
    assert distance(G, cell.realization()) < 1e-8
    cell(torch.randn(2, 20, 2, dtype=torch.float64))[0].square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in cell.parameters())


def test_static_system_and_zero_system():
    for D in ([[0.5]], [[0.0]]):
        G = StateSpace(np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), D)
        for cls in (Contraction, ContractionDense, L2RU, L2RUDiagonal, Bounded):
            H = cls.from_state_space(G, 1.0).realization()
            np.testing.assert_allclose(H.frequency_response([0.3])[0], D, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_every_orthogonal_matrix_is_a_cayley_transform_up_to_signs(n):
    rng = np.random.default_rng(n)
    for Q in [np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(5)] + [np.eye(n), -np.eye(n)]:
        X, signs = inverse_cayley(Q)
        np.testing.assert_allclose(cayley(torch.tensor(X)).numpy() * signs, Q, atol=1e-12)


def lru_holds(seeds):
    """A cell without a bound: any stable system, as it is."""
    for seed in seeds:
        G = random_system(seed)
        assert distance(G, LRU.from_state_space(G).realization()) < 1e-8


def test_lru_holds_every_system():
    lru_holds(range(10))
    G = random_system(0)
    cell = LRU.from_state_space(G, n_x=6)
    assert distance(G, cell.realization()) < 1e-8
    cell(torch.randn(2, 20, 4, dtype=torch.float64))[0].square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in cell.parameters())
    assert (cell.C_ri.grad[:, 4:].abs() > 0).any()  # the spare states can be trained
    for D in ([[0.5]], [[0.0]]):
        static = StateSpace(np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), D)
        np.testing.assert_array_equal(LRU.from_state_space(static).realization().frequency_response([0.3])[0], D)


@pytest.mark.slow
def test_lru_holds_a_hundred_systems():
    lru_holds(range(100))


def test_lru_refuses_what_it_cannot_hold():
    with pytest.raises(RealizationError, match="modulus 1"):
        LRU.from_state_space(StateSpace([[1.0]], [[1.0]], [[1.0]], [[0.0]]))
    with pytest.raises(RealizationError, match=r"modulus 0\.99999999"):
        LRU.from_state_space(StateSpace([[1 - 1e-8]], [[1.0]], [[1.0]], [[0.0]]))
    with pytest.raises(RealizationError, match="eigenvectors"):
        LRU.from_state_space(StateSpace([[0.5, 1.0], [0.0, 0.5]], [[0.0], [1.0]], [[1.0, 0.0]], [[0.0]]))
    with pytest.raises(RealizationError, match="n_x is 1"):
        LRU.from_state_space(random_system(0), n_x=1)


@pytest.mark.parametrize("cls", [Bounded, Contraction, ContractionDense, L2RU, L2RUDiagonal, LRU])
def test_the_global_random_state_is_left_alone(cls):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    G = StateSpace([[0.5]], [[1.0]], [[0.1]], [[0.0]])
    for _ in range(2):
        cls.from_state_space(G, **({} if cls is LRU else {"gamma": 2.0}), n_x=3)
    assert torch.equal(before, torch.get_rng_state())
