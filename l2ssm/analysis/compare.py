"""`compare`: several models on the same data, with the same samples scored by the same metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from l2ssm.analysis.metrics import Array, Scores, score
from l2ssm.analysis.subject import Subject, initial_samples, measured, network_of, records_of, simulated
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import OptionError


@dataclass(frozen=True, eq=False)
class Comparison:
    """Free-run simulations of several models on the same records.

    Attributes:
        records: the measured records.
        outputs: by model name, the simulated (T, n_y) of every record.
        scores: by model name, the metrics over y[n_init:] of all records.
        n_init: samples at the start of every record that are not scored.
        initial: by model name, the samples its simulation used to find the initial state; 0 is the zero state.
        output_names, output_units: one a channel.
    """

    records: list[Record]
    outputs: dict[str, list[Array]]
    scores: dict[str, Scores]
    n_init: int
    initial: dict[str, int]
    output_names: tuple[str, ...]
    output_units: tuple[str, ...]

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
        records = f"free run, {len(self.records)} record(s)"
        return "\n".join([*lines, f"{records}, {self.scored} samples scored, the first {self.n_init} of each not"])

    def __str__(self) -> str:
        return self.table


def compare(data: Dataset | Record, models: Mapping[str, Subject], n_init: int | None = None) -> Comparison:
    """Simulate every model on every record and score all of them on the same samples y[n_init:].

    A fitted model finds its initial state from its own first `n_init` samples; an `Interconnection` or a `StateSpace`
    starts from the zero state.

    Args:
        data: records with outputs; those that were not measured are not scored.
        models: by the name to show.
        n_init: samples not scored; default the largest n_init of the models.

    Raises:
        OptionError: no model, something that is not a model, or an n_init below what a model has seen of y.
        DataError: channels or dt of the data and of a model differ, no sample left to score.
    """
    if not isinstance(models, Mapping) or not models:
        raise OptionError('no model to compare; expected a mapping such as {"LRU": model}')
    for model in models.values():
        records = records_of(data, model, missing=True)
    initial = {name: initial_samples(model) for name, model in models.items()}
    first = max(initial.values()) if n_init is None else n_init
    for name, used in initial.items():
        if used > first:
            raise OptionError(
                f"n_init = {first}, but model {name!r} reads the first {used} outputs; expected n_init >= {used}"
            )
    outputs = {name: simulated(model, records) for name, model in models.items()}
    y = [measured(record) for record in records]
    scores = {name: score(y, simulation, first, missing=True) for name, simulation in outputs.items()}
    network = network_of(next(iter(models.values())))
    names, units = _output_labels(records[0], tuple(network.output_units or ()))
    return Comparison(records, outputs, scores, first, initial, names, units)


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
