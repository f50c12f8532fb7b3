"""`Plant`: a nonlinear system in continuous time with physical parameters, units, noise and a typical experiment."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator, SeedSequence

from l2ssm.data.arrays import FloatArray, as_samples, first_non_finite
from l2ssm.data.dataset import Dataset
from l2ssm.data.plants.integration import integrate_held
from l2ssm.data.record import Record
from l2ssm.errors import DataError, OptionError, RealizationError

Jacobians = tuple[FloatArray, FloatArray, FloatArray, FloatArray]


class Plant(ABC):
    """x' = f(x, u), y = h(x, u), measured every dt seconds with white noise; a subclass is a frozen dataclass.

    Its fields are physical parameters, all finite and positive except those in `any_sign`, and `noise` (standard
    deviation of the measurement noise, one per output, in the unit of the output).
    """

    input_names: ClassVar[tuple[str, ...]]
    output_names: ClassVar[tuple[str, ...]]
    state_names: ClassVar[tuple[str, ...]]
    units: ClassVar[Mapping[str, str]]
    any_sign: ClassVar[frozenset[str]] = frozenset()
    samples: ClassVar[int]  # of each record of the default experiment
    u_nominal: ClassVar[tuple[float, ...]]  # the operating point experiments start from

    dt: float
    noise: tuple[float, ...]

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            value = getattr(self, field.name)
            if field.name == "noise":
                self._check_noise(value)
            elif not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
                raise OptionError(f"{type(self).__name__}: {field.name}={value!r} must be a finite number")
            elif field.name not in self.any_sign and not value > 0:
                raise OptionError(f"{type(self).__name__}: {field.name}={value!r} must be positive")

    def _check_noise(self, noise: Any) -> None:
        if np.shape(noise) != (self.n_y,) or not all(0 <= sigma < math.inf for sigma in noise):
            raise OptionError(f"{type(self).__name__}: noise={noise!r} must hold {self.n_y} finite number(s) >= 0")

    @property
    def n_u(self) -> int:
        """Number of inputs."""
        return len(self.input_names)

    @property
    def n_y(self) -> int:
        """Number of outputs."""
        return len(self.output_names)

    @property
    def n_x(self) -> int:
        """Number of states."""
        return len(self.state_names)

    @abstractmethod
    def rates(self, x: Sequence[float], u: Sequence[float]) -> Sequence[float]:
        """x' = f(x, u), in plain floats.

        Args:
            x: (n_x,) state.
            u: (n_u,) input.
        """

    @abstractmethod
    def output(self, x: FloatArray, u: FloatArray) -> FloatArray:
        """y = h(x, u) without noise, for states (..., n_x) and inputs (..., n_u): (..., n_y).

        Args:
            x: states.
            u: inputs.
        """

    @abstractmethod
    def jacobians(self, x: FloatArray, u: FloatArray) -> Jacobians:
        """df/dx, df/du, dh/dx, dh/du at one point.

        Args:
            x: (n_x,) state.
            u: (n_u,) input.
        """

    @abstractmethod
    def rest(self, u: FloatArray) -> FloatArray:
        """A state with f(x, u) = 0, for u of shape (n_u,).

        Args:
            u: (n_u,) constant input.
        """

    @abstractmethod
    def excitation(self, samples: int, seed: int | SeedSequence | Generator) -> FloatArray:
        """A typical excitation, (samples, n_u).

        Args:
            samples: its length.
            seed: equal seeds give equal numbers.
        """

    def ode(self, t: float, x: FloatArray, u: FloatArray) -> FloatArray:
        """x' = f(x, u) as an array (n_x,), in the argument order of `scipy.integrate.solve_ivp`.

        Args:
            t: time in seconds; nothing depends on it.
            x: (n_x,) state.
            u: (n_u,) input.
        """
        return np.array(self.rates(np.asarray(x, float).tolist(), np.asarray(u, float).reshape(self.n_u).tolist()))

    def equilibrium(self, u0: Any = None) -> FloatArray:
        """The state (n_x,) that rests under the constant input u0; default the nominal input.

        Args:
            u0: (n_u,) constant input.

        Raises:
            DataError: u0 is not n_u finite numbers.
            OptionError: nothing rests under that input.
        """
        return self.rest(self._input_point(u0))

    def linearize(self, u0: Any = None) -> Jacobians:
        """(A, B, C, D) in continuous time, Jacobians at the equilibrium under u0: dx' = A dx + B du, dy = C dx + D du.

        Where f has a corner (a tank about to overflow) they belong to the side the equilibrium is on.

        Args:
            u0: (n_u,) constant input; default the nominal one.

        Raises:
            DataError: u0 is not n_u finite numbers.
            OptionError: nothing rests under that input.
            RealizationError: the plant has no finite derivative there (an empty tank).
        """
        point = self._input_point(u0)
        with np.errstate(divide="ignore", invalid="ignore"):
            matrices = self.jacobians(self.rest(point), point)
        if not all(np.isfinite(matrix).all() for matrix in matrices):
            raise RealizationError(f"{type(self).__name__} has no finite Jacobians at u0={point.tolist()}")
        return matrices

    def trajectory(self, u: Any, x0: Any = None, dt: float | None = None) -> FloatArray:
        """States x(0), x(dt), ..., x(T dt), (T + 1, n_x), under the input u (T, n_u) held over every sample.

        Args:
            u: inputs, (T, n_u) or (T,).
            x0: initial state, (n_x,); default the equilibrium under the nominal input.
            dt: sampling time in seconds; default that of the plant.

        Raises:
            DataError: wrong shapes or values that are not finite.
            SolverError: the integrator gave up.
        """
        inputs = self._inputs(u)
        start = self.equilibrium() if x0 is None else _array(x0, "x0")
        if start.shape != (self.n_x,) or not np.isfinite(start).all():
            raise DataError(f"x0={start.tolist()} must be {self.n_x} finite number(s): {', '.join(self.state_names)}")
        step = self.dt if dt is None else dt
        if isinstance(step, (bool, str)) or not 0 < step < math.inf:
            raise DataError(f"dt={dt!r} must be a positive number of seconds")
        return integrate_held(self.rates, start, inputs, step)

    def simulate(self, u: Any, x0: Any = None, dt: float | None = None) -> FloatArray:
        """Outputs without noise, y[k] = h(x(k dt), u[k]), (T, n_y); arguments and errors as for `trajectory`.

        Args:
            u: (T, n_u) samples of the inputs.
            x0: (n_x,) initial state; default the nominal equilibrium.
            dt: sampling time in seconds; default the plant's own.
        """
        return self.output(self.trajectory(u, x0, dt)[:-1], self._inputs(u))

    def measure(self, y: FloatArray, rng: Generator) -> FloatArray:
        """y plus white Gaussian noise of standard deviation `noise`.

        Args:
            y: (T, n_y) outputs without noise.
            rng: source of randomness.
        """
        return y + np.asarray(self.noise) * rng.standard_normal(y.shape)

    def experiment(self, seed: int = 0, *, samples: int | None = None) -> Dataset:
        """Two noisy records, "train" and "test", from the nominal equilibrium, of different excitation and noise.

        Args:
            seed: equal seeds give equal numbers.
            samples: length of each record; default the plant's own.
        """
        count = self.samples if samples is None else samples
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
            raise OptionError(f"samples={samples!r} must be a whole number, at least 1")
        try:
            children = SeedSequence(seed).spawn(4)
        except (TypeError, ValueError) as error:
            raise OptionError(f"seed={seed!r} is no seed: {error}") from None
        return Dataset([self._measured("train", count, *children[:2]), self._measured("test", count, *children[2:])])

    def _measured(self, name: str, count: int, signal: SeedSequence, noise: SeedSequence) -> Record:
        u = self.excitation(count, signal)
        y = self.measure(self.simulate(u), np.random.default_rng(noise))
        about: dict[str, Any] = {"input_names": self.input_names, "output_names": self.output_names}
        return Record(u, y, self.dt, name=name, units=self.units, **about)

    def _inputs(self, u: Any) -> FloatArray:
        inputs = as_samples(u, "u")
        if inputs.shape[1] != self.n_u:
            raise DataError(f"u has shape {np.shape(u)}; {type(self).__name__} takes (T, {self.n_u})")
        bad = first_non_finite(inputs)
        if bad is not None:
            raise DataError(f"u is not finite at row {bad[0]}, input {self.input_names[bad[1]]!r}")
        return inputs

    def _input_point(self, u0: Any) -> FloatArray:
        point = np.atleast_1d(_array(self.u_nominal if u0 is None else u0, "u0"))
        if point.shape != (self.n_u,) or not np.isfinite(point).all():
            raise DataError(f"u0={u0!r} must be {self.n_u} finite number(s): {', '.join(self.input_names)}")
        return point

    def _check_range(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if not low <= value <= high:
            raise OptionError(f"{type(self).__name__}: {name}={value!r} must be in [{low:g}, {high:g}]")


def _array(value: Any, what: str) -> FloatArray:
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{what}={value!r} is not an array of numbers") from None
