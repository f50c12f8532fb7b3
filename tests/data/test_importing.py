"""Files to stores in blocks: the same records as reading the file whole, in memory that does not grow with it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import l2ssm as ls
from l2ssm.errors import DataError, OptionError

T, DT = 1000, 0.25
UNITS = {"u1": "V", "y": "mm"}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of 70 rows, so that a file has many of them."""
    monkeypatch.setattr("l2ssm.data.importing.ROWS", 70)


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((T, 3)).astype(np.float32).astype(float)
    return {"t": 5 + DT * np.arange(T), "u1": values[:, 0], "u2": values[:, 1], "y": values[:, 2]}


def csv(table, path, *, separator=",", mark=".", number=repr):
    rows = zip(*table.values(), strict=True)
    lines = [separator.join(v if isinstance(v, str) else number(float(v)) for v in row) for row in rows]
    path.write_text("\n".join([separator.join(table), *lines]).replace(".", mark) + "\n")


def mat_73(table, path):
    """As MATLAB writes it: dimensions in reverse order, its own header of 512 bytes."""
    h5py = pytest.importorskip("h5py", reason="needs the extra data")
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in {
            "u": np.array([table["u1"], table["u2"]]),
            "y": table["y"][None],
            "t": table["t"][None],
        }.items():
            file.create_dataset(name, data=value, chunks=(1, 128)).attrs["MATLAB_class"] = np.bytes_("double")
        file.create_dataset("Ts", data=[[DT]]).attrs["MATLAB_class"] = np.bytes_("double")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(512))


def same(stored, read):
    """The same records, of numbers that float32 holds."""
    assert stored.names == read.names
    assert stored.units == read.units
    for one, other in zip(stored, read, strict=True):
        assert one.dt == other.dt
        assert one.t0 == other.t0
        assert one.channels == other.channels
        np.testing.assert_array_equal(one.u, other.u)
        np.testing.assert_array_equal(one.y, other.y)


def both(path, folder, **options):
    stored = ls.read(path, store=folder, **options)
    same(stored, ls.read(path, **options))
    same(ls.read(folder), stored)
    return stored


CHOSEN = {"inputs": ["u1", "u2"], "outputs": "y", "units": UNITS}


@pytest.mark.parametrize("mark", [".", ","])
@pytest.mark.parametrize("sampled", [{"time": "t"}, {"dt": DT}])
def test_text(tmp_path, table, mark, sampled):
    csv(table, tmp_path / "a.csv", separator=";", mark=mark)
    stored = both(tmp_path / "a.csv", tmp_path / "a", **CHOSEN, **sampled)
    assert stored.names == ("a",)
    assert (stored.T, stored.dt) == (T, DT)


