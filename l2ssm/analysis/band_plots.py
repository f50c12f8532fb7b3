"""Pictures of ensembles: a simulation and a Bode plot with bands; matplotlib is loaded when they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from l2ssm.analysis.style import BAND, INK, line, short, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from l2ssm.analysis.bands import Band, FrequencyBand
    from l2ssm.data.record import Record


@styled
def simulation_band_figure(record: Record, band: Band, n_init: int = 0) -> Figure:
    """One panel an output: measured where there is one, centre and band of the simulations over time in s.

    Args:
        record: what was simulated.
        band: of `Ensemble.band`, arrays (T, n_y).
        n_init: samples that gave the initial state, shaded.
    """
    from matplotlib.figure import Figure

    from l2ssm.analysis.curves import thinned

    n_y = band.centre.shape[1]
    names = record.output_names or tuple(f"y{i + 1}" for i in range(n_y))
    figure = Figure(figsize=(11.0, 1.2 + 2.9 * n_y), layout="constrained")
    panels: Any = figure.subplots(n_y, 1, sharex=True, squeeze=False)[:, 0]
    for i, (axes, name) in enumerate(zip(panels, names, strict=True)):
        low, high = thinned(record.t, band.low[:, i]), thinned(record.t, band.high[:, i])
        outline = [np.concatenate([a, b[::-1]]) for a, b in zip(low, high, strict=True)]
        axes.fill(*outline, color=line(0)["color"], alpha=0.25, lw=0, label="band of the models")
        axes.plot(*thinned(record.t, band.centre[:, i]), label="centre", **line(0))
        if record.y is not None:
            axes.plot(*thinned(record.t, record.y[:, i]), label="measured", color=INK, lw=1.0)
        if n_init:
            axes.axvspan(record.t[0], record.t[n_init - 1], color=BAND, alpha=0.7, lw=0)
        axes.set_ylabel(f"{short(name)} ({record.units.get(name, '') or '-'})")
    panels[-1].set_xlabel("time (s)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return figure


@styled
def bode_band_figure(band: FrequencyBand, *, hz: bool = False) -> Figure:
    """Magnitude (dB) and phase (degrees) over frequency: median and band of the models.

    Args:
        band: of `frequency_band` or `Ensemble.bode_band`.
        hz: frequency axis in Hz instead of rad/s.
    """
    from matplotlib.figure import Figure

    x = band.omega / (2 * np.pi) if hz else band.omega
    figure = Figure(figsize=(8.5, 6.2), layout="constrained")
    panels: Any = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for axes, part in zip(panels, (band.gain, band.phase), strict=True):
        axes.fill_between(x, part.low, part.high, color=line(0)["color"], alpha=0.25, lw=0, label="band of the models")
        axes.plot(x, part.centre, label="median", **line(0))
    panels[0].set_ylabel(f"magnitude (dB re 1 {band.unit})" if band.unit else "magnitude (dB)")
    panels[1].set_ylabel("phase (degrees)")
    panels[1].set_xscale("log")
    panels[1].set_xlabel(f"frequency ({'Hz' if hz else 'rad/s'})")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)
    return figure
