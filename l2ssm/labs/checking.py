"""Hidden checks: functions with a decorator that names the exercise, and the comparison that explains a difference."""

from __future__ import annotations

import importlib.util
import linecache
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from l2ssm.labs.remote import Ended, StudentError

Run = Callable[[Any], None]
NOT_FOUND = (
    "there is no function {name}; marimo keeps a function importable only in a cell of its own that uses nothing but "
    "the set-up cell and other such functions"
)


@dataclass(frozen=True)
class Check:
    """One point: `run(function)` returns, or raises an AssertionError whose text helps."""

    exercise: str
    title: str
    run: Run


@dataclass(frozen=True)
class Outcome:
    """How a check went.

    Attributes:
        message: empty where it passed.
        line: of the student's file, where the error is in it.
    """

    exercise: str
    title: str
    passed: bool
    message: str = ""
    line: int | None = None


def check(exercise: str) -> Callable[[Run], Check]:
    """Make a hidden check, worth one point, of the function with that name; its docstring is the title."""

    def made(run: Run) -> Check:
        return Check(exercise, (run.__doc__ or run.__name__).strip().splitlines()[0], run)

    return made


def close(got: ArrayLike, want: ArrayLike, rtol: float, hint: str, atol: float = 0.0) -> None:
    """|got - want| <= atol + rtol max |want|, shapes equal, or an AssertionError with the hint.

    >>> close(1.0, 1.0, 1e-9, "one is one")
    >>> close([1.0, 2.0], 1.0, 1e-9, "one number")
    Traceback (most recent call last):
    AssertionError: got an array of shape (2,), expected (): one number
    """
    if got is None:
        raise AssertionError(f"got None: does the function return its result? {hint}")
    try:
        found = np.asarray(got, dtype=complex)
    except (TypeError, ValueError):
        raise AssertionError(f"got a {type(got).__name__}, expected numbers: {hint}") from None
    expected = np.asarray(want, dtype=complex)
    if found.shape != expected.shape:
        raise AssertionError(f"got an array of shape {found.shape}, expected {expected.shape}: {hint}")
    error = np.abs(found - expected)
    if not np.all(error <= atol + rtol * np.max(np.abs(expected), initial=0.0)):
        worst = np.unravel_index(int(np.argmax(np.nan_to_num(error, nan=np.inf))), error.shape)
        where = f" at {tuple(int(i) for i in worst)}" if error.ndim else ""
        pairs = [(shown(found[worst], digits), shown(expected[worst], digits)) for digits in (6, 17)]
        left, right = next((pair for pair in pairs if pair[0] != pair[1]), pairs[-1])
        raise AssertionError(f"got {left}{where}, expected {right}: {hint}")


def shown(value: Any, digits: int) -> str:
    """A number with that many digits, without the imaginary part where that is zero."""
    number = complex(value)
    return f"{number.real:.{digits}g}" if number.imag == 0 else f"{number:.{digits}g}"


def load(path: Path, name: str) -> ModuleType:
    """The module in that file, executed under the given name."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, path
    assert spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def checks_of(module: ModuleType) -> list[Check]:
    """The checks of a module, in the order they stand there."""
    return [value for value in vars(module).values() if isinstance(value, Check)]


def outcome(item: Check, student: Any, path: str) -> Outcome:
    """Run one check on a student's module; whatever the code raises becomes a message, if possible with its line.

    Args:
        student: the module, or any object with the functions as attributes.
        path: the student's file, as in its tracebacks.
    """
    function = getattr(student, item.exercise, None)
    if not callable(function):
        return Outcome(item.exercise, item.title, False, NOT_FOUND.format(name=item.exercise))
    try:
        item.run(function)
    except AssertionError as failed:
        line = line_in(failed, path)
        text = str(failed) or "an assertion of your own failed"
        return Outcome(item.exercise, item.title, False, text, line)
    except NotImplementedError:
        return Outcome(item.exercise, item.title, False, "not solved yet")
    except StudentError as error:
        return Outcome(item.exercise, item.title, False, str(error), error.line)
    except (KeyboardInterrupt, Ended):
        raise
    except BaseException as error:  # SystemExit too: the grader goes on
        return Outcome(item.exercise, item.title, False, describe(error, path), line_in(error, path))
    return Outcome(item.exercise, item.title, True)


def line_in(error: BaseException, path: str) -> int | None:
    """The last line of that file on the way to the error."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return lines[-1] if lines else None


def describe(error: BaseException, path: str) -> str:
    """Kind and text of an error, and the source line it came from."""
    text = str(error).splitlines()[0] if str(error) else "no message"
    line = line_in(error, path)
    source = linecache.getline(path, line).strip() if line else ""
    return f"{type(error).__name__}: {text[:300]}" + (f" in `{source}`" if source else "")
