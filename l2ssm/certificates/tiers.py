"""From cheap and loose to expensive and tight: the tiers `product`, `block` and `network`, and which one is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil, prod

from l2ssm.certificates.certificate import Claim
from l2ssm.certificates.clock import Clock
from l2ssm.certificates.flatten import rests
from l2ssm.certificates.network import joint_claim, seconds
from l2ssm.certificates.rigorous import exact
from l2ssm.certificates.smallest import smallest_float
from l2ssm.certificates.statement import rounded_up
from l2ssm.errors import CertificateError, NotCertifiableError
from l2ssm.systems.layers import Layer


@dataclass(frozen=True)
class Attempt:
    """What a tier gave.

    Attributes:
        tier: "product", "block" or "network".
        claims: whose gains multiply to `gain`; none where nothing was proved.
        gain: proved, None if nothing was.
        seconds: what it took.
        failure: why nothing was proved.
        skipped: why it was not tried; "" if it was.
    """

    tier: str
    claims: tuple[Claim, ...]
    gain: Fraction | None
    seconds: float
    failure: str = ""
    skipped: str = ""

    def __str__(self) -> str:
        if self.skipped:
            return f"{self.tier} not tried ({self.skipped})"
        result = "nothing proved" if self.gain is None else rounded_up(smallest_float(self.gain))
        return f"{self.tier} {result} in {self.seconds:.1f} s"


def network_tier(layers: Sequence[Layer], rest: bool, clock: Clock) -> Attempt:
    """One matrix inequality for all layers."""
    return _attempt("network", layers, [len(layers)], rest, (), clock)


def block_tier(layers: Sequence[Layer], rest: bool, singles: Sequence[Claim], clock: Clock) -> Attempt:
    """One matrix inequality a block; a block ends before the next layer with states.

    Args:
        layers: the chain.
        rest: whether gains from rest are wanted.
        singles: a claim a layer, kept for the blocks where they prove less or where nothing else is proved; may be
            empty.
        clock: time left.
    """
    starts = [i for i, layer in enumerate(layers) if layer.n_x][1:]
    edges = [0, *starts, len(layers)]
    return _attempt("block", layers, [b - a for a, b in pairwise(edges)], rest, singles, clock)


def _attempt(
    tier: str, layers: Sequence[Layer], spans: Sequence[int], rest: bool, singles: Sequence[Claim], clock: Clock
) -> Attempt:
    began = clock.seconds
    claims: list[Claim] = []
    first = 0
    try:
        for span in spans:
            run, alone = layers[first : first + span], tuple(singles[first : first + span])
            claims += _run_claims(run, rest and rests(layers[:first]), alone, clock)
            first += span
    except (CertificateError, NotCertifiableError) as error:
        return Attempt(tier, (), None, clock.seconds - began, str(error))
    return Attempt(tier, tuple(claims), product(claims), clock.seconds - began)


def _run_claims(run: Sequence[Layer], rest: bool, alone: tuple[Claim, ...], clock: Clock) -> tuple[Claim, ...]:
    """The joint claim, or those of the layers where they prove less."""
    try:
        joint = joint_claim(run, rest, clock)
    except CertificateError:
        if not alone:
            raise
        return alone
    return alone if alone and product(alone) <= exact(joint.gain) else (joint,)


def product(claims: Sequence[Claim]) -> Fraction:
    """Of the gains."""
    return prod((exact(claim.gain) for claim in claims), start=Fraction(1))


def not_in_time(layers: Sequence[Layer], clock: Clock) -> Attempt | None:
    """The network tier, not tried, where it cannot be expected to end in time."""
    try:
        needed = seconds(layers)
    except NotCertifiableError as error:
        return Attempt("network", (), None, 0.0, str(error), "a layer without a quadratic constraint")
    if clock.seconds + needed < clock.limit:
        return None
    wanted = f"needs a time_limit of about {ceil(needed)} s, not {clock.limit:g} s"
    return Attempt("network", (), None, 0.0, wanted, wanted)
