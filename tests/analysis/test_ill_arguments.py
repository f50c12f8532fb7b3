"""Arguments that make no sense are named errors of the package, with the value in the message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import l2ssm as ls
from l2ssm.analysis.bla import bla
from l2ssm.analysis.compare import compare
from l2ssm.analysis.connect import minimal
from l2ssm.analysis.frf import frf
from l2ssm.analysis.gain_curve import gain_curve
from l2ssm.analysis.residuals import residuals
from l2ssm.analysis.summary import analyse
from l2ssm.errors import DataError, OptionError
from l2ssm.systems.state_space import StateSpace

G = StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]], 1.0, ["volt"], ["h"], None, ["V"], ["mm"])
U = np.random.default_rng(0).standard_normal((300, 1))
DATA = ls.Record(U, G.simulate(U), 1.0)
FOUND = frf(DATA)
PLANT = ls.plants.CascadedTanks()
BLIND = StateSpace([[0.5]], [[1.0]], np.zeros((0, 1)), np.zeros((0, 1)))
COMPARED = compare(DATA, {"G": G})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: bla(G, [1.0, 2.0]), DataError, "rms is"),
        (lambda: bla(G, "a"), DataError, "rms is 'a'"),
        (lambda: bla(G, 0.0), OptionError, "rms is 0.0"),
        (lambda: bla(G, mean=[1.0, 2.0]), DataError, "mean is"),
        (lambda: bla(G, realizations="a"), OptionError, "realizations is 'a'"),
        (lambda: bla(G, settle=None), OptionError, "settle is None"),
        (lambda: bla(G, seed=-1), OptionError, "seed is -1"),
        (lambda: bla(G, period=3), OptionError, "period is 3"),
        (lambda: gain_curve(G, []), OptionError, "amplitudes"),
        (lambda: gain_curve(G, ["a"]), OptionError, "an amplitude is 'a'"),
        (lambda: gain_curve(G, [np.nan]), OptionError, "an amplitude is nan"),
        (lambda: gain_curve(G, [1.0], mean=[1.0, 2.0]), DataError, "mean is"),
        (lambda: gain_curve(PLANT, [1.0], mean="a"), DataError, "mean is 'a'"),
        (lambda: gain_curve(G, [1.0], samples=17.5), OptionError, "samples is 17.5"),
        (lambda: gain_curve(G, [1.0], tones=1.5), OptionError, "tones is 1.5"),
        (lambda: frf(DATA, period="a"), OptionError, "period is 'a'"),
        (lambda: frf(DATA, segment=np.nan), OptionError, "segment is nan"),
        (lambda: FOUND.radius("a"), OptionError, "confidence is 'a'"),
        (lambda: residuals(G, DATA, max_lag=2.5), OptionError, "max_lag is 2.5"),
        (lambda: residuals(G, DATA, false_alarm="a"), OptionError, "false_alarm is 'a'"),
        (lambda: minimal(G, tolerance="a"), OptionError, "tolerance is 'a'"),
        (lambda: analyse(G, "cert.json"), OptionError, "str is not a certificate"),  # type: ignore[arg-type]
        (lambda: ls.plots.compare(COMPARED, record=1), OptionError, "record is 1"),
        (lambda: ls.plots.compare(COMPARED, span=3), OptionError, "span is 3"),
        (lambda: ls.plots.compare(COMPARED, span=(900, 950)), OptionError, "the record from 0 to 299 s"),
        (lambda: ls.plots.residuals(residuals(G, DATA), outputs=0), OptionError, "outputs is 0"),
        (lambda: ls.plots.bode({"a": 1}), OptionError, "'a' is a int"),
        (lambda: ls.plots.bode(G, channel=("y", "u")), OptionError, "channel="),
        (lambda: ls.plots.bode(G, channel=0), OptionError, "channel=0"),
        (lambda: ls.plots.sigma(BLIND), OptionError, "1 inputs and 0 outputs"),
        (lambda: ls.plots.step(BLIND), OptionError, "nothing to draw"),
        (lambda: ls.plots.step(G, duration="a"), OptionError, "duration is 'a'"),
        (lambda: ls.plots.frequency({"a": 1}), OptionError, "given int"),
        (lambda: ls.plots.history([{"step": 1, "train_mse": float("nan")}]), OptionError, "nothing to draw"),
        (lambda: ls.plots.worst(None, None), OptionError, "NoneType is not a worst input"),
    ],
)
def test_it_is_named(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_one_measured_response_is_drawn_as_it_is() -> None:
    figure = ls.plots.frequency(FOUND)
    assert figure.legends[0].get_texts()[0].get_text() == "measured, 95 % band"
    wide = StateSpace([[0.5]], [[1.0, 2.0]], [[1.0]], [[0.0, 0.0]])
    assert ls.plots.frequency(wide, channel=(0, 1)).axes[0].get_title(loc="left") == "from u2 to y"


def test_a_minimal_realization_keeps_names_and_units() -> None:
    small = minimal(ls.connect.parallel(G, G)).G
    assert (small.n_x, small.input_names, small.output_names) == (1, ("volt",), ("h",))
    assert (small.input_units, small.output_units) == (("V",), ("mm",))
