"""`Ensemble`: models that differ in their seed alone, and what their spread says about the fit. No torch."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2ssm.analysis.bands import Band, FrequencyBand, band_of, frequency_band
from l2ssm.analysis.linearization import linearize
from l2ssm.analysis.metrics import Scores, score
from l2ssm.analysis.subject import measured, records_of
from l2ssm.certificates.certificate import Certificate
from l2ssm.certificates.compose import certify
from l2ssm.certificates.rigorous import exact
from l2ssm.certificates.smallest import smallest_float
from l2ssm.certificates.statement import rounded_up
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import ModelFileError, OptionError
from l2ssm.files import write_atomically
from l2ssm.identification.model import Model, load
from l2ssm.systems.state_space import StateSpace

Array = NDArray[np.float64]
SCHEMA, INDEX = "l2ssm-ensemble-1", "ensemble.json"


@dataclass(frozen=True, eq=False)
class EnsembleGain:
    """Proved incremental gains of the members, and what they prove of what the ensemble simulates.

    Attributes:
        certificates: by seed, verified.
    """

    certificates: Mapping[int, Certificate]

    @property
    def mean(self) -> float:
        """Of the mean output: the mean of the gains, by the triangle inequality; rounded up from exact rationals."""
        gains = [exact(c.gamma) for c in self.certificates.values()]
        return smallest_float(sum(gains, Fraction(0)) / len(gains))

    @property
    def median(self) -> float:
        """Of the median output: sqrt(sum gamma_i^2), since |median a - median b| <= max_i |a_i - b_i| elementwise."""
        total = sum((exact(c.gamma) ** 2 for c in self.certificates.values()), Fraction(0))
        root = math.sqrt(total)
        while exact(root) ** 2 < total:
            root = math.nextafter(root, math.inf)
        return root

    def __str__(self) -> str:
        members = ", ".join(f"seed {seed}: {rounded_up(c.gamma)}" for seed, c in self.certificates.items())
        return (
            f"incremental gain of the mean <= {rounded_up(self.mean)}, of the median <= {rounded_up(self.median)} "
            + (f"(proved members: {members}; same initial state of each member)")
        )


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Fits of the same options to the same data with different seeds.

    Attributes:
        models: by seed.
        failures: what happened to the seeds that gave no model.
    """

    models: Mapping[int, Model]
    failures: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        alike = {(m.input_names, m.output_names, m.dt, m.n_init) for m in self.models.values()}
        if len(alike) != 1:
            raise OptionError(f"an ensemble needs models of the same channels, dt and n_init, got {sorted(alike)}")

    @property
    def n_init(self) -> int:
        """Samples at the start of a record that are used for the initial states and are not scored."""
        return self._first.n_init

    @property
    def _first(self) -> Model:
        return next(iter(self.models.values()))

    def simulate(
        self, data: Dataset | Record | ArrayLike, y: ArrayLike | None = None, **options: Any
    ) -> Array | list[Array]:
        """The mean of the free runs (T, n_y), a list of them for a Dataset; arguments as of `Model.simulate`.

        Args:
            data: records, or inputs (T, n_u).
            y: outputs of the first samples, where the inputs are an array.
            options: as of `Model.simulate`.
        """
        bands = self.band(data, y, **options)
        return [band.centre for band in bands] if isinstance(bands, list) else bands.centre

    def band(
        self,
        data: Dataset | Record | ArrayLike,
        y: ArrayLike | None = None,
        *,
        levels: tuple[float, float] = (0.0, 1.0),
        centre: str = "mean",
        **options: Any,
    ) -> Band | list[Band]:
        """Centre and band of the free runs, arrays (T, n_y); a list of bands for a Dataset.

        The spread over seeds shows what training left undetermined. It is not a confidence interval: an error that all
        members share does not widen it.

        Args:
            data, y, options: as of `Model.simulate`.
            levels: quantiles over the members; (0, 1) is from the smallest to the largest.
            centre: "mean" or "median".
        """
        if isinstance(data, Dataset):
            return [self._band(record, y, levels, centre, options) for record in data]
        return self._band(data, y, levels, centre, options)

    def _band(self, data: Any, y: Any, levels: tuple[float, float], centre: str, options: dict[str, Any]) -> Band:
        return band_of([m.simulate(data, y, **options) for m in self.models.values()], levels, centre)

    def scores(self, data: Dataset | Record) -> dict[str, Scores]:
        """The metrics of `compare` for every member ("seed 0", ...) and for "mean" and "median" of their free runs.

        Args:
            data: records with outputs.
        """
        records = records_of(data, self._first, missing=True)
        runs = {seed: [model.simulate(record) for record in records] for seed, model in self.models.items()}
        together = [np.array(of_record) for of_record in zip(*runs.values(), strict=True)]
        outputs = {f"seed {seed}": run for seed, run in runs.items()}
        outputs |= {centre: [band_of(a, centre=centre).centre for a in together] for centre in ("mean", "median")}
        y = [measured(record) for record in records]
        return {name: score(y, run, self.n_init, missing=True) for name, run in outputs.items()}

    def linearizations(self, u0: ArrayLike | None = None) -> dict[int, StateSpace]:
        """By seed the Jacobian system at the constant input u0, by default the mean input of the training data.

        Args:
            u0: constant input (n_u,).
        """
        return {s: linearize(m, m.scaling.u_mean if u0 is None else u0) for s, m in self.models.items()}

    def bode_band(
        self,
        u0: ArrayLike | None = None,
        *,
        levels: tuple[float, float] = (0.0, 1.0),
        channel: tuple[int, int] | None = None,
    ) -> FrequencyBand:
        """Median and band of the frequency responses of the linearizations; see `frequency_band`.

        Args:
            u0: constant input; default the mean input of the training data.
            levels: lower and upper quantile of the band; (0, 1) is from the smallest to the largest.
            channel: (output, input), from 0; default the only one.
        """
        return frequency_band(list(self.linearizations(u0).values()), levels, channel)

    def certify(self, **options: Any) -> EnsembleGain:
        """Certificates of all members, options as of `l2ssm.certify`, and the gains they prove of mean and median.

        Args:
            options: as of `l2ssm.certify`.
        """
        if options.get("kind", "incremental") != "incremental":
            raise OptionError(f"kind is {options['kind']!r}: the gains of an ensemble are incremental")
        return EnsembleGain({seed: certify(model, **options) for seed, model in self.models.items()})

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write seed-N.l2ssm for each member and then ensemble.json, which names them; each whole or not at all.

        Args:
            folder: to write to; made if it is not there.
        """
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        entries = []
        for seed, model in self.models.items():
            model.save(target / f"seed-{seed}.l2ssm")
            entries.append({"seed": seed, "file": f"seed-{seed}.l2ssm", "sha256": model.digest})
        failures = [{"seed": seed, "failure": message} for seed, message in self.failures.items()]
        content = json.dumps({"schema": SCHEMA, "models": entries, "failures": failures}, indent=1)
        write_atomically(target / INDEX, (content + "\n").encode())

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Ensemble:
        """The ensemble of a folder written by `save`.

        Args:
            folder: that `save` wrote.

        Raises:
            ModelFileError: no or another ensemble.json, a model file that is missing, unreadable or another one.
        """
        path = Path(folder) / INDEX
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["schema"] != SCHEMA:
                raise ModelFileError(f"{path} is not of schema {SCHEMA!r}")
            failures = {int(entry["seed"]): str(entry["failure"]) for entry in content["failures"]}
            entries = [(int(e["seed"]), Path(folder) / Path(e["file"]).name, e["sha256"]) for e in content["models"]]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            if isinstance(error, ModelFileError):
                raise
            raise ModelFileError(f"{path} is not the index of an ensemble: {error}") from None
        models = {seed: load(file) for seed, file, _ in entries}
        for seed, file, sha256 in entries:
            if models[seed].digest != sha256:
                raise ModelFileError(f"{file} is another model than the one {path} names")
        if not models:
            raise ModelFileError(f"{path} names no model")
        return cls(models, failures)

    def __str__(self) -> str:
        names, units = self._first.output_names, self._first.output_units
        lines = [f"ensemble of {len(self.models)} models, {self._first.info['cell']}; validation RMSE"]
        for seed, model in self.models.items():
            cells = zip(names, model.info["valid_rmse"], units, strict=True)
            lines.append(f"  seed {seed}: " + ", ".join(f"{n} {value:.4g} {unit}".strip() for n, value, unit in cells))
        return "\n".join([*lines, *(f"  seed {seed}: NO MODEL, {why}" for seed, why in self.failures.items())])
