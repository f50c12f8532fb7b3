"""Fits of long data: the same model from memory and from a store, windows and stretches where they should be."""

from __future__ import annotations

import subprocess
import sys
import threading
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

import l2ssm as ls
from l2ssm.data import summary
from l2ssm.data.splitting import stretches
from l2ssm.data.stored_record import StoredRecord
from l2ssm.errors import DataError
from l2ssm.identification import fit_data
from l2ssm.identification.fit_data import FitData
from l2ssm.identification.initial import InitialState
from l2ssm.identification.long_data import LongRecord, prefetched
from l2ssm.identification.windows import random_windows, spread_windows, standardise, whole_records
from l2ssm.networks.scaling import Scaling

SMALL = {"layers": 1, "d_model": 4, "n_x": 3, "steps": 40, "validate_every": 20, "refine_steps": 5, "window": 64}


def single(values):
    return values.astype(np.float32).astype(float)


def experiment(lengths=(6000, 700, 40), missing=False):
    rng, found = np.random.default_rng(0), []
    for length in lengths:
        u = rng.standard_normal((length, 2))
        x = np.convolve(u[:, 0], 0.9 ** np.arange(50))[:length]
        y = np.column_stack([x + 0.1 * np.tanh(x), 0.5 * u[:, 1] + 0.1 * x])
        if missing and length > 2000:
            y[1000:1040, 0] = np.nan
        found.append(ls.Record(single(u), single(y), 0.1, name=f"r{length}", missing=missing))
    return ls.Dataset(found)


@pytest.fixture
def long(monkeypatch):
    """Data of more than 3000 samples are long, and looked at in small stretches."""
    monkeypatch.setattr(summary, "LONG", 3000)
    monkeypatch.setattr(summary, "NUMBERS", 1000)
    monkeypatch.setattr(fit_data, "VALIDATION", (64, 8))
    monkeypatch.setattr(fit_data, "LINEAR", (256, 6))
    monkeypatch.setattr(fit_data, "REFINEMENT", (64, 6))


def stored(data, folder):
    data.save(folder)
    found = ls.read(folder)
    assert all(isinstance(record, StoredRecord) for record in found)
    return found


def require_same(one, other):
    for name, value in one.parameters.items():
        np.testing.assert_array_equal(value, other.parameters[name])
    assert one.info["valid_rmse"] == other.info["valid_rmse"]
    assert one.info["history"][-1]["valid_mse"] == other.info["history"][-1]["valid_mse"]
    assert one.info["linear_start"] == other.info["linear_start"]


