"""Sample correlations of coloured signals with bands that hold for them, pooled over records.

For independent stationary signals u and e the sample cross-covariance r(tau) = (1/N) sum_t u[t - tau] e[t] has

    N Cov(r(tau), r(tau + d)) -> sum_k R_u(k) R_e(k + d),

the sum of products of the two autocovariances (Bartlett 1955; Box, Jenkins and Reinsel, Time Series Analysis,
sec. 12.1). For white signals this is R_u(0) R_e(0), the familiar 1/sqrt(N) band; for coloured ones it is many times
that. The sum is cut smoothly by a Parzen window (Andrews 1991). A band that holds for all lags together is the quantile
of max |z| of a Gaussian vector with that covariance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import signal, stats
from scipy.linalg import toeplitz

Array = NDArray[np.float64]
DRAWS = 10000  # Gaussian vectors for one quantile: its relative error is about 1 %
WINDOW = 10.0  # the window is 10 sqrt(N) lags long; bands calibrated by Monte Carlo in the tests


@dataclass(frozen=True, eq=False)
class CrossCorrelation:
    """rho(tau) (lags + 1,) of u[t - tau] and e[t], its simultaneous band and the effective number of samples."""

    rho: Array
    band: float
    effective: float


def centred(records: Sequence[Array]) -> list[Array]:
    """The records, each (T,), minus their common mean; all-zero where the signal does not vary."""
    everything = np.concatenate(records)
    if np.ptp(everything) == 0:
        return [np.zeros(len(x)) for x in records]
    mean = everything.mean()
    return [x - mean for x in records]


def squared(records: Sequence[Array]) -> list[Array]:
    """u^2 of centred records, centred, without its part along u; all-zero where nothing is left (two levels).

    >>> squared(centred([np.array([0.0, 1.0, 1.0])]))[0].tolist()
    [0.0, 0.0, 0.0]
    """
    u = np.concatenate(records)
    square = u**2 - np.mean(u**2)
    left = square - u * (u @ square) / (u @ u if np.any(u) else 1.0)
    if not np.sum(left**2) > 1e-18 * np.sum(u**4):
        left = np.zeros_like(u)
    return np.split(left, np.cumsum([len(x) for x in records])[:-1])


def covariance(u: Sequence[Array], e: Sequence[Array], lags: int) -> Array:
    """r(tau) = (1/N) sum u[t - tau] e[t] over all records, tau = 0..lags, N samples in all; 0 beyond a record."""
    total = np.zeros(lags + 1)
    for a, b in zip(u, e, strict=True):
        r = signal.correlate(b, a, mode="full", method="fft")[len(a) - 1 :]
        stop = min(lags + 1, len(r))
        total[:stop] += r[:stop]
    return total / sum(len(a) for a in u)


def cross_correlation(u: Sequence[Array], e: Sequence[Array], lags: int, false_alarm: float) -> CrossCorrelation:
    """rho(tau), tau = 0..lags, and the band that independent u and e leave with probability `false_alarm`.

    Args:
        u: centred records of the first signal, each (T,).
        e: centred records of the second, same lengths.
        lags: largest lag, in samples.
        false_alarm: probability that any of the lags leaves the band although u and e are independent.

    Returns:
        The correlation; NaN with band inf where a signal does not vary.
    """
    N = sum(len(a) for a in u)
    window = min(int(WINDOW * np.sqrt(N)), max(len(a) for a in u) - 1)
    R_u, R_e = covariance(u, u, window), covariance(e, e, window + lags)
    if not (R_u[0] > 0 and R_e[0] > 0):
        return CrossCorrelation(np.full(lags + 1, np.nan), np.inf, 0.0)
    scale = np.sqrt(R_u[0] * R_e[0])
    weighted = R_u * signal.windows.parzen(2 * window + 1)[window:]
    two_sided = np.concatenate([weighted[:0:-1], weighted])
    R_e = np.concatenate([R_e[:0:-1], R_e])
    products = signal.correlate(R_e, two_sided, mode="valid")[lags:]  # sum_k R_u(k) R_e(k + d), d = 0..lags
    variance = max(products[0], scale**2 / N) / N
    critical = _largest_of(products / products[0] if products[0] > 0 else np.eye(1, lags + 1)[0], false_alarm)
    effective = N * scale**2 / (variance * N)
    return CrossCorrelation(covariance(u, e, lags) / scale, float(critical * np.sqrt(variance) / scale), effective)


def whiteness(e: Sequence[Array], lags: int, false_alarm: float) -> tuple[Array, Array]:
    """(rho, band), each (lags + 1,): the autocorrelation of e and, from lag 1 on, the band white noise stays in.

    The variance (1/N) mean(e[t]^2 e[t - tau]^2) / R(0)^2 is 1/N for independent samples and also holds for white noise
    whose variance changes (Romano and Thombs 1996). The band holds for all lags together.
    """
    N = sum(len(a) for a in e)
    R, squares = covariance(e, e, lags), covariance([a**2 for a in e], [a**2 for a in e], lags)
    if not R[0] > 0:
        return np.full(lags + 1, np.nan), np.full(lags + 1, np.inf)
    critical = stats.norm.isf(0.5 * -np.expm1(np.log1p(-false_alarm) / max(lags, 1)))
    band = critical * np.sqrt(np.maximum(squares, 0.0) / N) / R[0]
    band[0] = np.nan  # rho(0) = 1 by definition
    return R / R[0], band


def _largest_of(correlation: Array, false_alarm: float) -> float:
    """The quantile of max |z_i| for a stationary Gaussian z with that autocorrelation; always the same draws."""
    values, vectors = np.linalg.eigh(toeplitz(correlation))
    root = vectors * np.sqrt(np.clip(values, 0.0, None))
    root /= np.maximum(np.linalg.norm(root, axis=1, keepdims=True), 1e-300)
    largest = np.abs(root @ _normal(len(correlation))).max(axis=0)
    return float(np.quantile(largest, 1.0 - false_alarm))


@lru_cache(maxsize=4)
def _normal(count: int) -> Array:
    """(count, DRAWS) standard normal numbers, always the same ones."""
    draws = np.random.default_rng(0).standard_normal((count, DRAWS))
    draws.flags.writeable = False
    return draws
