"""From a table of named columns (CSV, parquet, DataFrame) to records: one route for every tabular format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.data.arrays import FloatArray, as_samples
from l2ssm.data.record import Record
from l2ssm.data.sampling import resample_linear, seconds_of, uniform_dt
from l2ssm.data.splitting import finite_parts, split_at_gaps
from l2ssm.errors import DataError, OptionError

Key = str | int


@dataclass(frozen=True)
class Selection:
    """What the user asked for: channels by column, where time or dt is, how records are told apart, what to repair."""

    inputs: Key | Sequence[Key]
    outputs: Key | Sequence[Key] | None
    time: Key | None = None
    dt: float | str | None = None
    record: Key | None = None
    dropna: str | None = None
    resample: float | None = None
    units: Mapping[str, str] | None = None
    name: str = ""
    time_axis: int = 0

    def __post_init__(self) -> None:
        if not self.input_keys:
            raise OptionError("inputs is empty: name at least one input column or variable")
        keys = [*self.input_keys, *self.output_keys]
        for key in keys:
            if keys.count(key) > 1:
                raise DataError(
                    f"{key!r} is chosen twice among inputs={self.input_keys} and outputs={self.output_keys}"
                )

    @property
    def input_keys(self) -> list[Key]:
        """Inputs as a list."""
        return _keys(self.inputs)

    @property
    def output_keys(self) -> list[Key]:
        """Outputs as a list; empty for None."""
        return _keys(self.outputs)


def _keys(given: Key | Sequence[Key] | None) -> list[Key]:
    if given is None:
        return []
    return [given] if isinstance(given, (str, int)) else list(given)


@dataclass(frozen=True)
class Columns:
    """Named columns of equal length, turned into numbers only when asked for.

    Args:
        names: names in order; a column can also be asked for by its position.
        rows: length of every column.
        numbers: position -> float64 column; NaN where a cell is empty.
        labels: position -> column of labels (any dtype), for telling records and instants apart.
        where: the file or object, for messages.
    """

    names: tuple[str, ...]
    rows: int
    numbers: Callable[[int], FloatArray]
    labels: Callable[[int], NDArray[Any]]
    where: str

    @classmethod
    def of_frame(cls, frame: Any, where: str = "the DataFrame") -> Columns:
        """The columns of a pandas DataFrame."""

        def labels(position: int) -> NDArray[Any]:
            series = frame.iloc[:, position]
            if series.dtype.kind == "M":
                series = series.dt.tz_localize(None)
            return np.asarray(series.to_numpy())

        def numbers(position: int) -> FloatArray:
            series = frame.iloc[:, position]
            if series.dtype.kind in "biuf" and series.isna().any():
                series = series.astype("float64")
            return as_samples(series.to_numpy(), f"column {series.name!r} of {where}")[:, 0]

        return cls(tuple(str(name) for name in frame.columns), len(frame), numbers, labels, where)

    def position(self, key: Key) -> int:
        """Where the column is.

        Raises:
            DataError: no such column, with the columns there are; or several of that name.
        """
        if isinstance(key, int) and not isinstance(key, bool):
            if str(key) in self.names:
                return self.names.index(str(key))
            if 0 <= key < len(self.names):
                return key
        elif self.names.count(str(key)) > 1:
            raise DataError(f"{self.where} has {self.names.count(str(key))} columns called {key!r}; choose by position")
        elif key in self.names:
            return self.names.index(str(key))
        raise DataError(f"no column {key!r} in {self.where}; the columns are {', '.join(map(repr, self.names))}")


def records_from_columns(columns: Columns, chosen: Selection) -> list[Record]:
    """The records of a table: channels side by side, rows grouped by the record column, empty tail rows dropped.

    Raises:
        DataError: unknown column, columns of unequal lengths, no dt, non-uniform time, NaN, ...: see `l2ssm.data.read`.
    """
    if columns.rows == 0:
        raise DataError(f"{columns.where} has columns {list(columns.names)} but no rows")
    positions = [columns.position(key) for key in (*chosen.input_keys, *chosen.output_keys)]
    names = [columns.names[position] for position in positions]
    values = np.column_stack([columns.numbers(position) for position in positions])
    time = None if chosen.time is None else _instants(columns, chosen.time)
    filled = filled_rows(values) or len(values)
    values, time = values[:filled], None if time is None else time[:filled]
    _check_lengths(values, names, columns.where, chosen.dropna)
    n_u = len(chosen.input_keys)
    about = {"units": chosen.units, "input_names": names[:n_u], "output_names": names[n_u:]}
    dt = chosen.dt
    if isinstance(dt, str):
        dt = constant_dt(columns.numbers(columns.position(dt)), dt, columns.where)
    records: list[Record] = []
    for name, rows in groups(columns, chosen, values.shape[0]):
        part = values[rows]
        u, y = part[:, :n_u], part[:, n_u:] if chosen.output_keys else None
        records += sampled_records(u, y, None if time is None else time[rows], dt, chosen, name=name, about=about)
    return records


def _instants(columns: Columns, key: Key) -> FloatArray:
    """The time column in seconds: numbers, or else dates."""
    position = columns.position(key)
    try:
        return columns.numbers(position)
    except DataError:
        return seconds_of(columns.labels(position), key)


def filled_rows(values: FloatArray) -> int:
    """Rows but for the last ones in which every channel is empty: padding of columns shorter than the file."""
    filled = np.flatnonzero(~np.isnan(values).all(axis=1))
    return int(filled[-1]) + 1 if filled.size else 0


def _check_lengths(values: FloatArray, names: list[str], where: str, dropna: str | None) -> None:
    """A column that ends before the others is a length mismatch, not a NaN."""
    if dropna is not None:
        return
    lengths = {}
    for index, name in enumerate(names):
        filled = np.flatnonzero(~np.isnan(values[:, index]))
        if filled.size == 0:
            raise DataError(f"column {name!r} of {where} is empty")
        lengths[name] = int(filled[-1]) + 1
        if np.isnan(values[: lengths[name], index]).any():
            return  # holes elsewhere: the record says where
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name!r} {length}" for name, length in lengths.items())
        raise DataError(
            f'unequal lengths in {where}: {found} samples; cut them, or keep the common rows with dropna="split"'
        )


def constant_dt(column: FloatArray, name: str, where: str) -> float:
    """The first value of a column that holds dt.

    Raises:
        DataError: it is empty there, or varies.
    """
    if np.isnan(column[0]):
        raise DataError(f"column {name!r} of {where} has no dt in its first row")
    filled = column[~np.isnan(column)]
    if not np.all(filled == filled[0]):
        raise DataError(
            f"column {name!r} of {where} varies ({filled.min():g} .. {filled.max():g}), so it is no dt;"
            f" for a column of instants use time={name!r}"
        )
    return float(column[0])


def groups(columns: Columns, chosen: Selection, rows: int) -> list[tuple[str, NDArray[Any]]]:
    """(name, rows) of each record, in order of appearance."""
    if chosen.record is None:
        return [(chosen.name, np.arange(rows))]
    labels = [_label(value) for value in columns.labels(columns.position(chosen.record))[:rows]]
    found: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        found.setdefault(label, []).append(row)
    return [(label, np.array(members)) for label, members in found.items()]


def _label(value: Any) -> str:
    return str(int(value)) if isinstance(value, (float, np.floating)) and float(value).is_integer() else str(value)


def require_time(chosen: Selection) -> None:
    """DataError unless dt or the instants are chosen."""
    if chosen.dt is None and chosen.time is None:
        raise DataError(
            "the sampling time is unknown: pass dt=<seconds>, dt=<name of a column or variable holding it>,"
            " or time=<name of the time column>"
        )


def sampled_records(
    u: FloatArray,
    y: FloatArray | None,
    time: FloatArray | None,
    dt: float | None,
    chosen: Selection,
    *,
    name: str,
    about: Mapping[str, Any],
) -> list[Record]:
    """Records of one stretch of samples, with dt from `time` or given, resampled if asked.

    Raises:
        DataError: neither time nor dt, both and contradicting, or non-uniform time without `resample`.
    """
    require_time(chosen)
    if chosen.resample is None:
        t0 = 0.0 if time is None else float(time[0])
        step = dt if time is None else uniform_dt(time, name, expected=dt)
        assert step is not None
        return split_at_gaps(u, y, step, name=name, t0=t0, dropna=chosen.dropna, **about)
    t: FloatArray = np.arange(u.shape[0], dtype=np.float64) * dt if time is None else time  # type: ignore[operator]
    blank = chosen.dropna is not None  # NaN is cut out below, everything else wrong is refused here
    Record(
        np.zeros_like(u) if blank else u, np.zeros_like(y) if blank and y is not None else y, 1.0, name=name, **about
    )
    both = u if y is None else np.hstack([u, y])
    stretches = finite_parts(u, y, name, chosen.dropna)
    records = []
    for index, part in enumerate(stretches):
        t_new, new = resample_linear(t[part], both[part], chosen.resample, name)
        stem = name if len(stretches) == 1 else f"{name or 'record'}/{index}"
        new_y = None if y is None else new[:, u.shape[1] :]
        masked = chosen.dropna == "mask"
        start = float(t_new[0])
        records.append(
            Record(new[:, : u.shape[1]], new_y, chosen.resample, name=stem, t0=start, missing=masked, **about)
        )
    return records
