"""Memories that run along a signal: its past as n coefficients, updated at every sample, and the past they recall.

The input is held: u[k] is the signal on (k, k+1] in units of the sample time, and c[k] is the memory after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.polynomial import laguerre, legendre
from numpy.typing import ArrayLike, NDArray

from l2ssm.errors import DataError, OptionError
from l2ssm.options import integer, positive
from l2ssm.systems.discretize import backward_euler, bilinear, discretize, forward_euler, zoh
from l2ssm.systems.hippo import Hippo, fout, lagt, legs, legt

Array = NDArray[np.float64]

# rule, and its step in the time ln t from k to k + 1 samples
METHODS: dict[str, tuple[Callable[[Array, Array, float], tuple[Array, Array]], Callable[[int], float]]] = {
    "forward": (forward_euler, lambda k: 1 / (k + 1)),
    "backward": (backward_euler, lambda k: 1 / (k + 1)),
    "bilinear": (bilinear, lambda k: 1 / (k + 1)),
    "midpoint": (bilinear, lambda k: 1 / (k + 0.5)),
    "zoh": (zoh, lambda k: np.log1p(1 / k)),
}


class HippoMemory:
    """HiPPO-LegS: Legendre coefficients of the whole past [0, k + 1] under uniform weight; c[0] = (u[0], 0, 0, ...).

    Args:
        n: number of coefficients.
        method: "zoh" (exact for the held input), "forward", "backward", "bilinear" (as published, first order in 1/k),
            or "midpoint" (bilinear with the step 1 / (k + 1/2), second order).

    Raises:
        OptionError: n below 1, or an unknown method.

    >>> HippoMemory(2).project([1.0, 3.0]).round(12).tolist()
    [[1.0, 0.0], [2.0, 0.866025403784]]
    """

    def __init__(self, n: int, method: str = "zoh") -> None:
        if method not in METHODS:
            raise OptionError(f"unknown method {method!r}; known: {', '.join(METHODS)}")
        self.pair, self.method = legs(n), method

    def transition(self, k: int) -> tuple[Array, Array]:
        """(A (n, n), b (n,)) of the step from k to k + 1 samples.

        At k = 0 the exact step forgets everything (A = 0); the others start from c = 0 with the step they have there.

        Args:
            k: samples seen before the step.
        """
        A, B, _ = self.pair
        rule, step = METHODS[self.method]
        if k == 0 and self.method == "zoh":
            return np.zeros_like(A), np.eye(len(B))[0]
        return rule(A, B, step(k))

    def project(self, u: ArrayLike) -> Array:
        """c (T, n) of the signal u (T,), from c = 0 before it.

        Args:
            u: (T,) samples.
        """
        return _run(u, len(self.pair.B), self.transition)

    def reconstruct(self, c: ArrayLike, x: ArrayLike) -> Array:
        """(..., F) the past at the fractions x (F,) of the time so far, 0 the beginning and 1 the present.

        Args:
            c: (..., n) coefficients.
            x: (F,) fractions in [0, 1].
        """
        return np.asarray(c) @ _legendre(np.asarray(x, dtype=np.float64), len(self.pair.B)).T


class LagMemory:
    """A time-invariant HiPPO system, sampled: coefficients of the past as a function of the lag.

    Args:
        measure: "legs" (exponential weight), "legt" (sliding window), "fout" (the same, Fourier), "lagt" (Laguerre).
        n: number of coefficients.
        window: length of the window, for "legs" and "lagt" the time constant, in samples.
        method: of `discretize`.
        options: of the HiPPO pair (tilt of "lagt", endpoint of "fout").

    Raises:
        OptionError: an unknown measure or method, or as the pair.
    """

    def __init__(self, measure: str, n: int, *, window: float, method: str = "zoh", **options: Any) -> None:
        if measure not in MEASURES:
            raise OptionError(f"unknown measure {measure!r}; known: {', '.join(MEASURES)}")
        pair, self._basis = MEASURES[measure]
        self.window, self.options = positive("window", window), options
        A, B, _ = pair(n, **options)
        self.A, self.B = discretize(A, B, 1 / self.window, method)

    def project(self, u: ArrayLike) -> Array:
        """c (T, n) of the signal u (T,), from c = 0 before it.

        Args:
            u: (T,) samples.
        """
        return _run(u, len(self.B), lambda k: (self.A, self.B))

    def basis(self, lag: ArrayLike) -> Array:
        """(F, n) the functions at lags (F,) in samples.

        Args:
            lag: (F,) in samples, 0 is the present.
        """
        return self._basis(np.asarray(lag, dtype=np.float64) / self.window, len(self.B), **self.options)

    def reconstruct(self, c: ArrayLike, lag: ArrayLike) -> Array:
        """(..., F) the signal `lag` (F,) samples ago.

        Args:
            c: (..., n) coefficients.
            lag: (F,) in samples.
        """
        return np.asarray(c) @ self.basis(lag).T


class GramMemory:
    """Least squares on the samples themselves: c[k] are the coefficients of u[0..k] in discrete Legendre polynomials.

    Exact, and no hold is assumed: the polynomials are orthonormal under the mean over the k + 1 samples. While there
    are fewer samples than n the remaining coefficients are 0.

    Args:
        n: number of coefficients.
    """

    def __init__(self, n: int) -> None:
        self.n = integer("n", n, 1)

    def polynomials(self, count: int) -> Array:
        """(count, n): p_m(j) on the samples j = 0..count - 1, mean of p_m p_n = [m = n], positive at the last one.

        Args:
            count: number of samples.
        """
        P = np.zeros((count, self.n))
        P[:, 0] = 1.0
        j = np.linspace(-1, 1, count)
        for m in range(1, min(self.n, count)):
            p = j * P[:, m - 1]
            for _ in range(2):  # once more: rounding of the first subtraction would grow with m
                p = p - P[:, :m] @ (P[:, :m].T @ p) / count
            P[:, m] = p * np.sqrt(count) / np.linalg.norm(p)
        return P

    def transition(self, k: int) -> tuple[Array, Array]:
        """(A (n, n), b (n,)) of the step from k to k + 1 samples.

        Args:
            k: samples seen before the step.
        """
        after = self.polynomials(k + 1)
        before = self.polynomials(k) if k else np.zeros((0, self.n))
        return after[:-1].T @ before / (k + 1), after[-1] / (k + 1)

    def project(self, u: ArrayLike) -> Array:
        """c (T, n) of the signal u (T,).

        Args:
            u: (T,) samples.
        """
        return _run(u, self.n, self.transition)

    def reconstruct(self, c: ArrayLike, count: int) -> Array:
        """(count,) the samples 0..count - 1 as the coefficients after `count` of them know them.

        Args:
            c: (n,) coefficients.
            count: samples they are about.
        """
        return self.polynomials(count) @ np.asarray(c)


def _run(u: ArrayLike, n: int, transition: Callable[[int], tuple[Array, Array]]) -> Array:
    """c[k] = A_k c[k-1] + b_k u[k], (T, n)."""
    signal = np.asarray(u, dtype=np.float64)
    if signal.ndim != 1:
        raise DataError(f"u has shape {signal.shape}, expected one signal (T,)")
    if not np.isfinite(signal).all():
        raise DataError(f"u[{int(np.argmin(np.isfinite(signal)))}] is not finite; a memory never forgets it")
    c, state = np.empty((len(signal), n)), np.zeros(n)
    for k, value in enumerate(signal):
        A, b = transition(k)
        c[k] = state = A @ state + b * value
    return c


def _legendre(x: Array, n: int) -> Array:
    """sqrt(2n + 1) P_n(2x - 1), orthonormal on [0, 1]."""
    return legendre.legvander(2 * x - 1, n - 1) * np.sqrt(2.0 * np.arange(n) + 1)


def _laguerre(lag: Array, n: int, tilt: float = 0.5) -> Array:
    return np.exp(-tilt * lag)[:, None] * laguerre.lagvander(lag, n - 1)


def _fourier(lag: Array, n: int, endpoint: str = "gibbs") -> Array:
    angle = 2 * np.pi * np.outer(lag, np.arange(n // 2))
    waves = np.stack([np.cos(angle), np.sin(angle)], axis=-1).reshape(-1, n) * np.sqrt(2.0)
    waves[:, 0] = 1.0
    return waves


MEASURES: dict[str, tuple[Callable[..., Hippo], Callable[..., Array]]] = {
    "legs": (legs, lambda lag, n: _legendre(np.exp(-lag), n)),
    "legt": (legt, lambda lag, n: _legendre(1 - lag, n)),
    "fout": (fout, _fourier),
    "lagt": (lagt, _laguerre),
}
