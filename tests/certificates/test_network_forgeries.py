"""Thousands of forgeries of joint claims: none is accepted. Mutants of what proves them: each makes a test fail.

A forgery is a false claim - its gain is below a gain that the network has, which is proved in 200-bit balls - with
whatever witness, or a claim whose witness breaks a condition of the theorem. Every digest is right.

Mutants that were tried by hand, one at a time; each makes a test of this file or of test_network fail:

joint        1 P of any sign, 2 P not symmetric, 3 M of any sign, 4 multipliers of any sign, 5 the first condition of
             each multiplier only, 6 gain instead of its square, 7 K'K forgotten, 8 F'QF forgotten, 9 cross terms once
             instead of twice, 10 qw forgotten, 11 r of the other sign, 12 gain^2 on all of z, 13 P of any shape,
             14 states of the second system on the columns of the first
flatten      15 residual without its identity, 16 c of a contractive layer forgotten, 17 first bias of a perceptron
             ignored at rest, 18 bias of an affine layer likewise, 19 slope interval [0, 1] for all, 20 W twice in a
             gated layer, 21 sectors whenever the layer has no bias, 22 second bias of a perceptron ignored at rest,
             38 selective layers between any two inputs, 39 scale of a norm forgotten, 40 1 / sqrt(eps) to nearest
storage      41 memories forgotten in V
constraints  23 upper slope only, 24 qw of the other sign, 25 b of a diamond not divided by 4, 26 p (q - t) >= s^2
             forgotten, 27 p + 2 s >= t forgotten, 28 q >= t forgotten, 35 bound of a norm halved, 36 alpha and beta
             exchanged, 37 drives of another memory
verify       29 joint at rest in kind incremental, 30 at rest behind a bias, 31 claims about fewer layers than there
             are, 32 a run of layers proved by its first, 33 extra arrays in a witness
statement    34 a proof from rest said to be about any operating point
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import flint
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from l2ssm.certificates.certificate import JOINT, JOINT_AT_REST, Certificate, Claim
from l2ssm.certificates.compose import certify
from l2ssm.certificates.verify import verify
from l2ssm.errors import CertificateError
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Contractive, Dynamic, Gated, Perceptron, Residual
from l2ssm.systems.state_space import StateSpace

HOSTILE = [np.nan, np.inf, -np.inf, -1.0, -0.0, 5e-324, -5e-324, 1e-300, -1e-300, 1e300, -1e308]


def chain(*layers) -> Interconnection:
    n_u, n_y = layers[0].n_in, layers[-1].n_out
    return Interconnection(layers, 1.0, ("u",) * n_u, ("y",) * n_y, ("",) * n_u, ("",) * n_y)


def positive_network(seed: int, activation: str, modes: int = 1) -> Interconnection:
    """Non-negative numbers only: the largest gain is at frequency 0 with all slopes at their largest value.

    relu: a positive bias keeps every unit in its linear part, where small inputs see slope 1.
    """
    rng = np.random.default_rng(seed)
    bias = 1.0 if activation == "relu" else 0.0

    def system() -> Dynamic:
        A = np.diag(rng.uniform(0.3, 0.9, modes))
        return Dynamic(StateSpace(A, rng.random((modes, 2)), rng.random((2, modes)), np.zeros((2, 2))))

    def static() -> Perceptron:
        W2 = 0.3 * rng.random((2, 2))
        return Perceptron(rng.random((2, 2)), np.full(2, bias), W2, -W2 @ np.full(2, bias), activation)

    layers = [Affine(rng.random((2, 1)), np.zeros(2)), Residual((system(),)), Residual((static(),))]
    layers += [Residual((static(), system())), Affine(rng.random((1, 2)), np.zeros(1))]
    return chain(*layers)


def proved_gain(N: Interconnection) -> float:
    """The gain at frequency 0 with slopes 1, in balls of 200 bits, rounded down: small constant inputs approach it."""
    before, flint.ctx.prec = flint.ctx.prec, 200
    try:
        gain = _at_zero(N.layers, flint.arb_mat([[1]]))[0, 0]
        return float(np.nextafter(float(gain.lower()), 0.0))
    finally:
        flint.ctx.prec = before


def _at_zero(layers, s):
    exact = lambda M: flint.arb_mat(*M.shape, M.ravel().tolist())  # noqa: E731
    for layer in layers:
        if isinstance(layer, Affine):
            s = exact(layer.W) * s
        elif isinstance(layer, Perceptron):
            s = exact(layer.W2) * (exact(layer.W1) * s)
        elif isinstance(layer, Residual):
            s = s + _at_zero(layer.layers, s)
        else:
            G = layer.G
            s = exact(G.C) * exact(np.eye(G.n_x) - G.A).solve(exact(G.B) * s) + exact(G.D) * s
    return s


@dataclass(frozen=True)
class Base:
    """An honest certificate with a single joint claim, and a gain the network has."""

    certificate: Certificate
    gain: float


@cache
def bases() -> list[Base]:
    found = []
    for seed, activation, kind in ((0, "tanh", "incremental"), (1, "relu", "incremental"), (2, "gelu", "l2")):
        N = positive_network(seed, activation)
        found.append(Base(certify(N, kind=kind, method="network", lower=False), proved_gain(N)))
    return found


def test_the_bases_are_tight():
    """Else forgeries slightly below the gain would be easy to refuse; gelu's slope at 0 is 1/2."""
    for base in bases()[:2]:
        assert base.gain <= base.certificate.gamma <= base.gain * (1 + 1e-3)
        assert verify(base.certificate).verified
    assert [base.certificate.claims[0].method for base in bases()] == [JOINT, JOINT, JOINT_AT_REST]


