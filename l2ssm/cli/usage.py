"""Exit codes of the command line, and the group of commands that gives a usage error one of its own."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

PROVED, NOT_PROVED, MALFORMED = 0, 2, 3  # of verify
USAGE = 64  # EX_USAGE of sysexits.h; the default of the parser, 2, is what verify says of a claim not proved

UsageError: Any = typer.BadParameter.__bases__[0]  # of click, or of the copy that newer typer carries


class Commands(TyperGroup):
    """The commands; an unknown command or option, or a missing or ill-typed value, exits with code 64."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """As the parser does, for the options before the command."""
        try:
            return super().make_context(*args, **kwargs)
        except UsageError as error:
            error.exit_code = USAGE
            raise

    def invoke(self, ctx: Any) -> Any:
        """As the parser does, for the command and its options."""
        try:
            return super().invoke(ctx)
        except UsageError as error:
            error.exit_code = USAGE
            raise
