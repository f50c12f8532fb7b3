"""The figures of a report: title, caption, what to look for, a still picture and what an interactive one needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from l2ssm.analysis import curves, plots
from l2ssm.analysis.compare import Comparison
from l2ssm.analysis.dissipation import Dissipation
from l2ssm.analysis.facts import NAME
from l2ssm.analysis.interactive import interactive
from l2ssm.analysis.residuals import Residuals
from l2ssm.analysis.style import every_alphabet
from l2ssm.analysis.subject import measured
from l2ssm.certificates.certificate import Certificate
from l2ssm.certificates.falsify import waveform
from l2ssm.systems.state_space import StateSpace

PIXELS_PER_INCH = 84  # of the page
MOST = 12  # operators in one picture
LARGEST = 100_000  # characters of a vector picture; a longer one becomes pixels, so that the page stays small
LONG = 3000  # samples; a longer record also gets a close-up
LESSONS = {
    "Measured and simulated": "Look for errors that last: a slow drift is a wrong time constant, spikes at steps are"
    " missing fast dynamics, errors at large signals only are a missing nonlinearity.",
    "Where the error is largest": "Ask what is special about the input here: a level, a direction or a frequency that"
    " the training data did not have.",
    "Residual correlations": "Look for bars that leave the band: at small lags a delay or fast dynamics are missing, in"
    " a slow wave a slow mode; isolated touches of the edge are chance.",
    "Poles": "Look for poles near the circle without a counterpart in the plant, and for time constants far longer than"
    " the record: the data cannot have shown them.",
    "Bode plot": "Look at the peak and at the slope behind it: 20 dB a decade is one lag, 40 dB with a peak is a"
    " resonance.",
    "Singular values": "The top curve is the gain in the worst direction; its peak is what bounds the energy gain.",
    "Frequency response": "The two should agree where the band is narrow; where it is wide, the data say nothing and"
    " the model was free to guess.",
    "Dissipation": "The slack below must never be negative: that is the whole proof, sample by sample; a small one"
    " means that the bound is nearly attained here.",
    "Worst input found": "Compare its frequency with the peaks of the operators and with what the plant will see: a"
    " gain that only an input outside your range attains may not matter to you.",
    "Training history": "Stop where the validation error stops falling; a growing distance to the training error means"
    " that noise is being learned.",
}
"""One sentence for each figure by its title: what to look for, and what it would mean."""


@dataclass(frozen=True)
class Picture:
    """One figure of the page.

    Attributes:
        section: of the page.
        title, caption: shown above and below.
        source: the still picture as the address of an `img`.
        width: of it, in pixels.
        lesson: what a student should look for.
        drawing: of `interactive`, the same for plotly.js.
    """

    section: str
    title: str
    caption: str
    source: str
    width: int
    lesson: str
    drawing: dict[str, Any]


def pictures(
    operators: Mapping[str, StateSpace],
    comparison: Comparison | None,
    result: Residuals | None,
    history: Sequence[Mapping[str, Any]] | None,
    responses: Mapping[str, Any],
    stored: Dissipation | None,
    certificate: Certificate | None,
) -> list[Picture]:
    """Everything there is to draw, in the order of the page."""
    found = []
    if comparison is not None:
        found += _fit(comparison)
    if result is not None:
        cut = "" if result.auto.shape[0] <= 4 and result.cross.shape[1] <= 3 else " The first 4 outputs and 3 inputs."
        caption = (
            "Left: what past errors say about later ones. Right: what past inputs say about the error; a bar that"
            f" leaves the grey band means dynamics the model has not learned.{cut}"
        )
        found.append(_picture("residuals", "Residual correlations", caption, plots.residuals(result)))
    if operators:
        found += _operators(operators)
    if responses:
        found.append(_response(responses))
    if stored is not None:
        caption = (
            "The storage function that proves the gain, along the input of the first record (of the worst input found,"
            " without data): what is supplied is delivered, stored or lost."
        )
        found.append(_picture("certificate", "Dissipation", caption, plots.dissipation(stored)))
    worst = None if certificate is None else waveform(certificate.lower)
    if certificate is not None and worst is not None:
        caption = (
            "The two inputs of the search whose outputs differ most, for their own difference: the lower bound of the"
            " gain. Right: at which frequencies that difference is."
        )
        found.append(_picture("certificate", "Worst input found", caption, plots.worst(worst, certificate.network)))
    if history and curves.errors(history):
        caption = "The model is the one with the lowest validation error; a gap that grows afterwards is overfitting."
        found.append(_picture("training", "Training history", caption, plots.history(history)))
    return found


def _picture(section: str, title: str, caption: str, figure: Any) -> Picture:
    """The same scale for every figure, so that the same letters look the same."""
    width = round(PIXELS_PER_INCH * figure.get_figwidth())
    with every_alphabet():
        drawing = interactive(figure, PIXELS_PER_INCH)  # first: it lays the figure out
        still = plots.data_uri(figure, LARGEST)
    return Picture(section, title, caption, still, width, LESSONS[title], drawing)


def _response(responses: Mapping[str, Any]) -> Picture:
    """The channel with the largest measured gain."""
    size = np.max(np.abs(responses["data"].H), axis=0)
    i, j = np.unravel_index(int(np.argmax(size)), size.shape)
    names = responses["data"].output_names[i], responses["data"].input_names[j]
    which = "" if size.size == 1 else f" From {names[1]} to {names[0]}, the strongest of {size.size} channels."
    caption = (
        "From the data and from the model's simulation of the same input, by the same method"
        f" ({responses['data'].method}) and without using the model's equations.{which}"
    )
    return _picture("fit", "Frequency response", caption, plots.frequency(responses, channel=(int(i), int(j))))


def _fit(comparison: Comparison) -> list[Picture]:
    seen = "and, in the grey stretch only, the measured output" if comparison.n_init else "alone, from the zero state"
    caption = f"Free run: the model sees the input {seen}."
    found = [_picture("fit", "Measured and simulated", caption, plots.compare(comparison))]
    span = _worst_stretch(comparison)
    if span is not None:
        caption = "A close-up of the stretch in which the model is worst."
        found.append(_picture("fit", "Where the error is largest", caption, plots.compare(comparison, span=span)))
    return found


def _worst_stretch(comparison: Comparison) -> tuple[float, float] | None:
    """(start, stop) in s of the 400 samples of the first record with the largest error, None if it is short."""
    record = comparison.records[0]
    if record.T - comparison.n_init <= LONG:
        return None
    y, width = np.ma.masked_invalid(measured(record)), 400
    spread = np.maximum(np.ma.filled(y.std(axis=0), 1.0), 1e-300)
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.nan_to_num((y.data - comparison.outputs[NAME][0]) / spread, nan=1e100)
        e[np.ma.getmaskarray(y)] = 0.0
        total = np.cumsum(np.sum(np.clip(e, -1e100, 1e100) ** 2, axis=1))
    first = comparison.n_init + int(np.argmax(total[comparison.n_init + width :] - total[comparison.n_init : -width]))
    return float(record.t[first]), float(record.t[min(first + width, record.T - 1)])


def _operators(operators: Mapping[str, StateSpace]) -> list[Picture]:
    shown = dict(list(operators.items())[:MOST])
    cut = f" The first {MOST} of {len(operators)} operators." if len(operators) > MOST else ""
    stable = (
        "Left: poles inside the circle are stable; near it they are slow to settle. Right: the same poles as time"
        f" constant and oscillation frequency, to compare with the plant.{cut}"
    )
    found = [_picture("operators", "Poles", stable, plots.poles(shown, hz=True))]
    if all((G.n_u, G.n_y) == (1, 1) for G in shown.values()):
        caption = f"The ring marks the peak, which is the H-infinity norm; the grid resolves every resonance.{cut}"
        found.append(_picture("operators", "Bode plot", caption, plots.bode(shown, hz=True)))
    else:
        caption = (
            "The largest gain over all input directions at each frequency; the ring marks the peak, which is the"
            f" H-infinity norm. The grid resolves every resonance.{cut}"
        )
        found.append(_picture("operators", "Singular values", caption, plots.sigma(shown, hz=True)))
    return found
