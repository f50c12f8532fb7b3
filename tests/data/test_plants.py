"""Conformance of every plant in PLANTS: documented, integrated to tolerance, linearised consistently, noisy as said."""

from __future__ import annotations

import dataclasses
import time
from functools import partial

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.signal import cont2discrete

from l2ssm.data import Dataset
from l2ssm.data.plants import PLANTS
from l2ssm.data.signals import prbs
from l2ssm.errors import DataError, OptionError

every_plant = pytest.mark.parametrize("plant", [make() for make in PLANTS.values()], ids=PLANTS)


def tight_outputs(plant, u, x0):
    """Oracle: LSODA from scipy.integrate.solve_ivp at the tightest tolerance, started anew in every sample."""
    x, states = np.array(x0), []
    for held in u:
        states.append(x)
        x = solve_ivp(
            plant.ode, (0, plant.dt), x, method="DOP853", rtol=3e-14, atol=1e-15, args=(held,), max_step=plant.dt / 8
        ).y[:, -1]
    return plant.output(np.array(states), u)


@every_plant
def test_facts(plant):
    assert plant.n_u == len(plant.u_nominal)
    assert plant.n_y == len(plant.noise)
    assert set(plant.units) == {*plant.input_names, *plant.output_names}
    assert type(plant).__doc__.count("'") >= 2, "the ODE belongs in the docstring"
    assert "Source" in type(plant).__doc__
    for field in dataclasses.fields(plant):
        assert f"{field.name}:" in type(plant).__doc__
    assert plant.ode(0.0, plant.equilibrium(), np.array(plant.u_nominal)).shape == (plant.n_x,)


@every_plant
def test_integration_agrees_with_a_tighter_one(plant):
    u = plant.excitation(200, 3)[:60]
    x0 = plant.equilibrium()
    expected = tight_outputs(plant, u, x0)
    got = plant.simulate(u, x0)
    scale = np.ptp(plant.simulate(plant.excitation(200, 3)), axis=0)
    assert np.abs(got - expected).max(axis=0) == pytest.approx(0, abs=1e-6 * scale.min())


@every_plant
def test_halving_the_sample_changes_nothing_under_the_same_held_input(plant):
    u = plant.excitation(200, 5)[:80]
    coarse = plant.simulate(u)
    fine = plant.simulate(np.repeat(u, 2, axis=0), dt=plant.dt / 2)[::2]
    np.testing.assert_allclose(fine, coarse, rtol=1e-6, atol=1e-6 * np.ptp(coarse))


@every_plant
def test_equilibrium_rests(plant):
    for u0 in (None, np.array(plant.u_nominal), 1.02 * np.array(plant.u_nominal)):
        x = plant.equilibrium(u0)
        u = np.array(plant.u_nominal) if u0 is None else u0
        A = plant.linearize(u)[0]
        scale = np.abs(A).max() * np.abs(x).max() + 1.0
        np.testing.assert_allclose(plant.ode(0.0, x, u), 0.0, atol=1e-11 * scale)


@every_plant
def test_jacobians_are_the_derivatives(plant):
    """Against fourth-order central differences, at every point of a trajectory that is not on the edge of a tank."""
    u = plant.excitation(300, 8)
    states = plant.trajectory(u)
    edges = [edge for name, edge in EDGES.items() if isinstance(plant, PLANTS[name])]
    inside = [k for k in range(0, 300, 7) if not edges or np.all(states[k] < 0.99 * edges[0](plant))]
    assert len(inside) >= 10
    for k in inside:
        exact = plant.jacobians(states[k], u[k])
        f, h = partial(plant.ode, 0.0), plant.output
        for function, (by_x, by_u) in ((f, exact[:2]), (h, exact[2:])):
            for exactly, joint in (
                (by_x, lambda p, g=function, k=k: g(p, u[k])),
                (by_u, lambda p, g=function, k=k: g(states[k], p)),
            ):
                numeric = differences(joint, states[k] if exactly is by_x else u[k])
                np.testing.assert_allclose(exactly, numeric, rtol=1e-6, atol=1e-7 * (1 + np.abs(exactly).max()))


EDGES = {"cascaded_tanks": lambda plant: np.array([plant.height, plant.height + plant.drop])}


def differences(function, point):
    columns = []
    for index in range(point.size):
        step = np.zeros_like(point)
        step[index] = 1e-3 * max(abs(point[index]), 1e-2)
        near = function(point + step) - function(point - step)
        far = function(point + 2 * step) - function(point - 2 * step)
        columns.append((8 * near - far) / (12 * step[index]))
    return np.column_stack(columns)


