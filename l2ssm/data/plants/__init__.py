"""Embedded nonlinear plants, one a file, for demos and tests: `PLANTS` lists them by name."""

from __future__ import annotations

from l2ssm.data.plants.base import Plant
from l2ssm.data.plants.cascaded_tanks import CascadedTanks
from l2ssm.data.plants.cstr import CSTR
from l2ssm.data.plants.duffing import Duffing
from l2ssm.data.plants.pendulum import Pendulum
from l2ssm.data.plants.three_tanks import ThreeTanks
from l2ssm.data.plants.van_der_pol import VanDerPol
from l2ssm.data.plants.wiener_hammerstein import WienerHammerstein

PLANTS: dict[str, type[Plant]] = {
    "cascaded_tanks": CascadedTanks,
    "three_tanks": ThreeTanks,
    "duffing": Duffing,
    "pendulum": Pendulum,
    "wiener_hammerstein": WienerHammerstein,
    "cstr": CSTR,
    "van_der_pol": VanDerPol,
}

__all__ = [
    "CSTR",
    "PLANTS",
    "CascadedTanks",
    "Duffing",
    "Pendulum",
    "Plant",
    "ThreeTanks",
    "VanDerPol",
    "WienerHammerstein",
]
