"""The static layers of a frozen model: `Affine`, `Contractive`, `Perceptron` and `Gated`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from l2ssm.errors import RealizationError
from l2ssm.systems.activations import ACTIVATIONS, Activation
from l2ssm.systems.layer import Array, Layer, Linear, freeze_arrays, store_arrays


def _activation(name: str) -> Activation:
    if name not in ACTIVATIONS:
        raise RealizationError(f"unknown activation {name!r}; known: {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def _widths(owner: str, ok: bool, **shapes: tuple[int, ...]) -> None:
    if not ok:
        raise RealizationError(f"shapes of {owner} do not fit: " + ", ".join(f"{k} {v}" for k, v in shapes.items()))


@dataclass(frozen=True, eq=False)
class Affine(Layer):
    """y = W u + b, W (n_out, n_in), b (n_out,)."""

    W: Array
    b: Array

    def __post_init__(self) -> None:
        freeze_arrays(self, W=(self.W, 2), b=(self.b, 1))
        _widths("Affine", self.b.shape == self.W.shape[:1], W=self.W.shape, b=self.b.shape)
        object.__setattr__(self, "n_out", self.W.shape[0])
        object.__setattr__(self, "n_in", self.W.shape[1])

    def run(self, u: Array, x0: Array) -> Array:
        """W u + b at every sample."""
        return u @ self.W.T + self.b

    def derivative(self, u: Array, x0: Array) -> tuple[Linear, Linear]:
        """(W, W')."""
        return (lambda du: du @ self.W.T), (lambda w: w @ self.W)

    def describe(self, prefix: str, arrays: dict[str, Array]) -> dict[str, Any]:
        """See `Layer.describe`."""
        return store_arrays({"type": "Affine"}, prefix, arrays, W=self.W, b=self.b)

    @classmethod
    def build(cls, spec: Mapping[str, Any], arrays: Mapping[str, Array], dt: float, inner: Sequence[Layer]) -> Affine:
        """See `Layer.build`."""
        return cls(arrays[spec["W"]], arrays[spec["b"]])


@dataclass(frozen=True, eq=False)
class Contractive(Layer):
    """y = u - c W' sigma(W u + b): 1-Lipschitz whenever 0 <= c ||W||^2 <= 2 and sigma has slopes in [0, 1].

    Args:
        W: (h, n).
        b: (h,).
        c: >= 0.
        activation: a name of `ACTIVATIONS`.
    """

    W: Array
    b: Array
    c: float
    activation: str

    def __post_init__(self) -> None:
        freeze_arrays(self, W=(self.W, 2), b=(self.b, 1))
        _widths("Contractive", self.b.shape == self.W.shape[:1], W=self.W.shape, b=self.b.shape)
        _activation(self.activation)
        object.__setattr__(self, "c", float(self.c))
        if not (np.isfinite(self.c) and self.c >= 0):
            raise RealizationError(f"c of a Contractive layer is {self.c}, expected a finite number >= 0")
        object.__setattr__(self, "n_in", self.W.shape[1])
        object.__setattr__(self, "n_out", self.W.shape[1])

    def run(self, u: Array, x0: Array) -> Array:
        """u - c W' sigma(W u + b) at every sample."""
        return u - self.c * (_activation(self.activation).value(u @ self.W.T + self.b) @ self.W)

    def derivative(self, u: Array, x0: Array) -> tuple[Linear, Linear]:
        """I - c W' diag(sigma') W, symmetric."""
        slope = _activation(self.activation).derivative(u @ self.W.T + self.b)

        def product(v: Array) -> Array:
            return v - self.c * ((slope * (v @ self.W.T)) @ self.W)

        return product, product

    def describe(self, prefix: str, arrays: dict[str, Array]) -> dict[str, Any]:
        """See `Layer.describe`."""
        spec = {"type": "Contractive", "activation": self.activation}
        return store_arrays(spec, prefix, arrays, W=self.W, b=self.b, c=np.array([self.c]))

    @classmethod
    def build(
        cls, spec: Mapping[str, Any], arrays: Mapping[str, Array], dt: float, inner: Sequence[Layer]
    ) -> Contractive:
        """See `Layer.build`."""
        return cls(arrays[spec["W"]], arrays[spec["b"]], float(arrays[spec["c"]][0]), spec["activation"])


@dataclass(frozen=True, eq=False)
class Perceptron(Layer):
    """y = W2 sigma(W1 u + b1) + b2, W1 (h, n_in), W2 (n_out, h)."""

    W1: Array
    b1: Array
    W2: Array
    b2: Array
    activation: str

    def __post_init__(self) -> None:
        freeze_arrays(self, W1=(self.W1, 2), b1=(self.b1, 1), W2=(self.W2, 2), b2=(self.b2, 1))
        ok = self.b1.shape == self.W1.shape[:1] and self.b2.shape == self.W2.shape[:1]
        shapes = {name: getattr(self, name).shape for name in ("W1", "b1", "W2", "b2")}
        _widths("Perceptron", ok and self.W2.shape[1] == self.W1.shape[0], **shapes)
        _activation(self.activation)
        object.__setattr__(self, "n_in", self.W1.shape[1])
        object.__setattr__(self, "n_out", self.W2.shape[0])

    def run(self, u: Array, x0: Array) -> Array:
        """W2 sigma(W1 u + b1) + b2 at every sample."""
        return _activation(self.activation).value(u @ self.W1.T + self.b1) @ self.W2.T + self.b2

    def derivative(self, u: Array, x0: Array) -> tuple[Linear, Linear]:
        """W2 diag(sigma') W1 and its transpose."""
        slope = _activation(self.activation).derivative(u @ self.W1.T + self.b1)
        return (lambda du: (slope * (du @ self.W1.T)) @ self.W2.T), (lambda w: (slope * (w @ self.W2)) @ self.W1)

    def describe(self, prefix: str, arrays: dict[str, Array]) -> dict[str, Any]:
        """See `Layer.describe`."""
        spec = {"type": "Perceptron", "activation": self.activation}
        return store_arrays(spec, prefix, arrays, W1=self.W1, b1=self.b1, W2=self.W2, b2=self.b2)

    @classmethod
    def build(
        cls, spec: Mapping[str, Any], arrays: Mapping[str, Array], dt: float, inner: Sequence[Layer]
    ) -> Perceptron:
        """See `Layer.build`."""
        W1, b1, W2, b2 = (arrays[spec[name]] for name in ("W1", "b1", "W2", "b2"))
        return cls(W1, b1, W2, b2, spec["activation"])


GATED_VALUES = ("tanh", "identity")


@dataclass(frozen=True, eq=False)
class Gated(Layer):
    """y = phi(W u + b) * g(V u + c), elementwise, g the logistic function: the two gated linear units.

    phi = tanh: bounded, Lipschitz. phi = identity: |y| <= |W u + b|, but dy/du grows with u: no incremental gain.

    Args:
        W, V: (n_out, n_in), value and gate.
        b, c: (n_out,).
        activation: phi, a name of `GATED_VALUES`.
    """

    W: Array
    b: Array
    V: Array
    c: Array
    activation: str

    def __post_init__(self) -> None:
        freeze_arrays(self, W=(self.W, 2), b=(self.b, 1), V=(self.V, 2), c=(self.c, 1))
        shapes = {name: getattr(self, name).shape for name in ("W", "b", "V", "c")}
        ok = self.V.shape == self.W.shape and self.b.shape == self.c.shape == self.W.shape[:1]
        _widths("Gated", ok, **shapes)
        if self.activation not in GATED_VALUES:
            raise RealizationError(
                f"unknown value {self.activation!r} of a Gated layer; known: {', '.join(GATED_VALUES)}"
            )
        object.__setattr__(self, "n_in", self.W.shape[1])
        object.__setattr__(self, "n_out", self.W.shape[0])

    def _value(self, u: Array) -> Array:
        value = u @ self.W.T + self.b
        return np.tanh(value) if self.activation == "tanh" else value

    def run(self, u: Array, x0: Array) -> Array:
        """phi(W u + b) * g(V u + c) at every sample."""
        return self._value(u) * special.expit(u @ self.V.T + self.c)

    def derivative(self, u: Array, x0: Array) -> tuple[Linear, Linear]:
        """diag(phi' g) W + diag(phi g') V and its transpose."""
        value, gate = self._value(u), special.expit(u @ self.V.T + self.c)
        by_value = gate * (1 - value**2) if self.activation == "tanh" else gate
        by_gate = value * gate * (1 - gate)
        return (
            lambda du: by_value * (du @ self.W.T) + by_gate * (du @ self.V.T),
            lambda w: (by_value * w) @ self.W + (by_gate * w) @ self.V,
        )

    def describe(self, prefix: str, arrays: dict[str, Array]) -> dict[str, Any]:
        """See `Layer.describe`."""
        spec = {"type": "Gated", "activation": self.activation}
        return store_arrays(spec, prefix, arrays, W=self.W, b=self.b, V=self.V, c=self.c)

    @classmethod
    def build(cls, spec: Mapping[str, Any], arrays: Mapping[str, Array], dt: float, inner: Sequence[Layer]) -> Gated:
        """See `Layer.build`."""
        W, b, V, c = (arrays[spec[name]] for name in ("W", "b", "V", "c"))
        return cls(W, b, V, c, spec["activation"])