def with_claim(certificate: Certificate, claim: Claim) -> Certificate:
    return replace(certificate, claims=(claim,), gamma=claim.gain)


def changed(claim: Claim, gain: float, **arrays: np.ndarray) -> Claim:
    return replace(claim, gain=gain, witness={**claim.witness, **arrays})


@st.composite
def forgeries(draw: st.DrawFn) -> Certificate:
    """A false claim about a base, or a witness that breaks a condition."""
    base = bases()[draw(st.integers(0, 1))]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    claim, N = base.certificate.claims[0], base.certificate.network
    below = base.gain * (1 - 10.0 ** draw(st.floats(-9, 0, exclude_max=True)))
    kind = draw(st.sampled_from(["gain", "noise", "scale", "network", "hostile", "swap", "grow", "indefinite"]))
    W = dict(claim.witness)
    if kind == "noise":
        size = 10.0 ** draw(st.floats(-12, 1))
        W = {name: M * (1 + size * rng.standard_normal(M.shape)) for name, M in W.items()}
        W["P"] = (W["P"] + W["P"].T) / 2
    elif kind == "scale":
        W = {name: M * 10.0 ** rng.uniform(-3, 3) for name, M in W.items()}
    elif kind == "grow":
        W["P"] = W["P"] + 10.0 ** rng.uniform(-6, 2) * np.eye(len(W["P"]))
    elif kind == "swap":
        W["T0"], W["T1"] = W["T1"], W["T0"]
        if draw(st.booleans()):
            W["P"] = np.asarray(W["P"][::-1, ::-1])
    elif kind == "hostile":
        name = draw(st.sampled_from(sorted(W)))
        M = W[name].copy()
        i, j = rng.integers(M.shape[0]), rng.integers(M.shape[1])
        M[i, j] = draw(st.sampled_from(HOSTILE))
        if name == "P":
            M[j, i] = M[i, j]
        W[name] = M
    elif kind == "indefinite":
        w, V = np.linalg.eigh(W["P"])
        w[draw(st.integers(0, w.size - 1))] *= -1
        P = (V * w) @ V.T
        W["P"] = (P + P.T) / 2
    elif kind == "network":
        N, factor = _louder(N, rng, 10.0 ** draw(st.floats(-9, 1)))
        below = min(base.gain * factor, proved_gain(N)) * (1 - 1e-12)
        return replace(base.certificate, network=N, gamma=below, claims=(replace(claim, gain=below),))
    return with_claim(base.certificate, replace(claim, gain=below, witness=W))


