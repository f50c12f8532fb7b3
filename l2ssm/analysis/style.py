"""One look for all pictures: Okabe-Ito colours, sizes legible on a slide, line and marker of the i-th thing drawn."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

P = ParamSpec("P")

INK, QUIET, BAND, ALARM = "#1b1f24", "#6b7280", "#d9dee5", "#D55E00"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
MARKERS = ("x", "o", "^", "s", "D", "v")

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 12,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e5e7eb",
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "figure.dpi": 130,
    "svg.hashsalt": "l2ssm",
}
"""What `matplotlib.rc_context` sets while a picture is made or saved."""


def line(i: int) -> dict[str, Any]:
    """Colour and dashes of the i-th curve: six colours, then the same with other dashes; told apart in grey, too."""
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[(i + i // len(COLOURS)) % len(DASHES)]}


def marker(i: int) -> dict[str, Any]:
    """Colour and shape of the i-th set of points."""
    return {
        "color": COLOURS[i % len(COLOURS)],
        "marker": MARKERS[(i + i // len(COLOURS)) % len(MARKERS)],
        "markersize": 7,
        "markerfacecolor": "none",
        "markeredgewidth": 1.5,
        "linestyle": "none",
    }


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """The same picture in `STYLE`, whatever the caller has set; a dollar sign in a name or a unit is a dollar sign."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        from matplotlib import rc_context
        from matplotlib.text import Text

        with rc_context(STYLE):
            figure = draw(*args, **kwargs)
        legends = [*figure.legends, *(legend for axes in figure.axes if (legend := axes.get_legend()))]
        words = [axis.label for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
        words += [text for legend in legends for text in legend.get_texts()]
        words += [text for one in (figure, *figure.axes) for text in one.get_children() if isinstance(text, Text)]
        for text in words:  # not of the ticks: those may be powers of ten
            text.set_parse_math(False)
        return figure

    return drawn


@contextmanager
def every_alphabet() -> Iterator[None]:
    """No warning about letters that the font of the pictures lacks: there they are boxes, in a report words."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        yield


def short(name: str, most: int = 18) -> str:
    """A name as long as a panel has room for: its beginning and its end; tables have all of it.

    >>> short("level of the lower tank"), short("h2")
    ('level of …wer tank', 'h2')
    """
    return name if len(name) <= most else f"{name[: most // 2]}…{name[-((most - 1) // 2) :]}"


def legend_name(name: str) -> str:
    """A name as matplotlib shows it in a legend, which leaves out what is empty or starts with an underscore.

    >>> legend_name("_a"), legend_name(""), legend_name("a")
    (' _a', '(no name)', 'a')
    """
    return f" {name}" if name.startswith("_") else name or "(no name)"
