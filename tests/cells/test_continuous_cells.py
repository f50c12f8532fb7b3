"""S4D, S5 and sampling against scipy, the exponential of a matrix and a plain loop; the options of LRU."""

from __future__ import annotations

import math

import flint
import numpy as np
import pytest
import torch
from scipy.signal import cont2discrete

from l2ssm.cells import BOUNDED_CELLS, CELLS, LRU, S4, S4D, S5, S5Bidirectional
from l2ssm.errors import OptionError
from l2ssm.parametrizations.s4d_init import INITIAL_MODES
from l2ssm.parametrizations.sampling import bilinear, continuous_poles, inside_circle, phi1, zoh
from l2ssm.parametrizations.stable import DECAY_MIN, ring, sampled_ring


def inputs(cell, time=60, seed=0):
    return torch.randn(2, time, cell.n_u, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_phi1_to_the_last_digit():
    size = torch.logspace(-12, 3, 61, dtype=torch.float64)
    for angle in (math.pi / 2, 2.0, math.pi):
        z = torch.polar(size, torch.full_like(size, angle))
        z = torch.cat([z, torch.complex(-size[:30], 2 * math.pi * torch.arange(30.0, dtype=torch.float64))])
        with flint.ctx.workprec(200):
            exact = [(x.exp() - 1) / x for x in (flint.acb(complex(v)) for v in z)]
        want = torch.tensor([complex(v) for v in exact], dtype=torch.complex128)
        assert float(((phi1(z) - want) / want).abs().max()) < 1e-13
        assert float(((phi1(z.to(torch.complex64)) - want) / want).abs()[:40].max()) < 1e-5


def test_phi1_at_zero():
    z = torch.zeros(2, dtype=torch.complex128, requires_grad=True)
    phi1(z).real.sum().backward()
    assert z.grad.tolist() == [0.5, 0.5]
    torch.autograd.gradcheck(
        phi1, torch.tensor([1e-3 + 1e-3j, -2 + 1j, -30 + 200j], dtype=torch.complex128).requires_grad_()
    )


@pytest.mark.parametrize(("rule", "method"), [(zoh, "zoh"), (bilinear, "bilinear")])
def test_sampling_is_that_of_scipy(rule, method):
    """Of x' = Lam x + B u as real 2 x 2 systems."""
    rng = np.random.default_rng(0)
    for Lam, step in zip(-rng.exponential(size=5) + 4j * rng.standard_normal(5), rng.uniform(0.01, 1, 5), strict=True):
        A = np.array([[Lam.real, -Lam.imag], [Lam.imag, Lam.real]])
        lam, scale = (complex(v) for v in rule(torch.tensor([Lam]), torch.tensor([step], dtype=torch.float64)))
        Ad, Bd, _, _, _ = cont2discrete((A, np.array([[1.0], [0.0]]), np.eye(2), np.zeros((2, 1))), step, method)
        np.testing.assert_allclose([[lam.real, -lam.imag], [lam.imag, lam.real]], Ad, rtol=0, atol=1e-13)
        np.testing.assert_allclose([scale.real, scale.imag], Bd[:, 0], rtol=0, atol=1e-13)


def test_poles_stay_inside():
    lam = inside_circle(torch.tensor([0.0, 1.0, -3.0, 1j, 0.5 + 0.5j], dtype=torch.complex128))
    assert lam[[0, 4]].tolist() == [0.0, 0.5 + 0.5j]
    np.testing.assert_allclose(lam[1:4].abs(), math.exp(-DECAY_MIN), rtol=1e-15)
    for dtype in (torch.float32, torch.float64):
        log_decay, frequency = torch.linspace(-60, 60, 41, dtype=dtype), torch.linspace(-1e5, 1e5, 41, dtype=dtype)
        Lam = continuous_poles(log_decay[:, None], frequency)
        for rule in (zoh, bilinear):
            for step in (1e-9, 1e-3, 1.0, 1e3):
                assert float(rule(Lam, torch.tensor(step, dtype=dtype))[0].abs().max()) < 1


@pytest.mark.parametrize("init", INITIAL_MODES)
@pytest.mark.parametrize("method", ["zoh", "bilinear"])
def test_s4d_is_a_loop_over_channels(init, method):
    """Each channel alone, x[k] = Ad x[k-1] + Bd u[k] with y[k] = 2 Re(C x[k]) + D u[k], by numpy."""
    cell = S4D(3, 4, 3, init=init, discretization=method, readout="post", generator=torch.Generator()).double()
    u = inputs(cell)
    Lam = -np.exp(cell.log_decay.detach().numpy()) + 1j * cell.frequency.detach().numpy()
    B, C = (torch.view_as_complex(v.detach()).numpy() for v in (cell.B_ri, cell.C_ri))
    y = cell(u)[0].detach().numpy()
    for h, step in enumerate(np.exp(cell.log_step.detach().numpy())):
        z = step * Lam[h]
        Ad = np.exp(z) if method == "zoh" else (1 + z / 2) / (1 - z / 2)
        Bd = B[h] * ((Ad - 1) / Lam[h] if method == "zoh" else step / (1 - z / 2))
        x = np.zeros((2, 4), complex)
        for k in range(u.shape[1]):
            x = Ad * x + Bd * u[:, k, h, None].numpy()
            want = 2 * (C[h] * x).real.sum(1) + float(cell.D[h].detach()) * u[:, k, h].numpy()
            np.testing.assert_allclose(y[:, k, h], want, rtol=0, atol=1e-12)


def test_initial_modes_are_the_laws_they_name():
    n = 32
    Lam = {name: INITIAL_MODES[name](n, torch.Generator().manual_seed(0))[0] for name in INITIAL_MODES}
    assert all(v.shape == (n,) and np.all(v.real < 0) and np.all(v.imag <= 0) for v in Lam.values())
    np.testing.assert_allclose(Lam["lin"], -0.5 - 1j * np.pi * np.arange(n), rtol=1e-15)
    np.testing.assert_allclose(Lam["legs"].real, -0.5, rtol=1e-13)
    largest = np.abs(Lam["legs"].imag).max()
    assert np.abs(Lam["inv"].imag).max() == pytest.approx(largest, rel=0.15)  # the law of its modes
    np.testing.assert_allclose(Lam["real"], -np.arange(1, n + 1), rtol=0)
    assert np.all(np.abs(Lam["random"] + 1) <= 1)


def test_band_limit():
    """Modes above the limit are in the state and not in the output."""
    free, limited = (S4D(1, 8, 1, band_limit=b, step_min=0.2, step_max=0.2) for b in (None, 0.5))
    limited.load_state_dict(free.state_dict())
    above = 0.2 * free.frequency.abs()[0] > 0.5 * math.pi
    assert above.sum() == 5
    C, free_C = limited.system().C[0], free.system().C[0]
    assert torch.all(C[above] == 0)
    assert torch.equal(C[~above], free_C[~above])


def test_s5_blocks():
    """Two blocks are two LegS systems of half the size; B and C are real there."""
    cell = S5(2, 6, 2, blocks=2, generator=torch.Generator().manual_seed(0))
    one = S5(2, 3, 2)
    torch.testing.assert_close(cell.frequency.reshape(2, 3), one.frequency.expand(2, 3))
    with pytest.raises(OptionError, match="blocks is 4, expected a divisor of n_x = 6"):
        S5(2, 6, 2, blocks=4)
    with pytest.raises(OptionError, match="C_init is 'zeros'; it is one of basis, lecun_normal, complex_normal"):
        S5(2, 6, 2, C_init="zeros")


@pytest.mark.parametrize(("C_init", "power"), [("basis", 1.0), ("lecun_normal", 1 / 16), ("complex_normal", 64.0)])
def test_s5_size_of_C(C_init, power):
    """E |c|^2 of a row: 2 n_x entries of variance 2 / (2 n_x), half of them kept; n_x entries of variance 1."""
    cell = S5(4, 64, 16, C_init=C_init, generator=torch.Generator().manual_seed(0))
    got = float(cell.C_ri.detach().square().sum((1, 2)).mean())
    assert got == pytest.approx(power, rel=0.1)


def test_s5_runs_both_ways():
    cell = S5Bidirectional(2, 3, 2, generator=torch.Generator().manual_seed(0)).double()
    u = inputs(cell.forwards, time=20)
    lam, B, _, _ = cell.forwards.system()
    C1, C2 = (2 * torch.view_as_complex(v) for v in (cell.forwards.C_ri, cell.C2_ri))
    causal, anticausal = torch.zeros(2, 20, 3, dtype=torch.complex128), torch.zeros(2, 21, 3, dtype=torch.complex128)
    for k in range(20):
        causal[:, k] = lam * causal[:, k - 1] * (k > 0) + u[:, k].to(lam.dtype) @ B.mT
        back = 19 - k
        anticausal[:, back] = lam * anticausal[:, back + 1] + u[:, back].to(lam.dtype) @ B.mT
    want = (causal @ C1.mT).real + (anticausal[:, :20] @ C2.mT).real + u @ cell.forwards.D.mT
    torch.testing.assert_close(cell(u), want, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cls", [S4D, S5])
@pytest.mark.parametrize("ratio", [0.5, 0.25])
def test_resampled_is_exact_where_the_input_is_held(cls, ratio):
    cell = cls(2, 4, 2, step_min=0.02, step_max=0.2).double()
    many = round(1 / ratio)
    u = inputs(cell)
    x0 = torch.randn(2, cell.n_x, dtype=torch.complex128, generator=torch.Generator().manual_seed(3))
    y, x_end = cell(u, x0)
    fine, fine_end = cell.resampled(ratio)(u.repeat_interleave(many, dim=1), x0)
    torch.testing.assert_close(fine[:, ::many], y, rtol=0, atol=1e-11)
    torch.testing.assert_close(fine_end, x_end, rtol=0, atol=1e-11)


@pytest.mark.parametrize("ratio", [0.5, 3.0])
def test_resampled_s4_has_the_same_continuous_poles_and_steady_state(ratio):
    cell = S4(1, 4, 1, step_min=0.05, step_max=0.05, length=100).double()
    G, H = cell.realization(1.0), cell.resampled(ratio).realization(ratio)

    def continuous(system):
        lam = system.poles()
        return np.sort_complex(2 / (0.05 * system.dt) * (lam - 1) / (lam + 1))

    np.testing.assert_allclose(continuous(H), continuous(G), rtol=1e-6)
    np.testing.assert_allclose(H.frequency_response([0.0]), G.frequency_response([0.0]), rtol=1e-9)
    with pytest.raises(OptionError, match="step_rescale is -1"):
        cell.resampled(-1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["s4", "s4d", "s5"])
def test_stable_for_every_parameter_value(name, dtype):
    for seed, size in enumerate([0.1, 1.0, 3.0, 10.0, 100.0, 1000.0] * 2):
        generator = torch.Generator().manual_seed(seed)
        cell = CELLS[name].start(2, 4, 2, slowest=50.0, generator=generator).to(dtype)
        with torch.no_grad():
            for p in cell.parameters():
                p.copy_(size * torch.randn(p.shape, generator=generator))
        assert cell.realization().is_schur()


def test_start_knows_the_slowest_time_constant():
    for name in ("s4d", "s5"):
        lam = CELLS[name].start(8, 16, 8, slowest=300.0, generator=torch.Generator()).system().lam
        assert 30 < float(-1 / torch.log(lam.detach().abs().max())) <= 301


def test_lru_normalization():
    """Exact: white noise keeps every state at variance |B|^2, however the poles move; learned: it starts there."""
    poles = ring(6, r_min=0.5, r_max=0.95, generator=torch.Generator().manual_seed(0))
    exact, learned = (LRU(1, 6, 1, initial_poles=poles, normalization=n).double() for n in ("exact", "learned"))
    learned.load_state_dict(exact.state_dict(), strict=False)
    for mine, theirs in zip(exact.system(), learned.system(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-7)
    with torch.no_grad():
        for cell in (exact, learned):
            cell.nu.sub_(1.0)
    for cell, holds in ((exact, True), (learned, False)):
        lam, B, _, _ = cell.system()
        variance = (B.abs() ** 2)[:, 0] / (1 - lam.abs() ** 2)
        want = torch.view_as_complex(cell.B_ri)[:, 0].abs() ** 2
        assert torch.allclose(variance, want, rtol=1e-9) == holds
    with pytest.raises(OptionError, match="normalization is 'none'"):
        LRU(1, 6, 1, initial_poles=poles, normalization="none")


def test_ring_in_physical_units():
    nu, theta = sampled_ring(2000, dt=0.1, shortest=0.5, longest=20.0, fastest=2.0)
    rate = torch.exp(nu) + DECAY_MIN
    constants, frequency = 0.1 / rate, theta / (2 * math.pi * 0.1)
    assert 0.5 <= float(constants.min()) < 0.6
    assert 10 < float(constants.max()) <= 20.0
    assert 1.9 < float(frequency.max()) <= 2.0
    assert float(sampled_ring(50, dt=1.0, shortest=2.0, longest=20.0, fastest=2.0)[1].max()) <= math.pi


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ring(4, r_min=0.9, r_max=0.5), "r_min is 0.9 and r_max is 0.5, expected 0 <= r_min < r_max < 1"),
        (lambda: ring(4, r_max=1.0), "r_max is 1.0"),
        (lambda: ring(4, phase_max=4.0), r"phase_max is 4.0, expected a number in \(0, pi\]"),
        (lambda: sampled_ring(4, dt=0.0, shortest=1.0, longest=2.0, fastest=1.0), "dt is 0.0"),
        (lambda: sampled_ring(4, dt=0.1, shortest=3.0, longest=2.0, fastest=1.0), "shortest is 3.0, expected less"),
        (lambda: sampled_ring(4, dt=0.1, shortest=1.0, longest=2.0, fastest=-1.0), "fastest is -1.0"),
    ],
)
def test_rings_that_are_none(call, message):
    with pytest.raises(OptionError, match=message):
        call()


@pytest.mark.parametrize("name", ["lru", *BOUNDED_CELLS])
def test_cells_start_on_a_ring_that_a_model_file_can_hold(name):
    rings = [
        {"r_min": 0.8, "r_max": 0.9, "phase_max": 0.3},
        {"dt": 0.1, "shortest": 0.5, "longest": 1.0, "fastest": 0.5},
    ]
    for options in rings:
        cell = CELLS[name].start(1, 60, 1, slowest=1e4, ring=options, generator=torch.Generator().manual_seed(0))
        lam = torch.tensor([pole for pole in cell.realization().poles() if pole.imag >= 0])
        low, high = (0.8, 0.9) if "r_min" in options else (math.exp(-0.2), math.exp(-0.1))
        assert low - 1e-6 <= float(lam.abs().min())
        assert float(lam.abs().max()) <= high + 1e-6
        assert 0.24 < float(lam.angle().max()) <= (0.3 if "r_min" in options else 0.1 * math.pi) + 1e-6
