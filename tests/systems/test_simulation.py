"""Simulation against explicit loops, scipy and python-control; streaming; refusals."""

from __future__ import annotations

import control
import numpy as np
import pytest
from scipy import signal

from l2ssm.errors import DataError, RealizationError
from l2ssm.systems.state_space import StateSpace


def _loop(G: StateSpace, u: np.ndarray, x0: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    X, Y, x = [x0], [], x0
    for sample in u:
        Y.append(G.C @ x + G.D @ sample)
        x = G.A @ x + G.B @ sample
        X.append(x)
    return np.array(Y), np.array(X)


def _mixed() -> StateSpace:
    """One real pole, a pair, a delay (pole 0) and a negative pole: every kind of block."""
    A = np.zeros((5, 5))
    A[0, 0], A[3, 3], A[4, 4] = 0.95, 0.0, -0.8
    A[1:3, 1:3] = [[0.6, -0.7], [0.7, 0.6]]
    rng = np.random.default_rng(0)
    return StateSpace(A, rng.normal(size=(5, 2)), rng.normal(size=(3, 5)), rng.normal(size=(3, 2)), 0.5)


@pytest.mark.parametrize("kind", ["modal", "dense", "mixed"])
def test_states_and_outputs_follow_the_recursion(kind: str, modal, dense) -> None:
    G = {"modal": lambda: modal(1, 4, 2, 3), "dense": lambda: dense(1, 5, 2, 3), "mixed": _mixed}[kind]()
    rng = np.random.default_rng(7)
    u, x0 = rng.normal(size=(200, 2)), rng.normal(size=G.n_x)
    Y, X = _loop(G, u, x0)
    np.testing.assert_allclose(G.simulate(u, x0), Y, rtol=0, atol=1e-11 * np.abs(Y).max())
    np.testing.assert_allclose(G.states(u, x0), X, rtol=0, atol=1e-11 * np.abs(X).max())
    np.testing.assert_array_equal(G.states(u, x0)[0], x0)


@pytest.mark.parametrize("kind", ["modal", "dense"])
def test_cutting_a_record_and_carrying_the_state_changes_nothing(kind: str, modal, dense) -> None:
    G = modal(2, 3, 1, 2) if kind == "modal" else dense(2, 4, 1, 2)
    u = np.random.default_rng(0).normal(size=(100, 1))
    x = G.states(u[:37])
    joined = np.concatenate([G.simulate(u[:37]), G.simulate(u[37:], x[-1])])
    np.testing.assert_allclose(joined, G.simulate(u), rtol=0, atol=1e-12 * np.abs(joined).max())


@pytest.mark.parametrize("seed", range(5))
def test_step_and_forced_response_against_scipy_and_control(seed: int, modal, dense) -> None:
    for G in (modal(seed, 3, 2, 2, dt=0.1), dense(seed, 6, 2, 2, dt=0.1)):
        _, steps = signal.dstep(signal.dlti(G.A, G.B, G.C, G.D, dt=G.dt), n=60)
        for j in range(2):
            u = np.zeros((60, 2))
            u[:, j] = 1.0
            np.testing.assert_allclose(G.simulate(u), steps[j], rtol=0, atol=1e-11 * np.abs(steps[j]).max())
        u = np.random.default_rng(seed).normal(size=(80, 2))
        x0 = np.random.default_rng(seed + 1).normal(size=G.n_x)
        oracle = control.forced_response(control.ss(G.A, G.B, G.C, G.D, G.dt), inputs=u.T, initial_state=x0)
        np.testing.assert_allclose(
            G.simulate(u, x0), oracle.outputs.T, rtol=0, atol=1e-10 * np.abs(oracle.outputs).max()
        )


def test_an_unstable_system_can_be_simulated() -> None:
    y = StateSpace([[2.0]], [[1.0]], [[1.0]], [[0.0]]).simulate([1.0, 0, 0, 0, 0])
    assert y.ravel().tolist() == [0.0, 1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize("kind", ["modal", "dense", "static"])
def test_an_empty_record_gives_an_empty_output(kind: str, modal, dense) -> None:
    static = StateSpace(np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), [[2.0]])
    G = {"modal": modal(0, 2), "dense": dense(0, 3), "static": static}[kind]
    assert G.simulate(np.zeros((0, 1))).shape == (0, 1)
    assert G.states(np.zeros((0, 1))).shape == (1, G.n_x)


@pytest.mark.parametrize(
    ("u", "message"),
    [
        (np.zeros((2, 50)), r"u has shape \(2, 50\), expected \(T, 2\): time first"),
        (np.zeros(5), r"u has shape \(5,\), expected \(T, 2\)"),
        (np.zeros((1, 5, 2)), r"u has shape \(1, 5, 2\)"),
        ([[0.0, 1.0], [np.nan, 1.0]], r"u\[1\] is not finite"),
        (np.zeros((3, 2)) + 1j, "u is complex"),
        ([["a", "b"]], "u is not an array of numbers"),
    ],
)
def test_wrong_inputs_are_refused(u, message: str) -> None:
    with pytest.raises(DataError, match=message):
        _mixed().simulate(u)


@pytest.mark.parametrize("x0", [np.zeros(4), [np.nan] * 5, np.zeros(5) + 1j, ["a"] * 5])
def test_wrong_initial_states_are_refused(x0) -> None:
    with pytest.raises(RealizationError, match=r"x0 .*expected 5 finite numbers"):
        _mixed().simulate(np.zeros((3, 2)), x0)
