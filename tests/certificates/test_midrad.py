"""float64 with error bounds: every disc contains the exact result for every point of its operands, hostile ones first.

Mutants of `midrad` that were tried by hand, one at a time; each makes a test of this file fail:

rounding   1 `above` without its factor, 2 without its underflow term, 3 the error of + left out, 4 of elementwise *,
           5 gamma of @ without the inner dimension, 6 gamma_{k-2} instead of gamma_{k+2}, 7 gamma of complex @ halved
radii      8 R_A left out of @, 9 R_B, 10 R_A R_B in @, 11 the same in *, 12 the modulus |Re| instead of |Re| + |Im|,
           13 a Fraction as the nearest float, 14 subtraction of radii in -
transforms 15 Dekker's error terms dropped from 1 - a b, 16 Knuth's, 17 radius of their sum, 18 radii of a and b
division   19 |q| d instead of 2 |q| d, 20 d up to 1, 21 q without an error
decisions  22 the norm as the largest entry, 23 midpoints only, 24 residual below 2 c, 25 c I not subtracted, 26 radii
           not scaled or not counted, 27 numbers out of range let through, 28 any rounding mode, 29 small numbers
           flushed to zero
"""

from __future__ import annotations

import ctypes
import operator
import platform
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l2ssm.certificates.midrad import FLOAT, OUT_OF_RANGE, TINY, Discs, U, above
from l2ssm.certificates.rational import Rationals
from l2ssm.errors import CertificateError

RIM = [(1, 0), (-1, 0), (0, 1), (0, -1), (Fraction(3, 5), Fraction(4, 5)), (Fraction(-5, 13), Fraction(12, 13))]


def contains(discs: Discs, points: Rationals) -> bool:
    """Every point lies in its disc, in exact arithmetic."""
    mid, imag = discs.mid, points._imag()
    for i, j in np.ndindex(*discs.shape):
        re, im = (Fraction(float(part[i, j])) for part in (mid.real, mid.imag))
        if not (points.re[i, j] - re) ** 2 + (imag[i, j] - im) ** 2 <= Fraction(float(discs.rad[i, j])) ** 2:
            return False
    return True


def points_of(discs: Discs, rng: np.random.Generator) -> Rationals:
    """A point on the rim of every disc (real: an end of the interval)."""
    is_complex = discs.mid.dtype.kind == "c"
    re, im = np.empty(discs.shape, dtype=object), np.empty(discs.shape, dtype=object)
    for i, j in np.ndindex(*discs.shape):
        dx, dy = RIM[rng.integers(len(RIM) if is_complex else 2)]
        rad = Fraction(float(discs.rad[i, j]))
        re[i, j] = Fraction(float(discs.mid[i, j].real)) + rad * dx
        im[i, j] = Fraction(float(discs.mid[i, j].imag)) + rad * dy
    return Rationals(re, im if is_complex else None)


HOSTILE = [
    *(0.0, 1.0, -1.0, 1 - U, 1 + 2 * U, U, -U, 3 * U, 0.1, 1 / 3, -1 / 3, 2.0**27 + 1, 134217727.0, np.pi),
    *(5e-324, -5e-324, TINY, TINY / 3, 1e-160, -1e-200, 3e-155, 1e-310, 1e150, -1.7e140),
]
numbers = st.one_of(st.sampled_from(HOSTILE), st.floats(-4, 4), st.floats(-1e100, 1e100, allow_subnormal=True))
radii = st.one_of(st.just(0.0), st.sampled_from([5e-324, 1e-300, U, 1e-16, 0.3, 1.0, 1e10]), st.floats(0, 1e50))


@st.composite
def discs(draw: st.DrawFn, rows: int, columns: int) -> Discs:
    count = rows * columns
    re, im, rad = (draw(st.lists(kind, min_size=count, max_size=count)) for kind in (numbers, numbers, radii))
    mid = np.array(re) + 1j * np.array(im) if draw(st.booleans()) else np.array(re)
    return Discs(mid.reshape(rows, columns), np.array(rad).reshape(rows, columns))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Discs, Discs]:
    n, k, m = (draw(st.integers(1, 3)) for _ in range(3))
    return draw(discs(n, k)), draw(discs(k, m))


