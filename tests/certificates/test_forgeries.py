"""Forged certificates: none is accepted, whoever recomputes which digest.

Mutants of the trusted base that were tried by hand, one at a time; each makes a test of this directory fail:

(`midrad` and `rational` have their own lists, in the tests of their names.)

verify        1 product above gamma allowed, 2 gains of any sign, 3 last gain instead of the product, 4 no Schur test,
              5 delta of any sign, 6 P not symmetric, 7 P of any sign, 8 gain^2 twice as large, 9 contractive norm not
              bounded, 10 slopes below zero ignored, 11 slopes above one ignored, 12 c s^2 - 1 ignored, 13 W2 not
              bounded, 14 Lipschitz constant of the activation ignored, 15 residual without its 1, 16 any number of
              claims, 17 lower bound above gamma, 18 another system, 19 another model file, 20 objects in memory not
              brought to the form of the file, 21 extra witness arrays
bounded_real  22 Q2 B not halved, 23 Y'Y forgotten, 24 C*D forgotten in H, 25 E transposed instead of adjoint, 26 C2
              likewise, 27 kernel of Q1 in Q2, 28 Pd without its denominator, 29 sign of P
rigorous      30 poles on the circle allowed, 31 rounding to nearest, 32 negative norms, 33 non-finite floats embedded
balls         34 Gershgorin without absolute values, 35 midpoints instead of balls, 36 no conjugation, 40 >= for >,
              41 the sign in 1 - a b, 42 a Fraction by its nearest float, 43 indices of a broadcast
document      37 SHA-256 of the content not compared, 38 text not compared with what writing gives
certificate   39 `verified` can be set by the caller
evidence      17 above, and in `test_falsify`: 44 u that is not at rest, 45 one signal of two, 46 no deviation, 47 a
              deviation lost in rounding, 48 and 49 margins of 1e-3 and 2^-3, 50 nothing compared, 51 and 52 shapes,
              53 signals beyond the range of float64

Without effect on what is accepted, because another guard holds (they give the better message): the separate checks of
the system's digest, schema number, kind, array size and finiteness in `document`, implied by 38 or `rigorous.embed`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from l2ssm.certificates import document as document_module
from l2ssm.certificates.certificate import Certificate, Claim, LowerBound
from l2ssm.certificates.compose import certify
from l2ssm.certificates.verify import ARITHMETICS, verify
from l2ssm.errors import CertificateError, MalformedCertificateError
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Contractive, Dynamic, Perceptron, Residual
from l2ssm.systems.state_space import StateSpace


@pytest.fixture(scope="module")
def block(request) -> Certificate:
    """A Cauchy certificate of a single block, whose gamma is within 1e-6 of the norm."""
    lam = np.array([0.9 * np.exp(0.4j), 0.8 * np.exp(2.0j), 0.5])
    B = np.array([[1.0, 0.5], [0.3j, 1.0], [1.0, 1j]])
    C = np.array([[1.0, -0.7j, 0.2], [0.3, 1.0, 1j]])
    return certify(StateSpace.from_modes(lam, B, C, [[0.1, 0.0], [0.0, -0.2]]))


@pytest.fixture(scope="module")
def dense_block() -> Certificate:
    """A storage certificate with a matrix P."""
    return certify(StateSpace([[0.5, 0.4], [-0.1, 0.8]], [[1.0], [0.5]], [[1.0, 1.0]], [[0.2]]))


@pytest.fixture(scope="module")
def net() -> Certificate:
    """Every type of layer."""
    rng = np.random.default_rng(0)
    G = StateSpace.from_modes([0.8 + 0.1j], np.ones((1, 2)), np.ones((2, 1)), np.zeros((2, 2)))
    layers = (
        Affine([[0.5], [0.2]], [0.1, 0.0]),
        Residual((Dynamic(G), Perceptron(np.eye(2), np.zeros(2), 0.5 * np.eye(2), np.zeros(2), "gelu"))),
        Contractive(rng.standard_normal((3, 2)), np.zeros(3), 2.0, "tanh"),
        Affine([[1.0, -1.0]], [0.0]),
    )
    return certify(Interconnection(layers, 1.0, ("u",), ("y",), ("V",), ("mm",)), method="product")


def refused(text: str, error: type[CertificateError] = CertificateError) -> None:
    with pytest.raises(error):
        verify(Certificate.from_json(text))


def resealed(document: dict) -> str:
    """The text with the outer SHA-256 recomputed: the forger knows the format."""
    content = {key: value for key, value in document.items() if key != "sha256"}
    sealed = {**content, "sha256": document_module._sha256(content)}
    return json.dumps(sealed, sort_keys=True, ensure_ascii=True, indent=1) + "\n"


def claims_changed(certificate: Certificate, change: Callable[[Claim], Claim], index: int = 0) -> Certificate:
    claims = list(certificate.claims)
    claims[index] = change(claims[index])
    return replace(certificate, claims=tuple(claims))


def witness_changed(certificate: Certificate, name: str, change: Callable) -> Certificate:
    return claims_changed(certificate, lambda c: replace(c, witness={**c.witness, name: change(c.witness[name])}))


def scaled_gain(certificate: Certificate, factor: float, index: int = 0) -> Certificate:
    """gamma and one claim lowered together, every digest right."""
    forged = claims_changed(certificate, lambda c: replace(c, gain=c.gain * factor), index)
    return replace(forged, gamma=forged.gamma * factor, lower=None)


def other_network(certificate: Certificate, factor: float) -> Certificate:
    """The same claims about a system with a larger gain, every digest right."""
    G = certificate.network.layers[0].G
    bigger = Dynamic(StateSpace(G.A, factor * G.B, G.C, factor * G.D))
    return replace(certificate, network=replace(certificate.network, layers=(bigger,)), lower=None)


# name -> (which certificate, forgery); the forged object is written with every digest right
FORGERIES: dict[str, tuple[str, Callable[[Certificate], Certificate]]] = {
    "gamma below the product": ("block", lambda c: replace(c, gamma=c.gamma * (1 - 1e-15), lower=None)),
    "gamma and gain below the norm by 1e-9": (
        "block",
        lambda c: scaled_gain(c, c.lower.gain / c.gamma * (1 - 1e-9)),
    ),
    "dense gain below the norm by 1e-9": (
        "dense_block",
        lambda c: scaled_gain(c, c.lower.gain / c.gamma * (1 - 1e-9)),
    ),
    "gamma NaN": ("block", lambda c: replace(c, gamma=float("nan"))),
    "gamma inf": ("block", lambda c: replace(c, gamma=float("inf"))),
    "gamma negative": ("block", lambda c: replace(c, gamma=-c.gamma)),
    "gamma zero": ("block", lambda c: replace(c, gamma=0.0)),
    "gamma subnormal": ("block", lambda c: replace(c, gamma=5e-324, lower=None)),
    "gain negative": ("block", lambda c: claims_changed(c, lambda k: replace(k, gain=-k.gain))),
    "gains negative twice": (
        "net",
        lambda c: claims_changed(
            claims_changed(c, lambda k: replace(k, gain=-k.gain)), lambda k: replace(k, gain=-k.gain), 3
        ),
    ),
    "dense gain negative": ("dense_block", lambda c: claims_changed(c, lambda k: replace(k, gain=-k.gain))),
    "gain subnormal": ("block", lambda c: scaled_gain(c, 5e-324)),
    "gain zero": ("block", lambda c: scaled_gain(c, 0.0)),
    "lower above gamma": ("block", lambda c: replace(c, lower=LowerBound(c.gamma * 1.01, "forged"))),
    "lower negative": ("block", lambda c: replace(c, lower=LowerBound(-1.0, "forged"))),
    "lower NaN": ("block", lambda c: replace(c, lower=LowerBound(float("nan"), "forged"))),
    "unknown kind": ("block", lambda c: replace(c, kind="strict")),
    "unknown proof": ("block", lambda c: replace(c, proof="trust me")),
    "unknown method": ("block", lambda c: claims_changed(c, lambda k: replace(k, method="lmi"))),
    "method of another layer type": ("block", lambda c: claims_changed(c, lambda k: Claim("norm", k.gain))),
    "no claims": ("block", lambda c: replace(c, claims=())),
    "a claim too many": ("block", lambda c: replace(c, claims=c.claims * 2)),
    "inner claims where there are no layers": (
        "block",
        lambda c: claims_changed(c, lambda k: replace(k, inner=c.claims)),
    ),
    "delta negated": ("block", lambda c: witness_changed(c, "delta", lambda v: -v)),
    "one delta negative": ("block", lambda c: witness_changed(c, "delta", lambda v: v * [[1], [-1], [1], [1]])),
    "one delta zero": ("block", lambda c: witness_changed(c, "delta", lambda v: v * [[1], [0], [1], [1]])),
    "delta subnormal": ("block", lambda c: witness_changed(c, "delta", lambda v: 0 * v + 5e-324)),
    "delta huge": ("block", lambda c: witness_changed(c, "delta", lambda v: 0 * v + 1e308)),
    "delta NaN": ("block", lambda c: witness_changed(c, "delta", lambda v: v * np.nan)),
    "delta too short": ("block", lambda c: witness_changed(c, "delta", lambda v: v[:2])),
    "delta a row": ("block", lambda c: witness_changed(c, "delta", lambda v: v.T)),
    "delta one-dimensional": ("block", lambda c: witness_changed(c, "delta", lambda v: v[:, 0])),
    "C2 forgotten": ("block", lambda c: witness_changed(c, "C2_real", lambda v: 0 * v)),
    "C2 perturbed": ("block", lambda c: witness_changed(c, "C2_imag", lambda v: v + 1e-3)),
    "C2 huge": ("block", lambda c: witness_changed(c, "C2_imag", lambda v: v * 1e300)),
    "C2 with another number of rows": ("block", lambda c: witness_changed(c, "C2_real", lambda v: v[:1])),
    "Y perturbed": ("block", lambda c: witness_changed(c, "Y", lambda v: v + 1e-2)),
    "Y of another width": ("block", lambda c: witness_changed(c, "Y", lambda v: v[:, :1])),
    "witness missing": (
        "block",
        lambda c: claims_changed(c, lambda k: replace(k, witness={"delta": k.witness["delta"]})),
    ),
    "witness with an extra array": (
        "block",
        lambda c: claims_changed(c, lambda k: replace(k, witness={**k.witness, "extra": np.ones((1, 1))})),
    ),
    "P negated": ("dense_block", lambda c: witness_changed(c, "P", lambda v: -v)),
    "P zero": ("dense_block", lambda c: witness_changed(c, "P", lambda v: 0 * v)),
    "P not symmetric": ("dense_block", lambda c: witness_changed(c, "P", lambda v: np.add(v, [[0, 1e-3], [0, 0]]))),
    "P of antisymmetric help": (
        "dense_block",
        lambda c: witness_changed(c, "P", lambda v: np.add(v, [[0, 1], [-1, 0]])),
    ),
    "P indefinite": ("dense_block", lambda c: witness_changed(c, "P", lambda v: v * [[1, 1], [1, -1]])),
    "P scaled": ("dense_block", lambda c: witness_changed(c, "P", lambda v: v * 0.99)),
    "P of another size": ("dense_block", lambda c: witness_changed(c, "P", lambda v: np.eye(3))),
    "P huge": ("dense_block", lambda c: witness_changed(c, "P", lambda v: v * 1e300)),
    "a larger system": ("block", lambda c: other_network(c, 1.0001)),
    "a larger dense system": ("dense_block", lambda c: other_network(c, 1.0001)),
    "a huge system": ("block", lambda c: other_network(c, 1e300)),
    "swapped layers with their claims": (
        "net",
        lambda c: replace(c, claims=(c.claims[0], c.claims[2], c.claims[1], c.claims[3])),
    ),
    "two affine claims swapped": (
        "net",
        lambda c: replace(c, claims=(c.claims[3], c.claims[1], c.claims[2], c.claims[0])),
    ),
    "affine gain": ("net", lambda c: scaled_gain(c, 1 - 1e-9, 3)),
    "residual gain": ("net", lambda c: scaled_gain(c, 1 - 1e-15, 1)),
    "residual without inner claims": ("net", lambda c: claims_changed(c, lambda k: replace(k, inner=()), 1)),
    "residual with a lower inner gain": (
        "net",
        lambda c: claims_changed(
            c, lambda k: replace(k, inner=(replace(k.inner[0], gain=k.inner[0].gain * 0.999), k.inner[1])), 1
        ),
    ),
    "perceptron with lower norms": (
        "net",
        lambda c: claims_changed(
            c,
            lambda k: replace(
                k, inner=(k.inner[0], replace(k.inner[1], witness={"norms": k.inner[1].witness["norms"] * 0.999}))
            ),
            1,
        ),
    ),
    "perceptron with a second norm of zero": (
        "net",
        lambda c: claims_changed(
            c,
            lambda k: replace(k, inner=(k.inner[0], replace(k.inner[1], witness={"norms": np.array([[2.0, 0.0]])}))),
            1,
        ),
    ),
    "perceptron with a lower gain": (
        "net",
        lambda c: claims_changed(
            c, lambda k: replace(k, inner=(k.inner[0], replace(k.inner[1], gain=k.inner[1].gain * (1 - 1e-9)))), 1
        ),
    ),
    "contractive gain": ("net", lambda c: scaled_gain(c, 1 - 1e-15, 2)),
    "contractive norm too small": (
        "net",
        lambda c: claims_changed(c, lambda k: replace(k, witness={"norms": k.witness["norms"] * 0.9}), 2),
    ),
    "contractive norm negative": (
        "net",
        lambda c: claims_changed(c, lambda k: replace(k, witness={"norms": -k.witness["norms"]}), 2),
    ),
    "model digest malformed": ("block", lambda c: replace(c, model_sha256="abc")),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forgeries_are_refused(name, request):
    """By every checker, also when every digest is right, and also from memory without a file."""
    which, forge = FORGERIES[name]
    honest = request.getfixturevalue(which)
    forged = forge(honest)
    assert not forged.verified
    for arithmetic in ARITHMETICS:
        assert verify(honest, arithmetic=arithmetic).verified
        with pytest.raises(CertificateError):
            verify(forged, arithmetic=arithmetic)
    try:
        text = forged.to_json()
    except (KeyError, ValueError):
        return
    refused(text)


def hex_numbers(text: str) -> list[tuple[int, int]]:
    return [m.span() for m in re.finditer(r"-?0x[0-9a-f.]+p[+-]\d+", text)]


@pytest.mark.parametrize("which", ["block", "dense_block", "net"])
def test_no_single_number_of_the_file_can_be_changed(which, request):
    """Every number in turn, by one digit and by much: altered. With the outer SHA-256 recomputed: only a true claim."""
    honest = request.getfixturevalue(which)
    text = honest.to_json()
    spans = hex_numbers(text)
    assert len(spans) > 10
    for start, stop in spans:
        value = float.fromhex(text[start:stop])
        for other in (np.nextafter(value, np.inf), -value - 1.0, value * 2 + 1e-300):
            changed = text[:start] + float(other).hex() + text[stop:]
            with pytest.raises(CertificateError, match="was altered") as error:
                verify(Certificate.from_json(changed))
            assert error.type is CertificateError  # refuted, not unreadable
            try:
                accepted = verify(Certificate.from_json(resealed(json.loads(changed))))
            except CertificateError:
                continue
            assert accepted.gamma >= honest.gamma  # one unit up in gamma, a gain or the lower bound: still true
            assert accepted.lower.gain <= accepted.gamma
            assert accepted.digest == honest.digest


@pytest.mark.parametrize("which", ["block", "dense_block", "net"])
def test_no_other_character_of_the_file_can_be_changed(which, request):
    """A sample of single-character edits: JSON punctuation, names, digests, sizes, sentences."""
    text = request.getfixturevalue(which).to_json()
    rng = np.random.default_rng(0)
    for position in rng.choice(len(text), 300, replace=False):
        other = "x" if text[position] != "x" else "y"
        refused(text[:position] + other + text[position + 1 :])
        refused(text[:position] + text[position + 1 :])


def leaves(node, path=()):
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, (*path, key))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from leaves(value, (*path, i))
    else:
        yield path


@pytest.mark.parametrize("which", ["block", "dense_block", "net"])
def test_no_field_can_be_of_another_type_or_missing(which, request):
    """Every leaf in turn null, a number, a string, a list, or removed, with the outer SHA-256 recomputed."""
    document = json.loads(request.getfixturevalue(which).to_json())
    seen = set()
    for path in leaves(document):
        shape_of_path = tuple("*" if isinstance(key, int) else key for key in path)
        if path == ("sha256",) or shape_of_path in seen:
            continue
        seen.add(shape_of_path)
        for value in (None, 7, 1.5, -1, "word", [], {}, True, "remove"):
            copy = json.loads(json.dumps(document))
            node = copy
            for key in path[:-1]:
                node = node[key]
            if value == "remove":
                del node[path[-1]]
            elif node[path[-1]] == value and type(node[path[-1]]) is type(value):
                continue
            else:
                node[path[-1]] = value
            if path[0] == "created" and isinstance(value, str):
                continue  # another version string is another honest certificate
            if path == ("model_sha256",) and value is None:
                continue
            if path[-1] == "description" and value == "word":
                continue  # the summary would have to be rewritten too, see below
            refused(resealed(copy))


TEXTS: dict[str, Callable[[str], str]] = {
    "empty": lambda t: "",
    "truncated": lambda t: t[: len(t) // 2],
    "without the last brace": lambda t: t.rstrip()[:-1],
    "not JSON": lambda t: "gamma = 1",
    "a list": lambda t: "[" + t + "]",
    "null": lambda t: "null",
    "wrong schema": lambda t: resealed({**json.loads(t), "schema": 1}),
    "schema as a float": lambda t: t.replace('"schema": 3', '"schema": 3.0'),
    "schema as a boolean": lambda t: resealed({**json.loads(t), "schema": True}),
    "wrong format": lambda t: resealed({**json.loads(t), "format": "another"}),
    "an unknown field": lambda t: resealed({**json.loads(t), "note": "verified by hand"}),
    "keys in another order": lambda t: json.dumps(dict(reversed(json.loads(t).items())), indent=1) + "\n",
    "another indentation": lambda t: json.dumps(json.loads(t), sort_keys=True, indent=2) + "\n",
    "a repeated key": lambda t: t.replace('"gamma":', '"gamma": "0x1.0p-3",\n "gamma":', 1),
    "a literal NaN": lambda t: re.sub(r'"gamma": "[^"]*"', '"gamma": NaN', t),
    "a literal number": lambda t: re.sub(r'"gamma": "[^"]*"', '"gamma": 1.5', t),
    "nested beyond recursion": lambda t: "[" * 100_000,
    "an integer of 10 000 digits": lambda t: t.replace('"schema": 3', '"schema": ' + "1" * 10_000),
    "trailing text": lambda t: t + "x",
    "not ASCII": lambda t: resealed(json.loads(t.replace("incremental", "incrémental"))),
}


@pytest.mark.parametrize("name", TEXTS)
def test_malformed_texts_are_refused_as_malformed(name, net, tmp_path):
    text = TEXTS[name](net.to_json())
    refused(text, MalformedCertificateError)
    path = tmp_path / "cert.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MalformedCertificateError):
        verify(path)


def test_other_spellings_of_a_number_are_refused(block):
    document = json.loads(block.to_json())
    for spelling in (block.gamma.hex().upper(), " " + block.gamma.hex(), repr(block.gamma), "0x0.8p+1", "1e400", "nan"):
        refused(resealed({**document, "gamma": spelling}), MalformedCertificateError)


def test_sizes_are_compared_before_anything_is_allocated(block):
    """A shape of 2^62 numbers is refused at once."""
    document = json.loads(block.to_json())
    for shape in ([2**31, 2**31], [10**9], [-1, 3], [3, 2, 1], [], [1.0, 3], [True, 3]):
        document["proof"]["claims"][0]["witness"]["delta"]["shape"] = shape
        refused(resealed(document), MalformedCertificateError)


def test_sentences_cannot_be_made_more_flattering(net):
    """What a human reads is what is proved: the summary is derived, not stored."""
    document = json.loads(net.to_json())
    summary = document["statement"]["summary"]
    document["statement"]["summary"] = [re.sub(r"gamma <= [\d.]+", "gamma <= 0.1", line) for line in summary]
    refused(resealed(document), MalformedCertificateError)


def test_fuzzed_witnesses_are_accepted_only_with_a_true_gamma(block, dense_block):
    """600 random perturbations of everything, all digests right: whatever is accepted is above the true norm."""
    rng = np.random.default_rng(0)
    accepted = 0
    for k in range(600):
        honest = (block, dense_block)[k % 2]
        G = honest.network.layers[0].G
        size = 10.0 ** rng.uniform(-12, 0)
        claim = honest.claims[0]
        witness = {name: M * (1 + size * rng.standard_normal(M.shape)) for name, M in claim.witness.items()}
        if "P" in witness:
            witness["P"] = (witness["P"] + witness["P"].T) / 2
        perturbed = Dynamic(
            StateSpace(G.A, G.B * (1 + size * rng.standard_normal(G.B.shape)), G.C, G.D) if rng.random() < 0.5 else G
        )
        gain = honest.lower.gain * (1 + 10.0 ** rng.uniform(-9, 0) * rng.choice([-1, 1]))
        network = replace(honest.network, layers=(perturbed,))
        forged = replace(
            honest, network=network, gamma=gain, lower=None, claims=(replace(claim, gain=gain, witness=witness),)
        )
        try:
            verify(forged)
        except CertificateError:
            continue
        accepted += 1
        assert gain >= perturbed.G.hinf().lower
    assert 30 < accepted < 400


@pytest.mark.parametrize(
    ("activation", "c", "needed"),
    [
        ("tanh", 1.0, 1.0),
        ("tanh", 4.0, 3.0),
        ("gelu", 1.0, 1.12890415),
        ("gelu", 4.0, 3.5156166),
        ("silu", 0.5, 1.049919665),
    ],
)
def test_contractive_claims_below_the_slopes_of_the_activation(activation, c, needed):
    """max(1 - c a s^2, c b s^2 - 1) with s = 1: what is lower is refused, whichever side decides."""
    layer = Contractive(np.eye(2), np.zeros(2), c, activation)
    network = Interconnection((layer,), 1.0, ("a", "b"), ("c", "d"), ("", ""), ("", ""))
    honest = certify(network, lower=False)
    assert honest.gamma == pytest.approx(needed, rel=1e-12)
    for factor in (1 - 1e-9, 0.9, 0.3):
        with pytest.raises(CertificateError, match="exceeds"):
            verify(scaled_gain(honest, factor))


def test_an_unstable_system_with_a_negative_p_is_refused():
    """A = 2 and P = -1 give M(P, gamma) < 0: only P > 0 stands between this and a false proof."""
    G = StateSpace([[2.0]], [[0.1]], [[1.0]], [[0.0]])
    network = Interconnection((Dynamic(G),), 1.0, ("u",), ("y",), ("",), ("",))
    with pytest.raises(CertificateError, match=r"P of layers.0 is not proved positive definite"):
        verify(Certificate("incremental", 1.0, network, "product", (Claim("storage", 1.0, {"P": np.array([[-1.0]])}),)))


def test_a_p_that_is_not_symmetric_is_refused_however_much_room_there_is(dense_block):
    """Gershgorin's argument is about symmetric matrices."""
    roomy = replace(scaled_gain(dense_block, 4.0), lower=None)
    assert verify(roomy).verified
    skew = witness_changed(roomy, "P", lambda P: np.nextafter(P, [[np.inf, np.inf], [-np.inf, np.inf]]))
    with pytest.raises(CertificateError, match="P is not symmetric"):
        verify(skew)


def test_unstable_systems_cannot_be_claimed(block, dense_block):
    """The witness formulas make sense algebraically outside the circle; the Schur test and P > 0 refuse them."""
    for honest, poles in ((block, [1.0, 1.2, -1.0]), (dense_block, [1.0, 1.1])):
        G = honest.network.layers[0].G
        for pole in poles:
            A = G.A.copy()
            A[-2:, -2:] = np.diag([pole, pole]) if honest is block else A[-2:, -2:] * pole / 0.7
            if np.max(np.abs(np.linalg.eigvals(A))) < 1:
                A = np.diag([pole, 0.5])
            layer = Dynamic(StateSpace(A, G.B * 1e-6, G.C * 1e-6, G.D))
            forged = replace(honest, network=replace(honest.network, layers=(layer,)), gamma=1e9, lower=None)
            forged = claims_changed(forged, lambda c: replace(c, gain=1e9))
            with pytest.raises(CertificateError):
                verify(forged)
