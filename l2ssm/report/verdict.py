"""The verdict box: five answers, each with a word, a number and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from l2ssm.report.numbers import counted, lower_bound, modulus, number, percent, quantity, seconds, text, upper_bound

GOOD, WARN, BAD, NONE = "good", "warn", "bad", "none"
FIT = 80.0  # %; a lower fit is a note, a negative one a problem
LOOSE = 100.0  # % of gap; beyond it the certified gain is a note
WORDS = {GOOD: "ok", WARN: "note", BAD: "problem", NONE: "not known"}


@dataclass(frozen=True)
class Tile:
    """One answer; value and note are HTML."""

    question: str
    status: str
    value: str
    note: str


def tiles(facts: dict[str, Any]) -> list[Tile]:
    """Fit, certified gain, worst input found, residual verdict, stability."""
    return [_fit(facts), _gain(facts), _lower(facts), _residuals(facts), _stability(facts)]


def _fit(facts: dict[str, Any]) -> Tile:
    fit = facts["fit"]
    if fit is None:
        return Tile("Fit (free run)", NONE, "no data", text(facts["missing"]["fit"]))
    worst = min(fit["outputs"], key=lambda row: row["fit_percent"])
    which = f" of {text(worst['output'])}, the worst output" if len(fit["outputs"]) > 1 else ""
    status = GOOD if worst["fit_percent"] >= FIT else WARN if worst["fit_percent"] >= 0 else BAD
    note = f"RMSE {quantity(number(worst['rmse']), worst['unit'])}{which}; {fit['samples_scored']} samples scored"
    if fit["on"]:
        status, note = (WARN if status == GOOD else status), f"<b>{text(fit['on'])}</b>; {note}"
    return Tile("Fit (free run)", status, percent(worst["fit_percent"]), note)


def _gain(facts: dict[str, Any]) -> Tile:
    claim = facts["certificate"]
    if claim is None:
        return Tile("Certified gain", NONE, "not certified", text(facts["missing"]["certificate"]))
    value = f"γ ≤ {quantity(upper_bound(claim['gamma']), claim['unit'])}"
    if not claim["verified"]:
        return Tile("Claimed gain", WARN, value, "<b>not verified here</b>: run the verification below")
    units = (
        "" if claim["unit"] or not any(c["unit"] for c in facts["model"]["outputs"]) else ", each channel in its unit"
    )
    note = f"{text(claim['kind'])} gain{units}, verified in {text(claim['verified_in'])}"
    return Tile("Certified gain", GOOD, value, note)


def _lower(facts: dict[str, Any]) -> Tile:
    claim = facts["certificate"]
    if claim is None or claim["lower"] is None:
        return Tile("Worst input found", NONE, "-", "no search for a worst input was made")
    value = f"γ ≥ {quantity(lower_bound(claim['lower']), claim['unit'])}"
    gap = claim["gap_percent"]
    words = "no gap known"
    if gap is not None:
        words = f"gap to the certified gain {gap:.0f} %" if gap >= 10 else f"gap to the certified gain {gap:.2g} %"
    if gap is not None and gap > 900:
        words = f"the certified gain is {1 + gap / 100:,.0f} times that"
    status = GOOD if gap is not None and gap <= LOOSE else WARN
    return Tile("Worst input found", status, value, f"{words}; {text(claim['lower_from'])}")


def _residuals(facts: dict[str, Any]) -> Tile:
    result = facts["residuals"]
    if result is None:
        return Tile("Residuals", NONE, "not tested", text(facts["missing"]["residuals"]))
    status, value = {
        True: (GOOD, "no missing dynamics found"),
        False: (WARN, "depend on the input"),
        None: (NONE, "cannot tell"),
    }[result["independent_of_input"]]
    return Tile("Residuals", status, value, text(result["verdict"]))


def _stability(facts: dict[str, Any]) -> Tile:
    count, stability = len(facts["operators"]), facts["stability"]
    if "operators" in facts["missing"]:
        return Tile("Stability", NONE, "see the gain", text(facts["missing"]["operators"]))
    frozen = [name for name, op in facts["operators"].items() if op["frozen"]]
    if frozen and stability["schur"]:
        note = f"selective: {', '.join(map(text, frozen))}; frozen coefficients prove nothing about the cell"
        return Tile("Stability", NONE, "see the gain", note)
    if not count:
        return Tile("Stability", GOOD, "static", "the model has no linear dynamic operator")
    if not stability["schur"]:
        names = ", ".join(text(name) for name in stability["unstable"])
        return Tile("Stability", BAD, "not stable", f"not Schur stable: {names}; no finite gain")
    slowest = seconds(stability["slowest_time_constant_s"])
    margin = f"spectral radius {modulus(stability['spectral_radius'])}, margin {number(stability['margin'], 3)}"
    note = f"{counted(count, 'linear operator')}, {margin}, slowest time constant {slowest}"
    return Tile("Stability", GOOD, "Schur stable", note)
