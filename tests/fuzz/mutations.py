"""Damage to the bytes of a file: seeded, so that every case can be made again by its number."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable

HUGE = [2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**64 - 1]
WORDS = [b"9" * 30, b"-1", b"1e999", b"nan", b"inf", b"0", b"null", b"[" * 2000, b'{"a":' * 500, b"\xff\xfe", b"\0"]
NUMBER = re.compile(rb"\d+")


def flip(data: bytearray, rng: random.Random) -> bytes:
    """A few bits."""
    for _ in range(rng.choice((1, 1, 2, 8))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def truncate(data: bytearray, rng: random.Random) -> bytes:
    """Nothing behind some place."""
    return bytes(data[: rng.randrange(len(data))])


def duplicate(data: bytearray, rng: random.Random) -> bytes:
    """A piece twice."""
    a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return bytes(data[:b] + data[a:])


def splice(data: bytearray, rng: random.Random) -> bytes:
    """A piece in another place."""
    a, b, c = (rng.randrange(len(data)) for _ in range(3))
    size = rng.choice((1, 4, 8, 64, 512))
    moved = data[a : a + size]
    data[b : b + (size if c % 2 else 0)] = moved
    return bytes(data)


def huge(data: bytearray, rng: random.Random) -> bytes:
    """A large number where sizes may be: near the beginning or the end, in either byte order."""
    where = rng.choice((rng.randrange(min(len(data), 600)), rng.randrange(len(data)), max(0, len(data) - 200)))
    value = rng.choice(HUGE)
    order, width = rng.choice("<>"), rng.choice("IQ")
    packed = struct.pack(order + width, value % 2 ** (32 if width == "I" else 64))
    data[where : where + len(packed)] = packed
    return bytes(data)


def reword(data: bytearray, rng: random.Random) -> bytes:
    """Another word in the place of a number written in digits, or anywhere."""
    numbers = list(NUMBER.finditer(bytes(data[:4000])))
    word = rng.choice(WORDS)
    if numbers and rng.random() < 0.8:
        found = rng.choice(numbers)
        data[found.start() : found.end()] = word
    else:
        place = rng.randrange(len(data))
        data[place:place] = word
    return bytes(data)


def erase(data: bytearray, rng: random.Random) -> bytes:
    """Zeros over a piece."""
    a = rng.randrange(len(data))
    size = min(rng.choice((1, 8, 64, 512)), len(data) - a)
    data[a : a + size] = bytes(size)
    return bytes(data)


MUTATIONS: tuple[Callable[[bytearray, random.Random], bytes], ...] = (
    flip,
    truncate,
    duplicate,
    splice,
    huge,
    reword,
    erase,
)


def mutated(data: bytes, seed: int) -> bytes:
    """The file of this number: one damage, or a few."""
    rng = random.Random(seed)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if data:
            data = MUTATIONS[seed % len(MUTATIONS) if rng.random() < 0.7 else rng.randrange(len(MUTATIONS))](
                bytearray(data), rng
            )
    return data
