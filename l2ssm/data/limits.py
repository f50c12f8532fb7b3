"""How large a file may say that its content is, checked before memory is taken for it."""

from __future__ import annotations

from l2ssm.errors import DataError

FREE = 2**28
"""Bytes any file may unpack to."""
RATIO = 100
"""Above `FREE`, bytes in memory a byte of the file."""


def check_expansion(claimed: int, held: int, what: str) -> None:
    """DataError where `held` bytes of a file say that they become `claimed` bytes in memory, and that is too much.

    Measurements do not shrink a hundredfold when they are compressed; a file made to fill the memory does.

    >>> check_expansion(2**30, 2**28, "v")
    >>> check_expansion(2**40, 1000, "v")
    Traceback (most recent call last):
    l2ssm.errors.DataError: v: 1000 bytes of the file would take 1099511627776 bytes of memory; store it uncompressed
    """
    if claimed > most_from(held):
        raise DataError(f"{what}: {held} bytes of the file would take {claimed} bytes of memory; store it uncompressed")


def most_from(held: int) -> int:
    """Bytes of memory that so many bytes of a file may take."""
    return max(FREE, RATIO * held)
