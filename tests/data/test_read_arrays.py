"""Reading .mat (v4, v5, v7.3), .npz, .npy, HDF5, parquet and DataFrames: same data, and their own mistakes."""

from __future__ import annotations

import builtins
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io

from l2ssm.data import Dataset, benchmarks, read
from l2ssm.errors import DataError, MissingDataError, OptionError

RNG = np.random.default_rng(0)
U = RNG.standard_normal((50, 2))
Y = RNG.standard_normal((50, 3))
LENGTHS = (30, 40, 50)
CELLS_U = [RNG.standard_normal((2, T)) for T in LENGTHS]  # channel first
CELLS_Y = [RNG.standard_normal((3, T)) for T in LENGTHS]


def cells(arrays):
    packed = np.empty((1, len(arrays)), dtype=object)
    packed[0, :] = arrays
    return packed


def matlab73(path, **variables):
    """What MATLAB's `save -v7.3` writes: a 512-byte header, reversed dimensions, cells as references, classes."""
    with h5py.File(path, "w", userblock_size=512) as file:
        refs = file.create_group("#refs#")
        for name, value in variables.items():
            if isinstance(value, list):
                links = []
                for index, cell in enumerate(value):
                    item = refs.create_dataset(f"{name}{index}", data=np.atleast_2d(cell).T)
                    item.attrs["MATLAB_class"] = np.bytes_("double")
                    links.append(item.ref)
                item = file.create_dataset(name, data=np.array([links], dtype=h5py.ref_dtype).T, dtype=h5py.ref_dtype)
                item.attrs["MATLAB_class"] = np.bytes_("cell")
            elif isinstance(value, dict):
                group = file.create_group(name)
                group.attrs["MATLAB_class"] = np.bytes_("struct")
                for key, field in value.items():
                    group.create_dataset(key, data=np.atleast_2d(field).T).attrs["MATLAB_class"] = np.bytes_("double")
            elif isinstance(value, str):
                item = file.create_dataset(name, data=np.array([[ord(c)] for c in value], dtype=np.uint16))
                item.attrs["MATLAB_class"] = np.bytes_("char")
            else:
                item = file.create_dataset(name, data=np.atleast_2d(value).T)
                item.attrs["MATLAB_class"] = np.bytes_("double")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + b"\0" * 8 + b"\x00\x02IM")


def matlab5(path, **variables):
    scipy.io.savemat(path, {name: cells(v) if isinstance(v, list) else v for name, v in variables.items()})


WRITERS = {"v5": matlab5, "v7.3": matlab73}
every_version = pytest.mark.parametrize("save", WRITERS.values(), ids=WRITERS)


@every_version
def test_matrices(save, tmp_path):
    save(tmp_path / "tanks.mat", U=U, Y=Y, Ts=0.1, note="fine")
    data = read(tmp_path / "tanks.mat", inputs="U", outputs="Y", dt="Ts", units={"U1": "V"})
    np.testing.assert_array_equal(data["tanks"].u, U)
    np.testing.assert_array_equal(data["tanks"].y, Y)
    assert data.dt == 0.1
    assert data.channels == ("U1", "U2", "Y1", "Y2", "Y3")


@every_version
def test_cell_arrays_are_records(save, tmp_path):
    save(tmp_path / "tanks.mat", dExp=CELLS_U, yExp=CELLS_Y, Ts=0.1)
    data = read(tmp_path / "tanks.mat", inputs="dExp", outputs="yExp", dt="Ts", time_axis=1)
    assert data.names == ("tanks0", "tanks1", "tanks2")
    for record, u, y in zip(data, CELLS_U, CELLS_Y, strict=True):
        np.testing.assert_array_equal(record.u, u.T)
        np.testing.assert_array_equal(record.y, y.T)
    with pytest.raises(DataError, match=r"'dExp' is \(2, 30\) as \(samples, channels\).*transposed, pass time_axis=1"):
        read(tmp_path / "tanks.mat", inputs="dExp", outputs="yExp", dt="Ts")


