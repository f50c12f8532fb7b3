"""Every complex diagonal system with H-infinity norm below gamma, from free parameters, without an N x N factorization.

The system is scaled by its own structured bounded-real certificate: with P = Gram([C; C2]) + diag(pd) the storage
function satisfies V(x+) - V(x) + |y|^2 <= u' T u for *any* C2 and Y, so dividing B and D by max(1, sqrt(lambda_max T))
gives a gain of at most gamma. Complete: the stabilising Riccati solution of any strictly bounded diagonal system has
this form with n_u rows of C2. Derivation: docs, "Free parametrizations".

T is computed from the very numbers that are returned: poles, C and the unscaled B are first rounded to the precision of
the model. Only the last product, B and D times the scale, is rounded afterwards; `ROUNDING` covers it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from l2ssm.parametrizations.lti import LTI
from l2ssm.parametrizations.spectral import ROUNDING, representable
from l2ssm.parametrizations.stable import disc_poles
from l2ssm.parametrizations.supply import largest_supply

LOG_PD_MIN, LOG_PD_MAX = -18.420680743952367, 6.907755278982137  # pd in [1e-8, 1e3]: keeps 1 / pd finite
SHARPNESS = 8.0  # of the smooth radial map: (1 + r^16)^(-1/16) for max(1, r)^-1


def radial(largest: Tensor, smooth: bool) -> Tensor:
    """f with f^2 largest <= 1 and f <= 1: max(1, sqrt(largest))^-1, or its smooth version."""
    largest = torch.clamp(largest, min=1e-30)
    if smooth:
        return torch.exp(-torch.nn.functional.softplus(SHARPNESS * torch.log(largest)) / (2 * SHARPNESS))
    return 1 / torch.sqrt(torch.clamp(largest, min=1.0))


def smooth_preimage(largest: float) -> float:
    """t with t f(t^2 largest) = 1 for the smooth f, largest < 1: what B and D are multiplied by to come back unscaled.

    >>> t = smooth_preimage(0.998)
    >>> round(t * float(radial(torch.tensor(t * t * 0.998, dtype=torch.float64), smooth=True)), 12)
    1.0
    """
    return float(-math.expm1(SHARPNESS * math.log(max(largest, 1e-30)))) ** (-1 / (2 * SHARPNESS))


def supply_gain(
    w: Tensor, B: Tensor, C: Tensor, C2: Tensor, D: Tensor, log_pd: Tensor, precision: torch.dtype
) -> tuple[LTI, Tensor]:
    """(the system before it is scaled, lambda_max(T)); arguments as in `bounded_diagonal`."""
    lam = representable(disc_poles(w), precision)
    square = 1 - (lam.real**2 + lam.imag**2)
    s, pd = torch.sqrt(square), torch.exp(torch.clamp(log_pd, LOG_PD_MIN, LOG_PD_MAX))
    B, C, D = (representable(v, precision) for v in (s[:, None] * B, C * s, D))
    form = (C.mT, B.mT, C2 * s, D.mT) if D.shape[0] < D.shape[1] else (B, C, C2 * s, D)
    return LTI(lam, B, C, D), largest_supply(lam, *form, pd, pd * square)


def bounded_diagonal(
    w: Tensor,
    B: Tensor,
    C: Tensor,
    C2: Tensor,
    D: Tensor,
    log_pd: Tensor,
    gamma: Tensor | float,
    *,
    smooth: bool = False,
    precision: torch.dtype = torch.float64,
) -> LTI:
    """The system with ||G||_inf <= gamma that the free parameters stand for; all float64 / complex128.

    Where n_y < n_u the dual system is used, so that C2 needs min(n_u, n_y) rows only.

    Args:
        w: (n,) complex, the poles, see `stable.disc_poles`.
        B: (n, n_u) complex.
        C: (n_y, n) complex.
        C2: (min(n_u, n_y), n) complex, the free part of the storage function.
        D: (n_y, n_u) real.
        log_pd: (n,) log of the diagonal part of the storage function; clamped to [1e-8, 1e3].
        gamma: > 0, prescribed gain.
        smooth: whether the scale is a smooth function of lambda_max(T), never 1, or 1 up to gamma; the same systems.
        precision: float32 or float64, the numbers that the result will be rounded to.
    """
    (lam, B, C, D), largest = supply_gain(w, B, C, C2, D, log_pd, precision)
    scale = gamma * (1 - ROUNDING[precision]) * radial(largest, smooth)
    if D.shape[0] < D.shape[1]:  # the dual's input is the output side
        return LTI(lam, B, scale * C, scale * D)
    return LTI(lam, scale * B, C, scale * D)
