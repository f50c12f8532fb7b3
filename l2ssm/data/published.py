"""Test errors that others have published on the official benchmarks, in the unit of each benchmark, with their sources.

Free runs from u and the first n_init samples of y; of several models or runs of one method a range is given. Protocols
differ in detail between sources, and a number may be the best of several runs. `COLLECTED` says that the number was
found in comparisons of methods and its first source is not recorded here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BASELINES = "Champneys et al., Baseline results for selected nonlinear system identification benchmarks, 2405.10779"
SUBNET = "Beintema, Schoukens and Tóth, Deep subspace encoders for nonlinear system identification, 2210.14816"
SUBNET_CT = "Beintema, Schoukens and Tóth, Continuous-time identification by deep subspace encoding, 2204.09405"
DYNONET = "Forgione and Piga, dynoNet: a neural network architecture for learning dynamical systems, 2006.02250"
PEER = "Massai and Ferrari-Trecate, Free parametrization of L2-bounded state-space models, 2025"
COLLECTED = "collected"


@dataclass(frozen=True)
class Published:
    """One method.

    Attributes:
        method: its name.
        source: where the numbers are from.
        errors: "benchmark/test set" -> RMSE (three tanks: MSE) in the benchmark's unit, as text: "0.45-1.2" is a range.
    """

    method: str
    source: str
    errors: Mapping[str, str]


def _row(method: str, source: str, silverbox: str = "", wh2009: str = "", emps: str = "", tanks: str = "") -> Published:
    """A row of the usual table; silverbox: multisine, full arrow, arrow without extrapolation."""
    tests = ("multisine", "arrow_full", "arrow_no_extrapolation")
    errors = {f"silverbox/{t}": v for t, v in zip(tests, silverbox.split(), strict=False) if v != "-"}
    others = {"wh2009/test": wh2009, "emps/test": emps, "cascaded_tanks/test": tanks}
    return Published(method, source, errors | {name: value for name, value in others.items() if value})


PUBLISHED = (
    _row("linear state space", BASELINES, "6.96 14.4 6.58", "43.4", "5.53", "0.588"),
    _row("linear ARX", BASELINES, "6.95 14.2 6.59", "43.4", "12.6", "0.685"),
    _row("polynomial NARX", BASELINES, "0.640 2.25 0.571", "27.3", "5.17", "0.413"),
    _row("GRU", BASELINES, "1.49 2.80 0.947", "3.97", "220", "0.396"),
    _row("LSTM", BASELINES, "1.50 2.68 0.960", "4.45", "74.1", "0.490"),
    _row("dynoNet, baseline of 2024", COLLECTED, "1.218 5.609 1.348", "1.753", "5.011", "0.421"),
    _row("GP-NARX", BASELINES, "0.301 0.60 0.259", "23.1", "1690", "0.622"),
    _row("SUBNET, discrete", SUBNET, "0.36 1.4 0.32", "0.241", "", "0.37"),
    _row("SUBNET, continuous", SUBNET_CT, "", "", "4.61", "0.306"),
    _row("PNLSS", COLLECTED, "- 0.26", "0.42", "", "0.45"),
    _row("GRU, tuned (tsfast)", COLLECTED, "0.325 1.43 0.312", "0.58", "72.8"),
    _row("dynoNet", DYNONET, "", "0.45-1.2", "2.64"),
    _row("grey box", COLLECTED, "", "", "", "0.18-0.19"),
    _row("small LRU, 3 layers, d 5, N 5", COLLECTED, "", "25.2"),
    _row("L2RU, gain learned / fixed to 2 (standardised)", PEER, "", "", "", "0.892 / 1.365"),
    Published("RNN", PEER, {"three_tanks/test": "0.309"}),
    Published("REN", PEER, {"three_tanks/test": "0.175"}),
    Published("networked RENs", PEER, {"three_tanks/test": "0.119"}),
    Published("linear FIR(200)", COLLECTED, {"three_tanks/test": "3.84"}),
)
