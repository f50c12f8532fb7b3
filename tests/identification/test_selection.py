"""Successive halving: who goes on, what it costs, and that the last fit is an ordinary one."""

from __future__ import annotations

import json

import numpy as np
import pytest

from l2ssm import Dataset, Record, fit
from l2ssm.errors import FitError, OptionError
from l2ssm.identification import selection
from l2ssm.identification.selection import candidates, search_table, select

SMALL = {"layers": 1, "d_model": 4, "n_x": 3, "steps": 400, "validate_every": 50, "window": 60, "batch": 2, "n_init": 5,
         "refine_steps": 0, "linear_start": False}  # fmt: skip


def record(seed: int = 0) -> Record:
    u = np.random.default_rng(seed).normal(size=200)
    return Record(u, np.tanh(np.convolve(u, 0.8 ** np.arange(20))[:200]), 0.5)


def test_the_model_is_that_of_a_plain_fit_with_what_was_chosen():
    model = fit(record(), starts=4, **SMALL)
    tried = model.info["search"]
    assert [row["steps"] for row in tried] == [50] * 4 + [100] * 2  # together those of one fit
    by_loss = sorted(tried[:4], key=lambda row: row["valid_loss"])
    assert [row["seed"] for row in tried[4:]] == [row["seed"] for row in by_loss[:2]]
    chosen = min(tried[4:], key=lambda row: row["valid_loss"])["seed"]
    assert fit(record(), **SMALL, seed=chosen).network.digest == model.network.digest
    assert tried[0]["seed"] == 0
    assert len({row["seed"] for row in tried[:4]}) == 4
    again = fit(record(), starts=4, **SMALL)
    assert again.network.digest == model.network.digest
    assert [row["valid_loss"] for row in again.info["search"]] == [row["valid_loss"] for row in tried]
    assert search_table(model).count("\n") == 5
    assert json.loads(json.dumps(model.info["search"])) == tried


def test_a_search_finds_the_size_that_is_needed():
    """A model without enough width for its states against one with it, told on validation data cut from training."""
    model = fit(record(), search={"n_x": [1, 4], "learning_rate": [1e-6, 1e-2]}, **SMALL | {"seed": 3})
    tried = model.info["search"]
    assert [(row["n_x"], row["learning_rate"]) for row in tried[:4]] == [(1, 1e-6), (1, 1e-2), (4, 1e-6), (4, 1e-2)]
    assert model.info["learning_rate"] == 1e-2
    assert all(row["seed"] == 3 for row in tried)
    assert model.info["validation"].startswith("15%")


class Fake:
    """Stands for `fit`: the loss of a model is its n_x, at the end of each call that many seconds have passed."""

    def __init__(self, fails=(), interrupts=()):
        self.calls, self.fails, self.interrupts = [], fails, interrupts

    def __call__(self, **options):
        self.calls.append(options)
        if options["n_x"] in self.fails:
            raise FitError(f"no model of {options['n_x']}")
        if options["n_x"] in self.interrupts:
            raise KeyboardInterrupt
        model = fit(**options | {"steps": 1, "minutes": None})
        return type(model)(model.network, model.scaling, model.initial,
                           dict(model.info) | {"valid_loss": float(options["n_x"])})  # fmt: skip


def given(**options):
    data = {
        "train": Dataset(record()),
        "valid": None,
        "starts": 1,
        "minutes": None,
        "monitor": None,
        "checkpoint": None,
    }
    import inspect

    defaults = {name: p.default for name, p in inspect.signature(fit).parameters.items()}
    return defaults | SMALL | data | options


def test_halving_of_an_odd_number(monkeypatch):
    fake = Fake(fails=[2])
    model = select(fake, given(search={"n_x": [5, 4, 3, 2, 1]}), 0.0)
    assert [call["n_x"] for call in fake.calls] == [5, 4, 3, 2, 1, 1, 3, 4, 1, 3, 1]
    assert [call["steps"] for call in fake.calls] == [50] * 8 + [66] * 2 + [400]
    assert [row for row in model.info["search"] if "failure" in row] == [
        {"n_x": 2, "seed": 0, "steps": 50, "failure": "no model of 2"}
    ]


