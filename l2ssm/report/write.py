"""`write_report`: report.html and report.json about a model, in one call."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from l2ssm.analysis.compare import compare
from l2ssm.analysis.facts import NAME
from l2ssm.analysis.operators import known_operators
from l2ssm.analysis.overlay import energies, measured_responses
from l2ssm.analysis.subject import Subject
from l2ssm.analysis.summary import residual_test, summarise, usual_input
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.files import write_atomically
from l2ssm.report.figures import pictures
from l2ssm.report.page import page
from l2ssm.report.strict_json import dumps

if TYPE_CHECKING:
    from l2ssm.certificates.certificate import Certificate


class ReportPaths(NamedTuple):
    """Where the two files are."""

    html: Path
    json: Path


def write_report(
    model: Subject,
    data: Dataset | Record | None = None,
    certificate: Certificate | str | os.PathLike[str] | None = None,
    folder: str | os.PathLike[str] = ".",
    command: str | None = None,
    teaching: bool = False,
) -> ReportPaths:
    """Write report.html, one self-contained page, and report.json with the same numbers, into `folder`.

    What is not given is named as missing on the page and in the file. `report.json` holds what `analyse` returns plus
    "command"; infinite numbers are the strings "inf" and "-inf", NaN is null.

    Args:
        model: a fitted model, an `Interconnection` or a `StateSpace`.
        data: records with outputs.
        certificate: about this very model; a path is read and verified first.
        folder: created if it does not exist.
        command: what the user typed, shown under "How to reproduce".
        teaching: one more sentence under each figure, saying what to look for.

    Raises:
        CertificateError: the certificate is refuted or about another model.
        DataError: channels, units or dt of the data are not those of the model.
        OptionError: not a model.
    """
    file_name = "cert.json"
    if isinstance(certificate, (str, os.PathLike)):
        from l2ssm.certificates.verify import verify

        file_name = os.fspath(certificate)
        certificate = verify(Path(file_name))
    comparison = None if data is None else compare(data, {NAME: model})
    result, reason = residual_test(model, data)
    facts = summarise(model, certificate, comparison, result, reason)
    responses, (stored, _) = measured_responses(comparison, NAME), energies(certificate, comparison)
    drawn = pictures(
        known_operators(model, usual_input(comparison))[0],
        comparison,
        result,
        facts["training"],
        responses,
        stored,
        certificate,
    )
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    paths = ReportPaths(target / "report.html", target / "report.json")
    verification = f"l2ssm verify {shlex.quote(file_name)}"
    write_atomically(paths.html, page(facts, drawn, command, verification, teaching).encode())
    write_atomically(paths.json, dumps({**facts, "command": command}).encode())
    return paths
