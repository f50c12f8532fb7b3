"""`TailAverage`: the mean of the parameters over the last steps, nearer the middle of a valley than any of them.

Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control Optim. 30(4),
1992; Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class TailAverage:
    """mean <- mean + (parameters - mean) / count after each step of the last share of them.

    Args:
        module: whose parameters are averaged.
        steps: of the training.
        share: of the steps, the last ones, in [0, 1]; 0: no average.
    """

    def __init__(self, module: nn.Module, steps: int, share: float) -> None:
        self.module, self.before = module, steps - round(share * steps)
        self.mean: dict[str, Tensor] = {}

    @torch.no_grad()
    def add(self, step: int) -> None:
        """The parameters after this step (1, 2, ...)."""
        count = step - self.before
        for name, parameter in self.module.named_parameters() if count > 0 else ():
            if count == 1:
                self.mean[name] = parameter.detach().clone()
            else:
                self.mean[name].lerp_(parameter, 1 / count)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside the block the module has the mean, afterwards what it had."""
        before = copy.deepcopy(self.module.state_dict())
        self.module.load_state_dict(before | self.mean)
        try:
            yield
        finally:
            self.module.load_state_dict(before)
