"""A joint claim about a run of layers: multipliers, then a storage function, then the proof. Untrusted search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from l2ssm.certificates.balls import BALL
from l2ssm.certificates.certificate import JOINT, JOINT_AT_REST, Claim
from l2ssm.certificates.clock import Clock
from l2ssm.certificates.constraints import Slope
from l2ssm.certificates.flatten import constraints_of
from l2ssm.certificates.joint import assert_joint
from l2ssm.certificates.midrad import FLOAT
from l2ssm.certificates.network_search import Multipliers, search
from l2ssm.certificates.network_storage import storage
from l2ssm.certificates.rigorous import Arithmetic
from l2ssm.errors import CertificateError, NotCertifiableError, SolverError
from l2ssm.systems.layers import Layer

Array = NDArray[np.float64]

GAPS = (1e-3, 1e-2, 1e-1)
"""Of gain^2, in turn: what is not settled or not proved at one may be at the next, further from every boundary."""
SLACKS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
"""Of gain^2 above what the frequencies ask for, in turn, until the proof succeeds."""
BALL_WIDTH = 400
"""Largest M(P, T, gain) that is tried in ball arithmetic where float64 does not decide."""
LARGE = 300
"""Inputs and outputs of nonlinearities above which gaps begin with the second and slacks with the fourth."""


def joint_claim(layers: Sequence[Layer], rest: bool, clock: Clock) -> Claim:
    """A proved claim about the run as a whole, with the smallest gain found; BLAS is kept to one thread meanwhile.

    The matrices are small: on two threads that others want too, factorizations take up to a hundred times longer.

    Args:
        layers: with Schur stable linear systems.
        rest: as in `joint.realize`; the claim is then about runs against the one at rest.
        clock: time left.

    Raises:
        CertificateError: nothing was proved in time.
    """
    from threadpoolctl import threadpool_limits

    large = _width(layers, rest) > LARGE
    reason: CertificateError | SolverError = SolverError("no attempt")
    for gap in GAPS[1 if large else 0 :]:
        try:
            with threadpool_limits(limits=1, user_api="blas"):
                return _attempt(layers, rest, search(layers, rest, gap, clock), clock)
        except (CertificateError, SolverError) as error:
            reason = error
        except (OverflowError, FloatingPointError) as error:
            raise CertificateError(f"the gain is out of the range of the search: {error}") from None
    raise CertificateError(f"no joint bound was proved: {reason}")


def _attempt(layers: Sequence[Layer], rest: bool, found: Multipliers, clock: Clock) -> Claim:
    reason: CertificateError | SolverError = SolverError("no attempt")
    for slack in SLACKS[3 if _width(layers, rest) > LARGE else 0 :]:
        clock.check()
        point = found.point.relaxed(slack)
        gain, multipliers = float(np.sqrt(point.g)), [part[:, None] for part in found.forms.split(point.T)]
        try:
            P = storage(layers, rest, found.forms, point, found.theta)
            _prove(layers, rest, P, multipliers, gain)
            witness = {"P": P, **{f"T{i}": T for i, T in enumerate(multipliers)}}
            return Claim(JOINT_AT_REST if rest else JOINT, gain, witness, (), len(layers))
        except (CertificateError, SolverError) as error:
            reason = error
    raise reason


def _prove(layers: Sequence[Layer], rest: bool, P: Array, multipliers: list[Array], gain: float) -> None:
    """In float64, hence in every arithmetic; else in balls."""
    width = len(P) + layers[0].n_in + sum(T.size for T in multipliers)
    arithmetics: tuple[Arithmetic, ...] = (FLOAT, BALL) if width <= BALL_WIDTH else (FLOAT,)
    reason: CertificateError | None = None
    for arithmetic in arithmetics:
        try:
            with arithmetic.session():
                return assert_joint(layers, rest, P, multipliers, gain, "the run", arithmetic)
        except CertificateError as error:
            reason = error
    raise CertificateError(str(reason))


def uses_rest(layers: Sequence[Layer]) -> bool:
    """Whether the constraints about rest, with zero input, say more than those about any two runs."""
    try:
        from_rest = constraints_of(layers, True)[0]
    except NotCertifiableError:
        return False
    try:
        any_two = constraints_of(layers, False)[0]
    except NotCertifiableError:
        return True
    return any(
        type(a) is not type(b)
        or (isinstance(a, Slope) and isinstance(b, Slope) and bool(np.any((a.low != b.low) | (a.high != b.high))))
        for a, b in zip(from_rest, any_two, strict=True)
    )


def seconds(layers: Sequence[Layer]) -> float:
    """Roughly what `joint_claim` takes on one core; its time goes into factorizations over the nonlinearities.

    Measured: 17 s at a width of 130 with 256 states, 270 s at 514 with 1024.
    """
    width = _width(layers, True)
    return 5e-4 * width**2 + 1e-6 * width**3 + 2e-8 * sum(layer.n_x for layer in layers) ** 3


def _width(layers: Sequence[Layer], rest: bool) -> int:
    return layers[0].n_in + sum(constraint.widths[1] for constraint in constraints_of(layers, rest)[0])
