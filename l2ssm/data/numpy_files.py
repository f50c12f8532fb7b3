""".npy and .npz files: plain arrays, no pickle, their size compared with the file before anything is read."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.data.arrays import FloatArray, as_samples
from l2ssm.data.columns import Columns
from l2ssm.data.limits import check_expansion
from l2ssm.errors import DataError

HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): np.lib.format.read_array_header_2_0,  # only the encoding of names differs
}


def read_npy(path: Path) -> NDArray[Any]:
    """The array of a .npy file.

    Raises:
        DataError: not an .npy file of plain numbers, or shorter than it says.
    """
    try:
        with path.open("rb") as file:
            _check_header(file, path.stat().st_size)
            file.seek(0)
            return np.asarray(np.load(file, allow_pickle=False))
    except Exception as error:  # header errors of many kinds
        raise DataError(f"{path} is not an .npy file of plain numbers: {error}") from None


def npy_columns(array: NDArray[Any], path: Path) -> Columns:
    """The columns of a (T, columns) array, called "0", "1", ..., or of one with named fields.

    Raises:
        DataError: another shape.
    """
    names = array.dtype.names
    if names is None and array.ndim != 2:
        raise DataError(f"{path} has shape {array.shape}; expected (T, columns) or named fields")
    columns = [array[name].ravel() for name in names] if names is not None else list(array.T)
    titles = names if names is not None else tuple(str(index) for index in range(array.shape[1]))

    def numbers(position: int) -> FloatArray:
        return as_samples(columns[position], f"column {titles[position]!r} of {path}")[:, 0]

    return Columns(titles, len(columns[0]) if columns else 0, numbers, lambda position: columns[position], str(path))


def npy_blocks(path: Path, rows: int) -> Iterator[Columns]:
    """The columns of a .npy file, so many rows at a time; the file is mapped for one block only, so that none stays.

    Raises:
        DataError: see `read_npy`.
    """
    try:
        with path.open("rb") as file:
            _check_header(file, path.stat().st_size)
        count, first = 1, 0
        while first < count:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            count = array.shape[0] if array.ndim else 0
            yield npy_columns(array[first : first + rows], path)
            first += rows
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is not an .npy file of plain numbers: {error}") from None


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """name -> array of a .npz file.

    Raises:
        DataError: not an .npz file of plain arrays, or one that would fill the memory.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            check_expansion(sum(info.file_size for info in members), path.stat().st_size, "the archive")
            for info in members:
                with archive.open(info) as member:
                    _check_header(member, info.file_size)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except Exception as error:  # zip and header errors of many kinds
        raise DataError(f"{path} is not an .npz file of plain arrays: {error}") from None


def _check_header(file: IO[bytes], size: int) -> None:
    """ValueError where the array that a header tells of is not in the `size` bytes of the file."""
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"version {version} of the format is unknown")
    shape, _, dtype = HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never read")
    held, claimed = size - file.tell(), math.prod(shape) * dtype.itemsize
    if claimed > held or (claimed == 0 and max(shape, default=0) > held):
        raise ValueError(f"an array {shape} of {dtype} takes {claimed} bytes, the file holds {held}")
