"""x' = f(x, u) with the input held over every sample, integrated by scipy's adaptive Dormand-Prince 8(5,3)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from scipy.integrate import ode

from l2ssm.data.arrays import FloatArray
from l2ssm.errors import SolverError

Rates = Callable[[list[float], list[float]], Sequence[float]]

RTOL, ATOL = 1e-9, 1e-12  # of every step; the tests hold the whole trajectory to 1e-6 of a tighter solution
MOST_STEPS = 20_000  # in one sample


def integrate_held(rates: Rates, x0: FloatArray, u: FloatArray, dt: float) -> FloatArray:
    """x(0), x(dt), ..., x(T dt) with u[k] held over [k dt, (k+1) dt): the integrator starts anew at every jump of u.

    Args:
        rates: (x, u) -> x', lists of floats.
        x0: initial state, (n_x,).
        u: inputs, (T, n_u).
        dt: sampling time in seconds.

    Returns:
        States (T + 1, n_x).

    Raises:
        SolverError: the integrator gave up or a state is not finite; the message says at which sample.
    """
    states = np.empty((u.shape[0] + 1, x0.size))
    states[0] = x0
    held: list[float] = []
    raised: list[BaseException] = []

    def slope(_t: float, x: FloatArray) -> list[float]:
        """The rates as a list; scipy does not pass on what a right-hand side raises, so it is kept and NaN stops it."""
        try:
            return list(rates(x.tolist(), held))
        except BaseException as error:  # also a KeyboardInterrupt: raised again below
            raised.append(error)
            return [math.nan] * x0.size

    solver = ode(slope).set_integrator("dop853", rtol=RTOL, atol=ATOL, first_step=dt, nsteps=MOST_STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the integrator: `successful` and the check for finite states say it
        for k, inputs in enumerate(u.tolist()):
            held[:] = inputs
            states[k + 1] = solver.set_initial_value(states[k], 0.0).integrate(dt)
            if raised and not isinstance(raised[0], ArithmeticError):
                raise raised[0]
            if raised or not (solver.successful() and np.isfinite(states[k + 1]).all()):
                raise SolverError(
                    f"integration failed at sample {k} (t={k * dt:g} s): state {states[k].tolist()}, input {inputs}"
                )
    return states
