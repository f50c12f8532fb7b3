"""Stores: what was saved is read back, lazily, and nothing that was changed or damaged is taken for it."""

from __future__ import annotations

import hashlib
import json
import os
import pickle

import numpy as np
import pytest

import l2ssm as ls
from l2ssm.data import summary
from l2ssm.data.store_writer import StoreWriter, encode
from l2ssm.data.stored_record import HEADER, SampleFile
from l2ssm.errors import DataError, OptionError


def records(lengths=(500, 30), missing=False):
    rng = np.random.default_rng(0)
    found = []
    for length in lengths:
        values = (5 + rng.standard_normal((length, 3))).astype(np.float32).astype(float)
        if missing:
            values[5:9, 2] = np.nan
        u, y = values[:, :2], values[:, 2]
        found.append(ls.Record(u, y, 0.1, name=f"r{length}", t0=2.5, units={"u1": "V"}, missing=missing))
    return found


@pytest.fixture
def store(tmp_path):
    ls.Dataset(records()).save(tmp_path / "store")
    return tmp_path / "store"


@pytest.mark.parametrize("missing", [False, True])
def test_what_was_saved_is_read(tmp_path, missing):
    data = ls.Dataset(records(missing=missing))
    data.save(tmp_path / "store")
    stored = ls.read(tmp_path / "store")
    assert str(stored) == str(data)
    for one, other in zip(stored, data, strict=True):
        np.testing.assert_array_equal(one.u, other.u)
        np.testing.assert_array_equal(one.y, other.y)
        assert not one.u.flags.writeable
        assert one.missing == missing
        assert repr(one) == repr(other)
    np.testing.assert_array_equal(np.load(tmp_path / "store" / "000000.npy")[:, :2], data[0].u)


def test_inputs_without_outputs(tmp_path):
    ls.Dataset(ls.Record([1.0, 2.0, 4.0], None, 1.0)).save(tmp_path / "store")
    record = ls.read(tmp_path / "store")[0]
    assert record.y is None
    assert (record.n_u, record.n_y, record.u[:, 0].tolist()) == (1, 0, [1.0, 2.0, 4.0])


def test_a_slice_reads_what_it_holds_and_no_more(store, monkeypatch):
    data, read = ls.Dataset(records()), []
    true = SampleFile.raw
    stored = ls.read(store)
    monkeypatch.setattr(SampleFile, "raw", lambda file, a, b: read.append((a, b)) or true(file, a, b))
    part = stored["r500"][12.5:22.5].samples(10, 20).renamed("part")
    assert read == []
    np.testing.assert_array_equal(part.y, data["r500"][12.5:22.5].y[10:20])
    assert read == [(110, 120)]
    assert part.t0 == data["r500"][12.5:22.5].samples(10).t0
    for one, other in zip(stored.split([0.5, 0.5], gap=4), data.split([0.5, 0.5], gap=4), strict=True):
        np.testing.assert_array_equal(one[0].u, other[0].u)
    with pytest.raises(DataError, match=r"samples 490..600 are not in record 'r500'"):
        stored["r500"].samples(490, 601)


def test_samples_that_were_not_measured(tmp_path):
    ls.Dataset(records(missing=True)).save(tmp_path / "store")
    record = ls.read(tmp_path / "store")[0]
    assert [record.samples(a, b).missing for a, b in ((0, 5), (0, 6), (8, 20), (9, 20))] == [False, True, True, False]
    with pytest.raises(DataError, match="int16 has no number for a sample that was not measured; store float32"):
        ls.Dataset(records(missing=True)).save(tmp_path / "int16", "int16")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_the_digest_is_of_what_is_read(store, tmp_path):
    stored = ls.read(store)
    ls.Dataset(records()).save(tmp_path / "other")
    assert stored.digest == ls.read(tmp_path / "other").digest
    found = {stored[0].digest, stored[1].digest, stored[0].samples(0, 30).digest, stored[0].samples(1, 31).digest}
    assert len(found | {stored[0].renamed("x").digest}) == 5
    ls.Dataset(records()).save(tmp_path / "int16", "int16")
    assert ls.read(tmp_path / "int16").digest != stored.digest


