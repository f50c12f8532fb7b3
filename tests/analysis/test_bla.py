"""The best linear approximation of systems whose own is known, with noise and distortion levels."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import cont2discrete

from l2ssm.analysis.bla import bla, bla_of_data
from l2ssm.data.dataset import Dataset
from l2ssm.data.plants import Pendulum, WienerHammerstein
from l2ssm.data.record import Record
from l2ssm.errors import DataError, OptionError
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Dynamic, Product, Residual
from l2ssm.systems.state_space import StateSpace

from .systems_under_test import network, random_modes

DT = 0.01
FIRST = StateSpace.from_modes([0.5 * np.exp(0.3j)], [[0.5]], [[1.0 - 0.3j]], [[0.2]], DT)
LAST = StateSpace.from_modes([0.8 * np.exp(0.9j), 0.5], [[0.3], [0.4]], [[1.0, 0.5j]], [[0.5]], DT)
ONE = Affine(np.eye(1), np.zeros(1))


def wiener_hammerstein(cubic: float) -> Interconnection:
    """FIRST, then w = v + cubic v^3, then LAST."""
    cube = Product((ONE,), (Product((ONE,), (Affine([[cubic]], [0.0]),)),))
    return Interconnection((Dynamic(FIRST), Residual((cube,)), Dynamic(LAST)), DT, ("u",), ("y",), ("V",), ("V",))


def analytic(cubic: float, omega: NDArray[np.float64], period: int) -> tuple[NDArray, NDArray]:
    """(BLA, distortion of one realization relative to the input line) of multisines of 1 V rms.

    Over random phases the part of v^3 that follows line k is 3 (|v|^2 - V_k^2 / 4) V_k, V_k the amplitude of the line;
    the rest has the power of the third Hermite polynomial, six times the threefold convolution of the line powers.
    """
    R, S = (G.frequency_response(omega)[:, 0, 0] for G in (FIRST, LAST))
    amplitude = np.sqrt(2 / omega.size)
    V = amplitude * np.abs(R)
    gain = 1 + cubic * (3 * np.sum(V**2) / 2 - 0.75 * V**2)
    lines = np.round(omega * period * DT / (2 * np.pi)).astype(int)
    power = np.zeros(period)
    power[lines] = power[-lines] = V**2 / 4
    spectrum = np.fft.ifft(np.fft.fft(power) ** 3).real[lines]
    return R * gain * S, np.abs(S) * cubic * np.sqrt(6 * spectrum) / (amplitude / 2)


def test_wiener_hammerstein_within_one_percent_and_its_distortion_within_one_decibel() -> None:
    cubic, period = 0.02, 1024
    found = bla(wiener_hammerstein(cubic), period=period, band=(0.5, 15.0), realizations=256, seed=1)
    H, distortion = analytic(cubic, found.omega, period)
    assert found.omega.size > 140
    assert np.max(np.abs(found.H[:, 0, 0] / H - 1)) < 0.01
    assert found.distortion is not None
    bins = found.omega.size // 20 * 20  # powers of 20 neighbouring lines: the estimate of one has +-0.5 dB
    mine, true = (np.mean(x[:bins].reshape(-1, 20) ** 2, axis=1) for x in (found.distortion[:, 0, 0], distortion))
    assert np.max(np.abs(10 * np.log10(mine / true))) < 1.0
    assert found.noise is not None
    assert np.max(found.noise) < 1e-9


def test_the_deviation_of_the_mean_is_what_it_says() -> None:
    period = 512
    found = bla(wiener_hammerstein(0.3), period=period, band=(1.0, 30.0), realizations=12, seed=2)
    H, _ = analytic(0.3, found.omega, period)
    outside = np.mean(np.abs(found.H[:, 0, 0] - H) > found.radius(0.9)[:, 0, 0])
    assert 0.04 < outside < 0.18


def test_the_noise_level_of_a_plant_is_the_one_it_has() -> None:
    plant = WienerHammerstein(noise=(0.01,))
    found = bla(plant, rms=0.05, band=(200.0, 4000.0), period=256, realizations=4, periods=4)
    expected = 0.01 / np.sqrt(4 * 256) / (0.05 / np.sqrt(2 * found.omega.size))  # of a line, over the input line
    assert found.noise is not None
    assert 20 * np.log10(np.sqrt(np.mean(found.noise**2)) / expected) == pytest.approx(0.0, abs=0.5)


def test_a_plant_at_a_small_level_is_its_linearization() -> None:
    plant = WienerHammerstein()
    found = bla(plant, rms=1e-4, band=(200.0, 4000.0), period=256, realizations=2, noise=False)
    A, B, C, D, _ = cont2discrete(plant.linearize(), plant.dt)  # the input is held over a sample
    expected = StateSpace(A, B, C, D, plant.dt).frequency_response(found.omega)
    assert np.max(np.abs(found.H - expected)) < 1e-4 * np.max(np.abs(expected))
    assert (found.input_units, found.output_units) == (("V",), ("V",))


def test_a_linear_system_with_many_channels_is_its_own_approximation() -> None:
    G = random_modes(4, 3, 2, 0.1)
    G = StateSpace(0.97 * G.A, G.B, G.C, G.D, G.dt)
    found = bla(G, [1.0, 10.0, 0.1], period=2048, realizations=2)
    scale = np.max(np.abs(found.H))
    assert np.max(np.abs(found.H - G.frequency_response(found.omega))) < 1e-9 * scale
    assert found.distortion is not None
    assert np.max(found.distortion) < 1e-9 * scale


def test_the_operating_point_matters_and_is_the_one_given() -> None:
    plant = Pendulum(noise=(0.0,))
    torque = 0.8 * plant.weight_torque
    gains = [
        abs(bla(plant, 1e-3, mean=m, band=(0.0, 0.2), period=512, realizations=2).H[0, 0, 0]) for m in (0.0, torque)
    ]
    assert gains[1] > 1.2 * gains[0]


def test_a_model_is_run_on_its_network() -> None:
    net = network(2, 1, 3, 2, 0.1)
    found = bla(net, 0.1, period=128, realizations=3)
    assert found.H.shape == (63, 1, 2)
    assert np.all(np.isfinite(found.H))


def test_measured_records_give_the_same() -> None:
    rng = np.random.default_rng(3)
    G, records = FIRST, []
    for k in range(3):
        period = rng.standard_normal(64)
        u = np.tile(period, 5)
        records.append(Record(u[128:], G.simulate(u)[128:], DT, name=str(k)))
    found = bla_of_data(Dataset(records))
    assert np.max(np.abs(found.H - G.frequency_response(found.omega))) < 1e-8


def test_what_cannot_be_approximated() -> None:
    G = random_modes(1, 1, 1)
    with pytest.raises(OptionError, match="realizations is 1"):
        bla(G, realizations=1)
    with pytest.raises(OptionError, match="rms"):
        bla(G, -1.0)
    with pytest.raises(DataError, match="not finite"), np.errstate(all="ignore"):
        bla(StateSpace([[1e9]], [[1.0]], [[1.0]], [[0.0]]), period=64)
    u = np.random.default_rng(0).standard_normal(300)
    with pytest.raises(DataError, match="no period found"):
        bla_of_data(Record(u, u, 1.0))
