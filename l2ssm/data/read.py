"""`read`: a file of measurements, of any common format, to a Dataset; every way it can go wrong is one clear line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from l2ssm.data import importing
from l2ssm.data.columns import Columns, Key, Selection, records_from_columns
from l2ssm.data.dataset import Dataset
from l2ssm.data.delimited import delimited_blocks, read_delimited
from l2ssm.data.hdf5_blocks import hdf5_blocks
from l2ssm.data.matlab import is_hdf5, read_hdf5, read_matlab
from l2ssm.data.numpy_files import npy_blocks, npy_columns, read_npy, read_npz
from l2ssm.data.parquet import parquet_blocks, read_parquet
from l2ssm.data.record import Record
from l2ssm.data.store import is_store, read_store
from l2ssm.data.variables import records_from_variables
from l2ssm.errors import DataError, MissingDataError, OptionError

TEXT = (".csv", ".tsv", ".txt", ".dat")
HDF5 = (".h5", ".hdf5")
FORMATS = (*TEXT, ".mat", ".npz", ".npy", ".parquet", *HDF5)


def read(
    source: str | os.PathLike[str] | Any,
    *,
    inputs: Key | Sequence[Key] = (),
    outputs: Key | Sequence[Key] | None = (),
    time: Key | None = None,
    dt: float | str | None = None,
    time_axis: int = 0,
    record: Key | None = None,
    dropna: str | None = None,
    resample: float | None = None,
    units: Mapping[str, str] | None = None,
    name: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    header: bool | None = None,
    store: str | os.PathLike[str] | None = None,
    dtype: str = "float32",
) -> Dataset:
    """Records from a CSV, .mat (v4 to v7.3), .npz, .npy, parquet or HDF5 file, a pandas DataFrame, or a store.

    The sampling time comes from `dt` or from the instants in `time`; one of the two is needed, and both must agree.
    In a .mat, .npz or HDF5 file `inputs` and `outputs` are names of variables ("v[0]" is the first channel of v, "s.v"
    field v of struct s) and every cell of a cell array is a record. Empty rows at the end of a table pad columns
    shorter than the file and do not count.

    With `store` the samples go from the file to a new store, block by block, and are read from there when they are
    needed; a variable of a .mat file before v7.3, or of an .npz file, can be read only whole. The folder of a store is
    a source too, alone: it holds what the other arguments say.

    Args:
        source: path of the file or of the folder of a store, or a DataFrame.
        inputs: column or variable names (in tables also positions, from 0) of the inputs.
        outputs: the same for the outputs; None for inputs only.
        time: column or variable of the instants: seconds, dates or durations.
        dt: sampling time in seconds, or the column or variable that holds it (in a table its first value).
        time_axis: 1 if the arrays of a .mat, .npz or HDF5 file are (channels, T).
        record: column of a table that tells records apart.
        dropna: "split" cuts records at rows with NaN; "mask" keeps such rows, where an empty cell of an output is a
            sample that was not measured; None refuses them.
        resample: new sampling time in seconds, by linear interpolation without anti-aliasing; for non-uniform instants.
        units: unit of a channel by its name.
        name: name of the record; default the file's name.
        delimiter: of a text file; default found by looking. " " is any white space.
        decimal: "." or "," in a text file; default found by looking.
        header: whether the first row of a text file holds names; default found by looking.
        store: folder to make, see `Dataset.save`; with it no resample and no dropna="split" of what is read in blocks.
        dtype: of the numbers in the store, "float32" or "int16".

    Raises:
        MissingDataError: there is no such file.
        DataError: a directory, empty, unknown or wrong format, unknown column (the message lists the columns), unknown
            sampling time, non-uniform instants (with the jitter), unequal lengths, transposed, NaN, not numeric, ...
        OptionError: an option with a value that makes no sense.
    """
    pandas = sys.modules.get("pandas")
    is_frame = pandas is not None and isinstance(source, pandas.DataFrame)
    path = None if is_frame else _existing(source)
    if path is not None and path.is_dir():
        options = (time, dt, record, dropna, resample, units, name, delimiter, decimal, header, store)
        if inputs != () or outputs != () or time_axis != 0 or any(option is not None for option in options):
            raise OptionError(f"{path} is a store, which says its channels and its sampling time: give nothing but it")
        return Dataset(read_store(path))
    if outputs == ():
        raise OptionError("outputs is empty: name at least one output column or variable, or None for inputs only")
    title = name if name is not None else "" if path is None else path.stem
    chosen = Selection(inputs, outputs, time, dt, record, dropna, resample, units, title, time_axis)
    if store is not None:
        folder = Path(store).expanduser()
        blocks = None if path is None else _blocks(path, chosen, delimiter, decimal, header)
        if blocks is not None:
            importing.import_blocks(blocks, folder, dtype)
            return Dataset(read_store(folder))
    if path is None:
        data = Dataset(records_from_columns(Columns.of_frame(source), _tabular(chosen)))
    else:
        data = Dataset(_records(path, chosen, delimiter, decimal, header))
    if store is None:
        return data
    data.save(folder, dtype)
    return Dataset(read_store(folder))


def _blocks(
    path: Path, chosen: Selection, delimiter: str | None, decimal: str | None, header: bool | None
) -> Iterator[tuple[Columns, Selection]] | None:
    """The rows of a file with what is chosen of them, some at a time; None of a format that is read only whole."""
    suffix = path.suffix.lower()
    if suffix in HDF5 or (suffix == ".mat" and is_hdf5(path)):
        if not is_hdf5(path):
            raise DataError(f"{path} is not an HDF5 file, whatever its name ends in")
        return hdf5_blocks(path, chosen, importing.ROWS, vectors=suffix == ".mat")
    if suffix in TEXT:
        tables = delimited_blocks(path, delimiter, decimal, header, importing.ROWS)
        return ((columns, chosen) for columns in tables)
    if suffix == ".npy":
        return ((columns, chosen) for columns in npy_blocks(path, importing.ROWS))
    return parquet_blocks(path, chosen, importing.ROWS) if suffix == ".parquet" else None


def _existing(source: Any) -> Path:
    if not isinstance(source, (str, os.PathLike)):
        raise DataError(f"cannot read a {type(source).__name__}; expected a path or a pandas DataFrame")
    path = Path(source).expanduser()
    if not path.exists():
        raise MissingDataError(f"there is no file {path} (looked in {path.resolve().parent})")
    if path.is_dir():
        if not is_store(path):
            raise DataError(f"{path} is a directory; give one file ({', '.join(FORMATS)}), or a store")
        return path
    if path.suffix.lower() not in FORMATS:
        raise DataError(
            f"{path}: unknown format {path.suffix or 'without extension'!r}; known are {', '.join(FORMATS)}"
        )
    if not os.access(path, os.R_OK):
        raise DataError(f"{path} may not be read: permission denied")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes)")
    return path


def _records(
    path: Path, chosen: Selection, delimiter: str | None, decimal: str | None, header: bool | None
) -> list[Record]:
    suffix = path.suffix.lower()
    if suffix in TEXT:
        return records_from_columns(read_delimited(path, delimiter, decimal, header), _tabular(chosen))
    if suffix == ".parquet":
        return records_from_columns(read_parquet(path), _tabular(chosen))
    if suffix == ".npy":
        return records_from_columns(npy_columns(read_npy(path), path), _tabular(chosen))
    if suffix == ".mat":
        return records_from_variables(read_matlab(path), chosen, str(path), vectors=True)
    if suffix == ".npz":
        return records_from_variables(read_npz(path), chosen, str(path), vectors=False)
    if not is_hdf5(path):
        raise DataError(f"{path} is not an HDF5 file, whatever its name ends in")
    return records_from_variables(read_hdf5(path), chosen, str(path), vectors=False)


def _tabular(chosen: Selection) -> Selection:
    if chosen.time_axis != 0:
        raise OptionError(f"time_axis={chosen.time_axis!r} goes with .mat, .npz and HDF5; rows of a table are samples")
    return chosen
