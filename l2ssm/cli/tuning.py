"""`l2ssm tune`: the options of a fit searched by Optuna and a fleet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from l2ssm.cli.fleet import FleetFolder, Workers, chosen_fleet
from l2ssm.cli.messages import say
from l2ssm.cli.options import (
    MODEL,
    BenchmarkName,
    CellName,
    CellOptions,
    DataFile,
    DropNa,
    FitMinutes,
    FitSteps,
    Gamma,
    Initial,
    InitSamples,
    Inputs,
    Layers,
    Outputs,
    SampleTime,
    ScaffoldName,
    States,
    StaticName,
    TimeAxis,
    TimeColumn,
    Width,
    named_values,
)
from l2ssm.cli.source import Source, model_changed
from l2ssm.errors import OptionError

if TYPE_CHECKING:
    from l2ssm.identification.selection import Trial


def tune(
    search: Annotated[
        list[str], typer.Option(help="values, n_x=[4,8], or a range, n_x=2:32, learning_rate=1e-3:1e-1:log; once each")
    ],
    file: DataFile = None,
    inputs: Inputs = None,
    outputs: Outputs = None,
    time: TimeColumn = None,
    dt: SampleTime = None,
    time_axis: TimeAxis = 0,
    dropna: DropNa = None,
    benchmark: BenchmarkName = None,
    output: Annotated[Path, typer.Option("-o", "--out", help="folder to write to")] = Path("out"),
    trials: Annotated[int, typer.Option(help="fits to try")] = 30,
    at_once: Annotated[int, typer.Option(help="trials proposed together, side by side where there are workers")] = 4,
    fleet: FleetFolder = None,
    workers: Workers = None,
    cell: CellName = None,
    cell_option: CellOptions = None,
    gamma: Gamma = None,
    scaffold: ScaffoldName = None,
    static: StaticName = None,
    layers: Layers = None,
    d_model: Width = None,
    n_x: States = None,
    initial: Initial = None,
    n_init: InitSamples = None,
    steps: FitSteps = None,
    minutes: FitMinutes = None,
    seed: Annotated[int, typer.Option(help="of the proposals and of every fit")] = 0,
) -> None:
    """Search for options of the least validation error, proposed by Optuna: a table, and model.l2ssm of the best.

    Options that are not given are as for l2ssm fit. With --fleet the same command goes on after a kill, and with more
    --trials it adds to those done.
    """
    import l2ssm
    from l2ssm.identification.selection import trial_line

    source = Source.of(file, inputs, outputs, time, dt, time_axis, benchmark, dropna)
    train, n_init = source.dataset("train"), source.n_init(n_init, initial)
    say(str(train))

    def on_fit(trial: Trial) -> None:
        say(trial_line(trial.told))

    options: dict[str, Any] = {"cell": cell, "gamma": gamma, "scaffold": scaffold, "static": static, "layers": layers}
    options |= {"d_model": d_model, "n_x": n_x, "initial": initial, "n_init": n_init}
    options |= {"steps": steps, "minutes": minutes, "cell_options": named_values(cell_option) or None}
    tuned = l2ssm.tune(
        train,
        search={name: searched(name, one) for name, one in named_values(search, "--search").items()},
        trials=trials,
        at_once=at_once,
        fleet=chosen_fleet(fleet, workers),
        seed=seed,
        on_fit=on_fit,
        **{name: value for name, value in options.items() if value is not None},
    )
    output.mkdir(parents=True, exist_ok=True)
    l2ssm.fit_noise(tuned.model, train).save(output / MODEL)
    note = model_changed(output, source)
    say(f"\n{tuned}")
    if not tuned.complete:
        say(f"interrupted: {len(tuned.trials)} trial(s) done")
    say(f"{note}wrote {output / MODEL}")


def searched(name: str, value: Any) -> Any:
    """The range that text such as "2:32" or "0.001:0.1:log" stands for; a list is one already.

    >>> searched("learning_rate", "1e-3:1e-1:log")
    Range(low=0.001, high=0.1, log=True)
    """
    from l2ssm.identification.proposals import Range

    if not isinstance(value, str):
        return value
    try:
        low, high = map(json.loads, value.removesuffix(":log").split(":"))
    except ValueError:
        raise OptionError(
            f"--search {name} is {value!r}, expected values such as [4,8], or a range such as 2:32 or 0.001:0.1:log"
        ) from None
    return Range(low, high, value.endswith(":log"))
