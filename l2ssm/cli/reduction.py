"""`l2ssm reduce`: fewer states, the error of every block proved."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from l2ssm.cli.messages import say
from l2ssm.cli.options import MODEL, ModelFile
from l2ssm.cli.source import model_changed, recall


def reduce(
    model_file: ModelFile,
    output: Annotated[Path, typer.Option("-o", "--out", help="folder to write to")] = Path("reduced"),
    order: Annotated[int | None, typer.Option(help="states to keep in each block, at most")] = None,
    tolerance: Annotated[
        float | None, typer.Option(help="largest H-infinity error of a block, relative to its norm; instead of --order")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="verify the reduced model in the folder instead")] = False,
) -> None:
    """Truncate the linear blocks of a model; write model.l2ssm and errors/NAME.cert.json, the proof of each error.

    Without data nothing is proved of the output but through the gains of the layers: see l2ssm.reduce. --check proves
    the errors again, and that they are about the blocks of the two models.
    """
    import l2ssm

    if check:
        found = l2ssm.verify_reduction(output, model_file)
        say("\n".join(f"{name}: {certificate}" for name, certificate in found.items()) or "no block differs")
        return
    reduction = l2ssm.reduce(l2ssm.load(model_file), order, tolerance)
    reduction.save(output)
    note = model_changed(output, recall(model_file.parent)[0])
    say(str(reduction))
    say(f"{note}wrote {output / MODEL} and the certificates of the errors")
