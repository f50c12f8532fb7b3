"""S5: one system of many inputs and outputs with the normal part of HiPPO-LegS, learned in continuous time.

Source: Smith, Warrington, Linderman, "Simplified state space layers for sequence modeling" (2023).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from l2ssm.cells.base import DiagonalCell, complex_parameter
from l2ssm.cells.continuous import ContinuousTime
from l2ssm.errors import OptionError
from l2ssm.options import integer
from l2ssm.parametrizations.lti import LTI, read_after_update
from l2ssm.parametrizations.s4d_init import Complex
from l2ssm.parametrizations.sampling import (
    DISCRETIZATIONS,
    check_choice,
    continuous_poles,
    log_uniform_steps,
    step_size,
)
from l2ssm.scan import lti_scan
from l2ssm.scan.contract import Readout, check_readout
from l2ssm.systems.hippo import legs
from l2ssm.systems.nplr import dplr_half

C_INITS = ("basis", "lecun_normal", "complex_normal")


class S5(ContinuousTime, DiagonalCell):
    """x' = diag(Lam) x + B u, mode n sampled with step_n, y = 2 Re(C x) + D u; the modes start as HiPPO-N blocks.

    Re Lam = -exp(log_decay): stable for every parameter value, where the reference clips on request.

    Args:
        n_u, n_x, n_y: sizes; n_x complex states, one of each conjugate pair.
        blocks: the initial modes are those of `blocks` equal LegS systems of 2 n_x / blocks states.
        discretization: "zoh" or "bilinear".
        readout: "pre": y[k] reads x[k]; "post": x[k+1], as in the reference.
        step_min, step_max: range of the initial steps, log-uniform, one a mode.
        C_init: "basis": normal numbers in the coordinates of HiPPO, each row of expected square norm 1 (the reference's
            "trunc_standard_normal", not truncated); "lecun_normal": the whole of C of that norm; "complex_normal":
            of variance 1, for the modes.
        generator: source of randomness.

    Raises:
        OptionError: blocks does not divide n_x, or an option out of range.
    """

    def __init__(
        self,
        n_u: int,
        n_x: int,
        n_y: int,
        *,
        blocks: int = 1,
        discretization: str = "zoh",
        readout: Readout = "pre",
        step_min: float = 1e-3,
        step_max: float = 1e-1,
        C_init: str = "basis",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(n_u, n_x, n_y)
        check_readout(readout)
        check_choice("C_init", C_init, C_INITS)
        self.discretization = check_choice("discretization", discretization, tuple(DISCRETIZATIONS))
        self.readout = readout
        Lam, V = hippo_blocks(n_x, blocks)
        basis = torch.tensor(V)
        self.log_decay = nn.Parameter(torch.tensor(np.log(-Lam.real)).float())
        self.frequency = nn.Parameter(torch.tensor(Lam.imag).float())
        steps = log_uniform_steps(n_x, shortest=step_min, longest=step_max, generator=generator)
        self.log_step = nn.Parameter(steps.float())
        std = (2 * n_x) ** -0.5
        B = basis.mH @ (std * torch.randn(2 * n_x, n_u, generator=generator)).to(basis.dtype)
        self.B_ri = nn.Parameter(torch.view_as_real(B.resolve_conj()).float())
        if C_init != "complex_normal":
            size = std if C_init == "basis" else std * n_y**-0.5
            pair = size * torch.randn(n_y, 2 * n_x, 2, generator=generator, dtype=torch.float64)
            self.C_ri = nn.Parameter(torch.view_as_real(torch.view_as_complex(pair) @ basis).float())
        else:
            self.C_ri = complex_parameter(n_y, n_x, std=1.0, generator=generator)
        self.D = nn.Parameter(torch.randn(n_y, 1, generator=generator) * torch.eye(n_y, n_u))

    def system(self) -> LTI:
        """The map theta -> (lam, B, C, D)."""
        Lam = continuous_poles(self.log_decay, self.frequency)
        lam, scale = DISCRETIZATIONS[self.discretization](Lam, step_size(self.log_step))
        B, C = torch.view_as_complex(self.B_ri), 2 * torch.view_as_complex(self.C_ri)
        system = LTI(lam, scale[:, None] * B, C, self.D)
        return system if self.readout == "pre" else read_after_update(system)


class S5Bidirectional(nn.Module):
    """y = (S5 of u) + 2 Re(C2 x_b), x_b[k] = lam x_b[k+1] + B u[k]: the same modes run over the future too.

    For labels of whole records. It is not causal, so it is no `Cell`: it has no state to carry on and no realization.

    Args:
        n_u, n_x, n_y: as of `S5`.
        generator: source of randomness.
        options: keyword-only options of `S5`; `readout` is "post", in both directions.
    """

    def __init__(
        self, n_u: int, n_x: int, n_y: int, *, generator: torch.Generator | None = None, **options: Any
    ) -> None:
        super().__init__()
        self.forwards = S5(n_u, n_x, n_y, readout="post", generator=generator, **options)
        self.C2_ri = nn.Parameter(S5(n_u, n_x, n_y, generator=generator, **options).C_ri.detach())

    def forward(self, u: Tensor) -> Tensor:
        """y (batch, time, n_y) of u (batch, time, n_u); u[k] enters y[k] in both directions.

        Args:
            u: (batch, time, n_u) inputs.
        """
        lam, B, _, _ = self.forwards.system()
        C = 2 * torch.view_as_complex(self.C2_ri)
        y, _ = lti_scan(u.flip(1), lam, B, C, readout="post")
        return self.forwards(u)[0] + y.flip(1)


def hippo_blocks(n_x: int, blocks: int) -> tuple[Complex, Complex]:
    """(Lam (n_x,), V (2 n_x, n_x)): the modes with Im Lam < 0 of `blocks` equal systems A + P P' of LegS, their basis.

    Raises:
        OptionError: blocks does not divide n_x.
    """
    if n_x % integer("blocks", blocks, 1):
        raise OptionError(f"blocks is {blocks}, expected a divisor of n_x = {n_x}")
    one = dplr_half(legs(2 * n_x // blocks))
    return np.tile(one.Lam, blocks), np.kron(np.eye(blocks), one.V).astype(np.complex128)
