"""`l2ssm eval`: the free-run error of a model, with the data it was measured on named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from l2ssm.cli.messages import say
from l2ssm.cli.source import Source

if TYPE_CHECKING:
    from l2ssm.data.dataset import Dataset
    from l2ssm.identification.model import Model


def run(model_file: Path, source: Source) -> None:
    """Score the model on a file, or on the test sets of a benchmark."""
    import l2ssm

    model = l2ssm.load(model_file)
    if source.benchmark:
        _official(model, model_file.name, source.benchmark)
        return
    source, assumed = source.sampled_as(model, model_file.parent)
    data = source.dataset("test", model)
    comparison = l2ssm.compare(data, {model_file.name: model})
    say("\n".join([*([assumed] if assumed else []), _described(source, model, data), str(comparison)]))


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
