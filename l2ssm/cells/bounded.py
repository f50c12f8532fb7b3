"""The certified cell: a complete parametrization of the diagonal systems with gain at most gamma."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from l2ssm.cells.base import DiagonalCell, complex_double, complex_parameter, in_dtype, real_pair
from l2ssm.cells.bounded_start import free_parameters
from l2ssm.cells.gain import BoundedCell
from l2ssm.cells.linear_start import assert_gain_below, modes_of_any, state_count
from l2ssm.parametrizations.bounded_diagonal import bounded_diagonal, smooth_preimage, supply_gain
from l2ssm.parametrizations.lti import LTI
from l2ssm.parametrizations.spectral import ROUNDING
from l2ssm.parametrizations.stable import disc_coordinates
from l2ssm.systems.state_space import StateSpace

INITIAL_PD = 0.3  # large: a loose certificate is a smooth one, and training tightens it


class Bounded(BoundedCell, DiagonalCell):
    """||G||_inf <= gamma for every parameter value; see `parametrizations.bounded_diagonal`.

    Args:
        n_u, n_x, n_y, initial_poles, gamma, learn_gamma, through, generator: see `BoundedCell`.
        smooth: whether the scale is a smooth function of the parameters.

    Raises:
        OptionError: see `BoundedCell`.
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
        through: float = 0.7,
        smooth: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(
            n_u,
            n_x,
            n_y,
            initial_poles=initial_poles,
            gamma=gamma,
            learn_gamma=learn_gamma,
            through=through,
            generator=generator,
        )
        self.smooth = smooth

    def initialise(self, nu: Tensor, theta: Tensor, through: float, generator: torch.Generator | None) -> None:
        """See `BoundedCell.initialise`."""
        n_u, n_x, n_y = self.n_u, self.n_x, self.n_y
        self.poles_ri = nn.Parameter(torch.view_as_real(disc_coordinates(nu, theta)).float())
        scale = 0.15 * (n_x * max(n_u, n_y)) ** -0.25
        self.B_ri = complex_parameter(n_x, n_u, std=scale, generator=generator)
        self.C_ri = complex_parameter(n_y, n_x, std=scale, generator=generator)
        self.C2_ri = complex_parameter(min(n_u, n_y), n_x, std=scale, generator=generator)
        self.D = nn.Parameter(through * torch.eye(n_y, n_u))
        self.log_pd = nn.Parameter(torch.full((n_x,), math.log(INITIAL_PD)))

    def free(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """(w, B, C, C2, D, log_pd) in float64 and complex128."""
        w, B, C, C2 = (complex_double(v) for v in (self.poles_ri, self.B_ri, self.C_ri, self.C2_ri))
        return w, B, C, C2, self.D.double(), self.log_pd.double()

    def system(self) -> LTI:
        """The map theta -> (lam, B, C, D), evaluated in float64 whatever the dtype of the parameters."""
        dtype = self.D.dtype
        return in_dtype(bounded_diagonal(*self.free(), self.gain(), smooth=self.smooth, precision=dtype), dtype)

    @classmethod
    @torch.no_grad()
    def from_state_space(cls, G: StateSpace, gamma: float, *, n_x: int | None = None, smooth: bool = False) -> Bounded:
        """A float64 cell that is G, exactly up to rounding; any system of gain below gamma with diagonalisable A.

        Args:
            G: the system.
            gamma: prescribed gain.
            n_x: complex states, default one a real pole and one a conjugate pair; modes with a small input and no
                output yet fill the rest.
            smooth: as in the constructor.

        Raises:
            RealizationError: the gain is not below gamma or too near, A has no basis of eigenvectors, a pole is nearer
                to the unit circle than exp(-1e-6), or n_x is too small.
        """
        assert_gain_below(G, gamma)
        modes = modes_of_any(G)
        n_x = state_count(n_x, modes.lam.size, G)
        start = free_parameters(modes, gamma * (1 - ROUNDING[torch.float64]), n_x)
        initial = (torch.tensor(start.nu), torch.tensor(start.theta))
        cell = cls(
            G.n_u, n_x, G.n_y, initial_poles=initial, gamma=gamma, smooth=smooth, generator=torch.Generator()
        ).double()
        cell.poles_ri.copy_(torch.view_as_real(disc_coordinates(*initial)))
        for name in ("log_pd", "D"):
            getattr(cell, name).copy_(torch.tensor(getattr(start, name)))
        for name in ("B", "C", "C2"):
            getattr(cell, f"{name}_ri").copy_(real_pair(getattr(start, name)))
        if smooth:
            largest = supply_gain(*cell.free(), precision=torch.float64)[1]
            t = smooth_preimage(float(largest))
            for parameter in (cell.C_ri if G.n_y < G.n_u else cell.B_ri, cell.D):
                parameter.mul_(t)
        return cell
