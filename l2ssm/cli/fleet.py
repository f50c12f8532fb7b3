"""Options of the commands that make many fits: the folder of a fleet, and its workers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from l2ssm.errors import OptionError

if TYPE_CHECKING:
    from l2ssm.identification.fleet import Fleet

FleetFolder = Annotated[
    Path | None,
    typer.Option("--fleet", help="folder that keeps every fit: what is there is not done again, after a kill too"),
]
Workers = Annotated[
    str | None, typer.Option(help="with --fleet: processes on this machine, or the address of a dask scheduler")
]


def chosen_fleet(folder: Path | None, workers: str | None) -> Fleet | None:
    """The fleet that the two options ask for, None without a folder."""
    from l2ssm.identification.fleet import Fleet

    if folder is None:
        if workers is not None:
            raise OptionError(f"--workers is {workers!r}, and there is no --fleet FOLDER to keep their results in")
        return None
    return Fleet(folder, int(workers) if workers is not None and workers.isdecimal() else workers)
