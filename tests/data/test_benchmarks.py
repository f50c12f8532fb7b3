"""Benchmarks: official splits (checked against the raw files where they are there), and what is said where not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from l2ssm.data import benchmark, benchmarks
from l2ssm.errors import DataError, MissingDataError, OptionError

FIRST_FILE = {
    "cascaded_tanks": "cascaded_tanks/dataBenchmark.mat",
    "silverbox": "silverbox/SNLS80mV.mat",
    "wh2009": "wh2009/wh2009_float64.npz",
    "emps": "emps/DATA_EMPS.mat",
    "three_tanks": "three_tanks/three_tanks.mat",
}


def fetch(name):
    try:
        return benchmark(name), benchmarks.find_file(FIRST_FILE[name])
    except MissingDataError as error:
        pytest.skip(str(error))


def test_unknown_name_lists_the_names():
    with pytest.raises(
        OptionError, match=r"unknown benchmark 'tanks'; there are cascaded_tanks, silverbox, wh2009, emps"
    ):
        benchmark("tanks")


@pytest.mark.parametrize("name", FIRST_FILE)
def test_missing_data_says_which_file_and_where(name, tmp_path, monkeypatch):
    monkeypatch.setenv("L2SSM_DATA", str(tmp_path / "here"))
    with pytest.raises(MissingDataError) as caught:
        benchmark(name)
    message = str(caught.value)
    assert FIRST_FILE[name] in message
    assert str(tmp_path / "here" / FIRST_FILE[name]) in message
    assert "L2SSM_DATA" in message
    assert isinstance(caught.value, FileNotFoundError)


def test_order_of_the_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("L2SSM_DATA", str(tmp_path))
    assert benchmarks.data_folders() == [tmp_path]
    monkeypatch.delenv("L2SSM_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folders = benchmarks.data_folders()
    assert folders[0] == tmp_path / "cache" / "l2ssm"
    assert all(folder.parts[-2:] == ("shared", "data") for folder in folders[1:])
    file = tmp_path / "cache" / "l2ssm" / "emps" / "DATA_EMPS.mat"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    assert benchmarks.find_file("emps/DATA_EMPS.mat") == file


@pytest.mark.parametrize("content", [b"", b"not a matlab file, but longer than its header of 128 bytes" * 9])
def test_a_broken_file_is_named(content, tmp_path, monkeypatch):
    monkeypatch.setenv("L2SSM_DATA", str(tmp_path))
    for name in ("cascaded_tanks", "wh2009"):
        file = tmp_path / FIRST_FILE[name]
        file.parent.mkdir()
        file.write_bytes(content)
        with pytest.raises(DataError, match=f"{file.name} (cannot be read|is not an? )"):
            benchmark(name)


def test_another_file_of_that_name_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("L2SSM_DATA", str(tmp_path))
    file = tmp_path / FIRST_FILE["cascaded_tanks"]
    file.parent.mkdir()
    savemat(file, {"uEst": np.zeros(9), "yEst": np.zeros(9)})
    with pytest.raises(DataError, match="has no variable 'uVal'"):
        benchmark("cascaded_tanks")
    savemat(file, {name: np.zeros(9) for name in ("uEst", "yEst", "uVal", "yVal")})
    with pytest.raises(DataError, match=r"is not the benchmark's file: \[9, 9, 9, 9\] samples"):
        benchmark("cascaded_tanks")


FACTS = {  # train samples, tests, dt, n_init, unit, scale, metric
    "cascaded_tanks": (1024, {"test": 1024}, 4.0, 50, "V", 1.0, "rmse"),
    "silverbox": (
        65062,
        {"multisine": 21688, "arrow_full": 40475, "arrow_no_extrapolation": 32000},
        1 / 610.35,
        50,
        "mV",
        1000.0,
        "rmse",
    ),
    "wh2009": (100000, {"test": 78800}, 1 / 51200, 50, "mV", 1000.0, "rmse"),
    "emps": (24841, {"test": 24841}, 1e-3, 20, "mm", 1000.0, "rmse"),
    "three_tanks": (6 * 2001, {"test": 6001}, 0.1, 10, "-", 1.0, "mse"),
}


@pytest.mark.parametrize("name", FACTS)
def test_official_facts(name):
    found, _ = fetch(name)
    facts = (found.n_init, found.unit, found.scale, found.metric)
    assert (found.train.T, {key: test.T for key, test in found.tests.items()}, found.train.dt, *facts) == FACTS[name]
    assert found.name == name
    assert any(found.test is test for test in found.tests.values())
    for data in (found.train, *found.tests.values()):
        data.require_variation()
        assert data.channels == found.train.channels
        assert data.units == found.train.units


def test_cascaded_tanks_are_the_raw_numbers():
    found, file = fetch("cascaded_tanks")
    raw = loadmat(file)
    np.testing.assert_array_equal(found.train[0].u, raw["uEst"])
    np.testing.assert_array_equal(found.test[0].y, raw["yVal"])
    assert found.train.units == {"u": "V", "y": "V"}
    assert found.test[0].y.max() == 10.0


def test_silverbox_train_and_tests_do_not_overlap():
    found, file = fetch("silverbox")
    raw = loadmat(file)["V2"].ravel()
    joined = np.concatenate([found.train[0].y, found.tests["multisine"][0].y]).ravel()
    np.testing.assert_array_equal(joined, raw[40650:127400])
    np.testing.assert_array_equal(found.tests["arrow_full"][0].y.ravel(), raw[100:40575])
    np.testing.assert_array_equal(found.tests["arrow_no_extrapolation"][0].y, found.tests["arrow_full"][0].y[:32000])
    assert found.test is found.tests["multisine"]


def test_wiener_hammerstein_split():
    found, file = fetch("wh2009")
    with np.load(file) as raw:
        for name in ("u", "y"):
            joined = np.concatenate([getattr(data[0], name).ravel() for data in (found.train, found.test)])
            np.testing.assert_array_equal(joined, raw[name][5200:184000])


def test_emps_is_closed_loop_position_in_metres():
    found, file = fetch("emps")
    raw = loadmat(file)
    np.testing.assert_array_equal(found.train[0].y, raw["qm"])
    assert np.abs(np.diff(raw["t"].ravel()) - found.train.dt).max() < 1e-7


def test_three_tanks_use_the_one_input_that_is_not_zero():
    found, file = fetch("three_tanks")
    raw = loadmat(file)
    assert len(found.train) == 6
    assert (found.train.n_u, found.train.n_y) == (1, 3)
    for record, d, y in zip(found.train, raw["dExp"][0], raw["yExp"][0], strict=True):
        np.testing.assert_array_equal(record.y.T, y)
        np.testing.assert_array_equal(np.delete(d, np.flatnonzero(np.abs(d).sum(axis=1))[0], axis=0), 0)
        np.testing.assert_array_equal(record.u[:, 0], d[1])
