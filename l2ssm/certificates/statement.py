"""What a certificate says, in sentences: derived from its content, never stored as such."""

from __future__ import annotations

import decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from l2ssm.certificates.certificate import Certificate, Claim

STATEMENTS = {
    "incremental": "L2 gain, incremental (any two inputs, same initial state)",
    "l2": "L2 gain about any operating point (any deviation of the input, same initial state)",
}
MEANINGS = {
    "incremental": "for all inputs u, v, every horizon T and every common initial state: "
    "sum_{t<T} |y_u[t] - y_v[t]|^2 <= gamma^2 sum_{t<T} |u[t] - v[t]|^2",
    "l2": "for every operating input v and deviation d, every horizon T and every common initial state: "
    "sum_{t<T} |y_{v+d}[t] - y_v[t]|^2 <= gamma^2 sum_{t<T} |d[t]|^2 (implied by the incremental gain)",
}
ARITHMETIC = "ball arithmetic, 128 bit"
NOT_COVERED = (
    "the rounding of a runtime, in float32 or in float64: the numbers are taken as exact",
    "two runs from different initial states: see bound(x0=...)",
    "the lower bound, which was found by search in float64 and is not part of the proof",
)


def gain_unit(certificate: Certificate) -> str:
    """Output unit / input unit where the channels agree, "" where they have none or differ."""
    out, into = set(certificate.network.output_units), set(certificate.network.input_units)
    if len(out) > 1 or len(into) > 1 or out | into == {""}:
        return ""
    return f"{out.pop() or '1'}/{into.pop() or '1'}"


def summary(certificate: Certificate) -> tuple[str, ...]:
    """The claim in plain lines; bounds are rounded to the safe side."""
    unit = f" {gain_unit(certificate)}" if gain_unit(certificate) else ""
    gamma, lower = certificate.gamma, certificate.lower
    lines = [f"{STATEMENTS[certificate.kind]}: gamma <= {_decimal(gamma, decimal.ROUND_CEILING)}{unit}"]
    if lower is not None:
        gap = f"gap {100 * (gamma / lower.gain - 1):.2g} %" if lower.gain > 0 else "no gap known"
        attained = _decimal(lower.gain, decimal.ROUND_FLOOR)
        lines.append(f"worst input found: gamma >= {attained}{unit} ({gap}; {lower.description})")
    model = f", model file sha256 {certificate.model_sha256[:12]}..." if certificate.model_sha256 else ""
    methods = ", ".join(sorted({method for claim in certificate.claims for method in _methods(claim)}))
    lines.append(f"by {certificate.proof} of {len(certificate.claims)} layer gain(s): {methods}")
    lines.append(f"covers the numbers with sha256 {certificate.digest[:12]}...{model}; not the rounding of a runtime")
    return tuple(lines)


def printout(certificate: Certificate) -> str:
    """The summary, and whether this very object was verified."""
    first, *rest = summary(certificate)
    status = f"VERIFIED ({ARITHMETIC})" if certificate.verified else "NOT VERIFIED HERE: run verify"
    return "\n".join([f"{first}   {status}", *rest])


def _methods(claim: Claim) -> list[str]:
    return [claim.method, *(method for inner in claim.inner for method in _methods(inner))]


def _decimal(value: float, rounding: str) -> str:
    """Five significant digits, rounded up or down as told.

    >>> _decimal(4.91314, decimal.ROUND_CEILING), _decimal(4.91316, decimal.ROUND_FLOOR)
    ('4.9132', '4.9131')
    """
    return f"{decimal.Context(prec=5, rounding=rounding).create_decimal(value):g}".lower()
