"""Pictures of what a certificate says: energies along a trajectory, gain over amplitude, the worst input found."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from l2ssm.analysis import curves
from l2ssm.analysis.dissipation import Dissipation
from l2ssm.analysis.gain_curve import GainCurve
from l2ssm.analysis.spectrum import amplitude_spectrum
from l2ssm.analysis.style import ALARM, BAND, COLOURS, INK, QUIET, legend_name, line, marker, short, styled
from l2ssm.certificates.certificate import Certificate
from l2ssm.certificates.falsify import WorstInput
from l2ssm.certificates.statement import rounded_up
from l2ssm.errors import OptionError
from l2ssm.systems.interconnection import Interconnection

MOST = 4  # inputs that are drawn


@styled
def dissipation(found: Dissipation) -> Figure:
    """Above: what was supplied up to each sample, and where it is: delivered, stored, lost. Below: the slack.

    Args:
        found: of `dissipation`.
    """
    t = np.asarray(found.dt * np.arange(len(found.supplied)), dtype=np.float64)
    unit = found.energy_unit or "-"
    supplied, delivered, stored = np.cumsum(found.supplied), np.cumsum(found.delivered), found.stored[1:]
    figure = Figure(figsize=(9.5, 6.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    layers = [np.zeros_like(t), delivered, delivered + stored, supplied]
    names = ("delivered: sum of |dy|²", "stored: S(x)", "lost: what the proof gives away")
    every = slice(None, None, max(1, len(t) // 1500))
    for i, (name, colour) in enumerate(zip(names, (COLOURS[0], COLOURS[2], BAND), strict=True)):
        low, high = layers[i][every], layers[i + 1][every]
        upper.fill_between(t[every], low, high, color=colour, alpha=0.75, lw=0, label=name)
    upper.plot(*curves.thinned(t, supplied), color=INK, lw=1.6, label="supplied: γ² sum of |du|²")
    upper.set_ylabel(f"energy, summed ({unit})")
    slack = found.slack
    lower.plot(*curves.thinned(t, slack), color=COLOURS[0], lw=1.2)
    bad = slack < -found.rounding
    lower.plot(t[bad], slack[bad], "D", ms=5, color=ALARM)
    lower.axhline(0, color=INK, lw=1)
    lower.set_ylabel(f"slack ({unit})")
    lower.set_xlabel("time (s)")
    lower.set_title("slack of every sample: never negative" if found.holds else "NEGATIVE SLACK: the claim is wrong")
    figure.align_ylabels()
    figure.legend(loc="outside upper left", ncols=2)
    return figure


@styled
def gain(found: Mapping[str, GainCurve], certificate: Certificate | None = None) -> Figure:
    """Gain of the worst of a few inputs over their size, for a model and a plant, under the certified line.

    Args:
        found: by name, results of `gain_curve`.
        certificate: its gamma is the line.

    Raises:
        OptionError: nothing to draw.
    """
    if not found:
        raise OptionError("no gain curve to draw")
    figure = Figure(figsize=(8.5, 4.8), layout="constrained")
    axes = figure.subplots()
    for i, (name, one) in enumerate(found.items()):
        axes.plot(one.amplitude, one.gain, label=legend_name(name), **(marker(i) | {"linestyle": line(i)["linestyle"]}))
    if certificate is not None:
        axes.axhline(certificate.gamma, color=INK, lw=1.8)
        unit = f" {certificate.unit}" if certificate.unit else ""
        words = "certified" if certificate.verified else "claimed, not verified"
        axes.plot([], [], color=INK, label=f"{words}: gain ≤ {rounded_up(certificate.gamma)}{unit}")
        if certificate.lower is not None:
            axes.axhline(certificate.lower.gain, color=QUIET, lw=1.2, ls=":", label="worst input found, any size")
    first = next(iter(found.values()))
    axes.set_xscale("log")
    axes.margins(y=0.08)
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel(f"rms of the change of the input ({first.input_unit or '-'})")
    axes.set_ylabel(f"gain ({first.unit or '-'})")
    figure.legend(loc="outside upper left", ncols=2)
    return figure


@styled
def worst(found: WorstInput, network: Interconnection) -> Figure:
    """One row an input: the two inputs whose outputs differ most, over time, and the spectrum of their difference.

    Args:
        found: of `worst_input`, or the `waveform` of a certificate's lower bound; the first 4 inputs are drawn.
        network: what it was found for: dt, names and units of the inputs.

    Raises:
        OptionError: not a worst input, or one of another number of inputs.
    """
    if not isinstance(found, WorstInput):
        raise OptionError(f"{type(found).__name__} is not a worst input; `worst_input` finds one")
    if found.u.shape[1] != network.n_u:
        raise OptionError(f"the worst input has {found.u.shape[1]} channels, the network {network.n_u} inputs")
    rows = min(network.n_u, MOST)
    figure = Figure(figsize=(11.0, 1.4 + 2.6 * rows), layout="constrained")
    grid = figure.subplots(rows, 2, sharex="col", squeeze=False)
    t = np.asarray(network.dt * np.arange(len(found.u)), dtype=np.float64)
    f, amplitude = amplitude_spectrum(found.du, network.dt)
    for i, (time, spectrum) in enumerate(grid):
        name, unit = network.input_names[i], network.input_units[i] or "-"
        total = found.u[:, i] + found.du[:, i]
        time.plot(*curves.thinned(t, total), label="u + du" if i == 0 else None, **(line(0) | {"lw": 1.2}))
        time.plot(*curves.thinned(t, found.u[:, i]), label="u" if i == 0 else None, color=INK, lw=1.4)
        time.set_ylabel(f"{short(name)} ({unit})")
        spectrum.plot(f[1:], amplitude[1:, i], color=line(0)["color"], lw=1.3)
        spectrum.set_ylabel(f"amplitude of du ({unit})")
        spectrum.set_ylim(bottom=0.0)
        spectrum.set_xscale("log")
        strongest = int(np.argmax(amplitude[:, i]))
        spectrum.set_title(f"strongest at {f[strongest]:.3g} Hz" if strongest else "strongest at 0 Hz")
    grid[-1, 0].set_xlabel("time (s)")
    grid[-1, 1].set_xlabel(f"frequency (Hz), Nyquist {curves.frequency(np.pi / network.dt, hz=True)}")
    figure.legend(loc="outside upper left", ncols=2)
    return figure
