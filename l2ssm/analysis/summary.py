"""`analyse`: everything there is to know about a model as one plain dictionary of numbers and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from l2ssm.analysis.compare import Comparison, compare
from l2ssm.analysis.facts import (
    NAME,
    certificate_facts,
    data_facts,
    fit_facts,
    is_training_data,
    operator_facts,
    residual_facts,
)
from l2ssm.analysis.metrics import Array
from l2ssm.analysis.operators import known_operators
from l2ssm.analysis.overlay import energies, energy_facts, measured_responses, response_facts
from l2ssm.analysis.residuals import Residuals, residuals
from l2ssm.analysis.spectrum import worst_facts
from l2ssm.analysis.subject import Subject, initial_samples, network_of
from l2ssm.certificates.certificate import Certificate
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import DataError


def analyse(
    model: Subject, certificate: Certificate | None = None, data: Dataset | Record | None = None
) -> dict[str, Any]:
    """Stability, poles and gain of every linear operator, the certified gain, and the fit and residuals on the data.

    Args:
        model: a fitted model, an `Interconnection` or a `StateSpace`.
        certificate: about this very model, or None.
        data: records with outputs, or None.

    Returns:
        A dictionary of str, float, int, bool, None, lists and dictionaries: "model", "operators", "stability", "data",
        "fit", "residuals", "frequency_response", "certificate", "dissipation", "worst_input", "training" and
        "missing", which says why a part is None. Selective cells are among the operators as "frozen" ones, at the mean
        input of the data; "stability" is about the others. Units are in the keys (`_s`, `_rad_s`, `_hz`, `_percent`) or
        beside the number. Infinite numbers stay `float` infinities.

    Raises:
        OptionError: not a model.
        CertificateError: the certificate is about other numbers.
        DataError: channels, units or dt of the data are not those of the model.
    """
    comparison = None if data is None else compare(data, {NAME: model})
    result, reason = residual_test(model, data)
    return summarise(model, certificate, comparison, result, reason)


def residual_test(model: Subject, data: Dataset | Record | None) -> tuple[Residuals | None, str]:
    """(residual test, "") or (None, why there is none)."""
    if data is None:
        return None, "no data was given"
    try:
        return residuals(model, data), ""
    except DataError as error:
        return None, str(error)


def summarise(
    model: Subject,
    certificate: Certificate | None,
    comparison: Comparison | None,
    result: Residuals | None,
    reason: str = "",
) -> dict[str, Any]:
    """The dictionary of `analyse` from results at hand; `reason` says why there is no residual test."""
    linear, why_none = known_operators(model, usual_input(comparison))
    operators = {name: operator_facts(G, name) for name, G in linear.items()}
    info = plain(getattr(model, "info", {}))
    training = info.pop("history", None)
    fit = None if comparison is None else fit_facts(comparison, is_training_data(model, comparison.records))
    claim = None if certificate is None else certificate_facts(certificate, network_of(model))
    stored, why_not = energies(certificate, comparison)
    missing = {
        "fit": "" if comparison else "no data was given",
        "residuals": "" if result else reason,
        "certificate": "" if certificate else "no certificate was given: no gain of the model is proved",
        "dissipation": why_not,
        "operators": why_none,
        "training": "" if training else "the model carries no training history",
    }
    return {
        "model": _model_facts(model, info),
        "stability": _stability({name: facts for name, facts in operators.items() if not facts["frozen"]}),
        "operators": operators,
        "data": None if comparison is None else data_facts(comparison),
        "fit": fit,
        "residuals": None if result is None else residual_facts(result),
        "frequency_response": response_facts(measured_responses(comparison, NAME)),
        "certificate": claim,
        "dissipation": energy_facts(stored),
        "worst_input": worst_facts(certificate),
        "training": training,
        "missing": {part: why for part, why in missing.items() if why},
    }


def usual_input(comparison: Comparison | None) -> Array | float:
    """The mean of every input over all records, at which selective cells are frozen; 0 without data."""
    return 0.0 if comparison is None else np.concatenate([r.u for r in comparison.records]).mean(axis=0)


def plain(value: Any) -> Any:
    """The value with numpy arrays and scalars, mappings and sequences as Python ones, anything else as text."""
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    return str(value)


def _model_facts(model: Subject, info: dict[str, Any]) -> dict[str, Any]:
    network = network_of(model)
    sides = {
        side: [
            {"name": name, "unit": unit}
            for name, unit in zip(getattr(network, f"{side}_names"), getattr(network, f"{side}_units"), strict=True)
        ]
        for side in ("input", "output")
    }
    return {
        "type": type(model).__name__,
        "inputs": sides["input"],
        "outputs": sides["output"],
        "dt_s": network.dt,
        "n_x": network.n_x,
        "n_init": initial_samples(model),
        "sha256": network.digest,
        "info": info,
    }


def _stability(operators: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Whether every linear operator is Schur stable; a chain of stable parts and Lipschitz layers is stable."""
    times = [pole["time_constant_s"] for facts in operators.values() for pole in facts["poles"]]
    return {
        "schur": all(facts["schur"] for facts in operators.values()),
        "unstable": [name for name, facts in operators.items() if not facts["schur"]],
        "spectral_radius": max((facts["spectral_radius"] for facts in operators.values()), default=0.0),
        "margin": min((facts["margin"] for facts in operators.values()), default=1.0),
        "slowest_time_constant_s": max((t if t >= 0 else np.inf for t in times), default=0.0),
    }
