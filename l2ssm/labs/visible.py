"""What a lab shows beside an exercise: the results of its visible checks, the `test_*` functions of the notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from unittest import SkipTest

MARKS = {"passed": ("✓", "#1a7f37"), "open": ("○", "#8a6d00"), "wrong": ("✗", "#c62828")}


@contextmanager
def attempt() -> Iterator[None]:
    """An exercise that nobody has begun is a skipped test, not a failed one.

    Raises:
        SkipTest: the block raised NotImplementedError, as the exercises of a fresh lab do.
    """
    try:
        yield
    except NotImplementedError as error:
        raise SkipTest(f"not solved yet{f': {error}' if str(error) else ''}") from None


@dataclass(frozen=True)
class Verdict:
    """The results of visible checks, one (title, state, message) each; a notebook shows them as a list.

    Attributes:
        rows: state is "passed", "open" (not solved yet) or "wrong".
    """

    rows: tuple[tuple[str, str, str], ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(state == "passed" for _, state, _ in self.rows)

    def _repr_html_(self) -> str:
        lines = []
        for title, state, message in self.rows:
            mark, colour = MARKS[state]
            lines.append(f'<div style="color:{colour}"><b>{mark} {escape(title)}</b> {escape(message)}</div>')
        return "".join(lines)

    def __str__(self) -> str:
        return "\n".join(
            f"{MARKS[state][0]} {title}{f': {message}' if message else ''}" for title, state, message in self.rows
        )


def verdict(*tests: Callable[[], None]) -> Verdict:
    """Run visible checks and say how they went; nothing that student code raises leaves this function.

    Args:
        tests: functions without arguments; the first line of the docstring is the title.

    >>> def test_sum():
    ...     "One and one."
    ...     assert 1 + 1 == 2
    >>> print(verdict(test_sum))
    ✓ One and one.
    """
    rows = []
    for test in tests:
        title = (test.__doc__ or test.__name__).strip().splitlines()[0]
        state, message = "passed", ""
        try:
            test()
        except SkipTest as skipped:
            state, message = "open", str(skipped)
        except AssertionError as failed:
            state, message = "wrong", str(failed) or "the check failed"
        except Exception as error:  # whatever a student writes
            state, message = "wrong", f"{type(error).__name__}: {error}"
        rows.append((title, state, message))
    return Verdict(tuple(rows))
