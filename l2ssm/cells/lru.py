"""The linear recurrent unit: poles stable by construction, gain free.

Source: Orvieto et al., "Resurrecting Recurrent Neural Networks for Long Sequences" (2023). By default the input
normalisation is the exact sqrt(1 - |lam|^2) of the current poles rather than a learned copy of its initial value, which
no longer normalises once |lam| has moved.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from l2ssm.cells.base import DiagonalCell, complex_parameter
from l2ssm.cells.linear_start import modes_of_any, state_count
from l2ssm.errors import RealizationError
from l2ssm.parametrizations.lti import LTI, read_after_update
from l2ssm.parametrizations.sampling import check_choice
from l2ssm.parametrizations.stable import DECAY_MIN, poles, unit_variance_scale
from l2ssm.scan.contract import Readout, check_readout
from l2ssm.systems.state_space import StateSpace

NORMALIZATIONS = ("exact", "learned")
LOG_SCALE_MAX = 20.0  # of a learned input scale, far above any that is used


class LRU(DiagonalCell):
    """lam = exp(-exp(nu) + j theta), y = Re(C x) + D u, x driven by scale * B u; no bound on the gain.

    Args:
        n_u, n_x, n_y: sizes, see `DiagonalCell`.
        initial_poles: (nu, theta), each (n_x,), from `stable.ring`, `stable.sampled_ring` or `stable.time_constants`.
        normalization: "exact": scale = sqrt(1 - |lam|^2) of the current poles; "learned": its initial value, learned.
        readout: "pre": y[k] reads x[k]; "post": x[k+1], as in the paper.
        generator: source of randomness for B and C; D starts at zero.

    Raises:
        OptionError: an unknown normalization or read-out.
    """

    def __init__(
        self,
        n_u: int,
        n_x: int,
        n_y: int,
        *,
        initial_poles: tuple[Tensor, Tensor],
        normalization: str = "exact",
        readout: Readout = "pre",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(n_u, n_x, n_y)
        check_readout(readout)
        self.readout, self.normalization = readout, check_choice("normalization", normalization, NORMALIZATIONS)
        self.nu, self.theta = (nn.Parameter(v.float()) for v in initial_poles)
        self.B_ri = complex_parameter(n_x, n_u, std=n_u**-0.5, generator=generator)
        self.C_ri = complex_parameter(n_y, n_x, std=n_x**-0.5, generator=generator)
        self.D = nn.Parameter(torch.zeros(n_y, n_u))
        if normalization == "learned":
            self.log_scale = nn.Parameter(torch.log(unit_variance_scale(self.nu.detach())))

    @classmethod
    @torch.no_grad()
    def from_state_space(cls, G: StateSpace, *, n_x: int | None = None) -> LRU:
        """A float64 cell that is G, exactly up to rounding: any stable system with diagonalisable A.

        Args:
            G: the system.
            n_x: complex states, default one a real pole and one a conjugate pair; modes that have an input
                and no output yet fill the rest.

        Raises:
            RealizationError: A has no basis of eigenvectors, a pole outside the unit circle or nearer to it than
                exp(-1e-6), or n_x is too small.
        """
        modes = modes_of_any(G)
        n, rate = modes.lam.size, -np.log(np.maximum(abs(modes.lam), 1e-300)) - DECAY_MIN
        if not np.all(rate > 0):
            raise RealizationError(
                f"a pole of modulus {abs(modes.lam).max():.9g}: expected at most {math.exp(-DECAY_MIN):.9g}"
            )
        count = state_count(n_x, n, G)
        nu, theta = torch.zeros(count).double(), torch.zeros(count).double()
        nu[:n], theta[:n] = torch.tensor(np.log(rate)), torch.tensor(np.angle(modes.lam))
        cell = cls(G.n_u, count, G.n_y, initial_poles=(nu, theta), generator=torch.Generator()).double()
        cell.nu.copy_(nu)
        cell.theta.copy_(theta)
        cell.C_ri.zero_()
        driven = torch.tensor(modes.B) / unit_variance_scale(cell.nu[:n])[:, None]
        norms = torch.linalg.vector_norm(driven, dim=1)
        size = torch.where(norms > 0, norms, torch.ones_like(norms))
        cell.B_ri[:n] = torch.view_as_real(driven / size[:, None])
        cell.C_ri[:, :n] = torch.view_as_real(torch.tensor(modes.C) * size)
        cell.D.copy_(torch.tensor(modes.D))
        return cell

    def system(self) -> LTI:
        """The map theta -> (lam, B, C, D)."""
        B, C = torch.view_as_complex(self.B_ri), torch.view_as_complex(self.C_ri)
        exact = self.normalization == "exact"
        scale = unit_variance_scale(self.nu) if exact else torch.exp(torch.clamp(self.log_scale, max=LOG_SCALE_MAX))
        system = LTI(poles(self.nu, self.theta), scale[:, None] * B, C, self.D)
        return system if self.readout == "pre" else read_after_update(system)
