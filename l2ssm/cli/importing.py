"""`l2ssm import`: a file of measurements to a store, which every command takes in the place of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from l2ssm.cli.messages import say
from l2ssm.cli.options import DropNa, Inputs, Outputs, SampleTime, TimeAxis, TimeColumn
from l2ssm.cli.source import number


def import_file(
    file: Annotated[Path, typer.Argument(help="CSV, .mat, .npz, .npy, parquet or HDF5 file")],
    folder: Annotated[Path, typer.Argument(help="of the store, to be made")],
    inputs: Inputs = None,
    outputs: Outputs = None,
    time: TimeColumn = None,
    dt: SampleTime = None,
    time_axis: TimeAxis = 0,
    dropna: DropNa = None,
    record: Annotated[str | None, typer.Option(help="column that tells the records of a table apart")] = None,
    dtype: Annotated[str, typer.Option(help="float32, or int16 with a scale and an offset a channel")] = "float32",
) -> None:
    """Write the samples of a file to a store: a folder of .npy files, of which a fit reads what it needs.

    CSV, .npy, parquet, HDF5 and .mat v7.3 files may be larger than the memory; of .mat v4 to v7 and .npz files a
    variable is read whole.
    """
    from l2ssm.data.read import read

    data = read(
        file,
        inputs=inputs or (),
        outputs=outputs or None,
        time=time,
        dt=None if dt is None else number(dt),
        time_axis=time_axis,
        dropna=dropna,
        record=record,
        store=folder,
        dtype=dtype,
    )
    say(f"{data}\nwrote {folder}")
