"""`Product`: two branches multiplied, the gate of Mamba, Hawk, Griffin and H3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from l2ssm.errors import RealizationError
from l2ssm.systems.chain import differentiate_chain, run_chain, split_state
from l2ssm.systems.layer import Array, Layer, Linear


@dataclass(frozen=True, eq=False)
class Product(Layer):
    """y = left(u) * right(u), elementwise, of two chains; quadratic in u where neither is bounded: no finite gain."""

    left: tuple[Layer, ...]
    right: tuple[Layer, ...]

    def __post_init__(self) -> None:
        for chain in (self.left, self.right):
            if not chain or any(a.n_out != b.n_in for a, b in pairwise(chain)):
                raise RealizationError(f"a branch of a Product has layers {[(c.n_in, c.n_out) for c in chain]}")
        ends = [(chain[0].n_in, chain[-1].n_out) for chain in (self.left, self.right)]
        if ends[0] != ends[1]:
            raise RealizationError(f"the branches of a Product map {ends[0]} and {ends[1]} channels, expected the same")
        for name, size in (("n_in", ends[0][0]), ("n_out", ends[0][1]), ("n_x", self._n_left + self._n_right)):
            object.__setattr__(self, name, size)

    @property
    def _n_left(self) -> int:
        return sum(layer.n_x for layer in self.left)

    @property
    def _n_right(self) -> int:
        return sum(layer.n_x for layer in self.right)

    def run(self, u: Array, x0: Array) -> Array:
        """The product of both outputs; the state of the left branch comes first."""
        n = self._n_left
        return run_chain(self.left, u, x0[:n]) * run_chain(self.right, u, x0[n:])

    def derivative(self, u: Array, x0: Array) -> tuple[Linear, Linear]:
        """The product rule."""
        n = self._n_left
        y, forward, backward = differentiate_chain(self.left, u, split_state(self.left, x0[:n]))
        z, ahead, back = differentiate_chain(self.right, u, split_state(self.right, x0[n:]))
        return (lambda du: forward(du) * z + y * ahead(du)), (lambda w: backward(w * z) + back(w * y))

    def describe(self, prefix: str, arrays: dict[str, Array]) -> dict[str, Any]:
        """See `Layer.describe`."""
        inner = [layer.describe(f"{prefix}.{i}", arrays) for i, layer in enumerate((*self.left, *self.right))]
        return {"type": "Product", "left": len(self.left), "layers": inner}

    @classmethod
    def build(cls, spec: Mapping[str, Any], arrays: Mapping[str, Array], dt: float, inner: Sequence[Layer]) -> Product:
        """See `Layer.build`."""
        return cls(tuple(inner[: spec["left"]]), tuple(inner[spec["left"] :]))

    def leaves(self) -> Iterator[Layer]:
        """The layers of the left branch, then those of the right one."""
        for layer in (*self.left, *self.right):
            yield from layer.leaves()

    def check_dt(self, dt: float) -> None:
        """RealizationError if a layer inside has another sample time."""
        for layer in (*self.left, *self.right):
            layer.check_dt(dt)
