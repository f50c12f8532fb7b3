"""The arithmetic: exact embedding, positive definiteness against exact determinants, exact Schur test, fails closed."""

from __future__ import annotations

import math
from fractions import Fraction

import flint
import numpy as np
import pytest

from l2ssm.certificates.balls import BALL, PRECISION, Balls, is_dominant
from l2ssm.certificates.midrad import FLOAT
from l2ssm.certificates.rational import EXACT
from l2ssm.certificates.rigorous import Arithmetic, assert_schur, exact, rounded_up
from l2ssm.certificates.smallest import spectral_norm
from l2ssm.errors import CertificateError


def is_positive_definite(S: np.ndarray) -> bool:
    """Sylvester's criterion in exact rational arithmetic (Gaussian elimination without pivoting)."""
    M = [[Fraction(x) for x in row] for row in S.tolist()]
    n = len(M)
    for k in range(n):
        if not M[k][k] > 0:
            return False
        for i in range(k + 1, n):
            f = M[i][k] / M[k][k]
            M[i] = [a - f * b for a, b in zip(M[i], M[k], strict=True)]
    return True


def accepts(S: np.ndarray, arithmetic: Arithmetic = BALL) -> bool:
    try:
        with arithmetic.session():
            arithmetic.assert_positive_definite(arithmetic.embed(S), "S")
    except CertificateError:
        return False
    return True


