"""H1 by Welch's method, for any number of channels, with coherence and the variance that goes with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import signal

from l2ssm.analysis.frequency_response import ComplexArray, FrequencyResponse, labels
from l2ssm.analysis.periodic import FLOOR
from l2ssm.analysis.subject import measured
from l2ssm.data.record import Record
from l2ssm.errors import DataError

OVERLAP = 1 / 36  # squared correlation of two Hann windows that overlap by half: what a neighbour repeats of a spectrum


def welch_response(records: Sequence[Record], segment: int) -> FrequencyResponse:
    """H1 = S_yu S_uu^-1 over Hann windows of `segment` samples that overlap by half; see `frf`."""
    counts = np.array([max(2 * (r.T // segment) - 1, 0) for r in records])
    averages = float(np.sum(counts / (1 + 2 * OVERLAP * (counts - 1) / np.maximum(counts, 1))))
    n_u = records[0].n_u
    if not averages > n_u + 2:
        raise DataError(
            f"{counts.sum()} windows of {segment} samples, too few for {n_u} input(s): give a smaller segment"
        )
    used = [(r, k) for r, k in zip(records, counts.tolist(), strict=True) if k]
    total = sum(k * _cross_spectra(r, segment) for r, k in used) / counts.sum()
    S_uu, S_yu = total[:, :n_u, :n_u], total[:, n_u:, :n_u]
    power = np.real(np.einsum("fii->fi", total))
    lines = np.all(power[:, :n_u] > FLOOR**2 * np.max(power[:, :n_u], axis=0), axis=1)
    lines[0] = False
    if not np.any(lines) or np.any(np.linalg.cond(S_uu[lines]) > FLOOR**-2):
        raise DataError("an input does not vary, or inputs are multiples of each other at some frequency")
    S_uu, S_yu, power = S_uu[lines], S_yu[lines], power[lines, n_u:]
    inverse = np.linalg.inv(S_uu)
    H = S_yu @ inverse
    explained = np.real(np.einsum("fij,fij->fi", H, S_yu.conj()))
    left = np.clip(power - explained, 0.0, None) / (averages - n_u)
    std = np.sqrt(left[:, :, None] * np.real(np.einsum("fii->fi", inverse))[:, None, :])
    coherence = np.clip(explained / np.where(power > 0, power, np.inf), 0.0, 1.0)
    omega = np.asarray(2 * np.pi * np.flatnonzero(lines) / (segment * records[0].dt), dtype=np.float64)
    words = f"Welch H1, Hann windows of {segment} samples, worth {averages:.0f} independent ones"
    return FrequencyResponse(omega, H, std, averages - n_u, words, records[0].dt, *labels(records), coherence=coherence)


def _cross_spectra(record: Record, segment: int) -> ComplexArray:
    """(F, n, n) with n = n_u + n_y: E a_i conj(a_j) of a = (u, y), from 0 to below Nyquist."""
    a = np.hstack([record.u, measured(record)]).T
    _, S = signal.csd(a[None, :], a[:, None], 1 / record.dt, window="hann", nperseg=segment)
    return np.asarray(np.moveaxis(S, -1, 0)[: (segment + 1) // 2])
