"""Linear systems connected: in series, in parallel, around a skip; and the same map with the fewest states."""

from __future__ import annotations

import numpy as np
from scipy.linalg import block_diag

from l2ssm.analysis.subject import require_linear
from l2ssm.errors import RealizationError
from l2ssm.options import fraction
from l2ssm.systems.gramian import hankel_singular_values
from l2ssm.systems.state_space import StateSpace
from l2ssm.systems.truncation import Truncation, balanced_truncation


def series(*systems: StateSpace) -> StateSpace:
    """The first system, then the next, ...: y = G_r ... G_1 u; the input labels of the first, the output's of the last.

    Args:
        systems: systems in the order in which the signal passes them.

    Raises:
        RealizationError: none given, another dt, or an output that does not fit the next input.

    >>> G = StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]])
    >>> series(G, G).frequency_response([0.0]).real.item()
    4.0
    """
    G, *rest = _of_one_dt(systems)
    for H in rest:
        if G.n_y != H.n_u:
            raise RealizationError(f"{G!r} has {G.n_y} outputs, the next system takes {H.n_u} inputs")
        A = np.block([[G.A, np.zeros((G.n_x, H.n_x))], [H.B @ G.C, H.A]])
        B, C = np.vstack([G.B, H.B @ G.D]), np.hstack([H.D @ G.C, H.C])
        G = _labelled(A, B, C, H.D @ G.D, G, H)
    return G


def parallel(*systems: StateSpace) -> StateSpace:
    """The sum of the outputs: y = (G_1 + ... + G_r) u, with the labels of the first.

    Args:
        systems: systems with as many inputs, outputs and the same dt.

    Raises:
        RealizationError: none given, another dt, or other channels.
    """
    G, *rest = _of_one_dt(systems)
    for H in rest:
        if (G.n_y, G.n_u) != (H.n_y, H.n_u):
            raise RealizationError(f"{G!r} and {H!r} have other channels; a sum needs the same")
        A, C = block_diag(G.A, H.A).reshape((G.n_x + H.n_x,) * 2), np.hstack([G.C, H.C])
        G = _labelled(A, np.vstack([G.B, H.B]), C, G.D + H.D, G, G)
    return G


def residual(G: StateSpace) -> StateSpace:
    """y = u + G u.

    Args:
        G: system with as many outputs as inputs.

    Raises:
        RealizationError: other numbers of inputs and outputs.
    """
    require_linear(G)
    if G.n_u != G.n_y:
        raise RealizationError(f"{G!r} has {G.n_u} inputs and {G.n_y} outputs; a skip needs as many")
    return _labelled(G.A, G.B, G.C, G.D + np.eye(G.n_u), G, G)


def minimal(G: StateSpace, tolerance: float = 1e-6) -> Truncation:
    """The same input-output map with the fewest states, balanced: states of no Hankel singular value are left out.

    Args:
        G: Schur stable.
        tolerance: relative to the largest Hankel singular value; smaller ones count as zero. In floats a state that
            is not reached or not seen has one of about 1e-8. What this leaves out is `bound` of the result.

    Raises:
        RealizationError: G is not Schur stable.
        OptionError: not a StateSpace, or tolerance not between 0 and 1.

    >>> G = StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]])
    >>> minimal(parallel(G, G)).G.n_x
    1
    """
    require_linear(G)
    least, hankel = fraction("tolerance", tolerance), hankel_singular_values(G)
    return balanced_truncation(G, order=int(np.sum(hankel > least * hankel.max(initial=0.0))))


def _of_one_dt(systems: tuple[StateSpace, ...]) -> tuple[StateSpace, ...]:
    require_linear(*systems)
    if len({G.dt for G in systems}) != 1:
        raise RealizationError(f"{len(systems)} systems with dt in {sorted({G.dt for G in systems})}: expected one dt")
    return systems


def _labelled(A: np.ndarray, B: np.ndarray, C: np.ndarray, D: np.ndarray, G: StateSpace, H: StateSpace) -> StateSpace:
    """The system with the inputs of G and the outputs of H."""
    return StateSpace(A, B, C, D, G.dt, G.input_names, H.output_names, None, G.input_units, H.output_units)
