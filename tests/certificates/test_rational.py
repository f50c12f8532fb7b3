"""Exact arithmetic: every question is decided, one part in 10^300 included; the golden certificate; sizes are limited.

Mutants of `rational` that were tried by hand; each makes a test of this file fail: 1 pivots >= 0, 2 pivots not updated,
3 conjugation forgotten, 4 the sign of b d in a product, 5 division without |d|^2, 6 numbers by their nearest float, 7 a
matrix that is not symmetric, 8 an imaginary part, 9 no limit, 10 imaginary parts lost in a sum, 11 in a block.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from l2ssm.certificates.compose import certify
from l2ssm.certificates.rational import EXACT, LIMIT, Rationals
from l2ssm.certificates.rigorous import exact
from l2ssm.certificates.verify import verify
from l2ssm.errors import CertificateError
from l2ssm.systems.state_space import StateSpace


def matrix(*rows: list) -> Rationals:
    return Rationals(np.array([[Fraction(x) for x in row] for row in rows], dtype=object))


def refuses(S: Rationals) -> bool:
    try:
        EXACT.assert_positive_definite(S, "S")
    except CertificateError:
        return True
    return False


def test_definiteness_is_decided_however_close():
    tiny = Fraction(1, 10**300)
    assert not refuses(matrix([1, 1], [1, 1 + tiny]))
    for last in (Fraction(1), 1 - tiny):
        assert refuses(matrix([1, 1], [1, last]))
    assert refuses(matrix([0]))
    assert not refuses(matrix([tiny]))
    assert not refuses(matrix([2, 1, 1], [1, 2, 1], [1, 1, 2]))
    assert refuses(matrix([2, -1, -1], [-1, 2, -1], [-1, -1, 2]))
    assert refuses(matrix([1, 0], [0, -1]))
    assert not refuses(EXACT.identity(0))


def test_only_real_symmetric_matrices_have_an_answer():
    assert refuses(matrix([2, 1], [0, 2]))
    assert refuses(EXACT.embed(np.eye(2) + 0j))
    assert refuses(matrix([1, 0, 0], [0, 1, 0]))


def test_complex_arithmetic_is_that_of_the_gaussian_rationals():
    A, B = EXACT.embed(np.array([[1 + 2j, 3 - 1j]])), EXACT.embed(np.array([[2 - 1j], [1j]]))
    product = A @ B
    assert (product.re[0, 0], product.im[0, 0]) == (5, 6)
    quotient = EXACT.embed(np.array([[1.0]])) / EXACT.embed(np.array([[3 + 4j]]))
    assert (quotient.re[0, 0], quotient.im[0, 0]) == (Fraction(3, 25), Fraction(-4, 25))
    outer = A.T.conj() * B.T
    assert (outer.re.tolist(), outer.im.tolist()) == ([[0, 2], [7, -1]], [[-5, 1], [-1, 3]])
    gap = A.conj().T.one_minus_product(A)
    assert (gap.re[0, 1], gap.im[0, 1]) == (0, 7)
    total = A + 1 - matrix([1, 1]) * Fraction(1, 3)
    assert (total.re[0, 0], total.im[0, 0]) == (Fraction(5, 3), 2)
    assert (1 - A).im.tolist() == [[-2, 1]]
    assert (matrix([1, 1]) + A).im.tolist() == [[2, -1]]
    M = EXACT.block([[A, A.real], [matrix([0, 0]), A.conj()]])
    assert M[1:2, 2:4].im.tolist() == [[-2, 1]]
    assert M[0:1, 0:4].im.tolist() == [[2, -1, 0, 0]]
    with pytest.raises(CertificateError, match="divisor is zero"):
        A / matrix([0])


def test_numbers_are_exact():
    assert (matrix([1]) * 0.1).re[0, 0] == Fraction(0.1)
    assert (matrix([1]) * Fraction(1, 3)).re[0, 0] == Fraction(1, 3)
    assert EXACT.embed(np.array([[5e-324]])).re[0, 0] == Fraction(1, 2**1074)
    assert (matrix([1]) * (1 << 80) + 1).re[0, 0] == 2**80 + 1


def test_golden_certificate():
    """1 / (z - 1/2) has the gain 2, exactly."""
    G = StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]])
    certificate = certify(G)
    assert verify(certificate, G, "exact").verified_in == "exact rational arithmetic"
    gain = exact(certificate.gamma)
    assert 4 < gain**2 < 4 * (1 + Fraction(1, 10**6)) ** 2


@pytest.mark.parametrize("seed", range(4))
def test_small_certificates_are_proved_exactly(modal, dense, seed):
    for G in (modal(seed, 4, 1 + seed % 2, 2, 1e-3), dense(seed, 4, 2, 1)):
        certificate = certify(G, lower=False)
        assert verify(certificate, G, "exact").verified


def test_large_systems_are_refused_with_the_limit(modal):
    certificate = certify(modal(0, LIMIT + 1, 1, 1), lower=False)
    with pytest.raises(CertificateError, match=f"up to {LIMIT} rows and columns; use ball or float"):
        verify(certificate, arithmetic="exact")
