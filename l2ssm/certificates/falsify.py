"""Lower bounds of a gain: bad inputs found by search and measured by simulation in float64. Evidence, not proof."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.certificates.certificate import LowerBound, chain_of
from l2ssm.errors import OptionError
from l2ssm.systems.hinf import HinfBracket, hinf
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Dynamic

Array = NDArray[np.float64]

STARTS = ("zero", "centre", "step", "sine", "noise")
"""Names of the base inputs u the search starts from."""
OPERATING_STARTS = ("zero", "centre", "step")
"""Those that stay at one operating point."""
ROUNDING = 2.0**-47
"""Of a simulation, relative to its output: a difference of two outputs counts only beyond it."""


@dataclass(frozen=True, eq=False)
class WorstInput:
    """Two inputs u and u + du whose outputs differ by gain ||du||.

    Attributes:
        gain: ||y(u + du) - y(u)|| / ||du|| from x0 = 0, by simulation in float64.
        u: (T, n_u) base input.
        du: (T, n_u) deviation.
        description: where it was found.
    """

    gain: float
    u: Array
    du: Array
    description: str


def worst_input(
    system: Any,
    horizon: int | None = None,
    starts: Sequence[str] = STARTS,
    seed: int = 0,
    amplitudes: Sequence[float] = (0.1, 1.0, 10.0),
    iterations: int = 12,
) -> WorstInput:
    """The worst pair of inputs found: power iteration du <- R J(u + du)'(y(u + du) - y(u)) at fixed norm R.

    The iteration climbs the secant gain itself; for small R it is the power iteration on the derivative J at u, for a
    linear system the one on the system, which converges to the H-infinity norm from below as the horizon grows. Two
    steps are made from every start, the best four are continued, the best of all also in u where starts allow it, and
    at last over twice the horizon.

    Args:
        system: what `certify` takes.
        horizon: number of samples; by default ten time constants of the slowest pole, within [256, 2048].
        starts: names from `STARTS`: u = 0, the input that centres the first layer, and that plus a step up or down, a
            sinusoid at the peak of the linearisation, or white noise. A step of each size and sign leads to another
            pattern of slopes; the deviation then starts at the peak of the linearisation there.
        seed: of the noise.
        amplitudes: RMS of the bases and of the deviations, in units of 1 / norm of the first layer if it is affine.
        iterations: steps of each continued search.

    Raises:
        OptionError: an unknown start, a horizon below 1.
    """
    network = chain_of(system)
    T = horizon if horizon is not None else _default_horizon(network)
    if T < 1 or not set(starts) <= set(STARTS) or not starts:
        raise OptionError(f"horizon {T} and starts {tuple(starts)}: expected >= 1 and names of {', '.join(STARTS)}")
    with np.errstate(all="ignore"):
        found = [climb(network, trial, 2) for trial in _trials(network, starts, amplitudes, T, seed)]
        found = [climb(network, trial, iterations) for trial in sorted(found, key=lambda w: -w.gain)[:4]]
        best = max(found, key=lambda w: w.gain)
        if not set(starts) <= set(OPERATING_STARTS):
            best = ascend(network, best, iterations)
        best = climb(network, best, 2 * iterations)
        if horizon is None:
            best = climb(network, _prolonged(best), iterations)
    return WorstInput(best.gain, best.u, best.du, f"{best.description}, {len(best.u)} samples simulated in float64")


def worst_input_table(system: Any, found: WorstInput) -> str:
    """CSV: time, base input u, deviation du, and the outputs of u and of u + du, a column a channel.

    Args:
        system: what `worst_input` was given.
        found: what it returned.
    """
    network = chain_of(system)
    names = {"u": network.input_names, "du": network.input_names, "y": network.output_names}
    columns = ["t"] + [f"{kind} {name}" for kind, channels in names.items() for name in channels]
    columns += [f"y of u + du {name}" for name in network.output_names]
    t = network.dt * np.arange(len(found.u))[:, None]
    table = np.hstack([t, found.u, found.du, network.simulate(found.u), network.simulate(found.u + found.du)])
    rows = [",".join(f"{x:.17g}" for x in row) for row in table.tolist()]
    return "\n".join([",".join(f'"{name}"' for name in columns), *rows]) + "\n"


def _prolonged(found: WorstInput) -> WorstInput:
    """The pair with as many samples again, the last u and no deviation, from which the search goes on."""
    T = len(found.u)
    u = np.vstack([found.u, np.repeat(found.u[-1:], T, axis=0)])
    return WorstInput(0.0, u, np.vstack([found.du, np.zeros_like(found.du)]), found.description)


def lower_bound(
    network: Interconnection, starts: Sequence[str] = STARTS, bracket: HinfBracket | None = None
) -> LowerBound:
    """The gain of the worst input found; of a single linear layer the peak of its response, its `bracket`."""
    if len(network.layers) == 1 and isinstance(network.layers[0], Dynamic):
        bracket = bracket or hinf(network.layers[0].G, upper=False)
        return LowerBound(bracket.lower, f"sinusoid at {bracket.omega_peak!r} rad/s, frequency response in float64")
    found = worst_input(network, starts=starts)
    return LowerBound(found.gain, found.description, found.u, found.du)


def waveform(lower: LowerBound | None) -> WorstInput | None:
    """The inputs of a lower bound that has some."""
    if lower is None or lower.u is None or lower.du is None:
        return None
    return WorstInput(lower.gain, lower.u, lower.du, lower.description)


def climb(network: Interconnection, start: WorstInput, iterations: int) -> WorstInput:
    """The best pair on the way of the power iteration from `start`; u and the norm of du are kept."""
    best, du = start, start.du
    size, base = float(np.linalg.norm(du)), network.simulate(start.u)
    for _ in range(iterations):
        du = (start.u + du) - start.u  # as rounded in the sum
        tangent = network.tangent(start.u + du)
        dy = tangent.y - base
        norm = float(np.linalg.norm(du))
        attained = float(np.linalg.norm(dy)) - ROUNDING * float(np.linalg.norm(tangent.y) + np.linalg.norm(base))
        gain = max(attained, 0.0) / norm if norm > 0 else 0.0
        settled = gain <= best.gain * (1 + 1e-5)
        if gain > best.gain and np.isfinite(gain):
            best = WorstInput(gain, start.u, du, start.description)
        gradient = tangent.vjp(dy)
        norm = float(np.linalg.norm(gradient))
        if settled or not (np.isfinite(norm) and norm > 0):
            break
        du = gradient * (size / norm)
    return best


def ascend(network: Interconnection, start: WorstInput, iterations: int) -> WorstInput:
    """Move u along the gradient J(u + du)'dy - J(u)'dy of |dy|^2 / 2 while that pays."""
    best, step = start, 0.3
    for _ in range(iterations):
        ahead, behind = network.tangent(best.u + best.du), network.tangent(best.u)
        dy = ahead.y - behind.y
        gradient = ahead.vjp(dy) - behind.vjp(dy)
        norm = float(np.linalg.norm(gradient))
        if not (np.isfinite(norm) and norm > 1e-9 * float(np.linalg.norm(ahead.vjp(dy)))):
            break
        length = step * max(float(np.linalg.norm(best.u)), float(np.linalg.norm(best.du)))
        moved = WorstInput(0.0, best.u + gradient * (length / norm), best.du, start.description)
        trial = climb(network, moved, 2)
        best, step = (trial, 1.5 * step) if trial.gain > best.gain else (best, step / 3)
    return best


def _trials(
    network: Interconnection, starts: Sequence[str], amplitudes: Sequence[float], T: int, seed: int
) -> Iterator[WorstInput]:
    """Bases and deviations to start from: one a constant base, two (as large, 1000 times smaller) another base."""
    unit, centre = _operating_point(network)
    rest = np.zeros((T, network.n_u))
    resonance, where = resonant_input(network, rest + centre)
    noise = np.random.default_rng(seed).standard_normal(rest.shape)
    shapes = {"step": (rest + 1, rest - 1), "sine": (resonance,), "noise": (noise,)}
    for name in starts:
        for size in amplitudes:
            for shape in shapes.get(name, ()):
                u = centre + size * unit * shape
                du, place = resonant_input(network, u) if name == "step" else (resonance, where)
                text = f"base {name} of RMS {size * unit:.3g}, deviation near {place}"
                yield WorstInput(0.0, u, size * unit * du, text)
                yield WorstInput(0.0, u, 1e-3 * size * unit * du, text)
            if name not in shapes:
                u = rest if name == "zero" else rest + centre
                yield WorstInput(0.0, u, size * unit * resonance, f"base {name}, deviation near {where}")


def resonant_input(network: Interconnection, u: Array) -> tuple[Array, str]:
    """(du (T, n_u) of RMS 1, its frequency): a windowed sinusoid at the peak of the linearisation at u."""
    T, m = u.shape
    tangent = network.tangent(u)
    impulses = np.zeros((m, T, m))
    impulses[range(m), 0, range(m)] = 1.0
    H = np.stack([np.fft.rfft(tangent.jvp(impulse), axis=0) for impulse in impulses], axis=2)  # (F, n_y, n_u)
    window = np.sin(np.pi * (np.arange(T) + 0.5) / T)[:, None]
    if not np.all(np.isfinite(H)):
        return np.ones((T, m)), "0 rad/s"
    peak = int(np.argmax(np.linalg.norm(H, ord=2, axis=(1, 2))))
    direction = np.linalg.svd(H[peak])[2][0].conj()
    angle = 2 * np.pi * peak / T
    du = window * (np.exp(1j * angle * np.arange(T))[:, None] * direction).real
    if not np.linalg.norm(du) > 1e-3:
        du = window * np.ones((1, m))
    return du * (np.sqrt(T) / np.linalg.norm(du)), f"{angle / network.dt:.4g} rad/s"


def _operating_point(network: Interconnection) -> tuple[float, Array]:
    """(unit, centre): 1 / ||W|| and the u nearest to W u + b = 0 of a first affine layer; (1, 0) without one."""
    first = network.layers[0]
    if isinstance(first, Affine) and np.any(first.W):
        centre = np.linalg.lstsq(first.W, -first.b, rcond=1e-9)[0]
        return 1 / float(np.linalg.norm(first.W, 2)), np.asarray(centre)
    return 1.0, np.zeros(network.n_u)


def _default_horizon(network: Interconnection) -> int:
    """Ten time constants of the slowest pole, within [256, 2048]."""
    operators = [layer.G for layer in network.dynamic_layers().values() if isinstance(layer, Dynamic)]
    slowest = max((G.spectral_radius() for G in operators), default=0.0)
    return int(np.clip(np.ceil(10 / max(1 - slowest, 1e-6)), 256, 2048))