def test_minutes_are_shared(monkeypatch):
    clock = {"now": 100.0}
    monkeypatch.setattr(selection.time, "monotonic", lambda: clock["now"])
    fake = Fake()

    def slow(**options):
        clock["now"] += 60 * min(options["minutes"], 3)
        return fake(**options)

    select(slow, given(search={"n_x": [1, 2]}, minutes=8.0), 100.0)
    assert [call["minutes"] for call in fake.calls] == pytest.approx([2, 2, 4])


def test_all_fail():
    with pytest.raises(FitError, match=r"no candidate gave a model: .*no model of 1; .*no model of 2"):
        select(Fake(fails=[1, 2]), given(search={"n_x": [1, 2]}), 0.0)


def test_interrupt_returns_the_best_so_far():
    """Ctrl-C in the second trial: of two models the one of least validation error, and no further fit."""
    reports = []

    def stop(report):
        reports.append(report)
        if len(reports) == 2:
            raise KeyboardInterrupt

    model = fit(record(), starts=4, progress=stop, **SMALL)
    assert len(model.info["search"]) == 2
    assert len(reports) == 2
    assert model.info["valid_loss"] == min(row["valid_loss"] for row in model.info["search"])


@pytest.mark.parametrize(
    ("search", "interrupted_call", "kept"),
    [([2, 1], 2, 2), ([3, 2, 1], 4, 1), ([2, 1], 3, 1)],
    ids=["a trial", "first of a round", "the last fit"],
)
def test_interrupt_outside_training(search, interrupted_call, kept):
    """Ctrl-C in a linear start: the best of the round, or of the round before; nothing is fitted after it."""
    fake = Fake()

    def stopped(**options):
        if len(fake.calls) + 1 == interrupted_call:
            raise KeyboardInterrupt
        return fake(**options)

    model = select(stopped, given(search={"n_x": search}), 0.0)
    assert model.info["n_x"] == kept
    assert len(fake.calls) == interrupted_call - 1


def test_interrupt_before_any_model():
    with pytest.raises(KeyboardInterrupt):
        select(Fake(interrupts=[1]), given(search={"n_x": [1, 2]}), 0.0)


@pytest.mark.slow
def test_a_checkpoint_is_that_of_the_last_fit(tmp_path):
    file, stop_at = tmp_path / "run.ckpt", []

    def stop(report):
        stop_at.append(report.step)
        if report.steps == 400 and report.step == 200:
            raise KeyboardInterrupt

    part = fit(record(), starts=2, progress=stop, checkpoint=file, **SMALL)
    assert part.info["stopped"] == "interrupted at step 200"
    assert file.exists()
    whole = fit(record(), starts=2, checkpoint=file, **SMALL)
    assert whole.network.digest == fit(record(), starts=2, **SMALL).network.digest
    assert not file.exists()


@pytest.mark.parametrize(
    ("search", "starts", "message"),
    [
        ({"n_init": [1, 2]}, 1, "search names 'n_init', expected names among cell, layers"),
        ({"n_x": 4}, 1, "search of 'n_x' is 4, expected a list of values to try"),
        ({"n_x": []}, 2, "expected a list of values to try"),
        ({"n_x": [4]}, 1, "make 1 candidates, expected 2 to 64"),
        ({"n_x": list(range(1, 30))}, 3, "make 87 candidates"),
        (None, 0, "starts is 0, expected an integer >= 1"),
        ([1], 2, "search is"),
        ({"n_x": [object()]}, 2, "search is"),
    ],
)
def test_refused(search, starts, message):
    with pytest.raises(OptionError, match=message):
        candidates(search, starts, 0)
