"""`interactive`: a picture of `plots` as a description that plotly.js draws: the same axes, curves, colours and words.

Read off the matplotlib figure, so that there is one place that decides what a picture shows. What is drawn in the data
coordinates of both axes becomes a trace; lines and spans across a panel become shapes, words annotations.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.collections import Collection, LineCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.transforms import Bbox

from l2ssm.analysis.style import INK, QUIET, STYLE

Layout = dict[str, Any]
SYMBOLS = {"o": "circle", "x": "x-thin", "+": "cross-thin", "^": "triangle-up", "v": "triangle-down", "s": "square",
           "D": "diamond", ".": "circle"}  # fmt: skip
LEFT = 80
"""Pixels for the numbers and the title of an axis: 3e+12 is wider here than beside matplotlib's common exponent."""
LEAST = 340
"""Width in pixels that one column of panels needs to be legible; several keep the width they were laid out for."""


def interactive(figure: Figure, pixels: float) -> dict[str, Any]:
    """{"data", "layout", "least"}: traces and layout for `Plotly.newPlot`, and the smallest legible width in pixels.

    Args:
        figure: of `plots`, which stays as it is laid out now: lines, filled bands, vertical lines, spans and words on
            linear, log or symlog axes.
        pixels: of an inch.
    """
    placed(figure)
    width, height = (float(round(pixels * inches)) for inches in figure.get_size_inches())
    panels = [axes for axes in figure.axes if axes.get_visible()]
    boxes = [axes.get_position() for axes in panels]
    frame = Bbox.union(boxes)
    margin = {
        "l": max(width * frame.x0, LEFT),
        "r": width * (1 - frame.x1),
        "t": height * (1 - frame.y1),
        "b": height * frame.y0,
    }
    layout: Layout = {
        "width": width,
        "height": height,
        "margin": {side: round(size) for side, size in margin.items()} | {"pad": 0, "autoexpand": False},
        "font": {"family": "inherit", "size": round(STYLE["font.size"] * pixels / 72), "color": INK},
        "showlegend": bool(figure.legends) or any(axes.get_legend() for axes in panels),
        "legend": {"orientation": "h", "x": 0, "xref": "container", "y": 1, "yref": "container", "yanchor": "top"},
        "hovermode": "closest",
        "plot_bgcolor": "white",
        "paper_bgcolor": "white",
        "annotations": [],
        "shapes": [],
    }
    data: list[dict[str, Any]] = []
    for i, (axes, box) in enumerate(zip(panels, boxes, strict=True)):
        mate = next((k for k in range(i) if axes.get_shared_x_axes().joined(axes, panels[k])), None)
        _panel(axes, i, mate, box, frame, layout, data)
    _group(data)
    columns = len({round(box.x0, 2) for box in boxes})
    return {"data": data, "layout": layout, "least": LEAST if columns == 1 else width}


