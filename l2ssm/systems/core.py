"""`Core`: a recurrence that is steered: its input is [steering, drive], and the steering chooses the coefficients."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from l2ssm.errors import RealizationError
from l2ssm.systems.layer import Array, Layer, freeze_arrays, store_arrays


def softplus(z: Array) -> Array:
    """log(1 + e^z), without overflow."""
    return np.asarray(np.logaddexp(0.0, z))


class Memories(NamedTuple):
    """The memory of each drive, output and state, by number; an unused last state is left out."""

    drives: NDArray[np.int64]
    outputs: NDArray[np.int64]
    states: NDArray[np.int64]


class Core(Layer):
    """A steered recurrence; its input is [steering (n_steer), drive (n_drive)], it is made of `fields` and `words`.

    Attributes:
        n_steer, n_drive: widths.
        n_memories: see `memories`.
        fields: names of its arrays with their axes.
        words: names of its other attributes, text.
    """

    n_steer: int
    n_drive: int
    n_memories: int
    fields: ClassVar[dict[str, int]]
    words: ClassVar[tuple[str, ...]] = ()

    def describe(self, prefix: str, arrays: dict[str, Array]) -> dict[str, Any]:
        """See `Layer.describe`."""
        spec = {"type": type(self).__name__} | {name: getattr(self, name) for name in self.words}
        return store_arrays(spec, prefix, arrays, **{name: getattr(self, name) for name in self.fields})

    @classmethod
    def build(cls, spec: Mapping[str, Any], arrays: Mapping[str, Array], dt: float, inner: Sequence[Layer]) -> Core:
        """See `Layer.build`."""
        numbers = {name: arrays[spec[name]] for name in cls.fields}
        return cls(**numbers, **{name: spec[name] for name in cls.words})

    def _sized(self, n_steer: int, n_drive: int, n_out: int, n_x: int, n_memories: int) -> None:
        object.__setattr__(self, "n_memories", n_memories)
        sizes = {"n_steer": n_steer, "n_drive": n_drive, "n_in": n_steer + n_drive, "n_out": n_out}
        for name, size in (sizes | {"n_x": n_x + n_x % 2}).items():
            object.__setattr__(self, name, size)

    def _freeze(self) -> None:
        freeze_arrays(self, **{name: (getattr(self, name), axes) for name, axes in self.fields.items()})
        shapes = {getattr(self, name).shape for name in self.fields}
        if len(shapes) != 1:
            raise RealizationError(f"the arrays of {type(self).__name__} have shapes {sorted(shapes)}, expected one")

    @abstractmethod
    def memories(self) -> Memories:
        """Which memory each drive feeds, each output reads and each state belongs to."""
