"""Chains: the product is above every pair of inputs that a search finds, layers are named, tables are complete."""

from __future__ import annotations

import numpy as np
import pytest

from l2ssm.certificates.compose import certify
from l2ssm.certificates.falsify import worst_input
from l2ssm.certificates.layer_claims import CERTIFIERS
from l2ssm.certificates.statement import gain_unit, gap, summary
from l2ssm.certificates.verify import CHECKERS, verify
from l2ssm.errors import CertificateError, NotCertifiableError
from l2ssm.systems.activations import ACTIVATIONS
from l2ssm.systems.core import Core
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import LAYERS, Affine, Attention, Contractive, Dynamic, Perceptron, Product, Residual
from l2ssm.systems.state_space import StateSpace


def chain(*layers) -> Interconnection:
    n_u, n_y = layers[0].n_in, layers[-1].n_out
    return Interconnection(layers, 1.0, ("u",) * n_u, ("y",) * n_y, ("",) * n_u, ("",) * n_y)


@pytest.mark.parametrize("seed", range(6))
def test_the_product_is_above_every_pair_of_inputs_found(network, seed):
    N = network(seed)
    certificate = certify(N, method="product", lower=False)
    found = worst_input(N, horizon=200, iterations=8)
    assert 0 < found.gain <= certificate.gamma
    rng = np.random.default_rng(seed)
    for size in (1e-3, 1.0, 1e3):
        u, v = size * rng.standard_normal((100, 1)), size * rng.standard_normal((100, 1))
        x0 = rng.standard_normal(N.n_x)
        difference = np.linalg.norm(N.simulate(u, x0) - N.simulate(v, x0))
        assert difference <= certificate.gamma * np.linalg.norm(u - v)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("c", [0.0, 0.3, 1.0, 4.0])
def test_contractive_gain(activation, c):
    """max(1, c s^2 - 1) for slopes in [0, 1], and never below the Jacobian at any slope the activation has."""
    rng = np.random.default_rng(3)
    W = rng.standard_normal((5, 3))
    W /= np.linalg.norm(W, 2)
    claim = certify(chain(Contractive(W, np.zeros(5), c, activation)), lower=False)
    a, b = ACTIVATIONS[activation].slope_min, ACTIVATIONS[activation].slope_max
    if (a, b) == (0.0, 1.0):
        assert claim.gamma == pytest.approx(max(1.0, c - 1.0), rel=1e-12)
    for _ in range(200):
        slopes = rng.choice([a, b], 5) if rng.random() < 0.5 else rng.uniform(a, b, 5)
        assert np.linalg.norm(np.eye(3) - c * (W.T * slopes) @ W, 2) <= claim.gamma * (1 + 1e-14)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_perceptron_and_residual_gains(activation):
    rng = np.random.default_rng(4)
    W1, W2 = rng.standard_normal((6, 3)), rng.standard_normal((3, 6))
    layer = Perceptron(W1, rng.standard_normal(6), W2, rng.standard_normal(3), activation)
    product = np.linalg.norm(W1, 2) * np.linalg.norm(W2, 2) * ACTIVATIONS[activation].lipschitz
    gamma = certify(chain(layer), lower=False).gamma
    assert np.linalg.norm(W2 @ W1, 2) <= gamma <= product * (1 + 1e-12)
    inside = certify(chain(Residual((layer, layer))), method="product", lower=False)
    assert inside.gamma == pytest.approx(1 + gamma**2, rel=1e-12)
    assert len(inside.claims[0].inner) == 2


def test_every_layer_has_an_entry_in_the_search_and_in_the_checker():
    """Cores are parts of a Selective layer; a Product and an Attention are only ever refused."""
    layers = {layer for layer in LAYERS.values() if not issubclass(layer, Core)}
    assert set(CERTIFIERS) == layers
    assert {layer for layer, _ in CHECKERS} == layers - {Product, Attention}


def test_the_layer_without_a_finite_gain_is_named(network):
    marginal = Dynamic(StateSpace.from_modes([0.5, 1.0], np.ones((2, 3)), np.ones((3, 2)), np.zeros((3, 3))))
    layers = list(network(0).layers)
    layers[3] = Residual((marginal,))
    with pytest.raises(NotCertifiableError, match=r"^block1: pole 1 on the unit circle, no finite gain$"):
        certify(Interconnection(tuple(layers), 1.0, ("u",), ("y",), ("",), ("",)))
    huge = Affine([[1e200]], [0.0])
    with pytest.raises(NotCertifiableError, match=r"layers.1 \(Affine\): the product of gains leaves the range"):
        certify(chain(huge, huge))


def test_a_single_system_is_a_chain_of_one_layer(modal):
    G = modal(0)
    certificate = certify(G)
    assert certificate.network.layers[0].G.digest == G.digest
    assert verify(certificate, G).verified
    assert verify(certificate, chain_with_names(G)).verified


def chain_with_names(G: StateSpace) -> Interconnection:
    return Interconnection((Dynamic(G),), G.dt, ("u1", "u2"), ("y1", "y2"), ("", ""), ("", ""))


def test_kinds_units_and_printout(network):
    N = network(1)
    for kind, sentence in (("incremental", "any two inputs"), ("l2", "about any operating point")):
        certificate = certify(N, kind=kind)
        text = str(certificate)
        assert certificate.unit == gain_unit(certificate) == "mm/V"
        assert sentence in text
        assert "mm/V" in text
        assert "VERIFIED (ball arithmetic, 128 bit)" in text
        assert gap(certificate.gamma, certificate.lower.gain) in text
        assert "not the rounding of a runtime" in text
        assert 0 < certificate.lower.gain <= certificate.gamma
    printed = float(summary(certificate)[0].split("gamma <= ")[1].split()[0])
    assert certificate.gamma <= printed <= certificate.gamma * 1.0001


def test_a_contradiction_between_search_and_proof_is_an_error(network, monkeypatch):
    from l2ssm.certificates import compose
    from l2ssm.certificates.certificate import LowerBound

    for gain in (1e9, float("nan")):
        monkeypatch.setattr(compose, "lower_bound", lambda *_, gain=gain: LowerBound(gain, "forged"))
        with pytest.raises(CertificateError, match="above gamma"):
            certify(network(0))


def test_two_layers_that_share_one_object(modal):
    layer = Dynamic(modal(0))
    certificate = certify(chain(layer, layer), method="product", lower=False)
    assert certificate.gamma == pytest.approx(modal(0).hinf().lower ** 2, rel=1e-5)
