"""What a selective cell would be if its coefficients stayed those of one constant input: a linear system to look at.

The cell itself is another system: its coefficients move with the input. Stability and gain of a frozen system are no
statement about the cell, and no certificate uses one.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.linalg import block_diag

from l2ssm.errors import RealizationError
from l2ssm.systems.clocked import Clocked
from l2ssm.systems.contractive_cores import GatedCore, LosslessCore
from l2ssm.systems.core import Core, softplus
from l2ssm.systems.layer import Array, Layer
from l2ssm.systems.legendre_core import LegendreCore, transitions
from l2ssm.systems.s6_core import S6Core
from l2ssm.systems.selective import Selective
from l2ssm.systems.state_space import StateSpace

Matrices = tuple[Array, Array, Array, Array]


@singledispatch
def frozen(layer: Layer, v: Array, dt: float) -> StateSpace:
    """The linear system u -> y of a layer whose coefficients are those of the constant input v (n_in,).

    At u = v it is the layer: the steady state of the one is that of the other.

    Raises:
        RealizationError: the layer is not a selective cell.
    """
    raise RealizationError(f"a {type(layer).__name__} has no coefficients to freeze")


@frozen.register
def _selective(layer: Selective, v: Array, dt: float) -> StateSpace:
    A, B, C, D = of_core(layer.core, layer.S @ v + layer.s)
    return StateSpace(A, B @ layer.W, layer.C @ C, layer.C @ D @ layer.W + layer.D, dt)


@frozen.register
def _clocked(layer: Clocked, v: Array, dt: float) -> StateSpace:
    lam, B = layer.lam_real + 1j * layer.lam_imag, layer.B_real + 1j * layer.B_imag
    C, limit = layer.C_real + 1j * layer.C_imag, float(np.log(layer.span[0]))
    r = np.exp(0.5 * np.clip(float(layer.S[0] @ v + layer.s[0]), -limit, limit))
    e = 2 / (1 + lam + r**2 * (1 - lam))
    D = ((C * (0.5 * (r**2 - 1) * e)) @ B).real + layer.D
    return StateSpace(_blocks(e * (1 + lam) - 1), _rows((r * e)[:, None] * B), _rows((C * (r * e)).conj().T).T, D, dt)


@singledispatch
def of_core(core: Core, steer: Array) -> Matrices:
    """(A, B, C, D) from drive to output of a core under the constant steering (n_steer,).

    Raises:
        RealizationError: an unknown core.
    """
    raise RealizationError(f"the coefficients of a {type(core).__name__} cannot be frozen")


@of_core.register
def _gated(core: GatedCore, steer: Array) -> Matrices:
    p, i = special.expit(steer).reshape(2, -1)
    log_a = -core.rate * (core.gate_min + (1 - core.gate_min) * p)
    A, B = np.diag(np.exp(log_a)), np.diag(np.sqrt(-np.expm1(2 * log_a)) * i)
    return A, B, A, B


@of_core.register
def _lossless(core: LosslessCore, steer: Array) -> Matrices:
    step, n = softplus(steer), core.rate.size
    lam, s = np.exp(step * (-core.rate + 1j * core.frequency)), np.sqrt(-np.expm1(-2 * step * core.rate))
    pairs = np.arange(2 * n).reshape(2, n).T.ravel()  # Re and Im of a mode side by side, as its states are
    A, S, D = _blocks(lam), np.diag(np.repeat(s, 2)), _blocks(-lam.conj())
    order = np.eye(2 * n)[pairs]
    return A, S @ order, order.T @ S, order.T @ D @ order


@of_core.register
def _s6(core: S6Core, steer: Array) -> Matrices:
    d, n = core.A_real.shape
    raw, B, C = np.split(steer, [d, d + (steer.size - d) // 2])
    step, poles = softplus(raw)[:, None], core.A_real + 1j * core.A_imag
    if core.field == "complex":
        B, C = B[:n] + 1j * B[n:], C[:n] + 1j * C[n:]
    else:
        poles = poles.real
    a = np.exp(step * poles)
    b = (step if core.input_rule == "euler" else np.expm1(step * poles) / poles) * B
    spread = np.kron(np.eye(d), np.ones((n, 1)))  # (d n, d): the channel of a state
    if core.field == "real":
        A, b, c = np.diag(a.ravel()), b.reshape(-1, 1) * spread, spread.T * np.tile(C, d)
    else:
        A, b, c = _blocks(a.ravel()), _rows(b.reshape(-1, 1) * spread), 2 * _rows((spread.T * np.tile(C, d)).conj().T).T
    return A, b, c @ A, c @ b


@of_core.register
def _legendre(core: LegendreCore, steer: Array) -> Matrices:
    step, n = np.exp(np.clip(steer, np.log(core.low), np.log(core.high))), int(core.order[0])
    blocks = transitions(step, n)
    A, states = block_diag(*blocks), step.size * n
    return (
        A,
        block_diag(*(np.eye(n)[:, :1] - one[:, :1] for one in blocks)),
        np.eye(states),
        np.zeros((states, step.size)),
    )


def _blocks(lam: NDArray[np.complex128]) -> Array:
    """The real block diagonal matrix that multiplies (Re, Im) of every mode by lam."""
    return block_diag(*(np.array([[z.real, -z.imag], [z.imag, z.real]]) for z in np.ravel(lam)))


def _rows(M: NDArray[Any]) -> Array:
    """(2 n, k): Re and Im of every row of M (n, k), one below the other."""
    return np.stack([M.real, M.imag], axis=1).reshape(2 * M.shape[0], M.shape[1])
