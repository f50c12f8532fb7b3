"""The structured, complex diagonal parametrization of L2RU: any sizes, every parameter value, a diagonal storage.

With P > 0 diagonal the bounded-real inequality of (lam, B, C, D) is W > Y Z^-1 Y* for

    W = [[P, P lam], [conj(lam) P, P]],   Y = [[P B, 0], [0, C*]],   Z = [[gamma I, D'], [D, gamma I]],

that is ||L_W^-1 Y L_Z^-*|| < 1 with W = L_W L_W*, Z = L_Z L_Z*. W is 2 x 2 per mode, so its factor is written down and
nothing of size n_x is factorized. Not complete: a diagonal P does not exist for every system of gain below gamma.

Source: Massai and Ferrari-Trecate, "Free Parametrization of L2-bounded State Space Models" (2025).
"""

from __future__ import annotations

import torch
from torch import Tensor

from l2ssm.parametrizations.lti import LTI
from l2ssm.parametrizations.spectral import ROUNDING, representable, spectral_norm

GAUGE = 0.01  # P = |lam|^2 + GAUGE: scales the states, changes nothing between input and output


def l2ru_diagonal(
    lam: Tensor,
    PB: Tensor,
    C: Tensor,
    D: Tensor,
    gamma: Tensor | float,
    *,
    margin: float | None = None,
    margin_D: float | None = None,
    offset: float = 0.01,
    precision: torch.dtype = torch.float64,
) -> LTI:
    """||G||_inf < gamma for all (PB, C, D): D = gamma m_D D~ / (||D~|| + o), Y = m Y~ / (1 + ||L_W^-1 Y~ L_Z^-*||).

    Args:
        lam: (n,) complex, |lam| < 1.
        PB: (n, n_u), free part of P B, real or complex.
        C: (n_y, n), free part of C, real or complex.
        D: (n_y, n_u), free part of D.
        gamma: > 0, prescribed gain.
        margin, margin_D: in (0, 1): bounds of the norm of Y and of ||D|| / gamma; default 1 - `ROUNDING`. The
            reference implementation has 0.9 and 0.05.
        offset: o > 0, the size of D~ at which ||D|| is half its bound.
        precision: float32 or float64; lam is rounded to it before B, C and D are computed.
    """
    whole = 1 - ROUNDING[precision]
    margin, margin_D = margin or whole, margin_D or whole
    lam = representable(lam, precision)
    PB, C = PB.to(lam.dtype), C.to(lam.dtype)
    D = gamma * margin_D / (spectral_norm(D) + offset) * D
    scale = margin / (1 + structured_norm(lam, PB, C, D, gamma))
    return LTI(lam, scale / storage(lam)[:, None] * PB, scale * C, D)


def storage(lam: Tensor) -> Tensor:
    """P = |lam|^2 + GAUGE, (n,)."""
    return lam.real**2 + lam.imag**2 + GAUGE


def structured_norm(lam: Tensor, PB: Tensor, C: Tensor, D: Tensor, gamma: Tensor | float) -> Tensor:
    """||L_W^-1 Y L_Z^-*||: below 1 where P proves the gain gamma of (lam, B, C, D)."""
    s, P = torch.sqrt(1 - (lam.real**2 + lam.imag**2))[:, None], storage(lam)[:, None]
    n_y, n_u = D.shape
    eye_u, eye_y = (torch.eye(k, dtype=D.dtype, device=D.device) for k in (n_u, n_y))
    Z = torch.cat([torch.cat([gamma * eye_u, D.mT], 1), torch.cat([D, gamma * eye_y], 1)])
    top = torch.cat([PB, torch.zeros_like(C.mT)], 1)
    bottom = torch.cat([-lam.conj()[:, None] * PB, C.mH], 1) / s
    Y = torch.cat([top, bottom]) / torch.sqrt(torch.cat([P, P]))
    factor = torch.linalg.cholesky(Z).to(Y.dtype)
    return spectral_norm(torch.linalg.solve_triangular(factor, Y.mH, upper=False))
