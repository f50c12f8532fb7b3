"""`Checkpoint`: one file that holds a training run as it was at its last validation, to be continued from there."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import operator
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from l2ssm.errors import ModelFileError, OptionError
from l2ssm.identification.model_file import read_tensors, write_tensors
from l2ssm.identification.outcome import Outcome, Progress

State = dict[str, Any]


@dataclass
class TrainingState:
    """All that the steps after a validation depend on, besides options and data.

    Args:
        step: optimiser steps done; as many batches were drawn.
        running: mean squared error of the training windows, smoothed.
        seconds: spent so far.
        outcome: best step, reason to end, rollbacks and history so far.
        parameters: `state_dict` of what is trained.
        optimizer: the part "state" of its `state_dict`: tensors by name, by the number of the parameter.
        best: `state_dict` of the best validation.
        mean: parameters averaged over the last steps, by name; empty before these.
        carried: end states of the last windows, or None.
    """

    step: int
    running: float
    seconds: float
    outcome: Outcome
    parameters: State
    optimizer: dict[int, State]
    best: State
    mean: State
    carried: Tensor | None


class Checkpoint:
    """A safetensors file with one JSON text, replaced as a whole at every write, so that it is never half-written.

    Args:
        path: of the file, in an existing folder.
        about: what the run depends on, as JSON values: only a run with the same one continues from the file.

    Raises:
        OptionError: the folder is not there.
    """

    def __init__(self, path: str | os.PathLike[str], about: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.about = json.loads(json.dumps(about, default=repr))
        if self.path.is_dir() or not self.path.parent.is_dir():
            raise OptionError(f"checkpoint is {str(path)!r}, expected a file in an existing folder")

    def write(self, state: TrainingState) -> None:
        """Replace the file."""
        arrays = {f"parameters/{name}": tensor for name, tensor in state.parameters.items()}
        arrays |= {f"best/{name}": tensor for name, tensor in state.best.items()}
        arrays |= {f"mean/{name}": tensor for name, tensor in state.mean.items()}
        arrays |= {f"optimizer/{k}/{name}": t for k, part in state.optimizer.items() for name, t in part.items()}
        if state.carried is not None:
            arrays["carried"] = torch.view_as_real(state.carried)
        numbers = {
            "about": self.about,
            "step": state.step,
            "running": state.running,
            "seconds": state.seconds,
            "outcome": dataclasses.asdict(state.outcome),
        }
        plain = {name: tensor.detach().numpy() for name, tensor in arrays.items()}
        text = json.dumps(numbers)
        write_tensors(self.path, _digest(text, plain) + text, plain)

    def read(self) -> TrainingState | None:
        """The state in the file; None where there is none.

        Raises:
            ModelFileError: it is truncated, altered, or no checkpoint.
            OptionError: it is of a fit with other options, data or versions; the message names them.
        """
        if not self.path.exists():
            return None
        advice = "remove it to start again"
        try:
            text, arrays = read_tensors(self.path)
        except ModelFileError as error:
            raise ModelFileError(f"checkpoint {self.path} cannot be read, {advice}: {error}") from None
        if text[:64] != _digest(text[64:], arrays):
            raise ModelFileError(f"{self.path} is no checkpoint of a fit, or it is damaged; {advice}")
        try:
            numbers = json.loads(text[64:])
            found = dict(numbers["about"])
            other = [
                f"{name} {found.get(name)!r} (now {self.about.get(name)!r})"
                for name in self.about | found
                if found.get(name) != self.about.get(name)
            ]
            state = None if other else _state(numbers, arrays)
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise ModelFileError(f"{self.path} is no checkpoint of a fit, {advice}: {error!r}") from None
        if other:
            raise OptionError(f"checkpoint {self.path} is of a fit with {', '.join(other)}; {advice}")
        return state

    def remove(self) -> None:
        """There is no file any more."""
        self.path.unlink(missing_ok=True)


def _state(numbers: dict[str, Any], arrays: Mapping[str, NDArray]) -> TrainingState:
    history = [Progress(**report) for report in numbers["outcome"].pop("history")]
    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    optimizer: dict[int, State] = {}
    for name, tensor in _below("optimizer/", tensors).items():
        number, _, part = name.partition("/")
        optimizer.setdefault(int(number), {})[part] = tensor
    return TrainingState(
        operator.index(numbers["step"]),
        float(numbers["running"]),
        float(numbers["seconds"]),
        Outcome(**numbers["outcome"], history=history),
        _below("parameters/", tensors),
        optimizer,
        _below("best/", tensors),
        _below("mean/", tensors),
        torch.view_as_complex(tensors["carried"]) if "carried" in tensors else None,
    )


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> State:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _digest(text: str, arrays: Mapping[str, NDArray]) -> str:
    """SHA-256 of the text and of every name and number."""
    sha = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        sha.update(f"{name} {arrays[name].dtype} {arrays[name].shape} ".encode())
        sha.update(np.ascontiguousarray(arrays[name]).tobytes())
    return sha.hexdigest()
