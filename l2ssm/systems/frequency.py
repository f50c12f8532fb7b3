"""Frequency responses that stay accurate next to poles, and grids that do not step over a resonance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import matrix_balance, schur

from l2ssm.errors import OptionError
from l2ssm.systems.circle import gap, point
from l2ssm.systems.stability import poles

if TYPE_CHECKING:
    from l2ssm.systems.modal import Modes
    from l2ssm.systems.state_space import StateSpace

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

EPS = float(np.finfo(np.float64).eps)
BAND = np.array([0.0, 0.25, 0.6, 1.0, 1.6, 2.5, 5.0])
"""Offsets from a pole's angle in units of 1 - |pole|; 1.0 is its half-power point."""


class Response:
    """H(z) = C (z - A)^-1 B + D on the unit circle, prepared once and evaluated many times.

    Block diagonal A: the modal sum, O(n_x) a frequency and entry. Any other A: a balanced complex Schur form and
    back substitution, O(n_x^2 n_u) a frequency.
    """

    def __init__(self, G: StateSpace) -> None:
        self.D = G.D
        self.modal = G.modes is not None
        if G.modes is not None:
            self.lam, self.C, self.B = _conjugate_closed(G.modes)
        else:
            balanced, (scale, _) = matrix_balance(G.A, permute=False, separate=True)
            self.T, Q = schur(balanced, output="complex")
            self.lam = np.diag(self.T)
            self.B, self.C = Q.conj().T @ (G.B / scale[:, None]), (G.C * scale) @ Q

    def __call__(self, theta: ArrayLike, delta: ArrayLike = 0.0) -> ComplexArray:
        """H (F, n_y, n_u) at z = e^{j (theta + delta)}, theta and delta (F,) in rad; inf where z is a pole."""
        z, dz = (np.atleast_1d(v) for v in np.broadcast_arrays(*point(theta, delta)))
        H = np.empty((z.size, *self.D.shape), dtype=np.complex128)
        width = max(1, self.lam.size) * (1 if self._residues_fit() else max(self.D.shape[0], self.D.shape[1], 1))
        step = max(1, 4_000_000 // width)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for i in range(0, z.size, step):
                H[i : i + step] = self._evaluate(z[i : i + step], dz[i : i + step])
        return H

    def rounding(self, theta: float, delta: float = 0.0) -> float:
        """First-order estimate of ||H computed - H|| at one point: modal, or that of a backward error in A."""
        z, dz = (np.atleast_1d(v) for v in point(theta, delta))
        norm = float(np.linalg.norm(self.D))
        if not self.lam.size:
            return 4 * EPS * norm
        if self.modal:
            size = np.linalg.norm(self.C, axis=0) * np.linalg.norm(self.B, axis=1) / np.abs((z - self.lam) + dz)
            return 4 * EPS * (norm + float(np.sqrt(size.size) * np.sum(size)))
        left = _back_substitute(self.T[::-1, ::-1].T, self.C.T[::-1], z, dz)
        right = _back_substitute(self.T, self.B, z, dz)
        backward = 10 * EPS * float(np.linalg.norm(self.T))
        return 4 * EPS * norm + backward * float(np.linalg.norm(left) * np.linalg.norm(right))

    def _residues_fit(self) -> bool:
        return self.modal and self.lam.size * self.D.size <= 4_000_000

    def _evaluate(self, z: ComplexArray, dz: ComplexArray) -> ComplexArray:
        if not self.modal:
            X = _back_substitute(self.T, self.B, z, dz)  # (n, F, n_u)
            H = np.moveaxis(np.tensordot(self.C, X, axes=1), 1, 0) + self.D
            H[np.any((z[:, None] - self.lam) + dz[:, None] == 0, axis=1)] = np.inf
            return H
        distance = (z[:, None] - self.lam) + dz[:, None]  # (F, n)
        on_pole = distance == 0
        weight = np.where(on_pole, 0.0, 1.0 / np.where(on_pole, 1.0, distance))
        if self._residues_fit():
            residues = self.C.T[:, :, None] * self.B[:, None, :]  # (n, n_y, n_u)
            H = (weight @ residues.reshape(len(residues), self.D.size)).reshape(-1, *self.D.shape) + self.D
        else:
            H = (weight[:, None, :] * self.C) @ self.B + self.D
        for k in np.flatnonzero(on_pole.any(axis=1)):
            hit = on_pole[k]
            H[k][np.abs(self.C[:, hit]) @ np.abs(self.B[hit]) > 0] = np.inf
        return H


def frequency_response(G: StateSpace, omega: ArrayLike) -> ComplexArray:
    """H (F, n_y, n_u) = C (e^{j omega dt} - A)^-1 B + D.

    Args:
        G: the system.
        omega: (F,) in rad/s, finite; beyond Nyquist, pi/dt, the response repeats.

    Returns:
        (F, n_y, n_u); entries are inf where omega hits a pole on the unit circle exactly.

    Raises:
        OptionError: omega with more than one axis or not finite.

    >>> from l2ssm.systems.state_space import StateSpace
    >>> G = StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]])
    >>> frequency_response(G, [0.0, np.pi]).ravel().real.round(12).tolist()
    [2.0, -0.666666666667]
    """
    w = np.asarray(omega, dtype=np.float64)
    if w.ndim > 1 or not np.all(np.isfinite(w)):
        raise OptionError(f"omega has shape {w.shape}, expected (F,) finite frequencies in rad/s")
    return Response(G)(w * G.dt)


def singular_values(G: StateSpace, omega: ArrayLike) -> Array:
    """Singular values (F, min(n_y, n_u)) of H at omega (F,) in rad/s, largest first."""
    return np.asarray(np.linalg.svd(frequency_response(G, omega), compute_uv=False), dtype=np.float64)


def frequency_grid(G: StateSpace, points: int = 400) -> Array:
    """Frequencies in rad/s for a plot of G: logarithmic up to Nyquist, plus the half-power band of every pole.

    The low end is a hundredth of the slowest corner frequency, at most a thousandth of Nyquist. Zero is not on the
    grid (its logarithm is not); pi/dt is the last point.

    Args:
        G: the system.
        points: number of points of the logarithmic part, >= 2.

    Returns:
        (F,) sorted, distinct, in (0, pi/dt].
    """
    if points < 2:
        raise OptionError(f"points is {points}, expected at least 2")
    lam = poles(G)
    lam = lam[lam.imag >= 0]
    theta, delta = band_points(lam)
    near = np.abs(theta + delta)
    corner = np.hypot(np.angle(lam), gap(lam))
    low = min(1e-3 * np.pi, 1e-2 * float(np.min(corner[corner > 0], initial=1.0)))
    grid = np.concatenate([np.geomspace(low, np.pi, points), near[(near >= low) & (near < np.pi)]])
    grid = np.unique(grid / G.dt)
    nyquist = np.pi / G.dt
    return np.append(grid[grid < nyquist], nyquist)


def band_points(lam: ComplexArray) -> tuple[Array, Array]:
    """(theta, delta), both (13 n,): angles across the half-power band of every pole, offsets kept apart.

    Args:
        lam: (n,) poles.
    """
    offsets = np.concatenate([-BAND[:0:-1], BAND])
    width = np.maximum(np.abs(gap(lam)), EPS)
    theta = np.repeat(np.abs(np.angle(lam)), offsets.size)
    return theta, (np.minimum(width, 1.0)[:, None] * offsets).ravel()


def _conjugate_closed(modes: Modes) -> tuple[ComplexArray, ComplexArray, ComplexArray]:
    """(lam, C, B) with H = C (z - lam)^-1 B: Re(C x) is half the sum of a mode and its conjugate."""
    pair = modes.lam.imag != 0
    C = np.where(pair, 0.5, 1.0) * modes.C
    return (
        np.concatenate([modes.lam, modes.lam[pair].conj()]),
        np.concatenate([C, C[:, pair].conj()], axis=1),
        np.concatenate([modes.B, modes.B[pair].conj()]),
    )


def _back_substitute(T: ComplexArray, B: ComplexArray, z: ComplexArray, dz: ComplexArray) -> ComplexArray:
    """X (n, F, m) with (z_f - T) X[:, f] = B for upper triangular T; blocks of 32 rows keep it in matrix products."""
    n, m = B.shape
    X = np.empty((n, z.size, m), dtype=np.complex128)
    for top in reversed(range(0, n, 32)):
        end = min(top + 32, n)
        X[top:end] = B[top:end, None, :] + np.tensordot(T[top:end, end:], X[end:], axes=1)
        for i in reversed(range(top, end)):
            X[i] += np.tensordot(T[i, i + 1 : end], X[i + 1 : end], axes=1)
            X[i] /= ((z - T[i, i]) + dz)[:, None]
    return X
