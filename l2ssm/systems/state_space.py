"""`StateSpace`: an immutable real discrete-time linear system, and what can be asked of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2ssm.errors import RealizationError
from l2ssm.systems.modal import Modes, modes_of, real_matrices

if TYPE_CHECKING:
    from l2ssm.systems.hinf import HinfBracket

Array = NDArray[np.float64]
WIDEST_EMPTY = 2**16  # channels that a file can tell of without a number for them


@dataclass(frozen=True, eq=False)
class StateSpace:
    """x[k+1] = A x[k] + B u[k],  y[k] = C x[k] + D u[k],  sample time dt.

    Args:
        A: (n_x, n_x) real; n_x may be 0.
        B: (n_x, n_u) real.
        C: (n_y, n_x) real.
        D: (n_y, n_u) real.
        dt: sample time in seconds, > 0.
        input_names, output_names, state_names: one name a channel; default u1, u2, ... (u alone when single).
        input_units, output_units: one unit a channel; default "" (dimensionless).

    Raises:
        RealizationError: complex, non-finite or ill-shaped matrices, dt not positive, a wrong number of names.

    >>> G = StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]])
    >>> G.simulate([1.0, 0.0, 0.0]).ravel().tolist()
    [0.0, 1.0, 0.5]
    """

    A: Array
    B: Array
    C: Array
    D: Array
    dt: float = 1.0
    input_names: Sequence[str] | None = None
    output_names: Sequence[str] | None = None
    state_names: Sequence[str] | None = None
    input_units: Sequence[str] | None = None
    output_units: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for name in "ABCD":
            object.__setattr__(self, name, _matrix(name, getattr(self, name)))
        n, m, p = self.A.shape[0], self.D.shape[1], self.D.shape[0]
        want = {"A": (n, n), "B": (n, m), "C": (p, n), "D": (p, m)}
        for name, shape in want.items():
            if getattr(self, name).shape != shape:
                raise RealizationError(
                    f"{name} has shape {getattr(self, name).shape}, expected {shape} "
                    f"(n_x = {n} from A, n_y = {p} and n_u = {m} from D)"
                )
        object.__setattr__(self, "dt", sample_time(self.dt))
        for field, count, letter in (
            ("input_names", m, "u"),
            ("output_names", p, "y"),
            ("state_names", n, "x"),
            ("input_units", m, ""),
            ("output_units", p, ""),
        ):
            object.__setattr__(self, field, _labels(field, getattr(self, field), count, letter))

    @classmethod
    def from_modes(
        cls,
        lam: ArrayLike,
        B: ArrayLike,
        C: ArrayLike,
        D: ArrayLike,
        dt: float = 1.0,
        *,
        conjugate_pairs: bool = False,
        **labels: Any,
    ) -> StateSpace:
        """The real system of x[k+1] = lam x[k] + B u[k], y = Re(C x) + D u, exactly: no number is rounded.

        Args:
            lam: (n,) complex poles.
            B: (n, n_u) complex.
            C: (n_y, n) complex.
            D: (n_y, n_u) real.
            dt: sample time in seconds.
            conjugate_pairs: lam holds one pole of each conjugate pair, y = 2 Re(C x) + D u (doubling is exact).
            labels: names and units as in the constructor.

        Returns:
            A system with 2n real states (Re x_1, Im x_1, Re x_2, ...).

        Raises:
            RealizationError: shapes that do not fit, non-finite numbers, complex D.
        """
        lam_, B_, C_ = (np.asarray(v, dtype=np.complex128) for v in (lam, B, C))
        D_ = _matrix("D", D)
        n, (p, m) = lam_.size, D_.shape
        for name, got, want in (("lam", lam_.shape, (n,)), ("B", B_.shape, (n, m)), ("C", C_.shape, (p, n))):
            if got != want:
                raise RealizationError(f"{name} has shape {got}, expected {want} (n from lam, D is {D_.shape})")
        factor = 2.0 if conjugate_pairs else 1.0
        return cls(*real_matrices(Modes(lam_, B_, factor * C_, D_)), dt, **labels)

    @property
    def n_x(self) -> int:
        """Number of states."""
        return self.A.shape[0]

    @property
    def n_u(self) -> int:
        """Number of inputs."""
        return self.B.shape[1]

    @property
    def n_y(self) -> int:
        """Number of outputs."""
        return self.C.shape[0]

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of dt, the shapes and the exact bits of A, B, C, D; -0.0 counts as 0.0."""
        h = hashlib.sha256(f"l2ssm.StateSpace {self.dt.hex()}".encode())
        for M in (self.A, self.B, self.C, self.D):
            h.update(f" {M.shape} ".encode())
            h.update((M + 0.0).astype("<f8").tobytes())
        return h.hexdigest()

    @cached_property
    def modes(self) -> Modes | None:
        """The diagonal complex form with the very same numbers, or None where A is not block diagonal."""
        return modes_of(self)

    @property
    def transposed(self) -> StateSpace:
        """The adjoint system (A', C', B', D')."""
        return StateSpace(self.A.T, self.C.T, self.B.T, self.D.T, self.dt)

    def simulate(self, u: ArrayLike, x0: ArrayLike | None = None) -> Array:
        """y (T, n_y) of the input u (T, n_u) from the state x0 (n_x,), zero by default; see `simulation.simulate`.

        Args:
            u: (T, n_u) samples of the inputs.
            x0: (n_x,) state before the first sample; zero if None.
        """
        from l2ssm.systems.simulation import simulate

        return simulate(self, u, x0)

    def states(self, u: ArrayLike, x0: ArrayLike | None = None) -> Array:
        """x (T + 1, n_x): x[0] = x0, ..., x[T], the state to carry on from.

        Args:
            u: (T, n_u) samples of the inputs.
            x0: (n_x,) state before the first sample; zero if None.
        """
        from l2ssm.systems.simulation import states

        return states(self, u, x0)

    def poles(self) -> NDArray[np.complex128]:
        """Eigenvalues of A, exact where A is block diagonal, sorted by modulus, largest first."""
        from l2ssm.systems.stability import poles

        return poles(self)

    def spectral_radius(self) -> float:
        """max |pole|; 0 for a static system."""
        from l2ssm.systems.stability import spectral_radius

        return spectral_radius(self)

    def is_schur(self) -> bool:
        """Whether every pole lies strictly inside the unit circle."""
        from l2ssm.systems.stability import is_schur

        return is_schur(self)

    def frequency_response(self, omega: ArrayLike) -> NDArray[np.complex128]:
        """H (F, n_y, n_u) = C (e^{j omega dt} - A)^-1 B + D at omega (F,) in rad/s.

        Args:
            omega: (F,) frequencies in rad/s.
        """
        from l2ssm.systems.frequency import frequency_response

        return frequency_response(self, omega)

    def hinf(self) -> HinfBracket:
        """The H-infinity norm as a bracket (lower, upper, omega_peak in rad/s); inf with a reason if unstable."""
        from l2ssm.systems.hinf import hinf

        return hinf(self)

    def to_control(self) -> Any:
        """The same system as `control.StateSpace`, names kept."""
        from l2ssm.systems.convert import to_control

        return to_control(self)

    def to_scipy(self) -> Any:
        """The same system as `scipy.signal.dlti`."""
        from l2ssm.systems.convert import to_scipy

        return to_scipy(self)

    @classmethod
    def from_control(cls, system: Any, dt: float | None = None) -> StateSpace:
        """The system of a discrete-time `control.StateSpace` or `TransferFunction`; see `convert.from_control`.

        Args:
            system: a discrete-time system of python-control.
            dt: sampling time in seconds, where the system does not know it.
        """
        from l2ssm.systems.convert import from_control

        return from_control(system, dt)

    @classmethod
    def from_scipy(cls, system: Any, dt: float | None = None) -> StateSpace:
        """The system of a `scipy.signal.dlti`; see `convert.from_scipy`.

        Args:
            system: a discrete-time system of scipy.
            dt: sampling time in seconds, where the system does not know it.
        """
        from l2ssm.systems.convert import from_scipy

        return from_scipy(system, dt)

    def __repr__(self) -> str:
        return f"StateSpace(n_x={self.n_x}, n_u={self.n_u}, n_y={self.n_y}, dt={self.dt:g} s, {self.digest[:8]})"


