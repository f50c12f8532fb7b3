"""l2ssm: deep state-space models for system identification, with L2 gains that are proved.

The names below are loaded when first used: `import l2ssm` itself imports nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from l2ssm.analysis import connect, plots
    from l2ssm.analysis.bla import bla, bla_of_data
    from l2ssm.analysis.compare import compare
    from l2ssm.analysis.directions import worst_direction
    from l2ssm.analysis.dissipation import dissipation
    from l2ssm.analysis.frf import frf
    from l2ssm.analysis.gain_curve import gain_curve
    from l2ssm.analysis.horizon import horizon
    from l2ssm.analysis.linearization import linearize
    from l2ssm.analysis.modes import mode_table
    from l2ssm.analysis.operators import linear_operators
    from l2ssm.analysis.residuals import residuals
    from l2ssm.analysis.summary import analyse
    from l2ssm.certificates.certificate import Certificate
    from l2ssm.certificates.compose import certify
    from l2ssm.certificates.falsify import worst_input, worst_input_table
    from l2ssm.certificates.small_gain import small_gain
    from l2ssm.certificates.tube import deviation_tube
    from l2ssm.certificates.verify import verify
    from l2ssm.data import plants, signals
    from l2ssm.data.benchmarks import benchmark
    from l2ssm.data.dataset import Dataset
    from l2ssm.data.read import read
    from l2ssm.data.record import Record
    from l2ssm.identification.certify_many import certify_many
    from l2ssm.identification.ensemble import Ensemble
    from l2ssm.identification.estimator import SSMRegressor
    from l2ssm.identification.fit import fit
    from l2ssm.identification.fit_many import fit_many
    from l2ssm.identification.fleet import Fleet
    from l2ssm.identification.initialize import initialize
    from l2ssm.identification.linear_baseline import LinearBaseline, fit_linear
    from l2ssm.identification.model import Model, load
    from l2ssm.identification.prediction import fit_noise
    from l2ssm.identification.proposals import Range
    from l2ssm.identification.reduce import reduce, verify_reduction
    from l2ssm.identification.resample import resample_model
    from l2ssm.identification.scale_to_gain import scale_to_gain
    from l2ssm.identification.sweep import sweep_gamma
    from l2ssm.identification.tune import tune
    from l2ssm.networks.freeze import freeze
    from l2ssm.report.write import write_report
    from l2ssm.systems.discretize import discretize
    from l2ssm.systems.gramian import controllability_gramian, hankel_singular_values, observability_gramian
    from l2ssm.systems.interconnection import Interconnection
    from l2ssm.systems.memory import GramMemory, HippoMemory, LagMemory
    from l2ssm.systems.orthogonal_bases import orthonormal
    from l2ssm.systems.state_space import StateSpace

__version__ = "0.1.0"

_HOME = {
    "Certificate": "l2ssm.certificates.certificate",
    "Dataset": "l2ssm.data.dataset",
    "Ensemble": "l2ssm.identification.ensemble",
    "Fleet": "l2ssm.identification.fleet",
    "GramMemory": "l2ssm.systems.memory",
    "HippoMemory": "l2ssm.systems.memory",
    "Interconnection": "l2ssm.systems.interconnection",
    "LagMemory": "l2ssm.systems.memory",
    "LinearBaseline": "l2ssm.identification.linear_baseline",
    "Model": "l2ssm.identification.model",
    "Range": "l2ssm.identification.proposals",
    "Record": "l2ssm.data.record",
    "SSMRegressor": "l2ssm.identification.estimator",
    "StateSpace": "l2ssm.systems.state_space",
    "analyse": "l2ssm.analysis.summary",
    "benchmark": "l2ssm.data.benchmarks",
    "bla": "l2ssm.analysis.bla",
    "bla_of_data": "l2ssm.analysis.bla",
    "certify": "l2ssm.certificates.compose",
    "certify_many": "l2ssm.identification.certify_many",
    "compare": "l2ssm.analysis.compare",
    "connect": "l2ssm.analysis",
    "controllability_gramian": "l2ssm.systems.gramian",
    "deviation_tube": "l2ssm.certificates.tube",
    "discretize": "l2ssm.systems.discretize",
    "dissipation": "l2ssm.analysis.dissipation",
    "fit": "l2ssm.identification.fit",
    "fit_linear": "l2ssm.identification.linear_baseline",
    "fit_many": "l2ssm.identification.fit_many",
    "fit_noise": "l2ssm.identification.prediction",
    "freeze": "l2ssm.networks.freeze",
    "frf": "l2ssm.analysis.frf",
    "gain_curve": "l2ssm.analysis.gain_curve",
    "hankel_singular_values": "l2ssm.systems.gramian",
    "horizon": "l2ssm.analysis.horizon",
    "initialize": "l2ssm.identification.initialize",
    "linear_operators": "l2ssm.analysis.operators",
    "linearize": "l2ssm.analysis.linearization",
    "load": "l2ssm.identification.model",
    "mode_table": "l2ssm.analysis.modes",
    "observability_gramian": "l2ssm.systems.gramian",
    "orthonormal": "l2ssm.systems.orthogonal_bases",
    "plants": "l2ssm.data",
    "plots": "l2ssm.analysis",
    "read": "l2ssm.data.read",
    "reduce": "l2ssm.identification.reduce",
    "resample_model": "l2ssm.identification.resample",
    "residuals": "l2ssm.analysis.residuals",
    "scale_to_gain": "l2ssm.identification.scale_to_gain",
    "signals": "l2ssm.data",
    "small_gain": "l2ssm.certificates.small_gain",
    "sweep_gamma": "l2ssm.identification.sweep",
    "tune": "l2ssm.identification.tune",
    "verify": "l2ssm.certificates.verify",
    "verify_reduction": "l2ssm.identification.reduce",
    "worst_direction": "l2ssm.analysis.directions",
    "worst_input": "l2ssm.certificates.falsify",
    "worst_input_table": "l2ssm.certificates.falsify",
    "write_report": "l2ssm.report.write",
}
_MODULES = {"connect", "plants", "plots", "signals"}

__all__ = [
    "Certificate",
    "Dataset",
    "Ensemble",
    "Fleet",
    "GramMemory",
    "HippoMemory",
    "Interconnection",
    "LagMemory",
    "LinearBaseline",
    "Model",
    "Range",
    "Record",
    "SSMRegressor",
    "StateSpace",
    "analyse",
    "benchmark",
    "bla",
    "bla_of_data",
    "certify",
    "certify_many",
    "compare",
    "connect",
    "controllability_gramian",
    "deviation_tube",
    "discretize",
    "dissipation",
    "fit",
    "fit_linear",
    "fit_many",
    "fit_noise",
    "freeze",
    "frf",
    "gain_curve",
    "hankel_singular_values",
    "horizon",
    "initialize",
    "linear_operators",
    "linearize",
    "load",
    "mode_table",
    "observability_gramian",
    "orthonormal",
    "plants",
    "plots",
    "read",
    "reduce",
    "resample_model",
    "residuals",
    "scale_to_gain",
    "signals",
    "small_gain",
    "sweep_gamma",
    "tune",
    "verify",
    "verify_reduction",
    "worst_direction",
    "worst_input",
    "worst_input_table",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'l2ssm' has no attribute {name!r}; it has {', '.join(__all__)}")
    if name in _MODULES:
        return import_module(f"{_HOME[name]}.{name}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
