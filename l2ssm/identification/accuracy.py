"""One fit of one model family to one official benchmark, with one fixed configuration, as a result that is kept.

Nothing is tuned to a benchmark, and its test records choose nothing: they are read once, when all is decided.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from l2ssm.analysis.metrics import rmse
from l2ssm.certificates.certificate import Certificate
from l2ssm.certificates.compose import certify
from l2ssm.data.benchmarks import Benchmark
from l2ssm.data.dataset import Dataset
from l2ssm.errors import CertificateError, DataError, FitError, OptionError
from l2ssm.files import write_atomically
from l2ssm.identification.fit import fit
from l2ssm.identification.linear_baseline import LinearBaseline, fit_linear
from l2ssm.identification.minimize import INTERRUPTED, Progress
from l2ssm.identification.model import Model
from l2ssm.identification.recurrent_baseline import RecurrentModel, fit_recurrent

SCHEMA = "l2ssm-accuracy-1"
MODEL, CERTIFICATE = "model.l2ssm", "cert.json"  # where `l2ssm verify` looks for the one beside the other
TIMES_PEAK = 3.0  # the prescribed gain of the certified family, times the peak gain of the best linear model


@dataclass(frozen=True)
class Result:
    """What one fit gave.

    Attributes:
        benchmark, family, seed: which.
        measure: of the errors, such as "RMSE (mV)".
        steps, minutes: the budget asked for; None is the default.
        errors: test set -> error; empty where there is no model.
        seconds: of the fit, without proof.
        n_parameters: with those of the initial state; None where there is no model.
        prescribed: gain, output unit per input unit.
        proved: gain of the certificate; None where nothing was proved.
        found: gain of the worst input found.
        note: why there is no model, or no proof; else how training ended.
        package: version that made it.
    """

    benchmark: str
    family: str
    seed: int
    measure: str
    steps: int | None
    minutes: float | None
    errors: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    n_parameters: int | None = None
    prescribed: float | None = None
    proved: float | None = None
    found: float | None = None
    note: str = ""
    package: str = field(default_factory=lambda: version("l2ssm"))

    @property
    def stem(self) -> str:
        """The name of its files."""
        return f"{self.benchmark}-{self.family}-{self.seed}"

    def save(self, folder: Path) -> None:
        """Write `stem`.json, whole or not at all."""
        text = json.dumps({"schema": SCHEMA} | asdict(self), indent=1, allow_nan=False)
        write_atomically(folder / f"{self.stem}.json", (text + "\n").encode())

    @classmethod
    def load(cls, path: Path) -> Result:
        """The result in a file.

        Raises:
            DataError: it does not hold one.
        """
        try:
            content = json.loads(path.read_text())
            if content.pop("schema") != SCHEMA:
                raise ValueError(f"not of schema {SCHEMA}")
            return cls(**content)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise DataError(f"{path} is not a result of bench accuracy: {error}") from None


@dataclass(frozen=True)
class Task:
    """What a family is given: the training data alone, and the budget."""

    train: Dataset
    n_init: int
    seed: int
    steps: int | None
    minutes: float | None
    linear: Callable[[], LinearBaseline]
    progress: Callable[[Progress], None] | None


@dataclass(frozen=True)
class Fitted:
    """What a family returns; `subject` is what `certify` takes, None where nothing is certified."""

    model: Model | LinearBaseline | RecurrentModel
    seconds: float
    n_parameters: int
    subject: Any = None
    prescribed: float | None = None
    stopped: str = ""


def _linear(task: Task) -> Fitted:
    model = task.linear()
    return Fitted(model, model.seconds, model.n_parameters, model.G)


def _lru(task: Task, gamma: float | None = None) -> Fitted:
    given: dict[str, Any] = {} if task.steps is None else {"steps": task.steps}
    model = fit(
        task.train,
        n_init=task.n_init,
        gamma=gamma,
        seed=task.seed,
        minutes=task.minutes,
        progress=task.progress,
        **given,
    )
    return Fitted(model, model.info["seconds"], model.info["n_parameters"], model, gamma, model.info["stopped"])


def _certified(task: Task) -> Fitted:
    return _lru(task, TIMES_PEAK * task.linear().peak_gain())


def _recurrent(kind: str) -> Callable[[Task], Fitted]:
    def run(task: Task) -> Fitted:
        model = fit_recurrent(
            task.train,
            kind,
            n_init=task.n_init,
            steps=task.steps,
            minutes=task.minutes,
            seed=task.seed,
            progress=task.progress,
        )
        return Fitted(model, model.seconds, model.n_parameters, stopped=model.outcome.reason)

    return run


FAMILIES: dict[str, Callable[[Task], Fitted]] = {
    "lru": _lru,
    "certified": _certified,
    "linear": _linear,
    "gru": _recurrent("gru"),
    "lstm": _recurrent("lstm"),
}
SEEDLESS = {"linear"}


class Course:
    """One benchmark and the budget of every fit to it; the linear model is identified once.

    Args:
        official: the benchmark.
        steps, minutes: of a fit; None: the default number, and no limit.
        time_limit: seconds of a proof, see `certify`.
    """

    def __init__(
        self, official: Benchmark, steps: int | None = None, minutes: float | None = None, time_limit: float = 60.0
    ) -> None:
        self.official, self.steps, self.minutes, self.time_limit = official, steps, minutes, time_limit

    @cached_property
    def linear(self) -> LinearBaseline:
        """The best linear model of the training data."""
        return fit_linear(self.official.train, self.official.n_init)

    def run(
        self, family: str, seed: int, folder: Path, progress: Callable[[Progress], None] | None = None
    ) -> tuple[Result, bool]:
        """The result, and whether it was made now; one that is in the folder already is read.

        Writes `stem`/model.l2ssm and `stem`/cert.json, then `stem`.json: a run that was cut off is done again.

        Raises:
            KeyboardInterrupt: also where training ended by it: what was interrupted is no result.
            OptionError: an unknown family, or a result in the folder with another budget.
            DataError: a file of the folder that is not a result.
        """
        if family not in FAMILIES:
            raise OptionError(f"unknown family {family!r}; known: {', '.join(FAMILIES)}")
        official = self.official
        measure = official.metric.upper() + (f" ({official.unit})" if official.metric == "rmse" else "")
        head = Result(official.name, family, seed, measure, self.steps, self.minutes)
        path = folder / f"{head.stem}.json"
        if path.is_file():
            there = Result.load(path)
            if (there.steps, there.minutes) != (self.steps, self.minutes):
                raise OptionError(
                    f"{path} was made with steps {there.steps} and minutes {there.minutes}, "
                    f"not {self.steps} and {self.minutes}: give the same or another folder"
                )
            return there, False
        result = self._made(head, folder, progress)
        result.save(folder)
        return result, True

    def _made(self, head: Result, folder: Path, progress: Callable[[Progress], None] | None) -> Result:
        about = asdict(head)
        official, began = self.official, time.monotonic()
        task = Task(official.train, official.n_init, head.seed, self.steps, self.minutes, lambda: self.linear, progress)
        try:
            fitted = FAMILIES[head.family](task)
        except (DataError, FitError, CertificateError) as error:
            if INTERRUPTED in str(error):
                raise KeyboardInterrupt from error
            return Result(**about | {"note": str(error), "seconds": time.monotonic() - began})
        if fitted.stopped.startswith(INTERRUPTED):
            raise KeyboardInterrupt
        kept = folder / head.stem
        if isinstance(fitted.model, Model):
            kept.mkdir(exist_ok=True)
            fitted.model.save(kept / MODEL)
        certificate, note = self._proof(fitted.subject)
        if certificate is not None:
            kept.mkdir(exist_ok=True)
            certificate.save(kept / CERTIFICATE)
        errors, failed = self._errors(fitted.model)
        return Result(
            **about
            | {
                "errors": errors,
                "seconds": fitted.seconds,
                "n_parameters": fitted.n_parameters,
                "prescribed": fitted.prescribed,
                "proved": None if certificate is None else certificate.gamma,
                "found": None if certificate is None or certificate.lower is None else certificate.lower.gain,
                "note": failed or note or fitted.stopped,
            }
        )

    def _proof(self, subject: Any) -> tuple[Certificate | None, str]:
        """The certificate, or why there is none."""
        if subject is None:
            return None, ""
        try:
            return certify(subject, time_limit=self.time_limit), ""
        except CertificateError as error:
            return None, str(error)

    def _errors(self, model: Model | LinearBaseline | RecurrentModel) -> tuple[dict[str, float], str]:
        """The error on each test set in the benchmark's metric and unit, and on which the free run is not finite."""
        errors, failed = {}, []
        for name, data in self.official.tests.items():
            simulated = model.simulate(data)
            measured = [record.y for record in data if record.y is not None]
            if not all(np.isfinite(y).all() for y in simulated):
                failed.append(name)
                continue
            mean = float((rmse(measured, simulated, self.official.n_init) ** 2).mean())
            errors[name] = mean if self.official.metric == "mse" else self.official.scale * math.sqrt(mean)
        return errors, f"the free run is not finite on {', '.join(failed)}" if failed else ""
