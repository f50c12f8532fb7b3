"""Float32 export: float32 numbers, a proved gain, close to the given system."""

from __future__ import annotations

import numpy as np
import pytest

from l2ssm.errors import NotCertifiableError, OptionError
from l2ssm.export.float32 import certified_float32
from l2ssm.systems.state_space import StateSpace


def slow_system(seed, gap, n=6, m=2, p=2):
    rng = np.random.default_rng(seed)
    lam = (1 - gap * 10.0 ** rng.uniform(0, 2, n)) * np.exp(1j * rng.uniform(0, 0.5, n))
    s = np.sqrt(1 - np.abs(lam) ** 2)
    B, C = (rng.standard_normal((*shape, 2)) @ [1, 1j] for shape in ((n, m), (p, n)))
    return StateSpace.from_modes(lam, s[:, None] * B, C * s, rng.standard_normal((p, m)), dt=0.1)


@pytest.mark.parametrize("gap", [1e-2, 1e-3, 1e-4])
def test_gain_is_proved_for_the_rounded_numbers(gap):
    above, rounds = 0, []
    for seed in range(6):
        G = slow_system(seed, gap)
        gamma = G.hinf().upper
        rounded = StateSpace(*(M.astype(np.float32) for M in (G.A, G.B, G.C, G.D)))
        above += rounded.hinf().lower > gamma
        export = certified_float32(G, gamma)
        for M in (export.system.A, export.system.B, export.system.C, export.system.D):
            np.testing.assert_array_equal(M, M.astype(np.float32))
        assert export.certificate.gamma == gamma
        assert export.system.hinf().upper <= gamma * (1 + 1e-6)
        assert export.system.hinf().lower <= gamma
        assert export.scale > 1 - 10 * 6e-8 / gap
        assert export.system.dt == 0.1
        rounds.append(export.rounds)
    assert gap > 1e-3 or above > 0  # rounding alone does break the bound
    assert max(rounds) <= 6


def test_dense_system():
    A = np.random.default_rng(0).standard_normal((5, 5))
    A *= 0.9 / np.abs(np.linalg.eigvals(A)).max()
    G = StateSpace(A, np.eye(5)[:, :2], np.eye(5)[:1], np.zeros((1, 2)))
    export = certified_float32(G, 1.01 * G.hinf().upper)
    assert (export.scale, export.rounds) == (1.0, 1)


def test_refusals():
    with pytest.raises(NotCertifiableError, match="unit circle"):
        certified_float32(StateSpace([[1 - 1e-9]], [[1e-9]], [[1.0]], [[0.0]]), 2.0)
    with pytest.raises(OptionError, match="gamma"):
        certified_float32(StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]]), -1.0)
