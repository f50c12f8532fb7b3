"""`Attention`: every sample attends to itself and to the window before it, by several queries and one key and value.

The keys and values of the window are the state, each with a mark; a mark of at most 1/2, as in the zero state, means
that there is none. Angles are those of rotary position embedding; only the distance of two samples matters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from l2ssm.errors import RealizationError
from l2ssm.systems.layer import Array, Layer, Linear, freeze_arrays, store_arrays

MAX_WAVELENGTH = 10_000.0
LONGEST = 2**16  # window; every sample of a simulation looks at all of it


def rotated(x: Array, position: Array, sense: float = 1.0) -> Array:
    """The first half of the channels of x (time, ..., d) turned pairwise by position / 10000^(2 i / (d / 2))."""
    quarter = x.shape[-1] // 4
    rate = MAX_WAVELENGTH ** -(np.arange(quarter) / max(quarter, 1))
    angle = sense * position.reshape(-1, *[1] * (x.ndim - 1)) * rate
    a, b, rest = x[..., :quarter], x[..., quarter : 2 * quarter], x[..., 2 * quarter :]
    return np.concatenate([a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle), rest], axis=-1)


@dataclass(frozen=True, eq=False)
class Attention(Layer):
    """y[k] = sum_j softmax_j(q_h[k]'k[j] / sqrt(d)) v[j] for every head h, j from k - window to k, side by side.

    Args:
        Q: (heads * d, n), the queries.
        K, V: (d, n), the key and the value.
        window: (1,), a whole number >= 1.
    """

    Q: Array
    K: Array
    V: Array
    window: Array

    def __post_init__(self) -> None:
        freeze_arrays(self, Q=(self.Q, 2), K=(self.K, 2), V=(self.V, 2), window=(self.window, 1))
        (h, n), (d, m) = self.Q.shape, self.K.shape
        if self.V.shape != (d, m) or m != n or h % d or self.window.shape != (1,) or self.window[0] < 1:
            shapes = ", ".join(f"{name} {getattr(self, name).shape}" for name in "QKV")
            raise RealizationError(f"an Attention has shapes {shapes} and the window {self.window}")
        if self.window[0] > LONGEST:
            raise RealizationError(
                f"the window of an Attention is {self.window[0]:g}, expected at most {LONGEST} samples"
            )
        count = int(self.window[0]) * (2 * d + 1)
        for name, size in (("n_in", n), ("n_out", h), ("n_x", count + count % 2)):
            object.__setattr__(self, name, size)

    def _weights(self, u: Array, x0: Array) -> tuple[Array, Array, Array, Array]:
        """(q (T, heads, d), k (window + T, d) both turned, v, attention (T, heads, window + T))."""
        (d, _), w, T = self.K.shape, int(self.window[0]), len(u)
        past = x0[: w * (2 * d + 1)].reshape(w, 2 * d + 1)
        k = np.vstack([past[:, :d], u @ self.K.T])
        v = np.vstack([past[:, d : 2 * d], u @ self.V.T])
        place = np.arange(w + T, dtype=np.float64)
        k, q = rotated(k, place), rotated((u @ self.Q.T).reshape(T, -1, d), place[w:])
        lag = place[w:, None] - place
        seen = (lag >= 0) & (lag <= w) & np.concatenate([past[:, -1] > 0.5, np.ones(T, dtype=bool)])
        logits = np.where(seen[:, None], np.einsum("thd,sd->ths", q, k) / np.sqrt(d), -np.inf)
        weights = np.exp(logits - logits.max(axis=2, keepdims=True))
        return q, k, v, weights / weights.sum(axis=2, keepdims=True)

    def run(self, u: Array, x0: Array) -> Array:
        """The weighted means of the values, head by head."""
        _, _, v, attention = self._weights(u, x0)
        return np.asarray((attention @ v).reshape(len(u), -1))

    def derivative(self, u: Array, x0: Array) -> tuple[Linear, Linear]:
        """The chain rule through values, logits, queries and keys."""
        q, k, v, attention = self._weights(u, x0)
        (d, _), w, T = self.K.shape, int(self.window[0]), len(u)
        place = np.arange(w, w + T, dtype=np.float64)

        def jvp(du: Array) -> Array:
            dq = rotated((du @ self.Q.T).reshape(T, -1, d), place)
            dk, dv = np.zeros_like(k), np.zeros_like(v)
            dk[w:], dv[w:] = rotated(du @ self.K.T, place), du @ self.V.T
            dlogits = (np.einsum("thd,sd->ths", dq, k) + np.einsum("thd,sd->ths", q, dk)) / np.sqrt(d)
            centred = dlogits - np.sum(attention * dlogits, axis=2, keepdims=True)
            return np.asarray((attention @ dv + (attention * centred) @ v).reshape(T, -1))

        def vjp(g: Array) -> Array:
            g = g.reshape(T, -1, d)
            by_v = np.einsum("ths,thd->sd", attention, g)[w:]
            by_attention = g @ v.T
            centred = by_attention - np.sum(attention * by_attention, axis=2, keepdims=True)
            by_logits = attention * centred / np.sqrt(d)
            by_q = rotated(by_logits @ k, place, -1.0).reshape(T, -1)
            by_k = rotated(np.einsum("ths,thd->sd", by_logits, q)[w:], place, -1.0)
            return np.asarray(by_q @ self.Q + by_k @ self.K + by_v @ self.V)

        return jvp, vjp

    def describe(self, prefix: str, arrays: dict[str, Array]) -> dict[str, Any]:
        """See `Layer.describe`."""
        return store_arrays({"type": "Attention"}, prefix, arrays, Q=self.Q, K=self.K, V=self.V, window=self.window)

    @classmethod
    def build(
        cls, spec: Mapping[str, Any], arrays: Mapping[str, Array], dt: float, inner: Sequence[Layer]
    ) -> Attention:
        """See `Layer.build`."""
        return cls(*(arrays[spec[name]] for name in ("Q", "K", "V", "window")))