def encloses(op, A: Discs, B: Discs, seed: int) -> None:
    """op(A, B) contains op(a, b) for points a, b on the rims; or the result is out of range, and refused."""
    rng = np.random.default_rng(seed)
    with FLOAT.session():
        try:
            result = op(A, B)
        except CertificateError:
            return
        for _ in range(3):
            assert contains(result, op(points_of(A, rng), points_of(B, rng)))


@settings(max_examples=80, deadline=None)
@given(pairs(), st.integers(0, 2**31))
def test_matrix_products_enclose(pair, seed):
    encloses(operator.matmul, *pair, seed)


@pytest.mark.parametrize("op", [operator.add, operator.sub, operator.mul, operator.truediv], ids=lambda op: op.__name__)
@settings(max_examples=80, deadline=None)
@given(A=discs(2, 2), B=discs(2, 2), seed=st.integers(0, 2**31))
def test_elementwise_operations_enclose(op, A, B, seed):
    encloses(op, A, B, seed)


@settings(max_examples=60, deadline=None)
@given(A=discs(2, 1), B=discs(1, 2), seed=st.integers(0, 2**31))
def test_broadcasting_encloses(A, B, seed):
    for op in (operator.mul, operator.add, lambda a, b: a.one_minus_product(b)):
        encloses(op, A, B, seed)


@settings(max_examples=60, deadline=None)
@given(A=discs(2, 2), x=st.fractions(), seed=st.integers(0, 2**31))
def test_numbers_are_enclosed(A, x, seed):
    rng = np.random.default_rng(seed)
    with FLOAT.session():
        for op in (lambda M: M * x, lambda M: x * M, lambda M: M - x, lambda M: x - M, lambda M: M * 0.1 + x):
            try:
                result = op(A)
            except CertificateError:
                continue
            assert contains(result, op(points_of(A, rng)))


# one operation each, so hostile that a missing term shows


def point(*rows: list) -> Discs:
    M = np.array(rows)
    return Discs(M, np.zeros(M.shape))


def disc(mid: complex, rad: float) -> Discs:
    return Discs(np.array([[mid]]), np.array([[rad]]))


