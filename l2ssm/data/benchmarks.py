"""Measured benchmarks of nonlinear system identification with their official splits, read from the user's folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from l2ssm.data.dataset import Dataset
from l2ssm.data.matlab_sizes import check_matlab_sizes
from l2ssm.data.numpy_files import read_npz
from l2ssm.data.record import Record
from l2ssm.errors import DataError, MissingDataError, OptionError

FOLDER_VARIABLE = "L2SSM_DATA"


@dataclass(frozen=True)
class Benchmark:
    """Official training and test data. Validation data is cut from `train`; the test records choose nothing.

    Args:
        name: key of `BENCHMARKS`.
        train: training records.
        test: the main test set, one of `tests`.
        tests: every official test set by name.
        n_init: first samples of y that a simulation may look at; errors are measured on y[n_init:].
        unit: unit in which results are reported.
        scale: factor from the unit of the record to `unit`: 1000 from V to mV.
        metric: "rmse", or "mse" where the literature reports that.
        source: where the data is described.
    """

    name: str
    train: Dataset
    test: Dataset
    tests: Mapping[str, Dataset]
    n_init: int
    unit: str
    scale: float
    metric: str
    source: str


def benchmark(name: str) -> Benchmark:
    """The benchmark of that name, read from the user's data folder; nothing is downloaded.

    The folder is the one in the environment variable `L2SSM_DATA`; where that is not set, `l2ssm` in the user's cache
    folder (`$XDG_CACHE_HOME` or `~/.cache`), else a folder `shared/data` beside a source checkout.

    Args:
        name: cascaded_tanks, silverbox, wh2009, emps or three_tanks.

    Raises:
        OptionError: unknown name; the message lists the names.
        MissingDataError: a file is not there; the message says which file and where it was looked for.
        DataError: a file is there and is not the benchmark's.
    """
    if name not in BENCHMARKS:
        raise OptionError(f"unknown benchmark {name!r}; there are {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]()


def data_folders() -> list[Path]:
    """Where benchmark files are looked for, in order; a set `L2SSM_DATA` is the only place."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return [Path(chosen).expanduser()]
    folders = [Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "l2ssm"]
    root = Path(__file__).resolve().parents[2]
    if (root / "pyproject.toml").is_file():
        folders.append(root.parent / "shared" / "data")
    return folders


def find_file(relative: str) -> Path:
    """The first `relative` (such as "emps/DATA_EMPS.mat") in the data folders.

    Raises:
        MissingDataError: it is in none of them.
    """
    folders = data_folders()
    for folder in folders:
        if (folder / relative).is_file():
            return folder / relative
    looked = ", ".join(str(folder / relative) for folder in folders)
    raise MissingDataError(
        f"benchmark file {relative!r} is not on this machine; looked for {looked}."
        f" Put the file there, or set {FOLDER_VARIABLE} to the folder that holds {relative!r}"
    )


def _load(relative: str, *variables: str) -> list[Any]:
    """Variables of a .mat or .npz file."""
    path = find_file(relative)
    try:
        if path.suffix == ".npz":
            content: Mapping[str, Any] = read_npz(path)
        else:
            from scipy.io import loadmat

            check_matlab_sizes(path)
            content = loadmat(path)
        return [content[variable] for variable in variables]
    except KeyError as error:
        raise DataError(f"{path} has no variable {error}; expected {', '.join(variables)}") from None
    except DataError:
        raise
    except Exception as error:  # parsers of foreign files raise whatever they like
        raise DataError(f"{path} cannot be read: {error}") from None


def _expect(relative: str, got: object, expected: object) -> None:
    if got != expected:
        raise DataError(f"{find_file(relative)} is not the benchmark's file: {got} samples, expected {expected}")


def _single(u: Any, y: Any, dt: float, name: str, units: Mapping[str, str]) -> Dataset:
    return Dataset(Record(np.ravel(u), np.ravel(y), dt, name=name, units=units))


def _cascaded_tanks() -> Benchmark:
    """Two tanks with overflow, Ts = 4 s, pump voltage -> level of the lower tank (V)."""
    file = "cascaded_tanks/dataBenchmark.mat"
    u, y, u_test, y_test = _load(file, "uEst", "yEst", "uVal", "yVal")
    _expect(file, [array.size for array in (u, y, u_test, y_test)], [1024] * 4)
    units = {"u": "V", "y": "V"}
    test = _single(u_test, y_test, 4.0, "test", units)
    source = (
        "Schoukens and Noël, Three benchmarks addressing open challenges in nonlinear system identification, IFAC 2017"
    )
    train = _single(u, y, 4.0, "train", units)
    return Benchmark("cascaded_tanks", train, test, {"test": test}, 50, "V", 1.0, "rmse", source)