@every_plant
def test_small_signals_follow_the_linearization(plant):
    """delta y = the exactly discretised linear response, but for a remainder that falls with the amplitude squared."""
    A, B, C, D = plant.linearize()
    Ad, Bd, *_ = cont2discrete((A, B, C, D), plant.dt)
    u0 = np.array(plant.u_nominal)
    wave = np.column_stack([prbs(60, seed=channel) for channel in range(plant.n_u)])
    span = np.ptp(plant.excitation(400, 0), axis=0)
    rest = plant.output(plant.equilibrium(), u0)
    remainders = []
    for size in (1e-3, 1e-4):
        u = size * span * wave
        x, linear = np.zeros(plant.n_x), []
        for v in u:
            linear.append(C @ x + D @ v)
            x = Ad @ x + Bd @ v
        linear = np.array(linear)
        nonlinear = plant.simulate(u0 + u) - rest
        remainders.append(np.abs(nonlinear - linear).max(axis=0) / np.abs(linear).max(axis=0))
    assert np.all(remainders[0] < 2e-2)
    assert np.all(remainders[1] < np.maximum(0.2 * remainders[0], 1e-5))


@every_plant
def test_noise_is_white_and_of_the_stated_level(plant):
    clean = np.zeros((20000, plant.n_y))
    noise = plant.measure(clean, np.random.default_rng(0))
    np.testing.assert_allclose(noise.std(axis=0), plant.noise, rtol=0.02)
    lagged = (noise[1:] * noise[:-1]).mean(axis=0) / noise.var(axis=0)
    assert np.abs(lagged).max() < 4 / np.sqrt(20000)
    silent = dataclasses.replace(plant, noise=(0.0,) * plant.n_y).experiment(samples=30)
    np.testing.assert_array_equal(silent["train"].y, plant.simulate(silent["train"].u))


@every_plant
def test_default_experiment(plant):
    began = time.process_time()
    data = plant.experiment()
    assert time.process_time() - began < 2.0
    assert isinstance(data, Dataset)
    assert data.names == ("train", "test")
    assert [record.T for record in data] == [plant.samples] * 2
    assert (data.dt, data.input_names, data.output_names) == (plant.dt, plant.input_names, plant.output_names)
    assert data.units == dict(plant.units)
    data.require_variation()
    assert not np.array_equal(data["train"].u, data["test"].u)
    signal = data["train"].y.std(axis=0)
    assert np.all(signal > 20 * np.array(plant.noise)), "noise drowns the signal"


@every_plant
def test_experiments_depend_on_the_seed_alone(plant):
    first, again, other = (plant.experiment(seed, samples=40) for seed in (0, 0, 1))
    assert first.digest == again.digest != other.digest
    assert not np.array_equal(first["train"].u, other["train"].u)


@every_plant
def test_the_path_matters_not_the_length(plant):
    """Causality: the first outputs do not depend on later inputs."""
    u = plant.excitation(200, 1)[:50]
    v = u.copy()
    v[30:] = np.array(plant.u_nominal)
    np.testing.assert_array_equal(plant.simulate(u)[:30], plant.simulate(v)[:30])


@every_plant
def test_bad_input_is_named(plant):
    good = plant.excitation(50, 0)
    with pytest.raises(DataError, match=f"takes \\(T, {plant.n_u}\\)"):
        plant.simulate(np.zeros((10, plant.n_u + 1)))
    with pytest.raises(DataError, match="u is not finite at row 3"):
        plant.simulate(np.where(np.arange(50)[:, None] == 3, np.nan, good))
    with pytest.raises(DataError, match=f"must be {plant.n_x} finite"):
        plant.simulate(good, x0=np.zeros(plant.n_x + 1))
    with pytest.raises(DataError, match=f"must be {plant.n_x} finite"):
        plant.simulate(good, x0=np.full(plant.n_x, np.nan))
    with pytest.raises(DataError, match="dt=-1"):
        plant.simulate(good, dt=-1.0)
    with pytest.raises(DataError, match=f"must be {plant.n_u} finite"):
        plant.equilibrium(np.zeros(plant.n_u + 1))
    for wrong in ({"x0": "rest"}, {"dt": "fast"}, {"dt": True}):
        with pytest.raises(DataError, match=f"{next(iter(wrong))}="):
            plant.simulate(good, **wrong)
    with pytest.raises(DataError, match="u0='open' is not an array of numbers"):
        plant.linearize("open")
    with pytest.raises(OptionError, match="seed=-1 is no seed"):
        plant.experiment(seed=-1)
    with pytest.raises(OptionError, match="samples=0"):
        plant.experiment(samples=0)


@every_plant
@pytest.mark.parametrize("value", [float("nan"), float("inf"), "big", None, True])
def test_parameters_must_be_finite_numbers(plant, value):
    for field in dataclasses.fields(plant):
        with pytest.raises(OptionError, match=f"{field.name}="):
            dataclasses.replace(plant, **{field.name: value})


@every_plant
def test_parameters_are_positive_and_noise_fits_the_outputs(plant):
    for field in dataclasses.fields(plant):
        if field.name not in plant.any_sign and field.name != "noise":
            with pytest.raises(OptionError, match=f"{field.name}=-1.0 must be positive"):
                dataclasses.replace(plant, **{field.name: -1.0})
    with pytest.raises(OptionError, match="noise="):
        dataclasses.replace(plant, noise=(0.1,) * (plant.n_y + 1))
    with pytest.raises(OptionError, match="noise="):
        dataclasses.replace(plant, noise=(-0.1,) * plant.n_y)
    with pytest.raises(TypeError):
        type(plant)(0.1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        plant.dt = 1.0