ATTACKS = {
    "a product that underflows to 0": (operator.mul, point([1e-200]), point([1e-200])),
    "a matrix product that underflows to 0": (operator.matmul, point([1e-200, 1e-170]), point([1e-200], [1e-170])),
    "radii whose sum rounds down": (operator.add, disc(1.0, 1.0), disc(1.0, 2.0**-54)),
    "radii whose product underflows": (operator.mul, disc(0.0, 1e-200), disc(0.0, 1e-200)),
    "midpoints whose sum rounds": (operator.add, point([1.0]), point([U])),
    "midpoints whose product rounds": (operator.mul, point([1 + 2 * U]), point([1 + 2 * U])),
    "one product that rounds, in @": (operator.matmul, point([1 + 2 * U]), point([1 + 2 * U])),
    "two products that round": (operator.matmul, point([1.0, 1 + 2 * U]), point([U], [1 + 2 * U])),
    "centres at 0, in *": (operator.mul, disc(0.0, 1.0), disc(0.0, 1.0)),
    "centres at 0, in @": (operator.matmul, disc(0.0, 1.0), disc(0.0, 1.0)),
    "a wide left operand": (operator.matmul, disc(1.0, 1.0), point([1.0])),
    "a wide right operand": (operator.matmul, point([1.0]), disc(1.0, 1.0)),
    "imaginary midpoints": (operator.matmul, disc(1j, 0.25), disc(1j, 0.25)),
    "imaginary midpoints, in *": (operator.mul, disc(1j, 0.25), disc(1j, 0.25)),
    "widths are added in a difference": (operator.sub, disc(1.0, 0.5), disc(1.0, 0.5)),
    "a wide divisor": (operator.truediv, point([1.0]), disc(1.0, 0.499999)),
    "a divisor that is not a power of two": (operator.truediv, point([1.0]), point([3.0])),
    "a complex divisor": (operator.truediv, point([1.0]), point([3.0 + 7.0j])),
    "1 - a b next to 0": (lambda a, b: a.one_minus_product(b), point([1 - U]), point([1 - 3 * U])),
    **{
        f"1 - a b next to 0, angle {angle}": (
            lambda a, b: a.one_minus_product(b),
            point([np.exp(1j * angle) * (1 - 1e-9)]),
            point([np.exp(-1j * angle) * (1 - 1e-9)]),
        )
        for angle in (0.7, 1.2, 1.5, 2.0)
    },
    "1 - a b of large numbers": (lambda a, b: a.one_minus_product(b), point([1e160]), point([1e140])),
    "1 - a b of wide discs": (lambda a, b: a.one_minus_product(b), disc(0.5, 0.25), disc(0.5, 0.25)),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_operands(attack):
    op, A, B = ATTACKS[attack]
    rng = np.random.default_rng(0)
    with FLOAT.session():
        result = op(A, B)
        for _ in range(40):
            assert contains(result, op(points_of(A, rng), points_of(B, rng)))


def test_a_sum_whose_errors_all_have_one_sign():
    """k times u next to 1: what is lost grows like k, whatever the order of summation (here up to 32 partial sums)."""
    with FLOAT.session():
        k = 2**14
        A, B = point([1.0] * k), point([1.0], *[[U]] * (k - 1))
        product = A @ B
        lost = abs(Fraction(float(product.mid[0, 0])) - (1 + (k - 1) * Fraction(U)))
    assert 0 < lost <= Fraction(float(product.rad[0, 0]))


@pytest.mark.parametrize("k", [1, 2, 3, 50])
@pytest.mark.parametrize("kind", ["real", "complex", "complex, on the real line"])
def test_worst_rounding_of_short_sums(k, kind):
    """Products with the largest rounding error, all in one direction: searched for, not drawn."""
    rng = np.random.default_rng(k)
    with FLOAT.session():
        for _ in range(5):
            a = 1 + rng.integers(1, 2**26, 1000) * 2.0**-52
            b = 1 + rng.integers(1, 2**26, 1000) * 2.0**-52
            error = [(Fraction(x) * Fraction(y) - Fraction(x * y)) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
            worst = np.argsort([float(e) for e in error])[-k:]
            A, B = a[None, worst], b[worst, None]
            if kind == "complex":
                A, B = A * (1 + 1j), B * (1 - 1j)
            elif kind != "real":
                A, B = A + 0j, B + 0j
            left, right = point(*A.tolist()), point(*B.tolist())
            assert contains(left @ right, points_of(left, rng) @ points_of(right, rng))


def test_above_is_above():
    """k additions that all round down, and their bound."""
    for k in (1, 2, 10, 1000):
        x, exact = 1.0, Fraction(1)
        for _ in range(k):
            x, exact = x + U, exact + Fraction(U)
        assert Fraction(above(x, k)) >= exact
        assert above(1.0, k) <= 1 + 4 * (k + 5) * U
    assert above(0.0, 1) >= 1e-320


def test_discs_are_narrow():
    """Soundness alone would allow radii of any size."""
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((30, 200)), rng.standard_normal((200, 30))
    with FLOAT.session():
        product = FLOAT.embed(A) @ FLOAT.embed(B)
        assert np.all(product.rad <= 2 * 202 * U * (np.abs(A) @ np.abs(B)))
        lam = np.exp(1j * rng.uniform(0, 2 * np.pi, (50, 1))) * (1 - 1e-9)
        gap = FLOAT.embed(lam.conj()).one_minus_product(FLOAT.embed(lam))
        assert np.all(gap.rad <= 4 * U * np.abs(gap.mid) + 1e-31)
        assert np.all((FLOAT.identity(1) / FLOAT.embed(lam)).rad < 40 * U)
        assert (FLOAT.identity(2) * Fraction(1, 3)).rad.max() < 8 * U


# decisions


def refuses(S: Discs) -> bool:
    try:
        with FLOAT.session():
            FLOAT.assert_positive_definite(S, "S")
    except CertificateError:
        return True
    return False


def test_discs_that_reach_a_singular_matrix_are_refused():
    """Every entry of the radius is small against the diagonal; only their sum is not."""
    for n in (2, 3, 10, 40):
        off = np.ones((n, n)) - np.eye(n)
        assert refuses(Discs(np.eye(n), off / (n - 1)))
        assert refuses(Discs(np.eye(n), off * (1 - 1e-13) / (n - 1)))
        assert not refuses(Discs(np.eye(n), off * (1 - 1e-6) / (n - 1) / 1.2))
        assert refuses(Discs(np.eye(n) * 2.0**-1000, off * 2.0**-1000 / (n - 1)))
        assert refuses(Discs(np.diag(4.0 ** np.arange(n)), off * 2.0 ** np.add.outer(np.arange(n), np.arange(n))))


def test_matrices_within_rounding_of_singular_are_refused():
    for n in (2, 5, 30):
        rng = np.random.default_rng(n)
        Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
        for smallest in (0.0, 1e-17, -1e-17):
            S = (Q * np.append(smallest, np.ones(n - 1))) @ Q.T
            assert refuses(FLOAT.embed(S))
            assert refuses(FLOAT.embed(-S))
    assert refuses(FLOAT.embed(np.ones((4, 4)) + 1e-17 * np.eye(4)))
    assert not refuses(FLOAT.embed(np.ones((4, 4)) + 1e-12 * np.eye(4)))


def test_nothing_is_assumed_of_the_factorization(monkeypatch):
    """A wrong factor that explains a singular matrix exactly: only the room c I decides, and it is not there."""
    monkeypatch.setattr(np.linalg, "cholesky", lambda S: np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert refuses(FLOAT.embed(np.ones((2, 2))))
    assert refuses(FLOAT.embed([[1.0, 2.0], [2.0, 1.0]]))


def test_a_gain_within_rounding_of_the_norm_is_refused():
    """T = (1 - U)^2 < 1 is true, and T = 1 is not: float64 accepts neither, and says so."""
    with FLOAT.session():
        for T in (1.0, 1 - 2 * U):
            with pytest.raises(CertificateError, match="not proved positive definite"):
                FLOAT.assert_gain(FLOAT.embed([[T]]), 1.0, "T")
        FLOAT.assert_gain(FLOAT.embed([[1.0]]), 1 + 1e-14, "T")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_or_overflows_is_refused(bad):
    with pytest.raises(CertificateError):
        FLOAT.embed([[bad]])
    with FLOAT.session():
        with pytest.raises(CertificateError):
            Discs(np.ones((1, 1)), np.array([[bad]]))
        huge = FLOAT.embed([[1e200]])
        overflowing = (
            lambda: huge * huge,
            lambda: huge @ huge,
            lambda: FLOAT.embed([[1e308]]) + FLOAT.embed([[1e308]]),
            lambda: FLOAT.identity(1) / FLOAT.embed([[5e-324]]),
            lambda: huge * Fraction(10) ** 400,
            lambda: FLOAT.embed([[1e308]]).one_minus_product(FLOAT.embed([[1e308]])),
        )
        for operation in overflowing:
            with pytest.raises(CertificateError, match=OUT_OF_RANGE):
                operation()
        for wide in (disc(1.0, 1.0), disc(1.0, 0.7)):
            with pytest.raises(CertificateError, match="different from zero"):
                huge / wide


@pytest.mark.skipif(platform.system() != "Linux" or platform.machine() != "x86_64", reason="modes of the x86 unit")
@pytest.mark.parametrize("mode", [0x400, 0x800, 0xC00])
def test_another_rounding_mode_is_refused(mode):
    libm = ctypes.CDLL("libm.so.6")
    libm.fesetround(mode)
    try:
        with pytest.raises(CertificateError, match="does not round to nearest"), FLOAT.session():
            pass
    finally:
        libm.fesetround(0)


def test_flushing_to_zero_is_refused():
    """`torch.set_flush_denormal` sets the mode of the thread that runs numpy too."""
    torch = pytest.importorskip("torch")
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor has no such mode")
    try:
        with pytest.raises(CertificateError, match="flushes small numbers"), FLOAT.session():
            pass
    finally:
        torch.set_flush_denormal(False)


def test_blocks():
    A, B = disc(1.0, 0.5), disc(2j, 0.25)
    M = FLOAT.block([[A, B], [B, A]])
    assert M.mid.tolist() == [[1, 2j], [2j, 1]]
    assert M.rad.tolist() == [[0.5, 0.25], [0.25, 0.5]]
    assert (M[0:1, 1:2].mid.item(), M[0:1, 1:2].rad.item()) == (2j, 0.25)
    assert M.real.mid.tolist() == [[1, 0], [0, 1]]
    for rows in ([[A, B], [A]], [[A, FLOAT.identity(2)]]):
        with pytest.raises(CertificateError, match="do not fit"):
            FLOAT.block(rows)
