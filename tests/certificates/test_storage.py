"""The bound with a non-zero initial state: gamma^2 |u|^2 + V(x0), and the sum through a chain."""

from __future__ import annotations

import numpy as np
import pytest

from l2ssm.certificates.certificate import Claim
from l2ssm.certificates.compose import certify
from l2ssm.certificates.storage import storage_value
from l2ssm.errors import CertificateError, OptionError, RealizationError
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Dynamic
from l2ssm.systems.state_space import StateSpace


@pytest.mark.parametrize("method", ["cauchy", "riccati"])
@pytest.mark.parametrize("real", [0, 2])
def test_one_block(modal, method, real):
    """sum |y|^2 <= gamma^2 sum |u|^2 + V(x0) for random inputs and states, of modes and of mixed blocks."""
    G = modal(5, real=real)
    if real:  # a system with 1x1 blocks: cut the unreached imaginary halves of the real modes
        keep = [0, 2, *range(4, G.n_x)]
        G = StateSpace(G.A[np.ix_(keep, keep)], G.B[keep], G.C[:, keep], G.D)
        assert G.modes.lam.size == 6
    certificate = certify(G, method=method)
    rng = np.random.default_rng(0)
    for _ in range(50):
        u = rng.standard_normal((200, 2)) * 10 ** rng.uniform(-3, 1)
        x0 = rng.standard_normal(G.n_x)
        energy = np.sum(G.simulate(u, x0) ** 2)
        assert energy <= certificate.bound(x0, np.sum(u**2)) * (1 + 1e-12)
    assert certificate.bound(u_energy=4.0) == pytest.approx(4 * certificate.gamma**2, rel=1e-14)
    assert certificate.bound() == 0.0


@pytest.mark.parametrize("method", ["cauchy", "riccati"])
def test_the_storage_term_is_nearly_attained(modal, method):
    """With the adversarial input the available storage comes out: V(x0) is not generous by more than a few per cent."""
    G = modal(1, 2, 1, 1, 0.1)
    certificate = certify(G, method=method, gamma=None)
    T, x0 = 300, np.array([1.0, -0.5, 0.3, 0.2])
    free = G.simulate(np.zeros((T, 1)), x0).ravel()
    F = np.stack([G.simulate(np.eye(T)[k])[:, 0] for k in range(T)], axis=1)
    gamma = certificate.gamma
    u = np.linalg.solve(gamma**2 * np.eye(T) - F.T @ F, F.T @ free)
    gained = np.sum((free + F @ u) ** 2) - gamma**2 * np.sum(u**2)
    V = certificate.bound(x0)
    assert gained <= V
    assert gained >= 0.9 * V


def test_chain_of_deviations(network):
    N = network(3)
    certificate = certify(N, method="product", lower=False)
    rng = np.random.default_rng(1)
    for size in (1e-3, 0.1, 10.0):
        u, du = rng.standard_normal((150, 1)), size * rng.standard_normal((150, 1))
        x0, dx = rng.standard_normal(N.n_x), rng.standard_normal(N.n_x)
        energy = np.sum((N.simulate(u + du, x0 + dx) - N.simulate(u, x0)) ** 2)
        assert energy <= certificate.bound(dx, np.sum(du**2))
    assert certificate.bound(u_energy=1.0) == pytest.approx(certificate.gamma**2, rel=1e-14)


def test_two_linear_blocks_add_their_storages(modal):
    G = modal(0)
    chain = Interconnection((Dynamic(G), Dynamic(G)), 1.0, ("a", "b"), ("c", "d"), ("", ""), ("", ""))
    certificate = certify(chain, method="product", lower=False)
    x0 = np.zeros(chain.n_x)
    x0[0] = 1.0
    first = certificate.bound(x0)
    alone = certify(G, method="product", lower=False).bound(x0[: G.n_x])
    assert first == pytest.approx(certificate.claims[1].gain ** 2 * alone, rel=1e-12)
    assert certificate.bound(x0[::-1]) > 0
    assert np.sum(chain.simulate(np.zeros((500, 2)), x0) ** 2) <= first


def test_wrong_arguments(modal):
    certificate = certify(modal(0))
    with pytest.raises(RealizationError, match="expected 12 finite numbers"):
        certificate.bound([1.0])
    for energy in (-1.0, np.nan, np.inf):
        with pytest.raises(OptionError, match="u_energy"):
            certificate.bound(u_energy=energy)
    with pytest.raises(CertificateError, match="no storage function"):
        storage_value(modal(0), Claim("norm", 1.0), np.ones(12))
