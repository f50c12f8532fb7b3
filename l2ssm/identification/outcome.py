"""`Progress` and `Outcome`: what training reports at each validation and in the end."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

INTERRUPTED = "interrupted at step"  # the reason after Ctrl-C
BUDGET = "the budget of"  # where the minutes are spent
ALL_STEPS = "all steps done"  # where nothing ended the training before


@dataclass(frozen=True)
class Progress:
    """What is reported at each validation: step, losses (mean squared errors in standardised units, or what else
    the fit minimises), seconds, gain.

    The gain is one that was proved, None where a monitor was not asked or proved none.
    """

    step: int
    steps: int
    train_mse: float
    valid_mse: float
    seconds: float
    gain: float | None = None


@dataclass
class Outcome:
    """The best step, why the loop ended, whether an average of parameters was kept, and what happened on the way."""

    best_step: int = 0
    best_mse: float = math.inf
    reason: str = ALL_STEPS
    rollbacks: int = 0
    averaged: bool = False
    history: list[Progress] = field(default_factory=list)
