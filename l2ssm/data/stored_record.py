"""`StoredRecord`: a record whose samples lie in an .npy file and are read when they are asked for, part by part."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.data.arrays import FloatArray
from l2ssm.data.record import Record
from l2ssm.data.summary import blocks
from l2ssm.errors import DataError

HEADER = 128  # bytes of a file before its numbers
CODES = {"float32": "<f4", "int16": "<i2"}


@dataclass(frozen=True)
class SampleFile:
    """(samples, channels) numbers in C order behind a header of HEADER bytes, inputs first.

    Attributes:
        path: of the file.
        samples, channels: its shape.
        dtype: a name of CODES.
        scale, offset: of int16, one a channel: offset + scale * number is the value; () of float32.
        missing: whether an output is NaN anywhere.
        sha256: of the numbers, without the header.
    """

    path: Path
    samples: int
    channels: int
    dtype: str
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    missing: bool
    sha256: str

    @property
    def header(self) -> bytes:
        """What an .npy file of this shape and type begins with."""
        shape = (self.samples, self.channels)
        text = f"{{'descr': '{CODES[self.dtype]}', 'fortran_order': False, 'shape': {shape}, }}".encode()
        return b"\x93NUMPY\x01\x00" + (HEADER - 10).to_bytes(2, "little") + text.ljust(HEADER - 11) + b"\n"

    @property
    def width(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * np.dtype(CODES[self.dtype]).itemsize

    def raw(self, first: int, stop: int) -> NDArray[Any]:
        """The numbers of samples first..stop-1 as they are in the file, read into memory: nothing stays mapped.

        Raises:
            DataError: the file is gone, or ends before.
        """
        numbers = np.empty((stop - first, self.channels), CODES[self.dtype])
        room = numbers.data.cast("B") if numbers.size else memoryview(b"")
        try:
            with self.path.open("rb", buffering=0) as file:
                file.seek(HEADER + first * self.width)
                while room and (got := file.readinto(room)):
                    room = room[got:]
        except OSError as error:
            raise DataError(f"{self.path} of the store cannot be read: {error}") from None
        if room:
            raise DataError(f"{self.path} of the store ends before sample {stop}: it was changed since it was opened")
        return numbers

    def values(self, numbers: NDArray[Any]) -> FloatArray:
        """What such numbers stand for."""
        found = numbers.astype(np.float64)
        return found * np.asarray(self.scale) + np.asarray(self.offset) if self.scale else found


class StoredRecord(Record):
    """A record of a store: `u` and `y` read all of its samples, each time; a slice of it reads nothing.

    Args:
        file: where the samples are.
        first: the first of them that belongs to the record.
        stop: the one behind its last.
        about: dt, name, t0, input_names, output_names and units of a `Record`.
    """

    _file: SampleFile
    _first: int
    _stop: int

    def __init__(self, file: SampleFile, first: int, stop: int, about: Mapping[str, Any]) -> None:
        self._assign(_file=file, _first=first, _stop=stop, **about)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._assign(**state)

    @property
    def u(self) -> FloatArray:
        """Inputs (T, n_u), read now."""
        return self.block(0, self.T)[0]

    @property
    def y(self) -> FloatArray | None:
        """Outputs (T, n_y), read now; None where there are none."""
        return self.block(0, self.T)[1] if self.output_names else None

    @property
    def missing(self) -> bool:
        """Whether an output is NaN anywhere; of a part of a record its samples are looked at, block by block."""
        whole = self._file.samples == self.T
        return self._file.missing and (whole or any(bool(np.isnan(y).any()) for _, y in blocks([self])))

    @property
    def T(self) -> int:
        """Number of samples."""
        return self._stop - self._first

    @property
    def digest(self) -> str:
        """SHA-256 of what `Record.digest` is about, the numbers by that of their file: nothing is read."""
        file = self._file
        where = (file.sha256, file.dtype, [v.hex() for v in (*file.scale, *file.offset)], self._first)
        return hashlib.sha256(f"{self._head}{where}".encode()).hexdigest()

    def block(self, first: int, stop: int) -> tuple[FloatArray, FloatArray | None]:
        """See `Record.block`; one read of the file."""
        begin, end = self._first + first, min(self._first + stop, self._stop)
        values = self._file.values(self._file.raw(begin, max(begin, end)))
        values.setflags(write=False)
        return values[:, : self.n_u], values[:, self.n_u :] if self.output_names else None

    def _part(self, first: int, stop: int, t0: float) -> Record:
        return StoredRecord(self._file, self._first + first, self._first + stop, self._about | {"t0": t0})

    def _like(self, **changes: Any) -> Record:
        return StoredRecord(self._file, self._first, self._stop, self._about | changes)

    @property
    def _about(self) -> dict[str, Any]:
        keys = ("dt", "name", "t0", "input_names", "output_names", "units")
        return {key: getattr(self, key) for key in keys}
