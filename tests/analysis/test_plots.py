"""Pictures: a unit on every axis, the numbers of closed forms on the lines, odd systems labelled and not crashing."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from l2ssm.analysis import curves, plots
from l2ssm.analysis.bla import bla
from l2ssm.analysis.compare import compare
from l2ssm.analysis.dissipation import dissipation
from l2ssm.analysis.frequency_response import FrequencyResponse
from l2ssm.analysis.gain_curve import gain_curve
from l2ssm.analysis.operators import linear_operators
from l2ssm.analysis.residuals import residuals
from l2ssm.certificates.compose import certify
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import OptionError
from l2ssm.systems.state_space import StateSpace

from .systems_under_test import FakeModel, network, random_modes

LOWPASS = StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]], 0.1, input_units=["V"], output_units=["mm"])
EMPTY = np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0))
ODD = {
    "unstable": StateSpace([[1.1, 0], [0, 0]], [[1.0], [1.0]], [[1.0, 0.0]], [[0.0]]),
    "on the circle": StateSpace([[1.0]], [[1.0]], [[1.0]], [[0.0]]),
    "zero": StateSpace([[0.5]], [[0.0]], [[1.0]], [[0.0]]),
    "static": StateSpace(*EMPTY, [[2.0]]),
    "delay": StateSpace([[0.0, 0.0], [1.0, 0.0]], [[1.0], [0.0]], [[0.0, 1.0]], [[0.0]]),
}


def _texts(figure: Figure) -> str:
    legends = [t.get_text() for legend in figure.legends for t in legend.get_texts()]
    inside = [t.get_text() for a in figure.axes for t in a.texts]
    return "\n".join([*legends, *inside, *(a.get_title(loc="left") for a in figure.axes)])


def _has_unit(label: str) -> bool:
    return re.search(r"\((?:-|[^)]*(?:dB|Hz|rad/s|degrees|s|mm|cm|mm²|V|updates|samples)[^)]*)\)", label) is not None


def _every_axis_has_a_unit(figure: Figure) -> bool:
    figure.draw_without_rendering()
    lowest: dict[float, float] = {}
    for a in figure.axes:
        x, y = a.get_position().x0, a.get_position().y0
        lowest[round(x, 3)] = min(lowest.get(round(x, 3), 1.0), y)
    leftmost = min(a.get_position().x0 for a in figure.axes)
    for a in figure.axes:
        at_bottom = a.get_position().y0 == lowest[round(a.get_position().x0, 3)]
        at_left = a.get_position().x0 < leftmost + 0.02
        if (at_bottom or a.get_xlabel()) and not _has_unit(a.get_xlabel()):
            return False
        if (at_left or a.get_ylabel()) and not _has_unit(a.get_ylabel()):
            return False
    return True


def test_bode_draws_the_closed_form_and_ends_at_nyquist() -> None:
    figure = plots.bode(LOWPASS)
    magnitude, phase = figure.axes
    omega, gain = magnitude.lines[0].get_data()
    H = 1.0 / (np.exp(1j * omega * 0.1) - 0.5)
    np.testing.assert_allclose(gain, 20 * np.log10(np.abs(H)), atol=1e-9)
    np.testing.assert_allclose(phase.lines[0].get_ydata(), np.rad2deg(np.unwrap(np.angle(H))), atol=1e-9)
    assert omega[-1] == pytest.approx(np.pi / 0.1)
    assert "(rad/s)" in phase.get_xlabel()
    assert "dB re 1 mm/V" in magnitude.get_ylabel()
    assert "peak 2 (6.0 dB) at 0 rad/s" in _texts(figure)


def test_hz_divides_the_axis_by_two_pi_and_says_so() -> None:
    omega = plots.bode(LOWPASS).axes[0].lines[0].get_xdata()
    figure = plots.bode(LOWPASS, hz=True)
    np.testing.assert_allclose(figure.axes[0].lines[0].get_xdata(), omega / (2 * np.pi), rtol=1e-12)
    assert "(Hz)" in figure.axes[1].get_xlabel()
    assert "Nyquist, 5 Hz" in figure.axes[1].get_xlabel()


def test_a_resonance_of_tiny_width_shows_its_full_height() -> None:
    G = StateSpace.from_modes([(1 - 1e-7) * np.exp(1j)], [[1e-7]], [[1.0]], [[0.0]])
    lower, upper, _ = G.hinf()
    for figure in (plots.bode(G), plots.sigma(G)):
        highest = float(np.nanmax(figure.axes[0].lines[0].get_ydata()))
        assert 20 * np.log10(lower) - 1e-3 <= highest <= 20 * np.log10(upper) + 1e-3


def test_sigma_draws_the_largest_singular_value_of_every_operator() -> None:
    operators = linear_operators(network(3, 3, 6, 3, 0.5))
    figure = plots.sigma(operators, hz=True)
    for line, G in zip(figure.axes[0].lines[::2], operators.values(), strict=False):
        f, gain = line.get_data()
        expected = np.linalg.norm(G.frequency_response(2 * np.pi * f), 2, axis=(1, 2))
        np.testing.assert_allclose(gain, 20 * np.log10(expected), atol=1e-8)
    assert len(figure.legends[0].get_texts()) == 3


def test_poles_are_drawn_where_they_are_and_as_time_constants() -> None:
    dt, tau, f = 0.1, 2.0, 1.5
    G = StateSpace.from_modes([np.exp(-dt / tau + 2j * np.pi * f * dt)], [[1.0]], [[1.0]], [[0.0]], dt)
    plane, times = plots.poles(G, hz=True).axes
    drawn = plane.lines[1]
    assert set(zip(drawn.get_xdata(), drawn.get_ydata(), strict=True)) == {(z.real, z.imag) for z in G.poles()}
    assert times.lines[0].get_xdata() == pytest.approx([tau])
    assert times.lines[0].get_ydata() == pytest.approx([f])


@pytest.mark.parametrize("name", ODD)
def test_odd_systems_are_drawn_and_named(name: str) -> None:
    for draw in (plots.bode, plots.sigma, plots.poles):
        figure = draw({name: ODD[name]})
        assert _every_axis_has_a_unit(figure)
        assert name in _texts(figure)


def test_odd_systems_say_what_is_odd() -> None:
    text = _texts(plots.sigma(ODD))
    assert "unstable (unstable, the curve is not a gain)" in text
    assert "zero (zero)" in text
    assert "peak 2 (6.0 dB)" in text
    text = _texts(plots.poles(ODD))
    assert "2 not inside the unit circle" in text
    assert "3 delay (z = 0), 2 not stable" in text
    assert "zero at every frequency" in _texts(plots.bode(ODD["zero"]))
    assert "no pole with a time constant" in _texts(plots.poles(ODD["delay"]))


def test_more_channels_need_a_choice_and_the_choice_is_that_entry() -> None:
    G = random_modes(3, 2, 3, 0.1)
    with pytest.raises(OptionError, match=r"2 inputs and 3 outputs: choose channel=\(output, input\), or draw sigma"):
        plots.bode(G)
    with pytest.raises(OptionError, match=r"expected output 0\.\.2 and input 0\.\.1"):
        plots.bode(G, channel=(3, 0))
    omega, gain = plots.bode(G, channel=(2, 1)).axes[0].lines[0].get_data()
    np.testing.assert_allclose(gain, 20 * np.log10(np.abs(G.frequency_response(omega)[:, 2, 1])), atol=1e-8)
    with pytest.raises(OptionError, match="different dt"):
        plots.sigma({"a": G, "b": random_modes(3, 2, 3, 0.2)})
    with pytest.raises(OptionError, match="no linear operator"):
        plots.sigma({})


def _mimo() -> tuple[FakeModel, Dataset]:
    units = {"input_units": ("V",) * 3, "output_units": ("cm",) * 3}
    net = network(3, 3, 6, 2, 0.5, **units)
    rng = np.random.default_rng(0)
    records = []
    for i in range(2):
        u = rng.standard_normal((200, 3))
        y = net.simulate(u) + 0.1 * rng.standard_normal((200, 3))
        records.append(Record(u, y, 0.5, name=f"run{i}", t0=10.0 * i, units={f"y{k}": "cm" for k in (1, 2, 3)}))
    return FakeModel(net, n_init=20), Dataset(records)


def test_compare_draws_measured_simulated_and_error_of_every_output() -> None:
    model, data = _mimo()
    comparison = compare(data, {"deep": model, "linear": random_modes(3, 3, 3, 0.5)})
    figure = plots.compare(comparison, record=1)
    assert len(figure.axes) == 6
    assert _every_axis_has_a_unit(figure)
    overlay, strip = figure.axes[2], figure.axes[3]
    np.testing.assert_array_equal(overlay.lines[0].get_ydata(), data[1].y[:, 1])
    np.testing.assert_array_equal(strip.lines[0].get_ydata(), data[1].y[:, 1] - comparison.outputs["deep"][1][:, 1])
    np.testing.assert_array_equal(overlay.lines[0].get_xdata(), data[1].t)
    assert f"deep {comparison.scores['deep'].fit[1]:.1f} %" in overlay.get_title(loc="left")
    assert "initial state, not scored" in _texts(figure)
    zoomed = plots.compare(comparison, span=(20.0, 30.0)).axes[0]
    assert zoomed.get_xlim() == (20.0, 30.0)
    assert len(zoomed.lines[0].get_xdata()) == 21


def test_a_diverging_simulation_does_not_spoil_the_axis() -> None:
    unstable = StateSpace([[1.5]], [[1.0]], [[1.0]], [[0.0]])
    record = Record(np.ones(300), np.sin(np.arange(300.0)), 1.0)
    figure = plots.compare(compare(record, {"unstable": unstable}))
    assert figure.axes[0].get_ylim()[1] < 5
    assert "< -999 % (far outside the picture)" in _texts(figure)


def test_residual_pictures_have_a_panel_for_every_pair_and_mark_what_is_outside() -> None:
    model, data = _mimo()
    figure = plots.residuals(residuals(model, data))
    assert len(figure.axes) == 3 * 4
    assert _every_axis_has_a_unit(figure)
    wrong = plots.residuals(residuals(random_modes(3, 3, 3, 0.5), data))
    assert any(len(line.get_xdata()) for a in wrong.axes for line in a.lines if line.get_marker() == "D")
    assert len(plots.residuals(residuals(model, data), outputs=1, inputs=2).axes) == 3
    u = np.random.default_rng(0).standard_normal(1000)
    squared = plots.residuals(residuals(LOWPASS, Record(u, LOWPASS.simulate(u) + (u**2)[:, None], 0.1)))
    assert [a.get_title(loc="left") for a in squared.axes][-1] == "y with past u²"


def test_history_marks_the_best_validation_step() -> None:
    steps = [{"step": k, "train_mse": 1.0 / k, "valid_mse": (k - 5) ** 2 + 1.0} for k in range(1, 10)]
    figure = plots.history(steps)
    assert _every_axis_has_a_unit(figure)
    assert "best (step 5)" in [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert figure.axes[0].get_yscale() == "log"
    only_train = plots.history([{"step": 1, "train_mse": 0.0, "valid_mse": None}])
    assert only_train.axes[0].get_yscale() == "linear"
    with pytest.raises(OptionError, match="nothing to draw"):
        plots.history([])


def test_thinning_keeps_every_extreme() -> None:
    rng = np.random.default_rng(0)
    t, y = np.arange(100000.0), rng.standard_normal(100000)
    x, v = curves.thinned(t, y, buckets=100)
    assert len(v) <= 200
    assert np.all(np.diff(x) > 0)
    blocks = y.reshape(100, 1000)
    assert set(blocks.max(axis=1)) | set(blocks.min(axis=1)) == set(v)


def test_svg_is_reproducible_and_fetches_nothing() -> None:
    text = plots.svg(plots.bode(LOWPASS))
    assert text == plots.svg(plots.bode(LOWPASS))
    links = re.findall(r'(?:href|src)="([^"]*)"|url\(([^)]*)\)', text)
    assert all((a or b).startswith("#") for a, b in links)
    assert "<script" not in text


def test_large_pictures_become_png() -> None:
    figure = plots.bode(LOWPASS)
    assert plots.data_uri(figure).startswith("data:image/svg+xml;base64,")
    address = plots.data_uri(figure, largest=100)
    assert base64.b64decode(address.partition(",")[2]).startswith(b"\x89PNG")


def test_no_global_state_and_no_pyplot() -> None:
    code = (
        "import sys, matplotlib\n"
        "from l2ssm.analysis import plots, style; from l2ssm.systems.state_space import StateSpace\n"
        "settings = lambda: {key: matplotlib.rcParams[key] for key in style.STYLE}\n"
        "before = settings()\n"
        "plots.svg(plots.bode(StateSpace([[.5]], [[1.]], [[1.]], [[0.]])))\n"
        "assert settings() == before and 'matplotlib.pyplot' not in sys.modules\n"
        "assert 'torch' not in sys.modules and 'cvxpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_plots_loads_matplotlib() -> None:
    code = (
        "import sys\n"
        "from l2ssm.analysis import bla, compare, connect, correlation, curves, dissipation, facts, frf, gain_curve\n"
        "from l2ssm.analysis import metrics, modes, operators, residuals, summary\n"
        "loaded = {'matplotlib', 'torch', 'cvxpy', 'pandas', 'flint'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def _measured_response() -> tuple[StateSpace, FrequencyResponse]:
    G = random_modes(2, 2, 2, 0.1, input_units=("V", "V"), output_units=("mm", "mm"))
    net = network(2, 2, 3, 1, 0.1, input_units=("V", "V"), output_units=("mm", "mm"))
    return G, bla(net, period=64, realizations=3)


def test_measured_points_lie_over_the_lines_of_systems() -> None:
    G, found = _measured_response()
    own = bla(G, period=512, realizations=2, settle=8)
    figure = plots.frequency({"system": G, "measured": own, "network": found}, channel=(1, 0))
    assert _every_axis_has_a_unit(figure)
    assert "dB re 1 mm/V" in figure.axes[0].get_ylabel()
    text = _texts(figure)
    assert "measured, 95 % band" in text
    assert "network: distortion" in text
    points = next(line for line in figure.axes[0].lines if line.get_label() == "measured, 95 % band")
    f, gain = points.get_data()
    expected = np.abs(G.frequency_response(2 * np.pi * f)[:, 1, 0])
    np.testing.assert_allclose(gain, 20 * np.log10(expected), atol=1e-3)
    with pytest.raises(OptionError, match="channel"):
        plots.frequency({"measured": own}, channel=(2, 0))
    with pytest.raises(OptionError, match="dt"):
        plots.frequency({"measured": own, "other": random_modes(2, 2, 2, 0.5)})
    with pytest.raises(OptionError, match="given nothing"):
        plots.frequency({})


def test_nyquist_draws_the_response_and_its_mirror_image() -> None:
    figure = plots.nyquist(LOWPASS)
    (axes,) = figure.axes
    mirrored, upper = axes.lines[0].get_xydata(), axes.lines[1].get_xydata()
    np.testing.assert_allclose(mirrored, upper * [1, -1], atol=0)
    np.testing.assert_allclose(np.abs(upper @ [1, 1j] - 2 / 3), 4 / 3, atol=1e-12)  # H of 1 / (z - 0.5) is a circle
    assert _every_axis_has_a_unit(figure)
    assert "(mm/V)" in axes.get_xlabel()


def test_step_and_impulse_are_those_of_the_simulation() -> None:
    G = random_modes(2, 3, 2, 0.1)
    for draw, settles in ((plots.step, True), (plots.impulse, False)):
        figure = draw({"a": G, "b": G}, duration=4.0)
        assert len(figure.axes) == 6
        assert _every_axis_has_a_unit(figure)
        u = np.zeros((41, 3))
        u[: 41 if settles else 1, 1] = 1.0
        drawn = figure.axes[4].lines[0].get_ydata()
        np.testing.assert_allclose(drawn, G.simulate(u)[:, 1], atol=1e-12)
    for name, odd in ODD.items():
        assert _every_axis_has_a_unit(plots.step({name: odd}))
    with pytest.raises(OptionError, match="duration"):
        plots.step(G, duration=-1.0)
    with pytest.raises(OptionError, match="draw them separately"):
        plots.step({"a": G, "b": LOWPASS})


def test_energies_and_gains_have_units_and_the_certified_line() -> None:
    net = network(1, 1, 3, 2, 0.5, input_units=("V",), output_units=("mm",))
    certificate = certify(net)
    u = np.random.default_rng(0).standard_normal(4000)
    found = dissipation(certificate, u)
    figure = plots.dissipation(found)
    assert _every_axis_has_a_unit(figure)
    assert "(mm²)" in figure.axes[0].get_ylabel()
    assert "never negative" in _texts(figure)
    assert float(figure.axes[1].lines[0].get_ydata().min()) >= -found.rounding
    assert "NEGATIVE SLACK" in _texts(plots.dissipation(replace(found, supplied=0.1 * found.supplied)))
    figure = plots.gain({"model": gain_curve(net, [0.1, 1.0, 10.0], samples=64)}, certificate)
    assert _every_axis_has_a_unit(figure)
    assert "certified: gain ≤" in _texts(figure)
    level = next(line for line in figure.axes[0].lines if len(set(np.ravel(line.get_ydata()))) == 1)
    assert level.get_ydata()[0] == certificate.gamma
    with pytest.raises(OptionError, match="no gain curve"):
        plots.gain({})
