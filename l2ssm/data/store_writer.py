"""`StoreWriter`: samples to the files of a store, block after block, in constant memory; all of it or nothing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.data.arrays import FloatArray
from l2ssm.data.record import Record
from l2ssm.data.record_checks import check_finite, check_time, check_width
from l2ssm.data.stored_record import CODES, HEADER, SampleFile
from l2ssm.data.summary import Summary, blocks, summary
from l2ssm.errors import DataError, OptionError
from l2ssm.files import write_atomically

MANIFEST, SCHEMA = "manifest.json", "l2ssm-store-1"
LEVELS = 2**15 - 1  # of int16, to either side of its offset


@dataclass
class _Growing:
    """A record that is being written."""

    file: SampleFile
    sha: Any = field(default_factory=hashlib.sha256)


class StoreWriter:
    """A store under construction, in a hidden folder beside the one it becomes when the block of `with` ends.

    Args:
        folder: of the store; there must be nothing, or an empty folder.
        input_names, output_names, units: as of a `Record`.
        missing: whether an output may be NaN.
        dtype: "float32", or "int16" with a scale and an offset a channel.
        scale, offset: of int16.

    Raises:
        DataError: something is there already, names that a `Record` refuses, or a disk that cannot take it.
        OptionError: another dtype.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        input_names: Sequence[str],
        output_names: Sequence[str],
        units: Mapping[str, str] | None,
        *,
        missing: bool,
        dtype: str = "float32",
        scale: Sequence[float] = (),
        offset: Sequence[float] = (),
    ) -> None:
        self.folder = Path(folder).expanduser()
        check_target(self.folder, dtype)
        count = max(len(input_names), len(output_names), 1)
        u, y = (np.zeros((count, len(names))) for names in (input_names, output_names))
        about: dict[str, Any] = {"input_names": input_names, "output_names": output_names, "units": units}
        self.about = Record(u, y if y.size else None, 1.0, **about)
        self.missing, self.dtype = missing, dtype
        self.scale, self.offset = tuple(map(float, scale)), tuple(map(float, offset))
        self._growing: dict[str, _Growing] = {}
        self._work = Path()

    def __enter__(self) -> StoreWriter:
        self._work = folder_beside(self.folder)
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        try:
            if error is None:
                os.chmod(self._work, 0o755)
                os.replace(self._work, self.folder)
        except OSError as refused:  # another writer was first
            error = refused
        finally:
            shutil.rmtree(self._work, ignore_errors=True)
        if isinstance(error, OSError) and not isinstance(error, DataError):
            raise DataError(f"the store {self.folder} was not made, and nothing of it is left: {error}") from None

    def append(self, name: str, values: FloatArray) -> None:
        """The next samples of a record, (T, channels), inputs first.

        Args:
            name: of the record; a new one begins a record.
            values: finite, or NaN in an output where that may be.

        Raises:
            DataError: a number that is not finite, or has no place in the dtype.
        """
        if name not in self._growing:
            path = self._work / f"{len(self._growing):06d}.npy"
            channels = len(self.about.channels)
            file = SampleFile(path, 0, channels, self.dtype, self.scale, self.offset, False, "")
            path.write_bytes(bytes(HEADER))
            self._growing[name] = _Growing(file)
        growing = self._growing[name]
        where, n_u, before = f"record {name!r}: ", self.about.n_u, growing.file.samples
        check_finite(values[:, :n_u], self.about.input_names, where, before=before)
        check_finite(values[:, n_u:], self.about.output_names, where, missing=self.missing, before=before)
        content = self._numbers(values, where).tobytes()
        growing.sha.update(content)
        with growing.file.path.open("ab") as opened:
            opened.write(content)
        missing = growing.file.missing or bool(np.isnan(values).any())
        growing.file = replace(growing.file, samples=before + len(values), missing=missing)

    def _numbers(self, values: FloatArray, where: str) -> NDArray[Any]:
        if self.scale:
            if np.isnan(values).any():
                raise DataError(f"{where}int16 has no number for a sample that was not measured; store float32")
            steps = np.rint((values - np.asarray(self.offset)) / np.asarray(self.scale))
            return np.asarray(np.clip(steps, -LEVELS, LEVELS)).astype("<i2")
        with np.errstate(over="ignore"):
            numbers = values.astype("<f4")
        if np.isinf(numbers).any():
            largest = np.nanmax(np.abs(values))
            raise DataError(f"{where}float32 ends at 3.4e38, and a number is {largest:.3g}; use other units")
        return numbers

    def finish(self, times: Mapping[str, tuple[float, float]]) -> None:
        """Headers and manifest; nothing can be appended any more.

        Args:
            times: (dt, t0) in seconds by the name of the record.

        Raises:
            DataError: dt that is not positive, fewer samples than channels, no record.
        """
        if not self._growing:
            raise DataError(f"nothing was read that could be stored in {self.folder}")
        entries = []
        for name, growing in self._growing.items():
            file, (dt, t0) = replace(growing.file, sha256=growing.sha.hexdigest()), times[name]
            check_time(dt, t0, f"record {name!r}: ")
            check_width(file.samples, self.about.n_u, self.about.n_y, f"record {name!r}: ")
            with file.path.open("r+b") as opened:
                opened.write(file.header)
                opened.flush()
                os.fsync(opened.fileno())
            entry = {"path": file.path.name, "name": name, "samples": file.samples, "dt": float(dt), "t0": float(t0)}
            entries.append(entry | {"dtype": file.dtype, "missing": file.missing, "sha256": file.sha256})
            if file.scale:
                entries[-1] |= {"scale": list(file.scale), "offset": list(file.offset)}
        units = self.about.units
        sides = {"inputs": self.about.input_names, "outputs": self.about.output_names}
        channels = {
            side: [{"name": name, "unit": units.get(name, "")} for name in names] for side, names in sides.items()
        }
        write_atomically(self._work / MANIFEST, encode({"schema": SCHEMA, **channels, "records": entries}))


