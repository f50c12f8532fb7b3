"""Checkpoints: a fit that was stopped goes on and ends, bit for bit, as one that was not; a file that is not its own is
refused."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from functools import partial
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from l2ssm import Dataset, Record, fit, fit_many, sweep_gamma
from l2ssm.errors import ModelFileError, OptionError
from l2ssm.identification.checkpoint import before
from l2ssm.identification.initial import InitialState
from l2ssm.identification.windows import consecutive_windows, random_windows, standardise
from l2ssm.networks.scaling import Scaling

OPTIONS = {"layers": 1, "d_model": 3, "n_x": 2, "steps": 9, "validate_every": 3, "window": 40, "batch": 2, "n_init": 5,
           "refine_steps": 2, "linear_start": False}  # fmt: skip


def record(seed: int = 0) -> Record:
    u = np.random.default_rng(seed).normal(size=150)
    return Record(u, np.tanh(np.convolve(u, 0.8 ** np.arange(20))[:150]), 0.5)


REFINING = -1


def stop_at(step: int):
    """Ctrl-C at this step, or at the first report of the refinement, which counts other steps."""

    def progress(report) -> None:
        if report.step == step or (step == REFINING and report.steps not in (9, 30)):
            raise KeyboardInterrupt

    return progress


def assert_same(one, two) -> None:
    """Every number of the models, and all that is told about the training but its seconds."""
    assert one.network.digest == two.network.digest
    for name, value in one.parameters.items():
        np.testing.assert_array_equal(value, two.parameters[name])
    told = [
        {k: v for k, v in model.info.items() if k not in ("seconds", "history")}
        | {"history": [{k: v for k, v in report.items() if k != "seconds"} for report in model.info["history"]]}
        for model in (one, two)
    ]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("options", "stop"),
    [
        ({}, 3),
        ({"carry_state": True, "refine_steps": 0}, 6),
        ({"gamma": 4.0, "gamma_start": 9.0, "refine_steps": 0}, 3),
        ({}, 9),  # all steps are done, the refinement is not
        ({}, REFINING),
        ({"patience": 1, "learning_rate": 3.0, "steps": 30, "validate_every": 1}, 1),
        ({"patience": 1, "learning_rate": 3.0, "steps": 30, "validate_every": 1}, REFINING),
    ],
    ids=["windows", "carried", "gain", "steps done", "refining", "patience", "out of patience"],
)
def test_resumed_after_an_interrupt(tmp_path, options, stop):
    file, options = tmp_path / "run.ckpt", OPTIONS | options
    part = fit(record(), checkpoint=file, progress=stop_at(stop), **options)
    assert part.info["stopped"].startswith("interrupted at step ")
    assert {"run.ckpt"} <= {path.name for path in tmp_path.iterdir()} <= {"run.ckpt", "run.ckpt.before"}
    steps = []
    resumed = fit(record(), checkpoint=file, progress=lambda report: steps.append(report.step), **options)
    assert min(steps, default=100) > stop
    assert stop != REFINING or len(steps) == 1
    assert not any(tmp_path.iterdir())
    assert_same(resumed, fit(record(), **options))


@pytest.mark.parametrize("windows", [random_windows, consecutive_windows])
def test_windows_go_on_where_they_were(windows):
    """The batch of a step depends on seed and step alone."""
    data = Dataset([record(0), record(1)])
    stats = data.statistics()
    records = standardise(data, Scaling(stats.u_mean, stats.u_std, stats.y_mean, stats.y_std))
    drawn = partial(windows, records, InitialState("encoder", 5), window=40, batch=2, seed=4)
    for step, batch in enumerate(islice(drawn(), 12)):
        again = next(drawn(skip=step))
        for name, value in vars(batch).items():
            assert torch.equal(value, vars(again)[name])


def test_monitored_validations_are_counted_from_the_start(tmp_path, monkeypatch):
    monkeypatch.setattr("l2ssm.identification.gain_monitor.certify", lambda *_, **__: SimpleNamespace(gamma=1.0))
    file, options = tmp_path / "run.ckpt", OPTIONS | {"monitor": 2, "steps": 15}
    fit(record(), checkpoint=file, progress=stop_at(3), **options)
    resumed = fit(record(), checkpoint=file, **options)
    assert [report["step"] for report in resumed.info["history"] if "gain" in report] == [6, 12]


def test_resumed_after_a_kill(tmp_path):
    """A real SIGKILL at the second validation leaves one whole file."""
    file = tmp_path / "run.ckpt"
    script = textwrap.dedent(
        f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from l2ssm import fit
        from test_checkpoint import OPTIONS, record
        def progress(report):
            if report.step == 6:
                os.kill(os.getpid(), signal.SIGKILL)
        fit(record(), checkpoint={str(file)!r}, progress=progress, **OPTIONS)
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    steps = []
    resumed = fit(record(), checkpoint=file, progress=lambda report: steps.append(report.step), **OPTIONS)
    assert steps[0] == 9
    assert_same(resumed, fit(record(), **OPTIONS))


@pytest.mark.parametrize(("kill", "files"), [(2, 2), (3, 3)], ids=["the copy of the one before", "the new one"])
def test_a_kill_while_the_file_is_written_leaves_the_one_before(tmp_path, kill, files):
    """SIGKILL when the second checkpoint, or the copy of the first, stands in its temporary file."""
    file = tmp_path / "run.ckpt"
    script = textwrap.dedent(
        f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from l2ssm import fit
        from test_checkpoint import OPTIONS, record
        replace, written = os.replace, []
        def dying(*names):
            written.append(names)
            if len(written) == {kill}:
                os.kill(os.getpid(), signal.SIGKILL)
            replace(*names)
        os.replace = dying
        fit(record(), checkpoint={str(file)!r}, **OPTIONS)
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(list(tmp_path.iterdir())) == files
    steps = []
    resumed = fit(record(), checkpoint=file, progress=lambda report: steps.append(report.step), **OPTIONS)
    assert steps[0] == 6
    assert_same(resumed, fit(record(), **OPTIONS))


def test_spent_minutes_keep_the_file_and_more_minutes_go_on(tmp_path):
    file = tmp_path / "run.ckpt"
    fit(record(), checkpoint=file, progress=stop_at(3), **OPTIONS)
    written = file.read_bytes()
    short = fit(record(), checkpoint=file, minutes=1e-9, **OPTIONS)
    assert "budget" in short.info["stopped"]
    assert file.read_bytes() == written
    assert_same(fit(record(), checkpoint=file, minutes=100, **OPTIONS), fit(record(), **OPTIONS))


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> bytes:
    file = tmp_path_factory.mktemp("checkpoint") / "run.ckpt"
    fit(record(), checkpoint=file, progress=stop_at(3), **OPTIONS)
    return file.read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, r"is of a fit with seed 0 \(now 1\); remove it to start again"),
        ({"steps": 12, "batch": 3}, r"batch 2 \(now 3\), steps 9 \(now 12\)"),
        ({"train": record(1)}, r"train '[0-9a-f]{64}' \(now '[0-9a-f]{64}'\)"),
        ({"valid": record(1)}, r"valid None \(now '"),
    ],
)
def test_of_another_fit(tmp_path, written, changes, message):
    file = tmp_path / "run.ckpt"
    file.write_bytes(written)
    with pytest.raises(OptionError, match=message):
        fit(**({"train": record(), "checkpoint": file} | OPTIONS | changes))
    assert file.read_bytes() == written


def test_damaged_files_are_refused(tmp_path, written):
    """Truncated anywhere, one bit flipped anywhere, or something else: never a resumed fit of other numbers."""
    file = tmp_path / "run.ckpt"
    damaged = [written[: len(written) * k // 5] for k in range(5)]
    for place in (9, 40, len(written) // 3, len(written) // 2, len(written) - 1):
        damaged.append(written[:place] + bytes([written[place] ^ 1]) + written[place + 1 :])
    for content in [*damaged, b"no checkpoint"]:
        file.write_bytes(content)
        with pytest.raises(ModelFileError, match="remove it to start again"):
            fit(record(), checkpoint=file, **OPTIONS)
    before(file).write_bytes(written[:-1])
    with pytest.raises(ModelFileError, match=r"run\.ckpt .*run\.ckpt\.before .*remove it to start again"):
        fit(record(), checkpoint=file, **OPTIONS)
    model = tmp_path / "model.l2ssm"
    fit(record(), **OPTIONS).save(model)
    with pytest.raises(ModelFileError, match="is no checkpoint of a fit"):
        fit(record(), checkpoint=model, **OPTIONS)


def test_a_truncated_file_is_skipped_for_the_one_before(tmp_path):
    """Said in a warning; the damaged file never takes the place of the good one, and the end is the same to the bit."""
    file = tmp_path / "run.ckpt"
    fit(record(), checkpoint=file, progress=stop_at(6), **OPTIONS)
    good = before(file).read_bytes()
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.warns(UserWarning, match=r"run\.ckpt .*skipped, going on from step 3 in run\.ckpt\.before"):
        fit(record(), checkpoint=file, progress=stop_at(6), **OPTIONS)
    assert before(file).read_bytes() == good
    steps = []
    resumed = fit(record(), checkpoint=file, progress=lambda report: steps.append(report.step), **OPTIONS)
    assert steps[0] == 9
    assert_same(resumed, fit(record(), **OPTIONS))
    assert not any(tmp_path.iterdir())


def test_a_file_that_was_removed_starts_again(tmp_path):
    """What stays beside it is not gone on from, and not kept as the one before."""
    file = tmp_path / "run.ckpt"
    fit(record(), checkpoint=file, progress=stop_at(6), **OPTIONS)
    file.unlink()
    steps = []

    def progress(report):
        steps.append(report.step)
        stop_at(3)(report)

    fit(record(), checkpoint=file, progress=progress, **OPTIONS)
    assert steps == [3]
    assert not before(file).exists()


def test_minutes_that_end_in_the_refinement_keep_the_file(tmp_path, monkeypatch):
    """The steps are done, the refinement is not: it says so, and is made again with more minutes."""
    file, clock, options = tmp_path / "run.ckpt", {"now": 0.0}, OPTIONS | {"refine_steps": 60}
    monkeypatch.setattr("time.monotonic", lambda: clock["now"])

    def late(report):
        clock["now"] = 1000.0 if report.step > 9 else clock["now"]

    short = fit(record(), checkpoint=file, minutes=10, progress=late, **options)
    assert short.info["stopped"] == "the budget of 10.0 minutes is spent"
    assert file.exists()
    assert len([report for report in short.info["history"] if report["step"] > 9]) == 1
    assert_same(fit(record(), checkpoint=file, minutes=100, **options), fit(record(), **options))


def test_an_interrupt_after_the_training_keeps_the_file(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    file, steps = tmp_path / "run.ckpt", []
    with monkeypatch.context() as patched:
        patched.setattr("l2ssm.identification.fit.with_validation", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fit(record(), checkpoint=file, **OPTIONS)
    resumed = fit(record(), checkpoint=file, progress=lambda report: steps.append(report.step), **OPTIONS)
    assert min(steps) > 9
    assert_same(resumed, fit(record(), **OPTIONS))


def test_no_folder(tmp_path):
    with pytest.raises(OptionError, match="expected a file in an existing folder"):
        fit(record(), checkpoint=tmp_path / "none" / "run.ckpt", **OPTIONS)
    with pytest.raises(OptionError, match="expected a file in an existing folder"):
        fit(record(), checkpoint=tmp_path, **OPTIONS)


def test_several_fits_share_no_checkpoint(tmp_path):
    for several in (fit_many, sweep_gamma):
        with pytest.raises(OptionError, match="checkpoint is of one fit"):
            several(record(), checkpoint=tmp_path / "run.ckpt")
