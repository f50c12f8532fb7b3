"""The H-infinity norm of a `StateSpace` as a bracket: a gain that is attained, and a level that is not exceeded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import frexp, ldexp

import numpy as np
from numpy.typing import NDArray

from l2ssm.errors import OptionError
from l2ssm.systems.circle import gap
from l2ssm.systems.frequency import EPS, Response, band_points
from l2ssm.systems.level_set import crossing_angles
from l2ssm.systems.stability import is_schur, poles
from l2ssm.systems.state_space import StateSpace
from l2ssm.systems.structured_bound import structured_bound
from l2ssm.systems.threads import threads_for

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

LARGE = 256
"""Modal systems with more real states try the structured bound first, which is faster than Hamiltonian eigenvalues."""

ROOM = 1e-3
"""Relative room of the structured bound."""


@dataclass(frozen=True)
class HinfBracket:
    """lower <= ||G||_inf <= upper; unpacks as (lower, upper, omega_peak).

    Attributes:
        lower: the largest singular value of H(e^{j omega_peak dt}), less its rounding error.
        upper: a level found not to be exceeded; double precision, a certificate is the proof.
        omega_peak: in rad/s, in [0, pi/dt], exactly 0 at steady state; of the offending pole if G is not stable.
        reason: how the upper end came about, or why the norm is infinite.
    """

    lower: float
    upper: float
    omega_peak: float
    reason: str = ""

    def __iter__(self) -> Iterator[float]:
        return iter((self.lower, self.upper, self.omega_peak))


@dataclass
class _Peak:
    """The best point found so far: gain at the angle theta + delta."""

    gain: float
    theta: float
    delta: float


def hinf(G: StateSpace, rtol: float = 1e-6, upper: bool = True) -> HinfBracket:
    """lower <= sup_omega sigma_max H(e^{j omega dt}) <= upper, with upper = lower (1 + rtol) up to rounding.

    lower: the maximum over a grid that holds every pole's half-power band, refined in the offset from the grid point.
    upper: lower (1 + rtol) once no crossing of that level is left (`level_set`); for block diagonal A with more than
    `LARGE` states the structured bound with room `ROOM` (`structured_bound`) where it is found. Both ends are widened
    by an estimate of the rounding error, which makes the bracket wide for an ill-conditioned A near the unit circle.

    Args:
        G: any system; non-square, static and zero systems included.
        rtol: wanted relative width, > 0.
        upper: False: where the upper end would take long (block diagonal A, more than `LARGE` states) it is inf.

    Returns:
        (inf, inf, omega of the pole) with the pole named where G has a pole on or outside the unit circle.

    >>> from l2ssm.systems.state_space import StateSpace
    >>> lower, upper, omega = hinf(StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]]))
    >>> lower <= 2.0 <= upper, upper / lower < 1 + 1e-5, omega
    (True, True, 0.0)
    """
    if not (np.isfinite(rtol) and rtol > 0):
        raise OptionError(f"rtol is {rtol}, expected a finite number > 0")
    if 0 in (G.n_u, G.n_y):
        return HinfBracket(0.0, 0.0, 0.0, "no input or no output")
    try:
        with threads_for(G.n_x), np.errstate(all="ignore"):
            if not is_schur(G):
                return _unstable(G)
            exponent, scaled = _scaled(G)
            b = _static(scaled) if not (G.n_x and np.any(G.B) and np.any(G.C)) else _bracket(scaled, rtol, upper)
            bracket = HinfBracket(ldexp(b.lower, exponent), _ldexp_up(b.upper, exponent), b.omega_peak, b.reason)
    except (np.linalg.LinAlgError, ValueError, OverflowError) as error:
        return HinfBracket(0.0, np.inf, 0.0, f"the response cannot be evaluated in double precision ({error})")
    if np.isfinite([bracket.lower, bracket.upper, bracket.omega_peak]).all():
        return bracket
    lower = bracket.lower if np.isfinite(bracket.lower) else 0.0
    omega = bracket.omega_peak if np.isfinite(bracket.omega_peak) else 0.0
    return HinfBracket(lower, np.inf, omega, bracket.reason or "the response leaves the range of double precision")


def _unstable(G: StateSpace) -> HinfBracket:
    pole = complex(poles(G)[0])
    where = "outside" if abs(pole) > 1 else "on"
    reason = f"pole {pole:.17g} (modulus {abs(pole):.17g}) lies {where} the unit circle: no finite gain"
    return HinfBracket(np.inf, np.inf, abs(float(np.angle(pole))) / G.dt, reason)


def _scaled(G: StateSpace) -> tuple[int, StateSpace]:
    """(e, G / 2^e), where products of the entries of G would leave the range of double precision; (0, G) elsewhere."""
    b, c, d = (frexp(float(np.max(np.abs(M), initial=0.0)))[1] for M in (G.B, G.C, G.D))
    if max(abs(b), abs(c), abs(d)) < 200:
        return 0, G
    e = max(b + c, d) if np.any(G.D) else b + c
    B, C, D = (np.ldexp(M, k) for M, k in ((G.B, -b), (G.C, b - e), (G.D, -e)))
    return e, StateSpace(G.A, B, C, D, G.dt)


def _ldexp_up(x: float, exponent: int) -> float:
    """x 2^exponent, not rounded to zero."""
    return max(ldexp(x, exponent), 5e-324) if x > 0 else 0.0


def _static(G: StateSpace) -> HinfBracket:
    gain = float(np.linalg.norm(G.D, 2))
    slack = 8 * EPS * float(np.linalg.norm(G.D))
    return HinfBracket(max(gain - slack, 0.0), gain + slack, 0.0, "static: sigma_max(D)")


def _bracket(G: StateSpace, rtol: float, wanted: bool) -> HinfBracket:
    response = Response(G)
    theta, delta = _grid(response)
    gains = _gain(response, theta, delta)
    peak = _refine(response, theta, delta, gains)
    slack = response.rounding(peak.theta, peak.delta)
    if G.modes is not None and G.n_x > LARGE:
        if not wanted:
            return _closed(G, response, peak, np.inf, "upper end not searched")
        upper = structured_bound(G.modes, peak.gain, ROOM)
        if upper <= peak.gain * (1 + 2 * ROOM):
            return _closed(G, response, peak, upper, f"structured bound with {ROOM:g} of room")
    peak, upper, reason = _level_sets(G, response, peak, rtol, (theta, delta, gains), slack)
    if not np.isfinite(upper) and G.modes is not None:
        upper, reason = structured_bound(G.modes, peak.gain, 0.1), "structured bound with 0.1 of room"
    return _closed(G, response, peak, upper, reason)


def _closed(G: StateSpace, response: Response, peak: _Peak, upper: float, reason: str) -> HinfBracket:
    """The bracket, both ends moved outwards by the rounding error of the response at the peak.

    A search ends beside a peak at 0 rad/s, which is as high up to rounding: that one is the peak, exactly.
    """
    slack = response.rounding(peak.theta, peak.delta)
    steady = response(0.0)
    if np.all(np.isfinite(steady)) and (gain := float(_sigma_max(steady)[0])) >= peak.gain - slack:
        peak = _Peak(gain, 0.0, 0.0)
    omega = min(max(peak.theta + peak.delta, 0.0), np.pi) / G.dt
    return HinfBracket(max(peak.gain - slack, 0.0), upper + slack, omega, reason)


def _grid(response: Response) -> tuple[Array, Array]:
    """(theta, delta) sorted: 0, pi, 256 uniform, 64 logarithmic, and the band of every pole."""
    lam = response.lam
    near, offset = band_points(lam[lam.imag >= 0])
    low = min(1e-3, 0.1 * max(float(np.min(gap(lam))), EPS))
    plain = np.concatenate([[0.0], np.linspace(0.0, np.pi, 257)[1:], np.geomspace(low, 1.0, 64)])
    theta, delta = np.concatenate([plain, near]), np.concatenate([np.zeros(plain.size), offset])
    inside = (theta + delta >= 0) & (theta + delta <= np.pi)
    theta, delta = theta[inside], delta[inside]
    order = np.lexsort((delta, theta + delta))
    return theta[order], delta[order]


def _gain(response: Response, theta: Array, delta: Array) -> Array:
    """sigma_max of H at every point; -inf where it cannot be computed."""
    H = response(theta, delta)
    gains = np.full(len(H), -np.inf)
    ok = np.isfinite(H).all(axis=(1, 2))
    gains[ok] = _sigma_max(H[ok])
    if not ok.any():
        raise OverflowError("no finite value on the grid")
    return gains


def _sigma_max(H: ComplexArray) -> Array:
    """Largest singular value of every matrix (F, p, m), from the smaller of H H* and H* H."""
    if 1 in H.shape[1:]:
        return np.asarray(np.linalg.norm(H, axis=(1, 2)))
    adjoint = np.swapaxes(H, 1, 2).conj()
    scale = np.max(np.abs(H), axis=(1, 2), keepdims=True, initial=np.finfo(np.float64).tiny)
    small, large = (H / scale, adjoint / scale) if H.shape[1] <= H.shape[2] else (adjoint / scale, H / scale)
    return np.asarray(np.sqrt(np.linalg.eigvalsh(small @ large)[:, -1].clip(min=0.0)) * scale[:, 0, 0])


def _refine(response: Response, theta: Array, delta: Array, gains: Array, best: int = 12) -> _Peak:
    """Zoom into the `best` highest local maxima of a sorted grid, in the offset from each one's grid point."""
    left, right = np.maximum(np.arange(len(gains)) - 1, 0), np.minimum(np.arange(len(gains)) + 1, len(gains) - 1)
    local = np.flatnonzero((gains >= gains[left]) & (gains >= gains[right]))
    local = local[np.argsort(gains[local])[::-1][:best]]
    base = theta[local]
    low = np.minimum((theta[left[local]] - base) + delta[left[local]], delta[local])
    high = np.maximum((theta[right[local]] - base) + delta[right[local]], delta[local])
    top, at = gains[local].copy(), delta[local].copy()
    steps = np.linspace(0.0, 1.0, 17)
    for zoom in range(14):
        trial = low[:, None] + (high - low)[:, None] * steps  # (maxima, 17)
        value = _gain(response, np.repeat(base, steps.size), trial.ravel()).reshape(trial.shape)
        rows, k = np.arange(len(local)), value.argmax(axis=1)
        better = value[rows, k] > top
        top, at = np.where(better, value[rows, k], top), np.where(better, trial[rows, k], at)
        step = (high - low) / (steps.size - 1)
        low, high = np.maximum(low, at - step), np.minimum(high, at + step)
        live = (np.ptp(value, axis=1) > EPS * top) & (top > (0.5 if zoom < 3 else 0.99) * top.max())
        base, low, high, top, at, local = (v[live | (top == top.max())] for v in (base, low, high, top, at, local))
        if not live.any():
            break
    i = int(np.argmax(top))
    return _Peak(float(top[i]), float(base[i]), float(at[i]))


