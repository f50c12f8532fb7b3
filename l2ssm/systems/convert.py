"""To and from `control.StateSpace`, `control.TransferFunction` and `scipy.signal.dlti`; refuses what cannot be kept.

The known traps are closed here: python-control 0.10 keeps only the real part of complex matrices, and accepts sample
times that are no numbers (None, True, 0).
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import signal
from scipy.linalg import block_diag

from l2ssm.errors import OptionError, RealizationError
from l2ssm.systems.state_space import StateSpace


def to_control(G: StateSpace) -> Any:
    """The same system as `control.StateSpace`: same matrices, dt and names (units have no place there)."""
    import control

    # remove_useless_states would silently drop states that the matrices show; the realization is kept as it is.
    return control.StateSpace(
        G.A,
        G.B,
        G.C,
        G.D,
        G.dt,
        inputs=_unique(G.input_names, "input"),
        outputs=_unique(G.output_names, "output"),
        states=_unique(G.state_names, "state"),
        remove_useless_states=False,
    )


def from_control(system: Any, dt: float | None = None) -> StateSpace:
    """The system of a discrete-time `control.StateSpace` or `control.TransferFunction`, names kept.

    Args:
        system: a transfer function is realized by python-control, a MIMO one entry by entry (not minimal).
        dt: sample time in seconds, required where the system has none (dt None or True), else it must agree.

    Raises:
        RealizationError: continuous time, no sample time, complex numbers, or another kind of object.

    >>> import control
    >>> from_control(control.tf([1.0], [1.0, -0.5], 0.1)).poles().real.tolist()
    [0.5]
    """
    import control

    if not isinstance(system, control.StateSpace | control.TransferFunction):
        raise RealizationError(
            f"from_control takes a control.StateSpace or control.TransferFunction, got {type(system).__name__}"
        )
    step = _sample_time(system.dt, dt, "from_control")
    realized: Any = system
    if isinstance(system, control.TransferFunction):
        coefficients = [c for table in (system.num_list, system.den_list) for row in table for c in row]
        if any(np.iscomplexobj(c) for c in coefficients):
            raise RealizationError("the transfer function has complex coefficients; l2ssm systems are real")
        realized = _realize(system)
    matrices = (realized.A, realized.B, realized.C, realized.D)
    if any(np.iscomplexobj(M) for M in matrices):
        raise RealizationError("the system has complex matrices; use StateSpace.from_modes(lam, B, C, D)")
    return StateSpace(
        *matrices,
        step,
        input_names=list(system.input_labels),
        output_names=list(system.output_labels),
        state_names=list(realized.state_labels),
    )


def to_scipy(G: StateSpace) -> Any:
    """The same system as `scipy.signal.dlti` in state-space form (names and units have no place there)."""
    dlti: Any = signal.dlti  # its stubs know only the abstract base
    return dlti(G.A, G.B, G.C, G.D, dt=G.dt)


def from_scipy(system: Any, dt: float | None = None) -> StateSpace:
    """The system of a `scipy.signal.dlti` in any form (state space, transfer function, zeros-poles-gain).

    Args:
        system: a `scipy.signal.dlti`.
        dt: sample time in seconds, required where the system has none (scipy's default dt=True), else it must agree.

    Raises:
        RealizationError: continuous time, no sample time, complex numbers, or another kind of object.
    """
    if isinstance(system, signal.lti):
        raise RealizationError("the scipy system is continuous-time; sample it first, e.g. system.to_discrete(dt)")
    if not isinstance(system, signal.dlti):
        raise RealizationError(f"from_scipy takes a scipy.signal.dlti, got {type(system).__name__}")
    step = _sample_time(system.dt, dt, "from_scipy")
    realized: Any = system.to_ss()
    matrices = (realized.A, realized.B, realized.C, realized.D)
    if any(np.iscomplexobj(M) for M in matrices):
        raise RealizationError("the system has complex matrices; use StateSpace.from_modes(lam, B, C, D)")
    return StateSpace(*matrices, step)


def _realize(system: Any) -> Any:
    """A realization of a transfer function; a MIMO one entry by entry, which python-control cannot do by itself."""
    import control

    if (system.noutputs, system.ninputs) == (1, 1):
        return control.tf2ss(system)
    n_y, n_u = system.noutputs, system.ninputs
    blocks = {(i, j): control.tf2ss(system[i, j]) for i in range(n_y) for j in range(n_u)}
    A = block_diag(*(block.A for block in blocks.values() if block.nstates))
    n_x = sum(block.nstates for block in blocks.values())
    B, C, D = np.zeros((n_x, n_u)), np.zeros((n_y, n_x)), np.zeros((n_y, n_u))
    start = 0
    for (i, j), block in blocks.items():
        states = slice(start, start + block.nstates)
        B[states, j], C[i, states], D[i, j] = block.B[:, 0], block.C[0], block.D[0, 0]
        start += block.nstates
    return control.StateSpace(A.reshape(n_x, n_x), B, C, D, system.dt, remove_useless_states=False)


def _sample_time(own: Any, given: float | None, function: str) -> float:
    """The one sample time in seconds, or an error that says how to give it."""
    if given is not None and (isinstance(given, bool) or not (np.isfinite(given) and given > 0)):
        raise OptionError(f"dt is {given!r}, expected a finite sample time > 0 in seconds")
    is_number = isinstance(own, numbers.Real) and not isinstance(own, bool | np.bool_)
    if is_number and own == 0:
        raise RealizationError("the system is continuous-time (dt = 0); sample it first, e.g. control.c2d(system, dt)")
    if not is_number:
        if given is None:
            raise RealizationError(
                f"the system has dt = {own!r}, no sample time; give it in seconds: {function}(system, dt=0.01)"
            )
        return float(given)
    if given is not None and float(given) != float(own):
        raise RealizationError(f"the system has dt = {own} s, but dt = {given} was given")
    return float(own)


def _unique(names: Sequence[str] | None, kind: str) -> list[str]:
    """The names, which python-control needs distinct."""
    labels = list(names or [])
    if len(set(labels)) != len(labels):
        raise RealizationError(f"python-control needs distinct {kind} names, got {labels}")
    return labels
