"""Sample correlations of coloured signals with bands that hold for them, pooled over records.

For independent stationary signals u and e the sample cross-covariance r(tau) = (1/N) sum_t u[t - tau] e[t] has

    N Cov(r(tau), r(tau + d)) -> sum_k R_u(k) R_e(k + d),

the sum of products of the two autocovariances (Bartlett 1955; Box, Jenkins and Reinsel, Time Series Analysis,
sec. 12.1). For white signals this is R_u(0) R_e(0), the familiar 1/sqrt(N) band; for coloured ones it is many times
that. The sum is cut smoothly by a Parzen window (Andrews 1991). A band that holds for all lags together is the quantile
of max |z| of a Gaussian vector with that covariance, corrected for the variance being estimated from the very signals
that r is made of (`_studentized`): in a large r it is large, too, and for slow or periodic signals that matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import signal, stats
from scipy.linalg import toeplitz
from scipy.optimize import brentq
from scipy.special import gammaincc

Array = NDArray[np.float64]
DRAWS = 10000  # directions for one quantile: its relative error is about 0.3 %
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
    N, longest = sum(len(a) for a in u), max(len(a) for a in u)
    window = min(int(WINDOW * np.sqrt(N)), longest - 1)
    R_u, R_e = covariance(u, u, longest - 1), covariance(e, e, window + lags)
    if not (R_u[0] > 0 and R_e[0] > 0):
        return CrossCorrelation(np.full(lags + 1, np.nan), np.inf, 0.0)
    scale = np.sqrt(R_u[0] * R_e[0])
    taper = signal.windows.parzen(2 * window + 1)[window:]
    near_u, near_e = R_u[: window + 1] * taper, R_e[: window + 1] * taper
    level = max(2 * near_e.sum() - near_e[0], 0.0) / N  # variance of the mean, which centring took out of e
    products = signal.correlate(_two_sided(R_e + level), _two_sided(near_u), mode="valid")[
        lags:
    ]  # sum_k R_u R_e(k + d)
    variance = max(products[0], scale**2 / N) / N
    critical = _largest_of(products / products[0] if products[0] > 0 else np.eye(1, lags + 1)[0], false_alarm)
    critical = _studentized(critical, *_shares(R_u, near_u, near_e, N))
    effective = N * scale**2 / (variance * N)
    return CrossCorrelation(covariance(u, e, lags) / scale, float(critical * np.sqrt(variance) / scale), effective)


def _two_sided(R: Array) -> Array:
    """R(-k), ..., R(k) of R(0), ..., R(k)."""
    return np.concatenate([R[:0:-1], R])


def _shares(R_u: Array, near_u: Array, near_e: Array, N: int) -> tuple[float, float]:
    """(own, square): the share of r in the estimate of its own variance, and half the relative variance of that.

    The estimate is the sum over frequencies of w |E|^2 with w the smoothed spectrum of u, S_e = E|E|^2; r is the
    projection of E on U. So own is the mean of w S_e over |U|^2 S_e, relative to the sum of w S_e; square is
    sum (w S_e)^2 / (sum w S_e)^2.
    """
    n = 2 * R_u.size
    U, w, S_e = (np.fft.hfft(np.pad(R, (0, R_u.size + 1 - R.size)), n).clip(min=0.0) for R in (R_u, near_u, near_e))
    weight, power = w * S_e, U * S_e
    total, energy = float(weight.sum()), float(power.sum())
    if not (total > 0 and energy > 0):
        return 0.0, 0.0
    return float(power @ weight) / energy / total * n / N, float(weight @ weight) / total**2 * n / N


def _studentized(critical: float, own: float, square: float) -> float:
    """k with P(z^2 > k^2 v) = P(z^2 > critical^2) for z standard normal and v = own z^2 + (1 - own) chi^2(n) / n.

    n is such that the variance of v is 2 square; own = square = 1 / N is the correlation coefficient of N independent
    samples. z^2 / chi^2 has Student's law, and z^2 > k^2 v is t^2 > k^2 (1 - own) / (1 - k^2 own).
    """
    own = min(own, 0.5)
    free = square - own**2
    tail = stats.norm.sf(critical)
    t = stats.t.isf(tail, (1 - own) ** 2 / free) if free > 1e-12 else critical
    return float(t / np.sqrt(1 - own + own * t**2))


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
    """The quantile of max |z_i| for a stationary Gaussian z with that autocorrelation; always the same draws.

    z is a chi-distributed length times a matrix times a direction: only the directions are drawn.
    """
    values, vectors = np.linalg.eigh(toeplitz(correlation))
    root = vectors * np.sqrt(np.clip(values, 0.0, None))
    root /= np.maximum(np.linalg.norm(root, axis=1, keepdims=True), 1e-300)
    count = len(correlation)
    largest = np.abs(root @ _directions(count)).max(axis=0)

    def excess(level: float) -> float:
        return float(np.mean(gammaincc(count / 2, (level / largest) ** 2 / 2))) - false_alarm

    return float(brentq(excess, 0.0, stats.norm.isf(false_alarm / (4 * count)), xtol=1e-4))


@lru_cache(maxsize=4)
def _directions(count: int) -> Array:
    """(count, DRAWS) unit vectors, always the same ones."""
    draws = np.random.default_rng(0).standard_normal((count, DRAWS))
    draws /= np.linalg.norm(draws, axis=0)
    draws.flags.writeable = False
    return draws
