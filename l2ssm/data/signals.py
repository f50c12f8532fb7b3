"""Excitation signals of exact properties: multisine, PRBS, chirp, staircase; each a float64 array (n,), seeded.

`seed` is an int, a `numpy.random.SeedSequence` or a `Generator`; equal seeds give equal signals. `dt` is in seconds,
frequencies are in Hz; the signal itself has the unit of `rms`, `levels` or `amplitude`. For several inputs stack
signals of different seeds with `numpy.column_stack`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.random import Generator, SeedSequence
from scipy.signal import max_len_seq

from l2ssm.data.arrays import FloatArray
from l2ssm.errors import OptionError

Seed = int | SeedSequence | Generator
LONGEST_REGISTER = 32  # scipy has primitive polynomials for registers of 2 to 32 bits


def multisine(
    n: int,
    dt: float = 1.0,
    *,
    band: tuple[float, float] | None = None,
    rms: float = 1.0,
    odd: bool = False,
    periods: int = 1,
    mean: float = 0.0,
    seed: Seed = 0,
) -> FloatArray:
    """u(t) = mean + a sum_k cos(2 pi f_k t + phi_k): equal amplitudes, random phases, f_k multiples of 1/(n dt).

    The spectrum of one period is flat on the excited lines and zero elsewhere; periods repeat exactly.
    Source: Pintelon and Schoukens, System Identification: A Frequency Domain Approach, 2nd ed., section 2.3 and 4.

    Args:
        n: samples of one period; the period is n dt seconds.
        dt: sampling time in seconds.
        band: lowest and highest frequency in Hz, both included; default 0 to Nyquist. DC and Nyquist stay empty.
        rms: root mean square of u - mean over one period, exact.
        odd: only odd multiples of 1/(n dt), so that even nonlinearities show on the empty lines.
        periods: number of periods returned: n * periods samples.
        mean: added constant.
        seed: of the phases.

    Raises:
        OptionError: n, dt, rms or periods out of range, or no line in the band.

    >>> u = multisine(1000, 0.01, band=(1.0, 5.0), rms=2.0)
    >>> u.shape, round(float(np.sqrt(np.mean(u**2))), 12)
    ((1000,), 2.0)
    """
    _check(n, dt, at_least=3)
    _positive("rms", rms)
    _whole("periods", periods, 1)
    _finite("mean", mean)
    low, high = (0.0, 0.5 / dt) if band is None else _band(band, dt)
    lines = np.arange(1, (n + 1) // 2)  # without DC and Nyquist
    frequencies = lines / (n * dt)
    slack = 1e-9 / (n * dt)
    chosen = lines[(frequencies >= low - slack) & (frequencies <= high + slack) & ((lines % 2 == 1) | (not odd))]
    if chosen.size == 0:
        raise OptionError(
            f"no {'odd ' if odd else ''}multiple of 1/(n dt) = {1 / (n * dt):g} Hz in {low:g} .. {high:g} Hz"
        )
    spectrum = np.zeros(n // 2 + 1, dtype=complex)
    phases = _generator(seed).uniform(0.0, 2.0 * math.pi, chosen.size)
    spectrum[chosen] = np.exp(1j * phases) * rms * n / math.sqrt(2.0 * chosen.size)
    return mean + np.tile(np.fft.irfft(spectrum, n), periods)


def prbs(
    n: int,
    dt: float = 1.0,
    *,
    levels: tuple[float, float] = (-1.0, 1.0),
    clock: float | None = None,
    order: int | None = None,
    seed: Seed = 0,
) -> FloatArray:
    """Maximum-length binary sequence of period (2^order - 1) clock, switching between two levels; n samples of it.

    Over one period its autocorrelation about the middle level is a^2 at lag 0 and -a^2 / (2^order - 1) at any other lag
    of whole clocks (a: half the distance of the levels).
    Source: Ljung, System Identification: Theory for the User, 2nd ed., section 13.3.

    Args:
        n: number of samples.
        dt: sampling time in seconds.
        levels: low and high value.
        clock: seconds one bit is held, a multiple of dt; default dt.
        order: bits of the shift register, 2 to 32; default the smallest whose period is at least n samples.
        seed: of the starting state of the register, that is, of the phase of the sequence.

    Raises:
        OptionError: n, dt or order out of range, equal levels, or a clock that is no multiple of dt.

    >>> prbs(7, order=3).sum() in (-1.0, 1.0)
    True
    """
    _check(n, dt)
    low, high = _levels(levels)
    held = 1
    if clock is not None:
        _positive("clock", clock)
        held = round(clock / dt)
        if not math.isclose(held * dt, clock, rel_tol=1e-9):
            raise OptionError(f"clock={clock!r} s must be a multiple of dt={dt!r} s")
    bits = -(-n // held)
    if order is None:
        order = max(2, math.ceil(math.log2(bits + 1)))
    _whole("order", order, 2)
    if order > LONGEST_REGISTER:
        raise OptionError(f"order={order} is above {LONGEST_REGISTER}")
    register = np.zeros(order, dtype=np.int8)
    rng = _generator(seed)
    while not register.any():
        register = rng.integers(0, 2, order, dtype=np.int8)
    sequence, _state = max_len_seq(order, state=register, length=bits)
    return np.repeat(np.where(sequence == 1, high, low), held)[:n]


def chirp(
    n: int,
    dt: float = 1.0,
    *,
    band: tuple[float, float],
    amplitude: float = 1.0,
    method: str = "linear",
    phase: float = 0.0,
) -> FloatArray:
    """u(t) = amplitude cos(phase + 2 pi int_0^t f), the frequency f sweeping from band[0] at 0 to band[1] at n dt.

    Args:
        n: number of samples.
        dt: sampling time in seconds.
        band: first and last frequency in Hz; the first may be the higher one.
        amplitude: largest value.
        method: "linear" f = f0 + (f1 - f0) t / (n dt), or "logarithmic" f = f0 (f1 / f0)^(t / (n dt)).
        phase: phase at t = 0 in radians.

    Raises:
        OptionError: n, dt, amplitude or band out of range, or an unknown method.
    """
    _check(n, dt)
    _positive("amplitude", amplitude)
    _finite("phase", phase)
    if method not in ("linear", "logarithmic"):
        raise OptionError(f"method={method!r}; expected 'linear' or 'logarithmic'")
    first, last = _pair("band", band)
    low, _high = _band((min(first, last), max(first, last)), dt)
    if first == last:
        raise OptionError(f"band={band!r}: a chirp needs two different frequencies")
    if method == "logarithmic" and not low > 0:
        raise OptionError(f"band={band!r}: a logarithmic chirp needs frequencies above 0 Hz")
    end = n * dt
    t = dt * np.arange(n, dtype=np.float64)
    if method == "linear":
        cycles = first * t + (last - first) * t**2 / (2 * end)
    else:
        growth = math.log(last / first)
        cycles = first * end / growth * np.expm1(growth * t / end)
    return amplitude * np.cos(phase + 2 * math.pi * cycles)


def steps(
    n: int, dt: float = 1.0, *, levels: tuple[float, float] = (-1.0, 1.0), hold: tuple[float, float], seed: Seed = 0
) -> FloatArray:
    """A random staircase: every level uniform in `levels`, held for a time uniform in `hold`.

    Args:
        n: number of samples.
        dt: sampling time in seconds.
        levels: lowest and highest level.
        hold: shortest and longest time in seconds that a level is held (the last one may be cut short).
        seed: of levels and times.

    Raises:
        OptionError: n or dt out of range, equal levels, or hold times shorter than dt or out of order.
    """
    _check(n, dt)
    low, high = _levels(levels)
    briefest, slowest = _pair("hold", hold)
    if not dt * (1 - 1e-9) <= briefest <= slowest < math.inf:
        raise OptionError(f"hold={hold!r} must be (shortest, longest) in seconds with dt={dt!r} <= shortest <= longest")
    shortest, longest = round(briefest / dt), round(slowest / dt)
    rng = _generator(seed)
    lengths = rng.integers(shortest, longest + 1, -(-n // shortest))
    return np.repeat(rng.uniform(low, high, lengths.size), lengths)[:n]


def _check(n: Any, dt: Any, at_least: int = 1) -> None:
    _whole("n", n, at_least)
    _positive("dt", dt)


def _whole(what: str, value: Any, at_least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < at_least:
        raise OptionError(f"{what}={value!r} must be a whole number, at least {at_least}")


def _finite(what: str, value: Any) -> None:
    if isinstance(value, (bool, str)) or not isinstance(value, (int, float, np.number)) or not math.isfinite(value):
        raise OptionError(f"{what}={value!r} must be a finite number")


def _positive(what: str, value: Any) -> None:
    _finite(what, value)
    if not value > 0:
        raise OptionError(f"{what}={value!r} must be positive")


def _pair(what: str, value: Any) -> tuple[float, float]:
    try:
        low, high = (float(bound) for bound in value)
    except (TypeError, ValueError):
        raise OptionError(f"{what}={value!r} must be a pair of numbers") from None
    return low, high


def _levels(levels: Any) -> tuple[float, float]:
    low, high = _pair("levels", levels)
    if not -math.inf < low < high < math.inf:
        raise OptionError(f"levels={levels!r} must be (low, high) with low < high")
    return low, high


def _band(band: Any, dt: float) -> tuple[float, float]:
    low, high = _pair("band", band)
    if not 0 <= low <= high <= 0.5 / dt * (1 + 1e-9):
        raise OptionError(f"band={band!r} Hz must be (low, high) with 0 <= low <= high <= Nyquist = {0.5 / dt:g} Hz")
    return low, high


def _generator(seed: Any) -> Generator:
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise OptionError(f"seed={seed!r} is no seed: {error}") from None
