"""`import_blocks`: a file of measurements to a store, block after block, in memory that does not grow with the file.

Every block is the `Columns` that reading the file whole would give, of some of its rows. Text, .npy, parquet and HDF5,
MATLAB v7.3 too, are read so; older .mat files and .npz files, whose variables can be read only whole, are not.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.data.arrays import FloatArray
from l2ssm.data.columns import Columns, Selection, constant_dt, filled_rows, groups, require_time
from l2ssm.data.sampling import Grid, seconds_of
from l2ssm.data.store import read_store
from l2ssm.data.store_writer import StoreWriter, check_target, folder_beside, write_store
from l2ssm.errors import DataError, OptionError

ROWS = 2**16
"""Of a block."""


def import_blocks(blocks: Iterator[tuple[Columns, Selection]], folder: Path, dtype: str) -> None:
    """Blocks of rows, each with what is chosen of it, to a store.

    Args:
        blocks: at least one; the same columns in all of them.
        folder: of the store.
        dtype: see `Dataset.save`; int16 needs the range of all samples first: it is made of a store of float32.

    Raises:
        DataError: what reading the file whole would raise, see `l2ssm.read`.
        OptionError: dropna="split" or resample, which look at whole records.
    """
    check_target(folder, dtype)
    if dtype == "float32":
        _to_store(blocks, folder)
        return
    work = folder_beside(folder)
    try:
        _to_store(blocks, work / "float32")
        write_store(read_store(work / "float32"), folder, dtype)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _to_store(blocks: Iterator[tuple[Columns, Selection]], folder: Path) -> None:
    first = next(blocks, None)
    if first is None:
        raise DataError(f"there are no rows to make the store {folder} of")
    columns, chosen = first
    if chosen.resample is not None or chosen.dropna not in (None, "mask"):
        raise OptionError(
            f"resample={chosen.resample!r} and dropna={chosen.dropna!r} look at whole records, and a store is written"
            " in blocks: read without store, then save the Dataset"
        )
    require_time(chosen)
    names = [columns.names[columns.position(key)] for key in (*chosen.input_keys, *chosen.output_keys)]
    n_u = len(chosen.input_keys)
    with StoreWriter(folder, names[:n_u], names[n_u:], chosen.units, missing=chosen.dropna == "mask") as writer:
        records = _Records(writer)
        for columns, chosen in chain([first], blocks):
            records.add(columns, chosen)
        writer.finish(records.times())


class _Records:
    """Records that grow block by block, in a store."""

    def __init__(self, writer: StoreWriter) -> None:
        self._writer = writer
        self._grids: dict[str, Grid] = {}
        self._dts: dict[str, float | None] = {}
        self._dt: float | None = None  # told by a column
        self._last = ""  # the record that grew last
        self._ended = False  # whether a row was empty in every chosen column, which is padding
        self._rows = 0
        self._origin: NDArray[Any] | None = None  # the first date of a column of dates

    def add(self, columns: Columns, chosen: Selection) -> None:
        """The rows of a block to their records."""
        keys = (*chosen.input_keys, *chosen.output_keys)
        values = np.column_stack([columns.numbers(columns.position(key)) for key in keys])
        time = self._instants(columns, chosen)
        rows = filled_rows(values)
        if self._ended and rows:  # the empty rows before were no padding: refused as any other NaN of an input
            self._writer.append(self._last, np.full((1, len(keys)), np.nan))
        self._rows += rows
        self._ended = self._ended or rows < len(values)
        dt = self._constant(columns, chosen.dt, rows) if isinstance(chosen.dt, str) else chosen.dt
        for name, members in groups(columns, chosen, rows):
            self._dts[name], self._last = dt, name
            self._writer.append(name, values[members])
            if time is not None:
                self._grids.setdefault(name, Grid(name)).add(time[members])

    def _constant(self, columns: Columns, name: str, rows: int) -> float | None:
        told = columns.numbers(columns.position(name))[:rows]
        before = [] if self._dt is None else [self._dt]
        if rows:
            self._dt = constant_dt(np.concatenate([before, told]), name, columns.where)
        return self._dt

    def _instants(self, columns: Columns, chosen: Selection) -> FloatArray | None:
        """Numbers, or else dates in seconds from the first of all."""
        if chosen.time is None:
            return None
        position = columns.position(chosen.time)
        if self._origin is None:
            try:
                return columns.numbers(position)
            except DataError:
                if self._rows:
                    raise
                self._origin = columns.labels(position)[:1]
        return seconds_of(np.concatenate([self._origin, columns.labels(position)]), chosen.time)[1:]

    def times(self) -> dict[str, tuple[float, float]]:
        """(dt, t0) of each record."""
        found = {}
        for name, dt in self._dts.items():
            grid = self._grids.get(name)
            found[name] = (float(dt or 0), 0.0) if grid is None else (grid.dt(dt), grid.first)
        return found
