"""HDF5 files, MATLAB v7.3 too, to columns block by block: the chosen variables, read along their time axis."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from l2ssm.data.arrays import FloatArray, as_samples
from l2ssm.data.columns import Columns, Key, Selection
from l2ssm.data.limits import check_expansion
from l2ssm.data.matlab import Hdf5Array, opened_hdf5
from l2ssm.data.variables import cells_of
from l2ssm.errors import DataError, OptionError


@dataclass(frozen=True)
class _Series:
    """Samples of one variable of one record, or of one channel of it.

    Attributes:
        array: where they are.
        key: as it was asked for.
        axis: of time; None where the array is a vector.
        T, n: samples, channels.
        channel: the one that was asked for, or None for all.
    """

    array: Hdf5Array
    key: Key
    axis: int | None
    T: int
    n: int
    channel: int | None

    @classmethod
    def of(cls, array: Hdf5Array, channel: int | None, key: Key, time_axis: int, vectors: bool) -> _Series:
        shape = array.shape
        if len(shape) == 1 or (vectors and len(shape) == 2 and min(shape) == 1):
            axis, T, n = None, max(shape), 1
        elif len(shape) == 2:
            axis, T, n = time_axis, shape[time_axis], shape[1 - time_axis]
        else:
            raise DataError(f"variable {str(key)!r} has shape {shape}: one record is (T, channels), at most 2-D")
        if n > T:
            raise DataError(
                f"variable {str(key)!r} is {(T, n)} as (samples, channels): more channels than samples looks"
                f" transposed, pass time_axis={1 - time_axis}"
            )
        if T == 0 or (channel is not None and channel >= n):
            raise DataError(f"variable {str(key)!r}: {(T, n)} as (samples, channels), counted from 0")
        return cls(array, key, axis, T, n, channel)

    @property
    def names(self) -> list[str]:
        """Of its channels."""
        alone = self.n == 1 or self.channel is not None
        return [str(self.key)] if alone else [f"{self.key}{index + 1}" for index in range(self.n)]

    def read(self, first: int, stop: int) -> FloatArray:
        """(stop - first, channels)."""
        part = slice(first, stop)
        if self.axis is None:
            values = self.array.part(
                tuple(part if size == self.T else slice(None) for size in self.array.shape)
            ).ravel()
        else:
            values = self.array.part((part, slice(None)) if self.axis == 0 else (slice(None), part))
        samples = as_samples(values, f"variable {str(self.key)!r}", self.axis or 0)
        return samples if self.channel is None else samples[:, [self.channel]]


def hdf5_blocks(path: Path, chosen: Selection, rows: int, *, vectors: bool) -> Iterator[tuple[Columns, Selection]]:
    """The chosen variables of each record, so many samples at a time, and the selection by the names of their channels.

    Args:
        path: of the file.
        chosen: as for `l2ssm.read`.
        rows: of a block.
        vectors: whether 1 x T is a vector, as in MATLAB.

    Raises:
        DataError: h5py is not installed, the file cannot be read, and what `l2ssm.read` refuses.
    """
    if chosen.record is not None:
        raise OptionError(f"record={chosen.record!r} goes with tables; in {path} every cell of a list is a record")
    if chosen.time_axis not in (0, 1):
        raise OptionError(f"time_axis={chosen.time_axis!r}: 0 is (time, channels), 1 is (channels, time)")
    with opened_hdf5(path) as variables:
        keys: list[Key] = [*chosen.input_keys, *chosen.output_keys, *([] if chosen.time is None else [chosen.time])]
        cells = [cells_of(variables, key, str(path)) for key in keys]
        counts = {str(key): len(found) for key, found in zip(keys, cells, strict=True)}
        if len(set(counts.values())) > 1:
            told = ", ".join(f"{key!r} {count}" for key, count in counts.items())
            raise DataError(f"different numbers of records in {path}: {told}")
        check_expansion(sum(a.size for found in cells for a, _ in found), path.stat().st_size, str(path))
        dt = _number(variables, chosen.dt, str(path)) if isinstance(chosen.dt, str) else chosen.dt
        for index in range(len(cells[0])):
            name = chosen.name if len(cells[0]) == 1 else f"{chosen.name}{index}"
            here = [
                _Series.of(*found[index], key, chosen.time_axis, vectors)
                for key, found in zip(keys, cells, strict=True)
            ]
            yield from _record(here, replace(chosen, name=name, dt=dt), rows, str(path))


def _record(series: list[_Series], chosen: Selection, rows: int, where: str) -> Iterator[tuple[Columns, Selection]]:
    lengths = {str(one.key): one.T for one in series}
    if len(set(lengths.values())) > 1:
        raise DataError(f"unequal lengths in {where}: {', '.join(f'{k!r} {T}' for k, T in lengths.items())} samples")
    n_u, n_y = len(chosen.input_keys), len(chosen.output_keys)
    if any(one.n != 1 for one in series[n_u + n_y :]):
        raise DataError(f"time {chosen.time!r} of {where} is no vector of {series[0].T} instants")
    inputs, outputs = ([name for one in part for name in one.names] for part in (series[:n_u], series[n_u : n_u + n_y]))
    time = None if chosen.time is None else len(inputs) + len(outputs)  # its position
    names = (*inputs, *outputs, *([] if chosen.time is None else [f"time {chosen.time}"]))
    by_name = replace(chosen, inputs=inputs, outputs=outputs, time=time)
    for first in range(0, series[0].T, rows):
        stop = min(first + rows, series[0].T)
        block = np.hstack([one.read(first, stop) for one in series])
        columns = block.T.copy()
        yield Columns(names, len(block), columns.__getitem__, columns.__getitem__, where), by_name


def _number(variables: Mapping[str, Any], name: str, where: str) -> float:
    (array, _), *more = cells_of(variables, name, where)
    if more or math.prod(array.shape) != 1:
        raise DataError(f"variable {name!r} of {where} has shape {array.shape}; dt is a single number of seconds")
    return float(as_samples(np.ravel(array.whole()), f"variable {name!r}")[0, 0])
