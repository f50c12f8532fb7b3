"""The small-gain check: loops that are simulated obey the bounds, what does not fit or is not proved is refused."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from l2ssm.certificates.certificate import Certificate
from l2ssm.certificates.compose import certify
from l2ssm.certificates.small_gain import small_gain
from l2ssm.errors import CertificateError
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine
from l2ssm.systems.state_space import StateSpace


def static(gain: float, units: tuple[str, str] = ("", ""), dt: float = 1.0) -> StateSpace:
    return StateSpace(
        np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((1, 0)), [[gain]], dt, input_units=[units[0]],
        output_units=[units[1]],
    )  # fmt: skip


def scaled(network: Interconnection, gain: float) -> Interconnection:
    """Its incremental product gain becomes a little less than `gain`; input and output without a unit."""
    last = network.layers[-1]
    factor = gain / certify(network, method="product", lower=False).gamma * (1 - 1e-6)
    layers = (*network.layers[:-1], Affine(factor * last.W, factor * last.b))
    return dataclasses.replace(network, layers=layers, input_units=("",), output_units=("",))


def closed_loop(
    first: Interconnection, second: Interconnection, w1: np.ndarray, w2: np.ndarray
) -> tuple[np.ndarray, ...]:
    """(y1, y2, e1, e2) by the contraction of the proof, until it stands still."""
    y2 = np.zeros_like(w1)
    for _ in range(200):
        y1 = first.simulate(w1 + y2)
        moved, y2 = y2, second.simulate(w2 + y1)
        if np.array_equal(moved, y2):
            break
    return y1, y2, w1 + y2, w2 + y1


@pytest.mark.parametrize(("g1", "g2"), [(0.5, 0.5), (2.0, 0.4), (0.3, 3.0)])
def test_simulated_loops_stay_below_the_bounds(network, g1, g2):
    first, second = scaled(network(1), g1), scaled(network(2, blocks=1), g2)
    proved = small_gain(*(certify(N, method="product", lower=False) for N in (first, second)))
    assert proved.kind == "incremental"
    rng = np.random.default_rng(0)
    for _ in range(3):
        w1, w2 = rng.standard_normal((2, 60, 1)) * 3
        d1, d2 = rng.standard_normal((2, 60, 1)) * 10 ** rng.uniform(-2, 1, (2, 1, 1))
        base, moved = closed_loop(first, second, w1, w2), closed_loop(first, second, w1 + d1, w2 + d2)
        sizes = [float(np.linalg.norm(a - b)) for a, b in zip(moved, base, strict=True)]
        norms = np.array([np.linalg.norm(d1), np.linalg.norm(d2)])
        assert np.all(sizes[:2] <= np.array(proved.outputs) @ norms)
        assert np.all(sizes[2:] <= np.array(proved.errors) @ norms)


def test_the_bounds_are_attained_by_two_constants():
    """H1 = a, H2 = b in positive feedback: y1 = (a w1 + a b w2) / (1 - a b), every entry attained."""
    proved = small_gain(certify(static(0.5)), certify(static(1.5)))
    p = 0.75
    np.testing.assert_allclose(proved.outputs, np.array([[0.5, p], [p, 1.5]]) / (1 - p), rtol=1e-9)
    np.testing.assert_allclose(proved.errors, np.array([[1, 1.5], [0.5, 1]]) / (1 - p), rtol=1e-9)
    assert "STABLE (incremental)" in str(proved)
    assert "exactly one solution" in str(proved)


def test_bounds_are_rounded_up_from_the_exact_ones():
    a, b = certify(static(0.7)), certify(static(1.1))
    proved, g1, g2 = small_gain(a, b), Fraction(a.gamma), Fraction(b.gamma)
    p = g1 * g2
    assert Fraction(proved.loop) >= p
    exact = [[g1, p], [p, g2]]
    for row, floats in zip(exact, proved.outputs, strict=True):
        for value, bound in zip(row, floats, strict=True):
            assert value / (1 - p) <= Fraction(bound) <= value / (1 - p) * (1 + Fraction(1, 10**15))


def test_the_product_is_compared_in_rationals():
    """g and the float below 1/g: their float product may round to 1, the exact one is below; a bit more is refused."""
    a = certify(static(0.3), gamma=0.5 + 2.0**-30)
    inverse = 1 / a.gamma
    below = inverse if Fraction(inverse) * Fraction(a.gamma) < 1 else np.nextafter(inverse, 0)
    assert small_gain(a, certify(static(0.3), gamma=float(below))).loop <= 1.0
    with pytest.raises(CertificateError, match="proves nothing about this loop"):
        small_gain(a, certify(static(0.3), gamma=float(np.nextafter(below, 2))))


def test_a_product_of_exactly_one_is_refused():
    with pytest.raises(CertificateError, match="multiply to 1: "):
        small_gain(certify(static(1.9), gamma=2.0), certify(static(0.4), gamma=0.5))


def test_kinds():
    a, b = certify(static(0.5), kind="l2"), certify(static(1.5))
    proved = small_gain(a, b)
    assert proved.kind == "l2"
    assert "that there is a solution is not part of it" in str(proved)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (static(2.0), static(0.5), "multiply to 1: the small-gain theorem needs less than 1"),
        (static(0.5), StateSpace([[0.5]], [[0.1, 0.1]], [[0.1]], [[0, 0]]), "first system has 1 outputs, the second"),
        (static(0.5, ("V", "mm")), static(0.5, ("m", "V")), "in mm, input 0 of the second in m"),
        (static(0.5, ("V", "mm")), static(0.5, ("mm", "A")), "output 0 of the second system is in A"),
        (static(0.5), static(0.5, dt=0.5), "sampled with 1 s, the second with 0.5 s"),
    ],
)
def test_what_does_not_fit_is_refused(first, second, message):
    with pytest.raises(CertificateError, match=message):
        small_gain(certify(first), certify(second))


def test_unverified_certificates_are_refused():
    proved = certify(static(0.5))
    unread = Certificate.from_json(proved.to_json())
    with pytest.raises(CertificateError, match="second certificate is not verified here"):
        small_gain(proved, unread)
    with pytest.raises(CertificateError, match="first certificate is not verified here"):
        small_gain(dataclasses.replace(proved, gamma=0.1), proved)
