"""`LTI` and `DenseLTI`: the tensors a parametrization returns and a scan consumes."""

from __future__ import annotations

from typing import NamedTuple

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
