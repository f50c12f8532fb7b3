"""`LTI` and `DenseLTI`: the tensors a parametrization returns and a scan consumes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class LTI(NamedTuple):
    """x[k+1] = lam x[k] + B u[k],  y[k] = Re(C x[k]) + D u[k].

    Attributes:
        lam: (n_x,) complex.
        B: (n_x, n_u) complex.
        C: (n_y, n_x) complex.
        D: (n_y, n_u) real.
    """

    lam: Tensor
    B: Tensor
    C: Tensor
    D: Tensor


class DenseLTI(NamedTuple):
    """x[k+1] = A x[k] + B u[k],  y[k] = C x[k] + D u[k].

    Attributes:
        A: (n_x, n_x) real.
        B: (n_x, n_u) real.
        C: (n_y, n_x) real.
        D: (n_y, n_u) real.
    """

    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor


def read_after_update(lti: LTI) -> LTI:
    """The system whose output reads x[k+1] where that of `lti` reads x[k]: C lam and D + Re(C B) for C and D."""
    lam, B, C, D = lti
    return LTI(lam, B, C * lam, D + (C @ B).real)


def bank(lam: Tensor, B: Tensor, C: Tensor, D: Tensor) -> LTI:
    """H independent systems of one input and one output each, as one.

    Args:
        lam, B, C: (H, n) complex, of system h in row h.
        D: (H,) real.
    """
    own = torch.eye(lam.shape[0], dtype=D.dtype, device=D.device)
    return LTI(
        lam.flatten(),
        (B[:, :, None] * own[:, None, :]).flatten(0, 1),
        (own[:, :, None] * C[None]).flatten(1),
        torch.diag(D),
    )
