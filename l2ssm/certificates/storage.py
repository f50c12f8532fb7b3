"""The storage term: what a non-zero initial state adds to the energy bound of a certificate."""

from __future__ import annotations

import math
from collections.abc import Sequence

import flint
import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2ssm.certificates.balls import BALL, Ball
from l2ssm.certificates.bounded_real import cauchy_storage
from l2ssm.certificates.certificate import AT_REST, JOINT, JOINT_AT_REST, Certificate, Claim
from l2ssm.certificates.constraints import Supply
from l2ssm.certificates.flatten import constraints_of
from l2ssm.errors import CertificateError, OptionError
from l2ssm.systems.layers import Clocked, Dynamic, Layer, Residual, Selective
from l2ssm.systems.simulation import initial_state
from l2ssm.systems.state_space import StateSpace

Array = NDArray[np.float64]


def energy_bound(certificate: Certificate, x0: ArrayLike | None, u_energy: float) -> float:
    """A float that is at least sum |dy|^2 over every horizon, for two runs that differ by du and by x0 initially.

    One linear block: sum |dy|^2 <= gamma^2 sum |du|^2 + V(x0). A chain: with e the norm of the difference that enters a
    layer, the norm of the one that leaves it is at most g e (static), sqrt(g^2 e^2 + V(x0)) (linear, x0 its part of
    the state; a run of layers with a joint proof, with theirs) or e + the same through the chain inside (residual);
    the last square is the bound. A certificate from rest, and any linear system, is about u and x0 themselves, compared
    with the run at rest.

    Args:
        certificate: verified or not.
        x0: (n_x,) difference of the initial states of all linear layers in their order; zero by default.
        u_energy: sum |du|^2 >= 0.

    Raises:
        OptionError: u_energy is not a finite number >= 0.
        RealizationError: x0 of another length.
        CertificateError: the certificate holds no storage for a layer with a non-zero x0.

    Source: dissipation inequality V(x[k+1]) - V(x[k]) + |y[k]|^2 <= g^2 |u[k]|^2, summed.
    """
    if not (math.isfinite(u_energy) and u_energy >= 0):
        raise OptionError(f"u_energy is {u_energy}, expected a finite number >= 0")
    network = certificate.network
    state = initial_state(x0, network.n_x)
    if not np.any(state):
        with BALL.session():
            return _rounded_up(flint.arb(certificate.gamma) ** 2 * flint.arb(u_energy))
    with BALL.session():
        norm = _through(network.layers, certificate.claims, flint.arb(u_energy).sqrt(), state)
        return _rounded_up(norm**2)


def storage_value(G: StateSpace, claim: Claim, x0: Array) -> Ball:
    """V(x0) >= 0 of the storage function that the claim holds, as a ball."""
    method = claim.method.removesuffix(AT_REST).strip()
    if method == "storage":
        return _quadratic(claim.witness["P"], x0)
    if method != "cauchy" or G.modes is None:
        raise CertificateError(f"a claim by {claim.method!r} has no storage function for a non-zero initial state")
    w = claim.witness
    arguments = G.modes.lam[:, None], G.modes.C, w["delta"], w["C2_real"] + 1j * w["C2_imag"]
    V = cauchy_storage(*(BALL.embed(M) for M in arguments))
    return V.value(BALL.embed(_modal_state(G, x0)[:, None]))[0, 0]


def _through(layers: Sequence[Layer], claims: Sequence[Claim], norm: Ball, state: Array) -> Ball:
    """The norm of the difference behind a chain of layers."""
    first = 0
    for claim in claims:
        run, first = layers[first : first + claim.layers], first + claim.layers
        layer, n_x = run[0], sum(layer.n_x for layer in run)
        x0, state = state[:n_x], state[n_x:]
        if claim.method in (JOINT, JOINT_AT_REST):
            norm = ((flint.arb(claim.gain) * norm) ** 2 + _joint_value(run, claim, x0)).sqrt()
        elif isinstance(layer, Selective):
            p = claim.witness["p"][layer.core.memories().states, 0]
            norm = ((flint.arb(claim.gain) * norm) ** 2 + _quadratic(np.diag(p), x0[: p.size])).sqrt()
        elif isinstance(layer, (Dynamic, Clocked)):
            value = storage_value(layer.G, claim, x0) if np.any(x0) else flint.arb(0)
            norm = ((flint.arb(claim.gain) * norm) ** 2 + value).sqrt()
        elif isinstance(layer, Residual):
            norm = norm + _through(layer.layers, claim.inner, norm, x0)
        else:
            norm = flint.arb(claim.gain) * norm
    return norm


def _joint_value(run: Sequence[Layer], claim: Claim, x0: Array) -> Ball:
    """x'P x of the states of all linear systems, and sum_h T_h |x_h|^2 of the memories of each steered recurrence."""
    constraints, _ = constraints_of(run, claim.method == JOINT_AT_REST)
    weights = iter(claim.witness[f"T{i}"] for i, one in enumerate(constraints) if isinstance(one, Supply))
    value, linear = flint.arb(0), [np.zeros(0)]
    for layer in (leaf for one in run for leaf in one.leaves()):
        part, x0 = x0[: layer.n_x], x0[layer.n_x :]
        if isinstance(layer, Selective):
            p = next(weights)[layer.core.memories().states, 0]
            value += _quadratic(np.diag(p), part[: p.size])
        else:
            linear.append(part)
    return value + _quadratic(claim.witness["P"], np.concatenate(linear))


def _quadratic(P: Array, x0: Array) -> Ball:
    """x0'P x0."""
    x = BALL.embed(x0[:, None])
    return (x.T @ BALL.embed(P) @ x)[0, 0] if x0.size else flint.arb(0)


def _rounded_up(x: Ball) -> float:
    """A float that is at least every point of the ball (CertificateError where there is none)."""
    value = float(x.upper())
    if math.isfinite(value) and not x <= flint.arb(value):
        value = math.nextafter(value, math.inf)
    if not (math.isfinite(value) and x <= flint.arb(value)):
        raise CertificateError(f"no finite float bounds {x}")
    return value


def _modal_state(G: StateSpace, x0: Array) -> NDArray[np.complex128]:
    """The state of every mode: x_i + j x_{i+1} for a 2x2 block of A, x_i for a 1x1 block."""
    z, i = [], 0
    while i < G.n_x:
        pair = i + 1 < G.n_x and G.A[i + 1, i] != 0
        z.append(complex(x0[i], x0[i + 1] if pair else 0.0))
        i += 2 if pair else 1
    return np.array(z, dtype=np.complex128)
