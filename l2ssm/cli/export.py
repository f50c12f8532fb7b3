"""`l2ssm export`: a model as C source, ONNX or a file for the numpy runtime, with the certificate of its numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from l2ssm.cli.messages import say
from l2ssm.cli.options import CERTIFICATE, MODEL

if TYPE_CHECKING:
    from l2ssm.certificates.certificate import Certificate
    from l2ssm.identification.model import Model

SUFFIXES = {"c": ".c", "onnx": ".onnx", "runtime": ".l2ssm"}


def export(
    model: Annotated[Path, typer.Argument(help="model file written by fit, or the folder that holds it")],
    to: Annotated[str, typer.Option(help="c, onnx or runtime")],
    output: Annotated[Path, typer.Option("-o", "--out", help="file to write: .c, .onnx or .l2ssm")],
    precision: Annotated[str, typer.Option(help="float64 or float32, of numbers and arithmetic")] = "float64",
    gamma: Annotated[float | None, typer.Option(help="float32: gain to prove; default the prescribed one")] = None,
    kind: Annotated[str | None, typer.Option(help="float32: of the certificate, incremental or l2")] = None,
    length: Annotated[int | None, typer.Option(help="onnx: samples of a sequence; default one step")] = None,
    name: Annotated[str, typer.Option(help="c: with which every name begins")] = "l2ssm",
    certificate: Annotated[
        Path | None, typer.Option(help="float64: certificate to name; default cert.json beside the model")
    ] = None,
    uncertified: Annotated[bool, typer.Option("--uncertified", help="no certificate, and none is made")] = False,
) -> None:
    """Write a model for use outside of Python's training stack, and OUT.cert.json, the proof of its gain.

    float64: the numbers of the model; the certificate beside it is checked and named in the file, if there is one.
    float32: the numbers are rounded, their gain is proved anew, or the export is refused. Example:
    l2ssm export out/ --to c --precision float32 -o tanks.c
    """
    import l2ssm
    from l2ssm.errors import OptionError
    from l2ssm.export.precision import dtype_of

    dtype_of(precision)
    if to not in SUFFIXES or output.suffix != SUFFIXES[to]:
        pairs = ", ".join(f"--to {target} -o NAME{suffix}" for target, suffix in SUFFIXES.items())
        raise OptionError(f"--to {to} -o {output}: expected one of {pairs}")
    proved = "none" if uncertified else precision
    for option, given, fits in (
        ("--length", length is not None, to == "onnx"),
        ("--name", name != "l2ssm", to == "c"),
        ("--gamma", gamma is not None, proved == "float32"),
        ("--kind", kind is not None, proved == "float32"),
        ("--certificate", certificate is not None, proved == "float64"),
    ):
        if given and not fits:
            flag = " --uncertified" if uncertified else ""
            raise OptionError(f"{option} does not go with --to {to} --precision {precision}{flag}")
    file = model / MODEL if model.is_dir() else model
    fitted = l2ssm.load(file)
    proof: Certificate | None = None
    if precision == "float32":
        fitted, proof = _float32(fitted, gamma, kind, uncertified)
    elif not uncertified:
        proof = _certificate_of(file, certificate)
    files, proof = _write(fitted, to, output, precision, length, name, proof)
    beside = output.with_suffix(".cert.json")
    if proof is not None:
        proof.save(beside)
        say(str(proof))
        files.append(beside)
    elif beside.is_file():
        beside.unlink()
        say(f"removed {beside}: about what was there before")
    say(f"wrote {', '.join(map(str, files))}" + ("" if proof is not None else "; no gain is certified"))


def _float32(fitted: Model, gamma: float | None, kind: str | None, uncertified: bool) -> tuple[Any, Any]:
    from l2ssm.export.float32 import certified_float32, in_float32

    if uncertified:
        return in_float32(fitted), None
    found = certified_float32(fitted, gamma, kind=kind)
    if found.scale < 1:
        say(f"the decoder was multiplied by {found.scale!r} to keep the gain")
    return found.system, found.certificate


def _certificate_of(file: Path, given: Path | None) -> Certificate | None:
    """The certificate that was given or lies beside the model, checked and about it."""
    import l2ssm

    beside = given or file.parent / CERTIFICATE
    return l2ssm.verify(beside, model=file) if given or beside.is_file() else None


def _write(
    fitted: Model, to: str, output: Path, precision: str, length: int | None, name: str, proof: Certificate | None
) -> tuple[list[Path], Certificate | None]:
    """The files written, and the certificate that goes with them."""
    if to == "c":
        from l2ssm.export.c_file import write_c

        write_c(fitted, output, precision=precision, certificate=proof, name=name)
        return [output, output.with_suffix(".h")], proof
    if to == "onnx":
        from l2ssm.export.onnx_file import write_onnx, write_onnx_start

        write_onnx(fitted, output, length=length, precision=precision, certificate=proof)
        files = [output]
        if fitted.initial.kind == "encoder":
            files.append(output.with_suffix(".start.onnx"))
            write_onnx_start(fitted, files[1], precision=precision, certificate=proof)
        return files, proof
    from l2ssm.certificates.verify import verify

    bare = replace(fitted, parameters={}, noise=None)  # what only training and prediction need is left out
    bare.save(output)
    return [output], None if proof is None else verify(replace(proof, model_sha256=bare.digest))
