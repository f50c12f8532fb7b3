"""Delimited text (CSV, TSV, logs) to columns: separator, decimal mark, header and comments are found by looking."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from l2ssm.data.arrays import FloatArray
from l2ssm.data.columns import Columns
from l2ssm.data.limits import check_expansion
from l2ssm.errors import DataError, OptionError

COMMENT = ("#", "%", "//")
MISSING = {"", "nan", "na", "n/a", "null", "none", "-", "--", "#n/a"}
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
SAMPLE = 200  # lines looked at to find separator and decimal mark
LONGEST = 2**20  # characters of a line, where a file is read line by line
FIELDS = 2**22  # of a block
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True)
class Line:
    """The text fields of one line and where it was."""

    number: int
    fields: list[str]


@dataclass(frozen=True)
class Layout:
    """How the lines of a file become columns.

    Attributes:
        separator, mark: between fields, and in numbers.
        width: fields of a line.
        kept: those of them that are columns.
        titles: their names.
    """

    separator: str
    mark: str
    width: int
    kept: tuple[int, ...]
    titles: tuple[str, ...]


def read_delimited(path: Path, delimiter: str | None, decimal: str | None, header: bool | None) -> Columns:
    """The columns of a text file; see `l2ssm.data.read` for the options.

    Raises:
        DataError: empty, binary, or lines of different numbers of fields.
        OptionError: a delimiter or decimal mark that makes no sense.
    """
    _check_options(delimiter, decimal)
    lines, comments = _without_comments(enumerate(_text_of(path).splitlines(), 1))
    if not lines:
        raise DataError(f"{path} holds no data, only {len(comments)} comment line(s)")
    layout, rows = _laid_out(path, lines, comments, delimiter, decimal, header)
    return _columns(path, layout, rows)


def delimited_blocks(
    path: Path, delimiter: str | None, decimal: str | None, header: bool | None, size: int
) -> Iterator[Columns]:
    """The columns of a text file, so many rows at a time; separator, names and marks are those of its first lines.

    Raises:
        DataError, OptionError: see `read_delimited`; a line of more than LONGEST characters.
    """
    _check_options(delimiter, decimal)
    with path.open(encoding=_encoding(path), errors="replace") as file:
        numbered = enumerate(iter(partial(_line, file, path), ""), 1)
        lines, comments = _without_comments(islice(numbered, 2 * SAMPLE))
        while len(lines) < SAMPLE and (more := list(islice(numbered, SAMPLE))):
            found, told = _without_comments(more)
            lines, comments = lines + found, comments + told
        if not lines:
            raise DataError(f"{path} holds no data, only {len(comments)} comment line(s)")
        layout, rows = _laid_out(path, lines, comments, delimiter, decimal, header)
        yield _columns(path, layout, rows)
        size = max(1, min(size, FIELDS // layout.width))
        while more := list(islice(numbered, size)):
            lines, _ = _without_comments(more)
            if lines:
                yield _numeric(path, layout, lines) or _columns(path, layout, _rows(path, lines, layout.separator))


def _line(file: TextIO, path: Path) -> str:
    line = file.readline(LONGEST)
    if len(line) == LONGEST or "\0" in line:
        raise DataError(f"{path} is not a text file of lines (one holds zero bytes, or {LONGEST} characters)")
    return line


def _without_comments(numbered: Iterable[tuple[int, str]]) -> tuple[list[tuple[int, str]], list[str]]:
    """(lines of data with their numbers, comments)."""
    lines, comments = [], []
    for number, line in numbered:
        text = line.strip()
        if text.startswith(COMMENT):
            comments.append(line)
        elif text:
            lines.append((number, line))
    return lines, comments


def _laid_out(
    path: Path,
    lines: list[tuple[int, str]],
    comments: list[str],
    delimiter: str | None,
    decimal: str | None,
    header: bool | None,
) -> tuple[Layout, list[Line]]:
    """The layout, and the rows of data among the lines."""
    try:
        separator = delimiter or _separator(lines[-SAMPLE:], decimal)
    except DataError as error:
        raise DataError(f"{path}, {error}") from None
    rows = _rows(path, lines, separator)
    mark = decimal or _decimal_mark(rows[-SAMPLE:])
    names, rows = _named(rows, comments, separator, header)
    width = len(names) if names is not None else max(len(row.fields) for row in rows)
    check_expansion(8 * width * len(rows), path.stat().st_size, f"{path}, {len(rows)} lines of {width} columns")
    filled = {index for row in rows for index, field in enumerate(row.fields) if field}
    kept = [index for index in range(width) if (names is not None and names[index]) or index in filled]
    titles = (names[index] if names is not None and names[index] else str(index) for index in kept)
    return Layout(separator, mark, width, tuple(kept), tuple(titles)), rows


def _check_options(delimiter: str | None, decimal: str | None) -> None:
    if delimiter is not None and (not isinstance(delimiter, str) or len(delimiter) != 1):
        raise OptionError(f"delimiter={delimiter!r} must be one character, ' ' for any white space")
    if decimal not in (None, ".", ","):
        raise OptionError(f"decimal={decimal!r} must be '.' or ','")
    if decimal == "," and delimiter == ",":
        raise OptionError("delimiter and decimal are both ','")


def _text_of(path: Path) -> str:
    content = path.read_bytes()
    encoding = _marked(content)
    if encoding:
        return content.decode(encoding, errors="replace")
    if b"\0" in content:
        raise DataError(f"{path} is not a text file (it holds zero bytes), whatever its name ends in")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _marked(content: bytes) -> str | None:
    """The encoding that the first bytes tell of."""
    return next((encoding for mark, encoding in MARKS if content.startswith(mark)), None)


def _encoding(path: Path) -> str:
    """By the beginning of the file: that of its mark, else UTF-8 or Latin-1."""
    with path.open("rb") as file:
        content = file.read(2**16)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(content)
        return _marked(content) or "utf-8"
    except UnicodeDecodeError:
        return _marked(content) or "latin-1"


def _rows(path: Path, lines: list[tuple[int, str]], separator: str) -> list[Line]:
    try:
        return _fields(lines, separator)
    except DataError as error:
        raise DataError(f"{path}, {error}") from None


def _fields(lines: list[tuple[int, str]], separator: str) -> list[Line]:
    if separator == " ":
        return [Line(number, line.split()) for number, line in lines]
    texts = [line for _number, line in lines]
    try:
        parsed = list(csv.reader(texts, delimiter=separator, skipinitialspace=True))
    except csv.Error as error:
        raise DataError(f"the text cannot be split at {separator!r}: {error}") from None
    if len(parsed) != len(lines):
        odd = next((number for number, line in lines if line.count('"') % 2), lines[0][0])
        raise DataError(f"line {odd}: a quotation mark is opened and not closed on the line")
    return [
        Line(number, [field.strip() for field in fields]) for (number, _), fields in zip(lines, parsed, strict=True)
    ]


def _separator(lines: list[tuple[int, str]], decimal: str | None) -> str:
    """The character that splits nearly every line; a comma only if what it separates are numbers, else white space."""
    for candidate in (";", "\t", "|"):
        if sum(len(line.fields) > 1 for line in _fields(lines, candidate)) > 0.9 * len(lines):
            return candidate
    last = _fields(lines, ",")[-1].fields
    spaced = any(len(field.split()) > 1 and NUMBER.fullmatch(field.split()[0]) for field in last)  # as in "1,5 2,5"
    if len(last) > 1 and not spaced and decimal != ",":
        return ","
    return " " if len(lines[-1][1].split()) > 1 else ","


def _decimal_mark(rows: list[Line]) -> str:
    fields = [field for row in rows for field in row.fields]
    with_comma = sum("," in field and NUMBER.fullmatch(field) is not None for field in fields)
    with_point = sum("." in field and NUMBER.fullmatch(field) is not None for field in fields)
    return "," if with_comma > with_point else "."


def _is_value(field: str) -> bool:
    return (
        field.lower() in MISSING
        or NUMBER.fullmatch(field) is not None
        or field.lower().lstrip("+-") in ("inf", "infinity")
    )


def _named(
    rows: list[Line], comments: list[str], separator: str, header: bool | None
) -> tuple[list[str] | None, list[Line]]:
    """(names or None, the rows of data): the first row if it holds text, else a last comment of as many fields."""
    texts = [field for field in rows[0].fields if field and not _is_value(field)]
    if header or (header is None and texts and not _looks_like_data(rows)):
        return rows[0].fields, rows[1:]
    if header is None and comments:
        told = _fields([(0, comments[-1].lstrip().lstrip("#%/").strip())], separator)[0].fields
        if len(told) == len(rows[0].fields) and all(told) and not all(_is_value(name) for name in told):
            return told, rows
    return None, rows


def _looks_like_data(rows: list[Line]) -> bool:
    """Whether the first row has text exactly where the second has it too (dates, labels) and numbers elsewhere."""
    if len(rows) < 2 or len(rows[0].fields) != len(rows[1].fields):
        return False
    kinds = [[_is_value(field) for field in row.fields] for row in rows[:2]]
    return kinds[0] == kinds[1] and any(kinds[0])


def _numeric(path: Path, layout: Layout, lines: list[tuple[int, str]]) -> Columns | None:
    """The columns of lines that hold plain numbers and nothing else; None where one of them does not."""
    texts = [line for _, line in lines]
    if layout.mark != "." or any('"' in text for text in texts):
        return None
    try:
        values = np.loadtxt(texts, delimiter=layout.separator.strip(" ") or None, comments=None, ndmin=2)
    except ValueError:
        return None
    if values.shape != (len(lines), layout.width):
        return None

    def column(position: int) -> FloatArray:
        return np.ascontiguousarray(values[:, layout.kept[position]])

    def labels(position: int) -> NDArray[Any]:
        rows = _fields(lines, layout.separator)
        return np.array([row.fields[layout.kept[position]] for row in rows], dtype=object)

    return Columns(layout.titles, len(lines), column, labels, str(path))


def _columns(path: Path, layout: Layout, rows: list[Line]) -> Columns:
    width = layout.width
    for row in rows:
        if any(row.fields[width:]):
            raise DataError(f"{path}, line {row.number}: {len(row.fields)} fields, but there are {width} columns")
    table = [(row.fields + [""] * width)[:width] for row in rows]

    def labels(position: int) -> NDArray[Any]:
        return np.array([row[layout.kept[position]] for row in table], dtype=object)

    def numbers(position: int) -> FloatArray:
        values = np.full(len(table), np.nan)
        for index, row in enumerate(table):
            field = row[layout.kept[position]]
            if field.lower() in MISSING:
                continue
            try:
                values[index] = float(field.replace(",", ".") if layout.mark == "," else field)
            except ValueError:
                raise DataError(
                    f"{path}, line {rows[index].number}, column {layout.titles[position]!r}: {field!r} is not a number"
                ) from None
        return values

    return Columns(layout.titles, len(table), numbers, labels, str(path))
