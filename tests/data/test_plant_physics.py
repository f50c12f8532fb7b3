"""What physics says about each plant: water and energy balances, resonances, clipping, ignition, the limit cycle."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.signal import cheby1, cheby2, freqs
from scipy.special import ellipk

from l2ssm.data.plants import CSTR, Duffing, Pendulum, ThreeTanks, VanDerPol, WienerHammerstein
from l2ssm.data.plants.integration import integrate_held
from l2ssm.errors import OptionError, SolverError


class TestThreeTanks:
    def test_water_balance(self):
        """area (sum of levels) changes by inflow - outflow through mu20, summed by Simpson's rule over fine samples."""
        plant = ThreeTanks()
        u = np.tile([30.0, 20.0], (400, 1))
        states = plant.trajectory(u, x0=[5.0, 8.0, 2.0], dt=1.0)
        outflow = np.array([plant.flows(x)[2] for x in states])
        drained = (outflow[0] + outflow[-1] + 4 * outflow[1:-1:2].sum() + 2 * outflow[2:-1:2].sum()) / 3
        assert plant.area * (states[-1] - states[0]).sum() == pytest.approx(400 * 50.0 - drained, rel=1e-6)

    def test_water_runs_downhill_and_comes_to_rest_level(self):
        plant = ThreeTanks(mu20=1e-15)  # outlet shut
        states = plant.trajectory(np.zeros((3000, 2)), x0=[30.0, 0.0, 10.0])
        spread = np.ptp(states, axis=1)
        assert np.all(np.diff(spread) < 1e-7)  # the integrator keeps 1e-9 of 13 cm
        np.testing.assert_allclose(states.sum(axis=1), 40.0, rtol=1e-7)
        np.testing.assert_allclose(states[-1], 40.0 / 3, rtol=1e-4)

    def test_overflow_holds_the_level(self):
        plant = ThreeTanks()
        states = plant.trajectory(np.tile([120.0, 0.0], (600, 1)))
        assert states[-1, 0] == pytest.approx(plant.height, abs=1e-6)
        assert plant.simulate(np.tile([120.0, 0.0], (600, 1))).max() == plant.height
        with pytest.raises(OptionError, match=r"no equilibrium below the edge under q1=120, q2=0"):
            plant.equilibrium([120.0, 0.0])

    def test_full_flow_follows_torricelli(self):
        plant = ThreeTanks()
        q13, q32, q20 = plant.flows([30.0, 10.0, 20.0])
        torricelli = plant.pipe * math.sqrt(2 * 981.0 * 10.0)
        assert (q13, q32) == pytest.approx((0.5 * torricelli, 0.5 * torricelli), rel=1e-6)
        assert q20 == pytest.approx(0.675 * torricelli)

    def test_full_tank_has_no_row_in_the_linearization(self):
        plant = ThreeTanks()
        A, B, *_ = plant.jacobians(np.array([62.0, 10.0, 30.0]), np.array([200.0, 0.0]))
        assert not A[0].any()
        assert not B[0].any()
        assert A[2, 0] > 0


