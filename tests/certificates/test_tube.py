"""The tube around a simulation: random and adversarial perturbations stay inside, and the worst one comes close."""

from __future__ import annotations

import numpy as np
import pytest

from l2ssm.certificates.certificate import Certificate
from l2ssm.certificates.compose import certify
from l2ssm.certificates.tube import deviation_tube
from l2ssm.errors import CertificateError, OptionError

T = 120


@pytest.fixture(params=[3, 4])
def proved(request, network):
    N = network(request.param)
    return N, certify(N, method="product", lower=False)


def adversary(N, u, shape, rounds=8):
    """The perturbation that moves the last outputs most, by ascent along the adjoint, projected by `shape`."""
    du = shape(np.ones_like(u))
    y = N.simulate(u)
    for _ in range(rounds):
        tangent = N.tangent(u + du)
        weight = np.zeros_like(y)
        weight[-1] = tangent.y[-1] - y[-1]
        du = shape(tangent.vjp(weight))
    return du


@pytest.mark.parametrize("size", [1e-3, 0.3, 10.0])
def test_no_perturbation_leaves(proved, size):
    N, certificate = proved
    rng = np.random.default_rng(0)
    u = rng.standard_normal((T, 1))

    def peak(du):
        return size * np.where(du >= 0, 1.0, -1.0)

    def energy(du):
        return du * (size / np.linalg.norm(du))

    for shape, bound in ((peak, {"peak": size}), (energy, {"energy": size**2 * (1 + 1e-12)})):
        tube = deviation_tube(N, certificate, u, **bound)
        drawn = [shape(rng.standard_normal((T, 1))) for _ in range(20)]
        for du in [*drawn, adversary(N, u, shape)]:
            assert tube.contains(N.simulate(u + du))
        assert not tube.contains(N.simulate(u) + 1.001 * tube.radius[:, None])


def test_other_initial_states(proved):
    N, certificate = proved
    rng = np.random.default_rng(1)
    u, x0 = rng.standard_normal((T, 1)), rng.standard_normal(N.n_x)
    for size in (1e-3, 1.0):
        dx0 = size * rng.standard_normal(N.n_x)
        tube = deviation_tube(N, certificate, u, peak=0.1, x0=x0, dx0=dx0)
        for _ in range(5):
            du = 0.1 * np.sign(rng.standard_normal((T, 1)))
            assert tube.contains(N.simulate(u + du, x0 + dx0))
        still = deviation_tube(N, certificate, u, x0=x0, dx0=dx0)
        assert still.contains(N.simulate(u, x0 + dx0))
        assert np.all(still.radius < tube.radius)


def test_radius_of_a_linear_system(modal):
    """gamma sqrt(min(E, (k + 1) d^2)), and an impulse at the right time spends the whole energy on one sample."""
    G = modal(2, 3, 1, 1)
    certificate = certify(G)
    u = np.zeros((50, 1))
    tube = deviation_tube(G, certificate, u, energy=4.0, peak=0.5)
    expected = certificate.gamma * np.sqrt(np.minimum(4.0, 0.25 * np.arange(1, 51)))
    np.testing.assert_allclose(tube.radius, expected, rtol=1e-12)
    assert np.all(tube.radius >= expected * (1 - 1e-15))
    assert tube.condition == "sum |du|² <= 4.0, |du| <= 0.5"
    with pytest.raises(OptionError, match="what may be perturbed"):
        deviation_tube(G, certificate, u)
    with pytest.raises(OptionError, match="peak is -1"):
        deviation_tube(G, certificate, u, peak=-1)


def test_only_a_verified_incremental_certificate_of_this_model(modal):
    G = modal(2, 3, 1, 1)
    certificate, u = certify(G), np.zeros((5, 1))
    with pytest.raises(CertificateError, match="kind 'l2'"):
        deviation_tube(G, certify(G, kind="l2"), u, peak=1.0)
    with pytest.raises(CertificateError, match="not verified here"):
        deviation_tube(G, Certificate.from_json(certificate.to_json()), u, peak=1.0)
    with pytest.raises(CertificateError, match="about other numbers"):
        deviation_tube(modal(3, 3, 1, 1), certificate, u, peak=1.0)


def test_the_condition_names_the_numbers_that_were_used(proved):
    """Not rounded: what is printed is what the tube holds for."""
    N, certificate = proved
    size = 0.1 + 0.2
    tube = deviation_tube(N, certificate, np.zeros((3, 1)), peak=size, energy=1 / 3)
    energy, peak = (float(part.split("<=")[1].split()[0]) for part in tube.condition.split(", "))
    assert (energy, peak) == (1 / 3, size)
