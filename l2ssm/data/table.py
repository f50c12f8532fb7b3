"""The text table that `print(dataset)` shows: record, T, duration, dt, channels, units, NaN, range."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from l2ssm.data.arrays import FloatArray
from l2ssm.data.record import Record

HEAD = ("record", "T", "duration", "dt", "channel", "unit", "NaN", "range")
RIGHT = {"T", "duration", "dt", "NaN"}  # columns of numbers
MOST_RECORDS = 20


def listing(records: Sequence[Record]) -> str:
    """A line per channel of the first 20 records, and a last line with the totals."""
    rows = [row for record in records[:MOST_RECORDS] for row in _rows(record)]
    widths = [max(len(row[column]) for row in (HEAD, *rows)) for column in range(len(HEAD))]
    lines = [_line(row, widths) for row in (HEAD, tuple("-" * width for width in widths), *rows)]
    if len(records) > MOST_RECORDS:
        lines.append(f"... and {len(records) - MOST_RECORDS} more records")
    samples = sum(record.T for record in records)
    seconds = _seconds(sum(record.duration for record in records))
    lines.append(f"{len(records)} record{'s' if len(records) > 1 else ''}, {samples} samples, {seconds}")
    return "\n".join(lines)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.rjust(width) if name in RIGHT else cell.ljust(width)
        for cell, width, name in zip(row, widths, HEAD, strict=True)
    ]
    return "  ".join(cells).rstrip()


def _rows(record: Record) -> list[tuple[str, ...]]:
    about = (record.name, str(record.T), _seconds(record.duration), _seconds(record.dt))
    rows: list[tuple[str, ...]] = []
    for kind, names, values in (("in", record.input_names, record.u), ("out", record.output_names, record.y)):
        for index, name in enumerate(names):
            assert values is not None
            lead = ("", "", "", "") if rows else about
            rows.append((*lead, f"{kind}: {name}", record.units.get(name, "-"), *_numbers(values[:, index])))
    return rows


def _numbers(column: FloatArray) -> tuple[str, str]:
    known = column[~np.isnan(column)]
    return str(column.size - known.size), f"{known.min():.4g} .. {known.max():.4g}" if known.size else "-"


def _seconds(value: float) -> str:
    return f"{value:.6g} s"
