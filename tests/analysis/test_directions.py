"""The worst direction attains the H-infinity norm in a simulation; the picture of a worst input shows its numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from l2ssm.analysis import plots
from l2ssm.analysis.directions import worst_direction
from l2ssm.analysis.spectrum import amplitude_spectrum, worst_facts
from l2ssm.certificates.certificate import LowerBound
from l2ssm.certificates.compose import certify
from l2ssm.certificates.falsify import worst_input
from l2ssm.errors import OptionError, RealizationError
from l2ssm.systems.state_space import StateSpace

from .systems_under_test import network, random_modes


@pytest.mark.parametrize("seed", range(4))
def test_a_sinusoid_in_the_worst_direction_is_amplified_by_the_norm(seed: int) -> None:
    G = random_modes(3, 3, 2, 0.1, seed)
    found, (lower, upper, omega) = worst_direction(G), G.hinf()
    assert (found.omega, np.linalg.norm(found.input)) == (omega, pytest.approx(1.0))
    assert lower * (1 - 1e-9) <= found.gain <= upper
    assert found.input[np.argmax(np.abs(found.input))].imag == pytest.approx(0.0, abs=1e-12)
    wave = np.exp(1j * omega * 0.1 * np.arange(8000))[:, None]
    y = G.simulate((wave * found.input).real)[-500:]
    np.testing.assert_allclose(y, found.gain * (wave * found.output).real[-500:], atol=1e-6 * found.gain, rtol=0)


def test_there_is_no_direction_without_a_finite_gain() -> None:
    with pytest.raises(RealizationError, match="unit circle"):
        worst_direction(StateSpace([[1.1]], [[1.0]], [[1.0]], [[0.0]]))


@pytest.mark.parametrize("T", [64, 63])
def test_the_spectrum_has_the_energy_of_the_signal(T: int) -> None:
    x = np.random.default_rng(0).standard_normal((T, 2)) + 1
    f, a = amplitude_spectrum(x, 0.5)
    power = a**2 / 2
    power[0] *= 2
    if T % 2 == 0:
        power[-1] *= 2
    np.testing.assert_allclose(power.sum(axis=0), np.mean(x**2, axis=0))
    assert f[1] == pytest.approx(1 / (T * 0.5))


def test_the_worst_input_is_drawn_with_its_spectrum() -> None:
    net = network(2, 1, 3, 1, 0.5, input_units=("V", "bar"))
    found = worst_input(net, horizon=128, starts=("zero",), iterations=2)
    lower = LowerBound(found.gain, found.description, found.u, found.du)
    certificate = replace(certify(net, method="product", lower=False), lower=lower)
    figure = plots.worst(found, net)
    time, spectrum = figure.axes[0], figure.axes[1]
    np.testing.assert_allclose(time.lines[1].get_ydata(), found.u[:, 0])
    assert (time.get_ylabel(), spectrum.get_ylabel()) == ("u1 (V)", "amplitude of du (V)")
    assert [axes.get_xlabel()[:9] for axes in figure.axes[2:]] == ["time (s)", "frequency"]
    facts = worst_facts(certificate)
    assert facts is not None
    assert spectrum.get_title(loc="left") == f"strongest at {facts['inputs'][0]['strongest_hz']:.3g} Hz"
    with pytest.raises(OptionError, match="the network 1 inputs"):
        plots.worst(found, network(1, 1, 3, 1, 0.5))
    assert worst_facts(replace(certificate, lower=None)) is None
