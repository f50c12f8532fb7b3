"""`l2ssm lab`: list the teaching labs, open one, or grade a file."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from l2ssm.cli.messages import say
from l2ssm.errors import OptionError
from l2ssm.files import write_atomically

AT_ONCE = {"_MARIMO_CONFIG_OVERLOAD_RUNTIME_AUTO_INSTANTIATE": "true"}
"""Makes `marimo edit` run the cells of a notebook when it is opened; without it "run all" has to be pressed first."""


def lab(
    number: Annotated[str | None, typer.Argument(help="0 to 8, or playground; without it the labs are listed")] = None,
    check: Annotated[Path | None, typer.Option(help="grade this file instead: points per exercise")] = None,
    app: Annotated[bool, typer.Option("--app", help="open as an app, without the code")] = False,
    folder: Annotated[Path, typer.Option("-o", "--out", help="where your copy of the notebook is kept")] = Path("."),
    time_limit: Annotated[float, typer.Option(help="with --check: seconds for each check")] = 20.0,
) -> None:
    """Open a teaching lab in the browser, in a copy of your own, or grade one (exit code 0: all points, 1: not all)."""
    if number is None:
        say("\n".join(listed()))
    elif check is not None:
        from l2ssm.labs.grading import grade

        found = grade(number, check, time_limit)
        say(str(found))
        if found.points < found.possible:
            raise typer.Exit(1)
    else:
        raise typer.Exit(open_notebook(number, folder, app))


def listed() -> list[str]:
    """One line a lab: its name and its title."""
    from l2ssm.labs.places import labs

    titles = {
        name: path.read_text(encoding="utf-8").split('app_title="')[1].split('"')[0] for name, path in labs().items()
    }
    return [f"l2ssm lab {name:10}  {title}" for name, title in titles.items()]


def open_notebook(number: str, folder: Path, app: bool) -> int:
    """Copy the notebook into the folder unless it is there, and hand it to marimo; the exit status of marimo."""
    from l2ssm.labs.places import notebook

    source = notebook(number)
    if find_spec("marimo") is None:
        raise OptionError("the labs are marimo notebooks, and marimo is not installed: pip install 'l2ssm[labs]'")
    copy = folder / source.name
    if copy.is_file():
        say(f"going on with {copy}")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(copy, source.read_bytes())
        say(f"wrote {copy}, your copy of lab {number}; grade it with: l2ssm lab {number} --check {copy}")
    return subprocess.call(
        [sys.executable, "-m", "marimo", "run" if app else "edit", str(copy)], env=os.environ | AT_ONCE
    )
