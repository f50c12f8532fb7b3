"""Units in words: what a gain is measured in."""

from __future__ import annotations


def per(output: str, given: str) -> str:
    """Output unit per input unit, "" where neither has one; "-" counts as none.

    >>> per("mm", "V"), per("cm", "cm3/s"), per("", "V"), per("mm", "-"), per("", "")
    ('mm/V', 'cm/(cm3/s)', '1/V', 'mm/1', '')
    """
    output, given = ("" if unit == "-" else unit for unit in (output, given))
    if not output and not given:
        return ""
    compound = any(mark in given for mark in "/*· ")
    return f"{output or '1'}/" + (f"({given})" if compound else given or "1")
