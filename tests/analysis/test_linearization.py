"""The Jacobian system against finite differences of the simulation, and bands of several systems."""

from __future__ import annotations

import numpy as np
import pytest

import l2ssm as ls
from l2ssm.analysis.band_plots import bode_band_figure
from l2ssm.analysis.bands import band_of, frequency_band
from l2ssm.analysis.linearization import linearize
from l2ssm.errors import DataError, OptionError, RealizationError
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Contractive, Dynamic, Gated, Layer, Perceptron, Product, Residual, RMSNorm
from l2ssm.systems.state_space import StateSpace

RNG = np.random.default_rng(0)


def system(n_u: int, n_y: int, seed: int) -> Dynamic:
    rng = np.random.default_rng(seed)
    A = np.diag([0.8, 0.5, -0.3]) + 0.1 * np.triu(rng.standard_normal((3, 3)), 1)
    B, C = rng.standard_normal((3, n_u)), rng.standard_normal((n_y, 3))
    return Dynamic(StateSpace(A, B, C, rng.standard_normal((n_y, n_u)), 0.1))


def matrix(*shape: int) -> np.ndarray:
    return 0.5 * RNG.standard_normal(shape)


CHAINS: dict[str, tuple[Layer, ...]] = {
    "linear": (Affine(matrix(3, 2), matrix(3)), system(3, 2, 0)),
    "static": (Perceptron(matrix(4, 2), matrix(4), matrix(2, 4), matrix(2), "tanh"),),
    "wiener": (system(2, 2, 1), Contractive(matrix(3, 2), matrix(3), 0.7, "tanh")),
    "residual": (
        Affine(matrix(3, 2), matrix(3)),
        Residual((system(3, 3, 2), Gated(matrix(3, 3), matrix(3), matrix(3, 3), matrix(3), "tanh"))),
        RMSNorm(np.ones(3), np.array([0.1])),
        Affine(matrix(2, 3), matrix(2)),
    ),
    "product": (
        Product(
            (system(2, 2, 3), Perceptron(matrix(4, 2), matrix(4), matrix(2, 4), matrix(2), "tanh")),
            (Affine(matrix(2, 2), matrix(2)), system(2, 2, 4)),
        ),
        Affine(matrix(2, 2), matrix(2)),
    ),
}


def network(layers: tuple[Layer, ...]) -> Interconnection:
    return Interconnection(layers, 0.1, ("a", "b"), ("y", "z"), ("V", "V"), ("mm", "mm"))


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("u0", [0.0, [0.7, -1.2]])
def test_small_deviations_from_the_steady_state_follow_it(name, u0):
    """The central difference of two simulations, after the transient to the operating point."""
    model = network(CHAINS[name])
    G = linearize(model, u0)
    settle, T, step = 400, 60, 1e-5
    du = np.vstack([np.zeros((settle, 2)), np.random.default_rng(1).standard_normal((T, 2))])
    held = np.broadcast_to(u0, du.shape)
    by_differences = (model.simulate(held + step * du) - model.simulate(held - step * du))[settle:] / (2 * step)
    np.testing.assert_allclose(G.simulate(du[settle:]), by_differences, rtol=0, atol=1e-6)
    assert (G.input_names, G.output_units, G.dt, G.n_x) == (("a", "b"), ("mm", "mm"), 0.1, model.n_x)


def test_what_has_no_linearization():
    G = system(2, 2, 0).G
    assert linearize(G) is G
    with pytest.raises(DataError, match=r"u0 is \[1.0, 2.0, 3.0\], expected 2 finite numbers"):
        linearize(network(CHAINS["static"]), [1.0, 2.0, 3.0])
    integrator = Dynamic(StateSpace([[1.0]], np.ones((1, 2)), np.ones((2, 1)), np.zeros((2, 2)), 0.1))
    with pytest.raises(RealizationError, match="block1 is not Schur stable"):
        linearize(network((system(2, 2, 0), integrator)))
    u = np.repeat(RNG.standard_normal(40), 5)
    small = {"layers": 1, "d_model": 2, "n_x": 2, "steps": 1, "initial": "zero"}
    selective = ls.fit(ls.Record(u, np.roll(u, 1), 1.0), cell="s6", **small)
    with pytest.raises(RealizationError, match="block0 is a Selective"):
        selective.linearize()
    linear = ls.fit(ls.Record(u, np.roll(u, 1), 1.0, units={"u": "V"}), cell="lru", **small)
    assert linear.linearize(0.5).digest == linearize(linear, 0.5).digest


