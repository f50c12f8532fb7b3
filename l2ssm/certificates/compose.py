"""`certify`: search the gain of every layer, multiply, and have `verify` prove the whole."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from importlib import metadata
from math import ldexp
from typing import Any

import flint
import numpy as np

from l2ssm.certificates import cauchy, lmi, multiplier, riccati
from l2ssm.certificates.certificate import Certificate, Claim, LowerBound, chain_of, model_digest
from l2ssm.certificates.falsify import lower_bound
from l2ssm.certificates.midrad import FLOAT
from l2ssm.certificates.rigorous import exact
from l2ssm.certificates.scaling import original_size, unit_size
from l2ssm.certificates.smallest import smallest_float, smallest_gain, spectral_norm
from l2ssm.certificates.statement import MEANINGS
from l2ssm.certificates.static_gain import gated_matrix
from l2ssm.certificates.verify import check_multiplier, verify
from l2ssm.errors import CertificateError, NotCertifiableError, OptionError
from l2ssm.options import positive
from l2ssm.systems.activations import ACTIVATIONS
from l2ssm.systems.hinf import HinfBracket, hinf
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Contractive, Dynamic, Gated, Layer, Perceptron, Residual
from l2ssm.systems.stability import is_schur, poles
from l2ssm.systems.state_space import StateSpace

BALL_LIMIT = 512
"""Most modes of a linear layer for which `certify` verifies in ball arithmetic unless told."""

METHODS = ("auto", "cauchy", "riccati", "lmi")


@dataclass(frozen=True)
class Search:
    """How hard to look.

    Attributes:
        method: for linear layers, one of `METHODS`.
        eps: relative slack above the H-infinity norm; None: 1e-6, of more than 256 modes 1e-3.
        names: what errors call each linear layer.
        brackets: the norm of each linear layer that was searched, its lower end at least.
    """

    method: str
    eps: float | None
    names: dict[int, str]
    brackets: dict[int, HinfBracket] = field(default_factory=dict)

    def name(self, layer: Layer, path: str) -> str:
        """block0, block1, ... for linear layers; the place in the chain and the type for others."""
        return self.names.get(id(layer), f"{path} ({type(layer).__name__})")


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
) -> Certificate:
    """A verified certificate: ||y_u - y_v|| <= gamma ||u - v|| over every horizon, from the same initial state.

    Args:
        system: a `StateSpace`, an `Interconnection`, or an object whose `network` is one.
        kind: "incremental", or "l2": about any operating point, which the incremental gain implies.
        method: for linear layers: "cauchy" (modes), "riccati" or "lmi" (any A); "auto" takes "cauchy" where A is block
            diagonal and "riccati" elsewhere.
        gamma: the bound to prove; the smallest one found if None.
        lower: whether to search for a bad input too.
        eps: relative slack above the H-infinity norm of a linear layer; None chooses.
        model_sha256: SHA-256 (hex) of the model file the numbers come from, kept in the certificate; by default the
            digest of `system` where that is a fitted model.
        arithmetic: of `verify`, which ends this; None: "ball", and "float" where a linear layer has more than
            `BALL_LIMIT` modes, which would take balls longer than the search.

    Raises:
        NotCertifiableError: a layer has no finite gain; it is named.
        CertificateError: gamma was not proved; the smallest proved one is named.
        OptionError: an unknown kind or method, gamma or eps not a finite number > 0.
    """
    _check_options(kind, method, gamma, eps)
    network = chain_of(system)
    names = {id(layer): name for name, layer in network.dynamic_layers().items()}
    search = Search(method, eps, names)
    claims, product = _search_chain(network.layers, search, "layers")
    if gamma is not None and not product <= exact(gamma) and eps is None:
        claims, product = _search_chain(network.layers, replace(search, eps=1e-7), "layers")
    smallest = _finite(product, "the product of all gains")
    if gamma is not None and not product <= exact(gamma):
        raise CertificateError(f"gamma = {gamma!r} is not proved; the smallest gain proved is {smallest!r}")
    bound = smallest if gamma is None else float(gamma)
    evidence = _evidence(network, kind, bound, search.brackets) if lower else None
    if model_sha256 is None:
        model_sha256 = model_digest(system)
    if arithmetic is None:
        states = max((layer.n_x for layer in network.dynamic_layers().values()), default=0)
        arithmetic = "float" if states > 2 * BALL_LIMIT else "ball"
    certificate = Certificate(kind, bound, network, "product", claims, evidence, model_sha256, _versions())
    return verify(certificate, arithmetic=arithmetic)


def _search_chain(layers: Sequence[Layer], search: Search, path: str) -> tuple[tuple[Claim, ...], Fraction]:
    """(claims, product of their gains); a refusal names the layer."""
    claims = []
    product = Fraction(1)
    for i, layer in enumerate(layers):
        name = search.name(layer, f"{path}.{i}")
        if type(layer) not in CERTIFIERS:
            known = ", ".join(sorted(cls.__name__ for cls in CERTIFIERS))
            raise NotCertifiableError(f"{name}: no gain is known for this type of layer; known: {known}")
        try:
            claim = CERTIFIERS[type(layer)](layer, search, f"{path}.{i}")
            product *= exact(claim.gain)
        except NotCertifiableError:
            raise
        except CertificateError as error:
            raise CertificateError(f"{name}: {error}") from None
        claims.append(claim)
        _finite(product, name)
    return tuple(claims), product


def _dynamic(layer: Dynamic, search: Search, path: str) -> Claim:
    """Cauchy or dense storage, see `certify`."""
    G, name = layer.G, search.name(layer, path)
    if not is_schur(G):
        pole = complex(poles(G)[0])
        where = "on" if abs(pole) == 1 else "outside"
        shown = f"{pole.real:.10g}" if pole.imag == 0 else f"{pole:.10g}"
        raise NotCertifiableError(f"{name}: pole {shown} {where} the unit circle, no finite gain")
    bracket = search.brackets[id(layer)] = hinf(G, upper=False)
    G, k, b = unit_size(G)
    return original_size(_linear_claim(G, ldexp(bracket.lower, -(k + b)), search, name), k, b)


def _linear_claim(G: StateSpace, norm: float, search: Search, name: str) -> Claim:
    method = search.method
    if method == "auto":
        method = "cauchy" if G.modes is not None and G.n_x else "riccati"
    if method == "cauchy":
        if G.modes is None:
            raise OptionError(f"{name}: method 'cauchy' needs a block-diagonal A; use 'riccati' or 'lmi'")
        eps = search.eps or (1e-6 if G.n_x <= cauchy.DOUBLING_LIMIT else 1e-3)
        w = cauchy.search(G.modes, norm, eps)
        witness = {"delta": w.delta, "C2_real": w.C2.real, "C2_imag": w.C2.imag, "Y": w.Y}
        return Claim("cauchy", w.gain, witness)
    gain, P = lmi.storage(G) if method == "lmi" and G.n_x else riccati.storage(G, search.eps or 1e-6)
    return Claim("storage", gain, {"P": P})


def _affine(layer: Affine, search: Search, path: str) -> Claim:
    """The spectral norm of W."""
    return Claim("norm", spectral_norm(layer.W))


def _contractive(layer: Contractive, search: Search, path: str) -> Claim:
    """max(1 - c a s^2, c b s^2 - 1) for slopes in [a, b] and ||W|| <= s."""
    s = spectral_norm(layer.W)
    sigma, cs2 = ACTIVATIONS[layer.activation], exact(layer.c) * exact(s) ** 2
    candidates = (1 - cs2 * exact(min(sigma.slope_min, 0.0)), cs2 * exact(max(sigma.slope_max, 0.0)) - 1)
    return Claim("slope", max(smallest_float(x) for x in candidates), {"norms": np.array([[s]])})


def _perceptron(layer: Perceptron, search: Search, path: str) -> Claim:
    """By the norms, s1 s2 Lip(sigma), or by a diagonal multiplier where that proves less."""
    sigma = ACTIVATIONS[layer.activation]
    s1, s2 = spectral_norm(layer.W1), spectral_norm(layer.W2)
    by_norms = smallest_float(exact(s1) * exact(s2) * exact(sigma.lipschitz))
    T, estimate = multiplier.search(layer.W1, layer.W2, sigma)
    for slack in (1e-10, 1e-8, 1e-6):
        gain = estimate * (1 + slack)
        if not 0 < gain < by_norms:
            break
        claim = Claim("multiplier", gain, {"T": T[:, None]})
        with contextlib.suppress(CertificateError), FLOAT.session():
            check_multiplier(layer, claim, path, FLOAT)
            return claim
    return Claim("norms", by_norms, {"norms": np.array([[s1, s2]])})


def _gated(layer: Gated, search: Search, path: str) -> Claim:
    """||[W; V / 4]|| for the bounded form; the other has no gain."""
    if layer.activation != "tanh":
        raise NotCertifiableError(
            f"{search.name(layer, path)}: (W u + b) * g(V u + c) has slopes that grow with u, so no finite gain, "
            "neither between any two inputs nor about any operating point; use its bounded form "
            "tanh(W u + b) * g(V u + c), or a contractive, sandwich or orthogonal layer"
        )
    return Claim("diamond", smallest_gain(lambda arithmetic: gated_matrix(layer.W, layer.V, arithmetic.embed)))


def _residual(layer: Residual, search: Search, path: str) -> Claim:
    """1 + the product of the gains inside."""
    claims, product = _search_chain(layer.layers, search, path)
    return Claim("sum", _finite(1 + product, search.name(layer, path)), {}, claims)


CERTIFIERS: dict[type[Layer], Callable[[Any, Search, str], Claim]] = {
    Affine: _affine,
    Dynamic: _dynamic,
    Contractive: _contractive,
    Perceptron: _perceptron,
    Gated: _gated,
    Residual: _residual,
}


def _finite(x: Fraction, name: str) -> float:
    """x rounded up, or a NotCertifiableError that names the layer."""
    try:
        return smallest_float(x)
    except CertificateError:
        raise NotCertifiableError(f"{name}: the product of gains leaves the range of float64, no finite gain") from None


def _evidence(network: Interconnection, kind: str, gamma: float, brackets: dict[int, HinfBracket]) -> LowerBound:
    """The worst input found; a gain above the proved one would be a contradiction, and is an error."""
    found = lower_bound(network, kind, brackets.get(id(network.layers[0])))
    if not found.gain <= gamma:
        raise CertificateError(f"a gain of {found.gain!r} was found ({found.description}) above gamma = {gamma!r}")
    return found


def _versions() -> dict[str, str]:
    """The programs that made the certificate."""
    versions = {"python": platform.python_version(), "numpy": np.__version__, "python-flint": flint.__version__}
    try:
        versions["l2ssm"] = metadata.version("l2ssm")
    except metadata.PackageNotFoundError:
        versions["l2ssm"] = "not installed"
    return versions


def _check_options(kind: str, method: str, gamma: float | None, eps: float | None) -> None:
    if kind not in MEANINGS:
        raise OptionError(f"kind is {kind!r}, expected one of {', '.join(MEANINGS)}")
    if method not in METHODS:
        raise OptionError(f"method is {method!r}, expected one of {', '.join(METHODS)}")
    for name, value in (("gamma", gamma), ("eps", eps)):
        if value is not None:
            positive(name, value)
