"""Random systems and networks whose certificates the tests examine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Contractive, Dynamic, Perceptron, Residual
from l2ssm.systems.state_space import StateSpace


def modal_system(seed: int, n: int = 6, n_u: int = 2, n_y: int = 2, gap: float = 1e-2, real: int = 0) -> StateSpace:
    """n complex modes with 1 - |lam| from gap to 0.5, the first `real` of them on the real axis."""
    rng = np.random.default_rng(seed)
    radius = 1 - np.geomspace(gap, 0.5, n)
    angle = rng.uniform(0, np.pi, n)
    angle[:real] = np.pi * rng.integers(0, 2, real)
    lam = radius * np.exp(1j * angle)
    B = (rng.standard_normal((n, n_u)) + 1j * rng.standard_normal((n, n_u))) * np.sqrt(1 - radius**2)[:, None]
    C = (rng.standard_normal((n_y, n)) + 1j * rng.standard_normal((n_y, n))) / np.sqrt(n)
    return StateSpace.from_modes(lam, B, C, 0.3 * rng.standard_normal((n_y, n_u)))


def dense_system(seed: int, n_x: int = 5, n_u: int = 2, n_y: int = 3, radius: float = 0.95) -> StateSpace:
    """A full A with the given spectral radius."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n_x, n_x))
    A *= radius / np.max(np.abs(np.linalg.eigvals(A)))
    B, C, D = (rng.standard_normal(shape) for shape in ((n_x, n_u), (n_y, n_x), (n_y, n_u)))
    return StateSpace(A, B, C, D)


def random_network(seed: int, blocks: int = 2, width: int = 3, n: int = 4, scale: float = 0.4) -> Interconnection:
    """Encoder, blocks of x + static(G x), decoder; biases everywhere, every layer type, 1 input and 1 output."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return scale * rng.standard_normal(shape)

    layers: list = [Affine(draw(width, 1), draw(width))]
    for i in range(blocks):
        G = modal_system(1000 * seed + i, n, width, width, 0.05)
        G = StateSpace(G.A, scale * G.B, scale * G.C, scale * G.D)
        layers.append(Residual((Dynamic(G), Perceptron(draw(6, width), draw(6), draw(width, 6), draw(width), "gelu"))))
        layers.append(Contractive(draw(6, width), draw(6), 0.5, "tanh"))
    layers.append(Affine(draw(1, width), draw(1)))
    return Interconnection(tuple(layers), 1.0, ("u",), ("y",), ("V",), ("mm",))


@pytest.fixture
def modal() -> Callable[..., StateSpace]:
    return modal_system


@pytest.fixture
def dense() -> Callable[..., StateSpace]:
    return dense_system


@pytest.fixture
def network() -> Callable[..., Interconnection]:
    return random_network
