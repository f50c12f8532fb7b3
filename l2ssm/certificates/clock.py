"""A time limit that a long search keeps."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from l2ssm.errors import SolverError


@dataclass(frozen=True)
class Clock:
    """Counts from its creation.

    Attributes:
        limit: seconds.
    """

    limit: float
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since the creation."""
        return time.monotonic() - self.began

    def check(self) -> None:
        """SolverError once the time is over."""
        if self.seconds > self.limit:
            raise SolverError(f"the time limit of {self.limit:g} s is over")
