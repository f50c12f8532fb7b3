"""`ContinuousTime`: cells whose parameters are a continuous-time system and a step, and run at any sample time."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import nn

from l2ssm.cells.base import Cell, check_options
from l2ssm.errors import OptionError
from l2ssm.options import positive

SHORTEST = 0.1  # shortest initial time constant, as a fraction of the longest


class ContinuousTime(Cell):
    """x' = A x + B u sampled with steps exp(log_step), in units in which A has time constants of about 1."""

    log_step: nn.Parameter

    @classmethod
    def start(
        cls,
        n_u: int,
        n_x: int,
        n_y: int,
        *,
        slowest: float,
        generator: torch.Generator | None = None,
        **options: Any,
    ) -> Cell:
        """See `Cell.start`; the time constant of the initial modes, 2 / step, is `slowest` at the least step."""
        check_options(cls, options)
        least = 2 / max(slowest, 4.0)
        steps = {"step_min": least, "step_max": least / SHORTEST} | options
        return cls(n_u, n_x, n_y, generator=generator, **steps)  # type: ignore[call-arg]

    @torch.no_grad()
    def resampled(self, step_rescale: float) -> ContinuousTime:
        """A copy for another sample time: every step times `step_rescale` = new sample time / old one.

        Exact where the input is held over the longer of the two, the rule is "zoh" and the read-out "pre"; a "post"
        read-out looks one sample ahead, of whatever length, and "bilinear" half a sample.

        Raises:
            OptionError: step_rescale is not a finite number > 0.
        """
        cell = copy.deepcopy(self)
        cell.log_step.add_(math.log(positive("step_rescale", step_rescale)))
        return cell


def channels(cell: type[Cell], n_u: int, n_y: int) -> int:
    """The number of channels of a bank.

    Raises:
        OptionError: inputs and outputs differ in number.
    """
    if n_u != n_y:
        raise OptionError(f"{cell.__name__} is a bank of systems, one per channel: n_u = {n_u} and n_y = {n_y} differ")
    return n_u
