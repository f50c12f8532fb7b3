"""Thousands of forgeries of certificates of linear systems, before all three checkers: none is accepted.

A forgery is a false claim - its gain is below a norm that is proved (`certified_norm`), or there is no gain - with
whatever witness, every digest right; or a file that was altered. `forgeries` is the strategy that draws them.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache

import flint
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from l2ssm.certificates import document as document_module
from l2ssm.certificates.bounded_real import cauchy_matrix
from l2ssm.certificates.certificate import Certificate, Claim
from l2ssm.certificates.compose import certify
from l2ssm.certificates.rational import EXACT
from l2ssm.certificates.rigorous import exact, rounded_up
from l2ssm.certificates.verify import ARITHMETICS, verify
from l2ssm.errors import CertificateError
from l2ssm.systems.frequency import frequency_response
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Dynamic
from l2ssm.systems.state_space import StateSpace

HOSTILE = [
    np.nan,
    np.inf,
    -np.inf,
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    2.0**-1022,
    1e-300,
    1e300,
    -1e308,
    1.7976931348623157e308,
]


def certified_norm(G: StateSpace) -> float:
    """|H(e^{j w}) v| / |v| in 200-bit balls, rounded down, at the peak w and direction v found in floats."""
    omega = G.hinf().omega_peak
    v = np.linalg.svd(frequency_response(G, [omega])[0])[2][0].conj()
    before, flint.ctx.prec = flint.ctx.prec, 200
    try:
        angle = flint.arb(omega) * flint.arb(G.dt)
        z = flint.acb(angle.cos(), angle.sin())
        A, B, C, D = (flint.acb_mat(*M.shape, M.ravel().tolist()) for M in (G.A, G.B, G.C, G.D))
        u = flint.acb_mat(G.n_u, 1, v.tolist())
        shifted = flint.acb_mat(G.n_x, G.n_x, [z if i == j else 0 for i in range(G.n_x) for j in range(G.n_x)]) - A
        y = C * shifted.solve(B * u) + D * u
        ratio = sum(abs(x) ** 2 for x in y.entries()) / sum(abs(x) ** 2 for x in u.entries())
        return float(np.nextafter(float(ratio.sqrt().lower()), 0.0))
    finally:
        flint.ctx.prec = before


def modal_system(seed: int, n: int, n_u: int, n_y: int, gap: float) -> StateSpace:
    """n modes, the slowest at 1 - gap."""
    rng = np.random.default_rng(seed)
    lam = (1 - np.geomspace(gap, 0.5, n)) * np.exp(1j * rng.uniform(0, np.pi, n))
    B, C = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape) for shape in ((n, n_u), (n_y, n)))
    return StateSpace.from_modes(lam, B, C, rng.standard_normal((n_y, n_u)))


def dense_system(seed: int, n: int, n_u: int, radius: float) -> StateSpace:
    rng = np.random.default_rng(seed)
    A, B, C = (rng.standard_normal(shape) for shape in ((n, n), (n, n_u), (1, n)))
    return StateSpace(radius * A / np.max(np.abs(np.linalg.eigvals(A))), B, C, rng.standard_normal((1, n_u)))


@dataclass(frozen=True)
class Base:
    """An honest certificate of one linear system, and what is proved about its norm."""

    certificate: Certificate
    norm: float

    @property
    def G(self) -> StateSpace:
        return self.certificate.network.layers[0].G


@cache
def bases() -> list[Base]:
    systems = [
        modal_system(0, 1, 1, 1, 1e-1),
        modal_system(1, 2, 1, 2, 1e-3),
        modal_system(2, 3, 2, 1, 1e-6),
        modal_system(3, 3, 2, 2, 1e-2),
        StateSpace([[0.5]], [[1e-3]], [[1e3]], [[0.25]]),
        dense_system(0, 2, 1, 0.9),
        dense_system(1, 3, 2, 0.999),
    ]
    found = [Base(certify(G), certified_norm(G)) for G in systems]
    assert all(base.norm <= base.certificate.gamma <= base.norm * (1 + 2e-6) for base in found)
    return found


@cache
def chain() -> Certificate:
    """Two different blocks in series."""
    layers = tuple(Dynamic(modal_system(seed, 2, 1, 1, gap)) for seed, gap in ((4, 1e-1), (5, 1e-2)))
    claims = tuple(certify(layer.G, lower=False).claims[0] for layer in layers)
    network = Interconnection(layers, 1.0, ("u",), ("y",), ("",), ("",))
    gamma = rounded_up(exact(claims[0].gain) * exact(claims[1].gain))
    return Certificate("incremental", gamma, network, "product", claims)


def claimed(base: Base, gain: float, witness: dict, G: StateSpace | None = None) -> Certificate:
    """The claim `gain` with this witness, about G."""
    honest = base.certificate
    claim = Claim(honest.claims[0].method, gain, witness)
    network = honest.network if G is None else replace(honest.network, layers=(Dynamic(G),))
    return replace(honest, gamma=gain, lower=None, claims=(claim,), network=network)


def witness_of(base: Base) -> dict[str, np.ndarray]:
    return {name: np.array(M) for name, M in base.certificate.claims[0].witness.items()}


def symmetric(witness: dict) -> dict:
    return {name: (M + M.T) / 2 if name == "P" else M for name, M in witness.items()}


@st.composite
def false_gain(draw: st.DrawFn, norm: float) -> float:
    """Below the norm by 1e-9 relative and more."""
    return norm * (1 - 10.0 ** -draw(st.floats(0.0, 9.0)))


@st.composite
def perturbed_witnesses(draw: st.DrawFn) -> Certificate:
    """From unchanged to entirely random."""
    base = draw(st.sampled_from(bases()))
    rng, size = np.random.default_rng(draw(st.integers(0, 2**32))), 10.0 ** -draw(st.floats(0, 16))
    witness = {name: M * (1 + size * rng.standard_normal(M.shape)) for name, M in witness_of(base).items()}
    if draw(st.booleans()):
        witness = {name: M * 2.0 ** draw(st.integers(-60, 60)) for name, M in witness.items()}
    return claimed(base, draw(false_gain(base.norm)), symmetric(witness))


@st.composite
def hostile_witnesses(draw: st.DrawFn) -> Certificate:
    """One entry NaN, infinite, zero, subnormal, huge; the gain false, or true where the entry is not finite."""
    base = draw(st.sampled_from(bases()))
    witness, value = witness_of(base), draw(st.sampled_from(HOSTILE))
    name = draw(st.sampled_from([name for name, M in sorted(witness.items()) if M.size]))
    i, j = (draw(st.integers(0, n - 1)) for n in witness[name].shape)
    witness[name][i, j] = value
    if name == "P":
        witness[name][j, i] = value
    gain = base.certificate.gamma if not np.isfinite(value) else draw(false_gain(base.norm))
    return claimed(base, gain, witness)


@st.composite
def hostile_gains(draw: st.DrawFn) -> Certificate:
    base = draw(st.sampled_from(bases()))
    gain = draw(st.sampled_from([x for x in HOSTILE if not np.isfinite(x) or x < base.norm]) | st.floats(max_value=0.0))
    return claimed(base, gain, witness_of(base))


@st.composite
def larger_systems(draw: st.DrawFn) -> Certificate:
    """The numbers of the system scaled up by d, the claim by less: B and D, C and D, or one pole moved outwards."""
    base = draw(st.sampled_from(bases()))
    d = 10.0 ** draw(st.floats(-8, 2))
    G, way = base.G, draw(st.sampled_from(["B", "C"]))
    bigger = (
        StateSpace(G.A, G.B * (1 + d), G.C, G.D * (1 + d))
        if way == "B"
        else StateSpace(G.A, G.B, G.C * (1 + d), G.D * (1 + d))
    )
    witness = witness_of(base)
    factor = (1 + d * draw(st.floats(0.0, 0.99))) ** draw(st.sampled_from([0, 1]))
    if way == "C":
        witness = {name: M * factor ** {"delta": 2, "P": 2}.get(name, 1) for name, M in witness.items()}
    gain = base.norm * (1 - 1e-9) * min(factor, 1 + 0.99 * d)
    return claimed(base, gain, symmetric(witness), bigger)


@st.composite
def unstable_systems(draw: st.DrawFn) -> Certificate:
    """A pole on or outside the circle: no gain is true."""
    base = draw(st.sampled_from(bases()))
    A = np.array(base.G.A)
    A = A / np.max(np.abs(np.linalg.eigvals(A))) * (1 + draw(st.sampled_from([1e-13, 1e-9, 1e-3, 0.5, 2.0])))
    G = StateSpace(A, base.G.B, base.G.C, base.G.D)
    witness = {name: draw(st.sampled_from([M, -M, M * 1e6])) for name, M in witness_of(base).items()}
    return claimed(base, 10.0 ** draw(st.floats(-6, 9)), witness, G)


@st.composite
def swapped_blocks(draw: st.DrawFn) -> Certificate:
    """Claims, witnesses or gains of two blocks exchanged: one of the two is below its norm, or has another witness."""
    honest = chain()
    first, second = honest.claims
    way = draw(st.sampled_from(["claims", "gains", "layers", "dropped", "doubled"]))
    gamma = honest.gamma * 10.0 ** draw(st.floats(0, 9))
    if way == "layers":
        return replace(honest, network=replace(honest.network, layers=honest.network.layers[::-1]), gamma=gamma)
    swapped = {
        "claims": (second, first),
        "gains": (replace(first, gain=second.gain), replace(second, gain=first.gain)),
        "dropped": (first,),
        "doubled": (first, second, second),
    }
    return replace(honest, claims=swapped[way], gamma=gamma)


@st.composite
def altered_files(draw: st.DrawFn) -> str:
    """The text truncated, one character or number changed, lines or keys exchanged, another schema."""
    text = draw(st.sampled_from(bases())).certificate.to_json()
    document = json.loads(text)
    way = draw(st.sampled_from(["cut", "character", "removed", "lines", "keys", "field", "resealed", "number"]))
    at = draw(st.integers(0, len(text) - 2))
    if way == "cut":
        return text[:at]
    if way == "character":
        other = draw(st.characters(codec="ascii").filter(lambda c: c != text[at]))
        return text[:at] + other + text[at + 1 :]
    if way == "removed":
        return text[:at] + text[at + 1 + draw(st.integers(0, 40)) :]
    if way == "lines":
        lines = text.splitlines(keepends=True)
        i, j = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        lines[i], lines[j] = lines[j], lines[i]
        return "".join(lines) if lines[i] != lines[j] else text + "\n"
    if way == "keys":
        keys = draw(st.permutations(sorted(document)).filter(lambda order: order != sorted(document)))
        return json.dumps({key: document[key] for key in keys}, indent=1) + "\n"
    if way == "number":
        document["gamma"] = draw(st.sampled_from([float(x).hex() for x in HOSTILE] + [1.0, "0x1", "1e3", None, []]))
        return json.dumps(document, sort_keys=True, indent=1) + "\n"
    if way == "field":
        key = draw(st.sampled_from(sorted(document.keys() - {"created"})))  # without it the claim is as true as with it
        document[key] = draw(st.sampled_from([None, 0, 2, -1, "", "cauchy", [], {}, True, 1.5]))
    else:
        node = document["proof"]["claims"][0]
        node[draw(st.sampled_from(sorted(node)))] = draw(st.sampled_from([None, 0, "", "product", {}, [[]], "0x0p+0"]))
    content = {key: value for key, value in document.items() if key != "sha256"}
    sealed = json.dumps({**content, "sha256": document_module._sha256(content)}, sort_keys=True, indent=1) + "\n"
    assume(sealed != text)
    return sealed


FAMILIES = {
    "perturbed witness": perturbed_witnesses(),
    "hostile witness": hostile_witnesses(),
    "hostile gain": hostile_gains(),
    "larger system": larger_systems(),
    "unstable system": unstable_systems(),
    "swapped blocks": swapped_blocks(),
    "altered file": altered_files(),
}


@st.composite
def forgeries(draw: st.DrawFn) -> tuple[str, Certificate | str]:
    family = draw(st.sampled_from(sorted(FAMILIES)))
    return family, draw(FAMILIES[family])


def refused_by_all(forged: Certificate | str) -> None:
    for arithmetic in ARITHMETICS:
        with pytest.raises(CertificateError):
            verify(Certificate.from_json(forged) if isinstance(forged, str) else forged, arithmetic=arithmetic)


def run(examples: int) -> Counter:
    seen: Counter = Counter()

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(forgeries())
    def check(forgery: tuple[str, Certificate | str]) -> None:
        family, forged = forgery
        seen[family] += 1
        refused_by_all(forged)

    check()
    return seen


def test_honest_certificates_are_accepted_by_all():
    for base in bases():
        for arithmetic in ARITHMETICS:
            assert verify(base.certificate, base.G, arithmetic).verified
    assert verify(chain()).verified


def test_no_forgery_is_accepted():
    seen = run(300)
    assert set(seen) == set(FAMILIES)


@pytest.mark.slow
def test_no_forgery_of_6000_is_accepted():
    seen = run(6500)
    assert sum(seen.values()) >= 6000
    assert min(seen[family] for family in FAMILIES) > 100


def test_what_balls_and_floats_accept_is_true():
    """Random witnesses, gains within 1e-17 to 1e-9 of the edge: accepted only where T < gain^2 I in exact rationals."""
    rng = np.random.default_rng(0)
    accepted: Counter = Counter()
    for k in range(200):
        base = bases()[k % 5]
        modes = base.G.modes
        witness = {name: M * (1 + 0.1 * rng.standard_normal(M.shape)) for name, M in witness_of(base).items()}
        C2 = witness["C2_real"] + 1j * witness["C2_imag"]
        arguments = (modes.lam[:, None], modes.B, modes.C, modes.D, witness["delta"], C2, witness["Y"])
        T = cauchy_matrix(*(EXACT.embed(M) for M in arguments)).approximate()
        edge = float(np.sqrt(np.linalg.eigvalsh(T)[-1]))
        forged = claimed(base, edge * (1 + rng.choice([-1, 0, 1]) * 10 ** rng.uniform(-17, -9)), witness)
        true = proved(forged, "exact")
        for arithmetic in ("ball", "float"):
            if proved(forged, arithmetic):
                assert true
                accepted[arithmetic] += 1
        accepted["exact"] += true
    assert 20 < accepted["float"] <= accepted["ball"] <= accepted["exact"] < 180


def proved(certificate: Certificate, arithmetic: str) -> bool:
    try:
        return verify(certificate, arithmetic=arithmetic).verified
    except CertificateError:
        return False
