"""`l2ssm bench accuracy`: the official benchmarks with one configuration a model family, beside published numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from l2ssm.cli.messages import complain, say, training_progress
from l2ssm.errors import OptionError


def accuracy(
    output: Annotated[Path, typer.Option("-o", "--out", help="folder of the results; what is there is not redone")],
    benchmark: Annotated[list[str] | None, typer.Option(help="one to run, may be repeated; all by default")] = None,
    family: Annotated[
        list[str] | None, typer.Option(help="lru, certified, linear, gru or lstm, may be repeated; all by default")
    ] = None,
    seeds: Annotated[int, typer.Option(help="fits of each, seeds 0, 1, ...; 0: only the table of what is there")] = 3,
    steps: Annotated[int | None, typer.Option(help="optimiser steps of a fit; default that of l2ssm.fit")] = None,
    minutes: Annotated[float | None, typer.Option(help="wall-clock budget of a fit; default none")] = None,
    time_limit: Annotated[float, typer.Option(help="seconds of a proof, see l2ssm certify")] = 60.0,
    markdown: Annotated[bool, typer.Option("--markdown", help="the table as it stands in docs/benchmarks.md")] = False,
) -> None:
    """Fit every model family to the official benchmarks; print test errors, times, sizes and gains.

    One default configuration a family, whatever the benchmark; the test records choose nothing. Each fit is kept in the
    folder as soon as it is done: the same command goes on where it was stopped.
    """
    import l2ssm
    from l2ssm.data.benchmarks import BENCHMARKS
    from l2ssm.identification.accuracy import FAMILIES, SEEDLESS, Course, Result
    from l2ssm.identification.accuracy_table import accuracy_table

    names, families = benchmark or list(BENCHMARKS), family or list(FAMILIES)
    unknown = [f for f in families if f not in FAMILIES]
    if unknown or seeds < 0:
        raise OptionError(f"families {unknown} do not exist: {', '.join(FAMILIES)}" if unknown else f"--seeds {seeds}")
    output.mkdir(parents=True, exist_ok=True)
    if seeds:
        courses = [Course(l2ssm.benchmark(name), steps, minutes, time_limit) for name in names]
        try:
            for course in courses:
                for seed in range(seeds):
                    for one in families:
                        if seed and one in SEEDLESS:
                            continue
                        complain(f"{course.official.name}, {one}, seed {seed}")
                        course.run(one, seed, output, training_progress)
        except KeyboardInterrupt:
            complain("interrupted; the same command goes on from here")
    found = [Result.load(path) for name in names for path in sorted(output.glob(f"{name}-*.json"))]
    say(accuracy_table([r for r in found if r.family in families], markdown) or f"there are no results in {output}")