def test_records_travel_as_the_path_of_their_file(store):
    record = ls.read(store)[0].samples(100)
    sent = pickle.dumps(record)
    assert len(sent) < 1000
    np.testing.assert_array_equal(pickle.loads(sent).u, record.u)


def test_numbers_that_the_type_cannot_hold(tmp_path):
    data = ls.Dataset(ls.Record([1.0, 1e39], [0.0, 1.0], 1.0))
    with pytest.raises(DataError, match=r"float32 ends at 3.4e38, and a number is 1e\+39"):
        data.save(tmp_path / "store")
    with pytest.raises(OptionError, match="dtype is 'float64', expected one of float32, int16"):
        data.save(tmp_path / "store", "float64")
    data.save(tmp_path / "store", "int16")
    np.testing.assert_allclose(ls.read(tmp_path / "store")[0].u[:, 0], [0.0, 1e39], rtol=1e-12)  # in steps of 1.5e34


@pytest.mark.parametrize("numbers", [90, 300, 10**6])
def test_statistics_block_by_block(store, monkeypatch, numbers):
    """Chan's merge against the formula on all samples, at a mean much larger than the deviation."""
    stored, data = ls.read(store), records((400, 7, 300))
    shifted = [ls.Record(r.u + 1e4, r.y, r.dt, name=r.name) for r in data]
    u, y = (np.concatenate([getattr(r, k) for r in shifted]) for k in "uy")
    monkeypatch.setattr(summary, "LONG", 100)
    monkeypatch.setattr(summary, "NUMBERS", numbers)
    found = ls.Dataset(shifted).statistics()
    for have, want in zip(
        (found.u_mean, found.u_std, found.y_mean, found.y_std), (u.mean(0), u.std(0), y.mean(0), y.std(0)), strict=True
    ):
        np.testing.assert_allclose(have, want, rtol=1e-12)
    memory = ls.Dataset(records()).statistics()
    for name in ("u_mean", "u_std", "y_mean", "y_std"):
        np.testing.assert_array_equal(getattr(stored.statistics(), name), getattr(memory, name))


def test_statistics_with_an_output_that_is_missing_in_whole_blocks(monkeypatch):
    y = np.full((1000, 2), np.nan)
    y[400:500, 0] = np.arange(100)
    y[:, 1] = np.arange(1000)
    data = ls.Dataset(ls.Record(np.arange(1000.0), y, 1.0, missing=True))
    want = data.statistics()
    monkeypatch.setattr(summary, "LONG", 100)
    monkeypatch.setattr(summary, "NUMBERS", 90)
    found = ls.Dataset(data[0]).statistics()
    np.testing.assert_allclose(np.hstack([found.y_mean, found.y_std]), np.hstack([want.y_mean, want.y_std]), rtol=1e-12)
    with pytest.raises(DataError, match="input 'u' has zero variance"):
        ls.Dataset(ls.Record(np.ones(1000), y, 1.0, missing=True)).require_variation()


def test_a_store_says_everything_itself(store):
    for options in ({"inputs": "u1"}, {"outputs": None}, {"dt": 0.1}, {"time_axis": 1}, {"store": "x"}):
        with pytest.raises(OptionError, match="is a store, which says its channels and its sampling time"):
            ls.read(store, **options)
    with pytest.raises(OptionError, match="outputs is empty"):
        ls.read(store / "000000.npy", inputs=[0], dt=0.1)


# places --------------------------------------------------------------------------------------------------------------


def test_records_are_read_wherever_the_process_goes(store, monkeypatch):
    monkeypatch.chdir(store.parent)
    record = ls.read("store")[0]
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(record.u, records()[0].u)