@pytest.mark.parametrize("seed", range(30))
def test_positive_definiteness_agrees_with_exact_rationals_at_the_edge(seed):
    """Matrices within a few rounding errors of singular: never accepted unless exactly positive definite."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7))
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    smallest = rng.choice([-1e-13, -1e-16, -1e-17, 0.0, 1e-17, 1e-16, 1e-13])
    S = (Q * np.concatenate([[smallest], rng.uniform(0.1, 3, n - 1)])) @ Q.T
    unit = 2.0 ** rng.integers(-400, 400)
    S = (S + S.T) / 2 * unit
    assert accepts(S) == accepts(S, EXACT) == is_positive_definite(S)
    assert accepts(S, FLOAT) <= is_positive_definite(S)
    assert accepts(S + 1e-12 * unit * np.eye(n), FLOAT)


def test_ill_conditioned_matrices_are_proved():
    """Hilbert matrices, condition 1e16, and diagonals over 600 binary orders of magnitude."""
    for n in (8, 11, 12):
        H = 1 / (np.arange(n)[:, None] + np.arange(n) + 1.0)
        assert accepts(H) == accepts(H, EXACT) == is_positive_definite(H)
    for arithmetic in (BALL, FLOAT, EXACT):
        assert accepts(np.diag(2.0 ** np.arange(-300, 300, 40)), arithmetic)


@pytest.mark.parametrize(
    "S", [np.diag([1.0, 0.0]), np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([[1.0, 2.0], [2.0, 1.0]]), -np.eye(3)]
)
def test_singular_and_indefinite_matrices_are_refused(S):
    assert not any(accepts(S, arithmetic) for arithmetic in (BALL, FLOAT, EXACT))


def test_dominance_counts_absolute_values():
    for off, expected in ((-0.9, True), (-1.0, False), (-2.0, False), (0.9, True), (1.0, False)):
        assert is_dominant(BALL.embed(np.array([[1.0, off], [off, 1.0]]))) is expected
    assert not is_dominant(BALL.embed(np.array([[1.0, 0.6, -0.6], [0.6, 2.0, 0.0], [-0.6, 0.0, 2.0]])))


def test_a_ball_that_reaches_a_singular_matrix_is_refused():
    with BALL.session():
        wide = Balls(flint.arb_mat(2, 2, [1, flint.arb(0, 1.0), flint.arb(0, 1.0), 1]))
        narrow = Balls(flint.arb_mat(2, 2, [1, flint.arb(0, 0.9), flint.arb(0, 0.9), 1]))
        BALL.assert_positive_definite(narrow, "narrow")
        with pytest.raises(CertificateError, match="wide is not proved"):
            BALL.assert_positive_definite(wide, "wide")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_non_finite_entries_never_prove_anything(bad):
    for entries in ([bad, 0.0, 0.0, 1.0], [1.0, bad, bad, 1.0]):
        with pytest.raises(CertificateError):
            BALL.embed(np.array(entries).reshape(2, 2))
        S = Balls(flint.arb_mat(2, 2, [flint.arb(x) for x in entries]))
        with pytest.raises(CertificateError):
            BALL.assert_positive_definite(S, "S")
    with pytest.raises(CertificateError):
        exact(bad)
    with pytest.raises(CertificateError):
        BALL.assert_gain(BALL.embed(np.eye(1)), bad, "I")


def test_embedding_is_exact_and_precision_is_restored():
    before = flint.ctx.prec
    with BALL.session():
        assert flint.ctx.prec == PRECISION
        for x in (0.1, 1e300, 5e-324, -1 / 3, math.pi):
            ball = BALL.embed([[x]])[0, 0]
            assert ball.is_exact()
            p, q = ball.fmpq().p, ball.fmpq().q
            assert Fraction(int(p), int(q)) == Fraction(x)
    assert flint.ctx.prec == before


def test_rounded_up_is_the_smallest_float_above():
    for x in (
        Fraction(1, 3),
        -Fraction(1, 3),
        Fraction(7),
        Fraction(2) ** -1070 / 3,
        Fraction(1 << 54) + 1,
        Fraction(0),
    ):
        assert x <= exact(rounded_up(x))
        assert not x <= exact(math.nextafter(rounded_up(x), -math.inf))
    for x in (Fraction(2) ** 2000, exact(1.7976931348623157e308) + 1):
        with pytest.raises(CertificateError):
            rounded_up(x)


def test_schur_is_decided_exactly():
    below, above = math.nextafter(1.0, 0.0), math.nextafter(1.0, 2.0)
    assert_schur(np.array([below, -below, 0.0, 1j * below]))
    for lam in (1.0, -1.0, 1j, above, -1j * above, complex(math.nan)):
        with pytest.raises(CertificateError):
            assert_schur(np.array([0.5, lam]))


def test_rotations_next_to_the_circle_agree_with_integers():
    rng = np.random.default_rng(0)
    for angle in rng.uniform(0, 2 * np.pi, 200):
        z = complex(np.exp(1j * angle))
        inside = Fraction(z.real) ** 2 + Fraction(z.imag) ** 2 < 1
        try:
            assert_schur(np.array([z]))
            assert inside
        except CertificateError:
            assert not inside


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (5, 2), (4, 4), (3, 0), (0, 3)])
def test_spectral_norm_bound_is_tight_and_cannot_be_lowered(shape):
    W = np.random.default_rng(1).standard_normal(shape)
    gain = spectral_norm(W)
    if not W.size:
        assert gain < 1e-300
        return
    norm = np.linalg.norm(W, 2)
    assert norm * (1 - 1e-14) <= gain <= norm * (1 + 1e-13)
    with BALL.session(), pytest.raises(CertificateError):
        BALL.assert_gain(BALL.gram(W), norm * (1 - 1e-14), "W")


def test_elementwise_operations_refuse_shapes_that_do_not_fit():
    A, B = BALL.embed(np.ones((2, 3))), BALL.embed(np.ones((3, 2)))
    with pytest.raises(CertificateError, match="do not fit"):
        A + B
    with pytest.raises(CertificateError, match="not a real square matrix"):
        BALL.assert_positive_definite(A, "A")


@pytest.mark.parametrize("arithmetic", [BALL, FLOAT, EXACT], ids=lambda a: a.name)
def test_every_arithmetic_computes_like_numpy(arithmetic):
    """The interface on small integers, where numpy is exact: products, broadcasting, blocks, slices, numbers."""
    rng = np.random.default_rng(0)
    A, B, C = (rng.integers(-4, 5, shape) + 1j * rng.integers(-4, 5, shape) for shape in ((3, 2), (2, 3), (3, 2)))
    b, d = rng.integers(1, 5, (3, 1)).astype(float), np.array([[2.0, 4.0]])

    def formulas(embed, block):
        X, Y, Z, u, v = (embed(M) for M in (A, B, C, b, d))
        yield (X @ Y).real
        yield (X.conj().T @ Z).real - 1
        yield (u * X + Z * 2 - X.conj()).real
        yield (1 - X * v).real * Fraction(1, 4) * 0.5
        yield (X / v).real + u
        yield (u @ v)[1:3, 0:1]
        yield block([[u, X.real], [v.T, (Y.T * -1).real[0:2, 0:2]]])
        yield block([[X, Z]]).T.conj()[1:4, 0:2].real

    def of_numpy(M):
        return np.asarray(M)

    with arithmetic.session():
        found = list(formulas(arithmetic.embed, arithmetic.block))
        exact_gap = arithmetic.embed(A).one_minus_product(arithmetic.embed(C)).real
        outer_gap = arithmetic.embed(b + 0j).one_minus_product(arithmetic.embed(d + 1j)).real
    wanted = [np.asarray(M, dtype=float) for M in formulas(of_numpy, np.block)]
    wanted += [(1 - A * C).real, (1 - b * (d + 1j)).real]
    for M, expected in zip([*found, exact_gap, outer_gap], wanted, strict=True):
        assert M.shape == expected.shape
        np.testing.assert_allclose(M.approximate(), expected, rtol=1e-14, atol=1e-14)
