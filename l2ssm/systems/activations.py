"""Pointwise nonlinearities: value, derivative and a slope interval that is an upper bound, not a rounded one.

Source of the slope constants: the derivatives of GELU (erf form) and SiLU have their extrema at +-sqrt(2) and
+-2.39936..., with values 1.128904145... and 1.099839320..., that of GELU in its tanh form at +-1.41850..., with the
value 1.128993069...; the intervals below are rounded outwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Activation:
    """A scalar function sigma with sigma'(s) in [slope_min, slope_max] for every s.

    Attributes:
        value: sigma, elementwise.
        derivative: sigma', elementwise (at a kink: the slope used by torch).
        slope_min, slope_max: bounds of the slope, exact binary floats rounded outwards.
    """

    value: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    slope_min: float
    slope_max: float

    @property
    def lipschitz(self) -> float:
        """Upper bound of |sigma'|."""
        return max(abs(self.slope_min), abs(self.slope_max))


def _gelu_slope(s: Array) -> Array:
    return special.ndtr(s) + s * np.exp(-0.5 * s * s) / np.sqrt(2 * np.pi)


def _silu_slope(s: Array) -> Array:
    g = special.expit(s)
    return g * (1 + s * (1 - g))


CUBIC = 0.044715  # of the tanh form of GELU
FAR = 60.0  # beyond it that form is s or 0 in float64


def _gelu_gate(s: Array) -> Array:
    near = np.clip(s, -FAR, FAR)
    return special.expit(2 * np.sqrt(2 / np.pi) * (near + CUBIC * near**3))


def _gelu_tanh_slope(s: Array) -> Array:
    g, near = _gelu_gate(s), np.clip(s, -FAR, FAR)
    return np.asarray(g + 2 * np.sqrt(2 / np.pi) * near * (1 + 3 * CUBIC * near**2) * g * (1 - g))


ACTIVATIONS: dict[str, Activation] = {
    "tanh": Activation(np.tanh, lambda s: 1 - np.tanh(s) ** 2, 0.0, 1.0),
    "relu": Activation(lambda s: np.maximum(s, 0.0), lambda s: (s > 0).astype(np.float64), 0.0, 1.0),
    "gelu": Activation(lambda s: s * special.ndtr(s), _gelu_slope, -0.12890415, 1.12890415),
    "silu": Activation(lambda s: s * special.expit(s), _silu_slope, -0.09983933, 1.09983933),
    "gelu_tanh": Activation(lambda s: s * _gelu_gate(s), _gelu_tanh_slope, -0.12899307, 1.12899307),
}
