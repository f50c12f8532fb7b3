"""S4D: a bank of diagonal systems, one per channel, learned in continuous time.

Source: Gu, Gupta, Goel, Re, "On the parameterization and initialization of diagonal state space models" (2022).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from l2ssm.cells.base import DiagonalCell, complex_parameter, real_pair
from l2ssm.cells.continuous import ContinuousTime, channels
from l2ssm.options import positive
from l2ssm.parametrizations.lti import LTI, bank, read_after_update
from l2ssm.parametrizations.s4d_init import INITIAL_MODES
from l2ssm.parametrizations.sampling import (
    DISCRETIZATIONS,
    check_choice,
    continuous_poles,
    log_uniform_steps,
    step_size,
)
from l2ssm.scan.contract import Readout, check_readout


class S4D(ContinuousTime, DiagonalCell):
    """Channel h: x' = diag(Lam_h) x + B_h u_h sampled with step_h, y_h = 2 Re(C_h x) + D_h u_h; n_u = n_y channels.

    Args:
        n_u, n_x, n_y: channels, complex states of *each* channel (the cell has n_u n_x), channels again.
        init: a name of `INITIAL_MODES`: "lin", "inv", "legs", "quad", "real" or "random".
        discretization: "zoh" or "bilinear".
        readout: "pre": y[k] reads x[k]; "post": x[k+1], as in the reference.
        step_min, step_max: range of the initial steps, log-uniform, one a channel.
        train_B: whether B is learned; only the product of B and C matters.
        band_limit: modes above this fraction of the Nyquist frequency are not read; None reads all.
        generator: source of randomness.

    Raises:
        OptionError: n_u differs from n_y, or an option out of range.
    """

    def __init__(
        self,
        n_u: int,
        n_x: int,
        n_y: int,
        *,
        init: str = "lin",
        discretization: str = "zoh",
        readout: Readout = "pre",
        step_min: float = 1e-3,
        step_max: float = 1e-1,
        train_B: bool = True,
        band_limit: float | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(n_u, channels(type(self), n_u, n_y) * n_x, n_y)
        check_choice("init", init, tuple(INITIAL_MODES))
        check_readout(readout)
        self.discretization = check_choice("discretization", discretization, tuple(DISCRETIZATIONS))
        self.readout = readout
        self.band_limit = None if band_limit is None else positive("band_limit", band_limit)
        modes = [INITIAL_MODES[init](n_x, generator) for _ in range(n_u)]
        Lam, B = (np.stack(v) for v in zip(*modes, strict=True))
        self.log_decay = nn.Parameter(torch.tensor(np.log(-Lam.real)).float())
        self.frequency = nn.Parameter(torch.tensor(Lam.imag).float())
        steps = log_uniform_steps(n_u, shortest=step_min, longest=step_max, generator=generator)
        self.log_step = nn.Parameter(steps.float())
        self.B_ri = nn.Parameter(real_pair(B).float(), requires_grad=train_B)
        self.C_ri = complex_parameter(n_u, n_x, std=1.0, generator=generator)
        self.D = nn.Parameter(torch.randn(n_u, generator=generator))

    def system(self) -> LTI:
        """The map theta -> (lam, B, C, D), block structured: mode n of channel h is mode h n_x + n of the cell."""
        Lam, step = continuous_poles(self.log_decay, self.frequency), step_size(self.log_step)[:, None]
        lam, scale = DISCRETIZATIONS[self.discretization](Lam, step)
        B, C = torch.view_as_complex(self.B_ri), 2 * torch.view_as_complex(self.C_ri)
        if self.band_limit is not None:
            C = C * (step * Lam.imag.abs() < self.band_limit * math.pi)
        system = bank(lam, scale * B, C, self.D)
        return system if self.readout == "pre" else read_after_update(system)
