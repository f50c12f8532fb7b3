"""`Interconnection`: a frozen deep state-space model as explicit float64 numbers - the object a certificate is about.

A chain of layers, applied in order. `Dynamic` is a linear system, the others are static. Biases are allowed
everywhere. `simulate` is the definition of the operator; training code is tested against it, not the other way round.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from l2ssm.errors import RealizationError
from l2ssm.systems.chain import differentiate_chain
from l2ssm.systems.layer import Array, Layer
from l2ssm.systems.layers import LAYERS
from l2ssm.systems.simulation import initial_state, signal
from l2ssm.systems.state_space import sample_time


@dataclass(frozen=True)
class Tangent:
    """The output along one trajectory and the derivative there, both ways.

    Attributes:
        y: (T, n_y) output.
        jvp: du (T, n_u) -> dy (T, n_y), from dx0 = 0.
        vjp: w (T, n_y) -> (T, n_u), the adjoint of jvp.
    """

    y: Array
    jvp: Callable[[Array], Array]
    vjp: Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Interconnection:
    """y = layer_r( ... layer_1(u)), sample time dt; immutable.

    Args:
        layers: the chain, first applied first; at least one.
        dt: sample time in seconds.
        input_names, output_names, input_units, output_units: one a channel.

    Raises:
        RealizationError: widths that do not fit, or a `Dynamic` layer with another dt.
    """

    layers: tuple[Layer, ...]
    dt: float
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    input_units: tuple[str, ...]
    output_units: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        object.__setattr__(self, "dt", sample_time(self.dt))
        if not self.layers:
            raise RealizationError("an interconnection needs at least one layer")
        for before, after in zip(self.layers, self.layers[1:], strict=False):
            if before.n_out != after.n_in:
                raise RealizationError(
                    f"{type(before).__name__} has {before.n_out} outputs, the next takes {after.n_in}"
                )
        for layer in self.layers:
            layer.check_dt(self.dt)
            if any(leaf.n_in < 1 or leaf.n_out < 1 for leaf in (layer, *layer.leaves())):
                raise RealizationError(f"a {type(layer).__name__} has no inputs or no outputs")
        for field, count in (("input", self.n_u), ("output", self.n_y)):
            for kind in ("names", "units"):
                value = tuple(getattr(self, f"{field}_{kind}"))
                object.__setattr__(self, f"{field}_{kind}", value)
                if len(value) != count or not all(isinstance(label, str) for label in value):
                    raise RealizationError(f"{field}_{kind} is {value}, expected {count} strings")

    @property
    def n_u(self) -> int:
        """Number of inputs."""
        return self.layers[0].n_in

    @property
    def n_y(self) -> int:
        """Number of outputs."""
        return self.layers[-1].n_out

    @property
    def n_x(self) -> int:
        """Number of states of all `Dynamic` layers together, in the order of the chain."""
        return sum(layer.n_x for layer in self.layers)

    def simulate(self, u: ArrayLike, x0: ArrayLike | None = None) -> Array:
        """y (T, n_y) of the input u (T, n_u) from the state x0 (n_x,), zero by default.

        Args:
            u: (T, n_u) samples of the inputs.
            x0: (n_x,) state before the first sample; zero if None.

        Raises:
            DataError: u of another width or with a NaN.
            RealizationError: x0 of another length.
        """
        signals = signal(u, self.n_u)
        for layer, start in zip(self.layers, self.split_state(x0), strict=True):
            signals = layer.run(signals, start)
        return signals

    def tangent(self, u: ArrayLike, x0: ArrayLike | None = None) -> Tangent:
        """The derivative of the input-output map along the trajectory of u.

        Args:
            u: (T, n_u) samples of the inputs.
            x0: (n_x,) state before the first sample; zero if None.
        """
        return Tangent(*differentiate_chain(self.layers, signal(u, self.n_u), self.split_state(x0)))

    def split_state(self, x0: ArrayLike | None) -> list[Array]:
        """The flat state cut into one piece a layer.

        Args:
            x0: (n_x,) state of the whole; zero if None.
        """
        sizes = [layer.n_x for layer in self.layers]
        return np.split(initial_state(x0, sum(sizes)), np.cumsum(sizes)[:-1])

    def describe(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """(structure, arrays): a JSON-able description and the float64 arrays it names."""
        arrays: dict[str, Array] = {}
        layers = [layer.describe(f"layers.{i}", arrays) for i, layer in enumerate(self.layers)]
        labels = {k: list(getattr(self, k)) for k in ("input_names", "output_names", "input_units", "output_units")}
        return {"dt": self.dt.hex(), "layers": layers, **labels}, arrays

    @classmethod
    def build(cls, structure: Mapping[str, Any], arrays: Mapping[str, Array]) -> Interconnection:
        """The inverse of `describe`.

        Args:
            structure: the description of the layers.
            arrays: the arrays it names.

        Raises:
            RealizationError: an unknown layer, a missing array or ill-typed fields.
        """
        try:
            dt = float.fromhex(structure["dt"])
            layers = tuple(build_layer(spec, arrays, dt) for spec in structure["layers"])
            labels = [
                tuple(map(str, structure[k])) for k in ("input_names", "output_names", "input_units", "output_units")
            ]
            return cls(layers, dt, *labels)
        except (KeyError, TypeError, AttributeError, OverflowError, ValueError) as error:
            if isinstance(error, RealizationError):
                raise
            raise RealizationError(f"not a description of an interconnection: {error!r}") from None

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the structure and the exact bits of every number; -0.0 counts as 0.0."""
        structure, arrays = self.describe()
        h = hashlib.sha256(json.dumps(structure, sort_keys=True, ensure_ascii=True).encode())
        for name in sorted(arrays):
            h.update(f" {name} {arrays[name].shape} ".encode())
            h.update((arrays[name] + 0.0).astype("<f8").tobytes())
        return h.hexdigest()

    def dynamic_layers(self) -> dict[str, Layer]:
        """The linear operators inside, by name ("block0", "block1", ... in the order of the chain)."""
        found = [inner for layer in self.layers for inner in layer.leaves() if inner.n_x]
        return {f"block{i}": layer for i, layer in enumerate(found)}

    def __repr__(self) -> str:
        chain = " -> ".join(type(layer).__name__ for layer in self.layers)
        return f"Interconnection({self.n_u} -> {self.n_y}, n_x={self.n_x}, dt={self.dt:g} s: {chain})"


def build_layer(spec: Mapping[str, Any], arrays: Mapping[str, Array], dt: float) -> Layer:
    """One layer from its description; nested chains are built inside out."""
    kind = spec["type"]
    if kind not in LAYERS:
        raise RealizationError(f"unknown layer type {kind!r}; known: {', '.join(sorted(LAYERS))}")
    inner: Sequence[Layer] = [build_layer(s, arrays, dt) for s in spec.get("layers", [])]
    return LAYERS[kind].build(spec, arrays, dt, inner)
