"""Parquet files to columns: whole, or block by block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from l2ssm.data.columns import Columns, Key, Selection
from l2ssm.data.limits import check_expansion
from l2ssm.errors import DataError


def read_parquet(path: Path) -> Columns:
    """All columns of a file.

    Raises:
        DataError: pandas or pyarrow are not installed, or the file cannot be read.
    """
    with _opened(path) as file:
        import pandas

        check_expansion(_size(file, file.metadata.num_columns), path.stat().st_size, _where(path, file))
        return Columns.of_frame(pandas.read_parquet(path, engine="pyarrow"), str(path))


def parquet_blocks(path: Path, chosen: Selection, rows: int) -> Iterator[tuple[Columns, Selection]]:
    """The chosen columns, so many rows at a time, and the selection by their names.

    Raises:
        DataError: see `read_parquet`; an unknown column.
    """
    with _opened(path) as file:
        names = tuple(file.schema_arrow.names)
        every = Columns(names, 0, lambda _: None, lambda _: None, str(path))  # type: ignore[arg-type, return-value]

        def named(key: Key | None) -> str | None:
            return None if key is None else names[every.position(key)]

        inputs, outputs = ([str(named(key)) for key in keys] for keys in (chosen.input_keys, chosen.output_keys))
        dt = named(chosen.dt) if isinstance(chosen.dt, str) else chosen.dt
        time, record = named(chosen.time), named(chosen.record)
        by_name = replace(chosen, inputs=inputs, outputs=outputs, time=time, record=record, dt=dt)
        wanted = [name for name in (*inputs, *outputs, time, record, dt) if isinstance(name, str)]
        check_expansion(_size(file, len(set(wanted))), path.stat().st_size, _where(path, file))
        for batch in file.iter_batches(rows, columns=list(dict.fromkeys(wanted))):
            yield Columns.of_frame(batch.to_pandas(), str(path)), by_name


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with path.open("rb") as start:
        if start.read(4) != b"PAR1":
            raise DataError(f"{path} is not a parquet file, whatever its name ends in")
    try:
        import pandas  # noqa: F401
        import pyarrow.parquet
    except ImportError:
        raise DataError(f"reading {path} needs pandas and pyarrow: pip install l2ssm[data]") from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield file
    except DataError:
        raise
    except Exception as error:  # pyarrow raises its own kinds
        raise DataError(f"{path} cannot be read as parquet: {error}") from None


def _size(file: Any, columns: int) -> int:
    return 8 * int(file.metadata.num_rows) * columns


def _where(path: Path, file: Any) -> str:
    return f"{path}, {file.metadata.num_rows} rows of {file.metadata.num_columns} columns"
