"""`Cell`: a layer that is a linear time-invariant system, trained through the scan; A diagonal complex or dense real.

The state of every cell is (batch, n_x) complex, 2 n_x real numbers, so that a model holds the states of all its cells
in one tensor. A dense cell of 2 n_x real states (x_1, x_2, ...) shows them as x_1 + j x_2, x_3 + j x_4, ...
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from l2ssm.errors import OptionError, RealizationError
from l2ssm.parametrizations.lti import LTI, DenseLTI
from l2ssm.parametrizations.stable import ring_of, time_constants
from l2ssm.scan import dense_scan, lti_scan, step
from l2ssm.systems.state_space import StateSpace

SET_BY_START = ("initial_poles", "slowest", "generator")


class Cell(nn.Module, ABC):
    """y = G u for a linear system G; subclasses own its parameters.

    Args:
        n_u: inputs.
        n_x: complex states (2 n_x real ones).
        n_y: outputs.

    Raises:
        OptionError: a size that is not a positive integer.
    """

    def __init__(self, n_u: int, n_x: int, n_y: int) -> None:
        super().__init__()
        for name, size in (("n_u", n_u), ("n_x", n_x), ("n_y", n_y)):
            if not (isinstance(size, int) and size > 0):
                raise OptionError(f"{name} is {size!r}, expected an integer >= 1")
        self.n_u, self.n_x, self.n_y = n_u, n_x, n_y

    @classmethod
    def start(
        cls,
        n_u: int,
        n_x: int,
        n_y: int,
        *,
        slowest: float,
        generator: torch.Generator | None = None,
        ring: Mapping[str, float] | None = None,
        **options: Any,
    ) -> Cell:
        """A cell at the beginning of a fit: its longest time constant is about `slowest` samples.

        Args:
            n_u, n_x, n_y: sizes, as in the constructor.
            slowest: longest initial time constant in samples.
            generator: source of randomness.
            ring: instead of slowest, the arguments of `stable.ring`, or those of `stable.sampled_ring`: time constants
                in seconds, frequencies in hertz and the sample time.
            options: keyword-only options of the cell.

        Raises:
            OptionError: an option that the cell does not have, or a ring that is neither.
        """
        check_options(cls, options, "ring")
        if ring is None:
            initial = time_constants(n_x, shortest=2.0, longest=max(slowest, 4.0), generator=generator)
        else:
            initial = ring_of(n_x, ring, generator=generator)
        return cls(n_u, n_x, n_y, initial_poles=initial, generator=generator, **options)  # type: ignore[call-arg]

    @abstractmethod
    def forward(self, u: Tensor, x0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(y (batch, time, n_y), x_end (batch, n_x) complex) of u (batch, time, n_u) from x0 (batch, n_x) complex.

        Args:
            u: (batch, time, n_u) inputs.
            x0: (batch, n_x) complex state before the first sample; zero if None.
        """

    @abstractmethod
    def stepper(self) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """The recurrence for real time: a function (u[k] (batch, n_u), x[k]) -> (y[k], x[k+1]) of fixed numbers."""

    @torch.no_grad()
    def realization(self, dt: float = 1.0) -> StateSpace:
        """The numbers `forward` uses, exactly, as a real float64 system of 2 n_x states (Re x_1, Im x_1, Re x_2, ...).

        Args:
            dt: sampling time in seconds.

        Raises:
            RealizationError: a parameter is NaN or infinite.
        """
        try:
            return self._realization(dt)
        except RealizationError as error:
            raise RealizationError(f"{type(self).__name__} has no finite realization: {error}") from None

    @abstractmethod
    def _realization(self, dt: float) -> StateSpace: ...


class DiagonalCell(Cell):
    """x[k+1] = lam x[k] + B u[k], y[k] = Re(C x[k]) + D u[k]; see `Cell`."""

    @abstractmethod
    def system(self) -> LTI:
        """The numbers (lam, B, C, D) that `forward` uses, in the dtype of the parameters."""

    def forward(self, u: Tensor, x0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(y (batch, time, n_y), x_end (batch, n_x) complex) of u (batch, time, n_u) from x0 (batch, n_x) complex."""
        lam, B, C, D = self.system()
        return lti_scan(u, lam, B, C, D, x0)

    def stepper(self) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """See `Cell.stepper`."""
        lti = self.system()
        return lambda u, x: step(x, u, *lti)

    def _realization(self, dt: float) -> StateSpace:
        lam, B, C, D = (t.cpu().numpy() for t in self.system())
        return StateSpace.from_modes(lam, B, C, D, dt)


class DenseCell(Cell):
    """x[k+1] = A x[k] + B u[k], y[k] = C x[k] + D u[k] with 2 n_x real states; see `Cell`."""

    @abstractmethod
    def system(self) -> DenseLTI:
        """The numbers (A, B, C, D) that `forward` uses, in the dtype of the parameters."""

    def forward(self, u: Tensor, x0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(y (batch, time, n_y), x_end (batch, n_x) complex) of u (batch, time, n_u) from x0 (batch, n_x) complex."""
        A, B, C, D = self.system()
        start = None if x0 is None else torch.view_as_real(x0.resolve_conj()).flatten(1)
        y, x_end = dense_scan(u, A, B, C, D, start)
        return y, torch.view_as_complex(x_end.unflatten(1, (self.n_x, 2)).contiguous())

    def stepper(self) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """See `Cell.stepper`."""
        A, B, C, D = self.system()

        def update(u: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
            state = torch.view_as_real(x.resolve_conj()).flatten(1)
            after = (state @ A.mT + u @ B.mT).unflatten(1, (self.n_x, 2))
            return state @ C.mT + u @ D.mT, torch.view_as_complex(after)

        return update

    def _realization(self, dt: float) -> StateSpace:
        A, B, C, D = (t.double().cpu().numpy() for t in self.system())
        return StateSpace(A, B, C, D, dt)


def options_of(cell: type[nn.Module]) -> list[str]:
    """The keyword-only options of a cell."""
    parameters = inspect.signature(cell).parameters.values()
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in SET_BY_START]


def check_options(cell: type[nn.Module], options: Mapping[str, Any], *of_start: str) -> None:
    """OptionError for what is neither a keyword-only option of the cell nor one of its `start`."""
    known = (*options_of(cell), *of_start)
    for name in options:
        if name not in known:
            raise OptionError(f"{cell.__name__} has no option {name!r}; it has {', '.join(known)}")


def complex_parameter(*shape: int, std: float, generator: torch.Generator | None = None) -> nn.Parameter:
    """A complex matrix as a real (..., 2) parameter, E |entry|^2 = std^2."""
    return nn.Parameter(torch.randn(*shape, 2, generator=generator) * (std * 0.5**0.5))


def complex_double(pair: Tensor) -> Tensor:
    """A (..., 2) parameter as complex128."""
    return torch.view_as_complex(pair.double())


def real_pair(M: NDArray[np.complex128]) -> Tensor:
    """A complex matrix as the (..., 2) numbers of a parameter, float64."""
    return torch.view_as_real(torch.tensor(M, dtype=torch.complex128))


def in_dtype(lti: LTI, dtype: torch.dtype) -> LTI:
    """The system in a real dtype and its complex partner."""
    return LTI(*(v.to(dtype.to_complex() if v.is_complex() else dtype) for v in lti))
