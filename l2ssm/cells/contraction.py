"""Contractions as a cell: gain below gamma because K = [[A, B / gamma], [C, D / gamma]] shrinks every vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from l2ssm.cells.base import DenseCell, DiagonalCell, complex_double, complex_parameter, in_dtype
from l2ssm.cells.gain import PrescribedGain
from l2ssm.parametrizations.contraction import contraction, contraction_diagonal
from l2ssm.parametrizations.lti import LTI, DenseLTI
from l2ssm.parametrizations.stable import poles, unit_variance_scale


class Contraction(DiagonalCell):
    """||G||_inf < gamma for every parameter value; see `parametrizations.contraction`, complex diagonal form.

    Args:
        n_u, n_x, n_y: sizes, see `Cell`.
        initial_poles: (nu, theta), each (n_x,); kept while K is a contraction, moved inwards otherwise.
        gamma: prescribed gain, > 0.
        learn_gamma: whether gamma is a parameter; it stays positive.
        through: initial direct term D = through * gamma * I: the skip connection, inside the bound.
        generator: source of randomness.

    Raises:
        OptionError: gamma is not a finite number > 0.
    """

    def __init__(
        self,
        n_u: int,
        n_x: int,
        n_y: int,
        *,
        initial_poles: tuple[Tensor, Tensor],
        gamma: float = 1.0,
        learn_gamma: bool = False,
        through: float = 0.6,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(n_u, n_x, n_y)
        self.gain = PrescribedGain(gamma, learned=learn_gamma)
        self.nu, self.theta = (nn.Parameter(v.float()) for v in initial_poles)
        self.B_ri = complex_parameter(n_x, n_u, std=0.3 / (n_x**0.5 + n_u**0.5), generator=generator)
        self.C_ri = complex_parameter(n_y, n_x, std=0.3 / (n_x**0.5 + n_y**0.5), generator=generator)
        self.D = nn.Parameter(through * torch.eye(n_y, n_u))

    @property
    def gamma(self) -> float:
        """The prescribed gain."""
        return self.gain.value

    def system(self) -> LTI:
        """The map theta -> (lam, B, C, D), evaluated in float64 whatever the dtype of the parameters."""
        nu, dtype = self.nu.double(), self.D.dtype
        s = unit_variance_scale(nu)
        B, C = s[:, None] * complex_double(self.B_ri), complex_double(self.C_ri) * s
        lam = poles(nu, self.theta.double())
        lti = contraction_diagonal(lam, B, C, self.D.double(), self.gain(), precision=dtype)
        return in_dtype(lti, dtype)


class ContractionDense(DenseCell):
    """||G||_inf < gamma for every parameter value, complete; see `parametrizations.contraction`, dense form.

    Args:
        n_u, n_x, n_y: sizes, see `Cell`; A is 2 n_x by 2 n_x and full.
        initial_poles: (nu, theta), each (n_x,).
        gamma: prescribed gain, > 0.
        learn_gamma: whether gamma is a parameter; it stays positive.
        through: initial direct term D = through * gamma * I: the skip connection, inside the bound.
        generator: source of randomness.

    Raises:
        OptionError: gamma is not a finite number > 0.
    """

    def __init__(
        self,
        n_u: int,
        n_x: int,
        n_y: int,
        *,
        initial_poles: tuple[Tensor, Tensor],
        gamma: float = 1.0,
        learn_gamma: bool = False,
        through: float = 0.6,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(n_u, n_x, n_y)
        self.gain = PrescribedGain(gamma, learned=learn_gamma)
        nu, theta = initial_poles
        lam = poles(nu, theta)
        s = unit_variance_scale(nu).repeat_interleave(2)
        K = torch.zeros(2 * n_x + n_y, 2 * n_x + n_u, dtype=nu.dtype)
        i = 2 * torch.arange(n_x)
        K[i, i], K[i + 1, i + 1], K[i, i + 1], K[i + 1, i] = lam.real, lam.real, -lam.imag, lam.imag
        B, C = torch.randn(2 * n_x, n_u, generator=generator), torch.randn(n_y, 2 * n_x, generator=generator)
        K[: 2 * n_x, 2 * n_x :] = 0.2 / (n_x**0.5 + n_u**0.5) * s[:, None] * B
        K[2 * n_x :, : 2 * n_x] = 0.2 / (n_x**0.5 + n_y**0.5) * C * s
        K[2 * n_x :, 2 * n_x :] = through * torch.eye(n_y, n_u)
        self.K = nn.Parameter(K.float())

    @property
    def gamma(self) -> float:
        """The prescribed gain."""
        return self.gain.value

    def system(self) -> DenseLTI:
        """The map theta -> (A, B, C, D), evaluated in float64 whatever the dtype of the parameters."""
        return DenseLTI(*(v.to(self.K.dtype) for v in contraction(self.K.double(), 2 * self.n_x, self.gain())))
