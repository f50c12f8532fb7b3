"""`S6Core`: the recurrence of S6 with its steps, input and output vectors as steering; nothing bounds its gain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import special

from l2ssm.errors import RealizationError
from l2ssm.systems.core import Core, Memories, softplus
from l2ssm.systems.layer import Array, Linear
from l2ssm.systems.recurrence import recur, recur_adjoint


@dataclass(frozen=True, eq=False)
class S6Core(Core):
    """x_dn+ = exp(step_d A_dn) x_dn + q_dn B_n u_d, v_d = Re(C_n x_dn+) (twice it if complex), step = softplus.

    Steering: step before the softplus (d), B, C (n numbers each, or n real and n imaginary parts). Drive: u (d).
    States: real or complex (Re, Im), channel by channel, with one that does nothing where their number is odd.

    Args:
        A_real, A_imag: (d, n).
        input_rule: "euler": q = step; "zoh": q = (exp(step A) - 1) / A.
        field: "real" or "complex".
    """

    A_real: Array
    A_imag: Array
    input_rule: str
    field: str
    fields: ClassVar[dict[str, int]] = {"A_real": 2, "A_imag": 2}
    words: ClassVar[tuple[str, ...]] = ("input_rule", "field")

    def __post_init__(self) -> None:
        self._freeze()
        if self.field not in ("real", "complex") or self.input_rule not in ("euler", "zoh"):
            raise RealizationError(f"S6Core of field {self.field!r} and input rule {self.input_rule!r} is unknown")
        if self.input_rule == "zoh" and not np.all(self.A_real < 0):
            raise RealizationError("an S6Core by zero-order hold needs A with negative real parts")
        d, n = self.A_real.shape
        parts = 1 if self.field == "real" else 2
        self._sized(d + 2 * n * parts, d, d, d * n * parts, d)

    def memories(self) -> Memories:
        """See `Core.memories`: one a channel."""
        channels = np.arange(self.n_drive)
        parts = 1 if self.field == "real" else 2
        return Memories(channels, channels, np.repeat(channels, self.A_real.shape[1] * parts))

    def _vector(self, v: Array) -> Any:
        return v if self.field == "real" else v[:, : v.shape[1] // 2] + 1j * v[:, v.shape[1] // 2 :]

    def _parts(self, g: Any) -> Array:
        return np.asarray(g.real if self.field == "real" else np.hstack([g.real, g.imag]))

    def _trajectory(self, z: Array, x0: Array) -> tuple[Any, ...]:
        (d, n), parts = self.A_real.shape, 1 if self.field == "real" else 2
        raw, B, C, u = np.split(z, np.cumsum([d, n * parts, n * parts]), axis=1)
        A = self.A_real if self.field == "real" else self.A_real + 1j * self.A_imag
        step, B, C = softplus(raw)[:, :, None], self._vector(B), self._vector(C)
        a = np.exp(step * A)
        q = step if self.input_rule == "euler" else np.expm1(step * A) / A
        start = x0[: d * n * parts].reshape(d, n, parts)
        x = recur(a, q * B[:, None] * u[:, :, None], start[..., 0] if parts == 1 else start @ np.array([1, 1j]))
        return A, special.expit(raw), B, C, u, a, q, x

    def run(self, u: Array, x0: Array) -> Array:
        """The outputs (T, d) of [steering, drive]."""
        *_, C, _, _, _, x = self._trajectory(u, x0)
        v = np.einsum("tdn,tn->td", x[1:], C)
        return np.asarray(v if self.field == "real" else 2 * v.real)

    def derivative(self, u: Array, x0: Array) -> tuple[Linear, Linear]:
        """By the chain rule through step, a, q and the recurrence."""
        A, slope, B, C, drive, a, q, x = self._trajectory(u, x0)
        slope_q = 1.0 if self.input_rule == "euler" else a
        d, m = self.n_drive, (self.n_steer - self.n_drive) // 2
        weight = 1 if self.field == "real" else 2

        def jvp(dz: Array) -> Array:
            draw, dB, dC, du = np.split(dz, np.cumsum([d, m, m]), axis=1)
            dstep = (slope * draw)[:, :, None]
            db = slope_q * dstep * B[:, None] * drive[:, :, None]
            db = db + q * (self._vector(dB)[:, None] * drive[:, :, None] + B[:, None] * du[:, :, None])
            dx = recur(a, A * a * dstep * x[:-1] + db, np.zeros_like(x[0]))
            v = np.einsum("tdn,tn->td", dx[1:], C) + np.einsum("tdn,tn->td", x[1:], self._vector(dC))
            return np.asarray(weight * v.real)

        def vjp(w: Array) -> Array:
            g = np.zeros_like(x)
            g[1:] = weight * w[:, :, None] * C.conj()[:, None]
            p = recur_adjoint(a, g)
            by_q = p * (B[:, None] * drive[:, :, None]).conj()
            by_step = np.sum(p * (A * a * x[:-1]).conj() + by_q * np.conj(slope_q), axis=2).real
            by_B = np.sum(p * (q * drive[:, :, None]).conj(), axis=1)
            by_u = np.sum(p * (q * B[:, None]).conj(), axis=2).real
            by_C = weight * np.einsum("td,tdn->tn", w, x[1:].conj())
            return np.hstack([slope * by_step, self._parts(by_B), self._parts(by_C), by_u])

        return jvp, vjp
