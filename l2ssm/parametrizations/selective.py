"""Coefficients of recurrences that depend on the input: x[k+1] = a[k] x[k] + b[k], all of them elementwise in time.

s6        x+ = exp(step A) x + step B u: Gu and Dao, "Mamba" (2023), the rule of the code; "zoh" is that of the paper.
gated     x+ = a x + sqrt(1 - a^2) i u: De et al., "Griffin" (2024), section 2.4.
lossless  x+ = lam x + s w and v = s x - conj(lam) w: energy goes from w to x and from x to v, none is made.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from l2ssm.errors import OptionError
from l2ssm.options import positive
from l2ssm.parametrizations.sampling import phi1

INPUT_RULES = ("euler", "zoh")
STEEPEST = 1000.0  # bound of the derivative of the square root


def s6_coefficients(step: Tensor, A: Tensor, B: Tensor, u: Tensor, rule: str = "euler") -> tuple[Tensor, Tensor]:
    """(a, b) (..., d, n) of x+ = exp(step A) x + (step or A^-1 (exp(step A) - 1)) B u.

    Args:
        step: (..., d) > 0.
        A: (d, n), real or complex, negative real parts.
        B: (..., d or 1, n), real or complex like A.
        u: (..., d).
        rule: "euler" (the reference code) or "zoh" (the paper).

    Raises:
        OptionError: an unknown rule.
    """
    if rule not in INPUT_RULES:
        raise OptionError(f"the rule of the input is {rule!r}, expected one of {', '.join(INPUT_RULES)}")
    z = step[..., None] * A
    scale = step[..., None].to(z.dtype)
    if rule == "zoh":
        scale = scale * (phi1(z) if z.is_complex() else phi1(torch.complex(z, torch.zeros_like(z))).real)
    return torch.exp(z), scale * B * u[..., None]


def gated_coefficients(log_a: Tensor, u: Tensor, resets: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """(a, b) = (exp(log_a), sqrt(1 - a^2) u); (0, u) where a record begins.

    Args:
        log_a: (batch, time, n) <= 0.
        u: (batch, time, n), gated input.
        resets: (batch, time) booleans, or None.
    """
    a, scale = torch.exp(log_a), bounded_sqrt(-torch.expm1(2 * log_a))
    if resets is not None:
        a = torch.where(resets[..., None], torch.zeros_like(a), a)
        scale = torch.where(resets[..., None], torch.ones_like(scale), scale)
    return a, scale * u


def lossless(step: Tensor, rate: Tensor, frequency: Tensor) -> tuple[Tensor, Tensor]:
    """(lam, s) = (exp(-step (rate - j frequency)), sqrt(1 - |lam|^2)) for every step >= 0 and rate >= 0.

    [[lam, s], [s, -conj(lam)]] is unitary: with x+ = lam x + s w and v = s x - conj(lam) w,
    |x+|^2 + |v|^2 = |x|^2 + |w|^2 at every sample, whatever chose the step.

    Args:
        step: (..., n), rate: (n,), frequency: (n,) in rad a unit step.
    """
    lam = torch.polar(torch.exp(-step * rate), step * frequency)
    return lam, bounded_sqrt(-torch.expm1(-2 * step * rate))


class _BoundedSqrt(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.sqrt(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradients[0] / torch.sqrt(torch.clamp(4 * x, min=STEEPEST**-2))


def bounded_sqrt(x: Tensor) -> Tensor:
    """sqrt(x), its derivative cut at `STEEPEST`: finite where x = 0.

    >>> x = torch.zeros(1, requires_grad=True)
    >>> bounded_sqrt(x).backward()
    >>> round(float(x.grad))
    1000
    """
    root: Tensor = _BoundedSqrt.apply(x)
    return root


def inverse_softplus(y: Tensor) -> Tensor:
    """x with log(1 + e^x) = y > 0, accurate for small and large y.

    >>> float(torch.log1p(torch.exp(inverse_softplus(torch.tensor(2.0, dtype=torch.float64)))))
    2.0
    """
    return y + torch.log(-torch.expm1(-y))


def ring_of_gates(
    n: int, *, init: str = "code", scale: float = 8.0, generator: torch.Generator | None = None
) -> Tensor:
    """w (n,) of log a = -scale r softplus(w): |a|^2 uniform in [0.9^2, 0.999^2].

    Args:
        n: number of states.
        init: "code": that is a at r = 1 / scale, as in the published code; "paper": a at r = 1, uniform in
            [0.9, 0.999].
        scale: c of the paper.
        generator: source of randomness.

    Raises:
        OptionError: an unknown init.
    """
    u = torch.rand(n, generator=generator, dtype=torch.float64)
    if init == "code":
        return inverse_softplus(-0.5 * torch.log(0.9**2 + u * (0.999**2 - 0.9**2)))
    if init == "paper":
        return inverse_softplus(-torch.log(0.9 + u * 0.099) / scale)
    raise OptionError(f"init is {init!r}, expected 'code' or 'paper'")


def initial_steering(n: int, n_u: int, selectivity: float, *, generator: torch.Generator | None = None) -> Tensor:
    """S (n, n_u) with S u of standard deviation `selectivity` for inputs of unit variance.

    Raises:
        OptionError: selectivity is not a finite number >= 0.
    """
    if not (isinstance(selectivity, (int, float)) and 0 <= selectivity < math.inf):
        raise OptionError(f"selectivity is {selectivity!r}, expected a finite number >= 0")
    return selectivity * n_u**-0.5 * torch.randn(n, n_u, generator=generator)


def step_bias(
    n: int, *, shortest: float = 1e-3, longest: float = 1e-1, generator: torch.Generator | None = None
) -> Tensor:
    """b (n,) with softplus(b) log-uniform in [shortest, longest], at least 1e-4.

    Raises:
        OptionError: not 0 < shortest <= longest < infinity.
    """
    if not positive("step_min", shortest) <= positive("step_max", longest):
        raise OptionError(f"step_min is {shortest}, above step_max = {longest}")
    u = torch.rand(n, generator=generator, dtype=torch.float64)
    steps = torch.exp(math.log(shortest) + u * math.log(longest / shortest))
    return inverse_softplus(torch.clamp(steps, min=1e-4))
