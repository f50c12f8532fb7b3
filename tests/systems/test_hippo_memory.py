"""Online memories against brute-force projection, least squares, and the reference recurrences."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.polynomial import legendre
from scipy.integrate import quad_vec

from l2ssm.errors import DataError, OptionError
from l2ssm.systems.memory import METHODS, GramMemory, HippoMemory, LagMemory

GOLDEN = Path(os.environ.get("L2SSM_GOLDEN", "golden"))


def golden(name: str) -> dict[str, np.ndarray]:
    path = GOLDEN / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"no reference vectors: set L2SSM_GOLDEN to the folder of {name}.npz")
    with np.load(path) as data:
        return dict(data)


def close(got, want, relative=1e-10):
    np.testing.assert_allclose(got, want, rtol=0, atol=relative * np.abs(want).max())


def held_projection(u, n):
    """c of the signal u[j] on (j, j + 1], uniform weight on [0, len(u)]: Gauss quadrature of every piece."""
    t, w = legendre.leggauss(n)
    x = (np.arange(len(u))[:, None] + (t + 1) / 2).ravel() / len(u)
    g = legendre.legvander(2 * x - 1, n - 1) * np.sqrt(2 * np.arange(n) + 1)
    return g.T @ (np.repeat(u, n) * np.tile(w / 2, len(u))) / len(u)


def smooth(count):
    t = (np.arange(count) + 0.5) / count
    return np.sin(7 * t) + 0.5 * np.cos(15 * t)


@pytest.mark.parametrize("n", [1, 2, 8, 32, 64])
def test_zoh_is_the_exact_projection_of_the_held_signal(n):
    u = np.random.default_rng(n).normal(size=100)
    c = HippoMemory(n).project(u)
    for k in (0, 1, 2, 10, 99):
        np.testing.assert_allclose(c[k], held_projection(u[: k + 1], n), rtol=0, atol=1e-12)


def test_order_of_the_methods():
    """Distance to the exact recurrence at the end of a smooth signal, for 64, 256 and 1024 samples."""
    error = {}
    for method in METHODS:
        error[method] = []
        for count in (64, 256, 1024):
            u = smooth(count)
            error[method].append(np.linalg.norm(HippoMemory(8, method).project(u)[-1] - held_projection(u, 8)))
    assert max(error["zoh"]) < 1e-12
    for method, order in (("forward", 1), ("backward", 1), ("bilinear", 1), ("midpoint", 2)):
        rates = np.log(np.array(error[method][:-1]) / error[method][1:]) / np.log(4)
        np.testing.assert_allclose(rates[-1], order, rtol=0, atol=0.15, err_msg=method)


def test_a_cubic_is_recalled_to_second_order_in_the_hold():
    """Eight coefficients hold a cubic; what is left is its staircase, four times smaller with half the sample time."""
    error, memory = [], HippoMemory(8)
    for count in (200, 400):
        t = (np.arange(count) + 0.5) / count
        u = 1 - 3 * t + 4 * t**3
        error.append(np.abs(memory.reconstruct(memory.project(u)[-1], t) - u).max())
    assert error[1] < 3e-4
    assert error[0] / error[1] == pytest.approx(4.0, rel=0.05)


@pytest.mark.parametrize("method", ["forward", "backward", "bilinear"])
def test_reference_recurrences(method):
    g = golden("hippo_legs_recurrence")
    memory = HippoMemory(8, method)
    c = memory.project(g["u"])
    close(c, g[f"c_{method}"])
    for k in range(4):
        A, b = memory.transition(k)
        close(A, g[f"A_stacked_{method}"][k])
        close(b, g[f"B_stacked_{method}"][k])
    close(memory.reconstruct(np.eye(8), np.linspace(0, 1, 64)).T, g["eval_matrix"])
    close(memory.reconstruct(c[-1], np.linspace(0, 1, 64)), g[f"recon_{method}"])


def test_reference_zoh_is_ours_after_a_phantom_sample():
    """The reference starts at t = 1, as if a zero had been seen before; ours is the exact projection."""
    g = golden("hippo_legs_recurrence")
    memory = HippoMemory(8)
    close(memory.project(g["u"]), g["c_exact"])
    late = memory.project(np.append(0.0, g["u"]))[1:]
    close(late, g["c_zoh"])
    close(memory.reconstruct(late[-1], np.linspace(0, 1, 64)), g["recon_zoh"])
    for k in range(4):
        A, b = memory.transition(k + 1)
        close(A, g["A_stacked_zoh"][k])
        close(b, g["B_stacked_zoh"][k])


@pytest.mark.parametrize("method", ["zoh", "bilinear"])
@pytest.mark.parametrize(("name", "measure"), [("legs", "legs"), ("legt", "legt"), ("fourier", "fout")])
def test_reference_time_invariant_memories(name, measure, method):
    g = golden("hippo_lti")
    memory = LagMemory(measure, 8, window=1 / float(g["dt"]), method=method)
    close(memory.A, g[f"{name}_{method}_dA"])
    close(memory.B, g[f"{name}_{method}_dB"])
    c = memory.project(g["u"])
    close(c, g[f"{name}_{method}_c"])
    known = slice(1, None) if name == "legt" else slice(None)  # the reference leaves out LegT's youngest sample
    close(memory.basis(np.arange(64))[known], g[f"{name}_eval_matrix"][known])
    recalled = memory.reconstruct(c[-1], np.arange(64)[::-1])
    close(recalled[: 63 if name == "legt" else 64], g[f"{name}_{method}_recon"][: 63 if name == "legt" else 64])


@pytest.mark.parametrize("measure", ["legs", "lagt"])
def test_exact_time_invariant_memories_are_projections(measure):
    """int u(t - lag) g_n w dlag / window of a held signal, by adaptive quadrature sample by sample."""
    u = np.random.default_rng(0).normal(size=30)
    memory = LagMemory(measure, 5, window=6.0, **({"tilt": 0.2} if measure == "lagt" else {}))
    weight = {"legs": lambda lag: np.exp(-lag / 6), "lagt": lambda lag: np.exp(-0.6 * lag / 6)}[measure]
    want = sum(
        u[j] * quad_vec(lambda lag: memory.basis([lag])[0] * weight(lag) / 6, 29 - j, 30 - j, epsabs=1e-14)[0]
        for j in range(30)
    )
    np.testing.assert_allclose(memory.project(u)[-1], want, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("memory", "lags", "worst"),
    [
        (LagMemory("legs", 32, window=200.0), (20, 180), 0.05),
        (LagMemory("legt", 32, window=200.0), (20, 180), 0.03),
        (LagMemory("fout", 32, window=200.0), (20, 180), 0.03),
        (LagMemory("lagt", 32, window=20.0, tilt=0.0), (5, 60), 0.01),
    ],
    ids=["legs", "legt", "fout", "lagt"],
)
def test_a_sine_is_recalled(memory, lags, worst):
    t = np.arange(2000.0)
    u = np.sin(2 * np.pi * t / 200)
    lag = np.arange(*lags)
    assert np.abs(memory.reconstruct(memory.project(u)[-1], lag + 0.5) - u[1999 - lag]).max() < worst


def test_gram_is_least_squares_on_the_samples():
    u = np.random.default_rng(0).normal(size=60)
    memory = GramMemory(8)
    c = memory.project(u)
    for k in (0, 1, 6, 7, 8, 30, 59):
        degree = min(7, k)
        fit = legendre.Legendre.fit(np.arange(k + 1), u[: k + 1], degree, domain=[0, max(k, 1)])
        np.testing.assert_allclose(memory.reconstruct(c[k], k + 1), fit(np.arange(k + 1)), rtol=0, atol=1e-13)
    P = memory.polynomials(60)
    np.testing.assert_allclose(P.T @ P / 60, np.eye(8), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: HippoMemory(8, "trapezoid"), OptionError, "unknown method 'trapezoid'; known: forward"),
        (lambda: HippoMemory(0), OptionError, "n is 0"),
        (lambda: LagMemory("lmu", 8, window=2.0), OptionError, "unknown measure 'lmu'; known: legs"),
        (lambda: LagMemory("legt", 8, window=-1.0), OptionError, "window is -1.0"),
        (lambda: LagMemory("legt", 8, window=9.0, method="exact"), OptionError, "unknown discretization 'exact'"),
        (lambda: GramMemory(0), OptionError, "n is 0"),
        (lambda: HippoMemory(2).project(np.ones((3, 2))), DataError, r"u has shape \(3, 2\), expected one signal"),
        (lambda: GramMemory(2).project([1.0, np.nan, np.inf]), DataError, r"u\[1\] is not finite"),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
