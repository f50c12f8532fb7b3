"""Where a command's data come from: a file with its columns, or a benchmark; kept beside the model to come back to."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from l2ssm.cli.options import CERTIFICATE
from l2ssm.errors import DataError, OptionError

if TYPE_CHECKING:
    from l2ssm.data.benchmarks import Benchmark
    from l2ssm.data.dataset import Dataset
    from l2ssm.identification.model import Model

RUN_FILE = "run.json"
ABOUT_THE_MODEL = (CERTIFICATE, "report.html", "report.json")  # worth nothing once the model is another one


@dataclass(frozen=True)
class Source:
    """A data file and how to read it, a benchmark, or an embedded plant.

    Attributes:
        path: of a file or a store that `l2ssm.read` reads; "" where the data are a benchmark or a plant.
        inputs, outputs: columns or variables.
        time, dt, time_axis, dropna: see `l2ssm.read`.
        benchmark: a name of `BENCHMARKS`.
        plant, seed, samples: a name of `PLANTS`, the seed of its experiment, samples of a record.
    """

    path: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    time: str | None = None
    dt: str | None = None
    time_axis: int = 0
    benchmark: str | None = None
    plant: str | None = None
    seed: int = 0
    samples: int | None = None
    dropna: str | None = None

    def __post_init__(self) -> None:
        if self.benchmark and self.path:
            raise OptionError("give a file or --benchmark, not both")

    @classmethod
    def of(
        cls,
        file: Path | None,
        inputs: list[str] | None,
        outputs: list[str] | None,
        time: str | None,
        dt: str | None,
        time_axis: int,
        benchmark: str | None = None,
        dropna: str | None = None,
    ) -> Source:
        """From the arguments of a command, None where they were not given."""
        columns = tuple(inputs or ()), tuple(outputs or ())
        return cls(str(file or ""), *columns, time, dt, time_axis, benchmark, dropna=dropna)

    def n_init(self, given: int | None, initial: str | None) -> int | None:
        """Samples for the initial state: those given, else those of the benchmark where the rule takes some."""
        official = self.benchmark and given is None and initial != "zero"
        return self.official().n_init if official else given

    def dataset(self, part: str, model: Model | None = None) -> Dataset:
        """The records; `part` ("train" or "test") matters where the source has an official split.

        Args:
            part: "train" or "test".
            model: gives channel names and sample time not named on the command line.

        Raises:
            DataError, MissingDataError, OptionError: see `l2ssm.read` and `l2ssm.benchmark`.
        """
        from l2ssm.data.dataset import Dataset
        from l2ssm.data.read import read

        if self.benchmark:
            found = self.official()
            return found.train if part == "train" else found.test
        if self.plant:
            from l2ssm.data.plants import PLANTS

            return Dataset([PLANTS[self.plant]().experiment(seed=self.seed, samples=self.samples)[part]])
        if not self.path:
            raise OptionError("no data: give a file with -u and -y, or --benchmark NAME")
        inputs, outputs, stored = self.inputs, self.outputs, Path(self.path).expanduser().is_dir()
        if model is not None and not stored:
            inputs, outputs = inputs or model.input_names, outputs or model.output_names
        if not stored and not (inputs and outputs):
            raise DataError("name the columns: -u INPUT and -y OUTPUT, each once per channel")
        dt = None if self.dt is None else number(self.dt)
        if dt is None and self.time is None and model is not None and not stored:
            dt = model.dt
        data = read(
            self.path,
            inputs=inputs,
            outputs=outputs,
            time=self.time,
            dt=dt,
            time_axis=self.time_axis,
            dropna=self.dropna,
        )
        return data if model is None else _with_labels_of(data, model)

    def sampled_as(self, model: Model, folder: Path) -> tuple[Source, str]:
        """(this source with the time or dt column of the fit, "") where neither was named and the text file has it.

        Else (this source, a line that says the sample time is assumed), or (this source, "") where it was named.

        Args:
            model: its sample time is the one assumed.
            folder: of the model, where `remember` may have left run.json.
        """
        if not self.path or self.time is not None or self.dt is not None or Path(self.path).expanduser().is_dir():
            return self, ""
        past, _ = recall(folder)
        columns = _text_columns(self.path)
        if past is not None and past.time is not None and past.time in columns:
            return replace(self, time=past.time), ""
        if past is not None and past.dt is not None and past.dt in columns:
            return replace(self, dt=past.dt), ""
        return self, f"dt = {model.dt:g} s assumed from the model"

    def official(self) -> Benchmark:
        """The benchmark with its split, n_init and unit."""
        from l2ssm.data.benchmarks import benchmark

        return benchmark(self.benchmark or "")

    def remember(self, folder: Path, command: str) -> None:
        """Write run.json: this source and the command that used it."""
        from l2ssm.files import write_atomically

        path = str(Path(self.path).resolve()) if self.path else ""
        content = {"command": command, "source": asdict(self) | {"path": path}}
        write_atomically(folder / RUN_FILE, (json.dumps(content, indent=1) + "\n").encode())


def model_changed(folder: Path, source: Source | None) -> str:
    """After another model came into the folder: remove what was about the one before, remember the source of this one.

    Returns:
        A line that names what was removed, or nothing.
    """
    stale = [name for name in ABOUT_THE_MODEL if (folder / name).is_file()]
    for name in stale:
        (folder / name).unlink()
    if source is not None:
        source.remember(folder, shlex.join(["l2ssm", *sys.argv[1:]]))
    return f"removed {', '.join(stale)} from {folder}: about the model that was there before\n" if stale else ""


def recall(folder: Path) -> tuple[Source | None, str | None]:
    """(source, command) that `remember` wrote; (None, None) where there is no such file.

    Raises:
        DataError: the file is not one of ours.
    """
    path = folder / RUN_FILE
    if not path.is_file():
        return None, None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        fields, command = dict(content["source"]), content["command"]
        if not isinstance(command, str):
            raise TypeError(f"command is {command!r}, expected text")
        for name, value in fields.items():
            _check(name, value)
        fields["inputs"], fields["outputs"] = tuple(fields["inputs"]), tuple(fields["outputs"])
        return Source(**fields), command
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path} is not a run file of l2ssm: {error}") from None


def _check(name: str, value: object) -> None:
    """TypeError where a field of run.json is not of the type `remember` writes."""
    if name in ("inputs", "outputs"):
        good, right = isinstance(value, list) and all(isinstance(item, str) for item in value), "a list of names"
    elif name in ("time_axis", "seed", "samples"):
        good = (isinstance(value, int) and not isinstance(value, bool)) or (name == "samples" and value is None)
        right = "an integer"
    else:
        good, right = isinstance(value, str) or (name != "path" and value is None), "text"
    if not good:
        raise TypeError(f"{name} is {value!r}, expected {right}")


def _text_columns(path: str) -> tuple[str, ...]:
    """Names of the columns of a text file; none where it is of another format or not there."""
    from l2ssm.data.delimited import read_delimited
    from l2ssm.data.read import TEXT

    file = Path(path).expanduser()
    if file.suffix.lower() not in TEXT or not file.is_file() or not file.stat().st_size:
        return ()
    return read_delimited(file, None, None, None).names


def number(text: str) -> float | str:
    """Of a --dt: a number, or else the name of a column."""
    try:
        return float(text)
    except ValueError:
        return text


def _with_labels_of(data: Dataset, model: Model) -> Dataset:
    """The records under the model's channel names and units, so that columns may be called otherwise in a test file."""
    from l2ssm.data.dataset import Dataset
    from l2ssm.data.record import Record

    names = dict(zip((*model.input_names, *model.output_names), (*model.input_units, *model.output_units), strict=True))
    units = {name: unit for name, unit in names.items() if unit}
    first = data[0]
    if len(first.input_names) != len(model.input_names) or len(first.output_names) != len(model.output_names):
        return data  # `Model.simulate` says what differs
    if first.channels == (*model.input_names, *model.output_names) and dict(first.units) == units:
        return data
    return Dataset(
        [
            Record(
                r.u,
                r.y,
                r.dt,
                name=r.name,
                t0=r.t0,
                input_names=model.input_names,
                output_names=model.output_names,
                units=units,
                missing=r.missing,
            )
            for r in data
        ]
    )