def test_the_band_of_systems_holds_all_of_them():
    """Gains 1, 2, 5 of one shape: a band of constant width in dB, one phase; and a resonance is on the grid."""
    base = StateSpace.from_modes([0.999 * np.exp(0.5j)], [[1.0]], [[1.0 + 0.2j]], [[0.0]], 0.1)
    systems = [StateSpace(base.A, k * base.B, base.C, base.D, 0.1) for k in (5.0, 1.0, 2.0)]
    band = frequency_band(systems)
    np.testing.assert_allclose(band.gain.high - band.gain.low, 20 * np.log10(5.0), atol=1e-9)
    np.testing.assert_allclose(band.gain.centre - band.gain.low, 20 * np.log10(2.0), atol=1e-9)
    np.testing.assert_allclose(band.phase.high, band.phase.low, atol=1e-9)
    assert band.gain.high.max() == pytest.approx(20 * np.log10(systems[0].hinf().lower), abs=1e-2)
    assert band.omega[-1] == pytest.approx(np.pi / 0.1)


def test_phases_of_opposite_branches_are_put_together():
    """-1 / (z - 0.5) starts a little below 180 degrees, -1 + 0.5 / z a little above -180."""
    systems = [StateSpace([[0.5]], [[1.0]], [[-1.0]], [[0.0]]), StateSpace([[0.0]], [[1.0]], [[0.5]], [[-1.0]])]
    band = frequency_band(systems)
    assert band.phase.high[0] - band.phase.low[0] < 1


def test_phases_beyond_180_degrees_are_unwrapped():
    """Three samples of delay: -540 degrees at Nyquist."""
    delay = StateSpace(np.eye(3, k=1), [[0.0], [0.0], [1.0]], [[1.0, 0.0, 0.0]], [[0.0]])
    band = frequency_band([delay])
    np.testing.assert_allclose(band.phase.centre, np.rad2deg(-3 * band.omega), atol=1e-6)


def test_quantiles_and_refusals():
    samples = np.random.default_rng(0).standard_normal((9, 4, 2))
    band = band_of(samples, (0.25, 0.75))
    np.testing.assert_array_equal(band.low, np.sort(samples, axis=0)[2])
    np.testing.assert_array_equal(band.high, np.sort(samples, axis=0)[6])
    np.testing.assert_array_equal(band.centre, np.sort(samples, axis=0)[4])
    for levels in ((0.5, 0.5), (-0.1, 1.0), (0.0, 1.1), (np.nan, 1.0)):
        with pytest.raises(OptionError, match="levels are"):
            band_of(samples, levels)
    with pytest.raises(OptionError, match="expected one of mean, median"):
        band_of(samples, centre="mode")
    with pytest.raises(OptionError, match="expected one dt"):
        frequency_band([])
    with pytest.raises(OptionError, match="choose channel"):
        frequency_band([system(2, 2, 0).G])


def test_the_picture_names_its_units():
    G = StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]], 0.1, input_units=["V"], output_units=["mm"])
    figure = bode_band_figure(
        frequency_band([G, StateSpace(G.A, 2 * G.B, G.C, G.D, 0.1, input_units=["V"], output_units=["mm"])]), hz=True
    )
    gain, phase = figure.axes
    assert (gain.get_ylabel(), phase.get_ylabel()) == ("magnitude (dB re 1 mm/V)", "phase (degrees)")
    assert phase.get_xlabel() == "frequency (Hz)"
    assert gain.lines[0].get_xdata()[-1] == pytest.approx(5.0)
    figure.canvas.draw()
