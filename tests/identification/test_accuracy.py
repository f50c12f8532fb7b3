"""The benchmark runs: baselines of exact plants, results that are kept once and go on, the table, the command."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import l2ssm as ls
from l2ssm.cli.app import app
from l2ssm.data import benchmarks
from l2ssm.data.benchmarks import Benchmark
from l2ssm.errors import DataError, FitError, OptionError
from l2ssm.identification import accuracy
from l2ssm.identification.accuracy import Course, Fitted, Result
from l2ssm.identification.accuracy_table import accuracy_table
from l2ssm.identification.linear_baseline import fit_linear
from l2ssm.identification.recurrent_baseline import RECURRENT, Recurrent, fit_recurrent

PLANT = ls.StateSpace([[0.9, 0.2], [-0.2, 0.8]], [[1.0], [0.5]], [[30.0, 10.0]], [[2.0]])


def _record(G, seed, name, samples=300):
    """A run of G whose means are an operating point, (5, -3): the mean deviations of u and y are zero."""
    rng = np.random.default_rng(seed)
    u = 0.01 * rng.standard_normal((samples, 1))
    u -= u.mean()
    x0, e1 = rng.standard_normal(G.n_x), np.eye(G.n_x)[0]
    x0 -= e1 * G.simulate(u, x0).mean() / G.simulate(0 * u, e1).mean()
    return ls.Record(5 + u, -3 + G.simulate(u, x0), 1.0, name=name)


def _official(name="tiny", G=PLANT):
    train, test = (ls.Dataset([_record(G, seed, part)]) for seed, part in enumerate(("train", "test")))
    return Benchmark(name, train, test, {"test": test}, 10, "mV", 1000.0, "rmse", "made up")


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(benchmarks.BENCHMARKS, "tiny", _official)
    return _official()


@pytest.mark.parametrize("kind", RECURRENT)
def test_a_recurrent_run_goes_on_from_its_end_state(kind):
    before = torch.get_rng_state()
    network, same = (Recurrent(kind, 2, 4, 1, seed=7) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    u = torch.randn(3, 20, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        y, end = network.standardised(u)
        first, middle = network.standardised(u[:, :8])
        second, last = network.standardised(u[:, 8:], middle)
        assert torch.equal(same.standardised(u)[0], y)
    assert end.shape == (3, sum(network.state_sizes))
    assert torch.allclose(torch.cat([first, second], dim=1), y, atol=1e-6)
    assert torch.allclose(last, end, atol=1e-6)


@pytest.mark.parametrize("kind", RECURRENT)
def test_a_recurrent_baseline_is_as_large_as_the_default_model(kind, tiny):
    seen = []
    model = fit_recurrent(tiny.train, kind, n_init=10, steps=2, progress=seen.append)
    default = ls.fit(tiny.train, n_init=10, steps=1).info["n_parameters"]
    assert 0.8 * default < model.n_parameters <= default
    assert [report.step for report in seen] == [2]
    (y,) = model.simulate(tiny.test)
    assert y.shape == (300, 1)
    again = fit_recurrent(tiny.train, kind, n_init=10, steps=2).simulate(tiny.test)[0]
    np.testing.assert_array_equal(y, again)


def test_a_recurrent_baseline_explains_half_of_the_variance_in_60_steps(tiny):
    model = fit_recurrent(tiny.train, "gru", n_init=10, steps=60)
    assert model.outcome.best_mse < 0.5


def test_an_unknown_recurrent_layer():
    with pytest.raises(OptionError, match="'rnn'; known: gru, lstm"):
        fit_recurrent(_official().train, "rnn", n_init=10)


def test_the_linear_baseline_of_a_linear_plant_is_the_plant(tiny):
    model = fit_linear(tiny.train, tiny.n_init)
    (y,) = model.simulate(tiny.test)
    np.testing.assert_allclose(y, tiny.test[0].y, atol=1e-6 * np.ptp(tiny.test[0].y))
    assert model.peak_gain() == pytest.approx(PLANT.hinf().upper, rel=1e-5)
    assert model.n_parameters == 2 * model.G.n_x + 1  # coefficients of numerator and denominator


def test_an_integrator_has_no_gain_to_prescribe(tmp_path):
    official = _official(G=ls.StateSpace([[1.0]], [[1.0]], [[1.0]], [[0.0]]))
    with pytest.raises(DataError, match=r"a pole of modulus .* it integrates"):
        fit_linear(official.train, 10).peak_gain()
    result, _ = Course(official).run("certified", 0, tmp_path)
    assert "it integrates" in result.note
    assert result.errors == {}
    assert Result.load(tmp_path / "tiny-certified-0.json") == result


def test_a_certified_result_is_proved_at_three_times_the_linear_gain(tiny, tmp_path):
    course = Course(tiny, steps=2, time_limit=60.0)
    result, new = course.run("certified", 0, tmp_path)
    assert new
    assert result.prescribed == pytest.approx(3 * PLANT.hinf().upper, rel=1e-5)
    assert 0 < result.found <= result.proved <= result.prescribed
    kept = tmp_path / "tiny-certified-0"
    certificate = ls.verify(kept / "cert.json", model=kept / "model.l2ssm")
    assert certificate.gamma == result.proved
    model = ls.load(kept / "model.l2ssm")
    error = (model.simulate(tiny.test[0]) - tiny.test[0].y)[10:]
    assert result.errors == {"test": pytest.approx(1000 * math.sqrt(np.mean(error**2)))}
    assert result.n_parameters == model.info["n_parameters"]


def test_a_result_is_made_once(tiny, tmp_path, monkeypatch):
    first, _ = Course(tiny, steps=3).run("linear", 0, tmp_path)
    monkeypatch.setitem(accuracy.FAMILIES, "linear", None)
    assert Course(tiny, steps=3).run("linear", 0, tmp_path) == (first, False)
    with pytest.raises(OptionError, match="made with steps 3 and minutes None, not 4 and None"):
        Course(tiny, steps=4).run("linear", 0, tmp_path)
    (tmp_path / "tiny-linear-0.json").write_text('{"schema": "other"}')
    with pytest.raises(DataError, match="is not a result of bench accuracy"):
        Course(tiny, steps=3).run("linear", 0, tmp_path)


def test_what_is_interrupted_is_no_result(tiny, tmp_path, monkeypatch):
    def in_training(task):
        return Fitted(task.linear(), 1.0, 5, stopped="interrupted at step 7")

    def before_the_first_validation(task):
        raise FitError("no finite validation error in 7 steps (interrupted at step 7)")

    for family in (in_training, before_the_first_validation):
        monkeypatch.setitem(accuracy.FAMILIES, "gru", family)
        with pytest.raises(KeyboardInterrupt):
            Course(tiny).run("gru", 0, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_free_run_that_explodes_is_said(tiny, tmp_path, monkeypatch):
    class Exploding:
        def simulate(self, data):
            return [np.full_like(record.y, np.inf) for record in data]

    monkeypatch.setitem(accuracy.FAMILIES, "gru", lambda task: Fitted(Exploding(), 1.0, 5))
    result, _ = Course(tiny).run("gru", 0, tmp_path)
    assert result.errors == {}
    assert result.note == "the free run is not finite on test"


def _results():
    made = [
        Result("emps", "gru", seed, "RMSE (mm)", None, None, {"test": e}, 60.0, 9) for seed, e in enumerate((3, 1, 8))
    ]
    proof = {"prescribed": 3.0, "proved": 2.00004, "found": 1.99996}
    made += [Result("emps", "lru", 0, "RMSE (mm)", None, None, {"test": 0.5}, 90.0, 8, **proof)]
    return [*made, Result("emps", "certified", 0, "RMSE (mm)", None, None, note="it integrates")]


def test_the_table_has_medians_best_seeds_and_published_numbers():
    lines = accuracy_table(_results(), markdown=True).splitlines()
    assert lines[0] == "### emps: RMSE (mm)"
    assert "| test | lru | 0.5 | 0.5 | 1 | 1.5 | 8 | 3 | 2.001 | 1.999 |" in lines
    assert "| test | gru | 3 | 1 | 3 | 1.0 | 9 | - | - | - |" in lines
    assert any(line.startswith("| test | published: GP-NARX | 1690 |") for line in lines)
    assert lines[-1] == "- certified, seed 0: it integrates"
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_failed_seeds_are_counted():
    failed = dataclasses.replace(_results()[0], seed=3, errors={}, note="exploded")
    text = accuracy_table([*_results(), failed])
    assert "3 of 4" in text
    assert "- gru, seed 3: exploded" in text


def test_the_command_runs_what_is_missing_and_prints_the_table(tiny, tmp_path):
    out = tmp_path / "new" / "folder"
    arguments = ["bench", "accuracy", "--out", str(out), "--benchmark", "tiny", "--family", "linear"]
    shown = CliRunner().invoke(app, [*arguments, "--seeds", "2"])
    assert shown.exit_code == 0, shown.output
    assert "tiny: RMSE (mV)" in shown.stdout
    assert [path.name for path in sorted(out.glob("*.json"))] == ["tiny-linear-0.json"]  # it has no seed
    stamp = (out / "tiny-linear-0.json").stat().st_mtime_ns
    table = CliRunner().invoke(app, [*arguments, "--seeds", "0", "--markdown"]).stdout
    assert table.startswith("### tiny")
    assert (out / "tiny-linear-0.json").stat().st_mtime_ns == stamp
    assert json.loads((out / "tiny-linear-0.json").read_text())["errors"]["test"] < 1e-3


def test_the_command_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("L2SSM_DATA", str(tmp_path))
    run = ["bench", "accuracy", "--out", str(tmp_path / "out")]
    shown = CliRunner().invoke(app, [*run, "--benchmark", "emps"])
    assert shown.exit_code == 1
    assert "emps/DATA_EMPS.mat" in shown.stderr
    shown = CliRunner().invoke(app, [*run, "--family", "rnn"])
    assert shown.exit_code == 1
    assert "['rnn'] do not exist: lru, certified, linear, gru, lstm" in shown.stderr


def test_the_two_benches_are_listed():
    shown = CliRunner().invoke(app, ["bench", "--help"]).output
    assert "scan" in shown
    assert "accuracy" in shown
