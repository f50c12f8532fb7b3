"""Powers of two that bring a system to unit size and a witness back: nothing is rounded, so proofs carry over."""

from __future__ import annotations

from math import frexp

import numpy as np
from numpy.typing import NDArray

from l2ssm.certificates.certificate import Claim
from l2ssm.systems.state_space import StateSpace

POWERS = {"delta": (2, 0), "C2_real": (1, 0), "C2_imag": (1, 0), "Y": (1, 1), "P": (2, 0)}
"""witness array -> (power of the output factor, power of the input factor)."""


def unit_size(G: StateSpace) -> tuple[StateSpace, int, int]:
    """(G', k, b): B' = 2^-b B, C' = 2^-k C, D' = 2^-(k+b) D with entries of order 1 or less, exactly."""
    b, c, d = (frexp(float(np.max(np.abs(M), initial=0.0)))[1] for M in (G.B, G.C, G.D))
    dynamic = bool(np.any(G.B) and np.any(G.C))
    b = b if dynamic else 0
    e = max([b + c] * dynamic + [d] * bool(np.any(G.D)), default=0)
    k = e - b
    return StateSpace(G.A, np.ldexp(G.B, -b), np.ldexp(G.C, -k), np.ldexp(G.D, -e), G.dt), k, b


def original_size(claim: Claim, k: int, b: int) -> Claim:
    """The claim about G that a claim about G' of `unit_size` amounts to: V = 4^k V', gain = 2^(k+b) gain'."""

    def resized(name: str, M: NDArray[np.float64]) -> NDArray[np.float64]:
        out, into = POWERS[name]
        return np.asarray(np.ldexp(M, out * k + into * b))

    with np.errstate(over="ignore", under="ignore"):
        witness = {name: resized(name, M) for name, M in claim.witness.items()}
        return Claim(claim.method, float(np.ldexp(claim.gain, k + b)), witness)
