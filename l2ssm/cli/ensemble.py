"""`l2ssm fit-many`: an ensemble over seeds; and what `l2ssm eval` says about one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from l2ssm.cli.fleet import FleetFolder, Workers, chosen_fleet
from l2ssm.cli.messages import say
from l2ssm.cli.options import (
    BenchmarkName,
    CellName,
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
)
from l2ssm.cli.source import Source

if TYPE_CHECKING:
    from l2ssm.data.dataset import Dataset
    from l2ssm.identification.ensemble import Ensemble
    from l2ssm.identification.model import Model

PICTURE = "bode.png"


def fit_many(
    file: DataFile = None,
    inputs: Inputs = None,
    outputs: Outputs = None,
    time: TimeColumn = None,
    dt: SampleTime = None,
    time_axis: TimeAxis = 0,
    dropna: DropNa = None,
    benchmark: BenchmarkName = None,
    output: Annotated[Path, typer.Option("-o", "--out", help="folder to write to")] = Path("ensemble"),
    seeds: Annotated[int, typer.Option(help="number of fits, of seeds 0, 1, ...")] = 5,
    processes: Annotated[int, typer.Option(help="fits side by side; they share the cores")] = 1,
    fleet: FleetFolder = None,
    workers: Workers = None,
    cell: CellName = None,
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
) -> None:
    """The same fit for several seeds: writes ensemble.json, seed-N.l2ssm, and bode.png for one input and one output.

    Options that are not given are as for l2ssm fit. Seeds that give no model are named. l2ssm eval FOLDER FILE scores
    the members, their mean and their median.
    """
    import l2ssm

    source = Source.of(file, inputs, outputs, time, dt, time_axis, benchmark, dropna)
    train, n_init = source.dataset("train"), source.n_init(n_init, initial)
    say(str(train))

    def on_fit(seed: int, result: Model | str) -> None:
        say(f"seed {seed}: {result if isinstance(result, str) else result.info['stopped']}")

    options: dict[str, Any] = {"cell": cell, "gamma": gamma, "scaffold": scaffold, "static": static, "layers": layers}
    options |= {"d_model": d_model, "n_x": n_x, "initial": initial, "n_init": n_init}
    options |= {"steps": steps, "minutes": minutes}
    given = {name: value for name, value in options.items() if value is not None}
    chosen = chosen_fleet(fleet, workers)
    ensemble = l2ssm.fit_many(train, range(seeds), processes=processes, fleet=chosen, on_fit=on_fit, **given)
    ensemble.save(output)
    say(f"\n{ensemble}\nwrote {output}")
    if train.n_u == train.n_y == 1:
        from l2ssm.analysis.band_plots import bode_band_figure

        bode_band_figure(ensemble.bode_band()).savefig(output / PICTURE, dpi=150)
        say(f"wrote {output / PICTURE}: linearizations at the mean input, median and band")


def score_table(ensemble: Ensemble, data: Dataset) -> str:
    """RMSE and fit of every member, the mean and the median, one line each."""
    from l2ssm.analysis.compare import percent

    first = next(iter(ensemble.models.values()))
    lines = []
    for name, s in ensemble.scores(data).items():
        cells = zip(first.output_names, s.rmse, first.output_units, s.fit, strict=True)
        lines.append(
            f"{name:8} " + "; ".join(f"{n}: RMSE {r:.4g} {unit or '-'}, {percent(f, 2)}" for n, r, unit, f in cells)
        )
    return "\n".join(
        [*lines, f"free run, {len(data)} record(s), the first {ensemble.n_init} samples of each not scored"]
    )
