"""Ensembles: the same models as single fits, in turn and side by side; failures by name; bands; gains; the folder."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest

import l2ssm as ls
from l2ssm.analysis.band_plots import simulation_band_figure
from l2ssm.errors import FitError, ModelFileError, OptionError
from l2ssm.identification import fit_many as module
from l2ssm.identification.initial import InitialState
from l2ssm.identification.model import Model
from l2ssm.networks.scaling import Scaling
from l2ssm.systems.layers import Perceptron

SMALL = {"layers": 1, "d_model": 3, "n_x": 3, "steps": 20, "n_init": 5, "window": 64}


@pytest.fixture(scope="module")
def record():
    u = np.repeat(np.random.default_rng(0).standard_normal(60), 5)
    y = np.zeros(300)
    for k in range(299):
        y[k + 1] = 0.8 * y[k] + 0.4 * np.tanh(u[k])
    return ls.Record(u, y, 0.5, name="rig", units={"u": "V", "y": "mm"})


@pytest.fixture(scope="module")
def ensemble(record):
    return ls.fit_many(record, (0, 3, 1), gamma=4.0, **SMALL)


def test_members_are_the_single_fits(record, ensemble):
    assert list(ensemble.models) == [0, 3, 1]
    assert not ensemble.failures
    for seed in (0, 3):
        assert ensemble.models[seed].network.digest == ls.fit(record, gamma=4.0, seed=seed, **SMALL).network.digest


@pytest.mark.slow
def test_side_by_side_gives_the_same_models(record, ensemble):
    seen = []
    two = ls.fit_many(record, (0, 3, 1), processes=2, on_fit=lambda s, m: seen.append(s), gamma=4.0, **SMALL)
    assert seen == [0, 3, 1]
    assert [m.network.digest for m in two.models.values()] == [m.network.digest for m in ensemble.models.values()]


def test_workers_share_the_cores(monkeypatch):
    """4 workers on 8 cores get 2 threads each, 3 workers on 2 cores one each."""
    made = []

    class Pool:
        def __init__(self, workers, context, initializer, initargs):
            made.append((workers, *initargs))

        def __enter__(self):
            raise FitError("enough")

        def __exit__(self, *_):
            raise AssertionError

    monkeypatch.setattr(module, "ProcessPoolExecutor", Pool)
    for cores, processes, seeds in ((8, 4, 9), (2, 3, 5), (8, 16, 2)):
        monkeypatch.setattr(module.os, "cpu_count", lambda cores=cores: cores)
        with pytest.raises(FitError):
            ls.fit_many(None, range(seeds), processes=processes)
    assert made == [(4, 2), (3, 1), (2, 4)]


def test_failing_seeds_are_named(record, monkeypatch):
    whole = module.fit

    def fit(train, valid, *, seed, **options):
        if seed == 1:
            raise FitError("every step was not finite")
        return whole(train, valid, seed=seed, **options)

    monkeypatch.setattr(module, "fit", fit)
    seen = {}
    found = ls.fit_many(record, (0, 1), on_fit=seen.__setitem__, **SMALL)
    assert list(found.models) == [0]
    assert found.failures == {1: "every step was not finite"} == {1: seen[1]}
    assert "seed 1: NO MODEL, every step was not finite" in str(found)
    with pytest.raises(FitError, match="no seed gave a model: seed 1: every step was not finite"):
        ls.fit_many(record, (1,), **SMALL)


def test_an_interrupt_keeps_what_is_done(record, monkeypatch):
    whole, started = module.fit, []

    def fit(train, valid, *, seed, **options):
        started.append(seed)
        if seed == 5:
            raise KeyboardInterrupt
        return whole(train, valid, seed=seed, **options)

    monkeypatch.setattr(module, "fit", fit)
    found = ls.fit_many(record, (0, 5, 7), **SMALL)
    assert started == [0, 5]
    assert (list(found.models), found.failures) == ([0], {5: "interrupted", 7: "interrupted"})


def test_bands_in_simulation(record, ensemble):
    runs = np.array([m.simulate(record) for m in ensemble.models.values()])
    band = ensemble.band(record)
    np.testing.assert_array_equal(band.low, runs.min(axis=0))
    np.testing.assert_array_equal(band.high, runs.max(axis=0))
    np.testing.assert_allclose(ensemble.simulate(record), runs.mean(axis=0), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(ensemble.band(record, centre="median").centre, np.sort(runs, axis=0)[1])
    data = ls.Dataset([record.renamed("a"), record.renamed("b")])
    np.testing.assert_array_equal(ensemble.simulate(data)[1], ensemble.simulate(record))
    np.testing.assert_array_equal(ensemble.simulate(record.u, record.y), ensemble.simulate(record))
    figure = simulation_band_figure(record, band, ensemble.n_init)
    assert figure.axes[0].get_ylabel() == "y (mm)"
    assert figure.axes[0].get_xlabel() == "time (s)"
    figure.canvas.draw()


def test_scores_of_members_and_their_middle(record, ensemble):
    scores = ensemble.scores(record)
    assert list(scores) == ["seed 0", "seed 3", "seed 1", "mean", "median"]
    error = (record.y - ensemble.simulate(record))[ensemble.n_init :]
    np.testing.assert_allclose(scores["mean"].rmse, np.sqrt(np.mean(error**2, axis=0)))
    assert scores["mean"].rmse <= max(scores[f"seed {s}"].rmse for s in (0, 1, 3))
    single = ls.compare(record, {"m": ensemble.models[3]}).scores["m"]
    np.testing.assert_array_equal(scores["seed 3"].rmse, single.rmse)


def test_the_bode_band_is_that_of_the_linearizations(ensemble):
    band = ensemble.bode_band()
    for G in ensemble.linearizations().values():
        gain = 20 * np.log10(np.abs(G.frequency_response(band.omega)[:, 0, 0]))
        assert np.all(gain <= band.gain.high + 1e-9)
        assert np.all(gain >= band.gain.low - 1e-9)
    assert band.unit == "mm/V"


def test_linearizations_are_at_the_mean_input():
    """y = tanh u has the slope 1 - tanh(m)^2 at m."""
    network = ls.Interconnection(
        (Perceptron([[1.0]], [0.0], [[1.0]], [0.0], "tanh"),), 1.0, ("u",), ("y",), ("",), ("",)
    )
    models = {
        s: Model(network, Scaling(*np.full((4, 1), m)), InitialState("zero", 0), {}) for s, m in ((0, 0.5), (1, 2.0))
    }
    found = ls.Ensemble(models)
    assert [G.D.item() for G in found.linearizations().values()] == pytest.approx(
        [1 - math.tanh(m) ** 2 for m in (0.5, 2)]
    )
    assert [G.D.item() for G in found.linearizations(0.0).values()] == [1, 1]


def test_gains_of_mean_and_median_hold(record, ensemble):
    gain = ensemble.certify(method="product", lower=False)
    gammas = [Fraction(c.gamma) for c in gain.certificates.values()]
    assert all(c.verified for c in gain.certificates.values())
    assert Fraction(gain.mean) * 3 >= sum(gammas)
    assert Fraction(gain.median) ** 2 >= sum(g**2 for g in gammas)
    assert gain.mean <= float(max(gammas)) <= 4.0 * (1 + 1e-9)
    assert gain.median <= math.sqrt(3) * 4.0 * (1 + 1e-9)
    rng = np.random.default_rng(0)
    for size in (1e-3, 1.0, 10.0):
        u = rng.standard_normal((300, 1))
        v = u + size * rng.standard_normal((300, 1))
        for centre, bound in (("mean", gain.mean), ("median", gain.median)):
            a, b = (ensemble.band(w, centre=centre, x0=0).centre for w in (u, v))
            assert np.linalg.norm(a - b) <= bound * np.linalg.norm(u - v)
    assert "same initial state" in str(gain)
    with pytest.raises(OptionError, match="incremental"):
        ensemble.certify(kind="l2")


def test_the_folder(record, ensemble, tmp_path):
    named = ls.Ensemble(ensemble.models, {8: "did not converge"})
    named.save(tmp_path / "e")
    again = ls.Ensemble.load(tmp_path / "e")
    assert [m.digest for m in again.models.values()] == [m.digest for m in ensemble.models.values()]
    assert (list(again.models), again.failures) == ([0, 3, 1], {8: "did not converge"})
    assert ls.load(tmp_path / "e" / "seed-3.l2ssm").digest == ensemble.models[3].digest
    assert sorted(p.name for p in (tmp_path / "e").iterdir()) == [
        "ensemble.json", "seed-0.l2ssm", "seed-1.l2ssm", "seed-3.l2ssm",
    ]  # fmt: skip
    ensemble.models[0].save(tmp_path / "e" / "seed-1.l2ssm")
    with pytest.raises(ModelFileError, match="another model"):
        ls.Ensemble.load(tmp_path / "e")
    (tmp_path / "e" / "seed-1.l2ssm").unlink()
    with pytest.raises(ModelFileError, match="no model file"):
        ls.Ensemble.load(tmp_path / "e")
    index = tmp_path / "e" / "ensemble.json"
    for spoiled in (
        "{",
        "[]",
        json.dumps({"schema": "other"}),
        json.dumps(json.loads(index.read_text()) | {"models": []}),
    ):
        index.write_text(spoiled)
        with pytest.raises(ModelFileError):
            ls.Ensemble.load(tmp_path / "e")


def test_what_is_refused(record):
    for seeds in ((), (1, 1)):
        with pytest.raises(OptionError, match="expected at least one, each once"):
            ls.fit_many(record, seeds)
    with pytest.raises(OptionError, match="no option seed"):
        ls.fit_many(record, (0,), seed=1)
    with pytest.raises(OptionError, match="seeds is -1"):
        ls.fit_many(record, (-1,))
    with pytest.raises(OptionError, match="processes is 0"):
        ls.fit_many(record, (0,), processes=0)
    with pytest.raises(OptionError, match="unknown"):
        ls.fit_many(record, (0,), initial="guess")
