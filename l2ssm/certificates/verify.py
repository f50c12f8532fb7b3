"""`verify`: check a certificate from its own numbers, in rigorous arithmetic. Part of the trusted base.

The proof `product`: the gain of a chain is at most the product of the gains of the runs of layers it is made of. The
gain of a single layer rests on one theorem, an entry of `CHECKERS`, that of a longer run on the matrix inequality of
`joint`: a checker returns or raises, and nothing else counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.certificates.balls import BALL
from l2ssm.certificates.bounded_real import bounded_real_matrix, cauchy_matrix
from l2ssm.certificates.certificate import AT_REST, JOINT, JOINT_AT_REST, Certificate, Claim, chain_of, model_digest
from l2ssm.certificates.evidence import assert_attained
from l2ssm.certificates.flatten import constraints_of, rests
from l2ssm.certificates.joint import assert_joint
from l2ssm.certificates.midrad import FLOAT
from l2ssm.certificates.rational import EXACT
from l2ssm.certificates.rigorous import Arithmetic, assert_schur, exact
from l2ssm.certificates.static_gain import gated_matrix, multiplier_matrix
from l2ssm.certificates.supply import SUPPLIES, supply_matrix
from l2ssm.errors import CertificateError, MalformedCertificateError, OptionError
from l2ssm.systems.activations import ACTIVATIONS
from l2ssm.systems.layers import (
    Affine,
    Clocked,
    Contractive,
    Dynamic,
    Gated,
    Layer,
    Perceptron,
    Residual,
    RMSNorm,
    Selective,
)

ARITHMETICS: dict[str, Arithmetic] = {"ball": BALL, "float": FLOAT, "exact": EXACT}


def verify(certificate: Certificate | str | Path, model: Any = None, arithmetic: str = "ball") -> Certificate:
    """The certificate, verified: every claim proved again from the numbers it holds, about `model` if one is given.

    Args:
        certificate: the object, or the path of its file.
        model: what it should be about: a `StateSpace`, an `Interconnection`, an object with a `network`, or the path of
            a model file, whose SHA-256 must be that in the certificate if it holds one.
        arithmetic: "ball" (python-flint, 128 bit), "float" (float64 with error bounds: the fastest, refuses what it
            cannot decide) or "exact" (rationals: small systems).

    Raises:
        MalformedCertificateError: it cannot be read.
        CertificateError: refuted, not proved, or about another model.
        OptionError: an unknown arithmetic.
    """
    if arithmetic not in ARITHMETICS:
        raise OptionError(f"arithmetic is {arithmetic!r}, expected one of {', '.join(ARITHMETICS)}")
    checked = _fresh(certificate) if isinstance(certificate, Certificate) else Certificate.load(certificate)
    if not checked.gamma > 0:
        raise CertificateError(f"gamma is {checked.gamma}, expected a number > 0")
    if checked.proof not in PROOFS:
        raise CertificateError(f"unknown proof {checked.proof!r}; known: {', '.join(PROOFS)}")
    with ARITHMETICS[arithmetic].session():
        PROOFS[checked.proof](checked, ARITHMETICS[arithmetic])
    assert_attained(checked)
    if model is not None:
        _check_model(checked, model)
    object.__setattr__(checked, "verified_in", ARITHMETICS[arithmetic].description)
    return checked


def check_product(certificate: Certificate, arithmetic: Arithmetic) -> None:
    """Every claim holds and their product is at most gamma, or CertificateError."""
    rest = certificate.kind == "l2"
    gain = check_chain(certificate.network.layers, certificate.claims, "layers", arithmetic, rest)
    if not gain <= exact(certificate.gamma):
        raise CertificateError(f"gamma = {certificate.gamma!r} is below the product of the gains")


def check_chain(
    layers: Sequence[Layer], claims: Sequence[Claim], name: str, arithmetic: Arithmetic, rest: bool = False
) -> Fraction:
    """The product of the gains of the runs, each of them proved; CertificateError otherwise.

    Args:
        layers: the chain.
        claims: one a run of layers, in order, all layers covered.
        name: of the chain in errors.
        arithmetic: in which to compute.
        rest: whether gains from rest are enough; a run is from rest if all layers before it are zero at rest.
    """
    if any(claim.layers < 1 for claim in claims) or sum(claim.layers for claim in claims) != len(layers):
        raise CertificateError(f"{name} has {len(layers)} layers, the claims are about {[c.layers for c in claims]}")
    product, first = exact(1.0), 0
    for claim in claims:
        run, where = layers[first : first + claim.layers], f"{name}.{first}"
        if not claim.gain > 0:
            raise CertificateError(f"{where}: the gain is {claim.gain}, expected a number > 0")
        if claim.method.endswith(AT_REST) and not (rest and rests(layers[:first])):
            raise CertificateError(f"{where}: {claim.method!r} needs kind 'l2' and layers before it that are at rest")
        if claim.method in (JOINT, JOINT_AT_REST):
            check_joint(run, claim, where, arithmetic)
        elif (type(run[0]), claim.method) not in CHECKERS or len(run) != 1:
            types = " and ".join(type(layer).__name__ for layer in run)
            raise CertificateError(f"{where}: no theorem {claim.method!r} for a {types}")
        else:
            CHECKERS[type(run[0]), claim.method](run[0], claim, where, arithmetic)
        product *= exact(claim.gain)
        first += claim.layers
    return product


def check_joint(run: Sequence[Layer], claim: Claim, name: str, arithmetic: Arithmetic) -> None:
    """P > 0, admissible multipliers and M(P, T, gain) > 0 for the M of `joint.joint_matrix`."""
    rest = claim.method == JOINT_AT_REST
    count = len(constraints_of(run, rest)[0])
    P, *multipliers = _witness(claim, name, "P", *(f"T{i}" for i in range(count)))
    assert_joint(run, rest, P, multipliers, claim.gain, name, arithmetic)


def check_cauchy(layer: Dynamic | Clocked, claim: Claim, name: str, arithmetic: Arithmetic) -> None:
    """|lam_i| < 1, delta > 0 and T < gain^2 I for the T of `bounded_real.cauchy_matrix`; see `Clocked` for those."""
    modes = layer.G.modes
    if modes is None:
        raise CertificateError(f"{name}: a Cauchy witness needs a block-diagonal A")
    n, m = modes.B.shape
    delta, real, imag, Y = _witness(claim, name, "delta", "C2_real", "C2_imag", "Y")
    r = Y.shape[0]
    _expect(name, delta=(delta, (n, 1)), C2_real=(real, (r, n)), C2_imag=(imag, (r, n)), Y=(Y, (r, m)))
    assert_schur(modes.lam)
    if not np.all(delta > 0):
        raise CertificateError(f"{name}: delta is not positive")
    lam, C2 = modes.lam[:, None], real + 1j * imag
    T = cauchy_matrix(*(arithmetic.embed(M) for M in (lam, modes.B, modes.C, modes.D, delta, C2, Y)))
    arithmetic.assert_gain(T, claim.gain, name)


def check_storage(layer: Dynamic | Clocked, claim: Claim, name: str, arithmetic: Arithmetic) -> None:
    """P = P' > 0 and the bounded-real matrix M(P, gain) < 0; see `Clocked` for those."""
    G = layer.G
    (P,) = _witness(claim, name, "P")
    _expect(name, P=(P, (G.n_x, G.n_x)))
    if not np.array_equal(P, P.T):
        raise CertificateError(f"{name}: P is not symmetric")
    arithmetic.assert_positive_definite(arithmetic.embed(P), f"P of {name}")
    M = bounded_real_matrix(G.A, G.B, G.C, G.D, P, exact(claim.gain) ** 2, arithmetic.embed)
    arithmetic.assert_positive_definite(M * -1, f"-M(P, gain) of {name}")


