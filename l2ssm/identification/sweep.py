"""The smallest gamma that keeps the fit: one fit a prescribed gain, each with its certificate and validation error."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from l2ssm.certificates.certificate import Certificate
from l2ssm.certificates.compose import certify
from l2ssm.certificates.statement import rounded_down, rounded_up
from l2ssm.certificates.verify import verify
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import CertificateError, DataError, FitError, OptionError
from l2ssm.identification.checkpoint import remove_checkpoint
from l2ssm.identification.columns import aligned
from l2ssm.identification.fit import fit
from l2ssm.identification.fit_result import versions
from l2ssm.identification.fleet import STOPPED, Fleet, TaskResult
from l2ssm.identification.linear_gain import linear_gain
from l2ssm.identification.minimize import INTERRUPTED
from l2ssm.identification.model import Model, load
from l2ssm.options import integer, positive

SPAN = 4.0  # the default grid reaches from 1 / SPAN to SPAN times the gain of the linear model
POINTS = 7
MODEL, CERTIFICATE, CHECKPOINT = "model.l2ssm", "cert.json", "checkpoint"  # in the folder of a task of a fleet


@dataclass(frozen=True, eq=False)
class SweepRow:
    """One fit.

    Attributes:
        prescribed: gamma of the fit, None for the one without.
        proved: gamma of its certificate, None where nothing was proved.
        found: the worst input found, a lower bound of the gain.
        rmse: validation RMSE of each output, in its unit; empty where the fit failed.
        error: root mean square over the outputs of RMSE / standard deviation of the training data; infinite if failed.
        seconds: of the fit and the proof.
        failure: what failed, "" if nothing did.
        model, certificate: the results, where there are.
    """

    prescribed: float | None
    proved: float | None
    found: float | None
    rmse: tuple[float, ...]
    error: float
    seconds: float
    failure: str = ""
    model: Model | None = None
    certificate: Certificate | None = None


@dataclass(frozen=True, eq=False)
class GainSweep:
    """Accuracy against gain.

    Attributes:
        rows: the fit without a prescribed gain first, if there is one, then the prescribed gains, smallest first.
        tolerance: relative, of the validation error.
        unit: of a gain, "" where channels differ.
        linear: the gain of the best linear model, None where the grid was given.
        complete: whether every fit of the grid is a row.
    """

    rows: tuple[SweepRow, ...]
    tolerance: float
    unit: str
    linear: float | None
    complete: bool = False

    @property
    def limit(self) -> float:
        """(1 + tolerance) times the smallest validation error of all rows, that without a prescribed gain included."""
        return (1 + self.tolerance) * min((row.error for row in self.rows), default=math.inf)

    @property
    def chosen(self) -> SweepRow | None:
        """The row of smallest proved gain whose error is within the limit; None where none of these is proved."""
        good = [row for row in self.rows if row.proved is not None and row.error <= self.limit < math.inf]
        return min(good, key=lambda row: row.proved or math.inf, default=None)

    def __str__(self) -> str:
        unit = f" ({self.unit})" if self.unit else ""
        lines = [[f"prescribed{unit}", "proved", "worst found", "validation RMSE", "error", "seconds", ""]]
        for row in self.rows:
            gains = ["none" if row.prescribed is None else f"{row.prescribed:.4g}"]
            gains += ["-" if row.proved is None else rounded_up(row.proved, 4)]
            gains += ["-" if row.found is None else rounded_down(row.found, 4)]
            rmse = ", ".join(f"{value:.4g}" for value in row.rmse) or "-"
            note = row.failure or ("<- smallest gain that keeps the fit" if row is self.chosen else "")
            lines.append([*gains, rmse, f"{row.error:.4f}", f"{row.seconds:.0f}", note])
        kept = f"keeps the fit: error <= {self.limit:.4f}, {100 * self.tolerance:g} % above the smallest one"
        return f"{aligned(lines)}\n{kept}"


def sweep_gamma(
    train: Dataset | Record,
    gammas: Iterable[float] | None = None,
    *,
    valid: Dataset | Record | None = None,
    tolerance: float = 0.05,
    points: int = POINTS,
    unprescribed: bool = True,
    time_limit: float = 30.0,
    fleet: Fleet | None = None,
    on_row: Callable[[GainSweep], None] | None = None,
    **options: Any,
) -> GainSweep:
    """A fit without a prescribed gain and one for each gamma, all certified; Ctrl-C ends it and keeps what is done.

    The validation error of a single training run varies by several per cent with the seed: a tolerance below that
    chooses by luck.

    Args:
        train, valid: as for `fit`.
        gammas: prescribed gains, in physical units; by default `points` of them, in geometric progression from a
            quarter of to four times the peak gain of the best linear model.
        tolerance: of the validation error, relative to the smallest one.
        points: of the default grid.
        unprescribed: whether to fit without a prescribed gain too.
        time_limit: seconds of a proof, see `certify`.
        fleet: of workers that do fits and proofs, and keep them in its folder; see `fit_many`. Certificates are
            verified again here.
        on_row: called after each fit with the sweep so far.
        options: of every `fit`. A `cell` or `scaffold` is that of all; by default the fit without a prescribed gain
            has those `fit` gives it.

    Raises:
        OptionError: no or ill gains, a gamma or a checkpoint among the options, or what `fit` finds wrong.
        DataError: see `fit` and `linear_gain`.
    """
    tolerance, time_limit = positive("tolerance", tolerance), positive("time_limit", time_limit)
    if "gamma" in options:
        raise OptionError("gamma is what the sweep prescribes: give gammas instead")
    if "checkpoint" in options:
        raise OptionError("checkpoint is of one fit, and a sweep makes several: give it to fit")
    train = Dataset([train]) if isinstance(train, Record) else train
    if not isinstance(train, Dataset):
        raise DataError(f"train is a {type(train).__name__}, expected a Dataset or a Record; see l2ssm.read")
    sweep = GainSweep((), tolerance, "", None)
    try:
        if gammas is None:
            linear = linear_gain(train)
            sweep = replace(sweep, linear=linear)
            gammas = linear * np.geomspace(1 / SPAN, SPAN, integer("points", points, 2))
        grid: list[float | None] = [*sorted(positive("gammas", float(gamma), "gain") for gamma in gammas)]
        if not grid:
            raise OptionError("gammas is empty: expected at least one gain")
        scale = train.statistics().y_std
        asked = [None, *grid] if unprescribed else grid

        def keep(row: SweepRow) -> None:
            nonlocal sweep
            rows = sorted((*sweep.rows, row), key=lambda row: row.prescribed or 0.0)
            sweep = replace(sweep, rows=tuple(rows), unit=sweep.unit if row.model is None else row.model.gain_unit)
            if on_row is not None:
                on_row(sweep)

        if fleet is not None:
            _rows_of_fleet(fleet, train, valid, asked, scale, time_limit, options, keep)
            return replace(sweep, complete=len(sweep.rows) == len(asked))
        for gamma in asked:
            row = _row(train, valid, gamma, scale, time_limit, options)
            if row is None:
                return sweep
            keep(row)
    except KeyboardInterrupt:  # outside training, which ends by itself
        return sweep
    return replace(sweep, complete=True)


def _row(
    train: Dataset,
    valid: Dataset | Record | None,
    gamma: float | None,
    scale: np.ndarray,
    time_limit: float,
    options: dict[str, Any],
) -> SweepRow | None:
    """A fit and its certificate; None where the fit was interrupted."""
    began = time.monotonic()
    try:
        model = fit(train, valid, gamma=gamma, **options)
    except (FitError, CertificateError) as error:
        if INTERRUPTED in str(error):
            return None
        return SweepRow(gamma, None, None, (), math.inf, time.monotonic() - began, str(error))
    if str(model.info["stopped"]).startswith(INTERRUPTED):
        return None
    rmse = tuple(float(value) for value in model.info["valid_rmse"])
    error_now = float(np.sqrt(np.mean((np.array(rmse) / scale) ** 2)))
    certificate, failure = None, ""
    try:
        certificate = certify(model, time_limit=time_limit)
    except CertificateError as error:
        failure = str(error)
    proved = None if certificate is None else certificate.gamma
    found = certificate.lower.gain if certificate is not None and certificate.lower is not None else None
    seconds = time.monotonic() - began
    return SweepRow(gamma, proved, found, rmse, error_now, seconds, failure, model, certificate)


def _rows_of_fleet(
    fleet: Fleet,
    train: Dataset,
    valid: Dataset | Record | None,
    asked: list[float | None],
    scale: np.ndarray,
    time_limit: float,
    options: dict[str, Any],
    keep: Callable[[SweepRow], None],
) -> None:
    """The rows, each as soon as it is there."""
    valid = Dataset([valid]) if isinstance(valid, Record) else valid
    about: dict[str, Any] = {"train": train.digest, "valid": None if valid is None else valid.digest}
    about |= {"time_limit": time_limit, "options": options, "versions": versions()}

    def tell(done: TaskResult) -> None:
        if done.error != STOPPED:
            keep(_read_row(done))

    fleet.run(partial(_row_to_files, train, valid, scale), [about | {"gamma": gamma} for gamma in asked], tell)


def _row_to_files(
    train: Dataset, valid: Dataset | None, scale: np.ndarray, spec: dict[str, Any], folder: Path
) -> dict[str, Any]:
    """On a worker: the row of a spec as JSON, its model and its certificate as files."""
    options = spec["options"] | {"checkpoint": folder / CHECKPOINT}
    row = _row(train, valid, spec["gamma"], scale, spec["time_limit"], options)
    if row is None:
        raise KeyboardInterrupt
    if row.model is not None:
        row.model.save(folder / MODEL)
    if row.certificate is not None:
        row.certificate.save(folder / CERTIFICATE)
    remove_checkpoint(folder / CHECKPOINT)
    values = asdict(replace(row, model=None, certificate=None))
    return values | {"error": row.error if math.isfinite(row.error) else None}


def _read_row(done: TaskResult) -> SweepRow:
    if done.error:
        return SweepRow(done.spec["gamma"], None, None, (), math.inf, 0.0, done.error)
    values = done.value | {"rmse": tuple(done.value["rmse"])}
    values["error"] = math.inf if values["error"] is None else values["error"]
    model = load(done.folder / MODEL) if values["rmse"] else None
    proved = values["proved"] is not None
    certificate = verify(Certificate.load(done.folder / CERTIFICATE), model) if proved else None
    return SweepRow(**values | {"model": model, "certificate": certificate})
