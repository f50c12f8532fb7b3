"""The reference is complete: every public name is on a page, and says what each of its arguments means."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.main import get_command

import l2ssm

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted((ROOT / "docs" / "reference").glob("*.md"))
LISTED = [entry for page in PAGES for entry in re.findall(r"\.\. auto(\w+):: (\S+)", page.read_text(encoding="utf-8"))]


def found(name: str) -> Any:
    """What a dotted name stands for."""
    head, parts = name, []
    while True:
        try:
            value = import_module(head)
            break
        except ModuleNotFoundError:
            head, _, last = head.rpartition(".")
            parts.insert(0, last)
    for part in parts:
        value = getattr(value, part)
    return value


def public() -> Iterator[tuple[str, Any, type | None]]:
    """(name, function or class, the class it is a method of) of all that the reference holds."""
    for kind, name in LISTED:
        value = found(name)
        if kind == "module":
            for member in getattr(value, "__all__", vars(value)):
                one = getattr(value, member)
                if not member.startswith("_") and getattr(one, "__module__", None) == value.__name__:
                    yield from of_one(f"{name}.{member}", one)
        else:
            yield from of_one(name, value)


def of_one(name: str, value: Any) -> Iterator[tuple[str, Any, type | None]]:
    """A function, or a class with its methods and properties."""
    yield name, value, None
    if inspect.isclass(value):
        for member, raw in vars(value).items():
            method = getattr(raw, "__func__", raw)
            if not member.startswith("_") and (inspect.isfunction(method) or isinstance(raw, property)):
                yield f"{name}.{member}", method, value


PUBLIC = {name: (value, owner) for name, value, owner in public() if callable(value) or isinstance(value, property)}


def described(text: str) -> set[str]:
    """The names a Google-style docstring tells about: in Args and Attributes, and in backticks in its first paragraph.

    Where it says "see `other`", also those that the public function of that name tells about.
    """
    names = set(re.findall(r"`(\w+)`", text.split("\n\n")[0]))
    for section in re.finditer(r"^(?:Args|Attributes):\n((?: {4,}.*\n|\n)+)", text + "\n", re.MULTILINE):
        for entry in re.findall(r"^ {4}([*\w][*\w, ]*?)(?: \([^)]*\))?:", section[1], re.MULTILINE):
            names |= {name.strip().lstrip("*") for name in entry.split(",")}
    for other in re.findall(r"\bsee `([\w.]+)`", text):
        for name in PUBLIC:
            if f".{name}".endswith(f".{other}") and docstrings(*PUBLIC[name]) != text:
                names |= described(docstrings(*PUBLIC[name]))
    return names


def docstrings(value: Any, owner: type | None) -> str:
    """Of a class: its own and those of its bases and of __init__; of a method: also those it overrides."""
    if inspect.isclass(value):
        texts = [text for c in value.__mro__ for text in (c.__doc__, c.__dict__.get("__init__", c).__doc__)]
    elif owner is not None:
        texts = [
            getattr(c.__dict__[value.__name__], "__doc__", "") for c in owner.__mro__ if value.__name__ in c.__dict__
        ]
    else:
        texts = [value.__doc__]
    return "\n\n".join(inspect.cleandoc(text) for text in texts if text)


def arguments(value: Any) -> list[str]:
    """The names of the public arguments."""
    if isinstance(value, property):
        return []
    if inspect.isclass(value) and not getattr(value.__init__, "__module__", "").startswith("l2ssm"):
        return []  # of an exception or a torch module, without arguments of its own
    return [name for name in inspect.signature(value).parameters if name not in ("self", "cls") and name[0] != "_"]


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_and_arguments_are_described(name):
    value, owner = PUBLIC[name]
    text = (value.__doc__ or "") if isinstance(value, property) else docstrings(value, owner)
    assert text.strip(), f"{name} has no docstring"
    if inspect.isclass(value) and dataclasses.is_dataclass(value):
        assert not text.startswith(f"{value.__name__}("), f"{name} has only the docstring dataclass makes"
    missing = [argument for argument in arguments(value) if argument not in described(text)]
    assert not missing, f"{name} does not say what {', '.join(missing)} means, under Args: or Attributes:"


def test_every_name_of_the_package_is_in_the_reference():
    listed = {id(found(name)) for _, name in LISTED} | {id(value) for value, _ in PUBLIC.values()}
    for plant in l2ssm.plants.__all__:
        if plant != "PLANTS":
            assert id(getattr(l2ssm.plants, plant)) in listed, plant
    for name in l2ssm.__all__:
        value = getattr(l2ssm, name)
        if not (isinstance(value, ModuleType) and name == "plants"):
            assert id(value) in listed, f"l2ssm.{name} is on no page of docs/reference"


def test_every_cell_is_in_the_reference():
    from l2ssm.cells import CELLS, SELECTIVE_CELLS

    listed = {id(found(name)) for _, name in LISTED}
    assert all(id(cell) in listed for cell in (CELLS | SELECTIVE_CELLS).values())


def test_nothing_is_twice_in_the_reference():
    names = [id(found(name)) for _, name in LISTED]
    assert len(names) == len(set(names))


def commands(group: Any, prefix: str = "l2ssm") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        yield f"{prefix} {name}", command
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix} {name}")


def test_every_command_and_option_has_a_help():
    from l2ssm.cli.app import app

    for name, command in commands(get_command(app)):
        assert command.help, name
        for parameter in command.params:
            assert parameter.name == "help" or parameter.help, f"{name}: {parameter.name}"
