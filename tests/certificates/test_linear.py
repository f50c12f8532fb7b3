"""One linear block: gains that are proved, close to the norm, and never below it, by all three methods."""

from __future__ import annotations

import numpy as np
import pytest

from l2ssm.certificates import cauchy, lmi, riccati
from l2ssm.certificates.compose import certify
from l2ssm.errors import CertificateError, NotCertifiableError, OptionError, SolverError
from l2ssm.systems.state_space import StateSpace
from l2ssm.systems.structured_bound import StructuredStorage, delta_rule, fixed_point

CASES = [
    (seed, n, n_u, n_y, gap)
    for seed, (n, n_u, n_y, gap) in enumerate(
        [
            (n, n_u, n_y, gap)
            for n in (1, 2, 8, 16)
            for n_u, n_y in ((1, 1), (3, 1), (1, 2), (2, 4))
            for gap in (1e-1, 1e-3, 1e-6)
        ]
    )
]


def reference_norm(G: StateSpace) -> float:
    """The largest gain found on a zoomed grid with every resonance resolved: below the norm, by direct solves."""
    lam = np.linalg.eigvals(G.A)
    width = 1 - np.abs(lam)
    near = (np.angle(lam) + np.multiply.outer(np.linspace(-3, 3, 61), width)).ravel()
    theta = np.concatenate([np.linspace(0, np.pi, 400), near])
    best = 0.0
    for _ in range(6):
        z = np.exp(1j * theta)
        X = np.linalg.solve(z[:, None, None] * np.eye(G.n_x) - G.A, np.broadcast_to(G.B, (z.size, *G.B.shape)))
        gains = np.linalg.norm(G.C @ X + G.D, 2, axis=(1, 2))
        best, peak = max(best, float(gains.max())), theta[gains.argmax()]
        spacing = np.diff(np.unique(theta))
        step = 2 * np.max(spacing[np.abs(np.unique(theta)[1:] - peak) <= 2 * spacing.min() + 1e-2], initial=0.0)
        theta = peak + np.linspace(-step, step, 201)
    return best


@pytest.mark.parametrize(("seed", "n", "n_u", "n_y", "gap"), CASES)
def test_cauchy_certificates_are_tight(modal, seed, n, n_u, n_y, gap):
    """48 systems, non-square, |lam| up to 1 - 1e-6: gamma / norm <= 1 + 1e-6, and gamma is above a sampled response."""
    G = modal(seed, n, n_u, n_y, gap, real=seed % 2)
    certificate = certify(G)
    assert certificate.claims[0].method == "cauchy"
    assert reference_norm(G) * (1 - 1e-12) <= certificate.gamma <= G.hinf().lower * (1 + 1e-6)


@pytest.mark.parametrize("eps", [1e-1, 1e-2, 1e-3])
def test_fixed_point_reaches_its_slack(modal, eps):
    for seed in range(3):
        G = modal(seed, 20, 2, 3, 1e-4)
        norm = G.hinf().lower
        V = StructuredStorage(G.modes, delta_rule(G.modes, norm, eps / 2))
        C2, gain = fixed_point(V, norm * (1 + eps))
        assert C2.shape == (2, 20)
        assert norm < gain <= norm * (1 + eps)
        assert cauchy.search(G.modes, norm, eps).gain <= norm * (1 + eps)


def test_fixed_point_says_so_when_gamma_is_below_the_norm(modal):
    G = modal(0)
    norm = 0.9 * G.hinf().lower
    V = StructuredStorage(G.modes, delta_rule(G.modes, norm, 1e-2))
    assert fixed_point(V, norm * (1 + 1e-2))[1] > norm * (1 + 1e-2)
    assert cauchy.search(G.modes, norm).gain >= G.hinf().lower


