"""Modal tables, connections of systems and minimal realizations against python-control, and sums of residues."""

from __future__ import annotations

import numpy as np
import pytest

from l2ssm.analysis.connect import minimal, parallel, residual, series
from l2ssm.analysis.directions import worst_direction
from l2ssm.analysis.modes import mode_table, residues
from l2ssm.errors import OptionError, RealizationError
from l2ssm.systems.gramian import hankel_singular_values
from l2ssm.systems.state_space import StateSpace

from .systems_under_test import random_modes

OMEGA = np.linspace(0.0, np.pi, 40)


def dense(n: int, n_u: int, n_y: int, seed: int, radius: float = 0.9, dt: float = 1.0) -> StateSpace:
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, n))
    A *= radius / np.max(np.abs(np.linalg.eigvals(A)))
    return StateSpace(A, rng.standard_normal((n, n_u)), rng.standard_normal((n_y, n)), np.ones((n_y, n_u)), dt)


@pytest.mark.parametrize("G", [random_modes(5, 2, 3), dense(7, 3, 2, 0)], ids=["modes", "dense"])
def test_the_residues_add_up_to_the_response(G: StateSpace) -> None:
    z = np.exp(1j * OMEGA)[:, None, None]
    total = G.D + np.zeros((40, 1, 1), dtype=complex)
    for row in mode_table(G):
        total = total + row.residue / (z - row.mode.pole)
        if row.mode.states == 2:
            total = total + row.residue.conj() / (z - np.conj(row.mode.pole))
    np.testing.assert_allclose(total, G.frequency_response(OMEGA), rtol=0, atol=1e-10 * np.abs(total).max())
    assert sum(row.mode.states for row in mode_table(G)) == G.n_x


def test_the_share_of_a_mode_is_that_of_its_own_hankel_singular_values() -> None:
    parts = [StateSpace.from_modes([0.9 * np.exp(0.4j)], [[b]], [[1.0]], [[0.0]]) for b in (1.0, 3.0)]
    other = StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]])
    together = parallel(parts[1], other)
    sums = [hankel_singular_values(G).sum() for G in (parts[1], other)]
    rows = mode_table(together)
    assert [row.hankel for row in rows] == pytest.approx(sums, rel=1e-9)
    assert sum(row.share or 0.0 for row in rows) == pytest.approx(1.0, rel=1e-12)
    assert mode_table(parts[0])[0].hankel == pytest.approx(sums[0] / 3, rel=1e-9)


def test_modes_without_residues_or_share_say_so() -> None:
    jordan = StateSpace([[0.5, 1.0], [0.0, 0.5]], [[0.0], [1.0]], [[1.0, 0.0]], [[0.0]])
    assert residues(jordan) is None
    assert [row.residue for row in mode_table(jordan)] == [None, None]
    unstable = mode_table(StateSpace(np.diag([1.1, 0.5]), np.ones((2, 1)), np.ones((1, 2)), [[0.0]]))
    assert [row.share for row in unstable] == [None, None]
    assert unstable[1].hankel is not None
    assert mode_table(StateSpace(np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), [[2.0]])) == []


def test_connections_are_those_of_python_control() -> None:
    G, H = dense(3, 2, 2, 1), dense(4, 2, 2, 2)
    mine = [series(G, H), parallel(G, H), residual(G)]
    g, h = G.to_control(), H.to_control()
    for ours, theirs in zip(mine, [h * g, g + h, g + np.eye(2)], strict=True):
        want = theirs.frequency_response(OMEGA, squeeze=False).complex.transpose(2, 0, 1)
        np.testing.assert_allclose(ours.frequency_response(OMEGA), want, rtol=0, atol=1e-10 * np.abs(want).max())
    with pytest.raises(RealizationError, match="the next system takes 1"):
        series(G, dense(2, 1, 1, 0))
    with pytest.raises(RealizationError, match="expected one dt"):
        parallel(G, dense(4, 2, 2, 2, dt=0.5))
    with pytest.raises(RealizationError, match="a skip needs as many"):
        residual(dense(2, 1, 2, 0))


@pytest.mark.parametrize("seed", range(6))
def test_a_minimal_realization_has_no_state_too_many(seed: int) -> None:
    G = dense(5, 2, 3, seed)
    rng = np.random.default_rng(seed)
    hidden, unseen = np.diag(rng.uniform(-0.8, 0.8, 3)), np.diag(rng.uniform(-0.8, 0.8, 2))
    A = np.block([[G.A, np.zeros((5, 5))], [np.zeros((5, 10))]])
    A[5:8, 5:8], A[8:, 8:] = hidden, unseen
    B = np.vstack([G.B, np.zeros((3, 2)), rng.standard_normal((2, 2))])  # three states not reached
    C = np.hstack([G.C, rng.standard_normal((3, 3)), np.zeros((3, 2))])  # two not seen
    T = rng.standard_normal((10, 10))
    big = StateSpace(np.linalg.solve(T, A @ T), np.linalg.solve(T, B), C @ T, G.D)
    found = minimal(big)
    assert found.G.n_x == 5
    want = G.frequency_response(OMEGA)
    np.testing.assert_allclose(found.G.frequency_response(OMEGA), want, rtol=0, atol=1e-7 * np.abs(want).max())
    assert found.bound < 1e-5 * np.abs(want).max()
    with pytest.raises(RealizationError, match="Schur"):
        minimal(StateSpace([[1.5]], [[1.0]], [[1.0]], [[0.0]]))


def test_the_minimal_order_is_the_mc_millan_degree() -> None:
    G = random_modes(3, 2, 2)
    assert minimal(parallel(G, G)).G.n_x == G.n_x
    assert minimal(series(G, residual(G))).G.n_x == 2 * G.n_x  # two inputs: no pole cancels


@pytest.mark.parametrize("function", [mode_table, worst_direction, minimal, residual, series, parallel])
@pytest.mark.parametrize("given", [None, 3.0, "G"])
def test_what_is_not_a_linear_system_is_refused(function, given):
    with pytest.raises(OptionError, match="is not a StateSpace"):
        function(given)
