"""Formulas as MathML, which browsers draw themselves: no script and no network."""

from __future__ import annotations

from typing import Any

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml


def inline(translator: Any, node: Any) -> None:
    """A formula in a line of text."""
    translator.body.append(tex2mathml(node.astext()))
    raise SkipNode


def display(translator: Any, node: Any) -> None:
    """A formula on lines of its own."""
    formula = tex2mathml(node.astext(), as_block=True)
    translator.body.append(f'<div class="math" style="overflow: auto hidden; padding: 0.4em 0">{formula}</div>')
    raise SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Register the renderer under the name that conf.py chooses."""
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
