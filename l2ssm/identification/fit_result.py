"""What `fit` returns: the trained parameters as a frozen `Model`, with what is told about the fit."""

from __future__ import annotations

import math
import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.identification.initial import InitialState
from l2ssm.identification.model import Model
from l2ssm.identification.outcome import Outcome
from l2ssm.identification.trainee import Trainee
from l2ssm.identification.windows import Scored
from l2ssm.networks.freeze import freeze
from l2ssm.networks.scaling import Scaling


def versions() -> dict[str, str]:
    """Of the packages that the numbers of a fit depend on."""
    packages = {name: version(name) for name in ("l2ssm", "torch", "numpy", "scipy")}
    return packages | {"python": platform.python_version()}


def summary(outcome: Outcome) -> dict[str, Any]:
    """How the training went, for a model file; validations without a finite error are left out."""
    history = [
        {"step": p.step, "train_mse": p.train_mse, "valid_mse": p.valid_mse, "seconds": round(p.seconds, 1)}
        | ({} if p.gain is None else {"gain": p.gain})
        for p in outcome.history
        if math.isfinite(p.valid_mse) and math.isfinite(p.train_mse)
    ]
    return {
        "best_step": outcome.best_step,
        "valid_loss": outcome.best_mse if math.isfinite(outcome.best_mse) else None,
        "stopped": outcome.reason,
        "rollbacks": outcome.rollbacks,
        "averaged": outcome.averaged,
        "history": history,
    }


def frozen_model(trainee: Trainee, record: Record, scaling: Scaling, rule: InitialState, info: dict[str, Any]) -> Model:
    """The model with the channels, units and sample time of the record."""
    units = record.units
    network = freeze(
        trainee.model,
        record.dt,
        input_names=record.input_names,
        output_names=record.output_names,
        input_units=[units.get(name, "") for name in record.input_names],
        output_units=[units.get(name, "") for name in record.output_names],
    )
    if trainee.initial is not None:
        weight, bias = (p.detach().double().numpy() for p in (trainee.initial.weight, trainee.initial.bias))
        rule = InitialState(rule.kind, rule.n_init, weight, bias)
    parameters = {name: p.detach().numpy().copy() for name, p in trainee.named_parameters()}
    return Model(network, scaling, rule, info, parameters)


def with_validation(model: Model, data: Dataset, records: Sequence[Scored], seconds: float) -> Model:
    """The model with its validation error, measured on the frozen numbers, in physical units."""
    squares, count = np.zeros(model.network.n_y), np.zeros(model.network.n_y)
    for record, scored in zip(data, records, strict=True):
        assert record.y is not None
        counts = (scored.scored & (np.arange(record.T) >= model.n_init))[:, None] & ~np.isnan(record.y)
        squares += (np.where(counts, model.simulate(record) - record.y, 0.0) ** 2).sum(axis=0)
        count += counts.sum(axis=0)
    rmse = np.sqrt(squares / count).tolist()
    info = dict(model.info) | {"valid_rmse": rmse, "seconds": round(seconds, 1)}
    return Model(model.network, model.scaling, model.initial, info, model.parameters)
