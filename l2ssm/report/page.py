"""The HTML page: one file that fetches nothing; every text from outside is escaped.

Each figure is a still picture. Scripts at the end of the page, the drawing library among them, put an interactive one
in its place; without scripts, on paper and in old browsers the still ones remain. The page's own policy forbids the
browser to load anything.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Any

from l2ssm.report.figures import Picture
from l2ssm.report.numbers import counted, lower_bound, modulus, number, percent, quantity, seconds, text, upper_bound
from l2ssm.report.verdict import WORDS, Tile, tiles

STRONGEST = 6  # inputs of a direction listed on the page; the JSON file has all
SLOWEST = 6  # poles of an operator listed on the page; the JSON file has all
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
RECORDS = 8  # records listed on the page; the JSON file has all


def page(
    facts: dict[str, Any], pictures: Sequence[Picture], command: str | None, verify: str, teaching: bool = False
) -> str:
    """The whole page.

    Args:
        facts: of `analyse`.
        pictures: of `figures.pictures`.
        command: what made the model and this report, or None.
        verify: the command that checks the certificate.
        teaching: with the lesson under each figure.
    """
    if not teaching:
        pictures = [replace(picture, lesson="") for picture in pictures]
    model = facts["model"]
    title = f"{_channels(model['inputs'])} → {_channels(model['outputs'])}"
    parts = [
        f"<h1>{title}</h1>",
        f'<p class="quiet">{_subtitle(facts)}</p>',
        '<div class="tiles">' + "".join(_tile(tile) for tile in tiles(facts)) + "</div>",
        _section("Data", _data(facts)),
        _section("Fit", _fit(facts) + _figures(pictures, "fit")),
        _section("Residuals", _residuals(facts) + _figures(pictures, "residuals")),
        _section("Linear operators", _operators(facts) + _figures(pictures, "operators")),
        _section("Certificate", _certificate(facts, verify) + _figures(pictures, "certificate")),
        _section("Training", _absent(facts, "training") + _figures(pictures, "training")),
        _section("How to reproduce", _reproduce(facts, command)),
        "<footer>Made by l2ssm. The same numbers, and all poles, are in report.json beside this file.</footer>",
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"<title>l2ssm report: {title}</title>\n<style>\n{_own('page.css').decode()}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + f"\n</main>\n{_scripts(pictures)}</body>\n</html>\n"
    )


def _own(name: str) -> bytes:
    """A file of this package."""
    return files("l2ssm.report").joinpath(name).read_bytes()


def _scripts(pictures: Sequence[Picture]) -> str:
    """What the figures show, the drawing library (packed), and the lines that bring both together."""
    if not pictures:
        return ""
    drawings = json.dumps([picture.drawing for picture in pictures], allow_nan=False).replace("<", "\\u003c")
    packed = base64.b64encode(gzip.compress(_own("plotly/plotly-basic.min.js"), mtime=0)).decode()
    return (
        f'<script type="application/json" id="drawings">{drawings}</script>\n'
        f'<script type="text/plain" id="plotly">{packed}</script>\n'
        f"<script>\n{_own('page.js').decode()}</script>\n"
    )


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{title}</h2>\n{body}\n</section>"


def _tile(tile: Tile) -> str:
    return (
        f'<div class="tile {tile.status}"><div class="question"><span>{tile.question}</span>'
        f'<span class="word">{WORDS[tile.status]}</span></div>'
        f'<div class="value">{tile.value}</div><p class="note">{tile.note}</p></div>'
    )


def _channels(channels: list[dict[str, str]], most: int = 6) -> str:
    names = [f"{text(c['name'])} [{text(c['unit'])}]" if c["unit"] else text(c["name"]) for c in channels]
    return ", ".join(names[:most]) + (f", … ({len(names)})" if len(names) > most else "")


def _subtitle(facts: dict[str, Any]) -> str:
    model, info = facts["model"], facts["model"]["info"]
    words = [f"{text(info['cell'])} cells" if "cell" in info else text(model["type"])]
    words += [
        counted(len(facts["operators"]), "linear operator"),
        f"{model['n_x']} states",
        f"dt = {model['dt_s']:.6g} s",
    ]
    if model["n_init"]:
        words.append(f"initial state from the first {model['n_init']} samples")
    return " · ".join(words)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[int] = ()) -> str:
    """An HTML table; cells are HTML already, the columns in `numeric` are set flush right."""

    def row(cells: Sequence[str], tag: str) -> str:
        mark = [' class="n"' if i in numeric else "" for i in range(len(cells))]
        return "<tr>" + "".join(f"<{tag}{m}>{c}</{tag}>" for c, m in zip(cells, mark, strict=True)) + "</tr>"

    body = "\n".join(row(cells, "td") for cells in rows)
    return f'<div class="scroll"><table>\n<thead>{row(head, "th")}</thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def _figures(pictures: Sequence[Picture], section: str) -> str:
    return "\n".join(
        f'<figure><h3>{text(p.title)}</h3><div class="scroll"><div class="plot" data-drawing="{k}">'
        f'<img alt="{text(p.title)}. {text(p.caption)}" width="{p.width}" src="{p.source}"></div></div>'
        f"<figcaption>{text(p.caption)}</figcaption>"
        + (f'<p class="lesson">{text(p.lesson)}</p>' if p.lesson else "")
        + "</figure>"
        for k, p in enumerate(pictures)
        if p.section == section
    )


def _more(count: int, shown: int, what: str) -> str:
    return f'<p class="quiet">{count - shown} more {what} are in report.json.</p>' if count > shown else ""


def _absent(facts: dict[str, Any], part: str) -> str:
    return f'<p class="absent">Not here: {text(facts["missing"][part])}.</p>' if part in facts["missing"] else ""


def _data(facts: dict[str, Any]) -> str:
    if facts["data"] is None:
        return _absent(facts, "fit")
    rows, gaps = [], any(c["not_measured"] for record in facts["data"] for c in record["channels"])
    for record in facts["data"][:RECORDS]:
        lead = [text(record["record"] or "-"), str(record["samples"]), f"{record['duration_s']:.6g} s"]
        for k, c in enumerate(record["channels"]):
            numbers = [number(c[key]) for key in ("min", "max", "mean", "std")]
            numbers += [str(c["not_measured"])] if gaps else []
            rows.append([*(lead if k == 0 else [""] * 3), text(c["name"]), c["role"], text(c["unit"] or "-"), *numbers])
    head = ["record", "samples", "duration", "channel", "role", "unit", "min", "max", "mean", "std"]
    head += ["not measured"] if gaps else []
    return _table(head, rows, (1, 2, *range(6, len(head)))) + _more(len(facts["data"]), RECORDS, "records")


def _fit(facts: dict[str, Any]) -> str:
    fit = facts["fit"]
    if fit is None:
        return _absent(facts, "fit")
    blocks = [("all", fit["outputs"])]
    if len(fit["records"]) > 1:
        blocks += [(record["record"], record["outputs"]) for record in fit["records"][:RECORDS]]
    rows = [
        [text(name), text(row["output"]), number(row["rmse"]), text(row["unit"] or "-"), number(row["nrmse"], 3),
         percent(row["fit_percent"])]
        for name, outputs in blocks
        for row in outputs
    ]  # fmt: skip
    unscored = f"the first {fit['n_init']} of each record are not scored" if fit["n_init"] else "all are scored"
    where = f", {fit['on']}" if fit["on"] else ""
    scored = f"{fit['samples_scored']} samples{where}; {unscored}"
    note = f"Free run over {scored}. NRMSE is RMSE / std(y); fit is 100 (1 - NRMSE)."
    return (
        _table(("record", "output", "RMSE", "unit", "NRMSE", "fit"), rows, (2, 4, 5)) + f'<p class="quiet">{note}</p>'
    )


def _residuals(facts: dict[str, Any]) -> str:
    result = facts["residuals"]
    if result is None:
        return _absent(facts, "residuals")
    rows = [
        [text(p["output"]), text(p["input"]), number(p["largest_correlation"], 3), number(p["band"], 3),
         number(p["largest_correlation_square"], 3), number(p["band_square"], 3),
         f"{p['effective_samples']:.0f}"]
        for p in result["pairs"]
    ]  # fmt: skip
    note = (
        f"Bands hold for coloured signals, for all lags up to {result['lags']} and all pairs together, with"
        f" {100 * result['false_alarm']:g} % false alarms. Effective samples: what the two signals are worth as"
        " independent ones."
    )
    head = ("residual of", "input", "largest correlation", "band", "with its square", "band", "effective samples")
    return f"<p>{text(result['verdict'])}</p>" + _table(head, rows, (2, 3, 4, 5, 6)) + f'<p class="quiet">{note}</p>'


def _operators(facts: dict[str, Any]) -> str:
    if "operators" in facts["missing"]:
        return _absent(facts, "operators")
    if not facts["operators"]:
        return '<p class="absent">Not here: the model has no linear dynamic operator.</p>'
    rows, slow = [], []
    for name, op in facts["operators"].items():
        gain = op["hinf"]
        bracket = quantity(f"{lower_bound(gain['lower'])} … {upper_bound(gain['upper'])}", op["unit"])
        peak = f"{number(gain['frequency_peak_hz'])} Hz ({number(gain['omega_peak_rad_s'])} rad/s)"
        if not gain["omega_peak_rad_s"]:
            peak = "0 Hz (steady state)"
        size = f"{op['n_u']} → {op['n_y']}, {op['n_x']} states"
        stable = "yes" if op["schur"] else "<b>no</b>"
        why = f'<span class="wrap">{text(gain["reason"])}</span>'
        circle = [modulus(op["spectral_radius"]), number(op["margin"], 3)]
        rows.append([text(name), size, stable, *circle, bracket, peak, why])
        slow += [[text(name), *_pole(pole, op["unit"])] for pole in op["poles"][:SLOWEST]]
    head = ("operator", "size", "Schur", "spectral radius", "margin", "H∞ norm, bracket", "at", "how known")
    table = _table(head, rows, (3, 4, 5))
    modal = ("operator", "pole", "modulus", "time constant", "oscillation", "", "damping", "residue", "Hankel share")
    tables = f"{table}{_frozen(facts)}<h3>Slowest poles</h3>{_table(modal, slow, (1, 2, 3, 4, 5, 6, 7, 8))}"
    return tables + _directions(facts)


def _frozen(facts: dict[str, Any]) -> str:
    if not any(op["frozen"] for op in facts["operators"].values()):
        return ""
    return (
        '<p class="quiet">Frozen: the linear system a selective cell would be if its coefficients stayed those of this'
        " constant input of the model. The cell itself changes them with the input: nothing here bounds it, and no"
        " certificate uses it.</p>"
    )


def _directions(facts: dict[str, Any]) -> str:
    """The inputs at the peak, strongest first, of operators with several."""
    rows = []
    for name, op in facts["operators"].items():
        if op["n_u"] < 2 or op["hinf"]["direction"] is None:
            continue
        inputs = sorted(op["hinf"]["direction"]["inputs"], key=lambda one: -one["amplitude"])
        strongest = [f"{text(one['name'])} {one['amplitude']:.2f} ∠ {round(one['phase_degrees'])}°" for one in inputs]
        more = f", {len(inputs) - STRONGEST} more" if len(inputs) > STRONGEST else ""
        rows.append([text(name), f'<span class="wide">{", ".join(strongest[:STRONGEST])}{more}</span>'])
    note = "Amplitude and phase of each input, the sum of squares being 1: no other sinusoid is amplified more."
    head = ("operator", "worst input direction at the peak")
    return f'<h3>Worst directions</h3>{_table(head, rows)}<p class="quiet">{note}</p>' if rows else ""


def _pole(pole: dict[str, Any], unit: str) -> list[str]:
    return [
        f"{pole['real']:.6f} ± {pole['imag']:.6f} j" if pole["imag"] else modulus(pole["real"]),
        modulus(pole["modulus"]),
        seconds(pole["time_constant_s"]),
        f"{number(pole['oscillation_hz'])} Hz",
        f"{number(pole['oscillation_rad_s'])} rad/s",
        number(pole["damping"], 3),
        quantity(number(pole["residue_norm"], 3), unit if pole["residue_norm"] is not None else ""),
        "-" if pole["hankel_share"] is None else f"{100 * pole['hankel_share']:.1f} %",
    ]


def _certificate(facts: dict[str, Any], verify: str) -> str:
    claim = facts["certificate"]
    if claim is None:
        return _absent(facts, "certificate")
    rows = [
        ["gain", f"{text(claim['kind'])}, γ ≤ {quantity(upper_bound(claim['gamma']), claim['unit'])}"],
        ["status", f"verified in {text(claim['verified_in'])}" if claim["verified"] else "<b>not verified here</b>"],
        ["certificate sha256", f'<code class="hash">{text(claim["certificate_sha256"])}</code>'],
        ["numbers sha256", f'<code class="hash">{text(claim["numbers_sha256"])}</code>'],
        ["model file sha256", f'<code class="hash">{text(claim["model_file_sha256"] or "not recorded")}</code>'],
    ]
    if facts["dissipation"] is not None:
        energy = facts["dissipation"]
        least = f"{number(energy['smallest_slack'], 3)} {energy['unit'] or ''}".strip()
        word = "never negative" if energy["holds"] else "<b>NEGATIVE</b>"
        rows.append(["slack of the storage function", f"{word}, smallest {text(least)}"])
    statement = text("\n".join(claim["statement"]))
    return (
        f"<pre>{statement}</pre>{_table(('', ''), rows)}"
        f"<p>To check it again, without the tools that made it (exit code 0: proved, 2: refuted):</p>"
        f"<pre>{text(verify)}</pre>"
    )


def _reproduce(facts: dict[str, Any], command: str | None) -> str:
    info = {k: v for k, v in facts["model"]["info"].items() if v is not None and not isinstance(v, (dict, list))}
    rows = [[text(key), f'<span class="hash">{text(value)}</span>'] for key, value in info.items()]
    versions = facts["model"]["info"].get("versions")
    if isinstance(versions, dict):
        rows += [[f"version of {text(key)}", text(value)] for key, value in versions.items()]
    given = f"<pre>{text(command)}</pre>" if command else '<p class="absent">Not here: the command was not given.</p>'
    return given + (_table(("setting", "value"), rows) if rows else "")
