"""`Runtime`: a model one sample at a time, in numpy alone; after the first step nothing is allocated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2ssm.errors import DataError, RealizationError
from l2ssm.export.latency import Latency, measured
from l2ssm.export.numpy_calls import Calls
from l2ssm.export.precision import dtype_of
from l2ssm.export.steps import step_program
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.simulation import initial_state, signal

Start = Callable[[NDArray[np.float64], "NDArray[np.float64] | None"], "NDArray[np.float64] | None"]


class Runtime:
    """A model for real time: `step` takes one sample of the inputs and gives that of the outputs.

    Args:
        network: the numbers.
        start: the rule for the initial state, x0 or None (zero) from the beginning of a record (u, y); without one the
            state is zero.
        ready: whether the state is known before a record is: where it is not, `step` waits for `reset` or `simulate`.
        precision: "float64", or "float32": numbers are rounded to it and everything is computed in it.

    Raises:
        ExportError: a layer without a step, or a number too large for the precision.
        OptionError: an unknown precision.
    """

    def __init__(
        self,
        network: Interconnection,
        start: Start | None = None,
        *,
        ready: bool = True,
        precision: str = "float64",
    ) -> None:
        dtype = dtype_of(precision)
        self.network, self.precision = network, precision
        self._start, self._ready = start, ready
        self._u, self._x = np.zeros(network.n_u, dtype), np.zeros(network.n_x, dtype)
        self._y, self._finite = np.zeros(network.n_y, dtype), np.zeros(network.n_u, dtype=bool)
        program = Calls(step_program(network), {"u": self._u, "x": self._x}, dtype)
        self._calls = tuple(program.calls)
        self._y_of_step, self._x_next = program.results["y"], program.results["x_next"]
        if ready:
            self.reset()

    @property
    def x(self) -> NDArray[np.float64]:
        """The state before the next sample (n_x,), a copy."""
        return self._x.astype(np.float64)

    def step(self, u: ArrayLike) -> NDArray[Any]:
        """y (n_y,) of the next sample u (n_u,). The array is the same at every call: copy what is to be kept.

        Args:
            u: (n_u,) sample.

        Raises:
            DataError: u of another size or not finite (the state stays as it was), or no initial state yet.
        """
        if not self._ready:
            raise DataError("there is no initial state yet: call reset(u, y), simulate(u, y) or reset(x0=0) first")
        if not (type(u) is np.ndarray and u.shape == self._u.shape and u.dtype == np.float64):
            u = self._sample(u)
        self._u[:] = u
        if np.count_nonzero(np.isfinite(self._u, out=self._finite)) != self._u.size:
            raise DataError(f"u is {u}, expected finite numbers")
        for call in self._calls:
            call()
        self._y[:] = self._y_of_step
        self._x[:] = self._x_next
        return self._y

    def reset(self, u: ArrayLike | None = None, y: ArrayLike | None = None, *, x0: ArrayLike | None = None) -> None:
        """The state before u[0]: by the model's rule from the beginning of a record, or x0.

        Args:
            u: (T, n_u), where the rule needs it.
            y: (T, n_y), where the rule needs it.
            x0: (n_x,) the state itself, or 0 for the zero state.

        Raises:
            DataError: a record too short for the rule, or none.
            RealizationError: x0 of another length or not finite.
        """
        if x0 is not None:
            start = initial_state(None if np.ndim(x0) == 0 and x0 == 0 else x0, self.network.n_x)
        else:
            record = signal(np.zeros((0, self.network.n_u)) if u is None else u, self.network.n_u)
            measured_y = None if y is None else signal(y, self.network.n_y, "y")
            start = initial_state(self._start(record, measured_y) if self._start else None, self.network.n_x)
        self._x[:], self._ready = start, True

    def simulate(self, u: ArrayLike, y: ArrayLike | None = None, *, x0: ArrayLike | None = None) -> NDArray[np.float64]:
        """The free run y (T, n_y) of u, see `Model.simulate`; `step` then goes on behind the last sample.

        Args:
            u: (T, n_u) samples of the inputs.
            y: (T, n_y) outputs, from which the initial state is estimated.
            x0: initial state instead; 0 for the zero state.
        """
        record = signal(u, self.network.n_u)
        self.reset(record, y, x0=x0)
        out = np.empty((len(record), self.network.n_y))
        for k, sample in enumerate(record):
            out[k] = self.step(sample)
        return out

    def state_dict(self) -> dict[str, Any]:
        """The state, to go on from it elsewhere: x (n_x,), and the SHA-256 of the numbers it is a state of."""
        return {"x": self.x, "system": self.network.digest}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned.

        Args:
            state: what `state_dict` returned, of the same model.

        Raises:
            RealizationError: it is not a state of this model.
        """
        if set(state) != {"x", "system"} or state["system"] != self.network.digest:
            raise RealizationError(f"expected the state dict of the model {self.network.digest[:12]}..., x and system")
        self._x[:], self._ready = initial_state(state["x"], self.network.n_x), True

    def latency(self, samples: int = 1000, u: ArrayLike | None = None) -> Latency:
        """How long a step takes, measured now; the state is put back.

        Args:
            samples: steps measured.
            u: (n_u,) the sample that is fed; default zero.
        """
        x, ready, self._ready = self._x.copy(), self._ready, True
        given = self._sample(np.zeros(self.network.n_u) if u is None else u)
        try:
            return measured(lambda: self.step(given), samples)
        finally:
            self._x[:], self._ready = x, ready

    def _sample(self, u: ArrayLike) -> NDArray[np.float64]:
        try:
            sample = np.asarray(u, dtype=np.float64).reshape(-1)
        except (TypeError, ValueError) as error:
            raise DataError(f"u is not a sample of numbers: {error}") from None
        if sample.shape != self._u.shape or np.iscomplexobj(u):
            raise DataError(f"u has shape {np.shape(u)}, expected one sample of {self.network.n_u} real number(s)")
        return sample

    def __repr__(self) -> str:
        return f"Runtime({self.network!r}, {self.precision}, {len(self._calls)} operations a step)"
