"""`SelectiveCell`: a layer whose recurrence depends on its input; `DiagonalSelective`: one that is elementwise.

The state is (batch, n_x) complex as that of every `Cell`; a cell with real states shows them in pairs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from l2ssm.options import integer
from l2ssm.scan import diag_scan
from l2ssm.systems.layer import Layer


class SelectiveCell(nn.Module, ABC):
    """A causal map whose coefficients the input chooses.

    Attributes:
        n_u, n_x, n_y: inputs, complex states, outputs.
    """

    n_u: int
    n_x: int
    n_y: int

    @classmethod
    @abstractmethod
    def start(
        cls, n_u: int, n_x: int, n_y: int, *, slowest: float, generator: torch.Generator | None = None, **options: Any
    ) -> SelectiveCell:
        """A cell at the beginning of a fit; see `Cell.start`.

        Args:
            n_u: input channels.
            n_x: states.
            n_y: output channels.
            slowest: longest time constant, in samples.
            generator: source of randomness.
            options: of the cell, by name.
        """

    @abstractmethod
    def forward(self, u: Tensor, x0: Tensor | None = None, resets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(y (batch, time, n_y), x_end (batch, n_x) complex) of u (batch, time, n_u) from x0 (batch, n_x) complex.

        Args:
            u: inputs.
            x0: state before the first sample; zero if None.
            resets: (batch, time) booleans, true where a new record begins: the state before it does not count.
        """

    @abstractmethod
    def stepper(self) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """The recurrence for real time: a function (u[k] (batch, n_u), x[k]) -> (y[k], x[k+1])."""

    @abstractmethod
    def frozen(self) -> Layer:
        """The same map as explicit float64 numbers."""


class DiagonalSelective(SelectiveCell):
    """x[k+1] = a x[k] + b, y[k] = read(u[k], x[k], x[k+1]) with (a, b) = coefficients(u[k]).

    Args:
        n_u, n_y: inputs, outputs.
        states: entries of x.
        real: whether x is real; then n_x = (states + 1) // 2, and an odd one out is 0.

    Raises:
        OptionError: a size that is not an integer >= 1.
    """

    def __init__(self, n_u: int, n_y: int, *, states: int, real: bool) -> None:
        super().__init__()
        self.n_u, self.n_y = integer("n_u", n_u, 1), integer("n_y", n_y, 1)
        self.states, self.real = integer("n_x", states, 1), real
        self.n_x = (states + 1) // 2 if real else states

    @abstractmethod
    def coefficients(self, u: Tensor, resets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(a, b), each (batch, time, states), of u (batch, time, n_u); a = 0 where `resets` (batch, time) is true.

        Args:
            u: (batch, time, n_u) inputs.
            resets: (batch, time) booleans, true where a new record begins.
        """

    @abstractmethod
    def read(self, u: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """y (batch, time, n_y) from the input and the states x[k] and x[k+1] (batch, time, states).

        Args:
            u: (batch, time, n_u) inputs.
            before: states x[k].
            after: states x[k+1].
        """

    def forward(self, u: Tensor, x0: Tensor | None = None, resets: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `SelectiveCell.forward`."""
        a, b = self.coefficients(u, resets)
        x = diag_scan(a, b, None if x0 is None else self._unpacked(x0))
        before = x[:, :-1] if resets is None else torch.where(resets[..., None], torch.zeros_like(b), x[:, :-1])
        return self.read(u, before, x[:, 1:]), self._packed(x[:, -1])

    def stepper(self) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """See `SelectiveCell.stepper`."""

        def update(u: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
            before = self._unpacked(x)[:, None]
            a, b = self.coefficients(u[:, None])
            after = a * before + b
            return self.read(u[:, None], before, after)[:, 0], self._packed(after[:, 0])

        return update

    def _unpacked(self, x: Tensor) -> Tensor:
        return real_states(x)[:, : self.states] if self.real else x

    def _packed(self, x: Tensor) -> Tensor:
        return complex_states(x) if self.real else x


def real_states(x: Tensor) -> Tensor:
    """(batch, 2 n) real numbers of a state (batch, n) complex."""
    return torch.view_as_real(x.resolve_conj()).flatten(1)


def complex_states(x: Tensor) -> Tensor:
    """(batch, (n + 1) // 2) complex of n real numbers a row, with a 0 where n is odd."""
    return torch.view_as_complex(nn.functional.pad(x, (0, x.shape[1] % 2)).unflatten(1, (-1, 2)).contiguous())
