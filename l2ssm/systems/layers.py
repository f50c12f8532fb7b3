"""The layers a frozen model is made of: `Dynamic`, `Residual`, the static ones, and the table `LAYERS` of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from l2ssm.errors import RealizationError
from l2ssm.systems.attention import Attention
from l2ssm.systems.chain import differentiate_chain
from l2ssm.systems.clocked import Clocked
from l2ssm.systems.contractive_cores import GatedCore, LosslessCore
from l2ssm.systems.layer import Array, Layer, Linear, store_arrays
from l2ssm.systems.legendre_core import LegendreCore
from l2ssm.systems.product import Product
from l2ssm.systems.rms_norm import RMSNorm
from l2ssm.systems.s6_core import S6Core
from l2ssm.systems.selective import Selective
from l2ssm.systems.state_space import StateSpace
from l2ssm.systems.static_layers import Affine, Contractive, Gated, Perceptron

__all__ = [
    "LAYERS",
    "Affine",
    "Attention",
    "Clocked",
    "Contractive",
    "Dynamic",
    "Gated",
    "Layer",
    "Perceptron",
    "Product",
    "RMSNorm",
    "Residual",
    "Selective",
]


@dataclass(frozen=True, eq=False)
class Dynamic(Layer):
    """y = G u, a linear time-invariant system."""

    G: StateSpace

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_in", self.G.n_u)
        object.__setattr__(self, "n_out", self.G.n_y)
        object.__setattr__(self, "n_x", self.G.n_x)

    def run(self, u: Array, x0: Array) -> Array:
        """`StateSpace.simulate`."""
        return self.G.simulate(u, x0)

    def derivative(self, u: Array, x0: Array) -> tuple[Linear, Linear]:
        """(G, the adjoint system run backwards in time)."""
        adjoint = self.G.transposed
        return self.G.simulate, (lambda w: adjoint.simulate(w[::-1])[::-1])

    def describe(self, prefix: str, arrays: dict[str, Array]) -> dict[str, Any]:
        """The modes where A is block diagonal with 2x2 blocks only (compact), the four matrices elsewhere."""
        G, modes = self.G, self.G.modes
        if modes is not None and 2 * modes.lam.size == G.n_x:
            parts = {"lam": modes.lam[:, None], "B": modes.B, "C": modes.C}
            split = {f"{k}_{part}": getattr(v, part) for k, v in parts.items() for part in ("real", "imag")}
            return store_arrays({"type": "Dynamic", "form": "modes"}, prefix, arrays, **split, D=G.D)
        return store_arrays({"type": "Dynamic", "form": "dense"}, prefix, arrays, A=G.A, B=G.B, C=G.C, D=G.D)

    @classmethod
    def build(cls, spec: Mapping[str, Any], arrays: Mapping[str, Array], dt: float, inner: Sequence[Layer]) -> Dynamic:
        """See `Layer.build`."""
        if spec["form"] == "dense":
            A, B, C, D = (arrays[spec[name]] for name in "ABCD")
            return cls(StateSpace(A, B, C, D, dt))
        if spec["form"] != "modes":
            raise RealizationError(f"unknown form {spec['form']!r} of a Dynamic layer; known: modes, dense")
        lam, B, C = (arrays[spec[f"{k}_real"]] + 1j * arrays[spec[f"{k}_imag"]] for k in ("lam", "B", "C"))
        return cls(StateSpace.from_modes(lam[:, 0], B, C, arrays[spec["D"]], dt))

    def check_dt(self, dt: float) -> None:
        """RealizationError if the system has another sample time."""
        if self.G.dt != dt:
            raise RealizationError(f"a Dynamic layer has dt = {self.G.dt}, the interconnection {dt}")


@dataclass(frozen=True, eq=False)
class Residual(Layer):
    """y = u + chain(u), a chain of layers with as many outputs as inputs."""

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        widths = [self.layers[0].n_in, *(layer.n_out for layer in self.layers)] if self.layers else []
        fits = all(layer.n_in == width for layer, width in zip(self.layers, widths, strict=False))
        if not self.layers or not fits or widths[0] != widths[-1]:
            raise RealizationError(f"a Residual needs a chain n -> n of layers that fit, got widths {widths}")
        object.__setattr__(self, "n_in", widths[0])
        object.__setattr__(self, "n_out", widths[0])
        object.__setattr__(self, "n_x", sum(layer.n_x for layer in self.layers))

    def _split(self, x0: Array) -> list[Array]:
        return np.split(x0, np.cumsum([layer.n_x for layer in self.layers])[:-1])

    def run(self, u: Array, x0: Array) -> Array:
        """u plus the chain's output."""
        v = u
        for layer, start in zip(self.layers, self._split(x0), strict=True):
            v = layer.run(v, start)
        return u + v

    def derivative(self, u: Array, x0: Array) -> tuple[Linear, Linear]:
        """I plus the chain rule."""
        _, forward, backward = differentiate_chain(self.layers, u, self._split(x0))
        return (lambda du: du + forward(du)), (lambda w: w + backward(w))

    def describe(self, prefix: str, arrays: dict[str, Array]) -> dict[str, Any]:
        """See `Layer.describe`."""
        return {
            "type": "Residual",
            "layers": [layer.describe(f"{prefix}.{i}", arrays) for i, layer in enumerate(self.layers)],
        }

    @classmethod
    def build(cls, spec: Mapping[str, Any], arrays: Mapping[str, Array], dt: float, inner: Sequence[Layer]) -> Residual:
        """See `Layer.build`."""
        return cls(tuple(inner))

    def leaves(self) -> Iterator[Layer]:
        """The layers of the chain."""
        for layer in self.layers:
            yield from layer.leaves()

    def check_dt(self, dt: float) -> None:
        """RealizationError if a layer inside has another sample time."""
        for layer in self.layers:
            layer.check_dt(dt)


_STATIC: tuple[type[Layer], ...] = (Affine, Contractive, Perceptron, Gated, RMSNorm)
_WITH_STATES: tuple[type[Layer], ...] = (
    Dynamic,
    Residual,
    Product,
    Selective,
    S6Core,
    GatedCore,
    LosslessCore,
    LegendreCore,
    Clocked,
    Attention,
)
LAYERS: dict[str, type[Layer]] = {cls.__name__: cls for cls in _STATIC + _WITH_STATES}
