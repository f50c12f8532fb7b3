"""Embedded nonlinear plants, one a file, for demos and tests: `PLANTS` lists them by name."""

from __future__ import annotations

from l2ssm.data.plants.base import Plant
from l2ssm.data.plants.cascaded_tanks import CascadedTanks

PLANTS: dict[str, type[Plant]] = {
    "cascaded_tanks": CascadedTanks,
}

__all__ = ["PLANTS", "CascadedTanks", "Plant"]
