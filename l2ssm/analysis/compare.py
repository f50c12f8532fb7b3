"""`compare`: several models on the same data, with the same samples scored by the same metric."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from l2ssm.analysis.metrics import Array, Scores, score
from l2ssm.analysis.subject import (
    PredictingModel,
    Subject,
    initial_samples,
    measured,
    network_of,
    records_of,
    scored_from,
    simulated,
)
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import OptionError
from l2ssm.options import integer


@dataclass(frozen=True, eq=False)
class Comparison:
    """Free-run simulations of several models on the same records, or their predictions k steps ahead.

    Attributes:
        records: the measured records.
        outputs: by model name, the simulated (T, n_y) of every record.
        scores: by model name, the metrics over y[n_init:] of all records.
        n_init: samples at the start of every record that are not scored.
        initial: by model name, the samples its simulation used to find the initial state; 0 is the zero state.
        output_names, output_units: one a channel.
        k: steps ahead; inf is the free run.
    """

    records: list[Record]
    outputs: dict[str, list[Array]]
    scores: dict[str, Scores]
    n_init: int
    initial: dict[str, int]
    output_names: tuple[str, ...]
    output_units: tuple[str, ...]
    k: float = math.inf

    @property
    def method(self) -> str:
        """ "free run", or how far ahead the outputs were predicted."""
        if math.isinf(self.k):
            return "free run"
        return f"{self.k} step{'s' if self.k > 1 else ''} ahead ({self.k * self.records[0].dt:.4g} s)"

    @property
    def scored(self) -> int:
        """Samples scored: those after n_init at which some output was measured."""
        return sum(int((~np.isnan(measured(record)[self.n_init :])).any(axis=1).sum()) for record in self.records)

    @property
    def table(self) -> str:
        """One line per model and output: RMSE with its unit, NRMSE, fit and the initial state used."""
        head = ("model", "output", "RMSE", "unit", "NRMSE", "fit", "initial state")
        rows = [head]
        for model, s in self.scores.items():
            start = f"first {self.initial[model]} samples" if self.initial[model] else "zero"
            for i, (name, unit) in enumerate(zip(self.output_names, self.output_units, strict=True)):
                numbers = (f"{s.rmse[i]:.4g}", unit or "-", f"{s.nrmse[i]:.3g}", percent(s.fit[i], 2))
                rows.append((model, name, *numbers, start))
        widths = [max(len(row[c]) for row in rows) for c in range(len(head))]
        right = (False, False, True, False, True, True, False)
        lines = [
            "  ".join(f"{v:>{w}}" if r else f"{v:<{w}}" for v, w, r in zip(row, widths, right, strict=True)).rstrip()
            for row in rows
        ]
        records = f"{self.method}, {len(self.records)} record(s)"
        return "\n".join([*lines, f"{records}, {self.scored} samples scored, the first {self.n_init} of each not"])

    def __str__(self) -> str:
        return self.table


def compare(
    data: Dataset | Record, models: Mapping[str, Subject], n_init: int | None = None, *, k: float = math.inf
) -> Comparison:
    """Simulate every model on every record and score all of them on the same samples y[n_init:].

    A fitted model finds its initial state from its own first `n_init` samples; an `Interconnection` or a `StateSpace`
    starts from the zero state. How the error grows with k: `horizon`.

    Args:
        data: records with outputs; those that were not measured are not scored.
        models: by the name to show.
        n_init: samples not scored; default the largest n_init of the models.
        k: predict so many steps ahead instead, by models with a noise model (`fit_noise`); inf is the free run.

    Raises:
        OptionError: no model, a name that is no text, something that is not a model, an n_init below what a model has
            seen of y, a k that is neither an integer >= 1 nor inf, or a model without the noise model that it needs.
        DataError: channels or dt of the data and of a model differ, no sample left to score.
    """
    if not isinstance(models, Mapping) or not models or not all(isinstance(name, str) for name in models):
        raise OptionError('no model to compare, or one without a name; expected a mapping such as {"LRU": model}')
    k = math.inf if k == math.inf else integer("k", k, 1)
    for model in models.values():
        records = records_of(data, model, missing=math.isinf(k))
    initial = {name: initial_samples(model) for name, model in models.items()}
    first = scored_from(models.values(), n_init)
    outputs = {name: _outputs(name, model, records, k) for name, model in models.items()}
    y = [measured(record) for record in records]
    scores = {name: score(y, simulation, first, missing=True) for name, simulation in outputs.items()}
    network = network_of(next(iter(models.values())))
    names, units = _output_labels(records[0], tuple(network.output_units or ()))
    return Comparison(records, outputs, scores, first, initial, names, units, k)


def _outputs(name: str, model: Subject, records: list[Record], k: float) -> list[Array]:
    """The free run of every record, or its prediction k steps ahead."""
    if math.isinf(k):
        return simulated(model, records)
    if getattr(model, "noise", None) is None:
        raise OptionError(f"model {name!r} has no noise model to predict with; fit_noise returns one that has")
    return [np.asarray(cast(PredictingModel, model).predict(record, k=k), dtype=np.float64) for record in records]


def percent(fit: float, digits: int = 1) -> str:
    """A fit in %, cut off where it says no more than that the simulation is far away.

    >>> percent(97.25), percent(-1e9)
    ('97.2 %', '< -999 %')
    """
    return f"{fit:.{digits}f} %" if fit >= -999 else "< -999 %"


def _output_labels(record: Record, model_units: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and units of the measured channels; the model's unit where the data does not say."""
    units = tuple(record.units.get(n, "") or u for n, u in zip(record.output_names, model_units, strict=True))
    return record.output_names, units
