"""Quadratic constraints that the graph of a nonlinearity satisfies: one class a kind. Part of the trusted base.

A constraint is about differences w of the pre-activation and v of the output. Its form, for admissible multipliers T,

    q(w, v) = sum_i qw_i w_i^2 + 2 sum_c s_c w_c v_c - sum_c r_c v_c^2  >=  0,

holds at every sample (for an operator with memory: q is at least the increase of a storage function of its own).
`weights` gives (qw, s, r), linear in T, in whatever arithmetic T is; s pairs the first rows of w with the first of v.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.certificates.supply import SUPPLIES
from l2ssm.systems.core import Core

Array = NDArray[np.float64]
Column = Any
"""A column vector: numpy (n, 1), or a matrix of an arithmetic of `rigorous`."""

SECTORS = {"tanh": (0.0, 1.0), "relu": (0.0, 1.0), "gelu": (0.0, 1.0), "silu": (0.0, 1.0), "gelu_tanh": (0.0, 1.0)}
"""sigma(s) = k s with k in this interval, for all of `ACTIVATIONS`. gelu: k = Phi(s); silu, gelu_tanh: k is a value of
the logistic function; all in (0, 1). tanh: k is the mean of sigma' in (0, 1] between 0 and s; relu: k is 0 or 1."""


@dataclass(frozen=True, eq=False)
class Slope:
    """v_c = k_c w_c with k_c in [low_c, high_c]: (v - low w)(high w - v) >= 0, times T_c >= 0 and summed.

    A difference of outputs of a function with slopes in the interval has this form, an output itself that of a function
    in the sector.

    Attributes:
        low, high: (h,).
    """

    low: Array
    high: Array

    @property
    def widths(self) -> tuple[int, int]:
        """(rows of w, rows of v)."""
        return self.low.size, self.low.size

    @property
    def pairs(self) -> int:
        """Rows of s."""
        return self.low.size

    @property
    def shape(self) -> tuple[int, int]:
        """Of T."""
        return self.low.size, 1

    def weights(self, T: Column, embed: Any) -> tuple[Column, Column, Column]:
        """qw = -low high T, s = (low + high) T / 2, r = T."""
        low, high = embed(self.low[:, None]), embed(self.high[:, None])
        return low * high * T * -1, (low + high) * T / 2, T

    def conditions(self, T: Column) -> list[Column]:
        """Every entry of each of these must be >= 0."""
        return [T]


@dataclass(frozen=True, eq=False)
class Diamond:
    """v_c = k_c a_c + l_c b_c with k_c >= 0 and k_c + 4 |l_c| <= 1; w = [a; b]. That is a difference of tanh(a) g(b).

    Gradient: k = (1 - t^2) s and l = t s (1 - s) with t = tanh(a) in (-1, 1) and s = g(b) in (0, 1). k + 4 |l| =
    s (1 - t^2) + 4 |t| s (1 - s). For s >= 1/2 the maximum over t, at |t| = 2 (1 - s), is s + 4 s (1 - s)^2 <= 1; for
    s < 1/2 it is below its value 4 s (1 - s) <= 1 at |t| = 1. The set is convex, so the mean along a segment is in it.

    Form: -t v^2 + 2 s a v + p a^2 + q (b / 4)^2 with T = (t, s, p, q). For t >= 0 it is concave in (k, l), so it is
    >= 0 on the triangle if it is at its corners: (1, 0) needs p + 2 s >= t, and (0, 1/4) and (0, -1/4) need p >= 0,
    q >= t and p (q - t) >= s^2.

    Attributes:
        h: number of channels.
    """

    h: int

    @property
    def widths(self) -> tuple[int, int]:
        """(rows of w, rows of v)."""
        return 2 * self.h, self.h

    @property
    def pairs(self) -> int:
        """Rows of s."""
        return self.h

    @property
    def shape(self) -> tuple[int, int]:
        """Of T: t, s, p, q of all channels, one below the other."""
        return 4 * self.h, 1

    def weights(self, T: Column, embed: Any) -> tuple[Column, Column, Column]:
        """qw = (p, q / 16), s, r = t."""
        h = self.h
        last = embed(np.repeat([1.0, 1 / 16], h)[:, None])
        return T[2 * h :, :] * last, T[h : 2 * h, :], T[:h, :]

    def conditions(self, T: Column) -> list[Column]:
        """Every entry of each of these must be >= 0."""
        h = self.h
        t, s, p, q = (T[i * h : (i + 1) * h, :] for i in range(4))
        return [t, p, q - t, p + s * 2 - t, p * (q - t) - s * s]


@dataclass(frozen=True, eq=False)
class Cocoercive:
    """v = J w with J symmetric, 0 <= J <= bound I: (bound w - v)'v >= 0, times one T >= 0.

    A difference of gradients of a convex function has this form: its Hessians are such J, and so is their mean.

    Attributes:
        bound: > 0.
        h: number of channels.
    """

    bound: float
    h: int

    @property
    def widths(self) -> tuple[int, int]:
        """(rows of w, rows of v)."""
        return self.h, self.h

    @property
    def pairs(self) -> int:
        """Rows of s."""
        return self.h

    @property
    def shape(self) -> tuple[int, int]:
        """Of T."""
        return 1, 1

    def weights(self, T: Column, embed: Any) -> tuple[Column, Column, Column]:
        """qw = 0, s = bound T / 2, r = T, in every channel."""
        ones = embed(np.ones((self.h, 1)))
        return ones * 0 * T, ones * embed(np.array([[self.bound]])) * T / 2, ones * T

    def conditions(self, T: Column) -> list[Column]:
        """Every entry of each of these must be >= 0."""
        return [T]


@dataclass(frozen=True, eq=False)
class Supply:
    """|x_h+|^2 - |x_h|^2 <= beta_h |w_h|^2 - alpha_h |v_h|^2 for each memory h of a steered recurrence, T_h >= 0.

    It holds for every sequence of coefficients (`supply`). What chooses them depends on the input, so it is about the
    signals of one run and not about a difference of two: only from rest.

    Attributes:
        core: of a type in `supply.SUPPLIES`.
    """

    core: Core

    @property
    def widths(self) -> tuple[int, int]:
        """(rows of w, rows of v)."""
        return self.core.n_drive, self.core.n_out

    @property
    def pairs(self) -> int:
        """Rows of s."""
        return 0

    @property
    def shape(self) -> tuple[int, int]:
        """Of T: one a memory."""
        return self.core.n_memories, 1

    def weights(self, T: Column, embed: Any) -> tuple[Column, Column, Column]:
        """qw = beta T of the memory that a drive feeds, no s, r = alpha T of the memory that an output reads."""
        memories, each = self.core.memories(), np.eye(self.core.n_memories)
        alpha, beta = SUPPLIES[type(self.core)](self.core, embed)
        return embed(each[memories.drives]) @ (beta * T), (T * 0)[:0, :], embed(each[memories.outputs]) @ (alpha * T)

    def conditions(self, T: Column) -> list[Column]:
        """Every entry of each of these must be >= 0."""
        return [T]


Constraint = Slope | Diamond | Cocoercive | Supply
