"""The lag operator: matrix exponentials, semigroups, exact projections, contraction, and the reference arrays."""

from __future__ import annotations

import math
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from scipy.special import eval_jacobi, eval_laguerre

from l2ssm.errors import OptionError
from l2ssm.parametrizations.history_basis import Fourier, Gram, Jacobi, Laguerre, named_basis
from l2ssm.parametrizations.lag_operator import LagOperator
from l2ssm.parametrizations.warp import WARPS, power
from l2ssm.systems.hippo import fout, lagt, legs, legt
from l2ssm.systems.memory import HippoMemory

GOLDEN = Path(os.environ.get("L2SSM_GOLDEN", "golden"))
RATIOS = (0.0, 0.1, 0.5, 0.9, 0.999, 1 - 1e-6)
CLOSED = {
    "legendre exponential": LagOperator(Jacobi(16), "exponential"),
    "jacobi 1 exponential": LagOperator(Jacobi(16, 1.0), "exponential"),
    "jacobi 0.3 exponential": LagOperator(Jacobi(16, 0.3), "exponential"),
    "laguerre 0 shift": LagOperator(Laguerre(16, 0.0), "shift"),
    "laguerre 0.2 shift": LagOperator(Laguerre(16, 0.2), "shift"),
    "laguerre 0.5 shift": LagOperator(Laguerre(16, 0.5), "shift"),
}
TRUNCATED = {
    "legendre window": LagOperator(Jacobi(16), "window"),
    "fourier window": LagOperator(Fourier(17), "window"),
    "legendre hyperbolic": LagOperator(Jacobi(16), "hyperbolic"),
    "jacobi 1 hyperbolic": LagOperator(Jacobi(16, 1.0), "hyperbolic"),
    "fourier exponential": LagOperator(Fourier(9), "exponential"),
}
ALL = CLOSED | TRUNCATED


def golden(name: str) -> dict[str, np.ndarray]:
    path = GOLDEN / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"no reference vectors: set L2SSM_GOLDEN to the folder of {name}.npz")
    with np.load(path) as data:
        return dict(data)


def close(got, want, relative=1e-10):
    np.testing.assert_allclose(got, want, rtol=0, atol=relative * max(np.abs(want).max(), 1e-300))


def double(*values):
    return torch.tensor(values, dtype=torch.float64).squeeze()


