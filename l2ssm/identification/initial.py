"""The initial state of a free run, one rule for fit, simulate, compare and eval.

zero      x0 = 0, every sample counts;
learned   x0 is one vector, learned with the model: for records that all begin at the same state, such as a point of
          operation; every sample counts;
warmup    x0 = 0 and the first n_init samples of the input only drive the state: errors count from n_init on;
encoder   x0 is an affine function of the first n_init samples of u and y, learned with the model; errors count from
          n_init on. The function sees those samples through their first Legendre coefficients; between measured
          samples of y it sees a straight line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l2ssm.errors import DataError, OptionError

Array = NDArray[np.float64]
INITIAL = ("zero", "learned", "warmup", "encoder")
MOST = 2**20  # samples that are used
BURN_IN = 4  # one sample in so many is not scored where a run begins inside a record at a state that is not its own
DEGREES = 6  # Legendre polynomials of degree 0 ... 5 a channel


@dataclass(frozen=True, eq=False)
class InitialState:
    """How x0 is found from the start of a record.

    Args:
        kind: a name of `INITIAL`.
        n_init: samples at the start of a record that are used, and not scored; 0 for "zero".
        weight: (n_x, features), acting on what `features` gives, which is nothing for "learned"; None for a zero x0.
        bias: (n_x,); None for a zero x0.

    Raises:
        OptionError: an unknown kind, n_init < 0, or n_init = 0 for a kind that needs samples.
    """

    kind: str
    n_init: int
    weight: Array | None = None
    bias: Array | None = None

    def __post_init__(self) -> None:
        check_initial(self.kind, self.n_init)

    def state(self, u: Array, y: Array) -> Array | None:
        """x0 (n_x,) from standardised u (T, n_u), y (T, n_y), which only an encoder looks at; None stands for zero."""
        if self.weight is None or self.bias is None:
            return None
        if self.kind == "learned":
            return self.bias
        require_start(y, self.n_init)
        return self.weight @ features(u[None], y[None], self.n_init)[0] + self.bias

    def features(self, u: Array, y: Array) -> Array | None:
        """What x0 is an affine function of, (batch, count), for u, y (batch, T, .); None where x0 is zero."""
        if self.kind == "encoder":
            return features(u, y, self.n_init)
        return np.zeros((len(u), 0)) if self.kind == "learned" else None

    @property
    def known_at_start(self) -> bool:
        """Whether x0 is that of the beginning of a record, so that a window inside one begins at a wrong state."""
        return self.kind in ("zero", "learned")


def check_initial(kind: str, n_init: int) -> None:
    """OptionError unless kind is known and n_init fits it."""
    if kind not in INITIAL:
        raise OptionError(f"unknown initial state rule {kind!r}; known: {', '.join(INITIAL)}")
    if n_init < 0 or (kind in ("warmup", "encoder") and n_init == 0):
        raise OptionError(f"n_init is {n_init}; initial={kind!r} needs at least 1 sample")
    if n_init > MOST:
        raise OptionError(f"n_init is {n_init}, expected at most {MOST} samples")


def features(u: Array, y: Array, n_init: int) -> Array:
    """Legendre coefficients (batch, (n_u + n_y) * degrees) of the first n_init samples of u and y (batch, T, .).

    Raises:
        DataError: fewer than n_init samples.
    """
    if u.shape[1] < n_init:
        raise DataError(f"a record has {u.shape[1]} samples, the initial state needs the first n_init = {n_init}")
    known = np.stack([without_gaps(one) for one in y[:, :n_init]])
    start = np.concatenate([u[:, :n_init], known], axis=2)
    return np.einsum("kt,btc->bck", projection(n_init), start).reshape(len(start), -1)


def without_gaps(y: Array) -> Array:
    """y (T, n_y) with a straight line over every NaN, held at the ends; 0 in a channel that holds nothing else."""
    missing = np.isnan(y)
    if not missing.any():
        return y
    t, filled = np.arange(len(y)), np.where(missing, 0.0, y)
    for i in np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0)):
        known = ~missing[:, i]
        filled[:, i] = np.interp(t, t[known], y[known, i])
    return filled


def start_is_measured(y: Array, n_init: int) -> NDArray[np.bool_]:
    """Whether each channel has a sample among the first n_init of y (..., T, n_y), so that a state can be estimated."""
    return np.asarray((~np.isnan(y[..., :n_init, :])).any(axis=-2).all(axis=-1))


def require_start(y: Array, n_init: int, where: str = "") -> None:
    """DataError where the start of y (T, n_y) tells nothing of an output."""
    if not start_is_measured(y, n_init):
        output = int((~np.isnan(y[:n_init])).any(axis=0).argmin())
        raise DataError(
            f"{where}no sample of output {output} is measured among the first n_init = {n_init}, from which the initial"
            ' state is estimated; begin later, or fit with initial="warmup"'
        )


def feature_count(rule: InitialState, channels: int) -> int | None:
    """Features of a record with so many inputs and outputs; None where x0 is zero."""
    if rule.kind == "encoder":
        return channels * min(DEGREES, rule.n_init)
    return 0 if rule.kind == "learned" else None


def projection(n_init: int) -> Array:
    """(degrees, n_init): least-squares Legendre coefficients of n_init samples on [-1, 1]."""
    basis = np.polynomial.legendre.legvander(np.linspace(-1, 1, n_init), min(DEGREES, n_init) - 1)
    return np.asarray(np.linalg.pinv(basis), dtype=np.float64)
