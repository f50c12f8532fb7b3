"""The search for bad inputs: converges to known gains from below, reports what a simulation gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from l2ssm.certificates.certificate import Certificate
from l2ssm.certificates.compose import certify
from l2ssm.certificates.falsify import STARTS, waveform, worst_input
from l2ssm.certificates.verify import verify
from l2ssm.errors import CertificateError, OptionError
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Dynamic, Perceptron


@pytest.mark.parametrize("seed", range(4))
def test_linear_chains_converge_to_the_norm_from_below(modal, seed):
    G = modal(seed, 4, 2, 2, 0.05)
    norm = G.hinf().upper
    gains = [worst_input(G, horizon=T, iterations=30).gain for T in (30, 300, 1500)]
    assert gains[0] < gains[1] < gains[2] <= norm
    assert gains[2] >= norm * (1 - 2e-3)


def test_the_reported_gain_is_the_secant_of_the_reported_inputs(network):
    N = network(2)
    found = worst_input(N, horizon=150)
    assert found.u.shape == found.du.shape == (150, 1)
    dy = N.simulate(found.u + found.du) - N.simulate(found.u)
    assert np.linalg.norm(dy) / np.linalg.norm(found.du) == pytest.approx(found.gain, rel=1e-9)
    assert "150 samples" in found.description


def test_the_waveform_travels_with_the_certificate(network):
    """From the file alone: the two inputs of the lower bound, and `verify` simulates them again."""
    N = network(2)
    certificate = Certificate.from_json(certify(N, method="product").to_json())
    found = waveform(certificate.lower)
    dy = N.simulate(found.u + found.du) - N.simulate(found.u)
    assert np.linalg.norm(dy) / np.linalg.norm(found.du) == pytest.approx(found.gain, rel=1e-9)
    assert verify(certificate).verified
    with pytest.raises(ValueError, match="read-only"):
        found.du[0] = 1.0
    G = certify(N.layers[1].layers[0].G)
    assert waveform(G.lower) is None
    omega = float(G.lower.description.split()[2])
    H = N.layers[1].layers[0].G.frequency_response([omega])[0]
    assert np.linalg.norm(H, 2) == pytest.approx(G.lower.gain, rel=1e-12)


def changed(name):
    """A lower bound that its inputs do not attain."""
    return {
        "gain": lambda low: replace(low, gain=low.gain * (1 + 1e-4)),
        "zero deviation": lambda low: replace(low, du=0 * low.du),
        "deviation below the rounding of u": lambda low: replace(low, u=low.u + 1e30),
        "noise": lambda low: replace(low, du=np.random.default_rng(0).standard_normal(low.du.shape)),
        "reversed": lambda low: replace(low, du=low.du[::-1].copy()),
        "huge": lambda low: replace(low, du=1e308 * np.sign(low.du)),
        "infinite sum": lambda low: replace(low, u=0 * low.u + 1.7e308, du=0 * low.u + 1.7e308),
        "one of two": lambda low: replace(low, u=None),
        "width": lambda low: replace(low, u=np.repeat(low.u, 2, 1), du=np.repeat(low.du, 2, 1)),
        "length": lambda low: replace(low, u=low.u[:-1]),
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        "gain",
        "zero deviation",
        "deviation below the rounding of u",
        "noise",
        "reversed",
        "huge",
        "infinite sum",
        "one of two",
        "width",
        "length",
    ],
)
def test_a_lower_bound_that_its_waveform_does_not_give_is_refused(network, name):
    honest = certify(network(2), method="product")
    with pytest.raises(CertificateError, match="the worst input"):
        verify(replace(honest, lower=changed(name)(honest.lower)))


def test_a_claim_about_rest_has_evidence_from_rest(modal):
    """A base input in the evidence of a gain from rest is refused: the claim is not about it."""
    gelu = Perceptron([[1.0], [2.0]], [0.0, 0.0], [[1.0, -0.5]], [0.0], "gelu")
    N = Interconnection((gelu, Affine([[1.0]], [0.0])), 1.0, ("u",), ("y",), ("",), ("",))
    certificate = certify(N, kind="l2", method="network")
    assert "from rest" in str(certificate)
    found = waveform(certificate.lower)
    assert not np.any(found.u)
    forged = replace(certificate.lower, gain=0.0, u=found.u + 1.0)
    with pytest.raises(CertificateError, match="from rest"):
        verify(replace(certificate, lower=forged))


def test_a_saturation_is_excited_where_it_is_steep():
    """y = tanh(u): the gain 1 is approached at u = 0 and nowhere else."""
    tanh = Interconnection((Perceptron([[1.0]], [0.0], [[1.0]], [0.0], "tanh"),), 1.0, ("u",), ("y",), ("",), ("",))
    assert 0.99 < worst_input(tanh, horizon=64).gain <= 1.0


def test_the_centre_of_a_standardised_input_is_found():
    """y = tanh((u - 1000) / 10): from u = 0 nothing is seen, the first layer tells where to look."""
    layers = (Affine([[0.1]], [-100.0]), Perceptron([[1.0]], [0.0], [[1.0]], [0.0], "tanh"))
    N = Interconnection(layers, 1.0, ("u",), ("y",), ("",), ("",))
    assert worst_input(N, horizon=64, starts=("zero",), amplitudes=(0.1,)).gain < 1e-6
    assert worst_input(N, horizon=64).gain == pytest.approx(0.1, rel=1e-2)


def test_it_is_deterministic_and_every_start_runs(network):
    N = network(0, blocks=1)
    assert worst_input(N, horizon=64, seed=3).gain == worst_input(N, horizon=64, seed=3).gain
    for start in STARTS:
        assert worst_input(N, horizon=64, starts=(start,), iterations=2).gain > 0


def test_a_system_that_does_nothing_has_gain_zero(modal):
    G = modal(0)
    nothing = Interconnection((Affine([[0.0]], [1.0]),), 1.0, ("u",), ("y",), ("",), ("",))
    assert worst_input(nothing, horizon=32).gain == 0.0
    assert "no gap known" in str(certify(nothing))
    assert Dynamic(G).n_in == 2


def test_options_are_checked(modal):
    with pytest.raises(OptionError, match="noise"):
        worst_input(modal(0), starts=("chirp",))
    with pytest.raises(OptionError, match="horizon 0"):
        worst_input(modal(0), horizon=0)


@pytest.mark.parametrize("scale", [1e-12, 1e-15, 1e-20, 1e-40])
def test_the_rounding_of_a_simulation_is_no_evidence(network, scale):
    """A decoder far below its bias: differences of outputs are rounding errors, and not gains above the proved one."""
    N = network(0)
    last = N.layers[-1]
    N = replace(N, layers=(*N.layers[:-1], Affine(scale * last.W, last.b)))
    certificate = certify(N, method="product")
    assert 0 <= certificate.lower.gain <= certificate.gamma
