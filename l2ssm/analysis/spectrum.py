"""The amplitude spectrum of a signal, and what a worst input looks like in it."""

from __future__ import annotations

from typing import Any

import numpy as np

from l2ssm.analysis.metrics import Array
from l2ssm.certificates.certificate import Certificate
from l2ssm.certificates.falsify import waveform


def amplitude_spectrum(x: Array, dt: float) -> tuple[Array, Array]:
    """(f (F,) in Hz from 0 to Nyquist, amplitudes (F, n)): a sinusoid of whole periods has its amplitude on its line.

    Args:
        x: (T, n).
        dt: seconds.

    >>> f, a = amplitude_spectrum(3 * np.cos(2 * np.pi * np.arange(8) / 4)[:, None], 0.5)
    >>> f.tolist(), a[:, 0].round(12).tolist()
    ([0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 3.0, 0.0, 0.0])
    """
    T = len(x)
    amplitude = np.abs(np.fft.rfft(x, axis=0)) * 2 / T
    amplitude[0] /= 2
    if T % 2 == 0:
        amplitude[-1] /= 2
    return np.asarray(np.fft.rfftfreq(T, dt), dtype=np.float64), amplitude


def worst_facts(certificate: Certificate | None) -> dict[str, Any] | None:
    """Length, rms and strongest frequency of the deviation that the lower bound was found with; None without one."""
    found = None if certificate is None else waveform(certificate.lower)
    if certificate is None or found is None:
        return None
    network = certificate.network
    f, amplitude = amplitude_spectrum(found.du, network.dt)
    channels = zip(network.input_names, network.input_units, found.du.T, amplitude.T, strict=True)
    return {
        "gain": float(found.gain),
        "samples": len(found.du),
        "description": found.description,
        "inputs": [
            {"name": name, "unit": unit, "deviation_rms": float(np.sqrt(np.mean(du**2))),
             "strongest_hz": float(f[np.argmax(a)]), "strongest_amplitude": float(a.max())}
            for name, unit, du, a in channels
        ],
    }  # fmt: skip
