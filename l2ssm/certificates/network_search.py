"""Multipliers for all frequencies, from finitely many: cutting planes. Untrusted search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l2ssm.certificates.clock import Clock
from l2ssm.certificates.flatten import constraints_of
from l2ssm.certificates.network_forms import Forms
from l2ssm.certificates.network_multipliers import FIRST, GROWTH, Point, Problem, minimise
from l2ssm.certificates.network_response import evaluate, grid
from l2ssm.errors import SolverError
from l2ssm.systems.layers import Layer

Array = NDArray[np.float64]

ROUNDS = 12
COARSE, FINE = (1.0, 8), (0.25, 100)
"""(step as a part of the distance to the nearest pole, smallest number of points): to begin with, and to check."""
ROUGH = 1e-2  # gap while frequencies are still missing
LIFT = 1.1  # of g, when frequencies were added
CANDIDATES = 16  # local minima of the room that are looked at closely


@dataclass(frozen=True, eq=False)
class Multipliers:
    """What a search found.

    Attributes:
        forms: the constraints it is about.
        point: multipliers and gain^2; in floats and between the frequencies looked at they leave room.
        theta: the frequencies that matter.
    """

    forms: Forms
    point: Point
    theta: Array


def search(layers: Sequence[Layer], rest: bool, gap: float, clock: Clock) -> Multipliers:
    """The multipliers with the smallest gain for a run of layers, to about `gap` relatively.

    Args:
        layers: a run with Schur stable linear systems.
        rest: as in `joint.realize`.
        gap: of gain^2.
        clock: time left.

    Raises:
        SolverError: none were found in time.
    """
    with np.errstate(all="ignore"):  # what leaves the range of floats is not positive definite
        return _search(layers, rest, gap, clock)


def _search(layers: Sequence[Layer], rest: bool, gap: float, clock: Clock) -> Multipliers:
    """`search`, frequencies being added until nothing is violated between them."""
    forms = Forms(constraints_of(layers, rest)[0])
    theta, fine = grid(layers, *COARSE), grid(layers, *FINE)
    point, beta, rough = None, FIRST, max(gap, ROUGH)
    for _ in range(ROUNDS):
        problem = Problem(forms, evaluate(layers, rest, theta))
        point = problem.start() if point is None else feasible(problem, point)
        point, last = minimise(problem, point, beta, rough, clock)
        allowed = point.relaxed(rough)
        missing = violating(layers, rest, forms, allowed, fine, clock)
        if missing.size:
            theta, beta = np.unique(np.append(theta, missing)), max(last / GROWTH, FIRST)
        elif rough == gap:
            return Multipliers(forms, allowed, theta)
        else:
            rough, beta = gap, last
    raise SolverError(f"the multipliers do not settle within {ROUNDS} rounds of frequencies")


def feasible(problem: Problem, point: Point) -> Point:
    """The multipliers, moved towards those of a new start as far as the problem needs it.

    Raises:
        SolverError: not even those are feasible.
    """
    if not np.all(np.isfinite(problem.gains(point.T))):
        start = problem.start()
        for part in 0.5 ** np.arange(10, -1, -1):
            T = (1 - part) * point.T + part * start.T
            if np.all(np.isfinite(problem.gains(T))):
                return problem.lifted(T, LIFT)
    return problem.lifted(point.T, LIFT)


def violating(layers: Sequence[Layer], rest: bool, forms: Forms, point: Point, theta: Array, clock: Clock) -> Array:
    """The angles where there is no room, from a grid that is refined around its tightest places."""
    room = _rooms(layers, rest, forms, point, theta, clock)
    for _ in range(3):
        inner = np.pad(room, 1, constant_values=np.inf)
        lowest = np.flatnonzero((room <= inner[:-2]) & (room <= inner[2:]))
        lowest = lowest[np.argsort(room[lowest])][:CANDIDATES]
        if np.any(room[lowest] < 0):
            return theta[lowest[room[lowest] < 0]]
        sides = [0.5 * (theta[i] + theta[j]) for i in lowest for j in (i - 1, i + 1) if 0 <= j < theta.size]
        new = np.setdiff1d(sides, theta)
        theta, order = np.append(theta, new), np.argsort(np.append(theta, new))
        room = np.append(room, _rooms(layers, rest, forms, point, new, clock))[order]
        theta = theta[order]
    return theta[room < 0]


def _rooms(layers: Sequence[Layer], rest: bool, forms: Forms, point: Point, theta: Array, clock: Clock) -> Array:
    """`Problem.room`, some angles at a time."""
    rooms = [np.zeros(0)]
    for part in np.array_split(theta, -(-theta.size // 16)) if theta.size else []:
        clock.check()
        rooms.append(Problem(forms, evaluate(layers, rest, part)).room(point))
    return np.concatenate(rooms)
