"""Poles that are inside the unit circle for every parameter value: exp(-exp(nu) + j theta), and tanh(|w|) w / |w|.

Source of the first: Orvieto et al., "Resurrecting Recurrent Neural Networks for Long Sequences" (2023), section 3.3 and
Lemma 3.2. The second is the exponential map of the hyperbolic disc at 0: |w| is the hyperbolic distance of the pole
from 0, so a step of w moves a slow pole as much, relative to its distance from the circle, as a fast one; and it is
smooth at 0, where the first has a phase without meaning and a modulus without a gradient.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from l2ssm.errors import OptionError
from l2ssm.options import positive

DECAY_MIN = 1e-6  # |lam| <= exp(-DECAY_MIN): a pole that float32 still separates from the circle
TINY = 1e-30  # below the square of any modulus that matters
RING, SAMPLED_RING = ("r_min", "r_max", "phase_max"), ("dt", "shortest", "longest", "fastest")  # arguments
LOG_DECAY_MAX = 3.4  # |lam| >= exp(-exp(3.4)) = 1e-13: below it only underflow is left


def decay(nu: Tensor) -> Tensor:
    """a = DECAY_MIN + exp(min(nu, LOG_DECAY_MAX)) > 0, the rate per sample of |lam| = exp(-a)."""
    return DECAY_MIN + torch.exp(torch.clamp(nu, max=LOG_DECAY_MAX))


def poles(nu: Tensor, theta: Tensor) -> Tensor:
    """lam = exp(-decay(nu) + j theta), (n,) complex, |lam| < 1 for every finite nu and theta."""
    return torch.polar(torch.exp(-decay(nu)), theta)


def disc_poles(w: Tensor) -> Tensor:
    """lam = exp(-DECAY_MIN) tanh(|w|) w / |w|, (n,) complex, |lam| < 1 for every finite complex w."""
    size = torch.sqrt(w.real**2 + w.imag**2 + TINY)
    return math.exp(-DECAY_MIN) * (torch.tanh(size) / size) * w


def disc_coordinates(nu: Tensor, theta: Tensor) -> Tensor:
    """w (n,) complex with disc_poles(w) = poles(nu, theta).

    >>> nu, theta = torch.tensor([-5.0, 1.0]).double(), torch.tensor([1.0, -2.0]).double()
    >>> torch.allclose(disc_poles(disc_coordinates(nu, theta)), poles(nu, theta), rtol=1e-12)
    True
    """
    rate = torch.exp(torch.clamp(nu, max=LOG_DECAY_MAX))
    size = 0.5 * (torch.log1p(torch.exp(-rate)) - torch.log(-torch.expm1(-rate)))  # artanh(exp(-rate))
    return torch.polar(size, theta)


def unit_variance_scale(nu: Tensor) -> Tensor:
    """sqrt(1 - |lam|^2) without cancellation: the input gain that keeps white-noise states at unit variance."""
    return torch.sqrt(-torch.expm1(-2 * decay(nu)))


def ring(
    n: int,
    *,
    r_min: float = 0.0,
    r_max: float = 0.999,
    phase_max: float = math.pi,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """(nu, theta) of poles uniform on the area of the ring r_min <= |lam| <= r_max, 0 <= arg lam <= phase_max.

    Args:
        n: number of poles.
        r_min, r_max: radii, 0 <= r_min < r_max < 1.
        phase_max: largest phase in rad per sample, at most pi.
        generator: source of randomness.

    Returns:
        nu (n,), theta (n,), float64.

    Raises:
        OptionError: radii or phase out of range.
    """
    if not 0 <= r_min < r_max < 1:
        raise OptionError(f"r_min is {r_min!r} and r_max is {r_max!r}, expected 0 <= r_min < r_max < 1")
    if not 0 < phase_max <= math.pi:
        raise OptionError(f"phase_max is {phase_max!r}, expected a number in (0, pi]; conjugates cover the rest")
    u = torch.rand(2, n, generator=generator, dtype=torch.float64)
    modulus2 = r_min**2 + u[0] * (r_max**2 - r_min**2)
    rate = torch.clamp(-0.5 * torch.log(torch.clamp(modulus2, min=1e-26)), min=2 * DECAY_MIN)
    return torch.log(rate - DECAY_MIN), phase_max * u[1]


def sampled_ring(
    n: int,
    *,
    dt: float,
    shortest: float,
    longest: float,
    fastest: float,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """(nu, theta) as `ring`, in physical units: |lam| = exp(-dt / time constant), arg lam = 2 pi frequency dt.

    Args:
        n: number of poles.
        dt: sample time in seconds.
        shortest, longest: time constants in seconds, shortest < longest.
        fastest: highest frequency in Hz; phases end at pi, the Nyquist frequency.
        generator: source of randomness.

    Returns:
        nu (n,), theta (n,), float64.

    Raises:
        OptionError: a value that is not positive, or time constants in the wrong order.
    """
    dt, fastest = positive("dt", dt, "number of seconds"), positive("fastest", fastest, "number of hertz")
    if positive("shortest", shortest) >= positive("longest", longest):
        raise OptionError(f"shortest is {shortest!r}, expected less than longest = {longest!r}")
    phase_max = min(math.pi, 2 * math.pi * fastest * dt)
    return ring(
        n,
        r_min=math.exp(-dt / shortest),
        r_max=math.exp(-dt / longest),
        phase_max=phase_max,
        generator=generator,
    )


def ring_of(n: int, given: Mapping[str, float], *, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """`ring` or `sampled_ring`, whichever the given arguments are those of.

    Raises:
        OptionError: they are those of neither, or out of range.
    """
    if not (set(given) <= set(RING) or set(given) == set(SAMPLED_RING)):
        raise OptionError(
            f"ring has {', '.join(given)}; expected some of {', '.join(RING)}, or all of {', '.join(SAMPLED_RING)}"
        )
    return (sampled_ring if "dt" in given else ring)(n, **given, generator=generator)


def time_constants(
    n: int,
    *,
    shortest: float,
    longest: float,
    oscillation: float = 2.0,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """(nu, theta) of poles whose time constants are log-uniform between two values, and whose phases follow them.

    Args:
        n: number of poles.
        shortest, longest: time constants in samples, 0 < shortest <= longest.
        oscillation: theta is uniform in [0, oscillation / time constant], at most pi.
        generator: source of randomness.

    Returns:
        nu (n,), theta (n,), float64.
    """
    u = torch.rand(2, n, generator=generator, dtype=torch.float64)
    log_tau = math.log(shortest) + u[0] * math.log(longest / shortest)
    rate = torch.exp(-log_tau)
    nu = torch.log(torch.clamp(rate - DECAY_MIN, min=DECAY_MIN))
    return nu, torch.clamp(oscillation * rate * u[1], max=math.pi)
