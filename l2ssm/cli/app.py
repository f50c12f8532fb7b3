"""The commands; a folder given with -o holds model.l2ssm, run.json, cert.json, report.html and report.json."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from l2ssm.cli.benchmark import bench
from l2ssm.cli.ensemble import fit_many
from l2ssm.cli.evaluate import evaluate
from l2ssm.cli.export import export
from l2ssm.cli.fitting import fit
from l2ssm.cli.importing import import_file
from l2ssm.cli.lab import lab
from l2ssm.cli.messages import complain, debug, one_line_errors, say, show_version
from l2ssm.cli.options import (
    CERTIFICATE,
    MODEL,
    DataFile,
    Inputs,
    ModelFile,
    Outputs,
    SampleTime,
    TimeAxis,
    TimeColumn,
)
from l2ssm.cli.reduction import reduce
from l2ssm.cli.source import Source
from l2ssm.cli.sweep import sweep_gamma
from l2ssm.cli.tuning import tune
from l2ssm.cli.usage import MALFORMED, NOT_PROVED, Commands
from l2ssm.errors import CertificateError, MalformedCertificateError, ModelFileError

app = typer.Typer(
    name="l2ssm",
    cls=Commands,
    help="Fit deep state-space models to input/output data, and prove their L2 gain.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def options(
    traceback: Annotated[bool, typer.Option("--debug", help="show a traceback for every error")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="show the version and leave")
    ] = False,
) -> None:
    """Options of every command."""
    debug["traceback"] = traceback


@app.command()
@one_line_errors
def demo(
    output: Annotated[Path, typer.Option("-o", "--out", help="folder to write to")] = Path("l2ssm-demo"),
    seed: Annotated[int, typer.Option(help="of the experiment and of the fit")] = 0,
) -> None:
    """The whole path on an embedded plant: data, certified fit, proof, analysis, report."""
    from l2ssm.cli.demo import run

    run(output, seed)


@app.command()
@one_line_errors
def doctor() -> None:
    """Versions, solvers, threads, device, and a self-test."""
    from l2ssm.cli.doctor import run

    if not run():
        raise typer.Exit(1)


OWN: dict[str, Callable[..., None]] = {"fit": fit, "import": import_file, "sweep-gamma": sweep_gamma,
                                       "fit-many": fit_many, "tune": tune, "eval": evaluate, "reduce": reduce,
                                       "export": export, "lab": lab}  # fmt: skip
for name, function in OWN.items():
    app.command(name=name)(one_line_errors(function))


@app.command()
@one_line_errors
def certify(
    model_file: ModelFile,
    output: Annotated[Path | None, typer.Option("-o", "--out", help="default: cert.json beside the model")] = None,
    kind: Annotated[str, typer.Option(help="incremental, or l2: about any one input, or from rest")] = "incremental",
    gamma: Annotated[float | None, typer.Option(help="prove this bound; default: the smallest one found")] = None,
    method: Annotated[
        str, typer.Option(help="auto, or one tier: product, block, network; or a witness: cauchy, riccati, lmi")
    ] = "auto",
    time_limit: Annotated[float, typer.Option(help="seconds for the tiers block and network")] = 60.0,
    worst: Annotated[Path | None, typer.Option(help="write the worst input found to this CSV file")] = None,
    arithmetic: Annotated[
        str | None, typer.Option(help="of the proof: ball, float (fast), or exact (small systems); default: by size")
    ] = None,
) -> None:
    """Prove a bound on the gain of a model; write cert.json, and if asked the worst input that was found."""
    from l2ssm.cli.certifying import run

    run(model_file, output or model_file.parent / CERTIFICATE, worst, kind, gamma, method, time_limit, arithmetic)


@app.command()
def verify(
    certificate_file: Annotated[Path, typer.Argument(help="certificate written by certify")],
    model_file: Annotated[Path | None, typer.Option("--model", help="default: model.l2ssm beside it")] = None,
    arithmetic: Annotated[str, typer.Option(help="ball, float (fast), or exact (small systems)")] = "ball",
) -> None:
    """Check a certificate from its own numbers, and that it is about the model. Needs neither torch nor cvxpy.

    Exit 0: proved. 2: not proved, that is false, undecided in this arithmetic, altered or about another model. 3: not a
    certificate. 64: the command itself was not understood, nothing was checked.
    """
    from l2ssm.certificates.verify import ARITHMETICS
    from l2ssm.certificates.verify import verify as check

    if arithmetic not in ARITHMETICS:
        raise typer.BadParameter(f"{arithmetic!r}, expected one of {', '.join(ARITHMETICS)}", param_hint="--arithmetic")
    beside = certificate_file.parent / MODEL
    model = model_file or (beside if beside.is_file() else None)
    try:
        if model is not None and not model.is_file():
            raise MalformedCertificateError(f"there is no model file {model}")
        certificate = check(certificate_file, model=model, arithmetic=arithmetic)
    except MalformedCertificateError as error:
        if debug["traceback"]:
            raise
        complain(f"MALFORMED: {error}")
        raise typer.Exit(MALFORMED) from None
    except (CertificateError, ModelFileError) as error:
        if debug["traceback"]:
            raise
        complain(f"NOT PROVED: {error}")
        raise typer.Exit(NOT_PROVED) from None
    say(str(certificate))
    about = "the numbers in the file; no model was compared" if model is None else model
    say(f"PROVED, about {about}")


@app.command()
@one_line_errors
def validate(
    cell: Annotated[list[str] | None, typer.Option(help="one to check, may be repeated; all by default")] = None,
    draws: Annotated[int, typer.Option(help="random parameter sets per cell and dtype")] = 24,
    gamma: Annotated[float, typer.Option(help="prescribed gain")] = 1.0,
    output: Annotated[Path | None, typer.Option("-o", "--out", help="picture: .png, .svg or .pdf")] = None,
    seed: Annotated[int, typer.Option(help="of the parameters")] = 0,
) -> None:
    """Check the cells of prescribed gain on random parameters: proof, H-infinity bracket, Real Bounded Lemma LMI."""
    from l2ssm.analysis.validation_plot import validation_figure
    from l2ssm.cli.pictures import picture_path
    from l2ssm.identification.validate import validate as run

    if output is not None:
        picture_path(output)
    found = run(cell or None, draws=draws, gamma=gamma, seed=seed)
    say(str(found))
    if output is not None:
        validation_figure(found).savefig(output, dpi=150)
        say(f"wrote {output}")
    if not found.passed:
        raise typer.Exit(1)


app.add_typer(bench, name="bench")


@app.command()
@one_line_errors
def bode(
    model_file: ModelFile,
    output: Annotated[Path, typer.Option("-o", "--out", help="picture: .png, .svg or .pdf")] = Path("bode.png"),
    hz: Annotated[bool, typer.Option("--hz", help="frequencies in Hz instead of rad/s")] = False,
) -> None:
    """Draw every learned operator: Bode plots of single-channel ones, singular values of wide ones."""
    from l2ssm.cli.pictures import bode as run

    run(model_file, output, hz)


@app.command()
@one_line_errors
def report(
    folder: Annotated[Path, typer.Argument(help="folder with model.l2ssm")],
    file: DataFile = None,
    inputs: Inputs = None,
    outputs: Outputs = None,
    time: TimeColumn = None,
    dt: SampleTime = None,
    time_axis: TimeAxis = 0,
    teaching: Annotated[bool, typer.Option("--teaching", help="say under each figure what to look for")] = False,
) -> None:
    """Write report.html and report.json: fit, certificate and analysis of the model in a folder.

    Data: the given file, else the test data of the benchmark or plant the model was fitted to, else its training file.
    """
    from l2ssm.cli.reporting import run

    given = Source.of(file, inputs, outputs, time, dt, time_axis) if file else None
    run(folder, given, teaching)
