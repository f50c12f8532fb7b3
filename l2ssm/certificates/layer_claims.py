"""The gain of every layer of a chain, one by one, with the witness that proves it. Untrusted search."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ldexp
from typing import Any

import numpy as np

from l2ssm.certificates import cauchy, lmi, multiplier, riccati, supply_search
from l2ssm.certificates.certificate import AT_REST, Claim
from l2ssm.certificates.midrad import FLOAT
from l2ssm.certificates.rigorous import exact
from l2ssm.certificates.scaling import original_size, unit_size
from l2ssm.certificates.smallest import smallest_float, smallest_gain, spectral_norm
from l2ssm.certificates.static_gain import gated_matrix
from l2ssm.certificates.supply import SUPPLIES
from l2ssm.certificates.supply_search import FROM_REST
from l2ssm.certificates.verify import check_multiplier, check_supply
from l2ssm.errors import CertificateError, NotCertifiableError, OptionError
from l2ssm.systems.activations import ACTIVATIONS
from l2ssm.systems.hinf import HinfBracket, hinf
from l2ssm.systems.layers import (
    Affine,
    Attention,
    Clocked,
    Contractive,
    Dynamic,
    Gated,
    Layer,
    Perceptron,
    Product,
    Residual,
    RMSNorm,
    Selective,
)
from l2ssm.systems.state_space import StateSpace

WITNESSES = ("cauchy", "riccati", "lmi")
"""Methods for linear layers."""


@dataclass(frozen=True)
class Search:
    """How hard to look.

    Attributes:
        method: for linear layers one of `WITNESSES`, anything else for the one that fits.
        eps: relative slack above the H-infinity norm; None: 1e-6, of more than 256 modes 1e-3.
        names: what errors call each linear layer.
        rest: whether gains from rest are enough.
        brackets: the norm of each linear layer that was searched, its lower end at least.
    """

    method: str
    eps: float | None
    names: dict[int, str]
    rest: bool = False
    brackets: dict[int, HinfBracket] = field(default_factory=dict)

    def name(self, layer: Layer, path: str) -> str:
        """block0, block1, ... for linear layers; the place in the chain and the type for others."""
        return self.names.get(id(layer), f"{path} ({type(layer).__name__})")


def search_chain(layers: Sequence[Layer], search: Search, path: str) -> tuple[tuple[Claim, ...], Fraction]:
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
        finite(product, name)
    return tuple(claims), product


def _dynamic(layer: Dynamic | Clocked, search: Search, path: str) -> Claim:
    """Cauchy or dense storage, see `certify`."""
    G, name = layer.G, search.name(layer, path)
    bracket = search.brackets[id(layer)] = hinf(G, upper=False)
    G, k, b = unit_size(G)
    return original_size(_linear_claim(G, ldexp(bracket.lower, -(k + b)), search, name), k, b)


def _linear_claim(G: StateSpace, norm: float, search: Search, name: str) -> Claim:
    method = search.method
    if method not in WITNESSES:
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
    constant = not (np.any(layer.W1) and np.any(layer.W2))
    T, estimate = (layer.b1, 0.0) if constant else multiplier.search(layer.W1, layer.W2, sigma)
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
    claims, product = search_chain(layer.layers, search, path)
    method = "sum at rest" if any(claim.method.endswith(AT_REST) for claim in claims) else "sum"
    return Claim(method, finite(1 + product, search.name(layer, path)), {}, claims)


def _rms_norm(layer: RMSNorm, search: Search, path: str) -> Claim:
    """max |scale| / sqrt(eps)."""
    gain = float(np.max(np.abs(layer.scale)) / np.sqrt(layer.eps[0]))
    return Claim("slope", max(gain * (1 + 1e-15), float(np.finfo(float).tiny)))


def _selective(layer: Selective, search: Search, path: str) -> Claim:
    """By a storage function that holds whatever the input chooses."""
    name = search.name(layer, path)
    if not search.rest and type(layer.core) in SUPPLIES:
        raise NotCertifiableError(
            f"{name}: the input chooses the coefficients of a Selective layer, so no gain between two inputs; "
            "kind='l2' bounds the gain from rest, where nothing before it has a bias"
        )
    p, estimate = supply_search.search(layer, name)
    for slack in (1e-9, 1e-8, 1e-7, 1e-6, 1e-4):
        claim = Claim("supply at rest", estimate * (1 + slack), {"p": p})
        with contextlib.suppress(CertificateError), FLOAT.session():
            check_supply(layer, claim, path, FLOAT)
            return claim
    raise CertificateError(f"a storage function for the gain {estimate:.6g} was found, but not proved")


def _clocked(layer: Clocked, search: Search, path: str) -> Claim:
    """By any storage function of the linear system."""
    if not search.rest:
        raise NotCertifiableError(
            f"{search.name(layer, path)}: the input sets the clock of a Clocked layer, so no gain between two inputs; "
            "kind='l2' bounds the gain from rest, where nothing before it has a bias"
        )
    claim = _dynamic(layer, search, path)
    return replace(claim, method=f"{claim.method} {AT_REST}")


def _product(layer: Product, search: Search, path: str) -> Claim:
    """None: quadratic in the input where neither branch is bounded."""
    raise NotCertifiableError(
        f"{search.name(layer, path)}: a product of two branches grows with the square of its input where neither is "
        "bounded, so no gain of any kind is proved for one; use the scaffold 'residual' or 'series' with a static "
        f"layer of gain 1 ('gated' is the bounded gate tanh * g) and a linear cell, or from rest {FROM_REST}"
    )


def _attention(layer: Attention, search: Search, path: str) -> Claim:
    """None: the slope of the weights grows with the queries and keys; see docs/selective.md for the gain from rest."""
    raise NotCertifiableError(
        f"{search.name(layer, path)}: the weights of attention change the faster the larger the input is, so no gain "
        "between two inputs, and the one from rest, ||V|| sqrt(heads (window + 1)), is not proved here; use a "
        f"recurrent layer: a linear cell, or from rest {FROM_REST}"
    )


CERTIFIERS: dict[type[Layer], Callable[[Any, Search, str], Claim]] = {
    Affine: _affine,
    Dynamic: _dynamic,
    Contractive: _contractive,
    Perceptron: _perceptron,
    Gated: _gated,
    Residual: _residual,
    RMSNorm: _rms_norm,
    Selective: _selective,
    Clocked: _clocked,
    Product: _product,
    Attention: _attention,
}


def finite(x: Fraction, name: str) -> float:
    """x rounded up, or a NotCertifiableError that names the layer."""
    try:
        return smallest_float(x)
    except CertificateError:
        raise NotCertifiableError(f"{name}: the product of gains leaves the range of float64, no finite gain") from None
