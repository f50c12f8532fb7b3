"""`aligned`: rows of text as a table whose columns line up. No torch."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """One line a row, every column as wide as its widest cell, two spaces between; no spaces at the ends.

    Args:
        rows: of equally many cells, the head first.

    >>> print(aligned([("n", "error"), ("10", "0.5")]))
    n   error
    10  0.5
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
