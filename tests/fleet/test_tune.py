"""`tune`: proposals follow from the seed alone, one trial fails alone, kills of driver and workers lose nothing."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import l2ssm as ls
from l2ssm.cli.app import app
from l2ssm.errors import DataError, FitError, OptionError
from l2ssm.identification import fit_many as fit_many_module
from l2ssm.identification.proposals import Proposals, Range
from l2ssm.identification.selection import search_table

optuna = pytest.importorskip("optuna")

SMALL = {"d_model": 2, "steps": 2, "refine_steps": 0, "initial": "zero", "window": 64, "linear_start": False}
SEARCH = {"layers": [1, 2], "n_x": Range(1, 4), "learning_rate": Range(1e-3, 1e-1, log=True)}


@pytest.fixture(scope="module")
def record():
    u, y = np.repeat(np.random.default_rng(0).standard_normal(40), 5), np.zeros(200)
    for k in range(199):
        y[k + 1] = 0.8 * y[k] + 0.4 * np.tanh(u[k])
    return ls.Record(u, y, 0.5, name="rig")


@pytest.fixture(scope="module")
def trained(record):
    return ls.fit(record, **SMALL)


@pytest.fixture
def quick(trained, monkeypatch):
    """In place of a fit: the loss is a smooth function of the options, three states fail as told. Travels by value."""

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    def raising(error):
        raise error

    def task(three, train, valid, spec, folder):
        options = spec["options"]
        with (folder / "done").open("a") as file:
            file.write(f"{os.getpid()}\n")
        if options["n_x"] == 3:
            three()
        loss = (options["n_x"] - 4) ** 2 + math.log10(options["learning_rate"] / 0.02) ** 2
        replace(trained, info=trained.info | {"valid_loss": loss}).save(folder / "model.l2ssm")
        return {}

    def replaced(error=None):
        three = die if error is None else partial(raising, error)
        monkeypatch.setattr(fit_many_module, "_fit_and_save", partial(task, three))

    return replaced


REFUSED = FitError("three states are too many")


def asked(tuned):
    return [trial.candidate for trial in tuned.trials]


def losses(tuned):
    return [trial.loss for trial in tuned.trials]


def stored(folder):
    return {path: path.stat().st_mtime_ns for path in folder.glob("*/result.json")}


def attempts(folder):
    """(how often it was done, whether there is a result) of every fit."""
    return sorted(
        (len(path.read_text().split()), (path.parent / "result.json").exists()) for path in folder.glob("*/done")
    )


def test_proposals_follow_from_the_seed_and_what_is_told():
    space = {"n_x": Range(2, 32, log=True), "rate": Range(0, 1.5), "cell": ["lru", None, {"a": [1]}]}

    def sequence(count, at_once, seed=0, space=space, sign=1):
        proposals, found = Proposals(space, seed), []
        while len(found) < count:
            some = proposals.ask(min(at_once, count - len(found)))
            proposals.tell([math.inf if one["cell"] is None else sign * one["rate"] for one in some])
            found += some
        return found

    first = sequence(30, 4)
    assert first == sequence(30, 4)
    assert first == sequence(30, 4, space=dict(reversed(space.items())))
    assert first[:17] == sequence(17, 4)  # more trials are added to those there
    assert first != sequence(30, 4, seed=1)
    assert first[:10] == sequence(30, 4, sign=-1)[:10] != first[10:]  # ten at random, then it learns
    assert first[20:] != sequence(30, 4, sign=-1)[20:]
    assert all(type(one["n_x"]) is int and 2 <= one["n_x"] <= 32 for one in first)
    assert all(type(one["rate"]) is float and 0 <= one["rate"] <= 1.5 for one in first)
    assert {str(one["cell"]) for one in first} == {"lru", "None", "{'a': [1]}"}
    late = [one["rate"] for one in first[20:] if one["cell"] is not None]
    assert np.mean(late) < 0.5 < np.mean([one["rate"] for one in sequence(30, 4, sign=-1)[20:]])


def test_optuna_says_nothing_and_is_left_as_it_was(capfd):
    before = optuna.logging.get_verbosity()
    Proposals(SEARCH, 2**32 + 1).ask(1)
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == before


def test_a_search_on_real_fits(record, tmp_path):
    """The same here and from the folder; its model is that of `fit`, and `fit_many` finds it in the folder."""
    ended = []
    options = SMALL | {"search": SEARCH, "trials": 4, "at_once": 2}
    here = ls.tune(record, **options)
    kept = ls.tune(record, fleet=ls.Fleet(tmp_path), on_fit=ended.append, **options)
    assert here.complete
    assert asked(here) == asked(kept) == [trial.candidate for trial in ended]
    assert losses(here) == losses(kept)
    assert here.best.loss == min(losses(here)) < max(losses(here))
    again = ls.fit(record, **SMALL | here.options)
    assert here.model.network.digest == kept.model.network.digest == again.network.digest
    before = stored(tmp_path)
    many = ls.fit_many(record, [0], fleet=ls.Fleet(tmp_path), **SMALL | kept.options)
    assert many.models[0].network.digest == again.network.digest
    assert stored(tmp_path) == before
    here.model.save(tmp_path / "best.l2ssm")
    assert len(search_table(ls.load(tmp_path / "best.l2ssm")).splitlines()) == 4


def test_a_failing_trial_fails_alone_and_a_search_goes_on_and_is_extended(record, quick, tmp_path):
    quick(REFUSED)
    fleet = ls.Fleet(tmp_path)
    first = ls.tune(record, search=SEARCH, trials=8, fleet=fleet, **SMALL)
    failed = sum(candidate["n_x"] == 3 for candidate in asked(first))
    assert 0 < failed < 8
    assert attempts(tmp_path) == [(1, False)] * failed + [(1, True)] * (8 - failed)
    again = ls.tune(record, search=SEARCH, trials=8, fleet=fleet, **SMALL)
    assert (asked(again), losses(again)) == (asked(first), losses(first))
    assert attempts(tmp_path) == [(1, True)] * (8 - failed) + [(2, False)] * failed  # errors are tried again
    more = ls.tune(record, search=SEARCH, trials=40, fleet=fleet, **SMALL)
    assert asked(more)[:8] == asked(first)
    assert more.best.loss < 0.05 < first.best.loss
    assert all(
        (trial.failure, trial.loss) == ("three states are too many", math.inf)
        if trial.candidate["n_x"] == 3
        else trial.failure == ""
        for trial in more.trials
    )


def test_an_error_of_another_kind_is_told_as_a_failure_too(record, quick, tmp_path):
    quick(ZeroDivisionError("division by zero"))
    found = ls.tune(record, search=SEARCH, trials=8, fleet=ls.Fleet(tmp_path, retries=1), **SMALL)
    assert {trial.failure for trial in found.trials} == {"", "ZeroDivisionError: division by zero"}
    with pytest.raises(FitError, match=r"^no trial gave a model: ZeroDivisionError: division by zero$"):
        ls.tune(record, search={"learning_rate": [0.1, 0.2]}, trials=3, n_x=3, **SMALL)


def test_the_table(record, quick):
    quick(REFUSED)
    found = ls.tune(record, search=SEARCH, trials=8, **SMALL)
    head, *rows = str(found).splitlines()
    assert head.split() == ["trial", "validation", "loss", "seconds", "layers", "n_x", "learning_rate"]
    for number, (row, trial) in enumerate(zip(rows, found.trials, strict=True)):
        cells, c = row.split(), trial.candidate
        seconds = "-" if trial.failure else f"{trial.model.info['seconds']:.3g}"
        loss = "-" if trial.failure else f"{trial.loss:.4g}"
        options = [str(c["layers"]), str(c["n_x"]), f"{c['learning_rate']:.4g}"]
        note = trial.failure or ("<- best" if trial is found.best else "")
        assert cells == [str(number), loss, seconds, *options, *note.split()]
    assert found.options == {name: found.best.candidate[name] for name in SEARCH}


def test_ctrl_c_keeps_what_is_done(record, quick):
    def stop(trial):
        seen.append(trial)
        if len(seen) == 3:
            raise KeyboardInterrupt

    seen = []
    quick(REFUSED)
    found = ls.tune(record, search=SEARCH, trials=8, at_once=2, on_fit=stop, **SMALL)
    assert not found.complete
    assert len(found.trials) == 3
    quick(KeyboardInterrupt())
    with pytest.raises(FitError, match="no trial gave a model: interrupted"):
        ls.tune(record, search={"learning_rate": [0.1, 0.2]}, n_x=3, **SMALL)


def test_workers_are_started_once_for_several_runs(tmp_path):
    pytest.importorskip("distributed")
    with ls.Fleet(tmp_path, 2).started(1) as fleet:
        pids = [fleet.run(lambda spec, folder: os.getpid(), [spec])[0].value for spec in range(3)]
    assert len(set(pids)) == 1
    assert pids[0] != os.getpid()
    with ls.Fleet(tmp_path).started(1) as fleet:
        assert fleet == ls.Fleet(tmp_path)


@pytest.mark.slow
def test_killed_workers_change_nothing_and_poison_fails_alone(record, quick, tmp_path):
    """A trial with three states kills every worker it gets; the others, and what is proposed, are as without kills."""
    pytest.importorskip("distributed")
    options = {
        "search": SEARCH,
        "trials": 4,
        "at_once": 2,
        "fleet": ls.Fleet(tmp_path / "killed", 2, retries=0),
    } | SMALL
    quick()
    killed = ls.tune(record, **options)
    quick(REFUSED)
    whole = ls.tune(record, **options | {"fleet": ls.Fleet(tmp_path / "whole")})
    assert (asked(killed), losses(killed)) == (asked(whole), losses(whole))
    assert {trial.failure[:12] for trial in killed.trials} == {"", "KilledWorker"}


@pytest.fixture(scope="module")
def command(record, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "rig.csv"
    np.savetxt(path, np.column_stack([record.u, record.y]), delimiter=",", header="u,y", comments="")
    few = ["--layers", 1, "--d-model", 2, "--steps", 2, "--initial", "zero", "--trials", 5, "--at-once", 2]
    search = ["--search", "n_x=1:4", "--search", "learning_rate=1e-3:1e-1:log", "--search", 'cell=["lru","s5"]']
    return ["tune", path, "-u", "u", "-y", "y", "--dt", 0.5, *few, *search]


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_killed_driver_resumes(command, tmp_path):
    """The second run reads what the first one finished, and the table and the model are those of an undisturbed one."""
    results, words = tmp_path / "results", [str(word) for word in command]
    program = [sys.executable, "-c", "from l2ssm.cli import main; main()", *words, "--fleet", str(results)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(program, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as driver:
        told = 0
        while told < 3:  # the first of the second pair
            line = driver.stdout.readline()
            assert line, "the driver ended before it was killed"
            told += "validation loss" in line
        driver.kill()
    before = stored(results)
    assert 3 <= len(before) < 5
    resumed = run(*command, "--fleet", results, "-o", tmp_path / "resumed")
    whole = run(*command, "-o", tmp_path / "whole")
    assert resumed.exit_code == whole.exit_code == 0, resumed.output + whole.output
    assert before.items() <= stored(results).items()
    assert len(stored(results)) == 5
    models = [ls.load(tmp_path / name / "model.l2ssm") for name in ("resumed", "whole")]
    assert models[0].network.digest == models[1].network.digest
    assert search_table(models[0]) == search_table(models[1])
    assert len(search_table(models[0]).splitlines()) == 5
    assert (tmp_path / "resumed" / "run.json").is_file()


def test_what_the_command_does_not_take(command, tmp_path):
    for search, message in (
        ("n_x=2..4", "expected values such as"),
        ("n_x=4:2", "expected low < high"),
        ("gamma=[1,2]", "search names 'gamma'"),
    ):
        shown = run(*command[:8], "--search", search, "-o", tmp_path / "out")
        assert shown.exit_code == 1
        assert message in shown.output
    assert not (tmp_path / "out").exists()


def test_ranges():
    assert Range(np.int64(1), 3).whole
    assert not Range(1, 3.0).whole
    for low, high, log in ((1, 1, False), (2, 1, False), (0, 1, True), (math.nan, 1, False), (0, math.inf, False)):
        with pytest.raises(OptionError, match="Range"):
            Range(low, high, log)
    for end in ("2", None, True):
        with pytest.raises(OptionError, match="no number"):
            Range(0, end)


def test_what_cannot_be_searched(record):
    for options, message in (
        ({"search": {}}, "search is empty"),
        ({"search": {"gamma": [1.0, 2.0]}}, "search names 'gamma'"),
        ({"search": {"n_x": 4}}, "search of 'n_x' is 4, expected a Range or a list"),
        ({"search": {"n_x": []}}, "expected a Range or a list"),
        ({"search": {"cell": [np.zeros(2)]}}, "expected a dict of numbers and text"),
        ({"trials": 0}, "trials is 0"),
        ({"at_once": 0}, "at_once is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"checkpoint": "fit.checkpoint"}, "checkpoint is of one fit"),
        ({"progress": print}, "cannot be kept as JSON"),
        ({"steps": 0}, "steps is 0"),
    ):
        with pytest.raises(OptionError, match=message):
            ls.tune(record, **{"search": SEARCH} | SMALL | options)
    with pytest.raises(DataError, match="train is a ndarray"):
        ls.tune(np.zeros((9, 2)), search=SEARCH)
    with pytest.raises(TypeError, match="lairs"):
        ls.tune(record, search=SEARCH, lairs=2)


def test_without_optuna(record, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(OptionError, match=r"tune needs Optuna: pip install l2ssm\[tune\]"):
        ls.tune(record, search=SEARCH, **SMALL)
