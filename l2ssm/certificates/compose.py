"""`certify`: search the gain of every layer, or of several at once, and have `verify` prove the whole."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from importlib import metadata
from typing import Any

import flint
import numpy as np

from l2ssm.certificates.certificate import Certificate, Claim, LowerBound, chain_of, model_digest
from l2ssm.certificates.clock import Clock
from l2ssm.certificates.falsify import OPERATING_STARTS, STARTS, lower_bound
from l2ssm.certificates.layer_claims import WITNESSES, Search, finite, search_chain
from l2ssm.certificates.network import BALL_WIDTH, uses_rest
from l2ssm.certificates.rigorous import exact
from l2ssm.certificates.statement import KINDS
from l2ssm.certificates.tiers import Attempt, block_tier, network_tier, not_in_time
from l2ssm.certificates.verify import ARITHMETICS, verify
from l2ssm.errors import CertificateError, NotCertifiableError, OptionError
from l2ssm.options import positive
from l2ssm.systems.hinf import HinfBracket
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Clocked, Dynamic, Gated, Residual, Selective
from l2ssm.systems.stability import is_schur, poles

BALL_LIMIT = 512
"""Most modes of a linear layer for which `certify` verifies in ball arithmetic unless told."""

METHODS = ("auto", "product", "block", "network", *WITNESSES)
CLOSE = 1e-3
"""Relative gap between the proved gain and the worst input found that ends the search of `auto`."""


def certify(
    system: Any,
    *,
    kind: str = "incremental",
    method: str = "auto",
    gamma: float | None = None,
    lower: bool = True,
    eps: float | None = None,
    model_sha256: str | None = None,
    arithmetic: str | None = None,
    time_limit: float = 60.0,
) -> Certificate:
    """A verified certificate: ||y_u - y_v|| <= gamma ||u - v|| over every horizon, from the same initial state.

    Three tiers bound a chain: "product" multiplies the gains of its layers, "network" proves one matrix inequality for
    all of them, which knows how they interact, and "block" multiplies the gains of runs of layers, proved like that.

    Args:
        system: a `StateSpace`, an `Interconnection`, or an object whose `network` is one.
        kind: "incremental", or "l2": about any operating point, which the incremental gain implies, or about rest only
            (u = 0 and the zero state) where layers without biases allow to prove less; the printout says which.
        method: "auto": the best bound of any tier that is proved in time; "product", "block" or "network": that tier;
            "cauchy" (modes), "riccati" or "lmi" (any A): the product, with this witness for linear layers.
        gamma: the bound to prove; the smallest one found if None.
        lower: whether to search for a bad input too.
        eps: relative slack above the H-infinity norm of a linear layer; None chooses.
        model_sha256: SHA-256 (hex) of the model file the numbers come from, kept in the certificate; by default the
            digest of `system` where that is a fitted model.
        arithmetic: of `verify`, which ends this; None: "ball", and "float" where a linear layer has more than
            `BALL_LIMIT` modes or a matrix inequality more than `BALL_WIDTH` rows, which would take balls longer than
            the search.
        time_limit: seconds for the tiers "block" and "network"; what "auto" has proved by then is returned.

    Raises:
        NotCertifiableError: a layer has no finite gain; it is named.
        CertificateError: gamma was not proved; the smallest proved one is named.
        OptionError: an unknown kind, method or arithmetic; gamma, eps or time_limit not a finite number > 0.
    """
    _check_options(kind, method, arithmetic, gamma, eps, time_limit)
    network = chain_of(system)
    names = {id(layer): name for name, layer in network.dynamic_layers().items()}
    selective = any(isinstance(layer, (Clocked, Selective)) for layer in network.dynamic_layers().values())
    search = Search(method, eps, names, rest=kind == "l2")
    _refuse_unstable(network, names)
    joint = method in ("auto", "block", "network")
    rest = kind == "l2" and (selective or (joint and uses_rest(network.layers)))
    fallible = method == "block" or (rest and joint)
    tried = [] if method == "network" else [_product_tier(network, search, gamma, fallible)]
    found = _evidence(network, kind, rest, search.brackets) if lower else None
    if joint:
        tried += _joint_tiers(network, method, rest, tried, gamma, found, Clock(time_limit))
    gain, claims = _best(tried[-1:] if method in ("block", "network") else tried)
    smallest = finite(gain, "the product of all gains")
    if gamma is not None and not gain <= exact(gamma):
        raise CertificateError(f"gamma = {gamma!r} is not proved; the smallest gain proved is {smallest!r}")
    bound = smallest if gamma is None else float(gamma)
    if found is not None and not found.gain <= bound:
        raise CertificateError(f"a gain of {found.gain!r} was found ({found.description}) above gamma = {bound!r}")
    created = {**_versions(), **({"search": ", ".join(map(str, tried))} if len(tried) > 1 else {})}
    model_sha256 = model_digest(system) if model_sha256 is None else model_sha256
    certificate = Certificate(kind, bound, network, "product", claims, found, model_sha256, created)
    return verify(certificate, arithmetic=arithmetic or _affordable(network, claims))


def _product_tier(network: Interconnection, search: Search, gamma: float | None, fallible: bool) -> Attempt:
    """The gains of all layers; a layer without one is an error, unless other tiers may do (`fallible`)."""
    clock = Clock(np.inf)
    try:
        claims, product = search_chain(network.layers, search, "layers")
        if gamma is not None and not product <= exact(gamma) and search.eps is None:
            claims, product = search_chain(network.layers, replace(search, eps=1e-7), "layers")
    except NotCertifiableError as error:
        if not fallible:
            raise
        return Attempt("product", (), None, clock.seconds, str(error))
    return Attempt("product", claims, product, clock.seconds)


def _joint_tiers(
    network: Interconnection,
    method: str,
    rest: bool,
    tried: Sequence[Attempt],
    gamma: float | None,
    found: LowerBound | None,
    clock: Clock,
) -> list[Attempt]:
    """The tiers "network" and "block" as far as the method wants them and the product leaves something to gain."""
    layers = network.layers
    singles = tried[0].claims if tried else ()
    if method == "network":
        return [network_tier(layers, rest, clock)]
    if method == "block":
        return [block_tier(layers, rest, singles, clock)]
    if method != "auto" or (len(layers) == 1 and not isinstance(layers[0], (Gated, Residual))):
        return []
    gain = tried[0].gain
    tight = gain is not None and found is not None and float(gain) <= found.gain * (1 + CLOSE)
    if tight or (gain is not None and gamma is not None and gain <= exact(gamma)):
        return []
    attempts = [not_in_time(layers, clock) or network_tier(layers, rest, clock)]
    if attempts[0].gain is None:
        attempts.append(block_tier(layers, rest, singles, clock))
    return attempts


def _best(tried: Sequence[Attempt]) -> tuple[Fraction, tuple[Claim, ...]]:
    """(gain, claims) of the attempt with the smallest gain; without one the error, that names a layer if one does."""
    proved = [(attempt.gain, attempt.claims) for attempt in tried if attempt.gain is not None]
    if not proved and tried[0].tier == "product":
        raise NotCertifiableError(tried[0].failure)
    if not proved:
        raise CertificateError(f"{tried[-1].tier}: {tried[-1].failure}")
    return min(proved, key=lambda one: one[0])


def _affordable(network: Interconnection, claims: Sequence[Claim]) -> str:
    """The arithmetic in which a proof of this size is checked in reasonable time."""
    states = max((layer.n_x for layer in network.dynamic_layers().values()), default=0)
    widths = [sum(M.shape[0] for M in claim.witness.values()) for claim in claims if claim.layers > 1]
    return "float" if states > 2 * BALL_LIMIT or max(widths, default=0) > BALL_WIDTH else "ball"


def _refuse_unstable(network: Interconnection, names: dict[int, str]) -> None:
    for layer in network.dynamic_layers().values():
        if isinstance(layer, (Clocked, Dynamic)) and not is_schur(layer.G):
            pole = complex(poles(layer.G)[0])
            where = "on" if abs(pole) == 1 else "outside"
            shown = f"{pole.real:.10g}" if pole.imag == 0 else f"{pole:.10g}"
            raise NotCertifiableError(f"{names[id(layer)]}: pole {shown} {where} the unit circle, no finite gain")


def _evidence(network: Interconnection, kind: str, rest: bool, brackets: dict[int, HinfBracket]) -> LowerBound:
    """The worst input found, of those that the claim is about."""
    starts = OPERATING_STARTS[:1] if rest else OPERATING_STARTS if kind == "l2" else STARTS
    return lower_bound(network, starts, brackets.get(id(network.layers[0])))


def _versions() -> dict[str, str]:
    """The programs that made the certificate."""
    versions = {"python": platform.python_version(), "numpy": np.__version__, "python-flint": flint.__version__}
    try:
        versions["l2ssm"] = metadata.version("l2ssm")
    except metadata.PackageNotFoundError:
        versions["l2ssm"] = "not installed"
    return versions


def _check_options(
    kind: str, method: str, arithmetic: str | None, gamma: float | None, eps: float | None, time_limit: float
) -> None:
    if kind not in KINDS:
        raise OptionError(f"kind is {kind!r}, expected one of {', '.join(KINDS)}")
    if method not in METHODS:
        raise OptionError(f"method is {method!r}, expected one of {', '.join(METHODS)}")
    if arithmetic not in (None, *ARITHMETICS):
        raise OptionError(f"arithmetic is {arithmetic!r}, expected one of {', '.join(ARITHMETICS)}")
    for name, value in (("gamma", gamma), ("eps", eps), ("time_limit", time_limit)):
        if value is not None:
            positive(name, value)