def sample_time(dt: object) -> float:
    """dt as a float, or a RealizationError: it must be a finite number > 0 (True and None are none)."""
    if isinstance(dt, Real) and not isinstance(dt, bool) and np.isfinite(float(dt)) and float(dt) > 0:
        return float(dt)
    raise RealizationError(f"dt is {dt!r}, expected a finite sample time > 0 in seconds")


def _matrix(name: str, value: ArrayLike) -> Array:
    """A read-only float64 copy, or a RealizationError that names the matrix."""
    try:
        raw = np.asarray(value)
        if np.iscomplexobj(raw):
            raise RealizationError(f"{name} is complex; build a real system with StateSpace.from_modes(lam, B, C, D)")
        M = np.array(raw, dtype=np.float64, order="C")
    except RealizationError:
        raise
    except (TypeError, ValueError) as error:
        raise RealizationError(f"{name} is not a matrix of numbers: {error}") from None
    if M.ndim != 2:
        raise RealizationError(f"{name} has {M.ndim} dimensions, expected a matrix (2)")
    if M.size == 0 and max(M.shape) > WIDEST_EMPTY:
        raise RealizationError(f"{name} has the shape {M.shape} and no entries")
    if not np.all(np.isfinite(M)):
        row, col = np.argwhere(~np.isfinite(M))[0]
        raise RealizationError(f"{name}[{row}, {col}] is {M[row, col]}; every entry must be finite")
    M.flags.writeable = False
    return M


def _labels(field: str, given: Sequence[str] | None, count: int, letter: str) -> tuple[str, ...]:
    """Names or units as a tuple of the right length; generated where none are given."""
    if given is None:
        if not letter:
            return ("",) * count
        return (letter,) if count == 1 else tuple(f"{letter}{i + 1}" for i in range(count))
    if isinstance(given, str) or len(given) != count or not all(isinstance(name, str) for name in given):
        raise RealizationError(f"{field} is {given!r}, expected {count} strings")
    return tuple(given)