def check_affine(layer: Affine, claim: Claim, name: str, arithmetic: Arithmetic) -> None:
    """||W||_2 < gain."""
    _witness(claim, name)
    arithmetic.assert_gain(arithmetic.gram(layer.W), claim.gain, name)


def check_contractive(layer: Contractive, claim: Claim, name: str, arithmetic: Arithmetic) -> None:
    """||W||_2 < s and max(1 - c a s^2, c b s^2 - 1) <= gain, slopes within [a, b], a <= 0 <= b.

    A difference of outputs is (I - c W'SW)(u - v) with S diagonal within [a, b]: symmetric, its eigenvalues lie within
    [1 - c b s^2, 1 - c a s^2].
    """
    (s,) = _norms(claim, name, 1)
    arithmetic.assert_gain(arithmetic.gram(layer.W), s, name)
    slopes, cs2 = ACTIVATIONS[layer.activation], exact(layer.c) * exact(s) ** 2
    below, above = exact(min(slopes.slope_min, 0.0)), exact(max(slopes.slope_max, 0.0))
    if not (1 - cs2 * below <= exact(claim.gain) and cs2 * above - 1 <= exact(claim.gain)):
        raise CertificateError(f"{name}: the gain of the Contractive layer exceeds {claim.gain}")


def check_perceptron(layer: Perceptron, claim: Claim, name: str, arithmetic: Arithmetic) -> None:
    """||W1||_2 < s1, ||W2||_2 < s2 and s1 s2 Lip(sigma) <= gain."""
    s1, s2 = _norms(claim, name, 2)
    arithmetic.assert_gain(arithmetic.gram(layer.W1), s1, f"W1 of {name}")
    arithmetic.assert_gain(arithmetic.gram(layer.W2), s2, f"W2 of {name}")
    if not exact(s1) * exact(s2) * exact(ACTIVATIONS[layer.activation].lipschitz) <= exact(claim.gain):
        raise CertificateError(f"{name}: the gain of the Perceptron exceeds {claim.gain}")


