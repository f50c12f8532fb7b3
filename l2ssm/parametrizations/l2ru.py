"""L2RU: every square system (n_x = n_u = n_y) of gain below gamma, from free parameters: the LMI in closed form.

With Z = X21 X21' + X22 X22' + D~'D~ + e I, b = gamma^2 sigma(alpha) / ||Z||, D = sqrt(b) D~ and

    H11 = X11 X11' + C'C + b e I,   H12 = sqrt(b) (X11 X21' + C'D~),   V = b Z - gamma^2 I < 0,

A'PA = -R, A'PB = -H12, B'PB = -V with R = H12 V^-1 H12' and P = H11 - R turn the bounded-real matrix into

    -([X11; sqrt(b) X21] [.]' + diag(b e I, b (X22 X22' + e I))) < 0.

The paper takes A = CH^-T Q CR', B = A H12^-T V, CH CH' = P, CR CR' = -R, Q orthogonal, which needs H12 invertible. Here
CR = H12 L^-T with -V = L L': the same systems, and B = -CH^-T Q L' without any inverse of H12 and with no jitter on R
(a jitter there is outside the proof and lets the gain exceed gamma). States are those of the storage: z = CH' x, P = I.

Source: Massai and Ferrari-Trecate, "Free Parametrization of L2-bounded State Space Models" (2025).
"""

from __future__ import annotations

import torch
from torch import Tensor

from l2ssm.parametrizations.lti import DenseLTI
from l2ssm.parametrizations.spectral import ROUNDING, spectral_norm

LOG_EPS_RANGE = (-27.6, 13.8)  # e in [1e-12, 1e6]
ALPHA_MAX = 27.6  # b Z <= (1 - 1e-12) gamma^2
RELATIVE_FLOOR = (
    1e-13  # of trace P, added to H11: makes the bounded-real matrix more negative, and P positive in floats
)


def cayley(X: Tensor) -> Tensor:
    """Q = (I + S)^-1 (I - S) of the skew S = X - X': orthogonal, determinant 1, no eigenvalue -1."""
    S, eye = X - X.mT, torch.eye(X.shape[0], dtype=X.dtype, device=X.device)
    return torch.linalg.solve(eye + S, eye - S)


def l2ru(
    X11: Tensor,
    X21: Tensor,
    X22: Tensor,
    C: Tensor,
    D: Tensor,
    Q: Tensor,
    alpha: Tensor,
    log_eps: Tensor,
    gamma: Tensor | float,
    *,
    precision: torch.dtype = torch.float64,
) -> DenseLTI:
    """||G||_inf < gamma for all arguments; all (n, n) unless said otherwise.

    Args:
        X11, X22: their lower triangles are used; X11 in units of gamma.
        X21, C, D: free; C in units of gamma.
        Q: orthogonal, see `cayley`.
        alpha: scalar, sigma(alpha) = ||b Z|| / gamma^2.
        log_eps: scalar, log of e.
        gamma: > 0, prescribed gain.
        precision: float32 or float64, what the result will be rounded to: K = [[A, B / gamma], [C, D / gamma]] is
            scaled by 1 - `ROUNDING` of it.
    """
    eye = torch.eye(C.shape[0], dtype=C.dtype, device=C.device)
    X11, X22, e = torch.tril(X11), torch.tril(X22), torch.exp(torch.clamp(log_eps, *LOG_EPS_RANGE))
    Z = X21 @ X21.mT + X22 @ X22.mT + D.mT @ D + e * eye
    b = torch.sigmoid(torch.clamp(alpha, -ALPHA_MAX, ALPHA_MAX)) / spectral_norm(Z)
    H11 = X11 @ X11.mT + C.mT @ C + b * e * eye
    H12 = torch.sqrt(b) * (X11 @ X21.mT + C.mT @ D)
    L = torch.linalg.cholesky(eye - b * Z)
    CR = torch.linalg.solve_triangular(L, H12.mT, upper=False).mT
    P = H11 + CR @ CR.mT
    CH = torch.linalg.cholesky(P + RELATIVE_FLOOR * torch.trace(P) * eye)
    A = Q @ torch.linalg.solve_triangular(CH, CR, upper=False).mT
    Cz = torch.linalg.solve_triangular(CH, C.mT, upper=False).mT
    t = 1 - ROUNDING[precision]
    return DenseLTI(t * A, -t * gamma * (Q @ L.mT), t * Cz, t * gamma * torch.sqrt(b) * D)