def _louder(N: Interconnection, rng: np.random.Generator, size: float) -> tuple[Interconnection, float]:
    """The network with one of its matrices, all of them non-negative, made larger."""
    layers = list(N.layers)
    i = int(rng.integers(4))
    if i in (0, 3):
        i = 0 if i == 0 else 4
        layers[i] = Affine(layers[i].W * (1 + size), layers[i].b)
    elif i == 1:
        G = layers[1].layers[0].G
        layers[1] = Residual((Dynamic(StateSpace(G.A, G.B, G.C * (1 + size), G.D)),))
    else:
        p = layers[2].layers[0]
        W2 = p.W2 * (1 + size)
        layers[2] = Residual((Perceptron(p.W1, p.b1, W2, -W2 @ p.b1, p.activation),))
    return replace(N, layers=tuple(layers)), 1 + size


OPTIONS = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck), "database": None}


def assert_refused(forged: Certificate, arithmetic: str) -> None:
    with pytest.raises(CertificateError):
        verify(forged, arithmetic=arithmetic)


@settings(max_examples=500, **OPTIONS)
@given(forgeries())
def test_no_forgery_is_accepted(forged):
    assert_refused(forged, "float")


@settings(max_examples=60, **OPTIONS)
@given(forgeries())
def test_no_forgery_is_accepted_by_balls(forged):
    assert_refused(forged, "ball")


@pytest.mark.slow
@settings(max_examples=4000, **OPTIONS)
@given(forgeries(), st.sampled_from(["float", "float", "float", "ball"]))
def test_none_of_4000_forgeries_is_accepted(forged, arithmetic):
    assert_refused(forged, arithmetic)


def test_what_is_accepted_is_true():
    """Random witnesses and gains around the honest ones: whatever passes is above the gain that is proved."""
    rng, accepted = np.random.default_rng(0), 0
    for k in range(300):
        base = bases()[k % 2]
        claim = base.certificate.claims[0]
        gain = base.gain * (1 + 10.0 ** rng.uniform(-7, 0) * rng.choice([-1, 1]))
        size = 10.0 ** rng.uniform(-12, -3)
        W = {name: M * (1 + size * rng.standard_normal(M.shape)) for name, M in claim.witness.items()}
        W["P"] = (W["P"] + W["P"].T) / 2
        try:
            verify(with_claim(base.certificate, replace(claim, gain=gain, witness=W)), arithmetic="float")
        except CertificateError:
            continue
        accepted += 1
        assert gain > base.gain
    assert 30 < accepted < 270


def test_p_that_is_not_symmetric_is_refused_however_much_room_there_is():
    claim = bases()[0].certificate.claims[0]
    roomy = changed(claim, 4 * claim.gain)
    assert verify(with_claim(bases()[0].certificate, roomy), arithmetic="float").verified
    P = claim.witness["P"].copy()
    P[0, 1] = np.nextafter(P[0, 1], np.inf)
    with pytest.raises(CertificateError, match="P is not symmetric"):
        verify(with_claim(bases()[0].certificate, changed(roomy, roomy.gain, P=P)))


