"""Small systems, networks and a stand-in for a fitted model, shared by the tests of analysis and report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.data.record import Record
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Contractive, Dynamic, Residual
from l2ssm.systems.state_space import StateSpace


@dataclass(frozen=True)
class FakeModel:
    """A fitted model as the analysis sees it: a network, and a simulation that uses the first outputs."""

    network: Interconnection
    n_init: int = 0
    info: dict[str, Any] = field(default_factory=dict)

    def simulate(self, data: Record) -> NDArray[np.float64]:
        """The free run plus an offset read off the first n_init outputs, so that the initial state matters."""
        y = self.network.simulate(data.u)
        if not self.n_init or data.y is None:
            return y
        decay = 0.5 ** np.arange(len(y))[:, None]
        return y + decay * (data.y[0] - y[0])


def random_modes(n: int, n_u: int, n_y: int, dt: float = 1.0, seed: int = 0, **labels: Any) -> StateSpace:
    """A stable system of n complex modes, time constants spread over two decades."""
    rng = np.random.default_rng(seed)
    lam = np.exp(-(10.0 ** rng.uniform(-2.5, -0.5, n)) + 1j * rng.uniform(0, 2.5, n))
    B = (1 - np.abs(lam))[:, None] * (rng.standard_normal((n, n_u)) + 1j * rng.standard_normal((n, n_u)))
    C = rng.standard_normal((n_y, n)) + 1j * rng.standard_normal((n_y, n))
    return StateSpace.from_modes(lam, B, C, 0.1 * rng.standard_normal((n_y, n_u)), dt, **labels)


def network(n_u: int, n_y: int, width: int, blocks: int, dt: float, seed: int = 0, **labels: Any) -> Interconnection:
    """Encoder, residual blocks of a linear system and a contraction, decoder."""
    rng = np.random.default_rng(seed)
    names = {
        "input_names": tuple(f"u{i + 1}" for i in range(n_u)),
        "output_names": tuple(f"y{i + 1}" for i in range(n_y)),
        "input_units": ("",) * n_u,
        "output_units": ("",) * n_y,
    }
    body = []
    for i in range(blocks):
        W = rng.standard_normal((width, width)) / (2 * width**0.5)
        static = Contractive(W, 0.1 * rng.standard_normal(width), 1.0, "tanh")
        body.append(Residual((Dynamic(random_modes(4, width, width, dt, seed + i)), static)))
    encoder = Affine(rng.standard_normal((width, n_u)) / width, np.zeros(width))
    decoder = Affine(rng.standard_normal((n_y, width)), np.zeros(n_y))
    return Interconnection((encoder, *body, decoder), dt, **(names | labels))  # type: ignore[arg-type]