def noise(count, seed=0):
    return torch.randn(count, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def step_of(ratio):
    return double(math.inf if ratio == 0 else -math.log(ratio))


# ---- closed forms -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 8, 32, 64])
@pytest.mark.parametrize("ratio", RATIOS)
def test_legs_is_the_matrix_exponential_of_hippo(n, ratio):
    A, b = (v.numpy() for v in LagOperator(Jacobi(n), "exponential").transition(step_of(ratio)))
    H, B, _ = legs(n)
    if ratio:
        np.testing.assert_allclose(A, expm(-math.log(ratio) * H), rtol=0, atol=1e-12)
        steady = np.linalg.solve(H, (A - np.eye(n)) @ B)
        np.testing.assert_allclose(b, steady, rtol=0, atol=1e-12)
    else:
        np.testing.assert_array_equal(A, np.zeros((n, n)))
    np.testing.assert_allclose(b, (np.eye(n) - A)[:, 0], rtol=0, atol=1e-13)
    np.testing.assert_allclose(np.diag(A), np.float64(ratio) ** np.arange(1, n + 1), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(np.triu(A, 1), 0.0)


def test_legs_in_rational_arithmetic():
    """A(1/2) for 20 polynomials from the power series of P_n, without a rounding error, times the square roots."""
    n, r = 20, Fraction(1, 2)
    powers = [
        [Fraction((-1) ** (m + i) * math.comb(m, i) * math.comb(m + i, i)) for i in range(m + 1)] for m in range(n)
    ]
    A = LagOperator(Jacobi(n), "exponential").transition(step_of(0.5))[0].numpy()
    for m in range(n):
        for k in range(m + 1):
            exact = sum(
                p * r ** (i + 1) * q / (i + j + 1) for i, p in enumerate(powers[m]) for j, q in enumerate(powers[k])
            )
            assert abs(A[m, k] - float(exact) * math.sqrt((2 * m + 1) * (2 * k + 1))) < 1e-13


@pytest.mark.parametrize("tilt", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("delta", [1e-3, 0.1, 2.0])
def test_laguerre_is_the_matrix_exponential_of_lagt(tilt, delta):
    """And A is a Toeplitz matrix of Laguerre polynomials, by their addition theorem."""
    n = 48
    A = LagOperator(Laguerre(n, tilt), "shift").transition(double(delta))[0].numpy()
    np.testing.assert_allclose(A, expm(delta * lagt(n, tilt).A), rtol=0, atol=1e-11)
    m = np.arange(1, n)
    column = np.exp(-(1 - tilt) * delta) * np.append(1.0, eval_laguerre(m, delta) - eval_laguerre(m - 1, delta))
    np.testing.assert_allclose(A[:, 0], column, rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("basis", "warp", "want"),
    [
        (Laguerre(160), "shift", lambda d: expm(d * lagt(160, 0.0).A)),
        (Laguerre(160, 0.5), "shift", lambda d: expm(d * lagt(160).A)),
        (Jacobi(256), "exponential", lambda d: expm(d * legs(256).A)),
    ],
    ids=["laguerre 0", "laguerre 0.5", "legendre"],
)
@pytest.mark.parametrize("delta", [1e-6, 0.1, 5.0])
def test_the_largest_orders(basis, warp, want, delta):
    A, b = LagOperator(basis, warp).transition(double(delta))
    np.testing.assert_allclose(A, want(delta), rtol=0, atol=1e-11)
    assert torch.isfinite(b).all()


def test_the_largest_alpha():
    """The first entries in closed form: A_00 = r^(alpha + 1), b_0 = (1 - r^(alpha + 1)) / sqrt(alpha + 1)."""
    A, b = LagOperator(Jacobi(16, 1000.0), "exponential").transition(double(1e-3))
    assert float(A[0, 0]) == pytest.approx(math.exp(-1.001), rel=1e-12)
    assert float(b[0]) == pytest.approx(-math.expm1(-1.001) / math.sqrt(1001), rel=1e-12)
    assert float(torch.linalg.matrix_norm(A, ord=2)) <= math.exp(-0.5005) * (1 + 1e-11)


@pytest.mark.parametrize("name", CLOSED)
def test_semigroup_of_closed_pairs(name):
    """A(s) A(t) = A(s + t), and b(s + t) = A(t) b(s) + b(t)."""
    (A1, b1), (A2, b2), (A, b) = (CLOSED[name].transition(double(d)) for d in (0.3, 0.55, 0.85))
    torch.testing.assert_close(A2 @ A1, A, atol=1e-12, rtol=0)
    torch.testing.assert_close(A2 @ b1 + b2, b, atol=1e-12, rtol=0)


@pytest.mark.parametrize("n", [4, 8])
def test_legt_generator_of_the_sliding_window(n):
    """(A - I) / delta -> HiPPO-LegT of window 1, b / delta -> B, to first order in delta."""
    operator = LagOperator(Jacobi(n), "window")
    H, B, _ = legt(n)
    errors = []
    for delta in (1e-4, 1e-5):
        A, b = (v.numpy() for v in operator.transition(double(delta)))
        errors.append(np.abs((A - np.eye(n)) / delta - H).max() + np.abs(b / delta - B).max())
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.01)
    assert errors[1] < 1e-4 * n**3


def test_fourier_generator_of_the_sliding_window():
    """S - g g', B = g: FouT with the series taken at its word, its dead state left out; never HiPPO-FouT itself."""
    H, B, _ = fout(8, endpoint="series")
    alive = [i for i in range(8) if i != 1]
    delta = 1e-6
    A, b = (v.numpy() for v in LagOperator(Fourier(7), "window").transition(double(delta)))
    turned = np.array([1, 1, -1, 1, -1, 1, -1])  # sines of 1 - lag against sines of the lag
    A, b = turned[:, None] * A * turned, turned * b
    np.testing.assert_allclose((A - np.eye(7)) / delta, H[np.ix_(alive, alive)], rtol=0, atol=1e-3)
    np.testing.assert_allclose(b / delta, B[alive], rtol=0, atol=1e-3)


# ---- bases ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "basis", [Jacobi(12), Jacobi(12, 2.5), Laguerre(12), Laguerre(12, 0.4), Laguerre(12, 0.5), Fourier(12), Jacobi(1)]
)
def test_bases_are_orthonormal_and_know_their_integrals(basis):
    x, omega = basis.nodes(80)
    g = basis.evaluate(x)
    torch.testing.assert_close(g.mT @ (omega[:, None] * g), torch.eye(basis.n, dtype=torch.float64), atol=1e-11, rtol=0)
    t, w = (torch.tensor(v) for v in np.polynomial.legendre.leggauss(80))
    for end in (0.2, 0.999, 1.0, 3.0):
        if end > basis.end:
            continue
        y = end * (t + 1) / 2
        weight = basis.weight_ratio(y, torch.ones_like(y))  # w(y) / w(1); w(1) from the Laguerre weight is not 1
        scale = math.exp(-(1 - 2 * basis.tilt)) if isinstance(basis, Laguerre) else 1.0
        want = (w * end / 2 * weight * scale) @ basis.evaluate(y)
        tolerance = 1e-12 if getattr(basis, "alpha", 0.0) == int(getattr(basis, "alpha", 0.0)) else 1e-6
        torch.testing.assert_close(basis.integral(double(end)), want, atol=tolerance, rtol=0)
        mass = (w * end / 2 * weight * scale).sum()
        torch.testing.assert_close(basis.mass(double(end)), mass, atol=tolerance, rtol=0)


@pytest.mark.parametrize("alpha", [0.0, 0.7, 3.0])
def test_jacobi_against_scipy(alpha):
    x = np.linspace(0, 1, 41)
    want = np.stack([math.sqrt(2 * n + alpha + 1) * eval_jacobi(n, 0, alpha, 2 * x - 1) for n in range(30)], axis=-1)
    np.testing.assert_allclose(Jacobi(30, alpha).evaluate(torch.tensor(x)), want, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ALL)
def test_steps_of_a_warp_add_up_and_move_places(name):
    warp = ALL[name].warp
    lag, delta = torch.linspace(0, 0.4, 9, dtype=torch.float64), double(0.25)
    moved, slope = warp.move(warp.place(lag), delta)
    torch.testing.assert_close(moved, warp.place(lag + delta), atol=1e-15, rtol=1e-14)
    h = 1e-6
    ahead, behind = (warp.move(warp.place(lag) + e, delta)[0] for e in (h, -h))
    torch.testing.assert_close(slope, (ahead - behind).abs() / (2 * h), atol=1e-8, rtol=0)


# ---- projections ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("seed", range(2))
def test_recurrence_of_closed_pairs_is_the_projection_for_any_steps(name, seed):
    u = noise(120, seed)
    delta = 10 ** (noise(120, seed + 10).clamp(-2, 1) - 1.5)
    operator = CLOSED[name]
    torch.testing.assert_close(operator.recur(u, delta), operator.project(u, delta), atol=1e-11, rtol=0)


@pytest.mark.parametrize("warp", ["linear", "log", power(0.5), power(3.0)], ids=["linear", "log", "sqrt", "cubic"])
def test_growing_warps_are_exact_from_the_first_sample(warp):
    operator = LagOperator(Jacobi(24), warp)
    u, delta = noise(150), operator.warp.steps(150, 0.1)
    c = operator.recur(u, delta)
    torch.testing.assert_close(c, operator.project(u, delta), atol=1e-11, rtol=0)
    torch.testing.assert_close(c[0], u[0] * torch.eye(24, dtype=torch.float64)[0], atol=1e-14, rtol=0)


def test_projection_against_quadrature_of_its_definition():
    """W = t^2: weight 2 s / t^2 on the past; the signal is u[j] on (j, j + 1]."""
    u, n, count = noise(20).numpy(), 6, 20
    operator = LagOperator(Jacobi(n), power(2.0))
    t, w = np.polynomial.legendre.leggauss(20)
    s = (np.arange(count)[:, None] + (t + 1) / 2).ravel()
    weight = np.tile(w / 2, count) * 2 * s / count**2
    want = (np.repeat(u, 20) * weight) @ Jacobi(n).evaluate(torch.tensor((s / count) ** 2)).numpy()
    got = operator.project(torch.tensor(u), operator.warp.steps(count, 1.0))[-1]
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-13)


