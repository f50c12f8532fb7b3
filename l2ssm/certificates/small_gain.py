"""Two certified operators in feedback: the small-gain theorem, with closed-loop gains in exact rationals.

The loop is  e1 = w1 + y2,  y1 = H1 e1,  e2 = w2 + y1,  y2 = H2 e2;  a minus sign anywhere changes nothing below. With
gains g1, g2 over every horizon and p = g1 g2 < 1:

    |y1| <= (g1 |w1| + p |w2|) / (1 - p)        |e1| <= (|w1| + g2 |w2|) / (1 - p)
    |y2| <= (p |w1| + g2 |w2|) / (1 - p)        |e2| <= (g1 |w1| + |w2|) / (1 - p)

where |.| is the 2-norm over the horizon. For incremental gains the norms are of differences of two runs, and the loop
has exactly one solution: over every horizon e1 -> w1 + H2(w2 + H1 e1) contracts by p, whatever the initial states are.

Source: Zames, "On the input-output stability of time-varying nonlinear feedback systems", IEEE TAC 11, 1966.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from l2ssm.certificates.certificate import Certificate
from l2ssm.certificates.rigorous import exact
from l2ssm.certificates.smallest import smallest_float
from l2ssm.certificates.statement import rounded_up
from l2ssm.errors import CertificateError

DT_TOLERANCE = 1e-6  # relative

MEANINGS = {
    "incremental": "for all external inputs and all initial states the loop has exactly one solution; for two of them "
    "with the same initial states the norms are of their differences",
    "l2": "for every solution of the loop that starts in the zero states; the responses of H1 and H2 to zero input "
    "are taken out of y1, y2 and added to w2, w1; that there is a solution is not part of it",
}


@dataclass(frozen=True)
class SmallGain:
    """The loop is stable; every number is a float that is at least the exact one.

    Attributes:
        kind: "incremental" or "l2", a key of `MEANINGS`.
        gamma: (g1, g2).
        loop: g1 g2, below 1 in exact rationals.
        outputs: ((w1 -> y1, w2 -> y1), (w1 -> y2, w2 -> y2)).
        errors: ((w1 -> e1, w2 -> e1), (w1 -> e2, w2 -> e2)).
        digests: SHA-256 (hex) of the two systems.
    """

    kind: str
    gamma: tuple[float, float]
    loop: float
    outputs: tuple[tuple[float, float], tuple[float, float]]
    errors: tuple[tuple[float, float], tuple[float, float]]
    digests: tuple[str, str]

    def __str__(self) -> str:
        rows = [
            f"|{name}{i + 1}| <= {rounded_up(row[0])} |w1| + {rounded_up(row[1])} |w2|"
            for name, matrix in (("y", self.outputs), ("e", self.errors))
            for i, row in enumerate(matrix)
        ]
        return "\n".join(
            [
                f"feedback loop e1 = w1 + y2, e2 = w2 + y1: STABLE ({self.kind}), g1 g2 <= {rounded_up(self.loop)}, "
                "below 1 in exact rationals",
                *rows,
                MEANINGS[self.kind],
                f"covers the systems with sha256 {self.digests[0][:12]}... and {self.digests[1][:12]}...",
            ]
        )


def small_gain(first: Certificate, second: Certificate) -> SmallGain:
    """The gains of the feedback loop of two operators whose gains are proved and multiply to less than 1.

    Args:
        first, second: verified. Two of kind "incremental" prove an incremental loop, all others one of kind "l2".

    Raises:
        CertificateError: a certificate is not verified; channels, units or sample times do not fit; g1 g2 >= 1.
    """
    for name, certificate in (("first", first), ("second", second)):
        if not certificate.verified:
            raise CertificateError(f"the {name} certificate is not verified here: run verify on it")
    _check_ports("first", first, "second", second)
    _check_ports("second", second, "first", first)
    dt1, dt2 = first.network.dt, second.network.dt
    if not math.isclose(dt1, dt2, rel_tol=DT_TOLERANCE):
        raise CertificateError(f"the first system is sampled with {dt1:g} s, the second with {dt2:g} s")
    g1, g2 = exact(first.gamma), exact(second.gamma)
    p = g1 * g2
    if not 0 < p < 1:
        raise CertificateError(
            f"the gains {first.gamma!r} and {second.gamma!r} multiply to {float(p):.6g}: the small-gain theorem needs "
            "less than 1 and proves nothing about this loop"
        )
    incremental = first.kind == second.kind == "incremental"
    return SmallGain(
        "incremental" if incremental else "l2",
        (first.gamma, second.gamma),
        smallest_float(p),
        _over((g1, p), (p, g2), 1 - p),
        _over((Fraction(1), g2), (g1, Fraction(1)), 1 - p),
        (first.digest, second.digest),
    )


def _over(
    top: tuple[Fraction, Fraction], bottom: tuple[Fraction, Fraction], room: Fraction
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Both rows divided by the room below 1."""
    (a, b), (c, d) = [[smallest_float(x / room) for x in row] for row in (top, bottom)]
    return (a, b), (c, d)


def _check_ports(from_name: str, source: Certificate, to_name: str, sink: Certificate) -> None:
    """The outputs of one are the inputs of the other."""
    out, into = source.network, sink.network
    if out.n_y != into.n_u:
        raise CertificateError(f"the {from_name} system has {out.n_y} outputs, the {to_name} one {into.n_u} inputs")
    for i, (a, b) in enumerate(zip(out.output_units, into.input_units, strict=True)):
        if a and b and a != b:
            raise CertificateError(f"output {i} of the {from_name} system is in {a}, input {i} of the {to_name} in {b}")