class TestDuffing:
    def test_energy_falls_by_what_damping_takes(self):
        plant = Duffing()
        states = plant.trajectory(np.zeros(600), x0=[0.2, 0.0], dt=1e-4)
        energy = plant.energy(states)
        assert np.all(np.diff(energy) <= 1e-9 * energy[0])
        power = 2 * plant.damping * plant.w0 * states[:, 1] ** 2
        lost = (power[0] + power[-1] + 4 * power[1:-1:2].sum() + 2 * power[2:-1:2].sum()) * 1e-4 / 3
        assert energy[0] - energy[-1] == pytest.approx(lost, rel=1e-6)

    def test_without_damping_energy_stays(self):
        plant = Duffing(damping=1e-12)
        energy = plant.energy(plant.trajectory(np.zeros(2000), x0=[0.2, 0.0]))
        np.testing.assert_allclose(energy, energy[0], rtol=1e-6)

    def test_the_resonance_hardens(self):
        """Half periods of free swings between zero crossings are those of the elliptic integral."""
        plant = Duffing(damping=1e-9)
        for start in (1e-3, 0.3):
            dt = 1e-5
            x = plant.trajectory(np.zeros(1500), x0=[start, 0.0], dt=dt)[:, 0]
            sign = np.flatnonzero(x[:-1] * x[1:] <= 0)[:2]
            crossings = sign + x[sign] / (x[sign] - x[sign + 1])
            stiffness = 1 + plant.hardening * start**2
            quarter = ellipk(0.5 * plant.hardening * start**2 / stiffness) / (plant.w0 * math.sqrt(stiffness))
            assert np.diff(crossings)[0] * dt == pytest.approx(2 * quarter, rel=1e-6)

    def test_linear_limit_has_the_stated_gain_and_damping(self):
        A, B, C, _D = Duffing(gain=2.5).linearize()
        assert (C @ np.linalg.solve(-A, B)).item() == pytest.approx(2.5)
        poles = np.linalg.eigvals(A)
        assert np.abs(poles) == pytest.approx(2 * math.pi * 69.6)
        assert -poles.real / np.abs(poles) == pytest.approx(0.05)


class TestPendulum:
    def test_energy_only_falls_without_torque(self):
        plant = Pendulum()
        energy = plant.energy(plant.trajectory(np.zeros(500), x0=[2.5, 0.0]))
        assert np.all(np.diff(energy) <= 1e-12)
        assert energy[-1] < 1e-3 * energy[0]

    def test_work_equals_energy_and_friction(self):
        plant = Pendulum(dry=1e-12, viscous=1e-12)
        states = plant.trajectory(np.full(300, 0.3))
        work = 0.3 * (states[-1, 0] - states[0, 0])
        assert plant.energy(states[-1]) - plant.energy(states[0]) == pytest.approx(work, rel=1e-6)

    def test_torque_beyond_gravity_has_no_rest(self):
        plant = Pendulum()
        assert plant.equilibrium(plant.weight_torque)[0] == pytest.approx(math.pi / 2)
        with pytest.raises(OptionError, match=r"gravity holds at most 1\.1772 N m"):
            plant.equilibrium(1.2)


class TestWienerHammerstein:
    def test_linear_circuit_has_the_two_filters_response(self):
        """With leak=1 the diode is a wire: frequency response = product of scipy's Chebyshev filters."""
        plant = WienerHammerstein(leak=1.0)
        A, B, C, D = plant.linearize()
        f = np.array([100.0, 2000.0, 4400.0, 5000.0, 9000.0])
        s = 2j * math.pi * f
        ours = np.array([(C @ np.linalg.solve(point * np.eye(6) - A, B) + D).item() for point in s])
        first = freqs(*cheby1(3, 0.5, 2 * math.pi * 4400, analog=True), s.imag)[1]
        second = freqs(*cheby2(3, 40, 2 * math.pi * 5000, analog=True), s.imag)[1]
        np.testing.assert_allclose(ours, first * second, rtol=1e-9)
        assert abs(first[2]) == pytest.approx(10 ** (-0.5 / 20))
        assert abs(second[3]) == pytest.approx(10 ** (-40 / 20))

    def test_diode_clips_from_above_only(self):
        plant = WienerHammerstein(leak=0.0)
        v = np.array([-5.0, -0.2, 5.0, 50.0])
        np.testing.assert_allclose(plant.diode(v), [-5.0, -0.2, 0.4, 0.4], atol=1e-6)
        slopes = [plant.diode_slope(float(point)) for point in (-5.0, 0.4, 5.0)]
        assert slopes == pytest.approx([1.0, 0.5, 0.0], abs=1e-12)

    def test_large_signals_do_not_overflow(self):
        assert np.isfinite(WienerHammerstein().simulate(np.full(200, 1e3))).all()

    def test_leak_is_a_share(self):
        with pytest.raises(OptionError, match=r"leak=2.0 must be in \[0, 1\]"):
            WienerHammerstein(leak=2.0)


