"""`l2ssm eval`: free-run and prediction errors of a model or an ensemble, with the data they were measured on named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from l2ssm.cli.messages import say
from l2ssm.cli.options import (
    BenchmarkName,
    DataFile,
    DropNa,
    Inputs,
    ModelFile,
    Outputs,
    SampleTime,
    TimeAxis,
    TimeColumn,
)
from l2ssm.cli.source import Source
from l2ssm.errors import OptionError

if TYPE_CHECKING:
    from l2ssm.data.dataset import Dataset
    from l2ssm.identification.model import Model


def evaluate(
    model_file: ModelFile,
    file: DataFile = None,
    inputs: Inputs = None,
    outputs: Outputs = None,
    time: TimeColumn = None,
    dt: SampleTime = None,
    time_axis: TimeAxis = 0,
    dropna: DropNa = None,
    benchmark: BenchmarkName = None,
    horizon: Annotated[
        list[int] | None, typer.Option("--horizon", help="also the error so many steps ahead, once per number")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="of the error over --horizon: .png, .svg or .pdf")] = None,
) -> None:
    """Free-run error on a file, or on the test sets of a benchmark; columns default to the model's channel names.

    Without --time and --dt: the columns the fit used, where the file has them, else the sample time of the model. Of
    the folder of an ensemble: the errors of all members, of their mean and their median.
    """
    import l2ssm

    if picture is not None:
        from l2ssm.cli.pictures import picture_path

        picture_path(picture)
        if not horizon:
            raise OptionError("--picture draws the error over --horizon: give that, once per number of steps")
    source = Source.of(file, inputs, outputs, time, dt, time_axis, benchmark, dropna)
    if model_file.is_dir():
        _ensemble(model_file, source)
        return
    model = l2ssm.load(model_file)
    if source.benchmark:
        _official(model, model_file.name, source.benchmark)
        data = source.dataset("test", model)
    else:
        source, assumed = source.sampled_as(model, model_file.parent)
        data = source.dataset("test", model)
        comparison = l2ssm.compare(data, {model_file.name: model})
        say("\n".join([*([assumed] if assumed else []), _described(source, model, data), str(comparison)]))
    if horizon:
        found = l2ssm.horizon(model, data, horizon)
        say(f"\n{found}")
        if picture is not None:
            l2ssm.plots.horizon(found).savefig(picture, dpi=150)
            say(f"wrote {picture}")


def _ensemble(folder: Path, source: Source) -> None:
    """The scores of an ensemble."""
    from l2ssm.cli.ensemble import score_table
    from l2ssm.identification.ensemble import Ensemble

    ensemble = Ensemble.load(folder)
    data = source.dataset("test", next(iter(ensemble.models.values())))
    say(f"{ensemble}\n\n{score_table(ensemble, data)}")


def _described(source: Source, model: Model, data: Dataset) -> str:
    """Which columns were read, and whether these are the training data."""
    from l2ssm.analysis.facts import ON_TRAINING_DATA, is_training_data

    inputs, outputs = source.inputs or model.input_names, source.outputs or model.output_names
    line = f"columns: inputs {', '.join(inputs)}; outputs {', '.join(outputs)}"
    if source.time is not None:
        line += f"; time {source.time}"
    return f"{line}; {ON_TRAINING_DATA}" if is_training_data(model, list(data)) else line


def _official(model: Model, name: str, benchmark: str) -> None:
    """The scores in the benchmark's own metric and unit."""
    import l2ssm

    official = l2ssm.benchmark(benchmark)
    for part, data in official.tests.items():
        scores = l2ssm.compare(data, {name: model}, n_init=max(official.n_init, model.n_init))
        mean = float((scores.scores[name].rmse ** 2).mean())
        value = mean if official.metric == "mse" else official.scale * mean**0.5
        say(f"{scores}\n{benchmark} {part}: test {official.metric.upper()} {value:.4g} {official.unit}")
