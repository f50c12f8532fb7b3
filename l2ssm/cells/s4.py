"""S4: a bank of diagonal-plus-low-rank systems, one per channel: HiPPO itself, not only its normal part.

Three ways to the same output: a convolution (training), O(n) updates (real time), and the dense matrices (analysis).

Source: Gu, Goel, Re, "Efficiently modeling long sequences with structured state spaces" (2022).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import Tensor, nn

from l2ssm.cells.base import Cell, complex_parameter, real_pair
from l2ssm.cells.continuous import ContinuousTime, channels
from l2ssm.options import integer
from l2ssm.parametrizations import dplr
from l2ssm.parametrizations.dplr import DPLR
from l2ssm.parametrizations.dplr_kernel import kernel
from l2ssm.parametrizations.sampling import check_choice, continuous_poles, log_uniform_steps, step_size
from l2ssm.parametrizations.stable import DECAY_MIN
from l2ssm.scan.contract import Readout, check_readout
from l2ssm.systems.hippo import Hippo, fout, lagt, legs, legt
from l2ssm.systems.nplr import dplr_half
from l2ssm.systems.state_space import StateSpace

MEASURES: dict[str, Callable[[int], Hippo]] = {"legs": legs, "legt": legt, "lagt": lagt, "fout": fout}
LEAST_DECAY = 1e-4  # initial -Re Lam where a measure has none (all but legs), as in the reference
SHORT = 8  # samples up to which a sequence is run update by update


class S4(ContinuousTime):
    """Channel h: x' = (diag(Lam) - P P*) x + B u_h by the trapezoidal rule, y_h = 2 Re(C x) + D_h u_h; n_u = n_y.

    The row that is learned is tied to a length: C (I - Ad^length), which the convolution needs. `with_length` makes the
    same cell with another one; longer sequences are run by doubling it. Stable for every parameter value, as both
    sides of the low rank are the same P.

    Args:
        n_u, n_x, n_y: channels, complex states of *each* channel (the cell has n_u n_x), channels again.
        measure: HiPPO memory to start from: "legs", "legt", "lagt" or "fout"; its time constant or window is 1 / step.
        length: samples of the convolution.
        readout: "pre": y[k] reads x[k]; "post": x[k+1], as in the reference.
        step_min, step_max: range of the initial steps, log-uniform, one a channel.
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
        measure: str = "legs",
        length: int = 1024,
        readout: Readout = "pre",
        step_min: float = 1e-3,
        step_max: float = 1e-1,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(n_u, channels(type(self), n_u, n_y) * n_x, n_y)
        check_readout(readout)
        self.readout, self.length = readout, integer("length", length, 1)
        modes = dplr_half(MEASURES[check_choice("measure", measure, tuple(MEASURES))](2 * n_x))

        def per_channel(v: Any) -> nn.Parameter:
            v = real_pair(v) if np.iscomplexobj(v) else torch.tensor(v)
            return nn.Parameter(v.expand(n_u, *v.shape).float().clone())

        self.log_decay = per_channel(np.log(np.maximum(-modes.Lam.real, LEAST_DECAY)))
        self.frequency = per_channel(modes.Lam.imag)
        self.P_ri, self.B_ri = per_channel(modes.P), per_channel(modes.B)
        steps = log_uniform_steps(n_u, shortest=step_min, longest=step_max, generator=generator)
        self.log_step = nn.Parameter(steps.float())
        self.C_ri = complex_parameter(n_u, n_x, std=1.0, generator=generator)
        self.D = nn.Parameter(torch.randn(n_u, generator=generator))
        self._tie(torch.view_as_complex(self.C_ri.detach().double()), self.length)

    @classmethod
    def start(cls, n_u: int, n_x: int, n_y: int, *, slowest: float, **options: Any) -> Cell:
        """See `Cell.start`; the convolution is four times as long as `slowest`: a window of `fit`."""
        return super().start(n_u, n_x, n_y, slowest=slowest, **{"length": max(1, round(4 * slowest))} | options)

    def continuous(self) -> DPLR:
        """(Lam, P, B, step), in the dtype of the parameters; no mode decays slower than DECAY_MIN a sample."""
        step = step_size(self.log_step)[:, None]
        Lam = continuous_poles(self.log_decay, self.frequency)
        Lam = torch.complex(torch.minimum(Lam.real, -DECAY_MIN / step), Lam.imag)
        return DPLR(Lam, torch.view_as_complex(self.P_ri), torch.view_as_complex(self.B_ri), step)

    def forward(self, u: Tensor, x0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(y (batch, time, n_y), x_end (batch, n_x) complex) of u (batch, time, n_u) from x0 (batch, n_x) complex."""
        if u.shape[1] <= SHORT:
            return self._updates(u, x0)
        return self._convolution(u, x0)

    def _convolution(self, u: Tensor, x0: Tensor | None) -> tuple[Tensor, Tensor]:
        """The whole sequence by FFT; the free response of x0 comes from the same generating function."""
        time, system = u.shape[1], self.continuous()
        r = dplr.recurrence(system)
        A = dplr.dense(r)
        tied, length = torch.view_as_complex(self.C_ri), self.length
        if time > length:
            tied, length = dplr.lengthen(tied, A, length, time)
        columns = (system.step * system.B)[:, None]
        x_end = dplr.final_state(A, r.Bd, u)
        if x0 is not None:
            start = x0.unflatten(1, system.B.shape)
            seen = dplr.half_step(system, start, -1.0 if self.readout == "pre" else 1.0)
            columns = torch.cat([columns, seen.transpose(0, 1)], dim=1)
            x_end = x_end + dplr.apply_power(A, start, time)
        responses = kernel(system.Lam, system.P, system.P, columns, tied, system.step, length)[..., :time]
        pulse = responses[:, 0]
        if self.readout == "pre":
            pulse = torch.cat([torch.zeros_like(pulse[:, :1]), pulse[:, :-1]], dim=1)
        size = next_fast_len(2 * time, real=True)
        y = torch.fft.irfft(torch.fft.rfft(pulse, size) * torch.fft.rfft(u.mT, size), size)[..., :time]
        return (y + responses[:, 1:].transpose(0, 1) if x0 is not None else y).mT + self.D * u, x_end.flatten(1)

    def _updates(self, u: Tensor, x0: Tensor | None) -> tuple[Tensor, Tensor]:
        step = self.stepper()
        x = torch.zeros(u.shape[0], self.n_x, dtype=u.dtype.to_complex(), device=u.device) if x0 is None else x0
        y = []
        for u_k in u.unbind(1):
            y_k, x = step(u_k, x)
            y.append(y_k)
        return (torch.stack(y, dim=1) if y else u), x

    def stepper(self) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """See `Cell.stepper`; an update takes O(n) per channel, setting it up the dense power of untying C."""
        r = dplr.recurrence(self.continuous())
        C = self._row().to(r.Bd.dtype)

        def step(u: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
            before = x.unflatten(1, C.shape)
            after = dplr.advance(r, before) + r.Bd * u[..., None]
            read = before if self.readout == "pre" else after
            return 2 * (C * read).real.sum(-1) + self.D * u, after.flatten(1)

        return step

    def _realization(self, dt: float) -> StateSpace:
        """Block diagonal, in float64 whatever the dtype of the parameters."""
        r = self._recurrence()
        A = torch.block_diag(*dplr.dense(r))
        B = torch.block_diag(*torch.view_as_real(r.Bd.resolve_conj()).flatten(1)[..., None])
        C, D = torch.block_diag(*dplr.real_row(self._row())[:, None]), torch.diag(self.D.double())
        if self.readout == "post":
            C, D = C @ A, D + C @ B
        A, B, C, D = (M.cpu() for M in (A, B, C, D))
        return StateSpace(A.numpy(), B.numpy(), C.numpy(), D.numpy(), dt)

    @torch.no_grad()
    def with_length(self, length: int) -> S4:
        """The same system, learned through a convolution of another length.

        Args:
            length: samples of a sequence.

        Raises:
            OptionError: length is not an integer >= 1.
        """
        cell = copy.deepcopy(self)
        cell._tie(cell._row(), integer("length", length, 1))
        return cell

    @torch.no_grad()
    def resampled(self, step_rescale: float) -> S4:
        """See `ContinuousTime.resampled`; the row C stays, what it is tied to changes.

        Args:
            step_rescale: new sampling time over the old one.
        """
        cell = super().resampled(step_rescale)
        assert isinstance(cell, S4)
        cell._tie(self._row(), self.length)
        return cell

    def _recurrence(self) -> dplr.Recurrence:
        """In float64 whatever the dtype of the parameters."""
        system = self.continuous()
        return dplr.recurrence(DPLR(*(v.to(torch.promote_types(v.dtype, torch.float64)) for v in system)))

    def _row(self) -> Tensor:
        """C (H, n) complex128."""
        tied = torch.view_as_complex(self.C_ri.double())
        return dplr.untie(tied, dplr.dense(self._recurrence()), self.length)

    @torch.no_grad()
    def _tie(self, C: Tensor, length: int) -> None:
        """Learn C (H, n) complex128 through a convolution of this length."""
        self.length = length
        tied = dplr.tie(C, dplr.dense(self._recurrence()), length)
        self.C_ri.copy_(torch.view_as_real(tied.resolve_conj()))
