"""Laguerre, Kautz and Takenaka-Malmquist systems: orthonormal impulse responses, the right poles and span."""

from __future__ import annotations

import numpy as np
import pytest

from l2ssm.errors import OptionError
from l2ssm.systems.gramian import controllability_gramian
from l2ssm.systems.orthogonal_bases import kautz, laguerre, orthonormal

POLES = {
    "laguerre": [0.9] * 12,
    "kautz": [0.8 + 0.3j] * 6,
    "negative": [-0.5 - 0.2j, -0.7],
    "mixed": [0.5, 0.9 + 0.1j, -0.3, 0.2 + 0.9j, 0.0],
    "imaginary": [0.7j],
    "slow": [0.9999, 0.9998 + 0.001j, 0.999],
}


@pytest.mark.parametrize("poles", POLES.values(), ids=POLES)
def test_gramian_is_the_identity(poles):
    """A A' + B B' = I, so the Gramian is I; for the slow ones Gramian solvers lose digits, the sum itself does not."""
    G = orthonormal(poles, dt=0.1)
    np.testing.assert_allclose(G.A @ G.A.T + G.B @ G.B.T, np.eye(G.n_x), rtol=0, atol=1e-14)
    assert G.is_schur()
    if max(np.abs(poles)) < 0.99:
        np.testing.assert_allclose(controllability_gramian(G), np.eye(G.n_x), rtol=0, atol=1e-11)
        h = G.simulate(np.append(1.0, np.zeros(3000)))
        np.testing.assert_allclose(h.T @ h, np.eye(G.n_x), rtol=0, atol=1e-11)
    assert (G.n_x, G.n_u, G.n_y, G.dt) == (sum(2 if np.imag(p) else 1 for p in poles), 1, G.n_x, 0.1)


def test_poles_and_span():
    """Distinct poles: the poles of the system, and every state a combination of the modes' impulse responses."""
    poles = [0.5, 0.9 + 0.1j, -0.3, 0.2 + 0.9j]
    G = orthonormal(poles)
    want = np.array([0.5, 0.9 + 0.1j, 0.9 - 0.1j, -0.3, 0.2 + 0.9j, 0.2 - 0.9j])
    np.testing.assert_allclose(np.sort_complex(G.poles()), np.sort_complex(want), rtol=0, atol=1e-12)
    k = np.arange(60)[:, None]
    modes = want**k
    h = G.simulate(np.append(1.0, np.zeros(60)))[1:]
    fitted = modes @ np.linalg.lstsq(modes, h.astype(complex), rcond=None)[0]
    np.testing.assert_allclose(h, fitted, rtol=0, atol=1e-11)


def test_laguerre_in_closed_form():
    """L_n(z) = sqrt(1 - a^2) / (z - a) ((1 - a z) / (z - a))^n."""
    a, n = 0.6, 5
    G = laguerre(a, n)
    omega = np.linspace(0.1, 3.0, 7)
    z = np.exp(1j * omega)
    want = np.stack([np.sqrt(1 - a**2) / (z - a) * ((1 - a * z) / (z - a)) ** k for k in range(n)], axis=1)
    np.testing.assert_allclose(G.frequency_response(omega)[:, :, 0], want, rtol=0, atol=1e-13)


def test_kautz_is_a_pair_many_times():
    G = kautz(0.6 + 0.5j, 3)
    np.testing.assert_array_equal(G.A, orthonormal([0.6 + 0.5j] * 3).A)
    np.testing.assert_allclose(np.abs(G.poles()), np.hypot(0.6, 0.5), rtol=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: orthonormal([]), "no poles given"),
        (lambda: orthonormal([0.5, 1.0]), "modulus 1, expected one below 1"),
        (lambda: orthonormal([float("nan")]), "modulus nan"),
        (lambda: laguerre(0.5 + 0.1j, 3), "not real"),
        (lambda: laguerre(0.5, 0), "n is 0"),
        (lambda: kautz(0.5, 3), "is real"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(OptionError, match=message):
        call()