def test_negative_multipliers_do_not_help():
    """y = 2 tanh(u) - u: with T < 0 the inequality would prove a gain below 1, with T >= 0 it proves 1."""
    N = chain(Residual((Perceptron([[1.0]], [0.0], [[-2.0]], [0.0], "tanh"),)))
    honest = certify(N, method="network", lower=False)
    assert honest.gamma == pytest.approx(1.0, rel=1e-3)
    for T in (-1.0, -1e-300, np.nextafter(0, -1)):
        claim = Claim(JOINT, 10.0, {"P": np.zeros((0, 0)), "T0": np.array([[T]])}, (), 1)
        with pytest.raises(CertificateError, match=r"multiplier 0 is not admissible"):
            verify(with_claim(honest, claim))


@pytest.mark.parametrize("arithmetic", ["ball", "float", "exact"])
def test_an_unstable_system_is_refused(arithmetic):
    """A = 2 and P = -1 make M positive definite: only P > 0 stands between this and a false proof."""
    N = chain(Dynamic(StateSpace([[2.0]], [[0.1]], [[1.0]], [[0.0]])))
    claim = Claim(JOINT, 1.0, {"P": np.array([[-1.0]])}, (), 1)
    with pytest.raises(CertificateError, match=r"P of layers\.0 is not"):
        verify(Certificate("incremental", 1.0, N, "product", (claim,)), arithmetic=arithmetic)


DIAMOND = Gated([[1.0]], [0.3], [[2.0]], [0.1], "tanh")


@pytest.mark.parametrize(
    ("T", "gain"),
    [
        ((1.0001, 0.0, 0.9, 1.01), 0.97),  # p + 2 s >= t
        ((1.0001, 0.3, 0.41, 1.0001), 0.99),  # p (q - t) >= s^2
        ((1.0001, 0.0, 1.01, 0.9), 1.1),  # q >= t
        ((1.0001, -0.1, 1.0, 1.02), 1.1),
        ((-1.0, 0.0, 0.0, 0.0), 9.0),
        ((0.0, 0.0, 0.0, -1.0), 9.0),  # q >= t, where p (q - t) >= s^2 says nothing
        ((1.0001, 0.6, -0.1, 1.1), 9.0),
    ],
)
def test_inadmissible_diamonds_are_refused(T, gain):
    N = chain(DIAMOND)
    claim = Claim(JOINT, gain, {"P": np.zeros((0, 0)), "T0": np.array(T)[:, None]}, (), 1)
    with pytest.raises(CertificateError, match="not admissible"):
        verify(Certificate("incremental", gain, N, "product", (claim,)))


def test_gains_of_static_layers_from_one_inequality():
    """Known gains: a diamond, a contractive layer, slopes below zero; a millionth below is refused."""
    eye, none = np.eye(1), np.zeros(1)
    for layer, gain in (
        (Gated(eye, none, 0 * eye, np.array([40.0]), "tanh"), 1.0),
        (Contractive(eye, none, 4.0, "tanh"), 3.0),
        (Contractive(eye, none, 1.0, "gelu"), 1.12890415),
        (Perceptron(eye, none, eye, none, "gelu"), 1.12890415),
        (Residual((Perceptron(eye, none, eye, none, "silu"),)), 2.09983933),
        (Residual((Perceptron(eye, none, -2 * eye, none, "relu"),)), 1.0),
    ):
        honest = certify(chain(layer), method="network", lower=False)
        assert gain * (1 - 1e-9) <= honest.gamma <= gain * (1 + 1e-3)
        claim = honest.claims[0]
        for factor in (1 - 1e-6, 0.9):
            for T in np.geomspace(0.1, 10, 60):
                W = {name: M * (T if name != "P" else 1) for name, M in claim.witness.items()}
                with pytest.raises(CertificateError):
                    verify(with_claim(honest, replace(claim, gain=gain * factor, witness=W)), arithmetic="float")


def refused(certificate: Certificate, message: str) -> None:
    with pytest.raises(CertificateError, match=message):
        verify(certificate)


