"""Averages of parameters: the arithmetic, that they are kept only where they validate better, and that they resume."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from l2ssm import Record, fit
from l2ssm.errors import OptionError
from l2ssm.identification.averaging import TailAverage

SMALL = {"layers": 1, "d_model": 3, "n_x": 2, "steps": 40, "validate_every": 5, "window": 40, "batch": 2, "n_init": 5,
         "refine_steps": 0, "linear_start": False}  # fmt: skip


def record() -> Record:
    u = np.random.default_rng(0).normal(size=150)
    return Record(u, np.tanh(np.convolve(u, 0.8 ** np.arange(20))[:150]), 0.5)


def test_the_mean_of_the_last_steps():
    module = nn.Linear(2, 1)
    tail = TailAverage(module, steps=10, share=0.3)
    seen = []
    for step in range(1, 11):
        with torch.no_grad():
            module.weight.copy_(torch.tensor([[float(step**2), -1.0]]))
        tail.add(step)
        seen.append(step**2)
        assert bool(tail.mean) == (step > 7)
    with tail.applied():
        torch.testing.assert_close(module.weight, torch.tensor([[np.mean(seen[7:]), -1.0]], dtype=torch.float32))
    assert module.weight[0, 0] == 100


def test_kept_only_where_it_validates_better(monkeypatch):
    """Steps that stay large hop around the bottom, and their mean is lower; steps towards it are left behind by it."""
    monkeypatch.setattr("l2ssm.identification.minimize.one_cycle", lambda progress: 1.0)
    averaged = []
    for rate in (0.1, 1e-4):
        options = SMALL | {"steps": 80, "learning_rate": rate}
        plain, mean = (fit(record(), average=share, **options) for share in (0.0, 0.5))
        assert mean.info["valid_loss"] <= plain.info["valid_loss"]
        assert mean.info["averaged"] == (mean.info["valid_loss"] < plain.info["valid_loss"])
        assert not plain.info["averaged"]
        assert [r["valid_mse"] for r in mean.info["history"]] == [r["valid_mse"] for r in plain.info["history"]]
        error = np.sqrt(mean.info["valid_loss"]) * record().y.std()
        assert mean.info["valid_rmse"][0] == pytest.approx(error, rel=1e-4)
        averaged.append(mean.info["averaged"])
    assert averaged == [True, False]


@pytest.mark.parametrize("stop", [10, 30])
def test_it_goes_on_after_an_interrupt(tmp_path, stop):
    def interrupt(report):
        if report.step == stop:
            raise KeyboardInterrupt

    file, options = tmp_path / "run.ckpt", SMALL | {"average": 0.5}
    fit(record(), checkpoint=file, progress=interrupt, **options)
    resumed, whole = fit(record(), checkpoint=file, **options), fit(record(), **options)
    assert resumed.network.digest == whole.network.digest
    assert resumed.info["averaged"] == whole.info["averaged"]


@pytest.mark.parametrize("share", [-0.1, 1.5, "x", float("nan")])
def test_refused(share):
    with pytest.raises(OptionError, match="average is "):
        fit(record(), average=share, **SMALL)
