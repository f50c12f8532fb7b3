"""`Peer`: functions of another process. Calls, results and functions that are passed travel as text over two pipes.

The grader judges in one process what a student's file computes in another. What comes from there is read by `plain`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import IO, Any

from l2ssm.labs import plain

HEAD = struct.Struct("<Q")
LARGEST = 2**31
"""Bytes of a message."""

Explain = Callable[[BaseException], tuple[str, str, "int | None"]]
"""An error as the name of its class, a message, and a line of the student's file."""


class Ended(BaseException):
    """The other process has ended, or sent what is no message. No `except Exception` of a check stops it."""


class StudentError(Exception):
    """An error in the other process; raised as a class of its own that has the name of the original.

    Attributes:
        line: of the student's file, where the error is in it.
    """

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.line = line


class Peer:
    """One end of the line.

    Args:
        reader: what the other end writes.
        writer: what the other end reads.
        explain: how an error is told to the other end.
    """

    def __init__(self, reader: IO[bytes], writer: IO[bytes], explain: Explain) -> None:
        self.reader, self.writer, self.explain = reader, writer, explain
        self.functions: dict[Any, Callable[..., Any]] = {}

    def send(self, *message: Any) -> None:
        """Raises: Ended: nobody reads; TypeError: the message holds what cannot be sent."""
        body = plain.dumps(message, self._named)
        try:
            self.writer.write(HEAD.pack(len(body)) + body)
            self.writer.flush()
        except (OSError, ValueError):
            raise Ended from None

    def receive(self) -> tuple[Any, ...]:
        """Raises: Ended: there is none, or what came is no message."""
        head = self.reader.read(HEAD.size)
        size = HEAD.unpack(head)[0] if len(head) == HEAD.size else LARGEST
        body = self.reader.read(size) if size < LARGEST else b""
        if size >= LARGEST or len(body) < size:
            raise Ended
        try:
            message = plain.loads(body, lambda name: partial(self.call, name))
        except Exception:  # whatever reading what a stranger wrote raises
            raise Ended from None
        if not (isinstance(message, tuple) and message):
            raise Ended
        return message

    def call(self, name: Any, *arguments: Any, **named: Any) -> Any:
        """What the function with that name returns there; meanwhile it may call functions that it was given.

        Raises:
            StudentError: it raised, or returned what cannot be sent.
            NotImplementedError: it raised that.
            Ended: the process ended instead.
        """
        self.send("call", name, arguments, named)
        while True:
            kind, *rest = self.receive()
            if kind == "call" and len(rest) == 3:
                self.answer(*rest)
            elif kind == "value" and len(rest) == 1:
                return rest[0]
            elif kind == "raised" and len(rest) == 3:
                name, message, line = rest
                if name == "NotImplementedError":
                    raise NotImplementedError(message)
                raise type(str(name), (StudentError,), {})(str(message), line)
            else:
                raise Ended

    def _named(self, function: Callable[..., Any]) -> int:
        name = len(self.functions)
        self.functions[name] = function
        return name

    def answer(self, name: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Call a function of this end for the other one."""
        try:
            self.send("value", self.functions[name](*arguments, **named))
        except BaseException as error:  # SystemExit too
            if isinstance(error, Ended):
                raise
            self.send("raised", *self.explain(error))