def _level_sets(
    G: StateSpace, response: Response, peak: _Peak, rtol: float, grid: tuple[Array, Array, Array], slack: float
) -> tuple[_Peak, float, str]:
    """Raise the peak until no sampled point between crossings of gamma = gain (1 + rtol) is higher."""
    for _ in range(30):
        gamma = max(peak.gain * (1 + rtol), peak.gain + 2 * slack)
        if not gamma > 0:
            break
        angles = np.concatenate([[0.0], crossing_angles(G, gamma, _infinity(response, grid, gamma)), [np.pi]])
        angles = np.unique(angles[np.isfinite(angles)])
        angles = np.unique(np.concatenate([angles, 0.5 * (angles[1:] + angles[:-1])]))
        zero = np.zeros(angles.size)
        gains = _gain(response, angles, zero)
        if not gains.max() > gamma:
            return peak, gamma, "no crossing of the level set"
        peak = _refine(response, angles, zero, gains)
    return peak, np.inf, "the level-set iteration did not settle"


def _infinity(response: Response, grid: tuple[Array, Array, Array], gamma: float) -> complex:
    """A point of the circle away from the poles where the gain is well below gamma; -1 or 1 if they are good enough."""
    theta, delta, gains = grid
    at = np.append(np.linspace(0.0, np.pi, 33), 0.0)[:-1]
    index = np.clip(np.searchsorted(theta + delta, at), 0, len(gains) - 1)
    z = np.exp(1j * at)
    z[0], z[-1] = 1.0, -1.0
    distance = np.abs(z[:, None] - response.lam).min(axis=1)
    score = (1.0 - np.minimum(gains[index] / gamma, 1.0) ** 2) * np.minimum(distance, 1.0)
    real = -1 if score[-1] >= score[0] else 0
    choice = real if score[real] >= 0.1 * score.max() else int(np.argmax(score))
    return complex(z[choice])
