"""`NoiseModel`: what the past of the residual tells about its future, an innovations form fitted by least squares.

The residual of the free run, e = y - y_sim, is modelled as e[t] = A_1 e[t-1] + ... + A_p e[t-p] + w[t], w white with
covariance W: the innovations form y = y_sim + H(q) w with H(q) = (I - A_1 q^-1 - ... - A_p q^-p)^-1, monic and stable.
The best prediction of y[t + k] from measurements up to t is then y_sim[t + k] plus the recursion run k steps from the
residuals measured, and what it leaves is w[t + k] + H_1 w[t + k - 1] + ... + H_{k-1} w[t + 1] (Ljung, "System
Identification", 1999, 3.2). Any noise with a stable inverse is approached as p grows; the order is chosen by BIC.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from l2ssm.errors import DataError, OptionError
from l2ssm.options import integer
from l2ssm.systems.state_space import StateSpace
from l2ssm.systems.subspace import RADIUS, triangular

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """e[t] = sum_i A_i e[t-i] + w[t].

    Attributes:
        coefficients: A (p, n_y, n_y), the recursion is stable; p = 0: the residual is white.
        covariance: of w (n_y, n_y).
        about: digest of the network whose residuals it was fitted to.
    """

    coefficients: Array
    covariance: Array
    about: str

    def __post_init__(self) -> None:
        A, W = self.coefficients, self.covariance
        if A.ndim != 3 or W.ndim != 2 or {*A.shape[1:], *W.shape} != {len(W)} or not isinstance(self.about, str):
            raise OptionError(f"a noise model has coefficients (p, n_y, n_y), got {A.shape}, covariance {W.shape}")

    @property
    def order(self) -> int:
        """Past residuals used, p."""
        return len(self.coefficients)

    def innovations_form(self, dt: float = 1.0) -> StateSpace:
        """H: w -> e, x[t+1] = F x[t] + K w[t], e[t] = C x[t] + w[t], with x the last p residuals."""
        p, n = self.order, len(self.covariance)
        C = np.concatenate([*self.coefficients, np.zeros((n, 0))], axis=1)
        F = np.vstack([C, np.eye(max(p - 1, 0) * n, p * n)]) if p else np.zeros((0, 0))
        return StateSpace(F, np.eye(p * n, n), C, np.eye(n), dt)

    def predict(self, e: Array, k: int) -> Array:
        """(T, n_y): row t the prediction of e[t] from e[: t - k + 1]; residuals before the first one count as zero."""
        T, n = e.shape
        H = self.innovations_form()
        weights = H.C @ np.linalg.matrix_power(H.A, k - 1)  # (n, p n), of e[t - k], e[t - k - 1], ...
        lags = [np.vstack([np.zeros((min(k + i, T), n)), e[: max(T - k - i, 0)]]) for i in range(self.order)]
        return np.hstack([*lags, np.zeros((T, 0))]) @ weights.T

    def deviation(self, k: int) -> Array:
        """(n_y,) standard deviation of the k-step prediction error, if the residual is what the model says."""
        response = np.concatenate([np.eye(len(self.covariance))[None], self._impulse_response(k - 1)])
        total = np.einsum("kij,jl,kil->i", response, self.covariance, response)
        return np.asarray(np.sqrt(total))

    def _impulse_response(self, count: int) -> Array:
        """H_1, ..., H_count (count, n_y, n_y)."""
        H, out = self.innovations_form(), []
        x = H.B
        for _ in range(count):
            out.append(H.C @ x)
            x = H.A @ x
        return np.array(out).reshape(count, *self.covariance.shape)


def fit_autoregression(residuals: Sequence[Array], about: str = "", max_order: int = 30) -> NoiseModel:
    """The stable autoregression of the residuals, least squares, its order 0 ... max_order that of least BIC.

    All orders are compared on the same samples. Where least squares gives poles outside the circle of `RADIUS`, all of
    them are shrunk by one factor.

    Args:
        residuals: one (T, n_y) array a record, finite.
        about: see `NoiseModel`.
        max_order: fewer where the records are short: there are at least ten samples for each unknown of an output.

    Raises:
        DataError: no sample, or a number that is not finite.
        OptionError: max_order below 0.
    """
    max_order = integer("max_order", max_order, 0)
    if not all(np.all(np.isfinite(e)) for e in residuals):
        raise DataError("the residuals of the free run are not finite: there is no noise model for a diverging run")
    if not any(len(e) for e in residuals):
        raise DataError("no residual is left after the initial samples: there is nothing to fit a noise model to")
    n = residuals[0].shape[1]
    while max_order and sum(max(len(e) - max_order, 0) for e in residuals) < 10 * n * max_order:
        max_order -= 1
    samples = sum(max(len(e) - max_order, 0) for e in residuals)
    scale = np.sqrt(np.mean(np.concatenate(residuals) ** 2, axis=0))
    scale[scale == 0] = 1.0
    R = _factor([e / scale for e in residuals], max_order)
    top = max_order * n
    covariances = [R[p * n :, top:].T @ R[p * n :, top:] / samples for p in range(max_order + 1)]
    scores = [_log_determinant(W) + p * n * n * math.log(samples) / samples for p, W in enumerate(covariances)]
    p = int(np.argmin(scores))
    theta = linalg.lstsq(R[: p * n, : p * n], R[: p * n, top:])[0] if p else np.zeros((0, n))
    coefficients = theta.reshape(p, n, n).transpose(0, 2, 1) * scale[:, None] / scale
    return NoiseModel(_stable(coefficients), covariances[p] * np.outer(scale, scale), about)


def _factor(residuals: Sequence[Array], order: int) -> Array:
    """The triangular factor of [e[t-1], ..., e[t-order], e[t]] over all records: orders are nested in its columns."""
    n = residuals[0].shape[1]
    R: Array = np.zeros((0, (order + 1) * n))
    for e in residuals:
        if len(e) > order:
            lags = [e[order - i : len(e) - i] for i in range(1, order + 1)]
            R = triangular(np.vstack([R, np.hstack([*lags, e[order:]])]))
    full = np.zeros((R.shape[1], R.shape[1]))
    full[: len(R)] = R
    return full


def _log_determinant(W: Array) -> float:
    """log det W, at the rounding of a standardised residual where it is singular."""
    values = np.linalg.eigvalsh(W)
    return float(np.sum(np.log(np.maximum(values, 1e-24))))


def _stable(coefficients: Array) -> Array:
    """A_i r^i with the largest r <= 1 that leaves all poles within `RADIUS`: every pole is multiplied by r."""
    model = NoiseModel(coefficients, np.eye(coefficients.shape[1]), "")
    radius = model.innovations_form().spectral_radius()
    r = 1.0 if radius <= RADIUS else RADIUS / radius
    return np.asarray(coefficients * r ** np.arange(1, len(coefficients) + 1)[:, None, None])


def predicted(noise: NoiseModel | None, about: str, simulated: Array, y: Array | None, k: float) -> Array:
    """The free run plus the k-step prediction of its residual.

    Args:
        noise: of the model.
        about: digest of the model's network.
        simulated: (T, n_y).
        y: (T, n_y) measured.
        k: an integer >= 1; infinity is the free run.

    Raises:
        OptionError: k is neither, no noise model, or one of another network.
        DataError: no outputs, or another number of samples.
    """
    if isinstance(k, float) and math.isinf(k) and k > 0:
        return simulated
    k = integer("k", k, 1)
    if noise is None:
        raise OptionError("the model has no noise model, so it can only simulate; predict with fit_noise(model, train)")
    if noise.about != about:
        raise OptionError(
            f"the noise model is about the residuals of the network {noise.about[:12]}..., this one is "
            f"{about[:12]}...: run fit_noise(model, train) again"
        )
    if y is None or y.shape != simulated.shape:
        have = "none" if y is None else f"shape {y.shape}"
        raise DataError(f"a prediction needs the measured outputs {simulated.shape}, got {have}")
    return simulated + noise.predict(y - simulated, k)
