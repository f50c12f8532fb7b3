"""Hidden checks of lab 3: LegS, its contraction, diagonal kernels, rings of poles."""

from __future__ import annotations

import numpy as np

import l2ssm as ls
from l2ssm.labs.checking import check, close
from l2ssm.systems.hippo import legs as legs_pair


@check("legs")
def the_pair(legs):
    """orders 1, 2, 8 and 40"""
    for n in (1, 2, 8, 40):
        A, B = legs(n)
        close(A, legs_pair(n).A, 1e-12, "A[n, k] = -sqrt((2n+1)(2k+1)) below the diagonal, -(n+1) on it, 0 above")
        close(np.ravel(B), np.ravel(legs_pair(n).B), 1e-12, "B[n] = sqrt(2n + 1)")


@check("legs")
def a_constant_is_remembered(legs):
    """c = (1, 0, 0, ...) rests under u = 1"""
    A, B = legs(6)
    close(
        A @ np.eye(6)[0] + np.ravel(B),
        np.zeros(6),
        1e-12,
        "A e1 + B = 0: a constant signal is P_0 for ever",
        atol=1e-12,
    )


@check("excess")
def exact_steps(excess):
    """LegS satisfies the theorem for all orders and steps"""
    for n, delta in ((1, 0.5), (4, 0.01), (16, 0.1), (32, 1.0)):
        A, b = ls.discretize(legs_pair(n).A, legs_pair(n).B, delta, "zoh")
        got = excess(A, np.ravel(b), np.exp(-delta))
        assert abs(got) < 1e-8, f"n = {n}, delta = {delta}: got {got:.3g}, but the largest value is 0, attained"


@check("excess")
def other_rules(excess):
    """Euler's rule violates it, by the right amount"""
    for n, delta, rule in ((4, 0.2, "forward_euler"), (8, 0.1, "forward_euler"), (6, 0.3, "backward_euler")):
        A, b = ls.discretize(legs_pair(n).A, legs_pair(n).B, delta, rule)
        r = np.exp(-delta)
        K = np.column_stack([A, np.ravel(b)])
        want = np.linalg.eigvalsh(K.T @ K - np.diag([r] * n + [1 - r]))[-1]
        close(excess(A, np.ravel(b), r), want, 1e-8, "the largest eigenvalue of [A b]'[A b] - diag(r I, 1 - r)")


@check("s4d_kernel")
def impulse_response(s4d_kernel):
    """random modes against the recurrence"""
    rng = np.random.default_rng(0)
    for n in (1, 5):
        a = -rng.uniform(0.1, 1, n) + 1j * rng.normal(size=n) * 5
        b, c = rng.normal(size=(2, n, 2)) @ [1, 1j]
        x, want = np.zeros(n, complex), []
        for k in range(50):
            x = np.exp(0.05 * a) * x + b * np.expm1(0.05 * a) / a * (k == 0)
            want.append(2 * np.real(c @ x))
        close(
            s4d_kernel(a, b, c, 0.05, 50), want, 1e-9, "K[l] = 2 Re sum c b (exp(a step) - 1)/a exp(l a step), l from 0"
        )


@check("s4d_kernel")
def long_kernels(s4d_kernel):
    """100 000 samples, real and finite"""
    K = np.asarray(s4d_kernel(np.array([-1e-3 + 1j]), np.array([1.0]), np.array([1.0]), 0.1, 100_000))
    assert K.shape == (100_000,), f"shape {K.shape}, expected (100000,)"
    assert not np.iscomplexobj(K), "the kernel is real: the conjugate modes add up to 2 Re(...)"
    assert np.isfinite(K).all(), "some values are not finite"


@check("ring")
def time_constants(ring):
    """geometric spacing between the ends"""
    for shortest, longest, n in ((1.0, 100.0, 5), (50.0, 50.0, 3), (0.5, 1e5, 8)):
        tau = np.geomspace(shortest, longest, n)
        close(
            ring(shortest, longest, n),
            np.exp(-1 / tau),
            1e-12,
            "|lambda| = exp(-1/tau), tau spaced geometrically: not 1 - 1/tau, not the moduli spaced",
        )


@check("ring")
def inside_the_circle(ring):
    """all moduli below one, in the order given"""
    moduli = np.asarray(ring(2.0, 1e6, 20))
    assert np.all((moduli > 0) & (moduli < 1)), "a modulus is not in (0, 1)"
    assert np.all(np.diff(moduli) > 0), "from the shortest to the longest time constant the moduli grow"


@check("input_scale")
def values(input_scale):
    """numbers and arrays"""
    nu = np.array([-30.0, -10.0, -1.0, 0.0, 1.0])
    close(input_scale(nu), np.sqrt(-np.expm1(-2 * np.exp(nu))), 1e-12, "sqrt(1 - exp(-2 exp(nu))), elementwise")


@check("input_scale")
def single_precision(input_scale):
    """float32, poles close to the circle"""
    for nu in np.array([-20.0, -16.0, -12.0, -3.0], dtype=np.float32):
        got = np.asarray(input_scale(nu))
        assert got.dtype == np.float32, f"the result is {got.dtype}, nu is float32: stay in its precision"
        want = np.sqrt(-np.expm1(-2 * np.exp(float(nu))))
        close(float(got), want, 1e-4, f"nu = {nu}: 1 - exp(z) loses all digits for small z, -expm1(z) none")
