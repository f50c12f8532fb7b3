"""`FrequencyResponse`: a measured one with its uncertainty and, where known, what is noise and what distortion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l2ssm.analysis.metrics import Array
from l2ssm.data.record import Record
from l2ssm.options import fraction

ComplexArray = NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class FrequencyResponse:
    """H at some frequencies and how far it may be from the truth.

    Attributes:
        omega: (F,) rad/s, rising.
        H: (F, n_y, n_u) complex.
        std: (F, n_y, n_u) root of E|H - E H|^2, estimated.
        freedom: complex degrees of freedom of that estimate.
        method: how it was measured, in words.
        dt: sampling time in seconds.
        input_names, output_names, input_units, output_units: one a channel.
        coherence: (F, n_y) multiple coherence in [0, 1], the share of the output power that a linear system explains;
            None for periodic data.
        noise: (F, n_y, n_u) part of the deviation of one experiment that is noise, None where not told apart.
        distortion: (F, n_y, n_u) part that is nonlinear distortion, likewise.
    """

    omega: Array
    H: ComplexArray
    std: Array
    freedom: float
    method: str
    dt: float
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    input_units: tuple[str, ...]
    output_units: tuple[str, ...]
    coherence: Array | None = None
    noise: Array | None = None
    distortion: Array | None = None

    def radius(self, confidence: float = 0.95) -> Array:
        """(F, n_y, n_u) radius of the circle around H that holds the expected response with that probability.

        |H - E H|^2 / std^2 has the F distribution with (2, 2 freedom) degrees of freedom, whose quantile is closed.

        Args:
            confidence: probability, in (0, 1).

        Raises:
            OptionError: confidence not between 0 and 1.

        >>> one, labels = np.ones((1, 1, 1)), (("u",), ("y",), ("",), ("",))
        >>> sure = FrequencyResponse(np.ones(1), one + 0j, one, np.inf, "", 1.0, *labels)
        >>> round(float(sure.radius(0.95)[0, 0, 0]) ** 2, 6) == round(-float(np.log(0.05)), 6)
        True
        """
        tail = -np.log1p(-fraction("confidence", confidence))
        quantile = tail if np.isinf(self.freedom) else self.freedom * np.expm1(tail / self.freedom)
        return np.asarray(self.std * np.sqrt(quantile), dtype=np.float64)


def labels(records: Sequence[Record]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """(input_names, output_names, input_units, output_units) of the first record."""
    first = records[0]
    names = first.input_names, first.output_names
    units = (tuple(first.units.get(name, "") for name in part) for part in names)
    return (*names, *units)  # type: ignore[return-value]
