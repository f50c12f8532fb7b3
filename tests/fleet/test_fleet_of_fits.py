"""Fits, sweeps and certificates by a fleet: the same numbers as one after the other, also through a kill mid-fit."""

from __future__ import annotations

import os
import pickle
import signal
from functools import partial

import numpy as np
import pytest

import l2ssm as ls
from l2ssm.errors import FitError, OptionError
from l2ssm.identification import fit_many as fit_many_module
from l2ssm.identification import sweep as sweep_module
from l2ssm.identification.certify_many import certify_many
from l2ssm.identification.fleet import Fleet
from l2ssm.identification.sweep import sweep_gamma

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
    return ls.fit_many(record, (0, 3), gamma=4.0, **SMALL)


def test_fits_are_the_same_and_are_kept(record, ensemble, tmp_path, monkeypatch):
    fleet = Fleet(tmp_path)
    first = ls.fit_many(record, (3,), fleet=fleet, gamma=4.0, **SMALL)
    calls, whole = [], fit_many_module.fit
    monkeypatch.setattr(fit_many_module, "fit", lambda *a, **o: calls.append(o["seed"]) or whole(*a, **o))
    both = ls.fit_many(record, (0, 3), fleet=fleet, gamma=4.0, **SMALL)
    assert calls == [0]
    assert list(both.models) == [0, 3]
    assert [m.network.digest for m in both.models.values()] == [m.network.digest for m in ensemble.models.values()]
    assert both.models[3].digest == first.models[3].digest
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == sorted(
        2 * ["spec.json", "result.json", "model.l2ssm"]
    )
    ls.fit_many(record.renamed("other"), (0,), fleet=fleet, gamma=4.0, **SMALL)
    ls.fit_many(record, (0,), fleet=fleet, gamma=5.0, **SMALL)
    assert calls == [0, 0, 0]


def test_failures_and_ctrl_c(record, tmp_path, monkeypatch):
    whole = fit_many_module.fit

    def fit(train, valid, *, seed, **options):
        if seed == 1:
            raise FitError("every step was not finite")
        if seed == 2:
            raise KeyboardInterrupt
        return whole(train, valid, seed=seed, **options)

    monkeypatch.setattr(fit_many_module, "fit", fit)
    found = ls.fit_many(record, (1, 0, 2, 4), fleet=Fleet(tmp_path), **SMALL)
    assert list(found.models) == [0]
    assert found.failures == {1: "every step was not finite", 2: "interrupted", 4: "interrupted"}
    with pytest.raises(OptionError, match="processes is 2"):
        ls.fit_many(record, (0, 1), fleet=Fleet(tmp_path), processes=2)
    with pytest.raises(OptionError, match="cannot be kept as JSON"):
        ls.fit_many(record, (0, 1), fleet=Fleet(tmp_path), progress=print)


def test_sweep(record, tmp_path):
    options = SMALL | {"initial": "zero", "n_init": None}
    seen = []
    plain = sweep_gamma(record, [4.0, 0.5], **options)
    found = sweep_gamma(record, [4.0, 0.5], fleet=Fleet(tmp_path), on_row=seen.append, **options)
    assert found.complete
    assert [row.prescribed for row in found.rows] == [None, 0.5, 4.0]
    assert [len(sweep.rows) for sweep in seen] == [1, 2, 3]
    for a, b in zip(found.rows, plain.rows, strict=True):
        assert (a.proved, a.found, a.rmse, a.error, a.failure) == (b.proved, b.found, b.rmse, b.error, b.failure)
        assert a.model.network.digest == b.model.network.digest
        assert a.certificate.verified
    assert str(found).splitlines()[-1] == str(plain).splitlines()[-1]
    again = sweep_gamma(record, [4.0, 0.5], fleet=Fleet(tmp_path), **options)
    assert [row.seconds for row in again.rows] == [row.seconds for row in found.rows]


def test_certificates(ensemble, tmp_path):
    plain = certify_many(ensemble.models, lower=False)
    found = certify_many(ensemble.models, fleet=Fleet(tmp_path), lower=False)
    assert [c.gamma for c in found.values()] == [c.gamma for c in plain.values()]
    assert list(found) == [0, 3]
    assert all(c.verified for c in (*found.values(), *plain.values()))
    refused = certify_many(ensemble.models, fleet=Fleet(tmp_path), lower=False, gamma=1e-6)
    assert refused == certify_many(ensemble.models, lower=False, gamma=1e-6)
    assert all(isinstance(why, str) for why in refused.values())


def test_the_tasks_travel(record):
    for task in (fit_many_module._fit_and_save, sweep_module._row_to_files):
        again = pickle.loads(pickle.dumps(partial(task, ls.Dataset(record), None)))
        assert again.func is task
        assert again.args[0].digest == ls.Dataset(record).digest


def fit_and_die_once(record, options):
    """A task: the first time, its worker is killed at the third validation."""

    def task(spec, folder):
        first = not (folder / "checkpoint").exists()

        def kill(progress):
            if first and spec.get("dies") and progress.step >= 30:
                os.kill(os.getpid(), signal.SIGKILL)

        model = ls.fit(
            record, seed=spec["seed"], checkpoint=folder / "checkpoint", validate_every=10, progress=kill, **options
        )
        model.save(folder / "model.l2ssm")
        return {"digest": model.network.digest, "resumed": not first}

    return task


@pytest.mark.slow
def test_a_fit_whose_worker_is_killed_goes_on_from_its_checkpoint(record, tmp_path):
    """Two workers, one of them killed mid-fit: bit for bit the models of undisturbed fits in this process."""
    pytest.importorskip("distributed")
    options = SMALL | {"steps": 60, "gamma": 4.0}
    found = Fleet(tmp_path, 2).run(fit_and_die_once(record, options), [{"seed": 0, "dies": True}, {"seed": 3}])
    assert [result.error for result in found] == ["", ""]
    assert found[0].value["resumed"]
    for result in found:
        whole = ls.fit(record, seed=result.spec["seed"], validate_every=10, **options)
        assert result.value["digest"] == whole.network.digest
