"""The certificate as a JSON text: numbers as hex floats, one text for one certificate. Part of the trusted base.

Reading is strict: the text must be, byte for byte, what writing the certificate read from it gives. So nothing is
reordered, repeated, left out, added or spelt otherwise, and every derived line (summary, units, digests) is true.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.certificates.certificate import Certificate, Claim, LowerBound
from l2ssm.certificates.statement import ARITHMETIC, KINDS, MEANINGS, NOT_COVERED, gain_unit, sense, summary
from l2ssm.errors import CertificateError, MalformedCertificateError, RealizationError
from l2ssm.systems.interconnection import Interconnection

FORMAT, SCHEMA = "l2ssm certificate", 3
MAX_CHARACTERS = 2**30


def encode(certificate: Certificate) -> str:
    """The text of a certificate: JSON in ASCII, keys sorted, ending with a line feed."""
    structure, arrays = certificate.network.describe()
    lower = certificate.lower
    document: dict[str, Any] = {
        "format": FORMAT,
        "schema": SCHEMA,
        "kind": certificate.kind,
        "gamma": float(certificate.gamma).hex(),
        "unit": gain_unit(certificate),
        "lower": None if lower is None else _lower_out(lower),
        "model_sha256": certificate.model_sha256,
        "proof": {"method": certificate.proof, "claims": [_claim_out(claim) for claim in certificate.claims]},
        "system": {
            "structure": structure,
            "arrays": {name: _array_out(M) for name, M in arrays.items()},
            "sha256": certificate.digest,
        },
        "created": dict(certificate.created),
        "statement": {
            "summary": list(summary(certificate)),
            "meaning": MEANINGS[sense(certificate)],
            "arithmetic": ARITHMETIC,
            "not_covered": list(NOT_COVERED),
        },
    }
    document["sha256"] = _sha256(document)
    return json.dumps(document, sort_keys=True, ensure_ascii=True, indent=1, allow_nan=False) + "\n"


def decode(text: str) -> Certificate:
    """The certificate of a text made by `encode`. Its claims are not checked here: that is `verify`.

    Raises:
        MalformedCertificateError: not JSON, another format or schema, missing, unknown or ill-typed fields, sizes that
            do not fit, non-finite numbers, another order or spelling.
        CertificateError: a well-formed text whose content is not that of its SHA-256.
    """
    try:
        if len(text) > MAX_CHARACTERS:
            raise ValueError(f"{len(text)} characters, more than {MAX_CHARACTERS}")
        document = json.loads(text, parse_float=_refuse, parse_constant=_refuse)
        if _get(document, "format", str) != FORMAT or _get(document, "schema", int) != SCHEMA:
            raise ValueError(f"format {document['format']!r}, schema {document['schema']}; expected {SCHEMA}")
        _check_digests(document)
        certificate = _read(document)
        if encode(certificate) != text:
            raise ValueError("the text is not the one l2ssm writes for its content: reordered, reformatted or extended")
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError, RealizationError) as error:
        raise MalformedCertificateError(f"not a readable certificate: {error}") from None
    return certificate


def _check_digests(document: dict[str, Any]) -> None:
    rest = {key: value for key, value in document.items() if key != "sha256"}
    if _get(document, "sha256", str) != _sha256(rest):
        raise CertificateError("the certificate was altered: its content does not have the SHA-256 it states")


def _read(document: dict[str, Any]) -> Certificate:
    kind, lower, model = _get(document, "kind", str), document["lower"], document["model_sha256"]
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}, expected one of {', '.join(KINDS)}")
    if model is not None and not (isinstance(model, str) and re.fullmatch("[0-9a-f]{64}", model)):
        raise ValueError(f"model_sha256 is {model!r}, expected 64 hexadecimal digits or null")
    system, proof = _get(document, "system", dict), _get(document, "proof", dict)
    arrays = {name: _array_in(M) for name, M in _get(system, "arrays", dict).items()}
    network = Interconnection.build(_get(system, "structure", dict), arrays)
    if network.digest != _get(system, "sha256", str):
        raise CertificateError("the numbers of the system are not those of the SHA-256 it states")
    created = {str(key): _get(document["created"], key, str) for key in _get(document, "created", dict)}
    return Certificate(
        kind,
        _float_in(document["gamma"]),
        network,
        _get(proof, "method", str),
        tuple(_claim_in(claim) for claim in _get(proof, "claims", list)),
        None if lower is None else _lower_in(lower),
        model,
        MappingProxyType(created),
    )


def _lower_out(lower: LowerBound) -> dict[str, Any]:
    signals = {name: None if M is None else _array_out(M) for name, M in (("u", lower.u), ("du", lower.du))}
    return {"gain": float(lower.gain).hex(), "description": lower.description, **signals}


def _lower_in(entry: dict[str, Any]) -> LowerBound:
    u, du = (None if entry[name] is None else _array_in(entry[name]) for name in ("u", "du"))
    return LowerBound(_float_in(entry["gain"]), _get(entry, "description", str), u, du)


def _claim_out(claim: Claim) -> dict[str, Any]:
    return {
        "method": claim.method,
        "gain": float(claim.gain).hex(),
        "witness": {name: _array_out(M) for name, M in claim.witness.items()},
        "inner": [_claim_out(inner) for inner in claim.inner],
        "layers": claim.layers,
    }


def _claim_in(entry: dict[str, Any]) -> Claim:
    witness = {name: _array_in(M) for name, M in _get(entry, "witness", dict).items()}
    inner = tuple(_claim_in(claim) for claim in _get(entry, "inner", list))
    gain, layers = _float_in(entry["gain"]), _get(entry, "layers", int)
    return Claim(_get(entry, "method", str), gain, MappingProxyType(witness), inner, layers)


def _array_out(M: NDArray[np.float64]) -> dict[str, Any]:
    values = np.ascontiguousarray(M, dtype="<f8")
    digest = hashlib.sha256(values.tobytes()).hexdigest()
    return {"shape": list(values.shape), "values": [x.hex() for x in values.ravel().tolist()], "sha256": digest}


def _array_in(entry: dict[str, Any]) -> NDArray[np.float64]:
    """The array; its size is compared with the number of values before anything is allocated."""
    shape, values = _get(entry, "shape", list), _get(entry, "values", list)
    if not (len(shape) in (1, 2) and all(type(n) is int and n >= 0 for n in shape)):
        raise ValueError(f"the shape of an array is {shape}, expected one or two sizes")
    if math.prod(shape) != len(values):
        raise ValueError(f"an array of shape {shape} has {len(values)} values")
    M = np.array([_float_in(x) for x in values], dtype=np.float64).reshape(shape)
    M.setflags(write=False)  # with the mapping proxies: what `verify` has checked stays as it is
    return M


def _float_in(value: Any) -> float:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a number written as a hexadecimal float")
    number = float.fromhex(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a finite number")
    return number


def _get(entry: Any, key: str, kind: type) -> Any:
    """entry[key], of exactly this type."""
    if type(entry) is not dict or type(entry.get(key)) is not kind:
        raise ValueError(f"field {key!r} is missing or not of type {kind.__name__}")
    return entry[key]


def _refuse(literal: str) -> Any:
    raise ValueError(f"the number {literal} is not written as a hexadecimal float")


def _sha256(document: dict[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
