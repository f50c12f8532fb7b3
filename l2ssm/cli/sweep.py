"""`l2ssm sweep-gamma`: fits over a range of prescribed gains; every row is on disk as soon as it is there."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from l2ssm.cli.fleet import FleetFolder, Workers, chosen_fleet
from l2ssm.cli.messages import say, training_progress
from l2ssm.cli.options import (
    CERTIFICATE,
    MODEL,
    BenchmarkName,
    DataFile,
    FitMinutes,
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
from l2ssm.cli.source import Source, model_changed
from l2ssm.files import write_atomically

if TYPE_CHECKING:
    from l2ssm.identification.sweep import GainSweep

JSON, CSV, PICTURE = "sweep.json", "sweep.csv", "sweep.png"
SCHEMA = "l2ssm-sweep-1"


def sweep_gamma(
    file: DataFile = None,
    inputs: Inputs = None,
    outputs: Outputs = None,
    time: TimeColumn = None,
    dt: SampleTime = None,
    time_axis: TimeAxis = 0,
    benchmark: BenchmarkName = None,
    output: Annotated[Path, typer.Option("-o", "--out", help="folder to write to")] = Path("sweep"),
    gamma: Annotated[
        list[float] | None, typer.Option(help="gain to prescribe, once per gain; default: around a linear model's")
    ] = None,
    points: Annotated[int, typer.Option(help="gains of the default grid")] = 7,
    tolerance: Annotated[float, typer.Option(help="of the validation error, relative to the smallest one")] = 0.05,
    unprescribed: Annotated[bool, typer.Option(help="whether to fit without a prescribed gain too")] = True,
    cell: Annotated[str | None, typer.Option(help="of all fits; default: contraction, and lru without a gain")] = None,
    scaffold: ScaffoldName = None,
    static: StaticName = None,
    layers: Layers = 5,
    d_model: Width = 8,
    n_x: States = 8,
    initial: Initial = "encoder",
    n_init: InitSamples = None,
    steps: Annotated[int | None, typer.Option(help="optimiser steps of a fit, at most; default that of fit")] = None,
    minutes: FitMinutes = None,
    time_limit: Annotated[float, typer.Option(help="seconds for the proof of a fit, see l2ssm certify")] = 30.0,
    seed: Annotated[int, typer.Option(help="of parameters and windows")] = 0,
    fleet: FleetFolder = None,
    workers: Workers = None,
) -> None:
    """The smallest gain that keeps the fit: a certified fit for each prescribed gain, a table and a picture.

    Writes sweep.json, sweep.csv, sweep.png, and of the smallest gain that keeps the fit model.l2ssm and cert.json.
    Ctrl-C keeps the fits that are done.
    """
    from l2ssm.identification.sweep import sweep_gamma as run

    source = Source.of(file, inputs, outputs, time, dt, time_axis, benchmark)
    train, n_init = source.dataset("train"), source.n_init(n_init, initial)
    say(str(train))
    output.mkdir(parents=True, exist_ok=True)

    def on_row(sweep: GainSweep) -> None:
        write(sweep, output)
        say(f"\n{sweep}\n")

    sweep = run(
        train,
        gamma or None,
        tolerance=tolerance,
        points=points,
        unprescribed=unprescribed,
        time_limit=time_limit,
        fleet=chosen_fleet(fleet, workers),
        on_row=on_row,
        cell=cell,
        scaffold=scaffold,
        static=static,
        layers=layers,
        d_model=d_model,
        n_x=n_x,
        initial=initial,
        n_init=n_init,
        steps=steps,
        minutes=minutes,
        seed=seed,
        progress=training_progress if fleet is None else None,
    )
    if not sweep.complete:
        say(f"interrupted: {len(sweep.rows)} fit(s) done")
    if sweep.rows:
        write(sweep, output)
        _keep(sweep, source, output)


def _keep(sweep: GainSweep, source: Source, output: Path) -> None:
    """Write model and certificate of the chosen row."""
    chosen = sweep.chosen
    if chosen is None or chosen.model is None or chosen.certificate is None:
        say("no fit with a proved gain: no model written")
        return
    chosen.model.save(output / MODEL)
    model_changed(output, source)
    chosen.certificate.save(output / CERTIFICATE)
    say(f"{chosen.certificate}\nwrote {', '.join((JSON, CSV, PICTURE, MODEL, CERTIFICATE))} to {output}")


def write(sweep: GainSweep, folder: Path) -> None:
    """The three files of a sweep with at least one row, each written whole or not touched."""
    from l2ssm.analysis.certificate_plots import sweep_figure

    rows = [_plain(row) | {"chosen": row is sweep.chosen} for row in sweep.rows]
    about = {name: getattr(sweep, name) for name in ("unit", "tolerance", "linear", "complete")}
    text = json.dumps({"schema": SCHEMA, **about, "rows": rows}, indent=1, allow_nan=False)
    write_atomically(folder / JSON, (text + "\n").encode())
    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | {"rmse": " ".join(map(repr, row["rmse"]))} for row in rows)
    write_atomically(folder / CSV, table.getvalue().encode())
    picture = io.BytesIO()
    sweep_figure(sweep).savefig(picture, dpi=150, format="png")
    write_atomically(folder / PICTURE, picture.getvalue())


def _plain(row: Any) -> dict[str, Any]:
    """The numbers and words of a row; None for an infinite error."""
    values = {f.name: getattr(row, f.name) for f in dataclasses.fields(row) if f.name not in ("model", "certificate")}
    return values | {"error": row.error if math.isfinite(row.error) else None, "seconds": round(row.seconds, 1)}
