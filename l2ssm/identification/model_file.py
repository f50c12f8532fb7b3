"""One safetensors file: named arrays and one JSON text. No pickle, written atomically, read strictly."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from l2ssm.errors import ModelFileError
from l2ssm.files import write_atomically

KEY = "l2ssm"  # of the JSON text in the file's metadata


def write_tensors(path: str | os.PathLike[str], metadata: str, tensors: dict[str, NDArray]) -> None:
    """Write the file completely or not at all."""
    from safetensors.numpy import save

    contiguous = {name: np.asarray(value, order="C") for name, value in tensors.items()}
    write_atomically(path, save(contiguous, {KEY: metadata}))


def read_tensors(path: str | os.PathLike[str]) -> tuple[str, dict[str, NDArray]]:
    """(JSON text, arrays) of a file written by `write_tensors`.

    Raises:
        ModelFileError: the file is not there, is not safetensors, or has no l2ssm metadata.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise ModelFileError(f"there is no model file {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise ModelFileError(f"{path} is not a safetensors file: {error}") from None
    if KEY not in metadata:
        raise ModelFileError(f"{path} is a safetensors file, but not one of an l2ssm model")
    return metadata[KEY], tensors