class TestCSTR:
    def test_published_operating_point(self):
        """Nominal point of the source: qc = 103.41 L/min, c = 0.1 mol/L, T = 438.5 K."""
        np.testing.assert_allclose(CSTR().equilibrium(103.41), [0.1, 438.54], rtol=1e-3)

    def test_matter_balance(self):
        """V dc/dt = q (c_feed - c) - V r and the heat of exactly that reaction, at rest: both close."""
        plant = CSTR()
        c, T = plant.equilibrium()
        burnt = plant.q * (plant.c_feed - c)
        removed = plant.q * (T - plant.T_feed) + plant.V * plant.cooling(100.0) * (T - plant.T_coolant)
        assert plant.heat * burnt == pytest.approx(removed, rel=1e-9)

    def test_concentration_stays_between_zero_and_feed(self):
        y = CSTR().simulate(CSTR().excitation(500, 4), x0=[0.9, 360.0])
        assert y[:, 0].min() > 0
        assert y[:, 0].max() < 1

    def test_damping_falls_with_the_coolant_flow(self):
        damping = []
        for qc in (90.0, 100.0, 108.0):
            pole = np.linalg.eigvals(CSTR().linearize(qc)[0])[0]
            damping.append(-pole.real / abs(pole))
        assert damping[0] > damping[1] > damping[2] > 0

    def test_no_coolant_is_adiabatic(self):
        plant = CSTR()
        c, T = plant.equilibrium(0.0)
        assert plant.T_feed + plant.heat * (1 - c) == pytest.approx(T)
        assert plant.linearize(0.0)[1].tolist() == [[0.0], [0.0]]


class TestVanDerPol:
    def test_limit_cycle(self):
        """From inside and outside the swing becomes 2.0086 with period 6.6633 (mu = 1, tabulated)."""
        for start in ([0.01, 0.0], [4.0, 0.0]):
            x = VanDerPol().trajectory(np.zeros(20000), x0=start, dt=0.01)[8000:, 0]
            assert x.max() == pytest.approx(2.00862, abs=1e-4)
            up = np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0))
            crossings = (up - x[up] / (x[up + 1] - x[up])) * 0.01
            np.testing.assert_allclose(np.diff(crossings), 6.663287, atol=1e-4)

    def test_equilibrium_is_unstable(self):
        assert np.linalg.eigvals(VanDerPol().linearize()[0]).real.min() > 0
        assert np.linalg.eigvals(VanDerPol().linearize(1.5)[0]).real.max() < 0


EXPLOSIONS = {
    "escape in finite time": lambda x, u: [x[0] ** 2],
    "infinite rate": lambda x, u: [math.inf],
    "rate becomes NaN": lambda x, u: [math.nan if x[0] > 2 else 5 * x[0]],
    "overflow": lambda x, u: [math.exp(1000 * x[0])],
    "division by zero": lambda x, u: [1 / 0],
    "too fast to follow": lambda x, u: [1e9 * math.cos(1e9 * x[0])],
}


@pytest.mark.parametrize("rates", EXPLOSIONS.values(), ids=EXPLOSIONS)
def test_a_run_that_explodes_is_reported_with_its_sample(rates):
    with pytest.raises(SolverError, match=r"integration failed at sample 0 \(t=0 s\): state \[1.0\], input \[0.5\]"):
        integrate_held(rates, np.array([1.0]), np.full((3, 1), 0.5), 2.0)


def test_explosion_of_a_plant():
    with pytest.raises(SolverError, match="integration failed at sample 0"):
        Duffing().simulate([1e100, 0.0], x0=[1e120, 0.0])


@pytest.mark.parametrize("error", [KeyError("typo"), KeyboardInterrupt()])
def test_other_errors_of_a_right_hand_side_are_passed_on(error):
    def rates(x, u):
        raise error

    with pytest.raises(type(error)):
        integrate_held(rates, np.array([1.0]), np.zeros((3, 1)), 1.0)


def test_ode_is_in_the_argument_order_of_solve_ivp():
    plant = Pendulum()
    solved = solve_ivp(plant.ode, (0, plant.dt), [0.3, 0.0], args=(np.array([0.1]),), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(plant.trajectory([0.1], x0=[0.3, 0.0])[-1], solved.y[:, -1], atol=1e-9)
