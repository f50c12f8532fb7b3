"""Response, poles, Gramians, Hankel values and the H-infinity bracket of 200 random systems against other programs."""

from __future__ import annotations

import control
import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov
from scipy.optimize import minimize_scalar

from l2ssm.systems.frequency import frequency_grid
from l2ssm.systems.gramian import controllability_gramian, hankel_singular_values, observability_gramian
from l2ssm.systems.state_space import StateSpace

SEEDS = [pytest.param(seed, marks=[pytest.mark.slow] if seed >= 6 else []) for seed in range(200)]
EPS = np.finfo(float).eps


def draw(seed: int) -> tuple[StateSpace, float]:
    """Non-square, 2 to 128 states, every second one with a full A; (system, 1 - its spectral radius)."""
    rng = np.random.default_rng(5000 + seed)
    pairs = int(rng.choice([1, 2, 4, 8, 16, 32, 64]))
    n_u, n_y, gap = *map(int, rng.integers(1, 5, 2)), 10 ** rng.uniform(-6, -1)
    modulus = 1 - np.exp(rng.uniform(np.log(gap), np.log(0.9), pairs))
    modulus[0] = 1 - gap
    lam = modulus * np.exp(1j * rng.uniform(0, np.pi, pairs))
    B = rng.standard_normal((pairs, n_u)) + 1j * rng.standard_normal((pairs, n_u))
    C = rng.standard_normal((n_y, pairs)) + 1j * rng.standard_normal((n_y, pairs))
    G = StateSpace.from_modes(lam, B, C, rng.standard_normal((n_y, n_u)), 0.1)
    if seed % 2:
        Q = np.linalg.qr(rng.standard_normal((G.n_x, G.n_x)))[0]
        G = StateSpace(Q @ G.A @ Q.T, Q @ G.B, G.C @ Q.T, G.D, 0.1)
    return G, gap


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_system_is_what_other_programs_say(seed: int) -> None:
    G, gap = draw(seed)
    theirs = control.ss(G.A, G.B, G.C, G.D, G.dt)
    own = EPS * G.n_x / gap  # what rounding of A alone costs the other programs, relative

    mine = np.sort_complex(G.poles())
    np.testing.assert_allclose(mine, np.sort_complex(theirs.poles()), rtol=0, atol=1e-12)

    omega = frequency_grid(G, 40)
    H = theirs.frequency_response(omega, squeeze=False).complex.transpose(2, 0, 1)
    np.testing.assert_allclose(G.frequency_response(omega), H, rtol=0, atol=(1e-12 + 10 * own) * np.abs(H).max())

    for W, A, Q in (
        (controllability_gramian(G), G.A, G.B @ G.B.T),
        (observability_gramian(G), G.A.T, G.C.T @ G.C),
    ):
        want = solve_discrete_lyapunov(A, Q)
        np.testing.assert_allclose(W, want, rtol=0, atol=(1e-12 + 100 * own) * np.abs(want).max())
    product = np.linalg.eigvals(solve_discrete_lyapunov(G.A, G.B @ G.B.T) @ solve_discrete_lyapunov(G.A.T, G.C.T @ G.C))
    hankel = hankel_singular_values(G)
    want = np.sort(np.sqrt(product.real.clip(min=0.0)))[::-1]
    np.testing.assert_allclose(hankel, want, rtol=0, atol=(1e-6 + 100 * own) * hankel[0])

    lower, upper, _ = G.hinf()
    reference = _peak(theirs, omega, H)
    assert lower * (1 - 1e-6 - 10 * own) <= reference <= upper * (1 + 1e-9 + 10 * own)


def _peak(system: control.StateSpace, omega: np.ndarray, H: np.ndarray) -> float:
    """The largest singular value of python-control's response, each of the best grid points refined."""

    def gain(w: float) -> float:
        return float(np.linalg.norm(system(np.exp(1j * w * system.dt), squeeze=False).reshape(H.shape[1:]), 2))

    values = np.linalg.norm(H, 2, axis=(1, 2))
    best = max(float(values.max()), gain(0.0))
    for k in np.argsort(values)[-3:]:
        left, right = omega[max(k - 1, 0)], omega[min(k + 1, omega.size - 1)]
        found = minimize_scalar(lambda w: -gain(w), bounds=(left, right), method="bounded", options={"xatol": 1e-14})
        best = max(best, -float(found.fun))
    return best
