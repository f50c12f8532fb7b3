"""The certificate as a monitor: what it reports in training, and that training is the same with it."""

from __future__ import annotations

import numpy as np
import pytest

import l2ssm as ls
from l2ssm.errors import OptionError

SMALL = {"layers": 1, "d_model": 3, "n_x": 3, "steps": 40, "validate_every": 10, "initial": "zero",
         "refine_steps": 0}  # fmt: skip


@pytest.fixture(scope="module")
def record():
    rng = np.random.default_rng(0)
    u = np.repeat(rng.standard_normal(60), 5)
    y = np.zeros(300)
    for k in range(299):
        y[k + 1] = 0.8 * y[k] + 0.4 * np.tanh(u[k])
    return ls.Record(u=u, y=y, dt=1.0, name="rig")


def test_history_holds_gains_that_hold(record):
    """At every second validation; the last one is that of the final model where the last step is the best."""
    reports = []
    model = ls.fit(record, monitor=2, progress=reports.append, **SMALL)
    assert [(r.step, r.gain is not None) for r in reports] == [(10, False), (20, True), (30, False), (40, True)]
    measured = {row["step"]: row["gain"] for row in model.info["history"] if "gain" in row}
    assert measured == {r.step: r.gain for r in reports if r.gain is not None}
    best = model.info["best_step"]
    assert best in measured, "the seed should give a best step that was measured"
    assert measured[best] == pytest.approx(ls.certify(model, lower=False).gamma, rel=1e-9)


def test_training_is_the_same_with_a_monitor(record):
    plain, watched = (ls.fit(record, monitor=monitor, **SMALL) for monitor in (None, 1))
    assert plain.network.digest == watched.network.digest


def test_a_gain_that_is_not_proved_is_none(record):
    """A model without a finite gain is trained all the same."""
    model = ls.fit(record, monitor=1, cell="s6", **SMALL)
    assert not any("gain" in row for row in model.info["history"])
    assert len(model.info["history"]) == 4
    with pytest.raises(OptionError, match="monitor is 0"):
        ls.fit(record, monitor=0, **SMALL)
