"""`worst_direction`: which inputs, with which phases, a linear system amplifies most, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from l2ssm.analysis.frequency_response import ComplexArray
from l2ssm.analysis.subject import require_linear
from l2ssm.errors import RealizationError
from l2ssm.systems.state_space import StateSpace


@dataclass(frozen=True, eq=False)
class WorstDirection:
    """u = Re(input e^{j omega t}) leads, settled, to y = Re(gain output e^{j omega t}), and no other |u| = 1 to more.

    Attributes:
        omega: rad/s.
        gain: the largest singular value of H there.
        input: (n_u,) complex amplitudes of norm 1, the largest one real and positive.
        output: (n_y,) complex amplitudes of norm 1.
    """

    omega: float
    gain: float
    input: ComplexArray
    output: ComplexArray


def worst_direction(G: StateSpace) -> WorstDirection:
    """The first singular vectors of H at the peak of the H-infinity norm.

    Args:
        G: a Schur stable system.

    Raises:
        OptionError: not a StateSpace.
        RealizationError: the system has no finite gain, or no channels.

    >>> found = worst_direction(StateSpace([[0.5]], [[3.0, 4.0]], [[1.0]], [[0.0, 0.0]]))
    >>> found.input.real.round(12).tolist(), round(found.gain, 12), found.omega
    ([0.6, 0.8], 10.0, 0.0)
    """
    require_linear(G)
    bracket = G.hinf()
    if not np.isfinite(bracket.lower) or 0 in (G.n_u, G.n_y):
        raise RealizationError(f"there is no worst direction: {bracket.reason}")
    U, gains, Vh = np.linalg.svd(G.frequency_response([bracket.omega_peak])[0])
    v = Vh[0].conj()
    largest = v[np.argmax(np.abs(v))]
    turn = np.abs(largest) / largest
    return WorstDirection(bracket.omega_peak, float(gains[0]), v * turn, U[:, 0] * turn)
