"""`Checkpoint`: a file that holds a training run as it was at its last validation, to be continued from there.

There is no state of a random generator in it: training draws nothing but its windows, and which ones these are follows
from the seed and the number of steps.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import operator
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from l2ssm.errors import ModelFileError, OptionError
from l2ssm.files import write_atomically
from l2ssm.identification.model_file import read_tensors, write_tensors
from l2ssm.identification.outcome import Outcome, Progress

State = dict[str, Any]
BEFORE = ".before"
ADVICE = "remove it to start again"


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
    """A safetensors file with one JSON text, and beside it, under a name that ends in `BEFORE`, the one before.

    Each is replaced as a whole at every write, so that neither is ever half-written, and the first is always there. The
    second is for a file that came to harm otherwise.

    Args:
        path: of the file, in an existing folder.
        about: what the run depends on, as JSON values: only a run with the same one continues from the file.

    Raises:
        OptionError: the folder is not there.
    """

    def __init__(self, path: str | os.PathLike[str], about: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.about = json.loads(json.dumps(about, default=repr))
        self.damaged = False  # found by `read`: not worth keeping as the one before
        if self.path.is_dir() or not self.path.parent.is_dir():
            raise OptionError(f"checkpoint is {str(path)!r}, expected a file in an existing folder")

    def write(self, state: TrainingState) -> None:
        """Replace the file; what it was is kept as the one before."""
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
        if not self.path.exists():
            before(self.path).unlink(missing_ok=True)  # of a run that was removed
        elif not self.damaged:
            write_atomically(before(self.path), self.path.read_bytes())
        write_tensors(self.path, _digest(text, plain) + text, plain)
        self.damaged = False

    def read(self) -> TrainingState | None:
        """The state in the file, or with a warning the one before where it is damaged; None where there is no file.

        Raises:
            ModelFileError: both are truncated, altered, or no checkpoints.
            OptionError: it is of a fit with other options, data or versions; the message names them.
        """
        if not self.path.exists():
            return None
        try:
            return self._read(self.path)
        except ModelFileError as error:
            spare, damage = before(self.path), str(error)
        if not spare.exists():
            raise ModelFileError(f"{damage}; {ADVICE}")
        try:
            state = self._read(spare)
        except ModelFileError as error:
            raise ModelFileError(f"{damage}; {error}; {ADVICE}") from None
        self.damaged = True
        warnings.warn(f"{damage}: skipped, going on from step {state.step} in {spare.name}", stacklevel=2)
        return state

    def _read(self, path: Path) -> TrainingState:
        try:
            text, arrays = read_tensors(path)
        except ModelFileError as error:
            raise ModelFileError(f"checkpoint {path} cannot be read: {error}") from None
        if text[:64] != _digest(text[64:], arrays):
            raise ModelFileError(f"{path} is no checkpoint of a fit, or it is damaged")
        try:
            numbers = json.loads(text[64:])
            found = dict(numbers["about"])
            other = [
                f"{name} {found.get(name)!r} (now {self.about.get(name)!r})"
                for name in self.about | found
                if found.get(name) != self.about.get(name)
            ]
            if not other:
                return _state(numbers, arrays)
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise ModelFileError(f"{path} is no checkpoint of a fit: {error!r}") from None
        raise OptionError(f"checkpoint {path} is of a fit with {', '.join(other)}; {ADVICE}")


def before(path: Path) -> Path:
    """Where the checkpoint before the one at this path is kept."""
    return path.with_name(path.name + BEFORE)


def remove_checkpoint(path: str | os.PathLike[str]) -> None:
    """There is none any more, and none before it."""
    for file in (Path(path), before(Path(path))):
        file.unlink(missing_ok=True)


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
