"""`l2ssm fit`: one model from a file or a benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from l2ssm.cli.messages import say, training_progress
from l2ssm.cli.options import (
    MODEL,
    BenchmarkName,
    CarryState,
    CellName,
    CellOptions,
    DataFile,
    DropNa,
    GainPenalty,
    Gamma,
    GammaStart,
    Initial,
    InitSamples,
    Inputs,
    Layers,
    Outputs,
    SampleTime,
    ScaffoldName,
    Search,
    Starts,
    States,
    StaticName,
    TimeAxis,
    TimeColumn,
    Width,
    named_values,
)
from l2ssm.cli.source import Source, model_changed


def fit(
    file: DataFile = None,
    inputs: Inputs = None,
    outputs: Outputs = None,
    time: TimeColumn = None,
    dt: SampleTime = None,
    time_axis: TimeAxis = 0,
    dropna: DropNa = None,
    benchmark: BenchmarkName = None,
    output: Annotated[Path, typer.Option("-o", "--out", help="folder to write to")] = Path("out"),
    cell: CellName = None,
    cell_option: CellOptions = None,
    gamma: Gamma = None,
    gamma_start: GammaStart = None,
    gain_penalty: GainPenalty = None,
    scaffold: ScaffoldName = None,
    static: StaticName = None,
    layers: Layers = 5,
    d_model: Width = 8,
    n_x: States = 8,
    initial: Initial = "encoder",
    n_init: InitSamples = None,
    window: Annotated[int | None, typer.Option(help="samples of a training window")] = None,
    batch: Annotated[
        int | None, typer.Option(help="training windows of a step; default 8, less where windows are long")
    ] = None,
    carry_state: CarryState = False,
    steps: Annotated[int | None, typer.Option(help="optimiser steps at most; default 2000 to 15000 by samples")] = None,
    refine_steps: Annotated[
        int | None, typer.Option(help="then steps of L-BFGS; default a twentieth, for slow plants a fifth")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="wall-clock budget")] = None,
    seed: Annotated[int, typer.Option(help="of parameters and windows")] = 0,
    checkpoint: Annotated[
        Path | None, typer.Option(help="file kept up to date while fitting; where it exists the fit goes on from it")
    ] = None,
    starts: Starts = 1,
    search: Search = None,
    nproc: Annotated[
        int | None, typer.Option(help="processes that share the fit out, for large batches; killed ones start again")
    ] = None,
) -> None:
    """Fit a model to a file or a benchmark; write model.l2ssm."""
    import l2ssm
    from l2ssm.identification.selection import search_table

    source = Source.of(file, inputs, outputs, time, dt, time_axis, benchmark, dropna)
    train, n_init = source.dataset("train"), source.n_init(n_init, initial)
    say(str(train))
    output.mkdir(parents=True, exist_ok=True)
    sizes: dict[str, Any] = {"layers": layers, "d_model": d_model, "n_x": n_x, "initial": initial, "window": window}
    gain: dict[str, Any] = {"gamma": gamma, "gamma_start": gamma_start, "gain_penalty": gain_penalty}
    work: dict[str, Any] = {"steps": steps, "refine_steps": refine_steps, "minutes": minutes, "batch": batch}
    model = l2ssm.fit(
        train,
        cell=cell,
        cell_options=named_values(cell_option),
        scaffold=scaffold,
        static=static,
        n_init=n_init,
        carry_state=carry_state,
        seed=seed,
        checkpoint=checkpoint,
        starts=starts,
        search=named_values(search, "--search") or None,
        nproc=nproc,
        progress=training_progress,
        **sizes,
        **gain,
        **work,
    )
    model = l2ssm.fit_noise(model, train)
    model.save(output / MODEL)
    note = model_changed(output, source)
    say(f"{search_table(model)}\n{model}\nstopped: {model.info['stopped']}; best step {model.info['best_step']}")
    say(f"{note}wrote {output / MODEL}")
