"""Distances to the unit circle against exact rationals and 200-bit ball arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from flint import acb, arb, ctx
from hypothesis import example, given
from hypothesis import strategies as st

from l2ssm.systems.circle import gap, log_modulus, one_minus_product, point, square_excess

EPS = np.finfo(float).eps
MODULI = st.floats(-16, -0.5).map(lambda e: 1 - 10**e)
ANGLES = st.floats(-np.pi, np.pi)


@pytest.fixture(autouse=True)
def _precision():
    before, ctx.prec = ctx.prec, 200
    yield
    ctx.prec = before


def _exact(z: complex) -> tuple[Fraction, Fraction]:
    return Fraction(z.real), Fraction(z.imag)


@example(0.99, 2.3515625)
@example(1 - 1e-9, np.pi / 4)  # both squares below 1/2
@given(MODULI, ANGLES)
def test_square_excess_is_accurate_next_to_the_circle(modulus: float, angle: float) -> None:
    z = complex(modulus * np.exp(1j * angle))
    a, b = _exact(z)
    want = a * a + b * b - 1
    assert abs(Fraction(float(square_excess(z))) - want) <= 4 * Fraction(EPS) * abs(want)


@given(MODULI, ANGLES)
def test_gap_and_log_modulus(modulus: float, angle: float) -> None:
    z = complex(modulus * np.exp(1j * angle))
    radius = acb(arb(z.real), arb(z.imag)).abs_lower()
    if radius == 1:
        return
    assert float(gap(z)) == pytest.approx(float((1 - radius).mid()), rel=1e-14, abs=0)
    assert float(log_modulus(z)) == pytest.approx(float(radius.log().mid()), rel=1e-14, abs=0)


def test_far_values() -> None:
    assert square_excess([0.0, 3.0, 4j]).tolist() == [-1.0, 8.0, 15.0]
    assert float(square_excess(1e200)) == np.inf
    assert float(log_modulus(0.0)) == -np.inf
    assert gap([0.0, 0.5, 1j, -2.0]).tolist() == [1.0, 0.5, 0.0, -1.0]


@given(MODULI, MODULI, ANGLES, st.floats(-1e-8, 1e-8))
def test_one_minus_product_keeps_the_distance_of_two_close_modes(r: float, s: float, angle: float, off: float) -> None:
    a, b = complex(r * np.exp(1j * angle)), complex(s * np.exp(-1j * (angle + off)))
    (ar, ai), (br, bi) = _exact(a), _exact(b)
    real, imag = 1 - (ar * br - ai * bi), -(ar * bi + ai * br)
    got = complex(one_minus_product(np.array(a), np.array(b)))
    size = float(max(abs(real), abs(imag)))
    assert abs(Fraction(got.real) - real) + abs(Fraction(got.imag) - imag) <= 8 * EPS * size + 1e-31


@given(st.floats(-16, -3), st.floats(1e-9, np.pi), st.floats(-3, 3))
def test_distance_of_a_point_to_a_close_pole(exponent: float, angle: float, offset: float) -> None:
    """(z - lam) + dz against 200 bits; what is left is the half ulp by which the angle itself is rounded."""
    width = 10**exponent
    lam = complex((1 - width) * np.exp(1j * angle))
    z, dz = point(angle, offset * width)
    got = complex((z - lam) + dz)
    phi = arb(angle) + arb(offset * width)
    want = acb(phi.cos() - arb(lam.real), phi.sin() - arb(lam.imag))
    error = abs(complex((want - acb(got.real, got.imag)).mid()))
    assert error <= 1.2 * EPS * angle + 8 * EPS * abs(got)


@given(st.floats(0, np.pi), st.floats(-1e-3, 1e-3))
def test_points_lie_on_the_circle_to_twice_the_precision(angle: float, offset: float) -> None:
    z, dz = point(angle, offset)
    x, y = (Fraction(float(z.real)) + Fraction(float(dz.real)), Fraction(float(z.imag)) + Fraction(float(dz.imag)))
    assert abs(x * x + y * y - 1) <= 8 * EPS * (EPS + abs(offset))


def test_nyquist_is_minus_one_exactly() -> None:
    z, dz = point(np.pi)
    assert complex(z) == -1
    assert complex(dz) == 0
