"""The text table that `print(dataset)` shows: record, T, duration, dt, channels, units, NaN, range."""

from __future__ import annotations

from collections.abc import Sequence

from l2ssm.data.record import Record
from l2ssm.data.summary import summary

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
    found = summary([record])
    for index, name in enumerate(record.channels):
        kind, lead = "in" if index < record.n_u else "out", ("", "", "", "") if rows else about
        known = int(found.count[index])
        span = f"{found.minimum[index]:.4g} .. {found.maximum[index]:.4g}" if known else "-"
        rows.append((*lead, f"{kind}: {name}", record.units.get(name, "-"), str(record.T - known), span))
    return rows


def _seconds(value: float) -> str:
    return f"{value:.6g} s"
