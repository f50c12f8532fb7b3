"""`read_store`: the records of a folder that `StoreWriter` made, each file checked in one pass, none kept in memory.

    folder/manifest.json    channels with units; of each record its file, samples, dt, t0, dtype, scale, offset, SHA-256
    folder/000000.npy ...   (samples, channels) in C order, inputs first: what `numpy.load` reads

Nothing that the manifest says is believed before it is seen: the file is in this folder, no link, of exactly the size,
header and checksum that are told, its numbers finite. The manifest holds a checksum of its own.
"""

from __future__ import annotations

import hashlib
import json
import math
import stat
from pathlib import Path
from typing import Any

import numpy as np

from l2ssm.data.record import Record
from l2ssm.data.record_checks import check_finite, check_time, check_width, names_of
from l2ssm.data.store_writer import MANIFEST, SCHEMA, digest_of
from l2ssm.data.stored_record import CODES, HEADER, SampleFile, StoredRecord
from l2ssm.data.summary import NUMBERS
from l2ssm.errors import DataError

MOST = 2**26  # bytes of a manifest
LONGEST = 2**48  # samples of a record


def is_store(folder: Path) -> bool:
    """Whether a folder has a manifest."""
    return (folder / MANIFEST).exists()


def read_store(folder: Path) -> list[Record]:
    """The records of a store, see `l2ssm.read`.

    Raises:
        DataError: no manifest, or one that is damaged or was changed; a file that is missing, outside of the folder,
            of another size, type or content than the manifest says; a number that is not finite.
    """
    folder = folder.absolute()  # its records are read wherever the process goes, and in other processes
    manifest = _manifest(folder / MANIFEST)
    try:
        sides = [
            [(_of(c, "name", str), _of(c, "unit", str)) for c in _of(manifest, k, list)] for k in ("inputs", "outputs")
        ]
        names = [[name for name, _ in side] for side in sides]
        units = {name: unit for side in sides for name, unit in side if unit}
        entries = _of(manifest, "records", list)
        files = [_sample_file(folder, entry, sum(map(len, names))) for entry in entries]
        about = [_about(entry, names, units) for entry in entries]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        said = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{folder / MANIFEST} is not the manifest of a store: {said}") from None
    records: list[Record] = []
    for file, one in zip(files, about, strict=True):
        _check_content(file, one)
        records.append(StoredRecord(file, 0, file.samples, one))
    return records


def _manifest(path: Path) -> dict[str, Any]:
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise DataError(f"{path} is a link or no file")
        if path.stat().st_size > MOST:
            raise DataError(f"{path} has {path.stat().st_size} bytes, a manifest has at most {MOST}")
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path.parent} is a directory without {MANIFEST}: no store") from None
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is not the manifest of a store: {error}") from None
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        raise DataError(f"{path} is not the manifest of a store of schema {SCHEMA!r}")
    try:
        whole = manifest.get("sha256") == digest_of(manifest)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not the manifest of a store: {error}") from None
    if not whole:
        raise DataError(f"{path} was changed since the store was written: it does not have the SHA-256 that it states")
    return manifest


def _of(entry: Any, key: str, kind: type) -> Any:
    """A field of this type; KeyError or TypeError where it is not there or of another."""
    if not isinstance(entry, dict):
        raise TypeError(f"{str(entry)[:40]!r} stands where a description is expected")
    value = entry[key]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{key} is {str(value)[:40]!r}, expected {kind.__name__}")
    return value


def _sample_file(folder: Path, entry: Any, channels: int) -> SampleFile:
    """The file that an entry tells of: there, of this size and with this header."""
    name, samples, dtype = _of(entry, "path", str), _of(entry, "samples", int), _of(entry, "dtype", str)
    if not name or Path(name).name != name or "\\" in name or "\0" in name or name in (".", ".."):
        raise DataError(f"{folder / MANIFEST} names {name[:80]!r}, expected a file in its own folder")
    if dtype not in CODES:
        raise DataError(f"{folder / MANIFEST}: dtype is {dtype[:40]!r}, expected one of {', '.join(CODES)}")
    if not 0 < samples <= LONGEST:
        raise ValueError(f"samples is {str(samples)[:40]}, expected 1 to {LONGEST}")
    scale, offset = (_levels(entry, key, channels) if dtype == "int16" else () for key in ("scale", "offset"))
    for step, middle in zip(scale, offset, strict=True):
        if not (step > 0 and math.isfinite(abs(middle) + step * 2**15)):
            raise ValueError(f"scale {step!r} and offset {middle!r} do not give finite numbers in steps > 0")
    path = folder / name
    told = SampleFile(
        path, samples, channels, dtype, scale, offset, _of(entry, "missing", bool), _of(entry, "sha256", str)
    )
    try:
        found = path.lstat()
    except OSError:
        raise DataError(f"{path} of the store is missing") from None
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{path} of the store is a link or no file")
    size = HEADER + samples * told.width
    if found.st_size != size:
        cut = "it is cut off" if found.st_size < size else "there is more"
        raise DataError(f"{path} has {found.st_size} bytes, {samples} samples of {channels} {dtype} take {size}: {cut}")
    with path.open("rb") as file:
        if file.read(HEADER) != told.header:
            raise DataError(f"{path} is not an .npy file of {samples} x {channels} {dtype}, as the manifest says")
    return told


def _levels(entry: Any, key: str, channels: int) -> tuple[float, ...]:
    values = tuple(float(value) for value in _of(entry, key, list))
    if len(values) != channels or not np.isfinite(values).all():
        raise ValueError(f"{key} holds {len(values)} numbers, expected {channels} finite ones")
    return values


def _about(entry: Any, names: list[list[str]], units: dict[str, str]) -> dict[str, Any]:
    """What `StoredRecord` is told, checked as a `Record` would."""
    name, dt, t0 = _of(entry, "name", str), _of(entry, "dt", float), _of(entry, "t0", float)
    where, samples = f"record {name[:80]!r}: ", entry["samples"]
    check_time(dt, t0, where)
    check_width(samples, len(names[0]), len(names[1]), where)
    inputs, outputs = (names_of(side, "", len(side), "names", where) for side in names)
    if not inputs or len({*inputs, *outputs}) < len(inputs) + len(outputs):
        raise ValueError("there are no inputs, or two channels of one name")
    return {"dt": dt, "name": name, "t0": t0, "input_names": inputs, "output_names": outputs, "units": units}


def _check_content(file: SampleFile, about: dict[str, Any]) -> None:
    """DataError unless the numbers have the checksum and are finite, or NaN in outputs if the manifest says so."""
    sha, missing, n_u = hashlib.sha256(), False, len(about["input_names"])
    rows = max(1, NUMBERS // file.channels)
    where = f"record {about['name'][:80]!r}: "
    for first in range(0, file.samples, rows):
        numbers = file.raw(first, min(first + rows, file.samples))
        sha.update(numbers.data)
        if np.isfinite(numbers).all():
            continue
        values = file.values(numbers)
        check_finite(values[:, :n_u], about["input_names"], where, before=first)
        check_finite(values[:, n_u:], about["output_names"], where, missing=True, before=first)
        missing = True
    if sha.hexdigest() != file.sha256:
        raise DataError(f"{file.path} was changed since the store was written: its numbers do not have their SHA-256")
    if missing != file.missing:
        raise DataError(f"{file.path}: the manifest is wrong about samples that were not measured")
