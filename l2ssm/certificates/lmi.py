"""The Real Bounded Lemma as a semidefinite program in cvxpy: an independent witness, never a proof.

Solvers report "optimal" with gamma *below* the H-infinity norm; so their gamma is only a hint, and their P is checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.certificates.riccati import assert_storage
from l2ssm.errors import CertificateError, OptionError, SolverError
from l2ssm.systems.state_space import StateSpace

Array = NDArray[np.float64]

SOLVERS = ("CLARABEL", "SCS")
SLACKS = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)


@dataclass(frozen=True)
class LmiWitness:
    """What a solver says, unproved.

    Attributes:
        gamma: the solver's objective; it may well be below the norm.
        P: (n_x, n_x), made symmetric.
        status: the solver's word.
        solver: its name.
    """

    gamma: float
    P: Array
    status: str
    solver: str


def storage_from_lmi(G: StateSpace, gamma: float | None = None, solver: str = "CLARABEL") -> LmiWitness:
    """P from the LMI M(P, gamma) <= 0: the smallest gamma if none is given, else the P of largest margin at this gamma.

    Args:
        G: Schur stable, n_x > 0.
        gamma: fixed gain, or None.
        solver: one of `SOLVERS`.

    Raises:
        OptionError: an unknown solver.
        SolverError: any status other than "optimal".
    """
    import cvxpy as cp

    if solver not in SOLVERS:
        raise OptionError(f"solver is {solver!r}, expected one of {', '.join(SOLVERS)}")
    n, m = G.n_x, G.n_u
    F, K = np.hstack([G.A, G.B]), np.hstack([G.C, G.D])
    P = cp.Variable((n, n), symmetric=True)
    unknown = cp.Variable(nonneg=True)  # gamma^2, or the margin at a given gamma
    gamma2, margin = (unknown, 0.0) if gamma is None else (gamma**2, unknown)
    corner = cp.bmat([[P, np.zeros((n, m))], [np.zeros((m, n)), gamma2 * np.eye(m)]])
    M = F.T @ P @ F + K.T @ K - corner
    constraints = [P >> 0, (M + M.T) / 2 + margin * np.eye(n + m) << 0]
    problem = cp.Problem(cp.Minimize(unknown) if gamma is None else cp.Maximize(unknown), constraints)
    status = _solve(problem, solver)
    if status != "optimal" or P.value is None:
        raise SolverError(f"{solver} ended the bounded-real LMI with status {status!r}, expected 'optimal'")
    value = np.asarray(P.value, dtype=np.float64)
    found = float(np.sqrt(unknown.value)) if gamma is None else gamma
    return LmiWitness(found, (value + value.T) / 2, status, solver)


def storage(G: StateSpace, solver: str = "CLARABEL") -> tuple[float, Array]:
    """(gain, P) with P from the LMI, proved at a gain slightly above the solver's gamma.

    First the P of the smallest gamma, which seldom passes (its LMI is singular), then the P of largest margin.

    Raises:
        SolverError: the solver failed.
        CertificateError: no P passes the rigorous check up to 1 % above the solver's gamma.
    """
    optimum = storage_from_lmi(G, None, solver)
    reason: Exception | None = None
    for slack in SLACKS:
        gain = optimum.gamma * (1 + slack)
        candidates: list[Any] = [lambda: optimum.P, lambda gain=gain: storage_from_lmi(G, gain, solver).P]
        for candidate in candidates[: 1 if slack < 1e-6 else 2]:
            try:
                P = candidate()
                assert_storage(G, P, gain)
                return gain, P
            except (CertificateError, SolverError) as error:
                reason = error
    raise CertificateError(
        f"no P of {solver} is proved up to {1 + SLACKS[-1]:g} gamma, gamma = {optimum.gamma}: {reason}"
    )


def _solve(problem: Any, solver: str) -> str:
    import warnings

    import cvxpy as cp

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            problem.solve(solver=solver)
    except cp.error.SolverError as error:
        raise SolverError(f"{solver} failed on the bounded-real LMI: {error}") from None
    return str(problem.status)
