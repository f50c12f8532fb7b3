"""From named arrays (.mat, .npz, HDF5) to records: whole arrays as channels, lists of arrays as records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from l2ssm.data.arrays import FloatArray, as_samples
from l2ssm.data.columns import Key, Selection, sampled_records
from l2ssm.data.record import Record
from l2ssm.errors import DataError, OptionError

INDEXED = re.compile(r"(.+)\[(\d+)\]")  # "dExp[1]": channel 1, counted from 0, of variable dExp


def records_from_variables(
    variables: Mapping[str, Any], chosen: Selection, where: str, *, vectors: bool
) -> list[Record]:
    """The records of named arrays; a variable with several channels gives the names v1, v2, ...

    Args:
        variables: arrays, or lists of arrays (one a record).
        chosen: what the user asked for; "v[2]" is channel 2, counted from 0, of variable v.
        where: the file, for messages.
        vectors: whether 1 x T is a vector, as in MATLAB, where every array has two dimensions.

    Raises:
        DataError: unknown variable, wrong shapes, different numbers of records, ...: see `l2ssm.data.read`.
    """
    if chosen.record is not None:
        raise OptionError(f"record={chosen.record!r} goes with tables; in {where} every cell of a list is a record")
    inputs = [cells_of(variables, key, where) for key in chosen.input_keys]
    outputs = [cells_of(variables, key, where) for key in chosen.output_keys]
    times = None if chosen.time is None else cells_of(variables, chosen.time, where)
    named = zip([*chosen.input_keys, *chosen.output_keys], [*inputs, *outputs], strict=True)
    counts = {str(key): len(cells) for key, cells in named}
    if times is not None:
        counts[str(chosen.time)] = len(times)
    if len(set(counts.values())) > 1:
        raise DataError(
            f"different numbers of records in {where}: {', '.join(f'{k!r} {n}' for k, n in counts.items())}"
        )
    dt = chosen.dt if not isinstance(chosen.dt, str) else _scalar(variables, chosen.dt, where)
    records: list[Record] = []
    count = len(inputs[0])
    for index in range(count):
        u, u_names = _joined([cells[index] for cells in inputs], chosen.input_keys, chosen.time_axis, vectors)
        y, y_names = None, None
        if outputs:
            y, y_names = _joined([cells[index] for cells in outputs], chosen.output_keys, chosen.time_axis, vectors)
        name = chosen.name if count == 1 else f"{chosen.name}{index}"
        about: dict[str, Any] = {"units": chosen.units, "input_names": u_names, "output_names": y_names}
        time = None if times is None else _instants(times[index], chosen.time, u.shape[0], where)
        records += sampled_records(u, y, time, dt, chosen, name=name, about=about)
    return records


def _lookup(variables: Mapping[str, Any], key: Key, where: str) -> tuple[Any, int | None]:
    indexed = INDEXED.fullmatch(str(key))
    if str(key) in variables:
        return variables[str(key)], None
    if indexed and indexed[1] in variables:
        return variables[indexed[1]], int(indexed[2])
    raise DataError(f"no variable {key!r} in {where}; the variables are {', '.join(map(repr, variables)) or 'none'}")


def cells_of(variables: Mapping[str, Any], key: Key, where: str) -> list[tuple[Any, int | None]]:
    """(array, channel or None) of each record; the channel of "v[2]" is 2."""
    value, channel = _lookup(variables, key, where)
    cells = value if isinstance(value, list) else [value]
    if not cells:
        raise DataError(f"variable {key!r} of {where} is an empty cell array")
    return [(cell, channel) for cell in cells]


def _joined(
    cells: list[tuple[Any, int | None]], keys: list[Key], time_axis: int, vectors: bool
) -> tuple[FloatArray, list[str]]:
    """Channels side by side, (T, n), and their names."""
    columns, names = [], []
    for (value, channel), key in zip(cells, keys, strict=True):
        shape = np.shape(value)
        flat = np.ravel(value) if vectors and len(shape) == 2 and min(shape) == 1 else value
        samples = as_samples(flat, f"variable {str(key)!r}", time_axis if np.ndim(flat) == 2 else 0)
        if samples.shape[1] > samples.shape[0]:
            raise DataError(
                f"variable {str(key)!r} is {samples.shape} as (samples, channels): more channels than samples looks"
                f" transposed, pass time_axis={1 - time_axis}"
            )
        if channel is not None:
            if channel >= samples.shape[1]:
                raise DataError(
                    f"variable {str(key)!r}: {samples.shape} as (samples, channels) has {samples.shape[1]} channel(s),"
                    " counted from 0"
                )
            samples = samples[:, [channel]]
        names += [str(key)] if samples.shape[1] == 1 else [f"{key}{index + 1}" for index in range(samples.shape[1])]
        columns.append(samples)
    lengths = {len(column) for column in columns}
    if len(lengths) > 1:
        shapes = ", ".join(f"{str(key)!r} {column.shape}" for key, column in zip(keys, columns, strict=True))
        raise DataError(f"unequal lengths, {shapes} as (samples, channels)")
    return np.hstack(columns), names


def _scalar(variables: Mapping[str, Any], name: str, where: str) -> float:
    value, _channel = _lookup(variables, name, where)
    if isinstance(value, list) or np.size(value) != 1:
        raise DataError(f"variable {name!r} of {where} has shape {np.shape(value)}; dt is a single number of seconds")
    return float(as_samples(np.ravel(value), f"variable {name!r}")[0, 0])


def _instants(cell: tuple[Any, int | None], key: Key | None, T: int, where: str) -> FloatArray:
    time = as_samples(np.ravel(cell[0]), f"time {str(key)!r}")[:, 0]
    if time.size != T:
        raise DataError(f"time {str(key)!r} of {where} has {time.size} instants for {T} samples")
    return time
