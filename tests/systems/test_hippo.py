"""HiPPO matrices against the integrals they come from, their low-rank parts, and the reference arrays."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.polynomial import laguerre, legendre
from scipy.linalg import expm

from l2ssm.errors import OptionError, RealizationError
from l2ssm.systems.discretize import DISCRETIZATIONS, discretize
from l2ssm.systems.hippo import Hippo, foud, fout, lagt, legs, legsd, legt, lmu
from l2ssm.systems.nplr import dplr, dplr_half

GOLDEN = Path(os.environ.get("L2SSM_GOLDEN", "golden"))


def golden(name: str) -> dict[str, np.ndarray]:
    path = GOLDEN / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"no reference vectors: set L2SSM_GOLDEN to the folder of {name}.npz")
    with np.load(path) as data:
        return dict(data)


def close(got, want, relative=1e-10):
    np.testing.assert_allclose(got, want, rtol=0, atol=relative * np.abs(want).max())


PAIRS = {
    "legs": legs(8),
    "legt": legt(8, window=2.0),
    "legt_theta1": legt(8),
    "lmu": lmu(8),
    "lagt": lagt(8),
    "tlagt": lagt(8, tilt=0.0),
    "fout": fout(8, window=2.0),
    "fout2": fout(8),
    "fout_theta1": fout(8),
    "fout_decay": fout(8, window=2.0, endpoint="series"),
    "foud": foud(8),
    "legsd": legsd(8),
}
RULES = {"zoh": "zoh", "bilinear": "bilinear", "forward_euler": "euler", "backward_euler": "backward_diff"}


@pytest.mark.parametrize("name", PAIRS)
def test_reference_matrices(name):
    g = golden("hippo_matrices")
    A, B = PAIRS[name][:2]
    close(A, g[f"{name}_A"])
    close(B, g[f"{name}_B"])


def test_reference_generalised_laguerre():
    """The reference's glagt (alpha 0, beta 0.01) is LagT of tilt (1 - beta)/2 with the input scaled by sqrt(beta)."""
    g = golden("hippo_matrices")
    A, B, _ = lagt(8, tilt=0.495)
    close(A, g["glagt_A"])
    close(0.1 * B, g["glagt_B"])


@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize("name", ["legs", "legt", "legt_theta1", "lagt", "tlagt", "fout", "fout2", "fout_decay"])
def test_reference_discretizations(name, method):
    g = golden("hippo_matrices")
    A, B = PAIRS[name][:2]
    Ad, Bd = discretize(A, B, float(g["step"]), method)
    close(Ad, g[f"{name}_Ad_{RULES[method]}"])
    close(Bd, g[f"{name}_Bd_{RULES[method]}"])


def project(weight_and_basis, u, lo, hi, n):
    """int u(s) g_n(s) w(s) ds by Gauss-Legendre in pieces."""
    x, w = legendre.leggauss(60)
    edges = np.linspace(lo, hi, 61)
    half = np.diff(edges)[:, None] / 2
    s = (edges[:-1, None] + half * (x + 1)).ravel()
    return weight_and_basis(s, n).T @ ((half * w).ravel() * u(s))


def legs_basis(t):
    return lambda s, n: (
        np.exp(s - t)[:, None] * (legendre.legvander(2 * np.exp(s - t) - 1, n - 1) * np.sqrt(2 * np.arange(n) + 1))
    )


def lagt_basis(t, tilt):
    return lambda s, n: np.exp(-(1 - tilt) * (t - s))[:, None] * laguerre.lagvander(t - s, n - 1)


@pytest.mark.parametrize(
    ("pair", "basis"),
    [(legs(6), legs_basis), *((lagt(6, tilt), lambda t, tilt=tilt: lagt_basis(t, tilt)) for tilt in (0.0, 0.3, 0.5))],
)
def test_matrices_are_the_derivative_of_the_projection(pair, basis):
    """Exact families: d/dt of the projected coefficients equals A c + B u, for a signal of compact past."""

    def u(s):
        return np.exp(0.3 * s) * np.cos(1.1 * s)

    def c(t):
        return project(basis(t), u, t - 60.0, t, 6)

    h = 1e-3
    rate = (8 * (c(h) - c(-h)) - (c(2 * h) - c(-2 * h))) / (12 * h)
    np.testing.assert_allclose(rate, pair.A @ c(0.0) + pair.B * u(0.0), rtol=0, atol=1e-9)


