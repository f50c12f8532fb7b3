"""`Layer`: what every part of a frozen model can do, and how its numbers are kept and named."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2ssm.errors import RealizationError

Array = NDArray[np.float64]
Linear = Callable[[Array], Array]


class Layer(ABC):
    """A causal map of signals (T, n_in) -> (T, n_out) with n_x states; immutable."""

    n_in: int
    n_out: int
    n_x: int = 0

    @abstractmethod
    def run(self, u: Array, x0: Array) -> Array:
        """The output (T, n_out) of u (T, n_in) from the state x0 (n_x,)."""

    @abstractmethod
    def derivative(self, u: Array, x0: Array) -> tuple[Linear, Linear]:
        """(jvp, vjp) of `run` with respect to u, at u; from a zero state perturbation."""

    @abstractmethod
    def describe(self, prefix: str, arrays: dict[str, Array]) -> dict[str, Any]:
        """A JSON-able description; the numbers go into `arrays` under names that start with `prefix`."""

    @classmethod
    @abstractmethod
    def build(cls, spec: Mapping[str, Any], arrays: Mapping[str, Array], dt: float, inner: Sequence[Layer]) -> Layer:
        """The layer that `describe` described."""

    def leaves(self) -> Iterator[Layer]:
        """The layers inside this one, itself if it holds none."""
        yield self

    def check_dt(self, dt: float) -> None:  # noqa: B027 - static layers have no sample time
        """RealizationError if the layer has another sample time."""


def freeze_arrays(owner: object, **fields: tuple[ArrayLike, int]) -> None:
    """Set each field to a finite read-only float64 copy with that many axes."""
    for name, (value, ndim) in fields.items():
        raw = np.asarray(value)
        if raw.dtype.kind not in "fiub":
            raise RealizationError(f"{name} of {type(owner).__name__} must be real numbers, got {raw.dtype}")
        M = np.array(raw, dtype=np.float64, order="C")
        if M.ndim != ndim or not np.all(np.isfinite(M)):
            raise RealizationError(f"{name} of {type(owner).__name__} must be finite with {ndim} axes, got {M.shape}")
        M.flags.writeable = False
        object.__setattr__(owner, name, M)


def store_arrays(spec: dict[str, Any], prefix: str, arrays: dict[str, Array], **fields: Array) -> dict[str, Any]:
    """Put the fields into `arrays` and their names into the description."""
    for name, value in fields.items():
        arrays[f"{prefix}.{name}"] = value
        spec[name] = f"{prefix}.{name}"
    return spec