def test_the_first_of_two_writers_wins(store):
    """The other one began when there was nothing yet."""
    late = store.parent / "late"
    writer = StoreWriter(late, ["u"], ["y"], None, missing=False).__enter__()
    writer.append("a", np.ones((5, 2)))
    writer.finish({"a": (1.0, 0.0)})
    ls.Dataset(records()).save(late)
    with pytest.raises(DataError, match="late was not made, and nothing of it is left"):
        writer.__exit__(None, None, None)
    assert ls.read(late).digest == ls.read(store).digest
    assert sorted(path.name for path in store.parent.iterdir()) == ["late", "store"]


@pytest.mark.parametrize("dtype", ["float32", "int16"])
@pytest.mark.parametrize("place", ["file/x", "x" * 300, "x\0", "dangling"])
def test_places_where_no_store_can_be(tmp_path, place, dtype):
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    np.save(tmp_path / "v.npy", np.random.default_rng(0).standard_normal((30, 2)))
    before = sorted(tmp_path.iterdir())
    for write in (
        lambda: ls.Dataset(records()).save(tmp_path / place, dtype),
        lambda: ls.read(tmp_path / "v.npy", inputs=0, outputs=1, dt=1.0, store=tmp_path / place, dtype=dtype),
    ):
        with pytest.raises(DataError, match=r"no store can be made|is there already"):
            write()
    assert sorted(tmp_path.iterdir()) == before
    (tmp_path / "new").mkdir()
    ls.read(tmp_path / "v.npy", inputs=0, outputs=1, dt=1.0, store=tmp_path / "new" / "deep" / "x", dtype=dtype)
    assert [path.name for path in (tmp_path / "new" / "deep").iterdir()] == ["x"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_or_an_interrupt_leaves_nothing(tmp_path, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr("l2ssm.data.store_writer.os.fsync", fail)
    with pytest.raises(DataError if isinstance(error, OSError) else KeyboardInterrupt, match=r"No space left|^$"):
        ls.Dataset(records()).save(tmp_path / "store")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("values", [[0.0, 5e-324, 0.0], [3.3, 3.3, 3.3], [-1e150, 1e150, 0.0], [1e6, 1e6 + 1e-9, 1e6]])
def test_int16_of_any_range(tmp_path, values):
    ls.Dataset(ls.Record(values, [0.0, 1.0, 2.0], 1.0)).save(tmp_path / "store", "int16")
    step = (max(values) - min(values)) / 65534
    found = ls.read(tmp_path / "store")[0].u[:, 0]
    np.testing.assert_allclose(found, values, rtol=1e-15, atol=max(step, 5e-324))


# what is damaged -----------------------------------------------------------------------------------------------------


def rewritten(store, change):
    """The manifest with a change, and the checksum of what it then says."""
    manifest = json.loads((store / "manifest.json").read_text())
    change(manifest)
    del manifest["sha256"]
    (store / "manifest.json").write_bytes(encode(manifest))


def refused(store, message):
    with pytest.raises(DataError, match=message):
        ls.read(store)


def test_a_changed_manifest(store):
    path = store / "manifest.json"
    text = path.read_text()
    path.write_text(text.replace('"dt": 0.1', '"dt": 0.2'))
    refused(store, "was changed since the store was written: it does not have the SHA-256 that it states")
    path.write_text(text[:-30])
    refused(store, "is not the manifest of a store")
    path.write_text(text.replace("l2ssm-store-1", "l2ssm-store-9"))
    refused(store, "schema 'l2ssm-store-1'")
    path.unlink()
    refused(store, "is a directory; give one file")


def test_changed_samples(store):
    path = store / "000000.npy"
    content = path.read_bytes()
    path.write_bytes(content[:-8])
    refused(store, r"000000.npy has 6120 bytes, 500 samples of 3 float32 take 6128: it is cut off")
    path.write_bytes(content + b"\0")
    refused(store, "there is more")
    path.write_bytes(content[:3000] + bytes([content[3000] ^ 1]) + content[3001:])
    refused(store, "its numbers do not have their SHA-256")
    path.write_bytes(content.replace(b"<f4", b">f4"))
    refused(store, "is not an .npy file of 500 x 3 float32, as the manifest says")
    path.unlink()
    refused(store, "000000.npy of the store is missing")


def test_samples_that_are_gone_or_cut_later(store):
    record = ls.read(store)[0]
    (store / "000000.npy").write_bytes(bytes(HEADER + 120))
    assert record.block(0, 10)[0].shape == (10, 2)
    with pytest.raises(DataError, match="ends before sample 11: it was changed since it was opened"):
        record.block(0, 11)
    (store / "000000.npy").unlink()
    with pytest.raises(DataError, match="cannot be read"):
        record.u


@pytest.mark.parametrize("path", ["../secret.npy", "/etc/hostname", "", ".", "..", "a/b.npy", "a\\b.npy", "x\0"])
def test_files_outside_of_the_folder(store, path):
    (store.parent / "secret.npy").write_bytes((store / "000000.npy").read_bytes())
    rewritten(store, lambda manifest: manifest["records"][0].update(path=path))
    refused(store, "expected a file in its own folder")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX files")
def test_links_and_pipes(store):
    path = store / "000000.npy"
    (store.parent / "secret.npy").write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(store.parent / "secret.npy")
    refused(store, "is a link or no file")
    path.unlink()
    os.mkfifo(path)
    refused(store, "is a link or no file")
    (store / "manifest.json").unlink()
    (store / "manifest.json").symlink_to(store.parent / "secret.npy")
    refused(store, "is a link or no file")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["records"][0].update(samples=10**12), "it is cut off"),
        (lambda m: m["records"][0].update(samples=2**62), "samples is 4611686018427387904"),
        (lambda m: m["records"][0].update(samples=True), "samples is 'True', expected int"),
        (lambda m: m["records"][0].update(dtype="float64"), "dtype is 'float64'"),
        (lambda m: m["records"][0].update(dtype="int16"), "'scale' is missing"),
        (lambda m: m["records"][0].update(dt=-0.1), "the sampling time must be positive"),
        (lambda m: m["records"][0].update(dt="0.1"), "dt is '0.1', expected float"),
        (lambda m: m["records"][0].pop("sha256"), "'sha256' is missing"),
        (lambda m: m["records"][1].update(name="r500"), "two records are called 'r500'"),
        (lambda m: m["records"][0].update(missing=True), "the manifest is wrong about samples that were not measured"),
        (lambda m: m["outputs"][0].update(name="u1"), "two channels of one name"),
        (lambda m: m["inputs"].pop(), "it is cut off|there is more"),
        (lambda m: m.update(records=[]), "a Dataset needs at least one record"),
        (lambda m: m.update(records=[5]), "'5' stands where a description is expected"),
    ],
)
def test_a_manifest_that_tells_of_something_else(store, change, message):
    rewritten(store, change)
    refused(store, message)


def test_numbers_that_are_not_finite(store):
    """With the checksum of what is in the file."""
    path = store / "000000.npy"
    header, numbers = path.read_bytes()[:HEADER], np.load(path).copy()
    for channel, value, message in (
        (0, np.nan, "NaN in channel 'u1', first at row 7"),
        (2, np.inf, "infinity in channel 'y', first at row 7"),
        (2, np.nan, "the manifest is wrong about samples that were not measured"),
    ):
        changed = numbers.copy()
        changed[7, channel] = value
        path.write_bytes(header + changed.tobytes())
        sha = hashlib.sha256(changed.tobytes()).hexdigest()
        rewritten(store, lambda manifest, sha=sha: manifest["records"][0].update(sha256=sha))
        refused(store, message)


@pytest.mark.parametrize(
    "levels", [{"scale": [0.0, 1, 1]}, {"scale": [1e308] * 3}, {"offset": [1]}, {"scale": ["x"] * 3}]
)
def test_levels_that_give_no_numbers(tmp_path, levels):
    ls.Dataset(records()).save(tmp_path / "store", "int16")
    rewritten(tmp_path / "store", lambda manifest: manifest["records"][0].update(levels))
    refused(tmp_path / "store", "is not the manifest of a store")
