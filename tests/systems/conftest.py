"""Random systems of every kind the tests of `l2ssm.systems` need."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from l2ssm.systems.state_space import StateSpace

Maker = Callable[..., StateSpace]


def _complex(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


@pytest.fixture
def modal() -> Maker:
    """modal(seed, n, n_u, n_y, gap): n conjugate pairs, the slowest with modulus 1 - gap."""

    def make(seed: int, n: int, n_u: int = 1, n_y: int = 1, gap: float = 0.05, dt: float = 1.0) -> StateSpace:
        rng = np.random.default_rng(seed)
        modulus = 1 - np.exp(rng.uniform(np.log(gap), np.log(0.9), n))
        modulus[0] = 1 - gap
        lam = modulus * np.exp(1j * rng.uniform(0, np.pi, n))
        B, C = _complex(rng, n, n_u), _complex(rng, n_y, n) / n
        return StateSpace.from_modes(lam, B, C, rng.normal(size=(n_y, n_u)), dt)

    return make


@pytest.fixture
def dense() -> Maker:
    """dense(seed, n, n_u, n_y, radius): a full random A scaled to the spectral radius."""

    def make(seed: int, n: int, n_u: int = 1, n_y: int = 1, radius: float = 0.95, dt: float = 1.0) -> StateSpace:
        rng = np.random.default_rng(seed)
        A = rng.normal(size=(n, n))
        A *= radius / np.abs(np.linalg.eigvals(A)).max()
        B, C, D = rng.normal(size=(n, n_u)), rng.normal(size=(n_y, n)), rng.normal(size=(n_y, n_u))
        return StateSpace(A, B, C, D, dt)

    return make


@pytest.fixture
def solve_response() -> Callable[[StateSpace, np.ndarray], np.ndarray]:
    """H (F, n_y, n_u) by one dense linear solve a frequency: the obvious, slow definition."""

    def response(G: StateSpace, omega: np.ndarray) -> np.ndarray:
        z = np.exp(1j * np.asarray(omega) * G.dt)
        return np.stack([G.C @ np.linalg.solve(w * np.eye(G.n_x) - G.A, G.B.astype(complex)) + G.D for w in z])

    return response