def check_multiplier(layer: Perceptron, claim: Claim, name: str, arithmetic: Arithmetic) -> None:
    """T >= 0 diagonal and M(T, gain) > 0 for the M of `static_gain.multiplier_matrix`."""
    (T,) = _witness(claim, name, "T")
    _expect(name, T=(T, layer.b1[:, None].shape))
    if not np.all(T >= 0):
        raise CertificateError(f"{name}: the multiplier is not >= 0")
    sigma = ACTIVATIONS[layer.activation]
    M = multiplier_matrix(layer.W1, layer.W2, T, sigma, exact(claim.gain) ** 2, arithmetic.embed)
    arithmetic.assert_positive_definite(M, f"M(T, gain) of {name}")


def check_gated(layer: Gated, claim: Claim, name: str, arithmetic: Arithmetic) -> None:
    """phi = tanh and T < gain^2 I for the T of `static_gain.gated_matrix`."""
    _witness(claim, name)
    if layer.activation != "tanh":
        raise CertificateError(f"{name}: a Gated layer with the value {layer.activation!r} has no incremental gain")
    arithmetic.assert_gain(gated_matrix(layer.W, layer.V, arithmetic.embed), claim.gain, name)


def check_residual(layer: Residual, claim: Claim, name: str, arithmetic: Arithmetic) -> None:
    """1 + the product of the gains inside <= gain."""
    _witness(claim, name, inner=True)
    if not 1 + check_chain(layer.layers, claim.inner, name, arithmetic) <= exact(claim.gain):
        raise CertificateError(f"{name}: 1 + the gain of the chain inside exceeds {claim.gain}")


def check_residual_at_rest(layer: Residual, claim: Claim, name: str, arithmetic: Arithmetic) -> None:
    """As `check_residual`, with gains from rest inside."""
    _witness(claim, name, inner=True)
    if not 1 + check_chain(layer.layers, claim.inner, name, arithmetic, True) <= exact(claim.gain):
        raise CertificateError(f"{name}: 1 + the gain of the chain inside exceeds {claim.gain}")


