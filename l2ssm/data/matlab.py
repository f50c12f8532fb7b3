"""MATLAB files of every version to named variables: arrays, cell arrays as lists, structs as dotted names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from l2ssm.errors import DataError

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def read_matlab(path: Path) -> dict[str, Any]:
    """name -> array, or list of arrays for a cell array; `s.a` for field a of a 1 x 1 struct s. Text is left out.

    Raises:
        DataError: not a MATLAB file; or one of version 7.3 and h5py is not installed.
    """
    if is_hdf5(path):
        return read_hdf5(path)
    from scipy.io import loadmat

    try:
        content = loadmat(path)
    except Exception as error:  # scipy raises many kinds for files that are no MATLAB files
        raise DataError(f"{path} is not a MATLAB file (v4 to v7.3): {error}") from None
    variables: dict[str, Any] = {}
    for name, value in content.items():
        if not name.startswith("__"):
            _collect(name, value, variables)
    return variables


def _collect(name: str, value: Any, variables: dict[str, Any]) -> None:
    """Adds a loaded value under its name: structs field by field, cells as lists, sparse as dense."""
    if hasattr(value, "toarray"):
        value = value.toarray()
    array = np.asarray(value)
    if array.dtype.names is not None:
        if array.size == 1:
            for field in array.dtype.names:
                _collect(f"{name}.{field}", array[field].ravel()[0], variables)
    elif array.dtype.kind == "O":
        variables[name] = [np.asarray(cell) for cell in array.ravel(order="F")]
    elif array.dtype.kind not in "US":
        variables[name] = array


def is_hdf5(path: Path) -> bool:
    """Whether the file is HDF5: with MATLAB's header of 512 bytes, or without."""
    with path.open("rb") as file:
        start = file.read(520)
    return start.startswith(HDF5_MAGIC) or start[512:] == HDF5_MAGIC


def read_hdf5(path: Path) -> dict[str, Any]:
    """name -> array of an HDF5 file; groups as dotted names; what MATLAB wrote is transposed back to its own order.

    Raises:
        DataError: h5py is not installed, or the file cannot be read.
    """
    try:
        import h5py
    except ImportError:
        raise DataError(
            f"{path} is an HDF5 file (MATLAB v7.3); reading it needs h5py: pip install l2ssm[data]"
        ) from None
    variables: dict[str, Any] = {}
    try:
        with h5py.File(path, "r") as file:
            _walk(file, "", file, variables)
    except OSError as error:
        raise DataError(f"{path} cannot be read as HDF5: {error}") from None
    return variables


def _walk(group: Any, prefix: str, file: Any, variables: dict[str, Any]) -> None:
    import h5py

    for key, item in group.items():
        if key.startswith("#"):  # MATLAB keeps the contents of cells in #refs#
            continue
        name = f"{prefix}{key}"
        if isinstance(item, h5py.Group):
            _walk(item, f"{name}.", file, variables)
        elif item.dtype == h5py.ref_dtype:
            cells = np.asarray(item).T.ravel(order="F") if item.shape else np.asarray(item).ravel()
            variables[name] = [_array(file[cell]) for cell in cells]
        elif item.dtype.kind in "buifc" and item.attrs.get("MATLAB_class", b"double") != b"char":
            variables[name] = _array(item)


def _array(dataset: Any) -> Any:
    """The numbers of a data set, in MATLAB's own order of dimensions if MATLAB wrote it."""
    if dataset.attrs.get("MATLAB_empty", 0):
        return np.zeros((0, 0))
    values = np.asarray(dataset)
    if values.dtype.names == ("real", "imag"):
        values = values["real"] + 1j * values["imag"]
    return values.T if "MATLAB_class" in dataset.attrs else values
