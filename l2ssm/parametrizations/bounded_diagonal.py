"""Every complex diagonal system with H-infinity norm below gamma, from free parameters, without an N x N factorization.

The system is scaled by its own structured bounded-real certificate: with P = Gram([C; C2]) + diag(pd) the storage
function satisfies V(x+) - V(x) + |y|^2 <= u' T u for *any* C2 and Y, so dividing B and D by max(1, sqrt(lambda_max T))
gives a gain of at most gamma. Complete: the stabilising Riccati solution of any strictly bounded diagonal system has
this form with n_u rows of C2. Derivation: docs, "Free parametrizations".
"""

from __future__ import annotations

import torch
from torch import Tensor

from l2ssm.parametrizations.lti import LTI
from l2ssm.parametrizations.stable import decay

LOG_PD_MIN, LOG_PD_MAX = -18.420680743952367, 6.907755278982137  # pd in [1e-8, 1e3]: keeps 1 / pd finite


def expm1_complex(x: Tensor, y: Tensor) -> Tensor:
    """exp(x + j y) - 1 for real x and y, accurate to rounding also where both are small."""
    return torch.complex(
        torch.expm1(x) * torch.cos(y) - 2 * torch.sin(0.5 * y) ** 2,
        torch.exp(x) * torch.sin(y),
    )


def supply_bound(a: Tensor, theta: Tensor, B: Tensor, C: Tensor, C2: Tensor, D: Tensor, pd: Tensor) -> Tensor:
    """T (n_u, n_u) with V(x+) - V(x) + |y|^2 <= u' T u for the system (lam, s B, C s, D), s^2 = 1 - |lam|^2.

    Args:
        a: (n,) decay rates > 0, lam = exp(-a + j theta).
        theta: (n,) phases in rad per sample.
        B: (n, n_u), C: (n_y, n), C2: (r, n) complex, in units of s.
        D: (n_y, n_u) real.
        pd: (n,) > 0.
    """
    s = torch.sqrt(-torch.expm1(-2 * a))
    ss, rate = s[:, None] * s[None, :], -(a[:, None] + a[None, :])
    K1 = -ss / expm1_complex(rate, theta[None, :] - theta[:, None])
    K2 = -ss / expm1_complex(rate, theta[None, :] + theta[:, None])
    Ce = torch.cat([C, C2])
    Bs, weight = s[:, None] * B, pd[:, None]
    PB = weight * Bs + 0.5 * (((Ce.mH @ Ce) * K1) @ Bs)
    QB = 0.5 * (((Ce.mT @ Ce) * K2) @ Bs)
    conj_lam = torch.polar(torch.exp(-a), -theta)[:, None]
    H = conj_lam * (PB + QB.conj()) / s[:, None] + C.mH @ D.to(C.dtype)
    W = (C2 / pd @ C2.mH).real
    jitter = 1 + 8 * torch.finfo(W.dtype).eps * W.shape[0] * torch.trace(W).detach()
    factor = torch.linalg.cholesky(W + jitter * torch.eye(W.shape[0], dtype=W.dtype, device=W.device))
    Y = torch.cholesky_solve((C2 / pd @ H).real, factor)
    E = H - C2.mH @ Y.to(C2.dtype)
    return D.mT @ D + (Bs.mH @ PB + Bs.mT @ QB).real + (E.mH @ (E / weight)).real + Y.mT @ Y


def bounded_diagonal(
    nu: Tensor, theta: Tensor, B: Tensor, C: Tensor, C2: Tensor, D: Tensor, log_pd: Tensor, gamma: Tensor | float
) -> LTI:
    """The system with ||G||_inf <= gamma that the free parameters stand for; all float64 / complex128.

    Where n_y < n_u the dual system is used, so that C2 needs min(n_u, n_y) rows only.

    Args:
        nu, theta: (n,) decay and phase, see `stable.poles`.
        B: (n, n_u) complex.
        C: (n_y, n) complex.
        C2: (min(n_u, n_y), n) complex, the free part of the storage function.
        D: (n_y, n_u) real.
        log_pd: (n,) log of the diagonal part of the storage function; clamped to [1e-8, 1e3].
        gamma: > 0, prescribed gain.
    """
    a = decay(nu)
    s = torch.sqrt(-torch.expm1(-2 * a))
    pd = torch.exp(torch.clamp(log_pd, LOG_PD_MIN, LOG_PD_MAX))
    dual = D.shape[0] < D.shape[1]
    T = supply_bound(a, theta, C.mT, B.mT, C2, D.mT, pd) if dual else supply_bound(a, theta, B, C, C2, D, pd)
    largest = torch.linalg.eigvalsh(0.5 * (T + T.mT))[-1]
    scale = gamma / torch.sqrt(torch.clamp(largest, min=1.0))
    lam = torch.polar(torch.exp(-a), theta)
    if dual:  # scale the output side: the dual's input
        return LTI(lam, s[:, None] * B, scale * C * s, scale * D)
    return LTI(lam, scale * s[:, None] * B, C * s, scale * D)
