"""The README does what it says: its Python blocks run, its commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

README = Path(__file__).parent.parent / "README.md"


def blocks(language: str) -> list[str]:
    """The fenced blocks of that language ("" for none)."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README.read_text(), flags=re.DOTALL | re.MULTILINE)
    return [code for name, code in found if name == language]


@pytest.mark.parametrize("code", blocks("python"), ids=lambda c: c.splitlines()[0])
def test_python_blocks_run(code, capsys):
    exec(compile(code, "README.md", "exec"), {})
    assert "VERIFIED" in capsys.readouterr().out


def test_commands_and_their_options_exist():
    from l2ssm.cli.app import app

    lines = [line.split("#")[0] for block in blocks("") for line in block.splitlines()]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("l2ssm ")]
    assert len(commands) >= 7
    for command in commands:
        shown = CliRunner().invoke(app, [command[0], "--help"], env={"COLUMNS": "200"})
        assert shown.exit_code == 0, command
        for option in (word for word in command[1:] if word.startswith("-")):
            assert option in shown.output, f"{command[0]} has no option {option}"


def test_relative_links_lead_somewhere():
    targets = re.findall(r"\]\(([^)#:]+)\)", README.read_text())
    assert targets
    for target in targets:
        assert (README.parent / target).exists(), target
