"""Arguments and options that several commands share, and the names of the files in a folder given with -o."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from l2ssm.errors import OptionError

MODEL, CERTIFICATE = "model.l2ssm", "cert.json"

DataFile = Annotated[Path | None, typer.Argument(help="CSV, .mat, .npz, .npy, parquet or HDF5 file, or a store")]
Inputs = Annotated[list[str] | None, typer.Option("-u", "--input", help="input column, once per input")]
Outputs = Annotated[list[str] | None, typer.Option("-y", "--output", help="output column, once per output")]
TimeColumn = Annotated[str | None, typer.Option("--time", help="column of the instants, in seconds")]
SampleTime = Annotated[str | None, typer.Option("--dt", help="sample time in seconds, or the column that holds it")]
TimeAxis = Annotated[int, typer.Option(help="1 if the arrays of a file are (channels, time)")]
DropNa = Annotated[
    str | None, typer.Option(help="empty cells: mask (an output was not measured there) or split (cut the record)")
]
BenchmarkName = Annotated[str | None, typer.Option("--benchmark", help="cascaded_tanks, silverbox, wh2009, ...")]
CellName = Annotated[str | None, typer.Option(help="default: contraction with --gamma in series, else lru")]
Gamma = Annotated[float | None, typer.Option(help="prescribed gain, output unit per input unit")]
FitSteps = Annotated[int | None, typer.Option(help="optimiser steps of a fit, at most")]
FitMinutes = Annotated[float | None, typer.Option(help="wall-clock budget of a fit")]
ScaffoldName = Annotated[
    str | None,
    typer.Option(
        help="series (default with --gamma), twofold (default without), residual, mamba, hawk, griffin, h3, ..."
    ),
]
StaticName = Annotated[
    str | None,
    typer.Option(help="static layers: contractive, sandwich, orthogonal, gated; perceptron and, without --gamma, glu"),
]
Layers = Annotated[int | None, typer.Option(help="blocks")]
Width = Annotated[int | None, typer.Option(help="width of a block")]
States = Annotated[int | None, typer.Option(help="complex states of a cell")]
Initial = Annotated[str | None, typer.Option(help="initial state: zero, learned, warmup or encoder")]
InitSamples = Annotated[int | None, typer.Option(help="samples for the initial state; default 50 or less")]
GammaStart = Annotated[float | None, typer.Option(help="larger gain to start from, falls to --gamma in half the steps")]
GainPenalty = Annotated[
    float | None, typer.Option(help="learn gamma from --gamma on: weight of log(gamma) in the loss")
]
CarryState = Annotated[bool, typer.Option("--carry-state", help="windows go on from the state before them")]
CellOptions = Annotated[
    list[str] | None, typer.Option("--cell-option", help="name=value of the cell, e.g. init=inv; once per option")
]
Starts = Annotated[int, typer.Option(help="random starts; the best by short trials goes on")]
Search = Annotated[
    list[str] | None, typer.Option(help="values to choose among by short trials, e.g. n_x=[4,8]; once per option")
]
ModelFile = Annotated[Path, typer.Argument(help="model file written by fit")]


def named_values(given: list[str] | None, option: str = "--cell-option") -> dict[str, Any]:
    """What such an option was given: numbers, true, false, [...] and {...} as in JSON, anything else as text.

    >>> named_values(["init=inv", "band_limit=0.5", "train_B=false"])
    {'init': 'inv', 'band_limit': 0.5, 'train_B': False}
    """
    values: dict[str, Any] = {}
    for pair in given or ():
        name, equals, text = pair.partition("=")
        if not (name and equals):
            raise OptionError(f"{option} is {pair!r}, expected name=value")
        try:
            values[name] = json.loads(text)
        except json.JSONDecodeError:
            values[name] = text
    return values
