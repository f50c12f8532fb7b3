"""`Selective`: a recurrence whose coefficients are chosen by the input, between constant maps in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from l2ssm.errors import RealizationError
from l2ssm.systems.core import Core
from l2ssm.systems.layer import Array, Layer, Linear, freeze_arrays, store_arrays


@dataclass(frozen=True, eq=False)
class Selective(Layer):
    """y = C core([S u + s, W u]) + D u.

    Args:
        core: a steered recurrence.
        S, s: (n_steer, n_in), (n_steer,), the steering.
        W: (n_drive, n_in), the drive.
        C: (n_out, outputs of the core).
        D: (n_out, n_in).
    """

    core: Core
    S: Array
    s: Array
    W: Array
    C: Array
    D: Array

    def __post_init__(self) -> None:
        freeze_arrays(self, S=(self.S, 2), s=(self.s, 1), W=(self.W, 2), C=(self.C, 2), D=(self.D, 2))
        (n_out, n_in), core = self.D.shape, self.core
        want = {"S": (core.n_steer, n_in), "s": (core.n_steer,), "W": (core.n_drive, n_in), "C": (n_out, core.n_out)}
        got = {name: getattr(self, name).shape for name in want}
        if got != want:
            raise RealizationError(f"shapes of a Selective layer are {got}, expected {want} with D {self.D.shape}")
        for name, size in (("n_in", n_in), ("n_out", n_out), ("n_x", core.n_x)):
            object.__setattr__(self, name, size)

    def _steered(self, u: Array) -> Array:
        return np.hstack([u @ self.S.T + self.s, u @ self.W.T])

    def run(self, u: Array, x0: Array) -> Array:
        """C core([S u + s, W u]) + D u."""
        return self.core.run(self._steered(u), x0) @ self.C.T + u @ self.D.T

    def derivative(self, u: Array, x0: Array) -> tuple[Linear, Linear]:
        """The chain rule."""
        forward, backward = self.core.derivative(self._steered(u), x0)
        both = np.vstack([self.S, self.W])
        return (
            lambda du: forward(du @ both.T) @ self.C.T + du @ self.D.T,
            lambda w: backward(w @ self.C) @ both + w @ self.D,
        )

    def describe(self, prefix: str, arrays: dict[str, Array]) -> dict[str, Any]:
        """See `Layer.describe`."""
        spec = {"type": "Selective", "layers": [self.core.describe(f"{prefix}.core", arrays)]}
        return store_arrays(spec, prefix, arrays, **{name: getattr(self, name) for name in ("S", "s", "W", "C", "D")})

    @classmethod
    def build(
        cls, spec: Mapping[str, Any], arrays: Mapping[str, Array], dt: float, inner: Sequence[Layer]
    ) -> Selective:
        """See `Layer.build`."""
        (core,) = inner
        if not isinstance(core, Core):
            raise RealizationError(f"the core of a Selective layer is a {type(core).__name__}, not a steered one")
        return cls(core, *(arrays[spec[name]] for name in ("S", "s", "W", "C", "D")))
