"""Sizes in a MATLAB file of version 4 or 5, checked against its length before it is read.

Layout of version 5: a header of 128 bytes, then elements of a tag (type, bytes; both in 4 bytes where there are at most
4 bytes of data) and data that end at a multiple of 8. A matrix is an element of elements: flags, dimensions, name, then
numbers, or the matrices of a cell array, or the fields of a struct. Source: The MathWorks, "MAT-File Format", 2022.
"""

from __future__ import annotations

import math
import mmap
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from l2ssm.data.limits import check_expansion, most_from
from l2ssm.errors import DataError

TYPES = {1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 14, 15, 16, 17, 18}  # scipy looks any other up outside of its table
MATRIX, COMPRESSED = 14, 15
CELL, STRUCT, OBJECT, SPARSE, LAST = 1, 2, 3, 5, 15
DEPTH = 32  # of cells in cells
FLOAT = 8  # bytes of a number in memory
WIDTHS_4 = (8, 4, 4, 2, 2, 1)


@dataclass(frozen=True)
class Element:
    """The type and the data of one element."""

    kind: int
    data: memoryview


def check_matlab_sizes(path: Path) -> None:
    """DataError where the file tells of more numbers than it holds, or would fill the memory."""
    with path.open("rb") as file:
        content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    if len(content) < 128 or bytes(content[126:128]) not in (b"IM", b"MI"):
        if 0 not in bytes(content[:4]):
            raise DataError(f"{path} is not a MATLAB file (v4 to v7.3)")
        _check_version_4(content, path)
        return
    order = "<" if bytes(content[126:128]) == b"IM" else ">"
    for element in _elements(content[128:], order, str(path)):
        if element.kind == COMPRESSED:
            for inner in _elements(_inflated(element.data, str(path)), order, str(path)):
                _check_matrix(inner, order, str(path), 0)
        else:
            _check_matrix(element, order, str(path), 0)


def _elements(data: memoryview, order: str, where: str) -> Iterator[Element]:
    place = 0
    while place + 8 <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, place)
        start = place + 8
        if kind >> 16:  # the short form
            kind, size, start = kind & 0xFFFF, kind >> 16, place + 4
        if kind not in TYPES:
            raise DataError(f"{where}: an element of type {kind} at byte {place}, which MATLAB does not have")
        if start + size > len(data):
            raise DataError(f"{where}: an element of {size} bytes at byte {place} of {len(data)} is cut off")
        yield Element(kind, data[start : start + size])
        place = start + size if kind == COMPRESSED else start + size + (-(start + size) % 8)


def _inflated(data: memoryview, where: str) -> memoryview:
    most = most_from(len(data))
    try:
        inflate = zlib.decompressobj()
        content = inflate.decompress(data, most)
    except zlib.error as error:
        raise DataError(f"{where}: a compressed variable is damaged: {error}") from None
    if inflate.unconsumed_tail:
        check_expansion(most + 1, len(data), where)
    return memoryview(content)


def _check_matrix(element: Element, order: str, where: str, depth: int) -> None:
    """The numbers a matrix tells of are there."""
    if element.kind != MATRIX:
        raise DataError(f"{where}: an element of type {element.kind} where a variable is expected")
    if depth > DEPTH:
        raise DataError(f"{where}: cells or structs in each other more than {DEPTH} deep")
    parts = list(_elements(element.data, order, where))
    if not parts:
        return  # an empty cell
    if len(parts[0].data) < 8:
        raise DataError(f"{where}: a variable has no flags")
    kind = struct.unpack_from(f"{order}I", parts[0].data)[0] & 0xFF
    if kind > LAST or len(parts) < 2:  # a function or an opaque object, which has no dimensions
        _check_inner([part for part in parts if part.kind == MATRIX], 0, (), kind, order, where, depth)
        return
    sizes = struct.unpack_from(f"{order}{len(parts[1].data) // 4}i", parts[1].data)
    count, held = math.prod(sizes), sum(len(part.data) for part in parts[2:])
    if any(size < 0 for size in sizes):
        raise DataError(f"{where}: a variable has the dimensions {sizes}")
    if kind == SPARSE:  # it becomes dense
        check_expansion(count * FLOAT, held, f"{where}: a sparse array {sizes}")
    elif kind in (CELL, STRUCT, OBJECT):
        _check_inner([part for part in parts[2:] if part.kind == MATRIX], count, sizes, kind, order, where, depth)
    elif count > held:
        raise DataError(f"{where}: an array {sizes} has {count} numbers, the file holds {held} bytes of it")


def _check_inner(
    inner: list[Element], count: int, sizes: tuple[int, ...], kind: int, order: str, where: str, depth: int
) -> None:
    if count > len(inner) and (kind == CELL or inner or count > 1):
        raise DataError(f"{where}: {sizes} cells or structs are told of, {len(inner)} are there")
    for part in inner:
        _check_matrix(part, order, where, depth + 1)


def _check_version_4(content: memoryview, path: Path) -> None:
    """Headers of 20 bytes: type, rows, columns, whether complex, bytes of the name; then name and numbers."""
    place = 0
    while place + 20 <= len(content):
        order = "<" if struct.unpack_from("<i", content, place)[0] in range(10000) else ">"
        kind, rows, columns, is_complex, name = struct.unpack_from(f"{order}5i", content, place)
        if min(kind, rows, columns, is_complex, name) < 0 or (kind // 10) % 10 >= len(WIDTHS_4):
            raise DataError(f"{path}: byte {place} is not the header of a variable of a MATLAB file of version 4")
        size = rows * columns * WIDTHS_4[(kind // 10) % 10] * (2 if is_complex else 1)
        place += 20 + name + size
        if place > len(content):
            raise DataError(f"{path}: a variable {rows} x {columns} takes {size} bytes, the file ends before")
        if kind % 10 == 2:  # sparse: rows of (i, j, value), the last one holds the dimensions
            _check_sparse_4(content[place - size : place], rows, columns, order, kind, path)


def _check_sparse_4(data: memoryview, rows: int, columns: int, order: str, kind: int, path: Path) -> None:
    if (kind // 10) % 10 != 0 or rows < 1 or columns < 3:
        raise DataError(f"{path}: a sparse variable {rows} x {columns} of type {kind}")
    last = [struct.unpack_from(f"{order}d", data, 8 * (rows * (j + 1) - 1))[0] for j in range(2)]
    if not all(0 <= n < 2**31 for n in last):
        raise DataError(f"{path}: a sparse variable with the dimensions {last}")
    check_expansion(int(last[0]) * int(last[1]) * FLOAT, len(data), f"{path}: a sparse array")
