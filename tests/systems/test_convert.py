"""Passage to and from python-control and scipy, and everything that must not pass."""

from __future__ import annotations

import warnings

import control
import numpy as np
import pytest
from scipy import signal

from l2ssm.errors import OptionError, RealizationError
from l2ssm.systems.convert import from_control, from_scipy, to_control, to_scipy
from l2ssm.systems.state_space import StateSpace

OMEGA = np.linspace(0.0, 20.0, 15)


def _named() -> StateSpace:
    rng = np.random.default_rng(0)
    return StateSpace(
        np.diag([0.5, -0.3, 0.0]),
        rng.normal(size=(3, 2)),
        rng.normal(size=(2, 3)),
        rng.normal(size=(2, 2)),
        0.1,
        input_names=["valve", "pump"],
        output_names=["h1", "h2"],
        state_names=["a", "b", "c"],
    )


def test_control_round_trip_keeps_every_bit_and_name() -> None:
    G = _named()
    back = StateSpace.from_control(G.to_control())
    assert back.digest == G.digest
    for field in ("input_names", "output_names", "state_names"):
        assert getattr(back, field) == getattr(G, field)


def test_states_that_do_nothing_are_kept(monkeypatch) -> None:
    """A certificate is about these matrices: python-control must not tidy them up, whatever its defaults."""
    monkeypatch.setitem(control.config.defaults, "statesp.remove_useless_states", True)
    G = StateSpace(np.diag([0.5, 0.0]), [[1.0], [0.0]], [[1.0, 0.0]], [[0.0]])
    assert to_control(G).nstates == 2
    assert from_control(to_control(G)).digest == G.digest


