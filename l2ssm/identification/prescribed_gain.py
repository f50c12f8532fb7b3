"""A prescribed gain while a model is trained.

fixed       the gain is gamma throughout;
scheduled   it falls geometrically from `start` to gamma in the first half of the steps: easy first, then tight;
learned     it is a parameter that starts at gamma, and penalty * log(gamma) is added to the mean squared error.

In the series scaffold the bound holds by construction at every step. In the others `HeldGain` multiplies the output by
what a certificate leaves; `scale_to_gain` has the last word.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from l2ssm.cells.gain import geometric_schedule
from l2ssm.errors import OptionError
from l2ssm.identification.held_gain import EVERY, HeldGain
from l2ssm.networks.deep import DeepSSM
from l2ssm.options import positive


class PrescribedGainTraining:
    """What `minimize` does to the gain of a model.

    Args:
        model: with a prescribed gain, or without: then nothing is done.
        steps: optimiser steps.
        start: gain at the first step of a schedule, or None.
        penalty: weight of log(gamma) in the loss of a learned gain, or None.

    Raises:
        OptionError: start or penalty without a gamma, both, or not > 0.
    """

    def __init__(self, model: DeepSSM, steps: int, start: float | None = None, penalty: float | None = None) -> None:
        if model.gamma is None and not (start is None and penalty is None):
            raise OptionError("gamma_start and gain_penalty need gamma")
        if start is not None and penalty is not None:
            raise OptionError("gamma_start schedules gamma and gain_penalty learns it: give one of them")
        self.model, self.final = model, model.gamma
        self.penalty = None if penalty is None else positive("gain_penalty", penalty)
        self.schedule: list[float] = []
        if start is not None and self.final is not None:
            self.schedule = geometric_schedule(positive("gamma_start", start, "gain"), self.final, math.ceil(steps / 2))
        self.held: HeldGain | None = None

    @torch.no_grad()
    def start(self) -> float:
        """What is left of the parameters that training starts from: 1, or the factor that holds a free network."""
        if self.model.gain is None or self.model.scaffold == "series":
            return 1.0
        self.held = self.model.hold = HeldGain(self.model)
        self.before_validation()
        return float(self.held())

    def before_step(self, step: int) -> None:
        """The gain of this step (1, 2, ...)."""
        if self.model.gain is not None and step <= len(self.schedule):
            self.model.gain.prescribe(self.schedule[step - 1])
        if self.held is not None:
            self.held.training = True
            if step % EVERY == 0:
                self.held.follow()

    def loss(self) -> Tensor | float:
        """What a learned gain costs."""
        if self.penalty is None or self.model.gain is None:
            return 0.0
        return self.penalty * torch.log(self.model.gain())

    def before_validation(self) -> None:
        """The gain that the model will have in the end, so that this is what is validated and kept."""
        if self.schedule and self.model.gain is not None and self.final is not None:
            self.model.gain.prescribe(self.final)
        if self.held is not None:
            self.held.training = False
            self.held.search()

    @torch.no_grad()
    def finish(self) -> None:
        """The factor of the output becomes a number; the parameters are those that are kept."""
        if self.held is not None:
            self.before_validation()
            factor = float(self.held())
            self.model.held_at(factor if factor > 0 else 1.0)
