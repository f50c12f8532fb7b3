"""`Record`: one uninterrupted, uniformly sampled experiment, u (T, n_u) and y (T, n_y) in float64, immutable."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass
from typing import Any

import numpy as np

from l2ssm.data.arrays import FloatArray, as_samples
from l2ssm.data.record_checks import check_finite, check_orientation, check_time, names_of
from l2ssm.errors import DataError

GRID_SLACK = 1e-6  # a slice bound within this fraction of dt of a sample is that sample


@dataclass(frozen=True, eq=False, repr=False)
class Record:
    """u(k dt), y(k dt) for k = 0..T-1: finite float64 arrays, time first, read-only; u is held over [k dt, (k+1) dt).

    Args:
        u: inputs, (T, n_u); 1-D becomes (T, 1).
        y: outputs, (T, n_y), or None for an input to simulate.
        dt: sampling time in seconds, > 0.
        name: name of the record; a `Dataset` finds it by this name.
        t0: time of the first sample in seconds.
        input_names: one name per input; default "u", or "u1", "u2", ...
        output_names: one name per output; default "y", or "y1", "y2", ...
        units: unit of a channel by its name, such as {"u": "V", "y": "mm"}.
        time_axis: 1 if u and y are given as (channels, T).
        missing: whether y may hold NaN, for samples of an output that were not measured: `fit` and `compare` pass over
            them, and what needs every sample says so. Afterwards: whether there are any.

    Raises:
        DataError: unequal lengths, transposed, NaN or infinite, empty, complex, not numeric, more than 2-D, dt not
            positive, wrong number of names or duplicate names, unit of an unknown channel.

    >>> record = Record([0.0, 1.0, 2.0, 3.0], [0.0, 0.5, 1.0, 1.5], 0.5, name="ramp", units={"u": "V"})
    >>> record
    Record('ramp': T=4, dt=0.5 s, u [V] -> y)
    >>> record[0.5:1.5].t.tolist()
    [0.5, 1.0]
    """

    u: FloatArray
    y: FloatArray | None
    dt: float
    name: str = ""
    t0: float = 0.0
    input_names: tuple[str, ...] = None  # type: ignore[assignment]  # filled below
    output_names: tuple[str, ...] = None  # type: ignore[assignment]
    units: Mapping[str, str] = None  # type: ignore[assignment]
    time_axis: InitVar[int] = 0
    missing: bool = False

    def __post_init__(self, time_axis: int) -> None:
        where = f"record '{self.name}': " if self.name else ""
        u = as_samples(self.u, f"{where}u", time_axis)
        y = None if self.y is None else as_samples(self.y, f"{where}y", time_axis)
        check_orientation(u, y, where)
        check_time(self.dt, self.t0, where)
        n_y = 0 if y is None else y.shape[1]
        input_names = names_of(self.input_names, "u", u.shape[1], "input_names", where)
        output_names = names_of(self.output_names, "y", n_y, "output_names", where)
        channels = (*input_names, *output_names)
        if len(set(channels)) < len(channels):
            twice = next(name for name in channels if channels.count(name) > 1)
            raise DataError(f"{where}channel name {twice!r} is used twice in {list(channels)}; names must differ")
        units = dict(self.units or {})
        for key in units:
            if key not in channels:
                raise DataError(f"{where}unit given for unknown channel {key!r}; the channels are {list(channels)}")
        check_finite(u, input_names, where)
        if y is not None:
            check_finite(y, output_names, where, missing=self.missing)
        self._set(u, y, dt=float(self.dt), name=str(self.name), t0=float(self.t0))
        self._assign(input_names=input_names, output_names=output_names, units=units)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set(**state)

    def _assign(self, **values: Any) -> None:
        for key, value in values.items():
            object.__setattr__(self, key, value)

    def _set(self, u: FloatArray, y: FloatArray | None, **values: Any) -> None:
        u.setflags(write=False)
        if y is not None:
            y.setflags(write=False)
        self._assign(**values | {"u": u, "y": y, "missing": y is not None and bool(np.isnan(y).any())})

    @property
    def T(self) -> int:
        """Number of samples."""
        return self.u.shape[0]

    @property
    def n_u(self) -> int:
        """Number of inputs."""
        return len(self.input_names)

    @property
    def n_y(self) -> int:
        """Number of outputs, 0 for an input-only record."""
        return len(self.output_names)

    @property
    def duration(self) -> float:
        """T dt in seconds: every sample is held for dt."""
        return self.T * self.dt

    @property
    def t(self) -> FloatArray:
        """Sample times t0 + k dt in seconds, (T,)."""
        return self.t0 + self.dt * np.arange(self.T, dtype=np.float64)

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of inputs, then outputs."""
        return (*self.input_names, *self.output_names)

    @property
    def digest(self) -> str:
        """SHA-256 of dt, t0, name, channel names, units and every number."""
        sha = hashlib.sha256(self._head.encode())
        sha.update(self.u.astype("<f8").tobytes())
        if self.y is not None:
            sha.update(self.y.astype("<f8").tobytes())
        return sha.hexdigest()

    @property
    def _head(self) -> str:
        units = [self.units.get(name, "") for name in self.channels]
        return repr((self.name, self.dt.hex(), self.t0.hex(), self.input_names, self.output_names, units, self.T))

    def __len__(self) -> int:
        return self.T

    def __repr__(self) -> str:
        arrow = f"{self._listing(self.input_names)} -> {self._listing(self.output_names) or 'no outputs'}"
        return f"Record({self.name!r}: T={self.T}, dt={self.dt:g} s, {arrow})"

    def _listing(self, names: Sequence[str]) -> str:
        return ", ".join(f"{name} [{self.units[name]}]" if self.units.get(name) else name for name in names)

    def __getitem__(self, seconds: slice) -> Record:
        """The samples with start <= t < stop, in seconds on the record's own time axis `t`; views, no copy.

        Raises:
            DataError: not a slice of seconds, a step, or no sample in it.
        """
        if not isinstance(seconds, slice) or seconds.step is not None:
            raise DataError(
                f"record[{seconds!r}]: a record is sliced in seconds without a step, record[3.0:12.0];"
                " samples are record.u[k], record.y[k], or record.samples(first, stop)"
            )
        first = 0 if seconds.start is None else self._sample_at(seconds.start)
        stop = self.T if seconds.stop is None else self._sample_at(seconds.stop)
        if stop <= first:
            span = f"{self.t0:g} s to {self.t0 + self.duration:g} s"
            raise DataError(f"no sample of record {self.name!r} in [{seconds.start}:{seconds.stop}] s; it spans {span}")
        return self.samples(first, stop)

    def _sample_at(self, time: float) -> int:
        try:
            position = (float(time) - self.t0) / self.dt
        except (TypeError, ValueError):
            raise DataError(f"{time!r} is not a time in seconds") from None
        if math.isnan(position):
            raise DataError("NaN is not a time in seconds")
        return math.ceil(min(max(position, 0.0), float(self.T)) - GRID_SLACK)

    def samples(self, first: int, stop: int | None = None) -> Record:
        """Samples first..stop-1 as a record that keeps names, units and dt and starts at time t[first]; views, no copy.

        Args:
            first: first sample, from 0.
            stop: the sample behind the last one.

        Raises:
            DataError: unless 0 <= first < stop <= T.
        """
        stop = self.T if stop is None else stop
        if not 0 <= first < stop <= self.T:
            raise DataError(f"samples {first}..{stop - 1} are not in record {self.name!r} of {self.T} samples")
        return self._part(first, stop, self.t0 + first * self.dt)

    def block(self, first: int, stop: int) -> tuple[FloatArray, FloatArray | None]:
        """(u, y) of samples first..stop-1, no more than there are: views, or what is read of a file for it.

        Args:
            first: first sample, from 0.
            stop: the sample behind the last one.
        """
        return self.u[first:stop], None if self.y is None else self.y[first:stop]

    def renamed(self, name: str) -> Record:
        """The same samples under another name; shares the arrays.

        Args:
            name: the new name.
        """
        return self._like(name=name)

    def _part(self, first: int, stop: int, t0: float) -> Record:
        u, y = self.block(first, stop)
        return self._like(u=u, y=y, t0=t0)

    def _like(self, **changes: Any) -> Record:
        keys = ("u", "y", "dt", "name", "t0", "input_names", "output_names", "units")
        other = object.__new__(Record)
        other._set(**{key: getattr(self, key) for key in keys} | changes)
        return other


def require_alike(first: Record, other: Record) -> None:
    """Returns if two records have the same channels, units and dt, so that they can be records of one system.

    Raises:
        DataError: naming the second record and what differs.
    """

    def differ(what: str, ours: object, theirs: object) -> DataError:
        return DataError(
            f"record {other.name!r} differs in {what}: {theirs}, but record {first.name!r} has {ours};"
            " records of a Dataset share channels, units and dt"
        )

    if not math.isclose(first.dt, other.dt, rel_tol=1e-9):
        raise differ("dt", f"{first.dt!r} s", f"{other.dt!r} s")
    if first.input_names != other.input_names:
        raise differ("input channels", list(first.input_names), list(other.input_names))
    if (first.n_y == 0) != (other.n_y == 0):
        raise differ("outputs", list(first.output_names), list(other.output_names) or "none")
    if first.output_names != other.output_names:
        raise differ("output channels", list(first.output_names), list(other.output_names))
    for name in first.channels:
        if first.units.get(name, "") != other.units.get(name, ""):
            raise differ(f"the unit of {name!r}", repr(first.units.get(name, "")), repr(other.units.get(name, "")))
