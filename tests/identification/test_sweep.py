"""The sweep over prescribed gains: grid, choice, proofs, interruption, and fits that fail."""

from __future__ import annotations

import math

import numpy as np
import pytest

import l2ssm as ls
from l2ssm.errors import CertificateError, DataError, FitError, OptionError
from l2ssm.identification import sweep as module
from l2ssm.identification.linear_gain import linear_gain
from l2ssm.identification.sweep import GainSweep, SweepRow, sweep_gamma

SMALL = {"layers": 1, "d_model": 3, "n_x": 3, "steps": 100, "validate_every": 20, "initial": "zero", "window": 128}


@pytest.fixture(scope="module")
def record():
    """The second period of y = G u with |G| = 2 at frequency 0, its peak."""
    u = np.repeat(np.random.default_rng(0).standard_normal(60), 5)
    y = ls.StateSpace([[0.8]], [[1.0]], [[0.4]], [[0.0]]).simulate(np.tile(u, 2)[:, None])[300:, 0]
    return ls.Record(u=u, y=y, dt=1.0, name="rig", units={"u": "V", "y": "mm"})


@pytest.fixture(scope="module")
def swept(record):
    seen = []
    return sweep_gamma(record, [4.0, 0.5], unprescribed=False, on_row=seen.append, **SMALL), seen


def row(prescribed, proved, error):
    return SweepRow(prescribed, proved, None, (error,), error, 1.0)


def test_linear_gain_of_a_linear_system(record):
    assert linear_gain(ls.Dataset(record)) == pytest.approx(2.0, rel=1e-4)
    constant = ls.Record(u=np.ones(100), y=np.zeros(100), dt=1.0)
    with pytest.raises(DataError):
        linear_gain(ls.Dataset(constant))


def test_a_gain_below_that_of_the_plant_costs_accuracy(swept):
    """The plant has the gain 2: with 0.5 the fit cannot be kept, with 4 it is, and the table says so."""
    sweep, seen = swept
    assert sweep.complete
    assert [r.prescribed for r in sweep.rows] == [0.5, 4.0]
    assert [len(partial.rows) for partial in seen] == [1, 2]
    assert not any(partial.complete for partial in seen)
    assert sweep.rows[0].error > 3 * sweep.rows[1].error
    assert sweep.chosen is sweep.rows[1]
    for r in sweep.rows:
        assert r.found <= r.proved <= r.prescribed
        assert ls.verify(r.certificate, r.model).verified
        assert r.rmse == tuple(r.model.info["valid_rmse"])
        assert r.error == pytest.approx(r.rmse[0] / r.model.scaling.y_std[0])
    text = str(sweep)
    assert "prescribed (mm/V)" in text
    assert text.splitlines()[2].endswith("<- smallest gain that keeps the fit")


def test_choice():
    """The smallest proved gain within the tolerance of the best error; what is not proved cannot be chosen."""
    best, near, far = row(None, 300.0, 0.100), row(8.0, 7.9, 0.104), row(4.0, 3.9, 0.106)
    assert GainSweep((best, near, far), 0.05, "", None).chosen is near
    assert GainSweep((best, near, far), 0.07, "", None).chosen is far
    assert GainSweep((best, near, far), 0.001, "", None).chosen is best
    assert GainSweep((row(None, None, 0.1), far), 0.05, "", None).chosen is None
    assert GainSweep((), 0.05, "", None).chosen is None
    assert GainSweep((row(1.0, None, math.inf),), 0.05, "", None).chosen is None


def test_default_grid(record, monkeypatch):
    monkeypatch.setattr(module, "_row", lambda train, valid, gamma, *rest: row(gamma, 1.0, 1.0))
    sweep = sweep_gamma(record, points=3)
    assert sweep.linear == pytest.approx(2.0, rel=1e-4)
    assert sweep.rows[0].prescribed is None
    assert [r.prescribed for r in sweep.rows[1:]] == pytest.approx([0.5, 2.0, 8.0], rel=1e-4)


def test_interruption_keeps_what_is_done(record, monkeypatch):
    """During training of the second fit, before and after its first validation, and during a proof."""
    calls = []

    def stop(report):
        calls.append(report.step)
        if len(calls) == 10:
            raise KeyboardInterrupt

    sweep = sweep_gamma(record, [1.0, 4.0], unprescribed=False, progress=stop, **SMALL)
    assert [r.prescribed for r in sweep.rows] == [1.0]
    assert not sweep.complete

    def interrupted_early(*args, gamma, **options):
        raise FitError("no finite validation error in 3 steps (interrupted at step 3); lower learning_rate")

    monkeypatch.setattr(module, "fit", interrupted_early)
    assert sweep_gamma(record, [1.0, 4.0], unprescribed=False, **SMALL).rows == ()

    def interrupted_proof(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "fit", lambda *args, gamma, **options: sweep.rows[0].model)
    monkeypatch.setattr(module, "certify", interrupted_proof)
    assert not sweep_gamma(record, [1.0, 4.0], unprescribed=False, **SMALL).complete


def test_what_fails_is_a_row_that_says_so(record, monkeypatch):
    def fails(*args, gamma, **options):
        raise FitError("more than 20 non-finite steps")

    monkeypatch.setattr(module, "fit", fails)
    sweep = sweep_gamma(record, [1.0], unprescribed=False)
    assert sweep.complete
    assert sweep.chosen is None
    assert sweep.rows[0].failure == "more than 20 non-finite steps"
    assert "non-finite" in str(sweep)


def test_a_model_without_a_proof_is_a_row_without_a_gain(swept, record, monkeypatch):
    def refuses(*args, **options):
        raise CertificateError("nothing was proved")

    monkeypatch.setattr(module, "fit", lambda *args, gamma, **options: swept[0].rows[0].model)
    monkeypatch.setattr(module, "certify", refuses)
    found = sweep_gamma(record, [1.0], unprescribed=False).rows[0]
    assert (found.proved, found.found, found.failure) == (None, None, "nothing was proved")
    assert math.isfinite(found.error)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gammas": []}, "gammas is empty"),
        ({"gammas": [1.0, -1.0]}, "gammas is -1.0"),
        ({"gamma": 3.0}, "give gammas instead"),
        ({"tolerance": 0.0}, "tolerance is 0.0"),
        ({"points": 1}, "points is 1"),
        ({"gammas": [1.0], "steps": 0}, "steps is 0"),
    ],
)
def test_options(record, options, message):
    with pytest.raises(OptionError, match=message):
        sweep_gamma(record, **options)


def test_arrays_are_not_data():
    with pytest.raises(DataError, match="train is a ndarray, expected a Dataset or a Record"):
        sweep_gamma(np.zeros((10, 2)))


def test_an_integrating_plant_has_no_gain_to_try_around():
    """Velocity under friction, summed up: the reason is named."""
    u = np.random.default_rng(0).normal(size=(800, 1))
    v = q = 0.0
    y = np.zeros_like(u)
    for k in range(len(u)):
        y[k] = q
        v += 0.1 * (u[k, 0] - 0.3 * np.tanh(20 * v) - 0.2 * v)
        q += 0.1 * v
    with pytest.raises(DataError, match="it integrates: give the gains to try"):
        linear_gain(ls.Dataset([ls.Record(u, y, 0.1)]))
