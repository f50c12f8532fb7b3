"""`Range` and `Proposals`: where to search for options, and what Optuna proposes there. No torch.

Source: Bergstra, Bardenet, Bengio and Kegl, "Algorithms for hyper-parameter optimization", NeurIPS 2011 (the sampler,
Optuna's TPE).
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from l2ssm.errors import OptionError

INSTALL = "tune needs Optuna: pip install l2ssm[tune]"
SEEDS = 2**32  # of the sampler


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, both included: integers where both are, else floats.

    Args:
        low, high: finite, low below high.
        log: whether to draw them by their logarithm; low is above 0 then.

    Raises:
        OptionError: no such range.

    >>> Range(1e-3, 1e-1, log=True)
    Range(low=0.001, high=0.1, log=True)
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        for end in (self.low, self.high):
            if not isinstance(end, numbers.Real) or isinstance(end, bool) or not math.isfinite(end):
                raise OptionError(f"{self} has no number as one of its ends")
        if not self.low < self.high or (self.log and not self.low > 0):
            raise OptionError(f"{self} is no range, expected low < high, and 0 < low where it is logarithmic")

    @property
    def whole(self) -> bool:
        """Whether it holds integers only."""
        return isinstance(self.low, numbers.Integral) and isinstance(self.high, numbers.Integral)


class Proposals:
    """Options proposed by Optuna's seeded TPE, which learns from the losses it is told; nothing is kept on disk.

    The same space, seed and version of Optuna propose the same, asked for as many at a time and told the same.

    Args:
        space: by the names of options a `Range`, or a list of values to choose among; their order does not matter.
        seed: of the sampler.

    Raises:
        OptionError: Optuna is not installed.
    """

    def __init__(self, space: Mapping[str, Range | Sequence[Any]], seed: int) -> None:
        try:
            import optuna
        except ImportError:
            raise OptionError(INSTALL) from None
        self._optuna = optuna
        self._choices = {name: one for name, one in space.items() if not isinstance(one, Range)}
        self._distributions = {name: self._distribution(space[name]) for name in sorted(space)}
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # or every study is announced on standard error
        try:
            self._study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed % SEEDS))
        finally:
            optuna.logging.set_verbosity(verbosity)
        self._asked: list[Any] = []

    def _distribution(self, one: Range | Sequence[Any]) -> Any:
        """Of values it is that of their indices: Optuna takes no lists and dicts as choices."""
        kinds = self._optuna.distributions
        if not isinstance(one, Range):
            return kinds.CategoricalDistribution(range(len(one)))
        if one.whole:
            return kinds.IntDistribution(int(one.low), int(one.high), log=one.log)
        return kinds.FloatDistribution(float(one.low), float(one.high), log=one.log)

    def ask(self, count: int) -> list[dict[str, Any]]:
        """So many proposals, none of which knows the losses of the others; `tell` them before the next are asked.

        Args:
            count: how many.
        """
        self._asked = [self._study.ask(self._distributions) for _ in range(count)]
        return [
            {name: self._choices[name][value] if name in self._choices else value for name, value in one.params.items()}
            for one in self._asked
        ]

    def tell(self, losses: Sequence[float]) -> None:
        """What came of the proposals asked last, in their order.

        Args:
            losses: the smaller the better; what is not finite is a failure.
        """
        for one, loss in zip(self._asked, losses, strict=True):
            if math.isfinite(loss):
                self._study.tell(one, loss)
            else:
                self._study.tell(one, state=self._optuna.trial.TrialState.FAIL)