def test_linear_warp_is_the_hippo_memory():
    u = noise(80)
    operator = LagOperator(Jacobi(32), "linear")
    want = HippoMemory(32).project(u.numpy())
    np.testing.assert_allclose(operator.recur(u, operator.warp.steps(80, 1.0)), want, rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", ALL)
def test_convolution_is_the_projection(name):
    """For every pair; for closed ones it is the recurrence too, K[l] = A^l b."""
    operator, u, delta = ALL[name], noise(90), double(0.06)
    K = operator.kernel(delta, 90)
    c = torch.stack([(K[: k + 1] * u[: k + 1].flip(0)[:, None]).sum(0) for k in range(90)])
    torch.testing.assert_close(c, operator.project(u, delta.expand(90)), atol=1e-13, rtol=0)
    A, b = operator.transition(delta)
    torch.testing.assert_close(K[0], b, atol=1e-15, rtol=0)
    if name in CLOSED:
        power_of_A = torch.eye(operator.basis.n, dtype=torch.float64)
        for l in range(90):
            torch.testing.assert_close(K[l], power_of_A @ b, atol=2e-13, rtol=0)
            power_of_A = A @ power_of_A


def test_kernel_to_two_in_the_fifteenth_digit():
    operator = LagOperator(Jacobi(8), "exponential")
    A, b = operator.transition(double(0.02))
    K = operator.kernel(double(0.02), 300)
    for l in (1, 10, 299):
        assert (K[l] - torch.linalg.matrix_power(A, l) @ b).abs().max() < 3e-15


def test_window_is_a_finite_response():
    K = LagOperator(Jacobi(8), "window").kernel(double(0.05), 40)
    assert K[:20].abs().amax(1).min() > 0
    np.testing.assert_array_equal(K[21:].numpy(), 0.0)


def test_low_orders_of_a_truncated_warp_converge():
    """Hyperbolic warp, 400 steps: the first four coefficients converge spectrally with n, the last ones do not."""
    u, delta = noise(400), torch.full((400,), 0.02, dtype=torch.float64)
    low, high = [], []
    for n in (4, 8, 16, 32):
        operator = LagOperator(Jacobi(n), "hyperbolic")
        error = operator.recur(u, delta) - operator.project(u, delta)
        low.append(float(error[-1, :4].abs().max()))
        high.append(float(error[-1, -2:].abs().max()))
    assert low[0] > 10 * low[1] > 100 * low[2] > 1000 * low[3]
    assert low[3] < 1e-8
    assert min(high) > 1e-4


def test_reconstruction():
    """A slow sine under the exponential warp, recalled up to one time constant ago."""
    operator, delta = LagOperator(Jacobi(24), "exponential"), 0.005
    t = torch.arange(2000, dtype=torch.float64)
    u = torch.sin(t / 100)
    c = operator.recur(u, torch.full_like(u, delta))[-1]
    samples = torch.arange(20, 200)
    recalled = operator.reconstruct(c, (samples + 0.5) * delta)
    assert (recalled - u[1999 - samples]).abs().max() < 0.05


def test_gram_is_the_lag_operator_of_the_samples():
    """Least squares on the samples 0..k by numpy; and the inner product as the sum that it is."""
    u, n = noise(40), 6
    operator = LagOperator(Gram(n), "linear")
    steps = operator.warp.steps(40, 1.0)
    c = operator.recur(u, steps)
    torch.testing.assert_close(c, operator.project(u, steps), atol=1e-13, rtol=0)
    for k in (0, 2, 5, 6, 39):
        fit = np.polynomial.Legendre.fit(np.arange(k + 1), u[: k + 1], min(n - 1, k), domain=[0, max(k, 1)])
        lag = torch.log((k + 1) / (torch.arange(k + 1, dtype=torch.float64) + 0.5))  # of the middles of the samples
        recalled = LagOperator(Gram(n, k + 1), "linear").reconstruct(c[k], lag)
        np.testing.assert_allclose(recalled, fit(np.arange(k + 1)), rtol=0, atol=1e-12)
    before, after = Gram(n, 20), Gram(n, 21)
    x, _ = after.nodes(0)
    p, q = after.evaluate(x), before.evaluate(before.nodes(0)[0])
    torch.testing.assert_close(p.mT @ p / 21, torch.eye(n, dtype=torch.float64), atol=1e-14, rtol=0)
    A, b = operator.transition(steps[19:21])
    torch.testing.assert_close(A[1], p[:-1].mT @ q / 21, atol=1e-14, rtol=0)
    torch.testing.assert_close(b[1], p[-1] / 21, atol=1e-13, rtol=0)
    torch.testing.assert_close(after.integral(double(1.0)), p.sum(0) / 21, atol=1e-14, rtol=0)


@pytest.mark.parametrize("k", [0, 1, 4, 30])
def test_gram_contracts(k):
    """|A c + b u|^2 <= k / (k + 1) |c|^2 + u^2 / (k + 1), and constants are preserved."""
    operator = LagOperator(Gram(5), "linear")
    delta = operator.warp.steps(31, 1.0)[k]
    (A, b), (rho, omega) = operator.transition(delta), operator.contraction(delta)
    assert [float(rho), float(omega)] == pytest.approx([k / (k + 1), 1 / (k + 1)], abs=1e-14)
    if k:
        assert float(torch.linalg.matrix_norm(torch.column_stack([A / rho.sqrt(), b / omega.sqrt()]), 2)) <= 1 + 1e-13
    torch.testing.assert_close(A[:, 0] + b, torch.eye(5, dtype=torch.float64)[0] + 0 * b, atol=1e-14, rtol=0)


# ---- contraction ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("delta", [1e-4, 0.01, 0.3, 0.99, 3.0])
def test_every_step_contracts(name, delta):
    """|A c + b u|^2 <= rho |c|^2 + omega u^2: [A / sqrt(rho), b / sqrt(omega)] has norm at most 1."""
    operator = ALL[name]
    A, b = (v.numpy() for v in operator.transition(double(delta)))
    rho, omega = (float(v) for v in operator.contraction(double(delta)))
    assert rho <= 1 + 1e-15
    joint = np.column_stack([A / math.sqrt(rho), b / math.sqrt(omega)])
    assert np.linalg.norm(joint, 2) <= 1 + 1e-11
    assert np.linalg.norm(A, 2) <= math.sqrt(rho) * (1 + 1e-11)


def test_contraction_rates():
    d = double(0.2)
    for operator, rate in ((Jacobi(4), 1.0), (Jacobi(4, 1.5), 2.5)):
        rho, omega = LagOperator(operator, "exponential").contraction(d)
        assert float(rho) == pytest.approx(math.exp(-0.2 * rate))
        assert float(omega) == pytest.approx((1 - math.exp(-0.2 * rate)) / rate)
    assert [float(v) for v in LagOperator(Laguerre(4), "shift").contraction(d)] == pytest.approx(
        [math.exp(-0.2), 1 - math.exp(-0.2)]
    )
    assert [float(v) for v in LagOperator(Laguerre(4, 0.5), "shift").contraction(d)] == pytest.approx([1.0, 0.2])


@pytest.mark.parametrize("n", [8, 64])
@pytest.mark.parametrize("ratio", RATIOS[1:])
def test_norm_of_legs_is_the_root_of_the_ratio(n, ratio):
    """Reached only as n grows or r -> 1; never exceeded."""
    A = LagOperator(Jacobi(n), "exponential").transition(step_of(ratio))[0]
    norm = float(torch.linalg.matrix_norm(A, ord=2))
    assert norm <= math.sqrt(ratio) * (1 + 3e-12)
    if n == 64 and ratio >= 0.5:
        assert norm == pytest.approx(math.sqrt(ratio), rel=1e-9)


@pytest.mark.parametrize("name", ["legendre exponential", "laguerre 0 shift"])
def test_bounded_for_every_sequence_of_steps(name):
    """|c[k]| <= max |u|, steps from 1e-6 to 30."""
    operator = CLOSED[name]
    generator = torch.Generator().manual_seed(0)
    delta = 10 ** (torch.rand(500, dtype=torch.float64, generator=generator) * 7.5 - 6)
    u = torch.sign(noise(500))
    assert float(operator.recur(u, delta).norm(dim=1).max()) <= 1 + 1e-12


@pytest.mark.parametrize("name", ["legendre exponential", "legendre window", "fourier window", "legendre hyperbolic",
                                  "laguerre 0 shift"])  # fmt: skip
def test_constants_are_preserved(name):
    """A e_0 + b = e_0 wherever g_0 = 1."""
    A, b = ALL[name].transition(double(0.13))
    e_0 = torch.eye(len(b), dtype=torch.float64)[0]
    torch.testing.assert_close(A[:, 0] + b, e_0, atol=1e-13, rtol=0)


# ---- gradients, reference, refusals --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_gradients(name):
    delta = double(0.07, 0.4).requires_grad_()
    assert torch.autograd.gradcheck(ALL[name].transition, (delta,), fast_mode=True)
    assert torch.autograd.gradcheck(lambda d: ALL[name].kernel(d, 5), (delta,), fast_mode=True)


FAMILIES = {
    "legs": lambda n, parts: LagOperator(Jacobi(n), "exponential"),
    "legt": lambda n, parts: LagOperator(Jacobi(n), "window"),
    "lagt": lambda n, parts: LagOperator(Laguerre(n, float(parts[1][4:])), "shift"),
    "fout": lambda n, parts: LagOperator(Fourier(n), "window"),
    "hyper": lambda n, parts: LagOperator(Jacobi(n), "hyperbolic"),
}


def test_reference_matrices():
    g = golden("lag_operator")
    keys = [key[:-2] for key in g if key.endswith("_A")]
    assert len(keys) == 38
    for key in keys:
        parts = key.split("_")
        n = next(int(p[1:]) for p in parts if p[0] == "N")
        value = float(parts[-1][1:])
        operator = FAMILIES[parts[0]](n, parts)
        A, b = operator.transition(step_of(value) if parts[0] == "legs" else double(value))
        close(A, g[f"{key}_A"])
        close(b, g[f"{key}_b"])


def test_reference_states():
    g = golden("lag_operator")
    operator = LagOperator(Jacobi(8), "linear")
    close(operator.recur(torch.tensor(g["u"]), operator.warp.steps(64, 1.0)), g["legs_scaled_states_N8"])
    r = golden("hippo_legs_recurrence")
    u = torch.tensor(r["u"])
    close(operator.recur(u, operator.warp.steps(64, 1.0)), r["c_exact"])
    close(operator.project(u, operator.warp.steps(64, 1.0)), r["c_exact"])


@pytest.mark.parametrize(
    ("name", "operator"),
    [
        ("legs", LagOperator(Jacobi(8), "exponential")),
        ("lagt", LagOperator(Laguerre(8, 0.5), "shift")),
        ("tlagt", LagOperator(Laguerre(8, 0.0), "shift")),
    ],
)
def test_reference_discretization_is_the_lag_operator(name, operator):
    g = golden("hippo_matrices")
    A, b = operator.transition(double(float(g["step"])))
    close(A, g[f"{name}_Ad_zoh"])
    close(b, g[f"{name}_Bd_zoh"])


def test_legt_generator_against_the_reference():
    g = golden("hippo_matrices")
    A, _ = LagOperator(Jacobi(8), "window").transition(double(1e-7))
    np.testing.assert_allclose((A.numpy() - np.eye(8)) / 1e-7, g["legt_theta1_A"], rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LagOperator(Jacobi(4), "sliding"), "unknown warp 'sliding'; known: exponential, linear"),
        (lambda: LagOperator(Laguerre(4), "window"), r"do not fit: \[0, inf\] against \[0, 1\]"),
        (lambda: LagOperator(Jacobi(4, 1.0), "window"), "needs a uniform weight"),
        (lambda: Jacobi(4, -0.5), r"alpha is -0.5, expected a number in \[0, 1000\]"),
        (lambda: Laguerre(161), "order is 161, expected at most 160 Laguerre functions"),
        (lambda: Laguerre(4, 0.7), "tilt is 0.7"),
        (lambda: Fourier(0), "order is 0"),
        (lambda: LagOperator(Gram(4), "exponential"), "samples of equal weight are moved by the warp 'linear'"),
        (lambda: LagOperator(Gram(4), "linear").transition(double(0.3)), r"step 0.3 is not ln\(\(k \+ 1\) / k\)"),
        (lambda: LagOperator(Gram(4), "linear").kernel(double(0.3), 5), "no kernel; use project or recur"),
        (lambda: power(0.0), "exponent is 0.0"),
        (lambda: WARPS["linear"].steps(0, 1.0), "count is 0"),
        (lambda: WARPS["window"].steps(5, -1.0), "step is -1.0"),
        (lambda: named_basis("hermite", 4), "unknown basis 'hermite'; known: legendre"),
        (lambda: named_basis("fourier", 4, 1.0), "basis 'fourier' has no shape"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(OptionError, match=message):
        call()
