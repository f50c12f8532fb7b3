"""MATLAB files of every version to named variables: arrays, cell arrays as lists, structs as dotted names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from l2ssm.data.limits import check_expansion
from l2ssm.data.matlab_sizes import check_matlab_sizes
from l2ssm.errors import DataError, L2ssmError

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def read_matlab(path: Path) -> dict[str, Any]:
    """name -> array, or list of arrays for a cell array; `s.a` for field a of a 1 x 1 struct s. Text is left out.

    Raises:
        DataError: not a MATLAB file; or one of version 7.3 and h5py is not installed.
    """
    if is_hdf5(path):
        return read_hdf5(path)
    from scipy.io import loadmat

    check_matlab_sizes(path)
    try:
        content = loadmat(path)
    except Exception as error:  # scipy raises many kinds for files that are no MATLAB files
        raise DataError(f"{path} is not a MATLAB file (v4 to v7.3): {error}") from None
    variables: dict[str, Any] = {}
    try:
        for name, value in content.items():
            if not name.startswith("__"):
                _collect(name, value, variables)
    except ValueError as error:
        raise DataError(f"{path} holds a damaged sparse array: {error}") from None
    return variables


def _collect(name: str, value: Any, variables: dict[str, Any]) -> None:
    """Adds a loaded value under its name: structs field by field, cells as lists, sparse as dense."""
    if hasattr(value, "toarray"):
        if hasattr(value, "check_format"):
            value.check_format(full_check=True)  # scipy writes where the indices point
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
    with opened_hdf5(path) as variables:
        claimed = sum(array.size for found in variables.values() for array in _listed(found))
        check_expansion(claimed, path.stat().st_size, str(path))
        return {name: _loaded(found) for name, found in variables.items()}


def _listed(found: Hdf5Array | list[Hdf5Array]) -> list[Hdf5Array]:
    return found if isinstance(found, list) else [found]


def _loaded(found: Hdf5Array | list[Hdf5Array]) -> Any:
    return [array.whole() for array in found] if isinstance(found, list) else found.whole()


@contextmanager
def opened_hdf5(path: Path) -> Iterator[dict[str, Hdf5Array | list[Hdf5Array]]]:
    """name -> array, or list of arrays for a cell array, of an HDF5 file that is open meanwhile; nothing is read yet.

    Raises:
        DataError: see `read_hdf5`.
    """
    try:
        import h5py
    except ImportError:
        raise DataError(
            f"{path} is an HDF5 file (MATLAB v7.3); reading it needs h5py: pip install l2ssm[data]"
        ) from None
    try:
        with h5py.File(path, "r") as file:
            yield _Walk(file, path).variables
    except L2ssmError:
        raise
    except Exception as error:  # h5py raises many kinds for what is damaged
        raise DataError(f"{path} cannot be read as HDF5: {error}") from None


@dataclass(frozen=True)
class Hdf5Array:
    """Numbers in an open HDF5 file, in MATLAB's own order of dimensions if MATLAB wrote them."""

    dataset: Any

    @property
    def transposed(self) -> bool:
        """Whether MATLAB wrote it."""
        return "MATLAB_class" in self.dataset.attrs

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        if self.dataset.attrs.get("MATLAB_empty", 0):
            return (0, 0)
        return tuple(self.dataset.shape[::-1] if self.transposed else self.dataset.shape)

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return int(self.dataset.size * self.dataset.dtype.itemsize)

    def whole(self) -> Any:
        """The array."""
        if 0 in self.shape:
            return np.zeros(self.shape)
        return self.part(tuple(slice(None) for _ in self.shape))

    def part(self, where: tuple[slice, ...]) -> Any:
        """A part of the array, one slice a dimension."""
        values = np.asarray(self.dataset[where[::-1] if self.transposed else where])
        if values.dtype.names == ("real", "imag"):
            values = values["real"] + 1j * values["imag"]
        return values.T if self.transposed else values


class _Walk:
    """The variables of an HDF5 file; no link or data set leads out of it, no group is entered twice."""

    def __init__(self, file: Any, path: Path) -> None:
        self.variables: dict[str, Hdf5Array | list[Hdf5Array]] = {}
        self._file, self._path, self._seen = file, path, set[int]()
        self._enter(file, "")

    def _enter(self, group: Any, prefix: str) -> None:
        import h5py

        address = h5py.h5o.get_info(group.id).addr
        if address in self._seen:
            return
        self._seen.add(address)
        for key in group:
            link = group.get(key, getlink=True)
            if key.startswith("#") or isinstance(
                link, h5py.ExternalLink
            ):  # MATLAB keeps the contents of cells in #refs#
                continue
            item, name = group.get(key), f"{prefix}{key}"
            if isinstance(item, h5py.Group):
                self._enter(item, f"{name}.")
            elif isinstance(item, h5py.Dataset):
                self._keep(item, name)

    def _keep(self, item: Any, name: str) -> None:
        import h5py

        if item.dtype == h5py.ref_dtype:
            check_expansion(item.size * item.dtype.itemsize, self._path.stat().st_size, str(self._path))
            self._inside(item, name)
            self.variables[name] = [self._inside(self._file[cell], name) for cell in np.asarray(item).ravel()]
        elif item.dtype.names == ("real", "imag") or (
            item.dtype.kind in "buifc" and item.attrs.get("MATLAB_class", b"double") != b"char"
        ):
            self.variables[name] = self._inside(item, name)

    def _inside(self, dataset: Any, name: str) -> Hdf5Array:
        if dataset.is_virtual or dataset.external:
            raise DataError(f"{self._path}: the numbers of {name!r} are in other files; copy them into this one")
        return Hdf5Array(dataset)
