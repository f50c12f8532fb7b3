"""`Dataset`: records of any lengths with the same channels, units and dt; splits, statistics, a table to look at."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np

from l2ssm.data.columns import Columns, Selection, records_from_columns
from l2ssm.data.record import Record, require_alike
from l2ssm.data.splitting import split_at_gaps, split_by_record, split_by_time
from l2ssm.data.store_writer import write_store
from l2ssm.data.summary import Statistics, Summary, summary
from l2ssm.data.table import listing
from l2ssm.errors import DataError, OptionError


class Dataset(Sequence[Record]):
    """Ragged records of one system: immutable, same channels, units and dt; found by name or by position.

    Args:
        records: a `Record` or several. One without a name is called "record0", "record1", ... by its position.

    Raises:
        DataError: no records, two of the same name, or one that differs in channels, units, dt or in having outputs.

    >>> data = Dataset([Record([0.0, 1, 2], [0.0, 1, 2], 1.0, name="mon"), Record([5.0, 4], [1.0, 0], 1.0, name="tue")])
    >>> data["tue"].T, data[0].name, len(data), data.T
    (2, 'mon', 2, 5)
    """

    def __init__(self, records: Record | Iterable[Record]) -> None:
        if not isinstance(records, Iterable | Record):
            raise DataError(f"a Dataset is made of Records, not of {type(records).__name__}")
        given = [records] if isinstance(records, Record) else list(records)
        if not given:
            raise DataError("a Dataset needs at least one record")
        for index, record in enumerate(given):
            if not isinstance(record, Record):
                raise DataError(f"item {index} of the Dataset is a {type(record).__name__}, expected a Record")
        named = [record if record.name else record.renamed(f"record{index}") for index, record in enumerate(given)]
        for name, count in Counter(record.name for record in named).items():
            if count > 1:
                raise DataError(f"two records are called {name!r}; names of records in a Dataset must differ")
        for record in named[1:]:
            require_alike(named[0], record)
        self._records = tuple(named)

    @classmethod
    def from_arrays(
        cls,
        u: Any,
        y: Any,
        dt: float,
        *,
        names: Sequence[str] | None = None,
        time_axis: int = 0,
        dropna: str | None = None,
        input_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
        units: Mapping[str, str] | None = None,
    ) -> Dataset:
        """Records from arrays: one array each for u and y, or a list of 2-D (or 1-D) arrays each.

        Args:
            u: inputs, (T, n_u), or a list of such arrays, one a record.
            y: outputs, (T, n_y), or a list; None for inputs only.
            dt: sampling time in seconds.
            names: names of the records.
            time_axis: 1 if the arrays are (channels, T).
            dropna: "split" cuts a record at every row with a NaN or infinity; "mask" takes a NaN in y as a sample that
                was not measured; None refuses such a row.
            input_names: one name an input.
            output_names: one name an output.
            units: unit of a channel by its name.

        Raises:
            DataError: lists of different lengths, or anything a `Record` refuses.
            OptionError: unknown `dropna`.
        """
        us, ys = _as_list(u), _as_list(y)
        if y is None:
            ys = [None] * len(us)
        if len(us) != len(ys):
            raise DataError(f"u has {len(us)} records and y has {len(ys)}; expected as many")
        titles = [""] * len(us) if names is None and len(us) == 1 else names or [f"record{i}" for i in range(len(us))]
        if len(titles) != len(us):
            raise DataError(f"{len(titles)} names for {len(us)} records")
        records: list[Record] = []
        about: dict[str, Any] = {"input_names": input_names, "output_names": output_names, "units": units}
        for title, one_u, one_y in zip(titles, us, ys, strict=True):
            records += split_at_gaps(one_u, one_y, dt, name=title, time_axis=time_axis, dropna=dropna, **about)
        return cls(records)

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        inputs: str | int | Sequence[str | int],
        outputs: str | int | Sequence[str | int] | None,
        *,
        dt: float | str | None = None,
        time: str | int | None = None,
        record: str | int | None = None,
        dropna: str | None = None,
        resample: float | None = None,
        units: Mapping[str, str] | None = None,
        name: str = "",
    ) -> Dataset:
        """Records from the columns of `frame`, a pandas DataFrame; for the other arguments see `l2ssm.read`.

        Raises:
            DataError: unknown column (the message lists the columns), or anything `read` refuses.
        """
        selection = Selection(inputs, outputs, time, dt, record, dropna, resample, units, name)
        return cls(records_from_columns(Columns.of_frame(frame), selection))

    @overload
    def __getitem__(self, key: str | int) -> Record: ...
    @overload
    def __getitem__(self, key: slice) -> Dataset: ...
    def __getitem__(self, key: str | int | slice) -> Record | Dataset:
        """A record by name or position, or a Dataset of a slice of positions."""
        if isinstance(key, str):
            for record in self._records:
                if record.name == key:
                    return record
            raise DataError(f"no record {key!r}; the records are {self._shown_names()}")
        if isinstance(key, slice):
            if any(isinstance(bound, float) for bound in (key.start, key.stop)):
                raise DataError(
                    f"a Dataset is sliced by position; slice a record in seconds, data[{self.names[0]!r}][a:b]"
                )
            return Dataset(self._records[key])
        try:
            return self._records[key]
        except IndexError:
            raise DataError(f"no record at position {key}; there are {len(self)}: {self._shown_names()}") from None
        except TypeError:
            raise DataError(f"{key!r} is neither a record's name nor its position") from None

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    def __repr__(self) -> str:
        return f"Dataset({len(self)} records, T={self.T}, dt={self.dt:g} s, {list(self.channels)})"

    def __str__(self) -> str:
        return listing(self._records)

    def _shown_names(self) -> str:
        names = ", ".join(repr(name) for name in self.names[:20])
        return names + (f", ... ({len(self)} in all)" if len(self) > 20 else "")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the records."""
        return tuple(record.name for record in self._records)

    @property
    def T(self) -> int:
        """Number of samples of all records together."""
        return sum(record.T for record in self._records)

    @property
    def duration(self) -> float:
        """Seconds of all records together."""
        return self.T * self.dt

    @property
    def dt(self) -> float:
        """Sampling time in seconds."""
        return self._records[0].dt

    @property
    def n_u(self) -> int:
        """Number of inputs."""
        return self._records[0].n_u

    @property
    def n_y(self) -> int:
        """Number of outputs, 0 for input-only records."""
        return self._records[0].n_y

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return self._records[0].input_names

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return self._records[0].output_names

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of inputs, then outputs."""
        return self._records[0].channels

    @property
    def units(self) -> Mapping[str, str]:
        """Unit of a channel by its name."""
        return dict(self._records[0].units)

    @cached_property
    def _summary(self) -> Summary:
        return summary(self._records)

    @property
    def digest(self) -> str:
        """SHA-256 over the digests of the records, in order."""
        return hashlib.sha256("".join(record.digest for record in self._records).encode()).hexdigest()

    def split(self, fractions: Sequence[float], *, gap: int = 0, by: str = "time") -> tuple[Dataset, ...]:
        """Disjoint parts of the data in order: of every record along time, or of the list of records.

        Args:
            fractions: share of each part, positive, summing to 1: [0.8, 0.2].
            gap: samples of every record left out between two parts, so that the second is new (by time).
            by: "time" cuts every record, "record" deals out whole records in order.

        Raises:
            DataError: a record, or the list of records, is too short for that many parts.
            OptionError: fractions that are not positive or do not sum to 1, a negative gap, an unknown `by`.

        >>> train, valid = Dataset(Record(range(100), range(100), 1.0)).split([0.8, 0.2], gap=10)
        >>> train.T, valid.T, valid[0].t0
        (72, 18, 82.0)
        """
        if by == "time":
            parts = split_by_time(self._records, fractions, gap)
        elif by == "record":
            if gap:
                raise OptionError(f'gap={gap} goes with by="time"; whole records need none')
            parts = split_by_record(self._records, fractions)
        else:
            raise OptionError(f'by={by!r}; expected "time" or "record"')
        return tuple(Dataset(part) for part in parts)

    def statistics(self) -> Statistics:
        """Mean and standard deviation of every channel over all its measured samples, in one weighting per sample."""
        mean, std = self._summary.mean, np.sqrt(self._summary.variance)
        return Statistics(mean[: self.n_u], std[: self.n_u], mean[self.n_u :], std[self.n_u :])

    def save(self, folder: str | os.PathLike[str], dtype: str = "float32") -> None:
        """Write a store: a folder of .npy files and a manifest, which `l2ssm.read(folder)` opens without loading them.

        Args:
            folder: to make; there must be nothing in it.
            dtype: "float32", or "int16": each channel in 65535 equal steps over its range, no NaN.

        Raises:
            DataError: something is there already, or a number has no place in the dtype.
            OptionError: another dtype.
        """
        write_store(self._records, folder, dtype)

    def require_outputs(self) -> None:
        """Returns if every record has outputs.

        Raises:
            DataError: the records hold inputs only.
        """
        if self.n_y == 0:
            raise DataError(f"record {self.names[0]!r} has no outputs (y=None); fitting and comparing need measured y")

    def require_variation(self) -> None:
        """Returns if every input and output varies over the data: nothing can be learned about one that does not.

        Raises:
            DataError: a channel is constant in all records (its name, value and record are in the message), or there
                are no outputs.
        """
        self.require_outputs()
        found = self._summary
        for index, name in enumerate(self.channels):
            if not found.count[index]:
                raise DataError(f"output {name!r} has no measured sample in {self._shown_names()}; leave it out")
            if not found.varies[index]:
                where = f"record {self.names[0]!r}" if len(self) == 1 else f"every record ({self._shown_names()})"
                raise DataError(
                    f"{'input' if index < self.n_u else 'output'} {name!r} has zero variance: it is constant"
                    f" ({found.minimum[index]:g}) in {where}; leave it out, or excite it"
                )


def _as_list(value: Any) -> list[Any]:
    """A list or tuple of ndarrays is several records, anything else is the array of one."""
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, np.ndarray) and item.ndim for item in value):
        return list(value)
    return [value]
