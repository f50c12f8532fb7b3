"""`StateSpace`: refusals, immutability, digest, and exact passage between complex modes and real matrices."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from l2ssm.errors import RealizationError
from l2ssm.systems.state_space import StateSpace

NUMBERS = st.floats(-1e3, 1e3, allow_subnormal=False)


def _small() -> StateSpace:
    return StateSpace([[0.5, 0.1], [0.0, 0.25]], [[1.0], [2.0]], [[1.0, 3.0]], [[0.5]], dt=0.1)


GOOD = {"A": [[0.5]], "B": [[1.0]], "C": [[1.0]], "D": [[0.0]]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"A": [[0.5j]]}, "A is complex; build a real system with StateSpace.from_modes"),
        ({"D": np.array([[1j]])}, "D is complex"),
        ({"B": [[np.nan]]}, r"B\[0, 0\] is nan"),
        ({"C": [[np.inf]]}, r"C\[0, 0\] is inf"),
        ({"A": [[0.5, 0.0]]}, r"A has shape \(1, 2\), expected \(1, 1\)"),
        ({"B": [[1.0], [1.0]]}, r"B has shape \(2, 1\), expected \(1, 1\)"),
        ({"C": [[1.0, 1.0]]}, r"C has shape \(1, 2\), expected \(1, 1\)"),
        ({"D": [0.0]}, "D has 1 dimensions, expected a matrix"),
        ({"A": "ab"}, "A is not a matrix of numbers|A has 0 dimensions"),
        ({"A": [[0.5], [0.5, 1.0]]}, "A is not a matrix of numbers"),
        ({"dt": 0.0}, "dt is 0.0, expected a finite sample time > 0"),
        ({"dt": -1.0}, "dt is -1.0"),
        ({"dt": np.nan}, "dt is nan"),
        ({"dt": None}, "dt is None, expected a finite sample time > 0"),
        ({"dt": True}, "dt is True, expected a finite sample time > 0"),
        ({"dt": "1"}, "dt is '1', expected a finite sample time > 0"),
        ({"input_names": ["a", "b"]}, r"input_names is \['a', 'b'\], expected 1 strings"),
        ({"output_names": "y"}, "output_names is 'y', expected 1 strings"),
        ({"state_names": [3]}, r"state_names is \[3\], expected 1 strings"),
        ({"output_units": []}, r"output_units is \[\], expected 1 strings"),
    ],
)
def test_wrong_realizations_are_refused_by_name(change: dict, message: str) -> None:
    with pytest.raises(RealizationError, match=message):
        StateSpace(**{**GOOD, **change})


@pytest.mark.parametrize(
    ("lam", "B", "C", "D", "message"),
    [
        ([0.5, 0.1], [[1.0]], [[1.0, 1.0]], [[0.0]], r"B has shape \(1, 1\), expected \(2, 1\)"),
        ([0.5], [[1.0]], [[1.0, 1.0]], [[0.0]], r"C has shape \(1, 2\), expected \(1, 1\)"),
        ([[0.5]], [[1.0]], [[1.0]], [[0.0]], r"lam has shape \(1, 1\), expected \(1,\)"),
        ([0.5], [[1.0]], [[1.0]], [[1j]], "D is complex"),
        ([np.nan], [[1.0]], [[1.0]], [[0.0]], "nan"),
    ],
)
def test_wrong_modes_are_refused(lam, B, C, D, message: str) -> None:
    with pytest.raises(RealizationError, match=message):
        StateSpace.from_modes(lam, B, C, D)


def test_a_system_cannot_be_changed() -> None:
    A = np.array([[0.5]])
    G = StateSpace(A, [[1.0]], [[1.0]], [[0.0]])
    before = G.digest
    A[0, 0] = 2.0  # the caller's array is not the system's
    assert G.A[0, 0] == 0.5
    for name in "ABCD":
        with pytest.raises(ValueError, match="read-only"):
            getattr(G, name)[0, 0] = 1.0
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(G, name, np.eye(1))
    with pytest.raises(dataclasses.FrozenInstanceError):
        G.dt = 2.0  # type: ignore[misc]
    assert StateSpace(G.A, G.B, G.C, G.D, G.dt).digest == before


@given(data=st.data())
def test_digest_changes_with_any_single_bit(data: st.DataObject) -> None:
    G = _small()
    name = data.draw(st.sampled_from("ABCD"))
    index = data.draw(st.integers(0, getattr(G, name).size - 1))
    bit = data.draw(st.integers(0, 63))
    M = getattr(G, name).copy()
    flat = M.reshape(-1).view(np.uint64)
    flat[index] ^= np.uint64(1 << bit)
    if not np.all(np.isfinite(M)) or np.array_equal(M, getattr(G, name)):  # -0.0 is the number 0.0
        return
    matrices = {**{k: getattr(G, k) for k in "ABCD"}, name: M}
    assert StateSpace(**matrices, dt=G.dt).digest != G.digest


def test_digest_is_about_numbers_shapes_and_sample_time_only() -> None:
    G = _small()
    same = StateSpace(G.A, G.B, G.C, G.D, G.dt, input_names=["force"], output_units=["m"])
    assert same.digest == G.digest
    assert StateSpace(G.A, G.B, G.C, G.D, np.nextafter(G.dt, 1.0)).digest != G.digest
    minus_zero = G.A.copy()
    minus_zero[1, 0] = -0.0
    assert StateSpace(minus_zero, G.B, G.C, G.D, G.dt).digest == G.digest
    wide = StateSpace(np.zeros((0, 0)), np.zeros((0, 4)), np.zeros((1, 0)), np.ones((1, 4)))
    tall = StateSpace(np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((4, 0)), np.ones((4, 1)))
    assert wide.digest != tall.digest


def test_names_and_units() -> None:
    G = StateSpace(np.zeros((2, 2)), np.zeros((2, 3)), np.zeros((1, 2)), np.zeros((1, 3)), input_units=["V", "V", "A"])
    assert G.input_names == ("u1", "u2", "u3")
    assert G.output_names == ("y",)
    assert G.state_names == ("x1", "x2")
    assert G.input_units == ("V", "V", "A")
    assert G.output_units == ("",)
    assert (G.n_x, G.n_u, G.n_y) == (2, 3, 1)
    assert repr(G) == f"StateSpace(n_x=2, n_u=3, n_y=1, dt=1 s, {G.digest[:8]})"


def test_transposed_has_the_transposed_response(dense) -> None:
    G = dense(0, 5, 2, 3, dt=0.2)
    omega = np.linspace(0.1, 15.0, 7)
    H = G.frequency_response(omega)
    np.testing.assert_allclose(G.transposed.frequency_response(omega), H.transpose(0, 2, 1), rtol=1e-10)


@given(
    lam=arrays(np.complex128, 3, elements=st.complex_numbers(max_magnitude=2.0)),
    B=arrays(np.complex128, (3, 2), elements=st.complex_numbers(max_magnitude=1e3)),
    C=arrays(np.complex128, (1, 3), elements=st.complex_numbers(max_magnitude=1e3)),
)
def test_from_modes_holds_the_very_same_numbers(lam: np.ndarray, B: np.ndarray, C: np.ndarray) -> None:
    G = StateSpace.from_modes(lam, B, C, [[1.0, 2.0]])
    for i in range(3):
        re, im = 2 * i, 2 * i + 1
        assert G.A[re, re] == G.A[im, im] == lam[i].real
        assert G.A[im, re] == -G.A[re, im] == lam[i].imag
        np.testing.assert_array_equal(G.B[re] + 1j * G.B[im], B[i])
        np.testing.assert_array_equal(G.C[:, re] - 1j * G.C[:, im], C[:, i])
    assert np.count_nonzero(G.A) <= 12
    if np.all(lam.imag != 0):
        assert G.modes is not None
        for name, value in (("lam", lam), ("B", B), ("C", C)):
            np.testing.assert_array_equal(getattr(G.modes, name), value)
        assert StateSpace.from_modes(G.modes.lam, G.modes.B, G.modes.C, G.modes.D).digest == G.digest


def _complex_loop(lam, B, C, D, u, factor: float) -> np.ndarray:
    """The definition: x+ = lam x + B u, y = factor Re(C x) + D u."""
    x, y = np.zeros(len(lam), dtype=complex), []
    for sample in u:
        y.append(factor * (C @ x).real + D @ sample)
        x = lam * x + B @ sample
    return np.array(y)


@pytest.mark.parametrize(("conjugate_pairs", "factor"), [(False, 1.0), (True, 2.0)])
def test_both_conventions_agree_with_the_complex_loop(conjugate_pairs: bool, factor: float) -> None:
    rng = np.random.default_rng(3)
    lam = rng.uniform(0.2, 0.99, 4) * np.exp(1j * rng.uniform(-np.pi, np.pi, 4))
    B, C = (rng.normal(size=s) + 1j * rng.normal(size=s) for s in ((4, 2), (3, 4)))
    D, u = rng.normal(size=(3, 2)), rng.normal(size=(300, 2))
    G = StateSpace.from_modes(lam, B, C, D, conjugate_pairs=conjugate_pairs)
    assert G.n_x == 8
    want = _complex_loop(lam, B, C, D, u, factor)
    np.testing.assert_allclose(G.simulate(u), want, rtol=0, atol=1e-12 * np.abs(want).max())


def test_conjugate_pairs_convention_is_the_system_of_both_poles() -> None:
    """y = sum over lam and conj(lam) of C x, the way a partial fraction expansion writes it."""
    lam, b, c = 0.9 * np.exp(0.4j), 1.0 - 0.5j, 0.3 + 2.0j
    G = StateSpace.from_modes([lam], [[b]], [[c]], [[0.0]], conjugate_pairs=True)
    z = np.exp(1j * 0.7)
    want = c * b / (z - lam) + np.conj(c * b) / (z - np.conj(lam))
    np.testing.assert_allclose(G.frequency_response([0.7])[0, 0, 0], want, rtol=1e-14)


@pytest.mark.parametrize(
    "A",
    [
        [[0.5, 0.1], [0.0, 0.5]],  # Jordan block
        [[0.5, -0.1], [0.1, 0.4]],  # unequal diagonal
        [[0.5, -0.1], [0.2, 0.5]],  # no rotation
        [[0.5, -0.1, 0], [0.1, 0.5, -0.1], [0, 0.1, 0.5]],  # overlapping blocks
        [[0.5, 0, 0.1], [0, 0.5, 0], [-0.1, 0, 0.5]],  # a block that is not contiguous
        [[0.5, -0.1, 0], [0.1, 0.5, 0.2], [0, 0, 0.3]],  # coupled
    ],
)
def test_other_matrices_have_no_modes(A: list) -> None:
    n = len(A)
    assert StateSpace(A, np.ones((n, 1)), np.ones((1, n)), [[0.0]]).modes is None


def test_mixed_real_and_complex_blocks_have_modes() -> None:
    A = np.array([[0.5, 0, 0, 0], [0, 0.3, -0.2, 0], [0, 0.2, 0.3, 0], [0, 0, 0, -0.9]])
    G = StateSpace(A, np.ones((4, 1)), np.arange(1.0, 5.0)[None], [[0.0]])
    assert G.modes is not None
    assert G.modes.lam.tolist() == [0.5, 0.3 + 0.2j, -0.9]
    assert G.modes.B.ravel().tolist() == [1, 1 + 1j, 1]
    assert G.modes.C.ravel().tolist() == [1, 2 - 3j, 4]


def test_static_systems_have_no_states() -> None:
    G = StateSpace(np.zeros((0, 0)), np.zeros((0, 2)), np.zeros((3, 0)), np.arange(6.0).reshape(3, 2))
    assert G.n_x == 0
    assert G.poles().size == 0
    assert G.spectral_radius() == 0.0
    assert G.is_schur()
    np.testing.assert_array_equal(G.simulate([[1.0, 1.0]]), [[1.0, 5.0, 9.0]])
    np.testing.assert_array_equal(G.frequency_response([0.3])[0], G.D)