@every_version
def test_one_channel_of_a_variable(save, tmp_path):
    save(tmp_path / "tanks.mat", d=CELLS_U, y=CELLS_Y)
    data = read(tmp_path / "tanks.mat", inputs="d[1]", outputs=["y[0]", "y[2]"], dt=1.0, time_axis=1)
    np.testing.assert_array_equal(data[1].u[:, 0], CELLS_U[1][1])
    np.testing.assert_array_equal(data[1].y, CELLS_Y[1][[0, 2]].T)
    assert data.channels == ("d[1]", "y[0]", "y[2]")
    with pytest.raises(DataError, match=r"'d\[5\]': \(30, 2\) as \(samples, channels\) has 2 channel"):
        read(tmp_path / "tanks.mat", inputs="d[5]", outputs="y", dt=1.0, time_axis=1)


@every_version
@pytest.mark.parametrize("shape", [(50, 1), (1, 50)])
def test_vectors_have_no_orientation_in_matlab(save, shape, tmp_path):
    t = 0.2 * np.arange(50)
    save(tmp_path / "a.mat", u=U[:, 0].reshape(shape), y=Y[:, 0].reshape(shape), t=t.reshape(shape))
    for time_axis in (0, 1):
        data = read(tmp_path / "a.mat", inputs="u", outputs="y", time="t", time_axis=time_axis)
        np.testing.assert_array_equal(data[0].u[:, 0], U[:, 0])
        assert data.dt == 0.2


@every_version
def test_structs_have_dotted_names(save, tmp_path):
    save(tmp_path / "a.mat", run={"u": U[:, :1], "y": Y[:, :1], "Ts": 0.5})
    data = read(tmp_path / "a.mat", inputs="run.u", outputs="run.y", dt="run.Ts")
    np.testing.assert_array_equal(data[0].y, Y[:, :1])
    assert data.dt == 0.5


@every_version
def test_matlab_mistakes(save, tmp_path):
    path = tmp_path / "a.mat"
    save(path, u=U, y=Y[:40], row=U.T, d=CELLS_U, e=CELLS_Y[:2], Ts=np.array([0.1, 0.2]), c=U[:, 0] * 1j, none=[])
    for arguments, message in (
        ({}, r"unequal lengths, u \(50, 2\) and y \(40, 3\)"),
        ({"inputs": "row"}, r"'row' is \(2, 50\) as \(samples, channels\).*pass time_axis=1"),
        ({"inputs": "u", "outputs": "u", "time_axis": 1}, "'u' is chosen twice"),
        ({"time_axis": 1}, r"'u' is \(2, 50\) as .*looks transposed, pass time_axis=0"),
        ({"inputs": "d", "outputs": "e", "time_axis": 1}, "different numbers of records in .*: 'd' 3, 'e' 2"),
        ({"inputs": "d", "outputs": "y"}, "different numbers of records"),
        ({"inputs": ["u", "y"], "outputs": None}, r"unequal lengths, 'u' \(50, 2\), 'y' \(40, 3\)"),
        ({"inputs": "u", "outputs": None, "dt": "Ts"}, r"variable 'Ts' of .* has shape .* single number"),
        ({"inputs": "u", "outputs": None, "dt": None, "time": "y[0]"}, "instants for 50 samples"),
        ({"inputs": "c", "outputs": None}, "variable 'c' is complex"),
        ({"inputs": "none", "outputs": None}, "empty"),
        ({"inputs": "u", "outputs": None, "dt": None}, "sampling time is unknown"),
    ):
        with pytest.raises(DataError, match=message):
            read(path, **({"inputs": "u", "outputs": "y", "dt": 1.0} | arguments))
    with pytest.raises(DataError, match=r"no variable 'x' in .*a\.mat; the variables are ") as caught:
        read(path, inputs="x", outputs="y", dt=1.0)
    listed = str(caught.value).split("are ")[1].replace("'", "").split(", ")
    assert sorted(listed) == ["Ts", "c", "d", "e", "none", "row", "u", "y"]
    with pytest.raises(OptionError, match="record='run' goes with tables"):
        read(path, inputs="u", outputs="y", dt=1.0, record="run")