def test_control_response_is_ours_transposed(dense) -> None:
    G = dense(0, 4, 2, 3, dt=0.1)
    oracle = to_control(G).frequency_response(OMEGA, squeeze=False).complex
    np.testing.assert_allclose(G.frequency_response(OMEGA), oracle.transpose(2, 0, 1), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("n_x", [0, 1, 4])
def test_scipy_round_trip_keeps_every_bit(n_x: int, dense) -> None:
    static = StateSpace(np.zeros((0, 0)), np.zeros((0, 2)), np.zeros((3, 0)), np.ones((3, 2)), 0.1)
    G = dense(1, n_x, 2, 3, dt=0.1) if n_x else static
    assert StateSpace.from_scipy(G.to_scipy()).digest == G.digest


@pytest.mark.parametrize("form", ["to_ss", "to_tf", "to_zpk"])
def test_every_scipy_form(form: str) -> None:
    system = getattr(signal.dlti([0.5], [0.2, -0.4j, 0.4j], 2.0, dt=0.1), form)()
    z = np.exp(1j * OMEGA * 0.1)
    want = 2 * (z - 0.5) / ((z - 0.2) * (z**2 + 0.16))
    G = from_scipy(system)
    np.testing.assert_allclose(G.frequency_response(OMEGA).ravel(), want, rtol=1e-9, atol=1e-12)
    assert G.dt == 0.1


def test_scipy_simulates_the_same() -> None:
    G = _named()
    u = np.random.default_rng(0).normal(size=(50, 2))
    _, y, _ = signal.dlsim(to_scipy(G), u)
    np.testing.assert_allclose(y, G.simulate(u), rtol=0, atol=1e-12)


def test_siso_transfer_function_with_names() -> None:
    tf = control.tf([1.0, 0.5], [1.0, -0.9, 0.2], 0.1, inputs=["force"], outputs=["speed"])
    G = from_control(tf)
    assert (G.input_names, G.output_names, G.dt) == (("force",), ("speed",), 0.1)
    z = np.exp(1j * OMEGA * 0.1)
    np.testing.assert_allclose(G.frequency_response(OMEGA).ravel(), (z + 0.5) / (z**2 - 0.9 * z + 0.2), rtol=1e-10)


def test_mimo_transfer_function_without_slycot() -> None:
    """python-control raises ControlMIMONotImplemented here."""
    num = [[[1.0], [2.0, 0.1]], [[0.0], [3.0]]]
    den = [[[1.0, -0.5], [1.0, -0.4]], [[1.0], [1.0, 0.0, 0.25]]]
    G = from_control(control.tf(num, den, 0.1))
    assert (G.n_y, G.n_u) == (2, 2)
    z = np.exp(1j * OMEGA * 0.1)
    want = np.array([[1 / (z - 0.5), (2 * z + 0.1) / (z - 0.4)], [0 * z, 3 / (z**2 + 0.25)]]).transpose(2, 0, 1)
    np.testing.assert_allclose(G.frequency_response(OMEGA), want, rtol=1e-10, atol=1e-14)


def test_static_transfer_function() -> None:
    G = from_control(control.tf([3.0], [1.0], 0.1))
    assert G.n_x == 0
    assert G.D.tolist() == [[3.0]]


CONTINUOUS = "the system is continuous-time"


@pytest.mark.parametrize("dt", [None, 0.1])
def test_continuous_time_is_refused(dt: float | None) -> None:
    """Also when a dt is given: that would be another system."""
    for system in (control.ss([[-1.0]], [[1.0]], [[1.0]], [[0.0]]), control.tf([1.0], [1.0, 1.0])):
        assert system.dt == 0
        with pytest.raises(RealizationError, match=r"continuous-time \(dt = 0\).*c2d"):
            from_control(system, dt)
    with pytest.raises(RealizationError, match=r"scipy system is continuous-time.*to_discrete"):
        from_scipy(signal.lti([1.0], [1.0, 1.0]), dt)


@pytest.mark.parametrize("dt", [None, True])
def test_a_missing_sample_time_must_be_given(dt) -> None:
    system = control.ss([[0.5]], [[1.0]], [[1.0]], [[0.0]], dt)
    with pytest.raises(RealizationError, match=rf"dt = {dt!r}, no sample time.*from_control\(system, dt=0.01\)"):
        StateSpace.from_control(system)
    assert StateSpace.from_control(system, dt=0.2).dt == 0.2


def test_scipy_default_dt_is_no_sample_time() -> None:
    system = signal.dlti([1.0], [1.0, -0.5])
    with pytest.raises(RealizationError, match=r"dt = True, no sample time.*from_scipy\(system, dt=0.01\)"):
        StateSpace.from_scipy(system)
    assert StateSpace.from_scipy(system, dt=0.2).dt == 0.2


@pytest.mark.parametrize("dt", [0.0, -1.0, np.nan, True])
def test_a_given_sample_time_must_be_one(dt) -> None:
    with pytest.raises(OptionError, match="expected a finite sample time > 0"):
        from_control(control.ss([[0.5]], [[1.0]], [[1.0]], [[0.0]], True), dt=dt)


def test_two_sample_times_must_agree() -> None:
    system = control.ss([[0.5]], [[1.0]], [[1.0]], [[0.0]], 0.1)
    assert from_control(system, dt=0.1).dt == 0.1
    with pytest.raises(RealizationError, match=r"dt = 0.1 s, but dt = 0.2 was given"):
        from_control(system, dt=0.2)


def test_complex_matrices_do_not_pass_as_their_real_part() -> None:
    """control.ss drops the imaginary part (at most a warning); ours refuses, whatever reaches it."""
    A = np.array([[0.5 + 0.5j]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept = control.ss(A, [[1.0]], [[1.0]], [[0.0]], 0.1).A
    assert kept.tolist() == [[0.5]]  # the trap: another system
    with pytest.raises(RealizationError, match=r"A is complex; build a real system with StateSpace.from_modes"):
        StateSpace(A, [[1.0]], [[1.0]], [[0.0]], 0.1)
    smuggled = control.ss([[0.5]], [[1.0]], [[1.0]], [[0.0]], 0.1)
    smuggled.A = A
    with pytest.raises(RealizationError, match=r"complex matrices; use StateSpace.from_modes"):
        from_control(smuggled)
    with pytest.raises(RealizationError, match="complex"):
        from_scipy(signal.dlti(A, [[1.0]], [[1.0]], [[0.0]], dt=0.1))


def test_other_objects_are_refused() -> None:
    with pytest.raises(RealizationError, match=r"takes a control.StateSpace or control.TransferFunction, got ndarray"):
        from_control(np.eye(2))
    with pytest.raises(RealizationError, match=r"takes a scipy.signal.dlti, got StateSpace"):
        from_scipy(_named())


def test_names_that_python_control_cannot_hold() -> None:
    G = StateSpace([[0.5]], [[1.0, 1.0]], [[1.0]], [[0.0, 0.0]], input_names=["u", "u"])
    with pytest.raises(RealizationError, match="distinct input names"):
        to_control(G)
