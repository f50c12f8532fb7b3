"""The formulas: the dissipation inequality on random vectors, floats against balls, balls against exact rationals."""

from __future__ import annotations

from fractions import Fraction

import flint
import numpy as np
import pytest

from l2ssm.certificates.balls import BALL
from l2ssm.certificates.bounded_real import bounded_real_matrix, cauchy_matrix, cauchy_storage
from l2ssm.certificates.rigorous import exact


def cauchy_data(seed: int, n: int, n_u: int, n_y: int, r: int) -> tuple:
    rng = np.random.default_rng(seed)

    def complex_normal(*shape):
        return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)

    lam = rng.uniform(0.1, 0.97, (n, 1)) * np.exp(1j * rng.uniform(0, 2 * np.pi, (n, 1)))
    B, C, C2 = complex_normal(n, n_u), complex_normal(n_y, n), complex_normal(r, n)
    D, Y, delta = rng.standard_normal((n_y, n_u)), rng.standard_normal((r, n_u)), rng.uniform(0.1, 2.0, (n, 1))
    return lam, B, C, D, delta, C2, Y


SIZES = [(1, 1, 1, 1), (3, 2, 1, 2), (4, 1, 3, 2), (5, 3, 2, 0), (6, 2, 2, 5)]


@pytest.mark.parametrize("size", SIZES)
def test_cauchy_dissipation_inequality_for_any_c2_and_y(size):
    """V(x+) - V(x) + |y|^2 <= u'Tu, the theorem, at random x and u and at the x that makes it tightest."""
    for seed in range(10):
        lam, B, C, D, delta, C2, Y = cauchy_data(seed, *size)
        T = cauchy_matrix(lam, B, C, D, delta, C2, Y)
        V = cauchy_storage(lam, C, delta, C2)
        rng = np.random.default_rng(seed)
        for _ in range(50):
            x = rng.standard_normal((size[0], 1)) + 1j * rng.standard_normal((size[0], 1))
            u = rng.standard_normal((size[1], 1)) * 10 ** rng.uniform(-2, 2)
            y = (C @ x).real + D @ u
            supply = (u.T @ T @ u).item()
            gained = V.value(lam * x + B @ u).item() - V.value(x).item() + np.sum(y**2)
            assert gained <= supply + 1e-10 * (abs(supply) + V.value(x).item())


def test_cauchy_storage_is_the_energy_of_the_free_response():
    """V(x) = sum_t |Re(Ce Lambda^t x)|^2 + sum_t sum_i delta_i |lam_i^t x_i|^2."""
    lam, _, C, _, delta, C2, _ = cauchy_data(3, 4, 2, 2, 2)
    x = np.random.default_rng(0).standard_normal((4, 2)) @ np.array([[1], [1j]])
    t = np.arange(4000)
    free = x * lam**t  # (n, T)
    energy = np.sum((np.vstack([C, C2]) @ free).real ** 2) + np.sum(delta * np.abs(free) ** 2)
    assert cauchy_storage(lam, C, delta, C2).value(x).item() == pytest.approx(energy, rel=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_balls_agree_with_floats(size):
    data = cauchy_data(7, *size)
    with BALL.session():
        balls = cauchy_matrix(*(BALL.embed(M) for M in data)).approximate()
    np.testing.assert_allclose(balls, cauchy_matrix(*data), rtol=1e-11, atol=1e-11)


def test_dense_matrix_is_the_dissipation_form_and_agrees_in_balls(dense):
    G = dense(1)
    rng = np.random.default_rng(0)
    P = rng.standard_normal((G.n_x, G.n_x))
    P, gamma = P + P.T, 1.7
    M = bounded_real_matrix(G.A, G.B, G.C, G.D, P, gamma**2)
    for _ in range(20):
        x, u = rng.standard_normal(G.n_x), rng.standard_normal(G.n_u)
        after, y, z = G.A @ x + G.B @ u, G.C @ x + G.D @ u, np.concatenate([x, u])
        direct = after @ P @ after - x @ P @ x + y @ y - gamma**2 * (u @ u)
        assert z @ M @ z == pytest.approx(direct, rel=1e-10, abs=1e-10)
    with BALL.session():
        balls = bounded_real_matrix(G.A, G.B, G.C, G.D, P, exact(gamma) ** 2, BALL.embed)
    np.testing.assert_allclose(balls.approximate(), M, rtol=1e-11, atol=1e-11)


class Rational:
    """A complex number with rational parts: an arithmetic that shares nothing with flint."""

    def __init__(self, re, im=0):
        self.re, self.im = Fraction(re), Fraction(im)

    def __add__(self, o):
        return Rational(self.re + o.re, self.im + o.im)

    def __sub__(self, o):
        return Rational(self.re - o.re, self.im - o.im)

    def __mul__(self, o):
        return Rational(self.re * o.re - self.im * o.im, self.re * o.im + self.im * o.re)

    def __truediv__(self, o):
        d = o.re**2 + o.im**2
        return Rational((self.re * o.re + self.im * o.im) / d, (self.im * o.re - self.re * o.im) / d)

    def conj(self):
        return Rational(self.re, -self.im)


def exact_siso_cauchy(lam, b, c, d, delta, c2, y) -> Fraction:
    """T of a single-input single-output system with scalar C2 row, entry by entry, from the definition."""
    n = len(lam)
    one, half = Rational(1), Rational(Fraction(1, 2))
    PB, QB = [], []
    for i in range(n):
        pb, qb = Rational(delta[i]) / (one - lam[i].conj() * lam[i]) * b[i], Rational(0)
        for j in range(n):
            g1 = c[i].conj() * c[j] + c2[i].conj() * c2[j]
            g2 = c[i] * c[j] + c2[i] * c2[j]
            pb += half * (g1 / (one - lam[i].conj() * lam[j])) * b[j]
            qb += half * (g2 / (one - lam[i] * lam[j])) * b[j]
        PB.append(pb)
        QB.append(qb)
    T = Fraction(d) ** 2 + Fraction(y) ** 2
    for i in range(n):
        T += (b[i].conj() * PB[i] + b[i] * QB[i]).re
        H = lam[i].conj() * (PB[i] + QB[i].conj()) + c[i].conj() * Rational(d)
        E = H - c2[i].conj() * Rational(y)
        T += (E.conj() * E).re / Fraction(delta[i])
    return T


def test_the_ball_contains_the_exact_rational_value():
    """Golden test: T of a 4-mode system in exact rational arithmetic lies in the ball, which is narrow."""
    lam, B, C, D, delta, C2, Y = cauchy_data(11, 4, 1, 1, 1)
    pick = lambda M: [Rational(z.real, z.imag) for z in np.ravel(M).tolist()]  # noqa: E731
    T = exact_siso_cauchy(pick(lam), pick(B), pick(C), D.item(), delta.ravel().tolist(), pick(C2), Y.item())
    with BALL.session():
        ball = cauchy_matrix(*(BALL.embed(M) for M in (lam, B, C, D, delta, C2, Y)))[0, 0]
        assert ball.contains(flint.fmpq(T.numerator, T.denominator))
        assert ball.rad() < 1e-30 * abs(ball)
