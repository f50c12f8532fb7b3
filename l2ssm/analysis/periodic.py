"""Periodic experiments: the period in the data, the discrete Fourier transforms over it, and H = Y U^+."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from l2ssm.analysis.frequency_response import ComplexArray, FrequencyResponse, labels
from l2ssm.analysis.metrics import Array
from l2ssm.analysis.subject import measured
from l2ssm.data.record import Record
from l2ssm.errors import DataError

FLOOR = 1e-6  # relative to the strongest line of an input: weaker lines are not excited
REPEATS = 1e-9  # relative difference below which two periods of an input are the same


def period_of(records: Sequence[Record]) -> int | None:
    """Samples after which the inputs of all records repeat exactly, at least twice; None if they do not.

    >>> u = np.tile([1.0, 2.0, 5.0], 4)
    >>> period_of([Record(u, u, 1.0)])
    3
    """
    longest = min(r.T for r in records) // 2
    lag = np.arange(longest + 1)
    distance = np.zeros(longest + 1)  # sum over t of |u[t + lag] - u[t]|^2, relative
    for r in records:
        u = r.u - r.u.mean(axis=0)
        energy = np.cumsum(np.r_[0.0, np.sum(u**2, axis=1)])
        if not energy[-1] > 0:
            return None
        overlap = sum(signal.correlate(v, v, method="fft")[r.T - 1 : r.T + longest] for v in u.T)
        distance += (energy[-1] - energy[lag] + energy[r.T - lag] - 2 * overlap) / energy[-1]
    for candidate in (1 + np.flatnonzero(distance[1:] < 1e-6)).tolist():
        if all(_repeats(r.u, candidate) for r in records):
            return int(candidate)
    return None


def spectra(record: Record, period: int) -> tuple[ComplexArray, ComplexArray]:
    """(U (F, n_u), Y (P, F, n_y)) over the last P whole periods, U their mean; lines 1 to below Nyquist."""
    count, lines = record.T // period, slice(1, (period + 1) // 2)
    u, y = (x[-count * period :].reshape(count, period, -1) for x in (record.u, measured(record)))
    U, Y = (np.fft.rfft(x, axis=1)[:, lines] / period for x in (u, y))
    return U.mean(axis=0), Y


def excited(U: ComplexArray) -> NDArray[np.bool_]:
    """(F,) the lines of U (experiments, F, n_u) on which every input is excited.

    Raises:
        DataError: there is none.
    """
    size = np.sqrt(np.mean(np.abs(U) ** 2, axis=0))
    lines = np.asarray(np.all(size > FLOOR * np.max(size, axis=0, initial=1e-300), axis=1))
    if not np.any(lines):
        raise DataError("there is no frequency at which every input is excited")
    return lines


def inverted(U: ComplexArray) -> ComplexArray:
    """U^+ (F, n_u, experiments) of U (F, experiments, n_u).

    Raises:
        DataError: the inputs of the experiments are not linearly independent at some line.
    """
    values = np.linalg.svd(U, compute_uv=False)
    if U.shape[1] < U.shape[2] or np.any(values[:, -1] < 1e-6 * values[:, 0]):
        raise DataError(
            f"{U.shape[2]} inputs cannot be told apart by {U.shape[1]} periodic experiment(s); expected as many"
            " records of different phases as there are inputs, or segment= for Welch's method"
        )
    return np.asarray(np.linalg.pinv(U))


def angular(lines: NDArray[np.bool_], period: int, dt: float) -> Array:
    """rad/s of the marked lines, the first of which is 2 pi / (period dt)."""
    return np.asarray(2 * np.pi * (1 + np.flatnonzero(lines)) / (period * dt))


def periodic_response(records: Sequence[Record], period: int) -> FrequencyResponse:
    """H = Y U^+ at the excited lines, with the noise seen in the scatter over periods; see `frf`."""
    if min(r.T for r in records) < 2 * period:
        raise DataError(f"a record of {min(r.T for r in records)} samples, expected two periods of {period} or more")
    pairs = [spectra(r, period) for r in records]
    U = np.array([u for u, _ in pairs])
    lines = excited(U)
    inverse = inverted(np.moveaxis(U[:, lines], 0, 1))
    Y = np.array([y.mean(axis=0)[lines] for _, y in pairs]).swapaxes(0, 1)  # (F, E, n_y)
    scatter = np.array([np.var(y[:, lines], axis=0, ddof=1) / len(y) for _, y in pairs]).swapaxes(0, 1)
    H, variance = (np.swapaxes(M, 1, 2) for M in (inverse @ Y, np.abs(inverse) ** 2 @ scatter))
    freedom = float(sum(len(y) - 1 for _, y in pairs))
    words = f"{sum(len(y) for _, y in pairs)} periods of {period} samples"
    dt = records[0].dt
    return FrequencyResponse(angular(lines, period, dt), H, np.sqrt(variance), freedom, words, dt, *labels(records))


def _repeats(u: Array, period: int) -> bool:
    return bool(np.max(np.abs(u[period:] - u[:-period])) <= REPEATS * np.max(np.abs(u)))