def test_nan_in_a_cell_is_split(tmp_path):
    gaps = [u.copy() for u in CELLS_U]
    gaps[1][0, 20] = np.nan
    matlab5(tmp_path / "a.mat", u=gaps, y=CELLS_Y)
    with pytest.raises(DataError, match="record 'a1': NaN in channel 'u1', first at row 20"):
        read(tmp_path / "a.mat", inputs="u", outputs="y", dt=1.0, time_axis=1)
    data = read(tmp_path / "a.mat", inputs="u", outputs="y", dt=1.0, time_axis=1, dropna="split")
    assert [(record.name, record.T, record.t0) for record in data] == [
        ("a0", 30, 0.0),
        ("a1/0", 20, 0.0),
        ("a1/1", 19, 21.0),
        ("a2", 50, 0.0),
    ]
    matlab5(tmp_path / "b.mat", u=U, y=Y[:40])
    with pytest.raises(DataError, match="unequal lengths"):
        read(tmp_path / "b.mat", inputs="u", outputs="y", dt=1.0, dropna="split", resample=0.5)


def test_version_4_and_sparse(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"u": U[:, :1], "y": Y[:, :1]}, format="4")
    np.testing.assert_array_equal(read(tmp_path / "a.mat", inputs="u", outputs="y", dt=1.0)[0].u, U[:, :1])
    scipy.io.savemat(tmp_path / "b.mat", {"u": scipy.sparse.csc_matrix(np.eye(9)[:, :2]), "y": np.arange(9.0)})
    np.testing.assert_array_equal(read(tmp_path / "b.mat", inputs="u", outputs="y", dt=1.0)[0].u, np.eye(9)[:, :2])


def test_measured_three_tanks_from_the_plain_file():
    try:
        path = benchmarks.find_file("three_tanks/three_tanks.mat")
    except MissingDataError as error:
        pytest.skip(str(error))
    data = read(path, inputs="dExp[1]", outputs="yExp", dt="Ts", time_axis=1)
    train = benchmarks.benchmark("three_tanks").train
    assert data.dt == train.dt
    for record, expected in zip(data, train, strict=True):
        np.testing.assert_array_equal(record.u, expected.u)
        np.testing.assert_array_equal(record.y, expected.y)
    whole = read(path, inputs="dExp", outputs="yExp", dt="Ts", time_axis=1)
    with pytest.raises(DataError, match="input 'dExp1' has zero variance"):
        whole.require_variation()


def test_npz(tmp_path):
    np.savez(tmp_path / "a.npz", u=U, y=Y[:, 0], Ts=0.25, row=U.T)
    data = read(tmp_path / "a.npz", inputs="u", outputs="y", dt="Ts")
    np.testing.assert_array_equal(data["a"].u, U)
    assert data.dt == 0.25
    np.testing.assert_array_equal(read(tmp_path / "a.npz", inputs="row", outputs="y", dt=1.0, time_axis=1)[0].u, U)
    with pytest.raises(DataError, match="looks transposed, pass time_axis=1"):
        read(tmp_path / "a.npz", inputs="row", outputs="y", dt=1.0)
    with pytest.raises(DataError, match=r"no variable 'x' in .*; the variables are 'u', 'y', 'Ts', 'row'"):
        read(tmp_path / "a.npz", inputs="x", outputs="y", dt=1.0)


def test_npz_never_unpickles(tmp_path):
    np.savez(tmp_path / "a.npz", u=np.array([{"evil": 1}], dtype=object))
    with pytest.raises(DataError, match=r"is not an .npz file of plain arrays"):
        read(tmp_path / "a.npz", inputs="u", outputs=None, dt=1.0)


def test_npy(tmp_path):
    np.save(tmp_path / "a.npy", np.column_stack([U, Y]))
    data = read(tmp_path / "a.npy", inputs=[0, 1], outputs=[2], dt=1.0)
    np.testing.assert_array_equal(data[0].u, U)
    named = np.zeros(4, dtype=[("u", float), ("y", float)])
    named["y"] = [1, 2, 3, 4]
    np.save(tmp_path / "b.npy", named)
    assert read(tmp_path / "b.npy", inputs="u", outputs="y", dt=1.0)[0].y[:, 0].tolist() == [1, 2, 3, 4]
    np.save(tmp_path / "c.npy", np.zeros((2, 2, 2)))
    with pytest.raises(DataError, match=r"has shape \(2, 2, 2\); expected \(T, columns\)"):
        read(tmp_path / "c.npy", inputs=0, outputs=1, dt=1.0)


