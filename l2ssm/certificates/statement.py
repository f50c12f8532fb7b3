"""What a certificate says, in sentences: derived from its content, never stored as such."""

from __future__ import annotations

import decimal
from typing import TYPE_CHECKING

from l2ssm.units import per

if TYPE_CHECKING:
    from l2ssm.certificates.certificate import Certificate, Claim

KINDS = ("incremental", "l2")
STATEMENTS = {
    "incremental": "L2 gain, incremental (any two inputs, same initial state)",
    "l2": "L2 gain about any operating point (any deviation of the input, same initial state)",
    "rest": "L2 gain from rest (any input, zero initial state, deviation from the response to zero input)",
}
MEANINGS = {
    "incremental": "for all inputs u, v, every horizon T and every common initial state: "
    "sum_{t<T} |y_u[t] - y_v[t]|^2 <= gamma^2 sum_{t<T} |u[t] - v[t]|^2",
    "l2": "for every operating input v and deviation d, every horizon T and every common initial state: "
    "sum_{t<T} |y_{v+d}[t] - y_v[t]|^2 <= gamma^2 sum_{t<T} |d[t]|^2 (implied by the incremental gain)",
    "rest": "for all inputs u and every horizon T, from the zero state: "
    "sum_{t<T} |y_u[t] - y_0[t]|^2 <= gamma^2 sum_{t<T} |u[t]|^2, y_0 the response to zero input",
}
ARITHMETIC = "exact on the numbers in this file; checked in ball, float64 or rational arithmetic, see l2ssm verify"
NOT_COVERED = (
    "the rounding of a runtime, in float32 or in float64: the numbers are taken as exact",
    "two runs from different initial states: see bound(x0=...)",
    "the lower bound, which was found by search in float64 and is not part of the proof",
)


def gain_unit(certificate: Certificate) -> str:
    """Output unit / input unit where the channels agree, "" where they have none or differ."""
    out, into = set(certificate.network.output_units), set(certificate.network.input_units)
    return per(out.pop(), into.pop()) if len(out) == len(into) == 1 else ""


def sense(certificate: Certificate) -> str:
    """The key of `STATEMENTS` and `MEANINGS`: the kind, or "rest" where the proof is about that only."""
    at_rest = any(claim.method.endswith("at rest") for claim in certificate.claims)
    return "rest" if at_rest else certificate.kind


def tier(certificate: Certificate) -> str:
    """ "network": one inequality for all layers, "block": at least one for several layers, "product": none."""
    spans = [claim.layers for claim in certificate.claims if claim.method.startswith("joint")]
    return "product" if not spans else "network" if len(certificate.claims) == 1 else "block"


def summary(certificate: Certificate) -> tuple[str, ...]:
    """The claim in plain lines; bounds are rounded to the safe side."""
    unit = f" {gain_unit(certificate)}" if gain_unit(certificate) else ""
    gamma, lower = certificate.gamma, certificate.lower
    lines = [f"{STATEMENTS[sense(certificate)]}: gamma <= {rounded_up(gamma)}{unit}"]
    if lower is not None:
        far = gap(gamma, lower.gain)
        lines.append(f"worst input found: gamma >= {rounded_down(lower.gain)}{unit} ({far}; {lower.description})")
    model = f", model file sha256 {certificate.model_sha256[:12]}..." if certificate.model_sha256 else ""
    lines.append(_proof(certificate))
    lines.append(f"covers the numbers with sha256 {certificate.digest[:12]}...{model}; not the rounding of a runtime")
    return tuple(lines)


def printout(certificate: Certificate) -> str:
    """The summary, and whether this very object was verified."""
    first, *rest = summary(certificate)
    status = f"VERIFIED ({certificate.verified_in})" if certificate.verified else "NOT VERIFIED HERE: run verify"
    return "\n".join([f"{first}   {status}", *rest])


def _proof(certificate: Certificate) -> str:
    methods = ", ".join(sorted({method for claim in certificate.claims for method in _methods(claim)}))
    if tier(certificate) == "network":
        text = f"by one matrix inequality for the whole network: {methods}"
    else:
        parts = "block" if tier(certificate) == "block" else "layer"
        text = f"by {certificate.proof} of {len(certificate.claims)} {parts} gain(s): {methods}"
    tried = certificate.created.get("search")
    return f"{text} (search: {tried})" if tried else text


def _methods(claim: Claim) -> list[str]:
    return [claim.method, *(method for inner in claim.inner for method in _methods(inner))]


def rounded_up(value: float, digits: int = 5) -> str:
    """Significant digits, rounded up: what is printed is still a bound.

    >>> rounded_up(4.91314)
    '4.9132'
    """
    return _decimal(value, digits, decimal.ROUND_CEILING)


def rounded_down(value: float, digits: int = 5) -> str:
    """Significant digits, rounded down: what is printed was still attained.

    >>> rounded_down(4.91316)
    '4.9131'
    """
    return _decimal(value, digits, decimal.ROUND_FLOOR)


def gap(gamma: float, attained: float) -> str:
    """How far the proved bound is above what an input attained, in words.

    >>> gap(1.0312, 1.0), gap(4.0, 1.0), gap(30.0, 1.0), gap(1.0, 0.0)
    ('gap 3.1 %', 'gap 300 %', 'gamma is 30 times the worst input found', 'no gap known')
    """
    if not attained > 0:
        return "no gap known"
    percent = 100 * (gamma / attained - 1)
    if percent > 900:
        return f"gamma is {gamma / attained:,.0f} times the worst input found"
    if 0 < percent < 1e-4:
        return "gap below 0.0001 %"
    return f"gap {percent:.0f} %" if percent >= 10 else f"gap {percent:.2g} %"


def _decimal(value: float, digits: int, rounding: str) -> str:
    return f"{decimal.Context(prec=digits, rounding=rounding).create_decimal(value):g}".lower()
