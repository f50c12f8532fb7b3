"""200 random linear systems: each certificate is proved by balls and by floats, and within 1e-6 of the norm."""

from __future__ import annotations

import numpy as np
import pytest

from l2ssm.certificates.compose import certify
from l2ssm.certificates.verify import verify
from l2ssm.systems.state_space import StateSpace


def random_system(seed: int, largest: int) -> StateSpace:
    """Up to `largest` modes and 16 channels, 1 - |lam| from 1e-1 down to 1e-6; every fourth as S4D-Lin discretizes.

    D is zero, ordinary, or larger than the rest; B is scaled by sqrt(1 - |lam|^2) in two of three.
    """
    rng = np.random.default_rng(seed)
    n = largest if seed % 40 == 0 else int(np.exp(rng.uniform(0, np.log(largest))))
    n_u, n_y = rng.choice([1, 1, 2, 3, 4, 8, 16], 2)
    C = (rng.standard_normal((n_y, n)) + 1j * rng.standard_normal((n_y, n))) / np.sqrt(n)
    if seed % 4 == 1:
        continuous, dt = -0.5 + 1j * np.pi * np.arange(n), 10 ** rng.uniform(-3, -1)
        lam = np.exp(dt * continuous)
        B = ((lam - 1) / continuous)[:, None] * rng.standard_normal((n, n_u))
    else:
        gap = 10 ** rng.uniform(-6, -1)
        radius = 1 - np.exp(rng.uniform(np.log(gap), np.log(0.5), n))
        radius[0] = 1 - gap
        lam = radius * np.exp(1j * rng.uniform(0, np.pi, n))
        B = rng.standard_normal((n, n_u)) + 1j * rng.standard_normal((n, n_u))
        B = B * np.sqrt(1 - radius**2)[:, None] if seed % 3 else B
    return StateSpace.from_modes(lam, B, C, rng.standard_normal((n_y, n_u)) * rng.choice([0.0, 0.3, 10.0]))


def is_tight_and_proved(G: StateSpace) -> None:
    certificate = certify(G)
    assert certificate.claims[0].method == "cauchy"
    assert certificate.gamma <= certificate.lower.gain * (1 + 2e-6)
    for arithmetic in ("float", "ball"):
        assert verify(certificate, G, arithmetic).verified


@pytest.mark.parametrize("seed", range(12))
def test_random_systems(seed):
    G = random_system(seed, 48)
    is_tight_and_proved(G)
    assert certify(G).lower.gain == pytest.approx(G.hinf().lower, rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 200, 20))
def test_200_random_systems(first):
    for seed in range(first, first + 20):
        is_tight_and_proved(random_system(seed, 256))


@pytest.mark.slow
def test_1024_modes():
    """Proved in floats, said in the printout, and again in balls."""
    rng = np.random.default_rng(0)
    n = 1024
    radius = 1 - np.geomspace(1e-3, 0.5, n)
    lam = radius * np.exp(1j * rng.uniform(0, np.pi, n))
    B, C = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape) for shape in ((n, 1), (1, n)))
    G = StateSpace.from_modes(lam, B * np.sqrt(1 - radius**2)[:, None], C, [[0.3]])
    certificate = certify(G)
    assert certificate.gamma <= certificate.lower.gain * (1 + 1.001e-3)
    assert "VERIFIED (float64" in str(certificate)
    assert "VERIFIED (ball" in str(verify(certificate, G))
