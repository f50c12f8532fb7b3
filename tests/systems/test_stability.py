"""Poles, the exact Schur test and the modal table."""

from __future__ import annotations

from fractions import Fraction

import control
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2ssm.systems.stability import exact_poles, is_schur, modal_table, poles, spectral_radius
from l2ssm.systems.state_space import StateSpace

SEEDS = [pytest.param(seed, marks=[pytest.mark.slow] if seed >= 20 else []) for seed in range(200)]


def _with(A: np.ndarray, dt: float = 1.0) -> StateSpace:
    n = len(A)
    return StateSpace(A, np.ones((n, 1)), np.ones((1, n)), [[0.0]], dt)


def test_poles_of_modes_are_the_given_numbers() -> None:
    lam = np.array([0.1 + 0.2j, -0.3 + 1e-300j, 0.7 - 0.1j, 0.5])
    G = StateSpace.from_modes(lam, np.ones((4, 1)), np.ones((1, 4)), [[0.0]])
    want = [0.7 + 0.1j, 0.7 - 0.1j, 0.5, 0.5, -0.3 + 1e-300j, -0.3 - 1e-300j, 0.1 + 0.2j, 0.1 - 0.2j]
    assert poles(G).tolist() == want


@pytest.mark.parametrize("transpose", [False, True])
def test_poles_of_a_defective_triangular_matrix_are_exact(transpose: bool) -> None:
    """LAPACK's eigenvalues of a Jordan block of size 30 are only triangular-exact; a rotated one is off by 0.3."""
    J = 0.9 * np.eye(30) + np.eye(30, k=1)
    assert poles(_with(J.T if transpose else J)).tolist() == [0.9] * 30
    assert is_schur(_with(J.T if transpose else J))


def test_a_delay_chain_has_its_poles_at_zero() -> None:
    G = _with(np.eye(12, k=-1))
    assert poles(G).tolist() == [0.0] * 12
    assert spectral_radius(G) == 0.0
    assert is_schur(G)


@pytest.mark.parametrize("seed", SEEDS)
def test_dense_poles_against_control(seed: int, dense) -> None:
    G = dense(seed, 7, radius=0.9)
    assert exact_poles(G) is None
    want = control.ss(G.A, G.B, G.C, G.D, 1.0).poles()
    distance = np.abs(poles(G)[:, None] - want[None])
    assert distance.min(axis=0).max() < 1e-11
    assert distance.min(axis=1).max() < 1e-11
    assert np.all(np.diff(np.abs(poles(G))) <= 1e-14)
    assert spectral_radius(G) == pytest.approx(0.9, rel=1e-12)


@pytest.mark.parametrize(("radius", "stable"), [(1 - 1e-9, True), (1 - 1e-12, True), (1 + 1e-9, False), (1.5, False)])
def test_dense_schur_test(radius: float, stable: bool, dense) -> None:
    assert is_schur(dense(4, 6, radius=radius)) is stable


@given(st.integers(0, 200), st.floats(-np.pi, np.pi))
def test_schur_test_of_modes_is_exact(steps: int, angle: float) -> None:
    """Around the circle in steps of one bit, where |lam| in floating point is 1.0 for points on both sides."""
    re, im = np.cos(angle), np.sin(angle)
    for _ in range(steps % 4):
        re = np.nextafter(re, 0.0 if steps % 2 else 2.0 * np.sign(re))
    G = StateSpace.from_modes([re + 1j * im], [[1]], [[1]], [[0.0]])
    assert is_schur(G) is (Fraction(re) ** 2 + Fraction(im) ** 2 < 1)


@pytest.mark.parametrize(
    ("lam", "stable"),
    [
        (1.0, False),
        (-1.0, False),
        (1j, False),
        (0.6 + 0.8j, False),
        (np.nextafter(1, 0), True),
        (-np.nextafter(1, 0), True),
    ],
)
def test_schur_test_on_the_circle(lam: complex, stable: bool) -> None:
    assert is_schur(StateSpace.from_modes([lam], [[1]], [[1]], [[0.0]])) is stable


def test_the_circle_is_missed_by_floating_point_but_not_by_the_test() -> None:
    """0.6 + 0.8j in doubles: |lam| rounds to 1, the exact |lam|^2 is above 1; the neighbour below is inside."""
    outside = complex(0.6, 0.8)
    inside = complex(np.nextafter(0.6, 0.0), 0.8)
    assert abs(inside) == abs(outside) == 1.0
    verdicts = [is_schur(StateSpace.from_modes([z], [[1]], [[1]], [[0.0]])) for z in (outside, inside)]
    exact = [Fraction(z.real) ** 2 + Fraction(z.imag) ** 2 < 1 for z in (outside, inside)]
    assert verdicts == exact == [False, True]


def test_modal_table_recovers_frequency_damping_and_time_constant() -> None:
    dt, wn, zeta, tau = 0.01, 12.0, 0.05, 3.0
    s = -zeta * wn + 1j * wn * np.sqrt(1 - zeta**2)
    A = np.zeros((4, 4))
    z = np.exp(s * dt)
    A[:2, :2] = [[z.real, -z.imag], [z.imag, z.real]]
    A[2, 2] = np.exp(-dt / tau)
    slow, oscillation, delay = modal_table(_with(A, dt))
    assert slow.time_constant == pytest.approx(tau, rel=1e-12)
    assert slow.frequency == pytest.approx(1 / tau, rel=1e-12)
    assert (slow.damping, slow.states) == (1.0, 1)
    assert oscillation.frequency == pytest.approx(wn, rel=1e-12)
    assert oscillation.damping == pytest.approx(zeta, rel=1e-12)
    assert oscillation.time_constant == pytest.approx(1 / (zeta * wn), rel=1e-12)
    assert oscillation.states == 2
    assert delay[1:] == (np.inf, 1.0, 0.0, 1)


@pytest.mark.parametrize("seed", range(5))
def test_modal_table_against_control_damp(seed: int, dense) -> None:
    G = dense(seed, 6, radius=0.9, dt=0.2)
    wn, zeta, _ = control.damp(control.ss(G.A, G.B, G.C, G.D, G.dt), doprint=False)
    got = [(row.frequency, row.damping) for row in modal_table(G) for _ in range(row.states)]
    np.testing.assert_allclose(sorted(got), sorted(zip(wn, zeta, strict=True)), rtol=1e-9)


def test_modal_table_on_and_outside_the_circle_has_no_nan() -> None:
    rows = modal_table(_with(np.diag([1.0, -1.0, 1.2, 0.5])))
    assert np.all(~np.isnan([row[1:] for row in rows]))
    table = {complex(row.pole).real: row for row in rows}
    assert table[1.0].time_constant == np.inf
    assert table[-1.0].time_constant == np.inf
    assert table[-1.0].frequency == pytest.approx(np.pi)
    assert table[1.2].time_constant < 0
    assert table[1.2].damping < 0


def test_a_very_slow_pole_keeps_its_time_constant() -> None:
    G = _with(np.array([[1 - 1e-12]]))
    assert modal_table(G)[0].time_constant == pytest.approx(1 / float(1 - Fraction(1 - 1e-12)), rel=1e-9)
