"""`Clocked`: a linear system on a clock that the input sets; every storage function of the system is one of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.errors import RealizationError
from l2ssm.systems.layer import Array, Layer, Linear, freeze_arrays, store_arrays
from l2ssm.systems.recurrence import recur, recur_adjoint
from l2ssm.systems.state_space import StateSpace


@dataclass(frozen=True, eq=False)
class Clocked(Layer):
    """x+ = (e (1 + lam) - 1) x + r e w, y = Re C (r e x + (r^2 - 1) / 2 e w) + D u, w = B u, one r > 0 a sample.

    r^2 = exp(S u + s), cut to [1 / span, span], is the speed of the clock; e = 2 / (1 + lam + r^2 (1 - lam)), a number
    a mode. r = 1 is the system G = (lam, B, C, D). A constant r gives a system with the frequency response of G on
    another scale, by the trapezoidal rule: the same gain, the same response to a constant.

    A sample of it is a sample of G seen from another state: with m = (x + x+) / 2 and d = x+ - x, the formulas say
    that G takes r m - d / (2 r) to r m + d / (2 r) and has the output y (write e out). For a quadratic storage V with
    matrix P of G, V(r m + d / (2 r)) - V(r m - d / (2 r)) = 2 m'P d = V(x+) - V(x), whatever r is. So V is a storage
    function for every sequence of r, and the gain of G bounds it from rest. It bounds no difference of two runs, since
    r depends on u.

    Args:
        lam_real, lam_imag: (n,), poles of G.
        B_real, B_imag: (n, n_in).
        C_real, C_imag: (n_out, n).
        D: (n_out, n_in).
        S, s: (1, n_in), (1,).
        span: (1,) >= 1, the fastest clock over the one of G, and that over the slowest.
    """

    lam_real: Array
    lam_imag: Array
    B_real: Array
    B_imag: Array
    C_real: Array
    C_imag: Array
    D: Array
    S: Array
    s: Array
    span: Array

    def __post_init__(self) -> None:
        vectors = ("lam_real", "lam_imag", "s", "span")
        freeze_arrays(self, **{f.name: (getattr(self, f.name), 2 - (f.name in vectors)) for f in fields(self)})
        (n_out, n_in), n = self.D.shape, self.lam_real.size
        want = {"lam_imag": (n,), "S": (1, n_in), "s": (1,), "span": (1,)}
        want |= {
            f"{M}_{part}": shape for M, shape in (("B", (n, n_in)), ("C", (n_out, n))) for part in ("real", "imag")
        }
        got = {name: getattr(self, name).shape for name in want}
        if got != want:
            raise RealizationError(f"shapes of a Clocked layer are {got}, expected {want} with D {self.D.shape}")
        if not (self.span[0] >= 1 and np.all(self.lam_real**2 + self.lam_imag**2 <= 1)):
            raise RealizationError(f"a Clocked layer needs |lam| <= 1 and span >= 1, got span {self.span[0]:g}")
        for name, size in (("n_in", n_in), ("n_out", n_out), ("n_x", 2 * n)):
            object.__setattr__(self, name, size)

    @cached_property
    def G(self) -> StateSpace:
        """The system at r = 1."""
        return StateSpace.from_modes(*self._modes, self.D)

    @property
    def _modes(self) -> tuple[NDArray[np.complex128], NDArray[np.complex128], NDArray[np.complex128]]:
        return (
            self.lam_real + 1j * self.lam_imag,
            self.B_real + 1j * self.B_imag,
            self.C_real + 1j * self.C_imag,
        )

    def _trajectory(self, u: Array, x0: Array) -> tuple[Any, ...]:
        """(r (T, 1), e (T, n), w (T, n), x (T + 1, n), whether r moves with u)."""
        lam, B, _ = self._modes
        log_speed, limit = u @ self.S.T + self.s, np.log(self.span)
        r = np.exp(0.5 * np.clip(log_speed, -limit, limit))
        e = 2 / (1 + lam + r**2 * (1 - lam))
        w = u @ B.T
        x = recur(e * (1 + lam) - 1, r * e * w, x0.reshape(-1, 2) @ np.array([1, 1j]))
        return r, e, w, x, np.abs(log_speed) <= limit

    def run(self, u: Array, x0: Array) -> Array:
        """The output (T, n_out)."""
        r, e, w, x, _ = self._trajectory(u, x0)
        v = r * e * x[:-1] + 0.5 * (r**2 - 1) * e * w
        return np.asarray((v @ self._modes[2].T).real + u @ self.D.T)

    def derivative(self, u: Array, x0: Array) -> tuple[Linear, Linear]:
        """By the chain rule through log r^2, e and the recurrence."""
        r, e, w, x, free = self._trajectory(u, x0)
        lam, B, C = self._modes
        a, b, f = e * (1 + lam) - 1, r * e, 0.5 * (r**2 - 1) * e
        de = -0.5 * e**2 * (1 - lam) * r**2
        db = r * (de + 0.5 * e)
        by_x = (1 + lam) * de * x[:-1] + db * w
        by_v = db * x[:-1] + 0.5 * ((r**2 - 1) * de + r**2 * e) * w

        def jvp(du: Array) -> Array:
            dt, dw = free * (du @ self.S.T), du @ B.T
            dx = recur(a, by_x * dt + b * dw, np.zeros_like(lam))
            dv = b * dx[:-1] + by_v * dt + f * dw
            return np.asarray((dv @ C.T).real + du @ self.D.T)

        def vjp(g: Array) -> Array:
            gv = g @ C.conj()
            p = recur_adjoint(a, np.vstack([b.conj() * gv, np.zeros((1, lam.size))]))
            dt = np.sum((by_x.conj() * p + by_v.conj() * gv).real, axis=1, keepdims=True)
            dw = b.conj() * p + f.conj() * gv
            return np.asarray(free * dt * self.S + (dw @ B.conj()).real + g @ self.D)

        return jvp, vjp

    def describe(self, prefix: str, arrays: dict[str, Array]) -> dict[str, Any]:
        """See `Layer.describe`."""
        numbers = {f.name: getattr(self, f.name) for f in fields(self)}
        return store_arrays({"type": "Clocked"}, prefix, arrays, **numbers)

    @classmethod
    def build(cls, spec: Mapping[str, Any], arrays: Mapping[str, Array], dt: float, inner: Sequence[Layer]) -> Clocked:
        """See `Layer.build`."""
        return cls(**{f.name: arrays[spec[f.name]] for f in fields(cls)})
