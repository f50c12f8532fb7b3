"""What the command line prints: progress, the version, and one clear line for an error."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import typer

from l2ssm.errors import L2ssmError

if TYPE_CHECKING:
    from l2ssm.identification.minimize import Progress

P = ParamSpec("P")
R = TypeVar("R")

BAR = 30
INSTALL = "pip install l2ssm with its dependencies"

debug = {"traceback": False}  # set by `l2ssm --debug`


def say(text: str) -> None:
    """One message on standard output."""
    typer.echo(text)


def complain(text: str) -> None:
    """One message on standard error."""
    typer.echo(text, err=True)


def show_version(wanted: bool) -> None:
    """Print the version and leave, for `l2ssm --version`."""
    if wanted:
        from l2ssm import __version__

        say(f"l2ssm {__version__}")
        raise typer.Exit


def one_line_errors(command: Callable[P, R]) -> Callable[P, R]:
    """The command with expected errors and missing packages as one line and exit code 1; a traceback with `--debug`."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (L2ssmError, OSError) as error:
            if debug["traceback"]:
                raise
            complain(f"error: {error}")
            raise typer.Exit(1) from None
        except ModuleNotFoundError as error:
            if debug["traceback"] or (error.name or "").startswith("l2ssm"):
                raise
            complain(f"error: this command needs {error.name or 'a module'} ({error}): {INSTALL}")
            raise typer.Exit(1) from None

    return run


def training_progress(report: Progress) -> None:
    """A bar on a terminal, one line a validation otherwise."""
    line = (
        f"step {report.step}/{report.steps}  train {report.train_mse**0.5:.4f}  valid {report.valid_mse**0.5:.4f} "
        f"(RMSE, standardised)  {report.seconds:.0f} s"
    )
    if sys.stdout.isatty():
        done = BAR * report.step // report.steps
        typer.echo(f"\r[{'#' * done}{'.' * (BAR - done)}] {line}", nl=report.step == report.steps)
    else:
        typer.echo(line)