OPTIONS = {
    "default": {},
    "zero": {"initial": "zero"},
    "carried": {"carry_state": True, "initial": "warmup"},
    "horizon": {"horizon": 10},
    "weights": {"weights": {"r6000": np.linspace(0, 1, 6000), "r40": 0.5}},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_the_same_model_from_memory_and_from_a_store(tmp_path, long, options):
    data = experiment(missing=True)
    models = [ls.fit(one, **SMALL | options) for one in (data, stored(data, tmp_path / "store"))]
    require_same(*models)
    assert models[0].info["validation"] == "8 stretches of the training samples"
    assert models[0].info["data_digest"] != models[1].info["data_digest"]


def test_the_same_model_of_short_data(tmp_path):
    data = experiment((900, 300))
    kept = stored(data, tmp_path / "store")
    require_same(ls.fit(data, **SMALL), ls.fit(kept, **SMALL))
    require_same(ls.fit(data[:1], data[1:], **SMALL), ls.fit(kept[:1], kept[1:], **SMALL))


@pytest.mark.parametrize("parts", [([0], [1, 2]), ([1], [0]), ([0], [0])], ids=["train", "valid", "both"])
def test_long_training_or_validation_data(tmp_path, long, parts):
    data = experiment()
    kept = stored(data, tmp_path / "store")
    train, valid = ([[one[i].renamed(f"{k}{i}") for i in part] for k, part in enumerate(parts)] for one in (data, kept))
    models = [ls.fit(ls.Dataset(a), ls.Dataset(b), **SMALL) for a, b in (train, valid)]
    require_same(*models)
    assert models[0].info["validation"] == "given"


def test_a_fit_of_a_store_goes_on_from_its_checkpoint(tmp_path, long):
    kept = stored(experiment(), tmp_path / "store")

    def stop(report):
        if report.step == 20:
            raise KeyboardInterrupt

    ls.fit(kept, checkpoint=tmp_path / "c", progress=stop, **SMALL)
    resumed = ls.fit(ls.read(tmp_path / "store"), checkpoint=tmp_path / "c", **SMALL)
    require_same(resumed, ls.fit(kept, **SMALL))


def scaling_of(data):
    found = data.statistics()
    return Scaling(found.u_mean, found.u_std, found.y_mean, found.y_std)


def test_windows_are_those_of_records_that_are_held_whole(tmp_path):
    """Drawn, cut, padded and standardised as ever, bit for bit; each reads its own samples only."""
    data = experiment((300, 80, 20), missing=True)
    rule, scaling = InitialState("encoder", 10), scaling_of(data)
    long = [LongRecord(record, scaling) for record in stored(data, tmp_path / "store")]
    batches = [random_windows(r, rule, window=100, batch=4, seed=3) for r in (standardise(data, scaling), long)]
    for one, other in islice(zip(*batches, strict=True), 20):
        for name in ("u", "y", "features", "scored", "continues"):
            assert torch.equal(getattr(one, name), getattr(other, name)), name


def test_what_validates_is_never_trained_on(tmp_path, long):
    """Every training sample is either in a stretch that is validated on or scored, none is both."""
    data = stored(experiment(), tmp_path / "store")
    rule = InitialState("encoder", 10)
    found = FitData.of(data, None, None, scaling_of(data), rule)
    held = np.concatenate([~record.cut(0, len(record)).scored for record in found.fitted])
    starts = dict(zip(data.names, np.cumsum([0, *(record.T for record in data)]), strict=False))
    for record, checked in zip(found.judged, found.checked, strict=True):
        name, place = record.name.rstrip("]").split("[")
        first, stop = (starts[name] + int(k) for k in place.split(":"))
        np.testing.assert_array_equal(found.judged[record.name].u, data[name].samples(*map(int, place.split(":"))).u)
        assert len(checked) == record.T == stop - first
        assert held[first:stop].all()
        held[first:stop] = False
    assert not held.any()
    assert len(found.checked) == 8
    assert sum(len(checked) for checked in found.checked) <= 0.2 * data.T


def test_a_state_that_is_known_only_at_the_start_of_a_record(long):
    """In a stretch inside of a record a zero start is wrong: what it spoils is not scored."""
    data = experiment((6000,))
    found = FitData.of(data, None, None, scaling_of(data), InitialState("zero", 0))
    assert not any(checked.scored[: len(checked) // 4].any() for checked in found.checked)
    assert all(checked.scored[len(checked) // 4 :].all() for checked in found.checked)


def test_what_is_refined_on_is_scored_where_its_state_is_known(long):
    """Stretches from inside of a record are not scored in their first quarter; the starts of records are there too."""
    u = np.arange(6000.0)
    data, rule = ls.Dataset(ls.Record(u, u, 0.1)), InitialState("learned", 0)
    same = Scaling(*(np.array([value]) for value in (0.0, 1.0, 0.0, 1.0)))
    found = FitData.of(data, None, None, same, rule)
    refined = found.excerpt((64, 6), rule)
    assert [record.inside for record in refined] == [record.u[0, 0] > 0 for record in refined]
    starts = 0
    for batch in [*spread_windows(refined, rule, window=64), *whole_records(refined, rule)]:
        for first, scored in zip(batch.u[:, 0, 0].tolist(), batch.scored[:, :, 0] > 0, strict=True):
            assert scored[:16].any() == (first == 0)
            starts += first == 0
    assert starts == 2


def test_stretches_that_begin_where_nothing_was_measured(long):
    rng = np.random.default_rng(0)
    u, y = rng.standard_normal((2, 6000))
    y[100:] = np.nan
    with pytest.raises(DataError, match="no validation stretch has every output measured among its first n_init = 20"):
        ls.fit(ls.Record(u, y, 0.1, missing=True), n_init=20, **SMALL)
    y[3000:] = rng.standard_normal(3000)
    assert ls.fit(ls.Record(u, y, 0.1, missing=True), n_init=20, **SMALL).info["valid_rmse"]


@pytest.mark.parametrize("lengths", [[10_000], [3000, 7000], [1000] * 10, [50] * 200])
def test_stretches_do_not_overlap(lengths):
    found = stretches(lengths, 100, 16)
    assert all(0 <= first < stop <= lengths[i] for i, first, stop in found)
    assert all(stop - first == min(100, lengths[i]) for i, first, stop in found)
    for (i, _, stop), (j, first, _) in pairwise(found):
        assert j > i or first >= stop
    assert sum(stop - first for _, first, stop in found) == 1600


def test_prefetched_items_are_the_same_and_their_thread_ends():
    def endless():
        k = 0
        while True:
            yield k, threading.current_thread().name
            k += 1

    items = prefetched(endless())
    found = list(islice(items, 5))
    assert [k for k, _ in found] == [0, 1, 2, 3, 4]
    assert all(name.startswith("windows") for _, name in found)
    items.close()
    assert not any(thread.name.startswith("windows") for thread in threading.enumerate())


def test_an_error_of_the_thread_is_raised(tmp_path, long):
    kept = stored(experiment(), tmp_path / "store")

    def cut(report):
        for path in (tmp_path / "store").glob("*.npy"):
            path.write_bytes(path.read_bytes()[:200])

    with pytest.raises(DataError, match="it was changed since it was opened"):
        ls.fit(kept, progress=cut, **SMALL)


def test_a_noise_model_of_long_data(tmp_path, long, monkeypatch):
    monkeypatch.setattr("l2ssm.identification.prediction.EXCERPT", (256, 6))
    data = experiment()
    model = ls.fit(data, **SMALL)
    noise = [ls.fit_noise(model, one).noise for one in (data, stored(data, tmp_path / "store"))]
    np.testing.assert_array_equal(noise[0].coefficients, noise[1].coefficients)


@pytest.mark.parametrize(("initial", "unused"), [("zero", 64), ("encoder", 5)])
def test_a_noise_model_is_not_of_states_that_are_wrong(long, monkeypatch, initial, unused):
    """Stretches of 256 samples from inside of a record: a quarter goes where they would have to begin at rest."""
    monkeypatch.setattr("l2ssm.identification.prediction.EXCERPT", (256, 6))
    seen = []
    monkeypatch.setattr("l2ssm.identification.prediction.fit_autoregression", lambda found, *_: seen.extend(found))
    data = experiment((6000,))
    ls.fit_noise(ls.fit(data, initial=initial, n_init=5 * (initial == "encoder"), **SMALL), data)
    assert [len(error) for error in seen] == [256 - unused] * 6


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_of_a_fit_does_not_grow_with_the_store(tmp_path):
    """Five million samples are 80 MB in the store, 160 MB in memory, and as many standardised: neither is held."""
    rng = np.random.default_rng(0)
    u = rng.standard_normal((5_000_000, 2)).astype(np.float32)
    ls.Dataset(ls.Record(u, 0.5 * u + np.roll(u, 1, axis=0), 0.1)).save(tmp_path / "store")
    code = (
        "import re, threading, l2ssm\nfrom pathlib import Path\nfrom l2ssm.identification import fit\n"
        "def now(): return int(re.search(r'RssAnon:\\s*(\\d+)', Path('/proc/self/status').read_text())[1]) / 1024\n"
        "options = dict(layers=1, d_model=4, n_x=2, steps=20, refine_steps=2, validate_every=10, window=64)\n"
        "short = l2ssm.Dataset(l2ssm.plants.CascadedTanks().experiment(seed=0)['train'])\n"
        "l2ssm.fit(short, **options)\nseen, ended = [now()], threading.Event()\n"
        "def watch():\n    while not ended.wait(0.005): seen.append(now())\n"
        f"thread = threading.Thread(target=watch); thread.start()\ndata = l2ssm.read({str(tmp_path / 'store')!r})\n"
        "l2ssm.fit(data, **options)\nended.set()\nthread.join()\nprint(max(seen) - seen[0])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 150
