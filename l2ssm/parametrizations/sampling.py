"""Poles in continuous time, x' = Lam x + B u, sampled with a step of their own: lam = exp(step Lam), or its Pade form.

A cell that learns (Lam, step) instead of lam can be run at another sample time: only the step changes. Every function
is elementwise, finite with its gradients for every parameter value, and keeps |lam| < 1.

Sources: Gu, Gupta, Goel, Re, "On the parameterization and initialization of diagonal state space models" (2022); Smith,
Warrington, Linderman, "Simplified state space layers for sequence modeling" (2023), section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from l2ssm.errors import OptionError
from l2ssm.options import positive
from l2ssm.parametrizations.stable import DECAY_MIN

LOG_DECAY = (math.log(1e-8), math.log(1e6))  # of -Re Lam
LOG_STEP = (math.log(1e-9), math.log(1e3))
FREQUENCY_MAX = 1e8  # |Im Lam|: keeps |step Lam|^2 inside float32
SERIES_BELOW = 1e-3  # |z| below which (exp(z) - 1) / z is its series


def continuous_poles(log_decay: Tensor, frequency: Tensor) -> Tensor:
    """Lam = -exp(log_decay) + j frequency, complex, Re Lam < 0 for every parameter value."""
    return torch.complex(
        -torch.exp(torch.clamp(log_decay, *LOG_DECAY)), torch.clamp(frequency, -FREQUENCY_MAX, FREQUENCY_MAX)
    )


def step_size(log_step: Tensor) -> Tensor:
    """exp(log_step) within the bounds of `LOG_STEP`."""
    return torch.exp(torch.clamp(log_step, *LOG_STEP))


def log_uniform_steps(*shape: int, shortest: float, longest: float, generator: torch.Generator | None = None) -> Tensor:
    """log(step), float64, of steps log-uniform in [shortest, longest].

    Raises:
        OptionError: not 0 < shortest <= longest.
    """
    low, high = math.log(positive("step_min", shortest)), math.log(positive("step_max", longest))
    if low > high:
        raise OptionError(f"step_min is {shortest!r}, expected at most step_max = {longest!r}")
    return low + (high - low) * torch.rand(*shape, generator=generator, dtype=torch.float64)


def phi1(z: Tensor) -> Tensor:
    """(exp(z) - 1) / z of a complex z, without cancellation near 0, where it is 1 and its derivative 1/2.

    >>> phi1(torch.tensor([0j, -1e-9 + 0j], dtype=torch.complex128)).real.tolist()
    [1.0, 0.9999999995]
    """
    small = z.real**2 + z.imag**2 < SERIES_BELOW**2
    near, far = torch.where(small, z, 0), torch.where(small, 1, z)
    decay, turn = torch.expm1(far.real), torch.sin(far.imag / 2)
    difference = torch.complex(
        decay * torch.cos(far.imag) - 2 * turn**2, (1 + decay) * torch.sin(far.imag)
    )  # exp(far) - 1
    return torch.where(small, 1 + near / 2 * (1 + near / 3 * (1 + near / 4)), difference / far)


def zoh(Lam: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """(lam, scale) with x[k+1] = lam x[k] + scale B u[k], exact for u constant over the step."""
    z = step * Lam
    return inside_circle(torch.exp(z)), step * phi1(z)


def bilinear(Lam: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """(lam, scale) of the trapezoidal rule; frequencies are warped, and lam -> -1 where step Lam -> -inf."""
    z = step * Lam
    return inside_circle((1 + z / 2) / (1 - z / 2)), step / (1 - z / 2)


DISCRETIZATIONS: dict[str, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]] = {"zoh": zoh, "bilinear": bilinear}


def check_choice(name: str, value: str, known: Sequence[str]) -> str:
    """The value, or an OptionError that lists what there is."""
    if value not in known:
        raise OptionError(f"{name} is {value!r}; it is one of {', '.join(known)}")
    return value


def inside_circle(lam: Tensor) -> Tensor:
    """lam, moved to the modulus exp(-DECAY_MIN) where it is nearer to the unit circle than that."""
    limit = math.exp(-DECAY_MIN)
    return lam * (limit / torch.clamp(lam.abs(), min=limit))
