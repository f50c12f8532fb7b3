"""Docstrings as they are written, for a reader of source, made safe for reStructuredText.

`|x|`, `A*` and `x_` are mathematics in them, not markup; an indented paragraph is a formula, kept line by line.
"""

from __future__ import annotations

import re
from typing import Any

SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields|Example|Examples|Note|Notes|Keyword Args):$")
CODE = re.compile(r"(``.+?``|`[^`]+`)", re.DOTALL)


def escaped(text: str) -> str:
    """The text with what reStructuredText would take for markup escaped, code spans as they are."""
    parts = CODE.split(text)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"([*|\\])", r"\\\1", parts[i])
        parts[i] = re.sub(r"(\w)_(?!\w)", r"\1\\_", parts[i])
    return "".join(parts)


def paragraphs(lines: list[str]) -> list[list[str]]:
    """Runs of lines between blank ones."""
    found: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [run for run in found if run]


def rewritten(lines: list[str]) -> list[str]:
    """The lines of a docstring in reStructuredText, sections left to napoleon."""
    out: list[str] = []
    in_section = False
    for run in paragraphs(lines):
        in_section = bool(SECTION.match(run[0])) or (in_section and run[0].startswith(" "))
        if run[0].lstrip().startswith(">>>"):
            out += [*run, ""]
        elif run[0].startswith("  ") and not in_section:
            out += ["::", "", *(f"    {line}" for line in run), ""]
        else:
            out += [*escaped("\n".join(run)).split("\n"), ""]
    return out


def process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Rewrite in place, before napoleon does."""
    lines[:] = rewritten(lines)


def setup(app: Any) -> dict[str, bool]:
    """Register with autodoc."""
    app.connect("autodoc-process-docstring", process, priority=100)
    return {"parallel_read_safe": True}
