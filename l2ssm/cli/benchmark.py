"""`l2ssm bench`: what is measured - the times of the scan, and the errors on the official benchmarks."""

from __future__ import annotations

from typing import Annotated

import typer

from l2ssm.cli.accuracy import accuracy
from l2ssm.cli.messages import one_line_errors, say
from l2ssm.errors import OptionError


def scan(
    case: Annotated[list[str] | None, typer.Option(help="batch,time,n_x,channels; default: five cases")] = None,
    threads: Annotated[int, typer.Option(help="of torch, for all that is measured")] = 1,
    repeats: Annotated[int, typer.Option(help="rounds; medians are shown")] = 5,
    peers: Annotated[bool, typer.Option(help="whether LSTM, GRU and, where installed, neural-ssm run too")] = True,
) -> None:
    """Time the scan, forward and backward, beside the bare matrix products of the same shapes and other layers."""
    from l2ssm.scan.bench import run, table

    shapes = [text.split(",") for text in case or ()]
    if not all(len(shape) == 4 and all(size.isdigit() and int(size) > 0 for size in shape) for shape in shapes):
        raise OptionError(f"--case is {case}, expected four sizes such as 16,4096,64,64")
    cases = [tuple(int(size) for size in shape) for shape in shapes] or None
    say(table(run(cases, threads=threads, repeats=repeats, peers=peers)))


bench = typer.Typer(help="Measure the scan, or the errors on the official benchmarks.", no_args_is_help=True)
bench.command()(one_line_errors(scan))
bench.command()(one_line_errors(accuracy))
