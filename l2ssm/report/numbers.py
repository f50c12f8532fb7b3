"""Numbers as a reader wants them: few digits, bounds rounded to the safe side, escaped for HTML."""

from __future__ import annotations

import math
from html import escape
from typing import Any

from l2ssm.certificates.statement import rounded_down, rounded_up


def text(value: Any) -> str:
    """Any value as escaped text.

    >>> text("<script>")
    '&lt;script&gt;'
    """
    return escape(str(value), quote=True)


def number(value: float | None, digits: int = 4) -> str:
    """A number with so many significant digits; words for the ones that are not finite.

    >>> number(0.000123456), number(float("inf")), number(None), number(12345678.0)
    ('0.0001235', '∞', '-', '1.235e+07')
    """
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.{digits}g}"


def upper_bound(value: float, digits: int = 5) -> str:
    """Rounded up: what is printed is still a bound.

    >>> upper_bound(4.91305001)
    '4.9131'
    """
    return rounded_up(value, digits) if math.isfinite(value) else number(value)


def lower_bound(value: float, digits: int = 5) -> str:
    """Rounded down: what is printed was still attained.

    >>> lower_bound(4.80209)
    '4.8020'
    """
    return rounded_down(value, digits) if math.isfinite(value) else number(value)


def quantity(value: str, unit: str) -> str:
    """A number with its unit, escaped; the number alone where there is no unit."""
    return f"{text(value)} {text(unit)}".strip()


def seconds(value: float | None) -> str:
    """A time constant in seconds.

    >>> seconds(0.5), seconds(12345.6), seconds(float("inf")), seconds(-2.0)
    ('0.5 s', '12346 s', 'never settles', 'grows, e-fold in 2 s')
    """
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "never settles"
    digits = f"{abs(value):.0f}" if 100 <= abs(value) < 1e6 else f"{abs(value):.3g}"
    return f"{digits} s" if value >= 0 else f"grows, e-fold in {digits} s"


def modulus(value: float) -> str:
    """A real pole, or the modulus of one; never rounded onto the unit circle.

    >>> modulus(0.5), modulus(1.0), modulus(1 - 2e-9), modulus(-1 - 2e-9)
    ('0.500000', '1.000000', '1 - 2e-09', '-(1 + 2e-09)')
    """
    printed = f"{value:.6f}"
    if abs(value) == 1 or abs(float(printed)) != 1:
        return printed
    beside = f"1 {'-' if abs(value) < 1 else '+'} {abs(1 - abs(value)):.2g}"
    return beside if value > 0 else f"-({beside})"


def percent(value: float) -> str:
    """A fit in %.

    >>> percent(98.765), percent(float("-inf")), percent(-5000.0)
    ('98.8 %', '-∞ %', '&lt; -999 %')
    """
    if math.isnan(value) or math.isinf(value):
        return f"{number(value)} %"
    return f"{value:.1f} %" if value >= -999 else text("< -999 %")


def counted(count: int, what: str) -> str:
    """A count with its noun.

    >>> counted(1, "state"), counted(2, "state")
    ('1 state', '2 states')
    """
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
