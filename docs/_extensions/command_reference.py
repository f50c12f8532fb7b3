"""The directive `commands`: every command of `l2ssm` with its help, arguments and options, from the program itself."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from typer.main import get_command


def commands(group: Any, prefix: str) -> list[tuple[str, Any]]:
    """(name as typed, command), of groups within the group too."""
    found: list[tuple[str, Any]] = []
    for name, command in group.commands.items():
        typed = f"{prefix} {name}"
        found += commands(command, typed) if hasattr(command, "commands") else [(typed, command)]
    return found


def shown(parameter: Any) -> tuple[str, str]:
    """(how it is typed, what it means and its default)."""
    if parameter.param_type_name == "argument":
        typed = parameter.name.upper()
    else:
        typed = ", ".join((*parameter.opts, *parameter.secondary_opts))
        typed += "" if parameter.is_flag else f" {parameter.name.upper()}"
    default = parameter.default
    meaning = parameter.help or ""
    if default is not None and default is not False and not callable(default):
        meaning += f" (default {default})"
    return typed, meaning


class Commands(Directive):
    """One section a command."""

    def run(self) -> list[nodes.Node]:
        """The sections."""
        from l2ssm.cli.app import app

        group = get_command(app)
        return [section(name, command, self.state) for name, command in [("l2ssm", group), *commands(group, "l2ssm")]]


def section(name: str, command: Any, state: Any) -> nodes.section:
    """Name, help, and a definition of every parameter."""
    node = nodes.section(ids=[nodes.make_id(name)], names=[name])
    node += nodes.title(text=name)
    for paragraph in (command.help or "").split("\n\n"):
        node += nodes.paragraph(text=" ".join(paragraph.split()))
    rows = nodes.definition_list()
    for parameter in command.params:
        typed, meaning = shown(parameter)
        item = nodes.definition_list_item()
        term = nodes.term()
        term += nodes.literal(text=typed)
        item += [term, nodes.definition("", nodes.paragraph(text=meaning))]
        rows += item
    if rows.children:
        node += rows
    state.document.note_implicit_target(node)
    return node


def setup(app: Any) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}
