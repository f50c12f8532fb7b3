"""A selective diagonal cell whose gain stays below gamma for every parameter value and whatever chooses its steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from l2ssm.cells.base import check_options, complex_double, complex_parameter, real_pair
from l2ssm.cells.diagonal_storage import assert_contraction, modal_contraction
from l2ssm.cells.gain import PrescribedGain, check_through
from l2ssm.cells.linear_start import assert_gain_below, decay_and_phase, modes_of_any, state_count
from l2ssm.cells.selective import DiagonalSelective
from l2ssm.parametrizations.contraction import shrink
from l2ssm.parametrizations.selective import initial_steering, lossless
from l2ssm.parametrizations.spectral import ROUNDING
from l2ssm.parametrizations.stable import decay, time_constants
from l2ssm.systems.contractive_cores import LosslessCore
from l2ssm.systems.layer import Layer
from l2ssm.systems.selective import Selective
from l2ssm.systems.state_space import StateSpace

UNIT_STEP = float(np.log(np.e - 1))  # softplus of it is 1


class BoundedSelective(DiagonalSelective):
    """x+ = lam x + s w, v = s x - conj(lam) w, w = W u, y = Re(C v) + D u, with sum |y|^2 <= gamma^2 sum |u|^2.

    lam = exp(-step (rate - j frequency)) and s = sqrt(1 - |lam|^2) with step = softplus(S u + b): every mode decides at
    every sample how much it forgets, which is how much it takes in. [[lam, s], [s, -conj(lam)]] is unitary, so
    |x+|^2 + |v|^2 = |x|^2 + |w|^2 per mode. The constant [[0, W], [C, D]] is divided by its norm where that is
    above 1, which makes |w|^2 + |y|^2 <= |v|^2 + |u|^2 (up to gamma). The sum of both: V(x) = |x|^2 is a storage.

    A weight of V per mode is nothing new: it only changes W and C. With S = 0 the cell is a linear system, and every
    linear system that has a storage function diagonal in its modes is one of these, exactly: `from_state_space`.

    Args:
        n_u, n_x, n_y: sizes, see `Cell`.
        initial_poles: (nu, theta), each (n_x,).
        gamma: prescribed gain, > 0.
        learn_gamma: whether gamma is a parameter; it stays positive.
        through: initial direct term D = through * gamma * I, in [0, 1).
        selectivity: standard deviation of the initial S u for u of unit variance.
        generator: source of randomness.

    Raises:
        OptionError: gamma is not a finite number > 0, or through or selectivity out of range.
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
        through: float = 0.0,
        selectivity: float = 0.3,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(n_u, n_y, states=n_x, real=False)
        self.gain = PrescribedGain(gamma, learned=learn_gamma)
        check_through(through)
        self.nu, self.theta = (nn.Parameter(v.float()) for v in initial_poles)
        self.S = nn.Parameter(initial_steering(n_x, n_u, selectivity, generator=generator))
        self.step_bias = nn.Parameter(torch.full((n_x,), UNIT_STEP))
        self.W_ri = complex_parameter(n_x, n_u, std=0.7 / (n_x**0.5 + n_u**0.5), generator=generator)
        self.C_ri = complex_parameter(n_y, n_x, std=0.7 / (n_x**0.5 + n_y**0.5), generator=generator)
        self.D = nn.Parameter(through * torch.eye(n_y, n_u))

    @classmethod
    def start(
        cls, n_u: int, n_x: int, n_y: int, *, slowest: float, generator: torch.Generator | None = None, **options: Any
    ) -> BoundedSelective:
        """See `Cell.start`."""
        check_options(cls, options)
        poles = time_constants(n_x, shortest=2.0, longest=max(slowest, 4.0), generator=generator)
        return cls(n_u, n_x, n_y, initial_poles=poles, generator=generator, **options)

    @property
    def gamma(self) -> float:
        """The prescribed gain."""
        return self.gain.value

    def maps(self) -> tuple[Tensor, Tensor, Tensor]:
        """(W, C, D) of a contraction times gamma, evaluated in float64: complex, complex, real."""
        W, C, D = complex_double(self.W_ri), complex_double(self.C_ri), self.D.double()
        K = torch.cat([torch.cat([C.real, -C.imag, D], 1), nn.functional.pad(real_rows(W), (2 * self.n_x, 0))])
        f = shrink(K, ROUNDING[self.D.dtype], 0.0)
        return f * W, self.gain() * f * C, self.gain() * f * D

    def coefficients(self, u: Tensor, resets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `DiagonalSelective.coefficients`."""
        lam, s, w = self._modes(u)
        if resets is not None:
            lam = torch.where(resets[..., None], torch.zeros_like(lam), lam)
        return lam, s * w

    def read(self, u: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """See `DiagonalSelective.read`."""
        lam, s, w = self._modes(u)
        _, C, D = (M.to(lam.dtype if M.is_complex() else u.dtype) for M in self.maps())
        return ((s * before - lam.conj() * w) @ C.mT).real + u @ D.mT

    def _modes(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        lam, s = lossless(functional.softplus(u @ self.S.mT + self.step_bias), decay(self.nu), self.theta)
        W = self.maps()[0].to(lam.dtype)
        return lam, s, u.to(lam.dtype) @ W.mT

    @torch.no_grad()
    def frozen(self) -> Layer:
        """See `SelectiveCell.frozen`."""
        W, C, D = self.maps()
        dtype = self.D.dtype
        core = LosslessCore(decay(self.nu).double().cpu().numpy(), self.theta.double().cpu().numpy())
        numbers = self.S, self.step_bias, real_rows(W), torch.cat([C.real, -C.imag], 1), D
        return Selective(core, *(M.to(dtype).double().cpu().numpy() for M in numbers))

    @classmethod
    @torch.no_grad()
    def from_state_space(cls, G: StateSpace, gamma: float, *, n_x: int | None = None) -> BoundedSelective:
        """A float64 cell with constant coefficients that is G, exactly up to rounding.

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
        cell.nu.copy_(nu)
        cell.theta.copy_(theta)
        for parameter in (cell.S, cell.W_ri, cell.C_ri):
            parameter.zero_()
        cell.step_bias.fill_(UNIT_STEP)
        s2 = -np.expm1(-2 * decay(nu[:n]).numpy())
        B, C = k[:, None] * modes.B / gamma, modes.C / k
        cell.W_ri[:n] = real_pair(B / np.sqrt(s2)[:, None])
        cell.C_ri[:, :n] = real_pair(C / np.sqrt(s2))
        cell.D.copy_(torch.tensor(modes.D / gamma + (C @ ((modes.lam.conj() / s2)[:, None] * B)).real))
        return cell


def real_rows(W: Tensor) -> Tensor:
    """[Re W; Im W]."""
    return torch.cat([W.real, W.imag])
