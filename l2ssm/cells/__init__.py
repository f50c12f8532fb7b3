"""The recurrent layers by name: each a file, a row here, and with that a member of every conformance test."""

from __future__ import annotations

from typing import Any

from l2ssm.cells.base import Cell, DenseCell, DiagonalCell
from l2ssm.cells.bounded import Bounded
from l2ssm.cells.bounded_clocked import BoundedClocked
from l2ssm.cells.bounded_selective import BoundedSelective
from l2ssm.cells.contraction import Contraction, ContractionDense
from l2ssm.cells.gain import BoundedCell
from l2ssm.cells.l2ru import L2RU
from l2ssm.cells.l2ru_diagonal import L2RUDiagonal
from l2ssm.cells.lag import Lag
from l2ssm.cells.lag_selective import SelectiveLag
from l2ssm.cells.lru import LRU
from l2ssm.cells.rglru import RGLRU
from l2ssm.cells.s4 import S4
from l2ssm.cells.s4d import S4D
from l2ssm.cells.s5 import S5, S5Bidirectional
from l2ssm.cells.s6 import S6
from l2ssm.cells.selective import SelectiveCell

BOUNDED_CELLS: dict[str, type[BoundedCell]] = {  # those that take a prescribed gain
    "bounded": Bounded,
    "l2ru_diagonal": L2RUDiagonal,
    "contraction": Contraction,
    "contraction_dense": ContractionDense,
    "l2ru": L2RU,
}
CELLS: dict[str, type[Any]] = {"lru": LRU, "s4": S4, "s4d": S4D, "s5": S5, "lag": Lag, **BOUNDED_CELLS}
SELECTIVE_CELLS: dict[str, type[SelectiveCell]] = {  # not linear: the input chooses their coefficients
    "s6": S6,
    "rglru": RGLRU,
    "bounded_selective": BoundedSelective,
    "bounded_clocked": BoundedClocked,
    "lag_selective": SelectiveLag,
}
BOUNDED_FROM_REST: dict[str, type[SelectiveCell]] = {  # those that take a prescribed gain from rest
    "bounded_selective": BoundedSelective,
    "bounded_clocked": BoundedClocked,
}

__all__ = [
    "BOUNDED_CELLS",
    "BOUNDED_FROM_REST",
    "CELLS",
    "L2RU",
    "LRU",
    "RGLRU",
    "S4",
    "S4D",
    "S5",
    "S6",
    "SELECTIVE_CELLS",
    "Bounded",
    "BoundedCell",
    "BoundedClocked",
    "BoundedSelective",
    "Cell",
    "Contraction",
    "ContractionDense",
    "DenseCell",
    "DiagonalCell",
    "L2RUDiagonal",
    "Lag",
    "S5Bidirectional",
    "SelectiveCell",
    "SelectiveLag",
]
