"""Certified export to float32: round the numbers, prove their gain, shrink and round again until it is at most gamma.

Rounding a system of gain gamma moves its gain by up to 1e-7 / (1 - |lam|), upwards in about half of the cases; so "by
construction" ends at float32, and the numbers that are deployed are proved instead. The proof is about the system with
exactly these numbers; the rounding inside a float32 simulation is not covered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from l2ssm.errors import CertificateError, OptionError
from l2ssm.systems.state_space import StateSpace

if TYPE_CHECKING:
    from l2ssm.certificates.certificate import Certificate

HALF_UNIT = 2.0**-24  # relative rounding error of float32
ROUNDS = 20


@dataclass(frozen=True)
class Float32Export:
    """What is deployed, and its proof.

    Attributes:
        system: every number is a float32, kept as float64.
        certificate: verified, of `system`, gamma as prescribed.
        scale: B and D are those of the given system times this, at most 1.
        rounds: proofs that were needed.
    """

    system: StateSpace
    certificate: Certificate
    scale: float
    rounds: int


def certified_float32(G: StateSpace, gamma: float) -> Float32Export:
    """G with every number rounded to float32, B and D scaled down where needed, and a proof that its gain is <= gamma.

    Args:
        G: Schur stable, also after rounding.
        gamma: the gain to prove, > 0; not much below the gain of G, since B and D are scaled to it.

    Raises:
        OptionError: gamma is not a finite number > 0.
        NotCertifiableError: a pole is rounded onto the unit circle.
        CertificateError: nothing was proved within 20 rounds.

    >>> export = certified_float32(StateSpace([[0.9]], [[0.1]], [[1.0]], [[0.0]]), 1.0)
    >>> export.certificate.gamma, export.system.A.item() == float(np.float32(0.9))
    (1.0, True)
    """
    from l2ssm.certificates.compose import certify

    if not (np.isfinite(gamma) and gamma > 0):
        raise OptionError(f"gamma is {gamma}, expected a finite gain > 0")
    scale = 1.0
    for rounds in range(1, ROUNDS + 1):
        system = _rounded(G, scale)
        found = certify(system, lower=False).gamma
        if found <= gamma:
            return Float32Export(system, certify(system, gamma=gamma), scale, rounds)
        scale *= gamma / found * (1 - HALF_UNIT * 2.0**rounds)
    raise CertificateError(f"no gain up to gamma = {gamma} was proved in {ROUNDS} rounds; the last was {found}")


def _rounded(G: StateSpace, scale: float) -> StateSpace:
    A, B, C, D = (M.astype(np.float32).astype(np.float64) for M in (G.A, G.B * scale, G.C, G.D * scale))
    return StateSpace(A, B, C, D, G.dt, G.input_names, G.output_names, G.state_names, G.input_units, G.output_units)