def placed(figure: Figure) -> Figure:
    """The same figure with its panels where they belong, and no more search for a better place at every drawing."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")
    return figure


def _panel(
    axes: Axes, i: int, mate: int | None, box: Bbox, frame: Bbox, layout: Layout, data: list[dict[str, Any]]
) -> None:
    """Axes, curves, words and shapes of one panel; `mate` is the panel whose time or frequency axis it shares."""
    suffix = str(i + 1) if i else ""
    font = layout["font"]["size"]
    x = _axis(axes.xaxis, font, layout["width"] * box.width / (7 * font))
    y = _axis(axes.yaxis, font, layout["height"] * box.height / (2.5 * font))
    x["domain"] = [(box.x0 - frame.x0) / frame.width, (box.x1 - frame.x0) / frame.width]
    y["domain"] = [(box.y0 - frame.y0) / frame.height, (box.y1 - frame.y0) / frame.height]
    x["anchor"], y["anchor"] = f"y{suffix}", f"x{suffix}"
    if mate is not None:
        x["matches"] = f"x{mate + 1 if mate else ''}"
    if axes.get_aspect() != "auto":
        y |= {"scaleanchor": f"x{suffix}", "constrain": "domain"}
        x["constrain"] = "domain"
    layout[f"xaxis{suffix}"], layout[f"yaxis{suffix}"] = x, y
    layout["annotations"] += list(_words(axes, suffix))
    place = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
    units = f"{escape(_title(axes.xaxis))}: %{{x:.5~g}}<br>{escape(_title(axes.yaxis))}: %{{y:.5~g}}"
    for artist in sorted([*axes.collections, *axes.patches, *axes.lines], key=lambda one: one.get_zorder()):
        in_data = artist.get_transform().contains_branch_seperately(axes.transData)
        traces = list(_traces(artist, axes)) if all(in_data) or isinstance(artist, Collection) else []
        if any(in_data) and not all(in_data):
            layout["shapes"].append(_shape(artist, in_data, suffix))
        if not traces and _named(artist):
            traces = [{"x": [None], "y": [None], **_look(artist)}]
        data += [{"type": "scatter", **_legend(artist), **trace, **place, "hovertemplate": units} for trace in traces]


def _traces(artist: Artist, axes: Axes) -> Iterator[dict[str, Any]]:
    """What the artist draws in data coordinates."""
    if isinstance(artist, Line2D) and np.size(artist.get_xdata()):
        points = np.array([artist.get_xdata(orig=False), artist.get_ydata(orig=False)], dtype=np.float64)
        yield {**_points(axes, points), **_look(artist)}
    elif isinstance(artist, PolyCollection):
        closed = [np.vstack([path.vertices, [[np.nan, np.nan]]]).T for path in artist.get_paths()]
        if closed:
            face = _rgba(artist.get_facecolor()[0])
            look = {"mode": "lines", "line": {"width": 0}, "fill": "toself", "fillcolor": face, "hoverinfo": "skip"}
            yield {**_points(axes, np.hstack(closed)), **look}
    elif isinstance(artist, LineCollection):
        segments, colours = artist.get_segments(), artist.get_colors()
        shades = [_rgba(colours[k % len(colours)]) for k in range(len(segments))]
        for shade in dict.fromkeys(shades):
            pieces = [
                np.vstack([s, [[np.nan, np.nan]]]) for s, one in zip(segments, shades, strict=True) if one == shade
            ]
            look = {"mode": "lines", "line": {"color": shade, "width": float(np.ravel(artist.get_linewidth())[0])}}
            yield {**_points(axes, np.vstack(pieces).T), **look, "hoverinfo": "skip"}


def _points(axes: Axes, xy: np.ndarray) -> dict[str, Any]:
    """x and y (2, n) as plotly reads them; what has no place on an axis is a gap."""
    found = {}
    for name, values, axis in zip("xy", xy, (axes.xaxis, axes.yaxis), strict=True):
        with np.errstate(all="ignore"):
            placed = _placed(axis)(values)
            if axis.get_scale() == "log":
                placed = np.where(placed > 0, placed, np.nan)
        found[name] = _packed(np.where(np.isfinite(placed), placed, np.nan))
    return found


def _packed(values: np.ndarray) -> dict[str, str]:
    """Numbers in base64: 4 bytes where nothing that can be seen is lost, else 8."""
    with np.errstate(over="ignore"):
        small = values.astype("<f4")
    spread = float(np.ptp(values[np.isfinite(values)])) if np.any(np.isfinite(values)) else 0.0
    same = np.all(np.abs(small - values)[np.isfinite(values)] <= 1e-5 * spread)
    kept = small if same else values.astype("<f8")
    return {"dtype": kept.dtype.str[1:], "bdata": base64.b64encode(kept.tobytes()).decode()}


def _placed(axis: Axis) -> Callable[[Any], Any]:
    """A value -> its coordinate for plotly, which has no symlog scale: that one is transformed here."""
    return axis.get_transform().transform if axis.get_scale() == "symlog" else np.asarray


def _axis(axis: Axis, font: float, room: float) -> dict[str, Any]:
    """Scale, range, title in letters of `font` pixels, and at most as many ticks as there is room for."""
    low, high = (float(v) for v in _placed(axis)(np.array(axis.get_view_interval(), dtype=np.float64)))
    log, side = axis.get_scale() == "log", "labelbottom" if isinstance(axis, XAxis) else "labelleft"
    found = {
        "type": "log" if log else "linear",
        "range": np.log10([low, high]).tolist() if log else [low, high],
        "title": {"text": escape(axis.get_label_text()), "standoff": 6, "font": {"size": font}},
        "showticklabels": bool(axis.get_tick_params().get(side, True)),
        "gridcolor": STYLE["grid.color"],
        "linecolor": QUIET,
        "showline": True,
        "zeroline": False,
        "ticks": "outside",
        "nticks": int(np.clip(room, 3, 8)),
        "exponentformat": "power" if log else "e",  # never 10B for 1e10
    }
    if log and high > 30 * low:
        found |= {"dtick": max(1, round(np.log10(high / low) / 6)), "minor": {"ticks": "outside"}}
    if axis.get_scale() == "symlog" or not len(axis.get_majorticklocs()):
        values = np.asarray(axis.get_majorticklocs(), dtype=np.float64)
        found |= {"tickvals": _placed(axis)(values).tolist(), "ticktext": [f"{v:.3g}" for v in values]}
    return found


def _title(axis: Axis) -> str:
    """The label, of the shared axis where this one shows none."""
    if axis.get_label_text() or not isinstance(axis, XAxis):
        return axis.get_label_text()
    joined = axis.axes.get_shared_x_axes().get_siblings(axis.axes)
    return next((one.get_xlabel() for one in joined if one.get_xlabel()), "")


def _words(axes: Axes, suffix: str) -> Iterator[dict[str, Any]]:
    """The title, flush left above the panel, and the texts in it, which stand in coordinates of the panel."""
    home = {"xref": f"x{suffix} domain", "yref": f"y{suffix} domain", "showarrow": False}
    title = axes.get_title(loc="left") or axes.get_title()
    if title:
        yield home | {"text": escape(title), "x": 0, "y": 1, "xanchor": "left", "yanchor": "bottom", "align": "left"}
    for text in axes.texts:
        x, y = (float(v) for v in text.get_position())
        yield home | {"text": escape(text.get_text()), "x": x, "y": y, "font": {"color": _rgba(text.get_color())}}


def _shape(artist: Artist, in_data: Sequence[bool], suffix: str) -> dict[str, Any]:
    """A line or a filled rectangle across the panel, below the curves; `in_data`: which coordinates are data."""
    refs = {f"{n}ref": f"{n}{suffix}" + ("" if data else " domain") for n, data in zip("xy", in_data, strict=True)}
    if isinstance(artist, Line2D):
        corners = np.array(artist.get_data(orig=False), dtype=np.float64)[:, [0, -1]].T
        look = {"type": "line", "line": _look(artist)["line"]}
    else:
        assert isinstance(artist, Patch)
        corners = artist.get_path().get_extents(artist.get_patch_transform()).get_points()
        look = {"type": "rect", "fillcolor": _rgba(artist.get_facecolor()), "line": {"width": 0}}
    (x0, y0), (x1, y1) = corners.tolist()
    return refs | look | {"x0": x0, "x1": x1, "y0": y0, "y1": y1, "layer": "below"}


def _look(artist: Artist) -> dict[str, Any]:
    """Mode, line and marker of a line; of what is filled, a thick line for the legend."""
    if isinstance(artist, Patch):
        return {"mode": "lines", "line": {"color": _rgba(artist.get_facecolor()), "width": 9}}
    if isinstance(artist, Collection):
        return {"mode": "lines", "line": {"color": _rgba(artist.get_facecolor()[0]), "width": 9}}
    assert isinstance(artist, Line2D)
    found: dict[str, Any] = {}
    drawn, symbol = artist.get_linestyle() not in ("None", "none", "", " "), SYMBOLS.get(str(artist.get_marker()))
    found["mode"] = "+".join(word for word, there in (("lines", drawn), ("markers", symbol)) if there) or "none"
    if drawn:
        found["line"] = {"color": _rgba(artist.get_color()), "width": artist.get_linewidth(), "dash": _dash(artist)}
        if artist.get_drawstyle() == "steps-post":
            found["line"]["shape"] = "hv"
    if symbol:
        edge, hollow = _rgba(artist.get_markeredgecolor()), str(artist.get_markerfacecolor()) == "none"
        open_ = "-open" if hollow and not symbol.endswith("-thin") else ""
        size = artist.get_markersize() * (0.6 if artist.get_marker() == "." else 1.15)
        rim = {"color": edge, "width": artist.get_markeredgewidth()}
        fill = edge if hollow else _rgba(artist.get_markerfacecolor())
        found["marker"] = {"symbol": symbol + open_, "color": fill, "size": size, "line": rim}
    return found


def _dash(artist: Line2D) -> str:
    """The dashes in pixels; matplotlib has no public way to read them, so the name of the style is the fallback."""
    _, pattern = getattr(artist, "_unscaled_dash_pattern", (0, None))
    if pattern:
        return ",".join(f"{length * artist.get_linewidth():.3g}px" for length in pattern)
    return {"--": "dash", ":": "dot", "-.": "dashdot"}.get(artist.get_linestyle(), "solid")


def _named(artist: Artist) -> bool:
    label = artist.get_label()
    return bool(label) and not str(label).startswith("_")


def _legend(artist: Artist) -> dict[str, Any]:
    return {"name": escape(str(artist.get_label())) if _named(artist) else "", "showlegend": _named(artist)}


def _group(data: Sequence[dict[str, Any]]) -> None:
    """Curves that look like one of the legend are switched on and off with it."""
    groups = {_key(trace): trace["name"] for trace in reversed(data) if trace["showlegend"]}
    for trace in data:
        if _key(trace) in groups:
            trace["legendgroup"] = groups[_key(trace)]


def _key(trace: dict[str, Any]) -> str:
    line, marker = trace.get("line", {}), trace.get("marker", {})
    return (
        f"{line.get('color')} {line.get('dash')} {marker.get('symbol')} {marker.get('color')} {trace.get('fillcolor')}"
    )


def _rgba(colour: Any) -> str:
    """A colour with its opacity, as CSS."""
    r, g, b, a = to_rgba(colour)
    return f"rgba({round(255 * r)},{round(255 * g)},{round(255 * b)},{a:.3g})"
