"""Output-error refinement: never worse, as good as a general optimiser, and back from a perturbed start."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from l2ssm.errors import OptionError
from l2ssm.systems.output_error import output_error
from l2ssm.systems.state_space import StateSpace
from l2ssm.systems.subspace import RADIUS, LinearFit, subspace
from tests.systems.test_subspace import distance, records, system


@pytest.mark.parametrize("size", [(1, 1, 1), (2, 1, 2), (1, 2, 2)])
@pytest.mark.parametrize("seed", range(3))
def test_the_refined_fit_is_never_worse_and_stays_stable(size, seed):
    G = system(*size, seed)
    data = records(G, (150, 200), noise=0.3, seed=seed)
    start = subspace(data, G.dt, order=G.n_x)
    found = output_error(start, data)
    assert np.sum(found.rmse**2) <= np.sum(start.rmse**2)
    assert np.abs(found.G.poles()).max() <= RADIUS


def test_it_reaches_the_least_squares_that_a_general_optimizer_finds():
    G = system(1, 1, 1, 0)
    data = records(G, (300,), noise=0.4)
    found = output_error(subspace(data, G.dt, order=2), data, iterations=200)
    (u, y) = data[0]

    def error(theta):  # observer form, the minimal parametrization of order 2
        a1, a2, b0, b1, b2, x1, x2 = theta
        return (StateSpace([[a1, 1], [a2, 0]], [[b1], [b2]], [[1, 0]], [[b0]]).simulate(u, [x1, x2]) - y).ravel()

    T = np.vstack([found.G.C, found.G.C @ found.G.A])
    A, B, C = T @ found.G.A @ np.linalg.inv(T), T @ found.G.B, found.G.C @ np.linalg.inv(T)
    a2, a1 = A[1]
    x0 = T @ found.x0[0]
    theta = [a1, a2, found.G.D[0, 0], B[0, 0], B[1, 0] - a1 * B[0, 0], x0[0], x0[1] - a1 * x0[0]]
    np.testing.assert_allclose(C, [[1.0, 0.0]], atol=1e-9)
    best = optimize.least_squares(error, theta, xtol=1e-14, ftol=1e-14)
    assert np.sqrt(np.mean(error(theta) ** 2)) == pytest.approx(found.rmse[0], rel=1e-8)
    assert found.rmse[0] <= np.sqrt(2 * best.cost / len(u)) * (1 + 1e-4)


def test_a_perturbed_start_returns_to_the_exact_system():
    G = system(2, 2, 2, 3)
    data = records(G, (400,), noise=0.0)
    exact = subspace(data, G.dt, order=4)
    moved = StateSpace(0.97 * exact.G.A, 1.1 * exact.G.B, exact.G.C, exact.G.D + 0.1, G.dt)
    start = LinearFit(moved, exact.x0, exact.singular_values, np.array([1.0, 1.0]))
    assert distance(G, moved) > 0.05
    assert distance(G, output_error(start, data, iterations=100).G) < 1e-4


def test_iterations_out_of_range_are_named():
    G = system(1, 1, 1, 0)
    data = records(G, (100,), noise=0.1)
    with pytest.raises(OptionError, match="iterations"):
        output_error(subspace(data, G.dt, order=2), data, iterations=-1)
