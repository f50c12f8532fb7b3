"""`RMSNorm`: every sample divided by the root mean square of its channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from l2ssm.errors import RealizationError
from l2ssm.systems.layer import Array, Layer, Linear, freeze_arrays, store_arrays


@dataclass(frozen=True, eq=False)
class RMSNorm(Layer):
    """y = scale * u / rms(u), rms(u) = sqrt(mean u^2 + eps): Lipschitz with max |scale| / sqrt(eps), next to u = 0.

    The Jacobian of u / rms is (I - u u' / (n rms^2)) / rms, symmetric with eigenvalues in (0, 1 / sqrt(eps)].

    Args:
        scale: (n,).
        eps: (1,) > 0.
    """

    scale: Array
    eps: Array

    def __post_init__(self) -> None:
        freeze_arrays(self, scale=(self.scale, 1), eps=(self.eps, 1))
        if self.eps.shape != (1,) or not self.eps[0] > 0:
            raise RealizationError(f"eps of an RMSNorm is {self.eps}, expected one number > 0")
        object.__setattr__(self, "n_in", self.scale.size)
        object.__setattr__(self, "n_out", self.scale.size)

    def _rms(self, u: Array) -> Array:
        return np.sqrt(np.mean(u**2, axis=1, keepdims=True) + self.eps)

    def run(self, u: Array, x0: Array) -> Array:
        """scale * u / rms(u) at every sample."""
        return self.scale * u / self._rms(u)

    def derivative(self, u: Array, x0: Array) -> tuple[Linear, Linear]:
        """diag(scale) (I - u u' / (n rms^2)) / rms and its transpose."""
        rms = self._rms(u)
        unit = u / rms

        def project(v: Array) -> Array:
            return np.asarray((v - unit * np.mean(unit * v, axis=1, keepdims=True)) / rms)

        return (lambda du: self.scale * project(du)), (lambda w: project(self.scale * w))

    def describe(self, prefix: str, arrays: dict[str, Array]) -> dict[str, Any]:
        """See `Layer.describe`."""
        return store_arrays({"type": "RMSNorm"}, prefix, arrays, scale=self.scale, eps=self.eps)

    @classmethod
    def build(cls, spec: Mapping[str, Any], arrays: Mapping[str, Array], dt: float, inner: Sequence[Layer]) -> RMSNorm:
        """See `Layer.build`."""
        return cls(arrays[spec["scale"]], arrays[spec["eps"]])
