"""`Peer`: functions of another process. Calls, results and functions that are passed travel as pickles over two pipes.

The grader judges in one process what a student's file computes in another. Of what comes from there it reads numbers,
arrays, containers, systems, certificates and names of functions: nothing that a pickle could otherwise run.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Callable
from functools import partial
from typing import IO, Any

from l2ssm.certificates.certificate import Certificate
from l2ssm.systems.state_space import StateSpace

HEAD = struct.Struct("<Q")
LARGEST = 2**31
"""Bytes of a message."""
_ARRAYS = frozenset({"ndarray", "dtype", "scalar", "_reconstruct", "_frombuffer"})
PLAIN = {
    "builtins": frozenset({"complex", "set", "frozenset", "range"}),
    **{
        f"numpy{part}": _ARRAYS
        for part in ("", ".core.multiarray", ".core.numeric", "._core.multiarray", "._core.numeric")
    },
}
"""What a grader reads besides constants, lists, tuples and dictionaries: names by module."""

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
        trusted: whether any pickle may be read; a grader reads plain data only.
    """

    def __init__(self, reader: IO[bytes], writer: IO[bytes], explain: Explain, trusted: bool = False) -> None:
        self.reader, self.writer, self.explain, self.trusted = reader, writer, explain, trusted
        self.functions: dict[Any, Callable[..., Any]] = {}

    def send(self, *message: Any) -> None:
        """Raises: Ended: nobody reads; what pickle raises: the message holds what cannot be sent."""
        body = io.BytesIO()
        _Pickler(body, self).dump(message)
        try:
            self.writer.write(HEAD.pack(body.tell()) + body.getvalue())
            self.writer.flush()
        except (OSError, ValueError):
            raise Ended from None

    def receive(self) -> Any:
        """Raises: Ended: there is none; what pickle raises: it holds what is not read here."""
        head = self.reader.read(HEAD.size)
        size = HEAD.unpack(head)[0] if len(head) == HEAD.size else LARGEST
        body = self.reader.read(size) if size < LARGEST else b""
        if size >= LARGEST or len(body) < size:
            raise Ended
        return _Unpickler(io.BytesIO(body), self).load()

    def call(self, name: Any, *arguments: Any, **named: Any) -> Any:
        """What the function with that name returns there; meanwhile it may call functions that it was given.

        Raises:
            StudentError: it raised, or returned what is not read here.
            NotImplementedError: it raised that.
            Ended: the process ended instead.
        """
        self.send("call", name, arguments, named)
        while True:
            try:
                kind, *rest = self.receive()
            except Exception as error:  # whatever reading the pickle of a stranger raises
                raise StudentError(f"what it returned cannot be read: {error}", None) from None
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

    def answer(self, name: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Call a function of this end for the other one."""
        try:
            self.send("value", self.functions[name](*arguments, **named))
        except BaseException as error:  # SystemExit too
            if isinstance(error, Ended):
                raise
            self.send("raised", *self.explain(error))


class _Pickler(pickle.Pickler):
    """Systems as their matrices, certificates as their text, functions as a name for the other end to call."""

    def __init__(self, body: IO[bytes], peer: Peer) -> None:
        super().__init__(body)
        self.peer = peer

    def persistent_id(self, value: Any) -> Any:
        """Of these three."""
        if isinstance(value, StateSpace):
            return ("system", value.A, value.B, value.C, value.D, value.dt)
        if isinstance(value, Certificate):
            return ("certificate", value.to_json())
        if callable(value) and not isinstance(value, type) and not _plain(value):
            name = len(self.peer.functions)
            self.peer.functions[name] = value
            return ("function", name)
        return None


def _plain(value: Any) -> bool:
    """Whether it is one of the functions that arrays are read with."""
    return getattr(value, "__name__", None) in PLAIN.get(getattr(value, "__module__", None) or "", ())


class _Unpickler(pickle.Unpickler):
    """The other half of it."""

    def __init__(self, body: IO[bytes], peer: Peer) -> None:
        super().__init__(body)
        self.peer = peer

    def persistent_load(self, pid: Any) -> Any:
        """A system, a certificate, or a function of the other end."""
        kind, *rest = pid
        if kind == "system":
            return StateSpace(*rest)
        return Certificate.from_json(*rest) if kind == "certificate" else partial(self.peer.call, *rest)

    def find_class(self, module: str, name: str) -> Any:
        """Raises: UnpicklingError: a name that is not plain data."""
        if not self.peer.trusted and name not in PLAIN.get(module, ()):
            raise pickle.UnpicklingError(f"{module}.{name} is neither a number nor an array, text or StateSpace")
        return super().find_class(module, name)