@pytest.mark.parametrize("seed", range(12))
def test_riccati_certificates_of_dense_systems_are_tight(dense, seed):
    n_x, n_u, n_y = [(1, 1, 1), (4, 1, 2), (6, 3, 1), (9, 2, 2)][seed % 4]
    G = dense(seed, n_x, n_u, n_y, radius=[0.6, 0.95, 0.999][seed % 3])
    certificate = certify(G)
    assert G.modes is None or n_x == 1
    assert certificate.claims[0].method in ("storage", "cauchy")
    assert reference_norm(G) * (1 - 1e-12) <= certificate.gamma <= G.hinf().lower * (1 + 1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_three_methods_agree_on_small_systems(modal, seed):
    """Structured form, Riccati equation and semidefinite program prove the same gain."""
    G = modal(seed, 3, 2, 1, 0.1)
    gains = {method: certify(G, method=method).gamma for method in ("cauchy", "riccati", "lmi")}
    assert max(gains.values()) <= min(gains.values()) * (1 + 1e-5)
    assert min(gains.values()) >= reference_norm(G)


def test_a_solver_reports_gamma_below_the_norm_and_it_is_never_certified(modal):
    """The reason for all this: 'optimal', yet impossible. No P proves such a gamma."""
    below = 0
    for seed in range(8):
        G = modal(seed, 4, 1, 1, 0.05)
        norm = reference_norm(G)
        witness = lmi.storage_from_lmi(G)
        assert witness.status == "optimal"
        assert witness.gamma == pytest.approx(norm, rel=1e-5)
        if witness.gamma < norm:
            below += 1
            with pytest.raises(CertificateError):
                riccati.assert_storage(G, witness.P, witness.gamma)
        gain, P = lmi.storage(G)
        riccati.assert_storage(G, P, gain)
        assert gain >= norm
        with pytest.raises(CertificateError, match="the smallest gain proved is"):
            certify(G, method="lmi", gamma=norm * (1 - 1e-9))
    assert below >= 1


def test_lmi_statuses_other_than_optimal_are_errors(modal):
    G = modal(0, 3, 1, 1, 0.1)
    with pytest.raises(SolverError, match="expected 'optimal'"):
        lmi.storage_from_lmi(G, gamma=0.5 * G.hinf().lower)
    with pytest.raises(OptionError, match="CLARABEL, SCS"):
        lmi.storage_from_lmi(G, solver="MOSEK")


def test_lmi_by_scs(modal):
    G = modal(0, 2, 1, 1, 0.3)
    gain, P = lmi.storage(G, "SCS")
    riccati.assert_storage(G, P, gain)
    assert reference_norm(G) <= gain <= 1.01 * reference_norm(G)


@pytest.mark.parametrize(
    ("G", "expected"),
    [
        (StateSpace(np.zeros((0, 0)), np.zeros((0, 2)), np.zeros((3, 0)), np.ones((3, 2))), 6**0.5),
        (StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]]), 2.0),
        (StateSpace([[0.0]], [[1.0]], [[3.0]], [[0.0]]), 3.0),
        (StateSpace([[0.5]], [[0.0]], [[1.0]], [[2.0]]), 2.0),
        (StateSpace([[0.5]], [[1.0]], [[0.0]], [[2.0]]), 2.0),
        (StateSpace([[0.5]], [[1e-120]], [[1e-110]], [[0.0]]), 2e-230),
        (StateSpace([[0.5]], [[1e120]], [[1e110]], [[0.0]]), 2e230),
        (StateSpace([[0.5, 1.0], [0.0, 0.5]], [[0.0], [1.0]], [[1.0, 0.0]], [[0.0]]), 4.0),
        (StateSpace([[1 - 2.0**-30]], [[1.0]], [[1.0]], [[0.0]]), 2.0**30),
        (StateSpace(np.diag([0.5, -0.5]), [[1.0], [1.0]], np.eye(2), np.zeros((2, 1))), (4 + 4 / 9) ** 0.5),
    ],
)
@pytest.mark.parametrize("method", ["auto", "riccati"])
def test_gains_known_in_closed_form(G, expected, method):
    """Static, first order, delay, undriven, unobserved, tiny, huge, Jordan block, slow pole, real modes."""
    assert expected * (1 - 1e-14) <= certify(G, method=method).gamma <= expected * (1 + 3e-6)


@pytest.mark.parametrize("method", ["auto", "riccati"])
def test_a_zero_system_has_a_tiny_gain(method):
    for B, C in (([[1.0]], [[0.0]]), ([[0.0]], [[1.0]]), ([[0.0]], [[0.0]])):
        assert certify(StateSpace([[0.5]], B, C, [[0.0]]), method=method).gamma < 1e-90


@pytest.mark.parametrize(
    ("A", "message"),
    [
        ([[1.0]], "block0: pole 1 on the unit circle, no finite gain"),
        ([[-1.5]], "block0: pole -1.5 outside the unit circle, no finite gain"),
        ([[0.0, -1.0], [1.0, 0.0]], "on the unit circle"),
        ([[0.5, 3.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 0.2]], "block0: pole 1 on the unit circle"),
        ([[0.6, 2.0], [1.0, 0.9]], "outside the unit circle"),
    ],
)
@pytest.mark.parametrize("method", ["auto", "riccati", "lmi"])
def test_unstable_and_marginal_systems_are_refused_by_name(A, message, method):
    """Also where the pole is not reachable: the state may start there."""
    n = len(A)
    for B in (np.ones((n, 1)), np.zeros((n, 1))):
        with pytest.raises(NotCertifiableError, match=message):
            certify(StateSpace(A, B, np.ones((1, n)), [[0.0]]), method=method)


def test_a_given_gamma_is_proved_or_the_smallest_is_named(modal):
    G = modal(2)
    norm = G.hinf().lower
    assert certify(G, gamma=norm * 1.5).gamma == norm * 1.5
    assert certify(G, gamma=norm * (1 + 2e-7)).gamma == norm * (1 + 2e-7)
    with pytest.raises(CertificateError, match="is not proved; the smallest gain proved is"):
        certify(G, gamma=norm * (1 - 1e-9))


def test_options_are_checked(modal, dense):
    for options in ({"kind": "hinf"}, {"method": "sdp"}, {"gamma": 0.0}, {"gamma": np.nan}, {"eps": -1.0}):
        with pytest.raises(OptionError, match=next(iter(options))):
            certify(modal(0), **options)
    with pytest.raises(OptionError, match="needs a block-diagonal A"):
        certify(dense(0), method="cauchy")
    with pytest.raises(NotCertifiableError, match="expected a StateSpace"):
        certify(np.eye(2))


@pytest.mark.slow
def test_a_large_system_by_the_fixed_point(modal):
    """N = 256 with 16 channels and a gap of 1e-6."""
    G = modal(1, 256, 16, 8, 1e-6)
    certificate = certify(G, eps=1e-3)
    assert certificate.gamma <= certificate.lower.gain * (1 + 1e-3)
