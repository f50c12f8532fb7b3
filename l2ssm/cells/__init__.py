"""The recurrent layers by name: each a file, a row here, and with that a member of every conformance test."""

from __future__ import annotations

from collections.abc import Callable

from l2ssm.cells.base import DiagonalCell
from l2ssm.cells.bounded import Bounded
from l2ssm.cells.lru import LRU

CELLS: dict[str, Callable[..., DiagonalCell]] = {"lru": LRU, "bounded": Bounded}
BOUNDED_CELLS: dict[str, Callable[..., DiagonalCell]] = {"bounded": Bounded}  # those that take a prescribed gain

__all__ = ["BOUNDED_CELLS", "CELLS", "LRU", "Bounded", "DiagonalCell"]
