"""Stored, supplied and delivered energy along trajectories: the slack of a true certificate is never negative."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from l2ssm.analysis.dissipation import dissipation
from l2ssm.analysis.gain_curve import gain_curve
from l2ssm.certificates.compose import certify
from l2ssm.certificates.falsify import worst_input
from l2ssm.data.plants import CascadedTanks
from l2ssm.errors import CertificateError, DataError, OptionError
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Clocked, Contractive, Dynamic, Perceptron, Residual
from l2ssm.systems.state_space import StateSpace

from .systems_under_test import network, random_modes

RNG = np.random.default_rng(0)


def hidden(G: StateSpace, seed: int = 0) -> StateSpace:
    """The same in coordinates that hide its modes."""
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((G.n_x, G.n_x)))[0]
    return StateSpace(Q @ G.A @ Q.T, Q @ G.B, G.C @ Q.T, G.D, G.dt)


def chain() -> Interconnection:
    W = 0.5 * RNG.standard_normal((2, 2))
    layers = (
        Affine(RNG.standard_normal((2, 1)), np.ones(2)),
        Residual((Dynamic(random_modes(2, 2, 2, 0.1)), Contractive(W, np.ones(2), 1.0, "tanh"))),
        Dynamic(hidden(random_modes(2, 2, 2, 0.1, 1))),
        Residual((Residual((Dynamic(random_modes(1, 2, 2, 0.1, 2)),)), Affine(0.2 * W, np.zeros(2)))),
        Perceptron(RNG.standard_normal((3, 2)), np.ones(3), RNG.standard_normal((1, 3)), np.zeros(1), "tanh"),
    )
    return Interconnection(layers, 0.1, ("u",), ("y",), ("V",), ("mm",))


MODELS = {"modes": random_modes(3, 2, 2, 0.1), "dense": hidden(random_modes(3, 2, 2)), "chain": chain()}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("method", ["product", "network"])
def test_the_slack_is_never_negative_and_the_energies_add_up(name: str, method: str) -> None:
    model = MODELS[name]
    certificate = certify(model, method=method, lower=False)
    rng = np.random.default_rng(1)
    worst = worst_input(model, horizon=200, iterations=6)
    for u, v in (
        (rng.standard_normal((300, model.n_u)), None),
        (3 * rng.standard_normal((300, model.n_u)), rng.standard_normal((300, model.n_u))),
        (np.ones((300, model.n_u)), 2 * np.ones(model.n_u)),
        (worst.u + worst.du, worst.u),
    ):
        found = dissipation(certificate, u, v)
        other = np.broadcast_to(0.0 if v is None else v, u.shape)
        dy = model.simulate(u) - model.simulate(other)
        np.testing.assert_allclose(found.delivered, np.sum(dy**2, axis=1), rtol=1e-9, atol=1e-12)
        assert found.holds
        assert found.stored[0] == 0
        assert np.all(found.stored >= -found.rounding)
        total = certificate.gamma**2 * np.sum((u - other) ** 2) - np.sum(dy**2) - found.stored[-1]
        assert found.slack.sum() == pytest.approx(total, rel=1e-9)
        assert np.max(found.stored) > 0


def test_of_a_tight_certificate_little_is_lost_at_the_worst_input() -> None:
    """One resonance under a sinusoid at its peak: nearly all that is supplied comes out again."""
    G = StateSpace.from_modes([0.95 * np.exp(0.5j)], [[1.0]], [[1.0]], [[0.0]])
    u = np.sin(G.hinf().omega_peak * np.arange(2000))
    found = dissipation(certify(G, eps=1e-4, lower=False), u)
    assert found.slack[500:].sum() < 0.02 * found.supplied[500:].sum()


def test_a_wrong_certificate_shows_a_negative_slack() -> None:
    G = MODELS["modes"]
    certificate = certify(G, lower=False)
    claim = replace(certificate.claims[0], gain=0.7 * certificate.gamma)
    worst = worst_input(G, horizon=300)
    forged = replace(certificate, gamma=0.7 * certificate.gamma, claims=(claim,))
    assert not dissipation(forged, worst.du).holds


def test_what_has_no_dissipation_plot() -> None:
    from_rest = certify(MODELS["modes"], kind="l2", lower=False)
    with pytest.raises(OptionError, match="from rest"):
        dissipation(from_rest, np.ones((5, 2)), np.ones((5, 2)))
    assert dissipation(from_rest, np.ones((5, 2))).holds
    with pytest.raises(OptionError, match="reference has shape"):
        dissipation(from_rest, np.ones((5, 2)), np.ones((4, 2)))


def test_the_gain_of_every_amplitude_is_below_the_certified_one() -> None:
    net = network(1, 1, 3, 2, 0.5, input_units=("V",), output_units=("mm",))
    certificate = certify(net, lower=False)
    for mean in (0.0, 1.5):
        found = gain_curve(net, [0.01, 1.0, 100.0], mean=mean, samples=256)
        assert np.all(found.gain <= certificate.gamma)
        assert np.all(found.gain > 0)
    assert (found.input_unit, found.unit) == ("V", "mm/V")


def test_the_gain_of_a_static_saturation_is_the_known_function_of_the_amplitude() -> None:
    """tanh: a step of size a has gain tanh(a) / a, which no sinusoid of that rms exceeds for large a."""
    net = Interconnection((Perceptron([[1.0]], [0.0], [[1.0]], [0.0], "tanh"),), 1.0, ("u",), ("y",), ("",), ("",))
    small, large = gain_curve(net, [1e-4, 3.0]).gain
    assert small == pytest.approx(1.0, rel=1e-6)
    assert large == pytest.approx(np.tanh(3.0) / 3.0, rel=1e-3)


def test_a_plant_starts_at_its_operating_point() -> None:
    plant = CascadedTanks()
    found = gain_curve(plant, [1e-3], mean=2.0, samples=2000, tones=2)
    A, B, C, D = plant.linearize(2.0)
    steady = float((D - C @ np.linalg.solve(A, B))[0, 0])
    assert 0.5 * steady < found.gain[0] < steady * 1.001
    with pytest.raises(OptionError, match=r"an amplitude is 0\.0, expected a finite number > 0"):
        gain_curve(plant, [0.0])


def test_a_layer_without_storage_is_named() -> None:
    one = np.ones((1, 1))
    clocked = Clocked([0.5], [0.2], one, 0 * one, one, 0 * one, one, 0.1 * one, [0.0], [2.0])
    certificate = certify(Interconnection((clocked,), 1.0, ("u",), ("y",), ("",), ("",)), kind="l2", lower=False)
    with pytest.raises(CertificateError, match="a Clocked layer"):
        dissipation(certificate, np.ones(20))


@pytest.mark.parametrize("level", [1e6, 1e10])
def test_a_small_deviation_from_a_large_level_refutes_no_true_certificate(level: float) -> None:
    """Both runs are known to 16 digits: what their difference cannot show is rounding, and a wrong claim is seen."""
    G = StateSpace.from_modes([0.9 * np.exp(0.3j), 0.5], [[1], [1]], [[1, 1]], [[0.0]])
    certificate = certify(G, lower=False)
    u = 1e-4 * np.sin(G.hinf().omega_peak * np.arange(2000))[:, None]
    found = dissipation(certificate, level + u, [level])
    assert found.slack.min() < -1e-10 * found.supplied.max()
    assert found.holds
    claim = replace(certificate.claims[0], gain=0.5 * certificate.gamma)
    forged = replace(certificate, gamma=0.5 * certificate.gamma, claims=(claim,))
    assert not dissipation(forged, 1e4 * u + 1e6, [1e6]).holds


def test_what_is_no_certificate_or_no_signal() -> None:
    certificate = certify(MODELS["modes"], lower=False)
    with pytest.raises(OptionError, match="NoneType is not a certificate"):
        dissipation(None, np.ones((5, 2)))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="reference is not an array of numbers"):
        dissipation(certificate, np.ones((5, 2)), "a")
    with pytest.raises(DataError, match="not finite"):
        dissipation(certificate, np.ones((5, 2)), [np.nan, 0.0])
