"""The command line: `l2ssm COMMAND`; each command is a thin shell around the functions of the package."""

from __future__ import annotations


def main() -> None:
    """Run the command line; the console script `l2ssm`."""
    from l2ssm.cli.app import app

    app()
