"""HiPPO: the systems c' = A c + B u whose state holds the coefficients of the past of u in an orthonormal basis.

With the weight w(s) of the past and the basis functions g_n orthonormal under it, c_n(t) = int u(s) g_n w ds; A and B
are the derivative of this projection. Every A is normal but for a low rank: A + P P' = (real number) I + skew matrix.
Gu et al., "HiPPO: recurrent memory with optimal polynomial projections" (2020), "How to train your HiPPO" (2022).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from l2ssm.errors import OptionError
from l2ssm.options import integer, positive

Array = NDArray[np.float64]


class Hippo(NamedTuple):
    """c' = A c + B u, with the low-rank part that makes A normal: A + P P' = alpha I + skew.

    Attributes:
        A: (n, n).
        B: (n,).
        P: (n, rank).
    """

    A: Array
    B: Array
    P: Array


def legs(n: int) -> Hippo:
    """LegS, Legendre polynomials on the whole past: rank 1.

    Two memories share these matrices. c' = (A c + B u) / t projects on [0, t] with uniform weight (time-varying);
    c' = A c + B u projects on (-inf, t] with weight exp(s - t), time constant 1 (divide A and B by another one).

    Args:
        n: order, the number of states.

    >>> (legs(2).A ** 2).round(12).tolist(), (legs(2).B ** 2).round(12).tolist()
    ([[1.0, 0.0], [3.0, 4.0]], [1.0, 3.0])
    """
    k = np.arange(integer("n", n, 1))
    B = np.sqrt(2.0 * k + 1)
    A = -np.tril(np.outer(B, B), -1) - np.diag(k + 1.0)
    return Hippo(A, B, B[:, None] * 0.5**0.5)


def legt(n: int, window: float = 1.0) -> Hippo:
    """LegT, Legendre polynomials on [t - window, t], uniform weight: rank 2.

    The value that leaves the window is taken from the polynomial itself, so this is not the exact projection.

    Args:
        n: order, the number of states.
        window: length of the window in seconds.
    """
    k = np.arange(integer("n", n, 1))
    window = positive("window", window)
    B = np.sqrt(2.0 * k + 1)
    sign = np.where(k[:, None] < k, (-1.0) ** (k[:, None] - k), 1.0)
    parity = (k % 2 == 1)[:, None] == [True, False]
    return Hippo(-sign * np.outer(B, B) / window, B / window, parity * B[:, None] / np.sqrt(window))


def lmu(n: int, window: float = 1.0) -> tuple[Array, Array]:
    """(A, B) of the Legendre memory unit: LegT in the coordinates (-1)^n sqrt(2n+1) c_n (Voelker et al. 2019).

    Args:
        n: order, the number of states.
        window: length of the window in seconds.
    """
    A, B, _ = legt(n, window)
    scale = window * B * np.where(np.arange(n) % 2, -1.0, 1.0)
    return scale[:, None] * A / scale, scale * B


def lagt(n: int, tilt: float = 0.5, window: float = 1.0) -> Hippo:
    """LagT, Laguerre functions exp(-tilt lag) L_n(lag), lag in units of the window, on the whole past: rank 1.

    The weight of the past is exp(-(1 - 2 tilt) lag): none at tilt 1/2, an exponential at tilt 0.

    Args:
        n: order, the number of states.
        tilt: in [0, 1/2].
        window: time constant in seconds.

    Raises:
        OptionError: tilt not in [0, 1/2].
    """
    ones = np.ones((integer("n", n, 1), 1))
    window = positive("window", window)
    if not 0 <= tilt <= 0.5:
        raise OptionError(f"tilt is {tilt!r}, expected a number in [0, 0.5]")
    A = -(1 - tilt) * np.eye(n) - np.tril(ones @ ones.T, -1)
    return Hippo(A / window, ones[:, 0] / window, ones * np.sqrt(0.5 / window))


def fout(n: int, window: float = 1.0, *, endpoint: str = "gibbs") -> Hippo:
    """FouT, 1, sqrt2 cos 2 pi k x, sqrt2 sin 2 pi k x of x = lag / window in [0, 1], uniform weight: rank 1.

    States are (cos 0, sin 0, cos 1, sin 1, ...); sin 0 is a dead state (its row, column and B are zero).

    Args:
        n: even number of states.
        window: length of the memory.
        endpoint: what the Fourier series tells about u(t - window), the value that leaves. "gibbs": at the jump the
            series is the mean of both ends, u(t - window) = 2 s - u(t); "series": it is taken as it is, s.

    Raises:
        OptionError: n odd, or an unknown endpoint.
    """
    S, g = _fourier(n)
    if endpoint not in ("gibbs", "series"):
        raise OptionError(f"endpoint is {endpoint!r}, expected 'gibbs' or 'series'")
    gain = (2.0 if endpoint == "gibbs" else 1.0) / positive("window", window)
    return Hippo(S / window - gain * np.outer(g, g), gain * g, np.sqrt(gain) * g[:, None])


def foud(n: int, window: float = 1.0) -> Hippo:
    """FouD, the sines and cosines of FouT under the weight exp(lag / 2): block diagonal, normal, rank 0.

    Args:
        n: order, the number of states.
        window: length of the window in seconds.
    """
    S, g = _fourier(n)
    return Hippo((S - 0.5 * np.eye(n)) / positive("window", window), g / window, np.zeros((n, 0)))


def legsd(n: int) -> Hippo:
    """LegS without its low-rank part, A + P P' and B / 2: normal, rank 0; the start of S4D-LegS.

    Args:
        n: order, the number of states.
    """
    A, B, P = legs(n)
    return Hippo(A + P @ P.T, B / 2, np.zeros((n, 0)))


def _fourier(n: int) -> tuple[Array, Array]:
    """(S, g): S turns (cos k, sin k) by 2 pi k a unit of time, g holds the basis at the end of the window."""
    if integer("n", n, 2) % 2:
        raise OptionError(f"n is {n}, expected an even number: the states are pairs of cosine and sine")
    frequency = 2 * np.pi * np.arange(n // 2)
    S = np.asarray(np.kron(np.diag(frequency), [[0.0, -1.0], [1.0, 0.0]]), dtype=np.float64)
    g = np.tile([2**0.5, 0.0], n // 2)
    g[0] = 1.0
    return S, g
