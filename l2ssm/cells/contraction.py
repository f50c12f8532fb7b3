"""Contractions as a cell: gain below gamma because K = [[A, B / gamma], [C, D / gamma]] shrinks every vector."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from l2ssm.cells.base import DenseCell, DiagonalCell, complex_double, complex_parameter, in_dtype, real_pair
from l2ssm.cells.diagonal_storage import assert_contraction, modal_contraction
from l2ssm.cells.gain import BoundedCell
from l2ssm.cells.linear_start import assert_gain_below, contraction_of, decay_and_phase, modes_of_any, state_count
from l2ssm.errors import RealizationError
from l2ssm.parametrizations.contraction import contraction, contraction_diagonal
from l2ssm.parametrizations.lti import LTI, DenseLTI
from l2ssm.parametrizations.spectral import ROUNDING
from l2ssm.parametrizations.stable import poles, unit_variance_scale
from l2ssm.systems.state_space import StateSpace


class Contraction(BoundedCell, DiagonalCell):
    """||G||_inf < gamma for every parameter value; see `parametrizations.contraction`, complex diagonal form.

    Arguments of `BoundedCell`; the initial poles are kept while K is a contraction and moved inwards otherwise.
    """

    def initialise(self, nu: Tensor, theta: Tensor, through: float, generator: torch.Generator | None) -> None:
        """See `BoundedCell.initialise`."""
        self.nu, self.theta = nn.Parameter(nu.float()), nn.Parameter(theta.float())
        n_u, n_x, n_y = self.n_u, self.n_x, self.n_y
        self.B_ri = complex_parameter(n_x, n_u, std=0.3 / (n_x**0.5 + n_u**0.5), generator=generator)
        self.C_ri = complex_parameter(n_y, n_x, std=0.3 / (n_x**0.5 + n_y**0.5), generator=generator)
        self.D = nn.Parameter(through * torch.eye(n_y, n_u))

    def system(self) -> LTI:
        """The map theta -> (lam, B, C, D), evaluated in float64 whatever the dtype of the parameters."""
        nu, dtype = self.nu.double(), self.D.dtype
        s = unit_variance_scale(nu)
        B, C = s[:, None] * complex_double(self.B_ri), complex_double(self.C_ri) * s
        lam = poles(nu, self.theta.double())
        lti = contraction_diagonal(lam, B, C, self.D.double(), self.gain(), precision=dtype)
        return in_dtype(lti, dtype)

    @classmethod
    @torch.no_grad()
    def from_state_space(cls, G: StateSpace, gamma: float, *, n_x: int | None = None) -> Contraction:
        """A float64 cell that is G, exactly up to rounding.

        Args:
            G: a system that has a storage function at gamma which is diagonal in its modes.
            gamma: prescribed gain.
            n_x: complex states, default one a real pole and one a conjugate pair; modes that do nothing fill the rest.

        Raises:
            RealizationError: the gain is not below gamma, there is no such storage function, or n_x is too small.
        """
        assert_gain_below(G, gamma)
        modes = modes_of_any(G)
        norm, k = modal_contraction(modes, gamma, real=True)
        assert_contraction(norm, 1 / (1 + ROUNDING[torch.float64]), gamma, cls.__name__)
        n, n_x = modes.lam.size, state_count(n_x, modes.lam.size, G)
        nu, theta = (torch.zeros(n_x, dtype=torch.float64) for _ in range(2))
        nu[:n], theta[:n] = (torch.tensor(v) for v in decay_and_phase(modes.lam))
        cell = cls(G.n_u, n_x, G.n_y, initial_poles=(nu, theta), gamma=gamma, generator=torch.Generator()).double()
        s = unit_variance_scale(nu[:n]).numpy()
        for parameter in (cell.B_ri, cell.C_ri):
            parameter.zero_()
        cell.nu.copy_(nu)
        cell.theta.copy_(theta)
        cell.B_ri[:n] = real_pair((k / s)[:, None] * modes.B / gamma)
        cell.C_ri[:, :n] = real_pair(modes.C / (k * s))
        cell.D.copy_(torch.tensor(modes.D / gamma))
        return cell


class ContractionDense(BoundedCell, DenseCell):
    """||G||_inf < gamma for every parameter value, complete; see `parametrizations.contraction`, dense form.

    Arguments of `BoundedCell`; A is 2 n_x by 2 n_x and full.
    """

    def initialise(self, nu: Tensor, theta: Tensor, through: float, generator: torch.Generator | None) -> None:
        """See `BoundedCell.initialise`."""
        n_u, n_x, n_y = self.n_u, self.n_x, self.n_y
        lam, s = poles(nu, theta), unit_variance_scale(nu).repeat_interleave(2)
        K = torch.zeros(2 * n_x + n_y, 2 * n_x + n_u, dtype=nu.dtype)
        i = 2 * torch.arange(n_x)
        K[i, i], K[i + 1, i + 1], K[i, i + 1], K[i + 1, i] = lam.real, lam.real, -lam.imag, lam.imag
        B, C = torch.randn(2 * n_x, n_u, generator=generator), torch.randn(n_y, 2 * n_x, generator=generator)
        K[: 2 * n_x, 2 * n_x :] = 0.2 / (n_x**0.5 + n_u**0.5) * s[:, None] * B
        K[2 * n_x :, : 2 * n_x] = 0.2 / (n_x**0.5 + n_y**0.5) * C * s
        K[2 * n_x :, 2 * n_x :] = through * torch.eye(n_y, n_u)
        self.K = nn.Parameter(K.float())

    def system(self) -> DenseLTI:
        """The map theta -> (A, B, C, D), evaluated in float64 whatever the dtype of the parameters."""
        dtype = self.K.dtype
        dense = contraction(self.K.double(), 2 * self.n_x, self.gain(), precision=dtype)
        return DenseLTI(*(v.to(dtype) for v in dense))

    @classmethod
    @torch.no_grad()
    def from_state_space(cls, G: StateSpace, gamma: float, *, n_x: int | None = None) -> ContractionDense:
        """A float64 cell that is G, exactly up to rounding; any system of gain below gamma.

        Args:
            G: the system.
            gamma: prescribed gain.
            n_x: complex states (two real ones each), default the smallest number that holds G.

        Raises:
            RealizationError: the gain is not below gamma, or n_x is too small.
        """
        K, n = contraction_of(G, gamma), G.n_x
        norm = float(np.linalg.norm(K, 2))
        if not norm * (1 + ROUNDING[torch.float64]) <= 1:
            raise RealizationError(f"the gain is too near gamma: ||K|| = {norm:.9g}, needed < 1")
        n_x = state_count(n_x, math.ceil(n / 2), G)
        zeros = torch.zeros(n_x, dtype=torch.float64)
        cell = cls(G.n_u, n_x, G.n_y, initial_poles=(zeros, zeros), gamma=gamma, generator=torch.Generator()).double()
        full = np.zeros((2 * n_x + G.n_y, 2 * n_x + G.n_u))
        full[:n, :n], full[:n, 2 * n_x :], full[2 * n_x :, :n], full[2 * n_x :, 2 * n_x :] = (
            K[:n, :n],
            K[:n, n:],
            K[n:, :n],
            K[n:, n:],
        )
        cell.K.copy_(torch.tensor(full))
        return cell