def check_target(folder: Path, dtype: str) -> None:
    """Returns where a store of this dtype can be made there; see `StoreWriter`."""
    if dtype not in CODES:
        raise OptionError(f"dtype is {dtype!r}, expected one of {', '.join(CODES)}")
    try:
        taken = folder.is_symlink() or (folder.exists() and not (folder.is_dir() and not any(folder.iterdir())))
    except OSError as error:
        raise DataError(f"no store can be made at {folder}: {error}") from None
    if taken:
        raise DataError(f"{folder} is there already, and nothing is overwritten: remove it, or choose another folder")


def folder_beside(folder: Path) -> Path:
    """A new hidden folder, in which what becomes a store is prepared.

    Raises:
        DataError: it cannot be made.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except (OSError, ValueError) as error:  # no place, no right, no name
        raise DataError(f"no store can be made in {folder.parent}: {error}") from None


def encode(manifest: Mapping[str, Any]) -> bytes:
    """The text of a manifest, with the SHA-256 of all else in it."""
    return (json.dumps({**manifest, "sha256": digest_of(manifest)}, indent=1, allow_nan=False) + "\n").encode()


def digest_of(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest without its own."""
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, ensure_ascii=True, allow_nan=False).encode()).hexdigest()


def write_store(records: Sequence[Record], folder: str | os.PathLike[str], dtype: str = "float32") -> None:
    """Records of one system to a store; see `Dataset.save`."""
    first = records[0]
    check_target(Path(folder).expanduser(), dtype)
    levels: dict[str, Any] = _levels(summary(records)) if dtype == "int16" else {}
    about = first.input_names, first.output_names, first.units
    with StoreWriter(folder, *about, missing=True, dtype=dtype, **levels) as writer:
        for record in records:
            for u, y in blocks([record]):
                writer.append(record.name, np.hstack([u, y]))
        writer.finish({record.name: (record.dt, record.t0) for record in records})


def _levels(found: Summary) -> dict[str, list[float]]:
    """Scale and offset of int16 that spread each channel over all its numbers; a scale of 1 where it does not vary."""
    half = found.maximum / 2 - found.minimum / 2  # halves: what they are of may be more than a float
    scale = half / LEVELS
    return {"scale": np.where(scale > 0, scale, 1.0).tolist(), "offset": (found.minimum + half).tolist()}
