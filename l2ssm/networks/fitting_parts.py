"""Which cells, scaffolds, static layers and gains fit together: every combination that does not is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from l2ssm.cells import BOUNDED_CELLS, BOUNDED_FROM_REST, CELLS, SELECTIVE_CELLS
from l2ssm.errors import OptionError
from l2ssm.networks.scaffolds import SCAFFOLD_BLOCKS
from l2ssm.networks.static import LIPSCHITZ, STATIC

SCAFFOLDS = ("residual", "series", "twofold", *SCAFFOLD_BLOCKS)


def check_names(cell: str, scaffold: str, static: str) -> None:
    """OptionError for a name that no table has."""
    cells = CELLS | SELECTIVE_CELLS
    for what, name, known in (("cell", cell, cells), ("scaffold", scaffold, SCAFFOLDS), ("static", static, STATIC)):
        if name not in known:
            raise OptionError(f"unknown {what} {name!r}; known: {', '.join(known)}")


def check_fits(
    scaffold: str, has_static: bool, gamma: float | None, scaffold_options: Mapping[str, Any] | None, *static: object
) -> None:
    """OptionError for an option that the scaffold would ignore."""
    if has_static and scaffold_options:
        raise OptionError(f"scaffold_options {dict(scaffold_options)} given, but scaffold {scaffold!r} has none")
    if not has_static and any(option is not None for option in static):
        raise OptionError(
            f"scaffold {scaffold!r} has its own static layers: static, static_layers, hidden and activation are those "
            "of 'residual', 'series' and 'twofold'"
        )
    if not has_static and gamma is not None:
        raise OptionError(
            f"scaffold {scaffold!r} multiplies signals that nothing bounds and has no finite gain; with gamma use "
            "'series', 'twofold' or 'residual'"
        )


def check_cell_options(options: Mapping[str, Any]) -> None:
    """OptionError for an argument of `Cell.start` that every cell gets from the model."""
    for name in ("n_u", "n_x", "n_y", "slowest", "generator"):
        if name in options:
            raise OptionError(f"cell_options has {name!r}, which the model sets for its cells: leave it out")


def check_prescribable(gamma: float, cell: str, scaffold: str, static: str, options: Mapping[str, Any]) -> None:
    """OptionError unless the model can hold gamma: by construction in series, else by its certificate."""
    if static == "glu":
        raise OptionError(
            f"static 'glu' has no finite gain; with gamma = {gamma:g} use one of {', '.join(LIPSCHITZ)}, or outside "
            "the scaffold 'series' 'perceptron'"
        )
    if scaffold != "series":
        if cell not in CELLS:
            raise OptionError(
                f"cell {cell!r} has no gain between two inputs, by which the scaffold {scaffold!r} is held; with "
                f"gamma use one of {', '.join(CELLS)}, or {', '.join(BOUNDED_FROM_REST)}, which have a gain from rest, "
                "in the scaffold 'series'"
            )
        return
    if cell not in BOUNDED_CELLS and cell not in BOUNDED_FROM_REST:
        raise OptionError(
            f"cell {cell!r} cannot hold a prescribed gain by itself; in the scaffold 'series' use one of "
            f"{', '.join(BOUNDED_CELLS)}, or of {', '.join(BOUNDED_FROM_REST)} for a gain from rest; or the scaffold "
            "'twofold', which is held by its certificate; or no gamma"
        )
    if static not in LIPSCHITZ:
        raise OptionError(
            f"static {static!r} can have any gain; with gamma = {gamma:g} use one of {', '.join(LIPSCHITZ)} in the "
            "scaffold 'series'"
        )
    for name in ("gamma", "learn_gamma"):
        if name in options:
            raise OptionError(f"cell_options has {name!r}, but the gains of the cells follow from gamma of the model")
