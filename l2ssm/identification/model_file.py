"""One safetensors file: named arrays and one JSON text. No pickle, written atomically, read strictly."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.errors import ModelFileError
from l2ssm.files import write_atomically
from l2ssm.identification.initial import InitialState, feature_count
from l2ssm.networks.scaling import Scaling
from l2ssm.systems.interconnection import Interconnection

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
    except (SafetensorError, OSError, ValueError, TypeError, LookupError, AttributeError, ImportError) as error:
        raise ModelFileError(f"{path} is not a safetensors file: {error}") from None
    if KEY not in metadata:
        raise ModelFileError(f"{path} is a safetensors file, but not one of an l2ssm model")
    return metadata[KEY], tensors


def check_parts(network: Interconnection, scaling: Scaling, initial: InitialState, info: Any) -> None:
    """The parts of a model fit each other.

    Raises:
        ModelFileError: a part has other sizes than the network, or is not what it should be.
    """
    n_u, n_y = network.n_u, network.n_y
    features = feature_count(initial, n_u + n_y)
    wanted: dict[str, tuple[int, ...]] = {"u_mean": (n_u,), "u_std": (n_u,), "y_mean": (n_y,), "y_std": (n_y,)}
    found = {name: getattr(scaling, name) for name in wanted}
    if features is not None:
        wanted |= {"weight": (network.n_x, features), "bias": (network.n_x,)}
        found |= {"weight": initial.weight, "bias": initial.bias}
    for name, shape in wanted.items():
        array = found[name]
        if array is None or array.shape != shape or array.dtype != np.float64 or not np.all(np.isfinite(array)):
            got = "nothing" if array is None else f"{array.dtype} {array.shape}"
            raise ModelFileError(f"{name} is {got}, expected {shape} finite float64 numbers")
    if not isinstance(info, dict):
        raise ModelFileError(f"info is a {type(info).__name__}, expected names with values")