def test_claims_that_do_not_fit_their_layers():
    honest = bases()[0].certificate
    claim, N = honest.claims[0], honest.network
    for layers in (0, -1, 4, 6, 2**70):
        refused(with_claim(honest, replace(claim, layers=layers)), "has 5 layers|readable")
    refused(replace(honest, claims=(claim, claim)), "has 5 layers")
    refused(replace(honest, claims=()), "has 5 layers")
    refused(replace(honest, claims=(replace(claim, layers=-5), replace(claim, layers=10))), "has 5 layers")
    refused(with_claim(honest, replace(claim, method="norm")), "no theorem 'norm' for a Affine and Residual")
    refused(with_claim(honest, replace(claim, inner=(claim,))), "the witness has")
    refused(with_claim(honest, changed(claim, claim.gain, extra=np.ones((1, 1)))), "the witness has")
    refused(with_claim(honest, replace(claim, witness={"P": claim.witness["P"]})), "the witness has")
    refused(with_claim(honest, changed(claim, claim.gain, T0=claim.witness["T0"][:1])), "multipliers of shapes")
    refused(with_claim(honest, changed(claim, claim.gain, T0=claim.witness["T0"].T)), "multipliers of shapes")
    refused(with_claim(honest, changed(claim, claim.gain, P=np.eye(3))), "expected a P of shape")
    swapped = (N.layers[0], N.layers[2], N.layers[1], *N.layers[3:])
    refused(replace(honest, network=replace(N, layers=swapped)), "multipliers of shapes|not proved positive definite")
    alone = certify(chain(N.layers[0]), lower=False).claims[0]
    longer = replace(alone, layers=5)
    refused(with_claim(honest, longer), "no theorem 'norm' for a Affine and")
    refused(with_claim(honest, replace(claim, gain=-claim.gain)), "expected a number > 0")


def test_claims_from_rest_need_rest():
    honest = bases()[2].certificate
    claim, N = honest.claims[0], honest.network
    refused(replace(honest, kind="incremental"), "needs kind 'l2'")
    refused(with_claim(honest, replace(claim, method=JOINT)), "not proved positive definite")
    affine = certify(chain(N.layers[0]), lower=False).claims[0]
    rest = chain(*N.layers[1:])
    behind = certify(rest, kind="l2", method="network", lower=False).claims[0]
    both = replace(honest, gamma=2 * affine.gain * behind.gain, claims=(affine, behind))
    assert verify(both).verified
    biased = chain(Affine(N.layers[0].W, np.array([0.0, 5e-324])), *N.layers[1:])
    refused(replace(both, network=biased), "layers before it that are at rest")
    square = chain(*N.layers[1:-1])
    behind = certify(square, kind="l2", method="network", lower=False).claims[0]
    nested = Claim("sum", 2 + behind.gain, {}, (behind,))
    refused(Certificate("l2", 9 + behind.gain, chain(Residual(square.layers)), "product", (nested,)), "needs kind 'l2'")


@pytest.mark.parametrize(("where", "allowed"), [("b1", False), ("b2", False), ("none", True)])
def test_biases_end_rest(where, allowed):
    """gelu's slope exceeds 1 away from 0: behind a bias a claim with its sector [0, 1] would be false."""
    biases = {name: np.array([1.5]) if name == where else np.zeros(1) for name in ("b1", "b2")}
    first = Perceptron([[1.0]], biases["b1"], [[1.0]], biases["b2"], "gelu")
    N = chain(first, Perceptron([[1.0]], [0.0], [[1.0]], [0.0], "gelu"))
    claim = Claim(JOINT_AT_REST, 1.01, {"P": np.zeros((0, 0)), "T0": 2 * np.eye(1), "T1": 2 * np.eye(1)}, (), 2)
    certificate = Certificate("l2", 1.01, N, "product", (claim,))
    if allowed:
        assert "from rest" in str(verify(certificate))
        return
    u = np.full((1, 1), 1e-3)
    slope = float((N.simulate(u) - N.simulate(0 * u)).item() / 1e-3)
    refused(certificate, "not proved positive definite")
    assert slope > 1.05 or where == "b2"
