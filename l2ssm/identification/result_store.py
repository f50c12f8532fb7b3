"""`ResultStore`: one folder a task, named by what the task is; a result is there whole, or not at all. No torch."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from l2ssm.errors import OptionError
from l2ssm.files import write_atomically

SPEC, RESULT, ERROR = "spec.json", "result.json", "error.json"


def canonical(value: Any) -> str:
    """The one JSON text of a value: keys sorted, no spaces, every float with all its digits.

    Numbers and arrays of numpy are those of Python; an array is named by its SHA-256.

    Raises:
        OptionError: something that JSON does not have, or NaN or infinity.

    >>> canonical({"b": 0.1, "a": (1, None)})
    '{"a":[1,null],"b":0.1}'
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise OptionError(f"{value!r:.200} cannot be kept as JSON: {error}; expected numbers, text, lists") from None


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return {"dtype": value.dtype.str, "shape": value.shape, "sha256": content}
    raise TypeError(f"a {type(value).__name__}")


class ResultStore:
    """Results by the SHA-256 of task and spec, below a folder that is made where it is missing.

    Every write is to a temporary file that is flushed to disk and renamed: whoever is killed leaves a result or none.

    Args:
        folder: shared by all who work for it.
        task: what is done with a spec; the same spec of another task is another result.
    """

    def __init__(self, folder: str | os.PathLike[str], task: str) -> None:
        self.folder, self.task = Path(folder).absolute(), task

    def key(self, spec: Any) -> str:
        """SHA-256 (hex) of the canonical JSON of task and spec; see `canonical` for the errors."""
        return hashlib.sha256(canonical({"task": self.task, "spec": spec}).encode()).hexdigest()

    def place(self, key: str) -> Path:
        """The folder of a task: for its result, and for what it keeps on the way, such as a checkpoint."""
        return self.folder / key

    def open(self, key: str, spec: Any) -> Path:
        """The folder of a task, made, with its spec in it and no error."""
        place = self.place(key)
        place.mkdir(parents=True, exist_ok=True)
        (place / ERROR).unlink(missing_ok=True)
        if not (place / SPEC).exists():
            write_atomically(place / SPEC, (canonical({"task": self.task, "spec": spec}) + "\n").encode())
        return place

    def result(self, key: str) -> tuple[bool, Any]:
        """(whether there is a result, the result); one that cannot be read is none."""
        try:
            return True, json.loads((self.place(key) / RESULT).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return False, None

    def error(self, key: str) -> str:
        """What went wrong, "" where nothing is known to."""
        try:
            return str(json.loads((self.place(key) / ERROR).read_text(encoding="utf-8"))["error"])
        except (OSError, ValueError, LookupError, TypeError):
            return ""

    def keep(self, key: str, value: Any) -> None:
        """The result is there from now on; see `canonical` for what it may be."""
        write_atomically(self.place(key) / RESULT, canonical(value).encode())

    def keep_error(self, key: str, spec: Any, message: str) -> None:
        """The error is there, beside the spec."""
        write_atomically(self.open(key, spec) / ERROR, canonical({"error": message}).encode())
