"""`l2ssm report`: the page and the numbers about the model in a folder."""

from __future__ import annotations

from pathlib import Path

from l2ssm.cli.messages import say
from l2ssm.cli.options import CERTIFICATE, MODEL
from l2ssm.cli.source import Source, recall


def run(folder: Path, given: Source | None, teaching: bool = False) -> None:
    """Write report.html and report.json; without a given source, about the data the model's own source tests on."""
    import l2ssm
    from l2ssm.analysis.facts import ON_TRAINING_DATA, is_training_data

    model = l2ssm.load(folder / MODEL)
    source, command = recall(folder)
    if given is not None:
        source, assumed = given.sampled_as(model, folder)
        if assumed:
            say(assumed)
    data = None if source is None else source.dataset("test", model)
    certificate = folder / CERTIFICATE
    paths = l2ssm.write_report(model, data, certificate if certificate.is_file() else None, folder, command, teaching)
    if data is not None and is_training_data(model, list(data)):
        say(f"the fit is measured {ON_TRAINING_DATA}")
    say(f"wrote {paths.html} and {paths.json}")