def test_plain_hdf5_is_not_transposed(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["run/u"], file["run/y"] = U, Y
    data = read(tmp_path / "a.h5", inputs="run.u", outputs="run.y", dt=1.0)
    np.testing.assert_array_equal(data[0].y, Y)


@pytest.mark.parametrize("name", ["a.mat", "a.npz", "a.npy", "a.parquet", "a.h5"])
@pytest.mark.parametrize(
    "content", [b"t,u,y\n0,1,2\n" * 60, b"\x89HDF\r\n\x1a\nbroken", b"PK\x03\x04broken", b"PAR1broken"]
)
def test_a_file_that_is_not_what_its_name_says(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name} .*(is not|cannot be read)") as caught:
        read(tmp_path / name, inputs="u", outputs="y", dt=1.0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.mat", "a.npz", "a.npy", "a.parquet", "a.h5", "a.csv"])
def test_empty_files(name, tmp_path):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=rf"{name} is empty \(0 bytes\)"):
        read(tmp_path / name, inputs="u", outputs="y", dt=1.0)


@pytest.fixture
def frame():
    return pd.DataFrame(
        {"t": np.arange(50) * 0.1, "u": U[:, 0], "h1": Y[:, 0], "h2": Y[:, 1], "run": [1.0] * 20 + [2.0] * 30}
    )


def test_parquet_and_frame_agree(frame, tmp_path):
    frame.to_parquet(tmp_path / "a.parquet")
    arguments = {"inputs": "u", "outputs": ["h1", "h2"], "time": "t", "record": "run"}
    from_file = read(tmp_path / "a.parquet", **arguments)
    assert from_file.digest == read(frame, **arguments).digest
    assert from_file.digest == Dataset.from_frame(frame, "u", ["h1", "h2"], time="t", record="run").digest
    assert [(record.name, record.T, record.t0) for record in from_file] == [("1", 20, 0.0), ("2", 30, 2.0)]
    with pytest.raises(DataError, match=r"no column 'x' in .*a.parquet; the columns are 't', 'u', 'h1'"):
        read(tmp_path / "a.parquet", inputs="x", outputs="h1", dt=1.0)


@pytest.mark.parametrize("zone", [None, "Europe/Rome"])
def test_frames_with_dates_durations_and_nullable_numbers(zone, frame):
    frame["when"] = pd.date_range("2024-03-30 23:30", periods=50, freq="90s", tz=zone)
    assert read(frame, inputs="u", outputs="h1", time="when").dt == 90.0
    frame["since"] = pd.to_timedelta(np.arange(50) * 0.25, unit="s")
    assert read(frame, inputs="u", outputs="h1", time="since").dt == 0.25
    frame["count"] = pd.array([*range(49), None], dtype="Int64")
    with pytest.raises(DataError, match=r"unequal lengths in the DataFrame: 'count' 49, 'h1' 50"):
        read(frame, inputs="count", outputs="h1", dt=1.0)
    assert read(frame[:49], inputs="count", outputs="h1", dt=1.0)[0].u[-1, 0] == 48.0


@pytest.mark.parametrize(
    ("library", "name"), [("h5py", "a.mat"), ("h5py", "a.h5"), ("pandas", "a.parquet"), ("pyarrow", "a.parquet")]
)
def test_a_missing_library_names_the_extra(library, name, tmp_path, monkeypatch, frame):
    if name == "a.parquet":
        frame.to_parquet(tmp_path / name)
    else:
        matlab73(tmp_path / name, u=U, y=Y)
    honest = builtins.__import__

    def refuse(module, *arguments, **options):
        if module.split(".")[0] == library:
            raise ImportError(module)
        return honest(module, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(DataError, match=rf"{name} .*needs .*{library}.*pip install l2ssm\[data\]"):
        read(tmp_path / name, inputs="u", outputs="h1", dt=1.0)


def test_importing_data_loads_nothing_heavy():
    heavy = ("torch", "pandas", "pyarrow", "h5py", "cvxpy", "matplotlib", "sklearn", "numba")
    code = f"import sys, l2ssm.data; print([name for name in {heavy} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
