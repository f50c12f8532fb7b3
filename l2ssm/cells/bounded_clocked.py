"""The certified cell on a clock that the input sets: complete as that cell is, and its gain is at most gamma."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from l2ssm.cells.base import check_options, options_of
from l2ssm.cells.bounded import Bounded
from l2ssm.cells.selective import DiagonalSelective
from l2ssm.errors import OptionError
from l2ssm.parametrizations.selective import initial_steering
from l2ssm.systems.clocked import Clocked
from l2ssm.systems.layer import Layer
from l2ssm.systems.state_space import StateSpace


class BoundedClocked(DiagonalSelective):
    """The system of a `Bounded` cell, at every sample at the speed exp(S u + b): its gain is at most gamma from rest.

    `systems.clocked` has the formulas and the proof. One speed for all modes, so that they may share any storage
    function; with S = 0 and b = 0 it is the `Bounded` cell, and so any linear system of gain below gamma.

    Args:
        linear: the system.
        selectivity: standard deviation of the initial S u for u of unit variance.
        span: the fastest speed, and one over the slowest; >= 1.
        generator: source of randomness.

    Raises:
        OptionError: span is not a finite number >= 1, or selectivity not one >= 0.
    """

    def __init__(
        self,
        linear: Bounded,
        *,
        selectivity: float = 0.3,
        span: float = 64.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(linear.n_u, linear.n_y, states=linear.n_x, real=False)
        if not (isinstance(span, (int, float)) and 1 <= span < math.inf):
            raise OptionError(f"span is {span!r}, expected a finite number >= 1")
        self.linear, self.span = linear, float(span)
        self.S = nn.Parameter(initial_steering(1, self.n_u, selectivity, generator=generator))
        self.step_bias = nn.Parameter(torch.zeros(1))

    @classmethod
    def start(
        cls, n_u: int, n_x: int, n_y: int, *, slowest: float, generator: torch.Generator | None = None, **options: Any
    ) -> BoundedClocked:
        """See `Cell.start`; the options are those of `Bounded`, selectivity and span."""
        check_options(cls, options, "ring", *options_of(Bounded))
        own = {name: options.pop(name) for name in options_of(cls) if name in options}
        linear = Bounded.start(n_u, n_x, n_y, slowest=slowest, generator=generator, **options)
        assert isinstance(linear, Bounded)
        return cls(linear, generator=generator, **own)

    @property
    def gamma(self) -> float:
        """The prescribed gain."""
        return self.linear.gamma

    def coefficients(self, u: Tensor, resets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `DiagonalSelective.coefficients`."""
        lam, B, _, _ = self.linear.system()
        r, e = self._clock(u, lam)
        a = e * (1 + lam) - 1
        if resets is not None:
            a = torch.where(resets[..., None], torch.zeros_like(a), a)
        return a, r * e * (u.to(B.dtype) @ B.mT)

    def read(self, u: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """See `DiagonalSelective.read`."""
        lam, B, C, D = self.linear.system()
        r, e = self._clock(u, lam)
        v = r * e * before + 0.5 * (r**2 - 1) * e * (u.to(B.dtype) @ B.mT)
        return (v @ C.mT).real + u @ D.mT

    def _clock(self, u: Tensor, lam: Tensor) -> tuple[Tensor, Tensor]:
        """(r, e), see `Clocked`."""
        limit = math.log(self.span)
        r = torch.exp(0.5 * torch.clamp(u @ self.S.mT + self.step_bias, -limit, limit))
        return r, 2 / (1 + lam + r**2 * (1 - lam))

    @torch.no_grad()
    def frozen(self) -> Layer:
        """See `SelectiveCell.frozen`."""
        lam, B, C, D = (v.cpu().numpy() for v in self.linear.system())
        S, s = (v.double().cpu().numpy() for v in (self.S, self.step_bias))
        return Clocked(lam.real, lam.imag, B.real, B.imag, C.real, C.imag, D, S, s, np.array([self.span]))

    @classmethod
    @torch.no_grad()
    def from_state_space(cls, G: StateSpace, gamma: float, *, n_x: int | None = None) -> BoundedClocked:
        """A float64 cell on a constant clock that is G, see `Bounded.from_state_space`.

        Args:
            G: the system.
            gamma: bound of its gain.
            n_x: complex states; default as many as G needs.
        """
        return cls(Bounded.from_state_space(G, gamma, n_x=n_x), selectivity=0.0).double()