def test_text_with_gaps_padding_comments_and_records(tmp_path, table):
    text = {key: [repr(float(v)) for v in column] for key, column in table.items()}
    for row in (3, 400, 401, 999):
        text["y"][row] = ""
    text["run"] = ["first" if k % 300 < 200 else "second" for k in range(T)]
    text["t"] = [repr(DT * sum(r == run for r in text["run"][:k])) for k, run in enumerate(text["run"])]
    csv(text, tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    lines[500:500] = ["# a pause", ""]
    (tmp_path / "a.csv").write_text("\n".join([*lines, *[",,,,"] * 200]))
    stored = both(tmp_path / "a.csv", tmp_path / "a", **CHOSEN, time="t", record="run", dropna="mask")
    assert stored.names == ("first", "second")
    assert stored["first"].missing
    assert np.isnan(stored["first"].y).sum() + np.isnan(stored["second"].y).sum() == 4
    with pytest.raises(DataError, match="NaN in channel 'y', first at row 3 "):
        ls.read(tmp_path / "a.csv", store=tmp_path / "b", **CHOSEN, time="t", record="run")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.csv"]


def test_dates(tmp_path, table):
    dates = np.datetime64("2024-05-01T10:00:00") + (np.arange(T) * 250).astype("timedelta64[ms]")
    csv(table | {"t": [str(date) for date in dates]}, tmp_path / "a.csv")
    assert both(tmp_path / "a.csv", tmp_path / "a", **CHOSEN, time="t").dt == DT


def test_npy_and_older_matlab_files(tmp_path, table):
    from scipy.io import savemat

    np.save(tmp_path / "a.npy", np.column_stack(list(table.values())))
    both(tmp_path / "a.npy", tmp_path / "a", inputs=[1, 2], outputs=[3], time=0)
    savemat(tmp_path / "b.mat", table | {"Ts": DT})
    both(tmp_path / "b.mat", tmp_path / "b", inputs=["u1", "u2"], outputs=["y"], dt="Ts")
    np.savez(tmp_path / "c.npz", **table)
    both(tmp_path / "c.npz", tmp_path / "c", inputs=["u1", "u2"], outputs=["y"], dt=DT, resample=0.5)


def test_matlab_73_and_hdf5(tmp_path, table):
    mat_73(table, tmp_path / "a.mat")
    stored = both(tmp_path / "a.mat", tmp_path / "a", inputs="u", outputs="y", dt="Ts")
    assert stored.input_names == ("u1", "u2")
    both(tmp_path / "a.mat", tmp_path / "b", inputs="u[1]", outputs="y", time="t")
    h5py = pytest.importorskip("h5py", reason="needs the extra data")
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["g/u"] = np.array([table["u1"], table["u2"]])
        file["y"] = table["y"]
    both(tmp_path / "c.h5", tmp_path / "d", inputs="g.u[0]", outputs="y", dt=DT, time_axis=1)
    with pytest.raises(DataError, match="looks transposed, pass time_axis=1"):
        ls.read(tmp_path / "c.h5", inputs="g.u", outputs="y", dt=DT, store=tmp_path / "e")
    with pytest.raises(DataError, match=r"no variable 'x' in .* the variables are 'g.u', 'y'"):
        ls.read(tmp_path / "c.h5", inputs="x", outputs="y", dt=DT, store=tmp_path / "e")


def test_matlab_73_with_cells(tmp_path, table):
    h5py = pytest.importorskip("h5py", reason="needs the extra data")
    with h5py.File(tmp_path / "a.mat", "w") as file:
        for name, columns in (("u", ["u1", "u2"]), ("y", ["y"])):
            cells = file.create_dataset(name, (2, 1), h5py.ref_dtype)
            for k, part in enumerate((slice(0, 600), slice(600, None))):
                inner = file.create_dataset(f"#refs#/{name}{k}", data=[table[column][part] for column in columns])
                inner.attrs["MATLAB_class"] = np.bytes_("double")
                cells[k, 0] = inner.ref
    stored = both(tmp_path / "a.mat", tmp_path / "a", inputs="u", outputs="y", dt=DT)
    assert [record.T for record in stored] == [600, 400]


def test_parquet_and_frames(tmp_path, table):
    pandas = pytest.importorskip("pandas", reason="needs the extra data")
    pytest.importorskip("pyarrow", reason="needs the extra data")
    frame = pandas.DataFrame(table | {"unused": ["text"] * T, "run": np.arange(T) // 500})
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=300)
    both(tmp_path / "a.parquet", tmp_path / "a", **CHOSEN, time="t", record="run")
    both(tmp_path / "a.parquet", tmp_path / "b", inputs=[1, 2], outputs=[3], dt=DT)
    same(ls.read(frame, store=tmp_path / "c", **CHOSEN, time="t", record="run"), ls.read(tmp_path / "a"))


def test_int16(tmp_path, table):
    csv(table, tmp_path / "a.csv")
    exact = ls.read(tmp_path / "a.csv", **CHOSEN, time="t")
    stored = ls.read(tmp_path / "a.csv", **CHOSEN, time="t", store=tmp_path / "a", dtype="int16")
    steps = np.ptp(np.hstack([exact[0].u, exact[0].y]), axis=0) / (2**16 - 2)
    error = np.abs(np.hstack([stored[0].u - exact[0].u, stored[0].y - exact[0].y])).max(axis=0)
    assert (error <= 0.5001 * steps).all()
    assert (error > 0).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"dt": DT, "resample": 0.5}, OptionError, "look at whole records"),
        ({"dt": DT, "dropna": "split"}, OptionError, "look at whole records"),
        ({}, DataError, "the sampling time is unknown"),
        ({"dt": -1.0}, DataError, "dt=-1.0: the sampling time must be positive"),
        ({"dt": DT, "dtype": "float16"}, OptionError, "dtype is 'float16', expected one of float32, int16"),
        ({"dt": "u1"}, DataError, "column 'u1' of .* varies"),
        ({"time": "u1"}, DataError, "time does not increase"),
        ({"dt": DT, "inputs": ["u1", "x"]}, DataError, "no column 'x' in .*; the columns are 't', 'u1', 'u2', 'y'"),
    ],
)
def test_what_cannot_be_imported_leaves_nothing(tmp_path, table, options, error, message):
    csv(table, tmp_path / "a.csv")
    with pytest.raises(error, match=message):
        ls.read(tmp_path / "a.csv", **CHOSEN | {"store": tmp_path / "a"} | options)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_damage_far_into_a_file(tmp_path, table):
    csv(table, tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    for row, wrong, message in (
        (900, "1,2,3,x", "line 901, column 'y': 'x' is not a number"),
        (900, "1,2,3,4,5", "line 901: 5 fields, but there are 4 columns"),
        (900, "0,2,3,4", "time does not increase: .* at row 898, 0 s at row 899"),
        (900, "229.6,2,3,4", "time is not uniform"),
        (900, ",,,", "NaN in channel 'u1', first at row 899"),
        (
            911,
            ",,,",
            "NaN in channel 'u1', first at row 910",
        ),  # the last of a block
    ):
        (tmp_path / "b.csv").write_text("\n".join([*lines[:row], wrong, *lines[row + 1 :]]))
        with pytest.raises(DataError, match=message):
            ls.read(tmp_path / "b.csv", **CHOSEN, time="t", store=tmp_path / "b")
    (tmp_path / "c.csv").write_text("\n".join(lines) + "\n" + "1" * 2**21)
    with pytest.raises(DataError, match="not a text file of lines"):
        ls.read(tmp_path / "c.csv", **CHOSEN, time="t", store=tmp_path / "c")


def test_nothing_is_overwritten(tmp_path, table):
    csv(table, tmp_path / "a.csv")
    ls.read(tmp_path / "a.csv", **CHOSEN, time="t", store=tmp_path / "a")
    with pytest.raises(DataError, match="is there already, and nothing is overwritten"):
        ls.read(tmp_path / "a.csv", **CHOSEN, time="t", store=tmp_path / "a")
    (tmp_path / "empty").mkdir()
    ls.read(tmp_path / "a.csv", **CHOSEN, time="t", store=tmp_path / "empty")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="peak memory is read by the resource module")
def test_memory_does_not_grow_with_the_file(tmp_path):
    """A CSV file of 40 MB, a million rows: less memory than its numbers take."""
    rng = np.random.default_rng(0)
    with (tmp_path / "a.csv").open("w") as file:
        file.write("u,v,y\n")
        for _ in range(20):
            np.savetxt(file, rng.standard_normal((50_000, 3)), "%.9e", delimiter=",")
    code = (
        "import resource, sys, l2ssm\nfrom scipy import signal\nl2ssm.Record([0.0], None, 1.0)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"data = l2ssm.read({str(tmp_path / 'a.csv')!r}, inputs=['u', 'v'], outputs='y', dt=1.0,"
        f" store={str(tmp_path / 'a')!r})\n"
        "assert data.T == 1_000_000\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 100  # MB; the numbers are 24 MB in float64, the text of the lines 10 times that