@pytest.mark.parametrize("window", [1.0, 2.5])
def test_legt_is_the_derivative_of_the_projection_of_a_polynomial(window):
    """LegT closes with the polynomial itself, so it is exact on polynomials of degree below n."""
    n = 6

    def u(s):
        return 1 - s + 0.5 * s**2 + 0.1 * s**4

    def c(t):
        def basis(s, n):
            return legendre.legvander(2 * (s - t) / window + 1, n - 1) * np.sqrt(2 * np.arange(n) + 1) / window

        return project(basis, u, t - window, t, n)

    h = 1e-3
    rate = (8 * (c(h) - c(-h)) - (c(2 * h) - c(-2 * h))) / (12 * h)
    A, B, _ = legt(n, window)
    np.testing.assert_allclose(rate, A @ c(0.0) + B * u(0.0), rtol=0, atol=1e-9)


def test_fout_endpoints():
    """A ramp: its series at the jump is the mean of both ends, so "gibbs" is exact, for every n."""
    n = 8

    def c(t):
        def basis(s, n):
            angle = 2 * np.pi * np.outer(t - s, np.arange(n // 2))
            values = np.stack([np.cos(angle), np.sin(angle)], axis=2).reshape(-1, n) * 2**0.5
            values[:, 0] = 1.0
            return values

        return project(basis, lambda s: s, t - 1, t, n)

    h = 1e-3
    rate = (c(h) - c(-h)) / (2 * h)
    A, B, _ = fout(n)
    np.testing.assert_allclose(A @ c(0.0), rate, rtol=0, atol=1e-10)  # u(0) = 0
    S, g, _ = foud(n)
    A, B, _ = fout(n, endpoint="series")
    np.testing.assert_allclose(A @ c(0.0), (S + 0.5 * np.eye(n)) @ c(0.0) + 0.5 * g, rtol=0, atol=1e-10)
    np.testing.assert_allclose(B, g, rtol=1e-15)


@pytest.mark.parametrize(
    ("pair", "rank", "alpha"),
    [
        (legs(32), 1, -0.5),
        (legt(32), 2, 0.0),
        (legt(32, 3.0), 2, 0.0),
        (lagt(32), 1, 0.0),
        (lagt(32, 0.1, window=4.0), 1, -0.1),
        (fout(32), 1, 0.0),
        (fout(32, 0.5, endpoint="series"), 1, 0.0),
        (foud(32), 0, -0.5),
        (legsd(32), 0, -0.5),
    ],
)
def test_normal_plus_low_rank(pair, rank, alpha):
    A, B, P = pair
    assert P.shape == (32, rank)
    full = dplr(pair)
    np.testing.assert_allclose(full.V.conj().T @ full.V, np.eye(32), rtol=0, atol=1e-12)
    np.testing.assert_allclose(full.Lam.real, alpha, rtol=1e-12, atol=1e-12 * np.abs(A).max())
    back = full.V @ (np.diag(full.Lam) - full.P @ full.P.conj().T) @ full.V.conj().T
    close(back, A, 1e-12)
    close(full.V @ full.B, B, 1e-12)
    half = dplr_half(pair)
    assert half.Lam.shape == (16,)
    assert np.all(half.Lam.imag <= 0)
    F = np.concatenate([half.V, half.V.conj()], axis=1)
    np.testing.assert_allclose(F.conj().T @ F, np.eye(32), rtol=0, atol=1e-12)
    Lam, PF = np.concatenate([half.Lam, half.Lam.conj()]), np.concatenate([half.P, half.P.conj()])
    close(F @ (np.diag(Lam) - PF @ PF.conj().T) @ F.conj().T, A, 1e-12)
    close(2 * (half.V @ half.B).real, B, 1e-12)


def test_reference_normal_plus_low_rank():
    """Quantities that do not depend on the phases of the eigenvectors; all n modes and half of them."""
    g = golden("nplr")
    pair = legs(8)
    close(pair.A, g["nplr_A"])
    close(pair.B, g["nplr_B"])
    close(pair.P[:, 0], g["nplr_P"])
    full = dplr(pair)
    close(full.Lam, g["ann_Lambda"])
    close(np.abs(full.P[:, 0]), np.abs(g["ann_P"]))
    close(np.abs(full.B), np.abs(g["ann_B"]))
    close(full.P[:, 0] * full.B.conj(), g["ann_P"] * g["ann_B"].conj())
    close(np.abs(full.V.conj().T @ g["ann_V"]), np.eye(8))
    close(g["ann_V"].conj().T @ pair.B, g["ann_B"])
    close(g["ann_V"].conj().T @ pair.P[:, 0], g["ann_P"])
    for name, pair in {"legs": legs(8), "legt": legt(8, 2.0), "fout": fout(8, 2.0), "lagt": lagt(8)}.items():
        half, V = dplr_half(pair), g[f"s4_{name}_V"]
        W, P, B = (g[f"s4_{name}_{key}"] for key in "WPB")
        close(half.Lam, W)
        close(np.abs(half.B), np.abs(B))
        close(np.abs(half.P.T), np.abs(P))
        close(half.P.T * half.B.conj(), P * B.conj())
        F = np.concatenate([V, V.conj()], axis=1)
        PF = np.concatenate([P, P.conj()], axis=1)
        lam = np.concatenate([half.Lam, half.Lam.conj()])
        close(F @ (np.diag(lam) - PF.T @ PF.conj()) @ F.conj().T, pair.A)
        close(V.conj().T @ pair.B, B)
    clipped = g["s4_legs_V"].conj().T @ legs(8).B
    close(clipped.real + 1j * np.clip(clipped.imag, -2, 2), g["s4_legs_B_clip2"])


@pytest.mark.parametrize("method", DISCRETIZATIONS)
def test_rules_have_their_order(method):
    """Local error of Ad against exp(A h): h^2 / 2 |A^2| for Euler, h^3 / 12 |A^3| for the trapezoid, none for zoh."""
    A, B = legt(4)[:2]
    h = 1e-3
    Ad, Bd = discretize(A, B, h, method)
    error = np.linalg.norm(Ad - expm(A * h), 2)
    leading = {
        "zoh": 0.0,
        "bilinear": h**3 / 12 * np.linalg.norm(A @ A @ A, 2),
        "forward_euler": h**2 / 2 * np.linalg.norm(A @ A, 2),
        "backward_euler": h**2 / 2 * np.linalg.norm(A @ A, 2),
    }[method]
    assert abs(error - leading) <= 0.05 * leading + 1e-15
    steady = np.linalg.solve(np.eye(4) - Ad, Bd)
    np.testing.assert_allclose(steady, np.linalg.solve(-A, B), rtol=0, atol=1e-12)  # every rule keeps the steady state


@pytest.mark.parametrize("method", DISCRETIZATIONS)
def test_rules_take_a_singular_A_and_several_inputs(method):
    A, B = np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    Ad, Bd = discretize(A, B, 0.5, method)
    np.testing.assert_allclose(Ad, [[1.0, 0.5], [0.0, 1.0]], rtol=0, atol=1e-15)
    want = {"zoh": 0.125, "bilinear": 0.125, "forward_euler": 0.0, "backward_euler": 0.25}[method]
    np.testing.assert_allclose(Bd, [[want, 0.5], [0.5, 0.0]], rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: legs(0), "n is 0, expected an integer >= 1"),
        (lambda: fout(7), "n is 7, expected an even number"),
        (lambda: fout(8, endpoint="left"), "endpoint is 'left'"),
        (lambda: lagt(4, tilt=0.6), r"tilt is 0.6, expected a number in \[0, 0.5\]"),
        (lambda: legt(4, window=0.0), "window is 0.0, expected a finite number > 0"),
        (lambda: discretize(np.eye(2), np.ones(2), 0.1, "foh"), "unknown discretization 'foh'; known: zoh"),
        (lambda: discretize(np.eye(2), np.ones(2), -0.1), "step is -0.1, expected a finite number of seconds > 0"),
    ],
)
def test_options_out_of_range(call, message):
    with pytest.raises(OptionError, match=message):
        call()


def test_matrices_that_do_not_fit_are_refused():
    with pytest.raises(RealizationError, match=r"A is \(2, 3\) and B is \(2,\), expected \(n, n\)"):
        discretize(np.ones((2, 3)), np.ones(2), 0.1)
    with pytest.raises(RealizationError, match="not finite"):
        discretize([[np.nan]], [1.0], 0.1)


def test_wrong_low_rank_part_is_refused():
    A, B, P = legs(4)
    with pytest.raises(RealizationError, match="P is not the low-rank part"):
        dplr(Hippo(A, B, 2 * P))
    with pytest.raises(RealizationError, match="even number"):
        dplr_half(legs(5))
