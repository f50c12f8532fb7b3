"""The diagonal L2RU as a cell: any sizes, gain below gamma for every parameter value, storage with a diagonal P."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from l2ssm.cells.base import DiagonalCell, complex_double, complex_parameter, in_dtype, real_pair
from l2ssm.cells.diagonal_storage import assert_contraction, modal_contraction
from l2ssm.cells.gain import BoundedCell
from l2ssm.cells.linear_start import assert_gain_below, decay_and_phase, modes_of_any, state_count, with_conjugates
from l2ssm.errors import RealizationError
from l2ssm.parametrizations.l2ru_diagonal import GAUGE, l2ru_diagonal, structured_norm
from l2ssm.parametrizations.lti import LTI
from l2ssm.parametrizations.spectral import ROUNDING
from l2ssm.parametrizations.stable import poles, unit_variance_scale
from l2ssm.systems.state_space import StateSpace


class L2RUDiagonal(BoundedCell, DiagonalCell):
    """||G||_inf < gamma for every parameter value; see `parametrizations.l2ru_diagonal`.

    The free P B and C are kept relative to sqrt(1 - |lam|^2), so that slow modes are not larger than fast ones.

    Arguments of `BoundedCell`.
    """

    OFFSET = 1.0

    def initialise(self, nu: Tensor, theta: Tensor, through: float, generator: torch.Generator | None) -> None:
        """See `BoundedCell.initialise`."""
        self.nu, self.theta = nn.Parameter(nu.float()), nn.Parameter(theta.float())
        n_u, n_x, n_y = self.n_u, self.n_x, self.n_y
        self.B_ri = complex_parameter(n_x, n_u, std=0.3 / (n_x**0.5 + n_u**0.5), generator=generator)
        self.C_ri = complex_parameter(n_y, n_x, std=0.3 / (n_x**0.5 + n_y**0.5), generator=generator)
        self.D = nn.Parameter(self.OFFSET * through / (1 - through) * torch.eye(n_y, n_u))

    def system(self) -> LTI:
        """The map theta -> (lam, B, C, D), evaluated in float64 whatever the dtype of the parameters."""
        nu, dtype, gamma = self.nu.double(), self.D.dtype, self.gain()
        s = unit_variance_scale(nu)
        PB = torch.sqrt(gamma) * s[:, None] * complex_double(self.B_ri)
        C = torch.sqrt(gamma) * complex_double(self.C_ri) * s
        lam = poles(nu, self.theta.double())
        lti = l2ru_diagonal(lam, PB, C, self.D.double(), gamma, offset=self.OFFSET, precision=dtype)
        return in_dtype(lti, dtype)

    @classmethod
    @torch.no_grad()
    def from_state_space(cls, G: StateSpace, gamma: float, *, n_x: int | None = None) -> L2RUDiagonal:
        """A float64 cell that is G, exactly up to rounding.

        One mode a conjugate pair is tried first. Its bound is one of |C x + D u| with complex C x, which two modes a
        pair make tight, so these are tried next where n_x leaves room for them.

        Args:
            G: a system that has a storage function at gamma which is diagonal in its modes.
            gamma: prescribed gain.
            n_x: complex states, default as many as are needed; modes that do nothing fill the rest.

        Raises:
            RealizationError: the gain is not below gamma, there is no such storage function, or n_x is too small.
        """
        assert_gain_below(G, gamma)
        modes = modes_of_any(G)
        state_count(n_x, modes.lam.size, G)
        norm, k, whole = *modal_contraction(modes, gamma, real=False), 1 - ROUNDING[torch.float64]
        if not norm < whole and (n_x is None or n_x >= modes.lam.size + np.count_nonzero(modes.lam.imag)):
            modes = with_conjugates(modes)
            norm, k = modal_contraction(modes, gamma, real=False)
        assert_contraction(norm, whole, gamma, cls.__name__)
        n, n_x = modes.lam.size, state_count(n_x, modes.lam.size, G)
        nu, theta = (torch.zeros(n_x, dtype=torch.float64) for _ in range(2))
        nu[:n], theta[:n] = (torch.tensor(v) for v in decay_and_phase(modes.lam))
        cell = cls(G.n_u, n_x, G.n_y, initial_poles=(nu, theta), gamma=gamma, generator=torch.Generator()).double()
        square, s = np.abs(modes.lam) ** 2, unit_variance_scale(nu[:n]).numpy()
        P = square + GAUGE
        k = k / np.sqrt(gamma * P)  # states in which the storage is P
        PB, C = (P * k)[:, None] * modes.B, modes.C / k
        lam, free_B, free_C, D = (torch.tensor(v) for v in (modes.lam, PB, C, modes.D))
        room = whole - float(structured_norm(lam, free_B, free_C, D, torch.tensor(gamma, dtype=torch.float64)))
        room_D = gamma * whole - float(np.linalg.norm(modes.D, 2))
        if not (room > 0 and room_D > 0):
            raise RealizationError(f"the gain is too near gamma = {gamma:.9g} for {cls.__name__}")
        scale = 1 / (np.sqrt(gamma) * room)
        for parameter, value in ((cell.nu, nu), (cell.theta, theta)):
            parameter.copy_(value)
        for parameter in (cell.B_ri, cell.C_ri):
            parameter.zero_()
        cell.B_ri[:n], cell.C_ri[:, :n] = real_pair(scale / s[:, None] * PB), real_pair(scale * C / s)
        cell.D.copy_(cls.OFFSET / room_D * D)
        return cell