def _silverbox() -> Benchmark:
    """Electronic Duffing oscillator, 610.35 Hz: 75 % of the multisines train, the other 25 % and two arrows test."""
    file = "silverbox/SNLS80mV.mat"
    u, y = (np.ravel(array) for array in _load(file, "V1", "V2"))
    _expect(file, [u.size, y.size], [131072, 131072])
    dt, units = 1 / 610.35, {"u": "V", "y": "V"}
    cuts = {
        "train": slice(40650, 105712),
        "multisine": slice(105712, 127400),
        "arrow_full": slice(100, 40575),
        "arrow_no_extrapolation": slice(100, 32100),
    }
    sets = {name: _single(u[cut], y[cut], dt, name, units) for name, cut in cuts.items()}
    train = sets.pop("train")
    source = "Wigren and Schoukens, Three free data sets for development and benchmarking in nonlinear SI, ECC 2013"
    return Benchmark("silverbox", train, sets["multisine"], sets, 50, "mV", 1000.0, "rmse", source)


def _wh2009() -> Benchmark:
    """Wiener-Hammerstein circuit, 51.2 kHz: samples 5200..105199 train, 105200..183999 test."""
    file = "wh2009/wh2009_float64.npz"
    u, y = _load(file, "u", "y")
    _expect(file, [u.size, y.size], [188000, 188000])
    dt, units = 1 / 51200.0, {"u": "V", "y": "V"}
    train = _single(u[5200:105200], y[5200:105200], dt, "train", units)
    test = _single(u[105200:184000], y[105200:184000], dt, "test", units)
    source = "Schoukens, Suykens and Ljung, Wiener-Hammerstein benchmark, IFAC SYSID 2009"
    return Benchmark("wh2009", train, test, {"test": test}, 50, "mV", 1000.0, "rmse", source)


def _emps() -> Benchmark:
    """Electro-mechanical positioning system in closed loop, 1 ms, drive voltage -> position; it has an integrator."""
    sets = {}
    for name, file in (("train", "emps/DATA_EMPS.mat"), ("test", "emps/DATA_EMPS_PULSES.mat")):
        u, y = _load(file, "vir", "qm")
        _expect(file, [u.size, y.size], [24841, 24841])
        sets[name] = _single(u, y, 1e-3, name, {"u": "V", "y": "m"})
    source = "Janot, Gautier and Brunot, Data set and reference models of EMPS, Nonlinear SI benchmarks workshop 2019"
    return Benchmark("emps", sets["train"], sets["test"], {"test": sets["test"]}, 20, "mm", 1000.0, "rmse", source)


def _three_tanks() -> Benchmark:
    """Three simulated tanks, Ts = 0.1 s, one flow -> three levels; the record the literature reports on is `test`."""
    file = "three_tanks/three_tanks.mat"
    cells = [np.ravel(cell) for cell in _load(file, "dExp", "yExp", "dExp_val", "yExp_val")]
    _expect(file, [cell.size for cell in cells], [6, 6, 1, 1])
    flow = 1  # the only row of dExp that is not zero
    train, test = (
        Dataset(
            [Record(d[flow], y.T, 0.1, name=f"{stem}{i}" if len(ds) > 1 else stem) for i, (d, y) in enumerate(pairs)]
        )
        for stem, ds, pairs in (
            ("train", cells[0], list(zip(cells[0], cells[1], strict=True))),
            ("test", cells[2], list(zip(cells[2], cells[3], strict=True))),
        )
    )
    source = "Massai and Ferrari-Trecate, Free parametrization of L2-bounded state-space models, 2025"
    return Benchmark("three_tanks", train, test, {"test": test}, 10, "-", 1.0, "mse", source)


BENCHMARKS: dict[str, Callable[[], Benchmark]] = {
    "cascaded_tanks": _cascaded_tanks,
    "silverbox": _silverbox,
    "wh2009": _wh2009,
    "emps": _emps,
    "three_tanks": _three_tanks,
}