def check_rms_norm(layer: RMSNorm, claim: Claim, name: str, arithmetic: Arithmetic) -> None:
    """scale^2 <= gain^2 eps for every channel, in exact rationals."""
    _witness(claim, name)
    if not all(exact(s) ** 2 <= exact(claim.gain) ** 2 * exact(float(layer.eps[0])) for s in layer.scale.tolist()):
        raise CertificateError(f"{name}: the gain of the RMSNorm exceeds {claim.gain}")


def check_supply(layer: Selective, claim: Claim, name: str, arithmetic: Arithmetic) -> None:
    """p > 0 and M > 0 for the M of `supply.supply_matrix`, the core being one that makes no energy."""
    (p,) = _witness(claim, name, "p")
    if type(layer.core) not in SUPPLIES:
        raise CertificateError(f"{name}: nothing bounds the energy of a {type(layer.core).__name__}")
    _expect(name, p=(p, (layer.core.n_memories, 1)))
    if not np.all(p > 0):
        raise CertificateError(f"{name}: the weights of the storage function are not positive")
    M = supply_matrix(layer, p, exact(claim.gain) ** 2, arithmetic.embed)
    arithmetic.assert_positive_definite(M, f"M(p, gain) of {name}")


CHECKERS: dict[tuple[type[Layer], str], Callable[[Any, Claim, str, Arithmetic], None]] = {
    (Affine, "norm"): check_affine,
    (Dynamic, "cauchy"): check_cauchy,
    (Dynamic, "storage"): check_storage,
    (Contractive, "slope"): check_contractive,
    (Perceptron, "norms"): check_perceptron,
    (Perceptron, "multiplier"): check_multiplier,
    (Gated, "diamond"): check_gated,
    (Residual, "sum"): check_residual,
    (Residual, "sum at rest"): check_residual_at_rest,
    (RMSNorm, "slope"): check_rms_norm,
    (Selective, "supply at rest"): check_supply,
    (Clocked, "cauchy at rest"): check_cauchy,
    (Clocked, "storage at rest"): check_storage,
}
PROOFS: dict[str, Callable[[Certificate, Arithmetic], None]] = {"product": check_product}


def _witness(claim: Claim, name: str, *fields: str, inner: bool = False) -> list[NDArray[np.float64]]:
    """The arrays of exactly these names, each with two axes."""
    if set(claim.witness) != set(fields) or (claim.inner and not inner):
        raise CertificateError(f"{name}: the witness has {sorted(claim.witness)}, expected {sorted(fields)}")
    arrays = [claim.witness[field] for field in fields]
    if any(M.ndim != 2 for M in arrays):
        raise CertificateError(f"{name}: every array of the witness needs two axes")
    return arrays


def _norms(claim: Claim, name: str, count: int) -> list[float]:
    (norms,) = _witness(claim, name, "norms")
    _expect(name, norms=(norms, (1, count)))
    return [float(s) for s in norms[0]]


def _expect(name: str, **arrays: tuple[NDArray[np.float64], tuple[int, int]]) -> None:
    for field, (M, shape) in arrays.items():
        if M.shape != shape:
            raise CertificateError(f"{name}: {field} has shape {M.shape}, expected {shape}")


def _fresh(certificate: Certificate) -> Certificate:
    """The certificate as it would be read from its file: nothing is checked that is not in the file."""
    try:
        text = certificate.to_json()
    except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise MalformedCertificateError(f"the certificate cannot be written: {error!r}") from None
    return Certificate.from_json(text)


def _check_model(certificate: Certificate, model: Any) -> None:
    """The certificate is about this system, and about this model file; CertificateError otherwise."""
    if isinstance(model, (str, Path)):
        from l2ssm.identification.model import load

        model = load(model)
    found = model_digest(model)
    if certificate.model_sha256 is not None and found is not None and certificate.model_sha256 != found:
        raise CertificateError(
            f"the certificate is about the model file {certificate.model_sha256[:12]}..., not {found[:12]}..."
        )
    claimed, digest = certificate.digest, chain_of(model).digest
    if claimed != digest:
        raise CertificateError(f"the certificate is about the system {claimed[:12]}..., not {digest[:12]}...")
