"""`dissipation`: the storage function of a certificate along a trajectory, sample by sample.

A claim gives its layer, or run of layers, a storage V >= 0 with V(x+) - V(x) <= g^2 |in|^2 - |out|^2 for differences of
two runs. A chain then has S = sum_i (prod of the g_j^2 behind i) V_i, and a residual connection around a chain with
gain g has (1 + 1/g) S:  |u + z|^2 <= (1 + g) |u|^2 + (1 + 1/g) |z|^2. So for the whole model, at every sample,

    slack = gamma^2 |du|^2 - |dy|^2 - (S(x+) - S(x)) >= 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from l2ssm.analysis.metrics import Array
from l2ssm.certificates.bounded_real import cauchy_storage
from l2ssm.certificates.certificate import AT_REST, JOINT, JOINT_AT_REST, Certificate, Claim
from l2ssm.errors import CertificateError, OptionError
from l2ssm.systems.layers import Dynamic, Layer, Product, Residual
from l2ssm.systems.simulation import signal
from l2ssm.systems.state_space import StateSpace


@dataclass(frozen=True, eq=False)
class Dissipation:
    """Energies of the difference of two runs, in the unit of the squared output times samples.

    Attributes:
        dt: sample time in seconds.
        stored: (T + 1,) S before every sample and after the last; 0 at first.
        supplied: (T,) gamma^2 |du|^2 of every sample.
        delivered: (T,) |dy|^2 of every sample.
        gamma: of the certificate.
        energy_unit: of all of them, "" where the outputs have none in common.
        level: the largest energy of a sample of either run alone, gamma^2 |u|^2 or |y|^2: what is subtracted.
    """

    dt: float
    stored: Array
    supplied: Array
    delivered: Array
    gamma: float
    energy_unit: str
    level: float

    @property
    def slack(self) -> Array:
        """(T,) supplied - delivered - what was put into the storage: never negative, up to rounding."""
        return np.asarray(self.supplied - self.delivered - np.diff(self.stored))

    @property
    def rounding(self) -> float:
        """The size of the rounding errors of `slack` in float64: a more negative one would refute the certificate.

        1e-10 of the largest energy E, and what is lost where the two runs differ little: each is known to about 1e-14
        of its own size, which moves the energy of the difference by 2 sqrt(E level) of that.
        """
        energy = max(np.max(self.stored), np.max(self.supplied, initial=0.0), 1e-300)
        lost = 1e-14 * np.sqrt(self.level)
        return float(1e-10 * energy + 2 * lost * np.sqrt(energy) + lost**2)

    @property
    def holds(self) -> bool:
        """Whether the slack is nowhere negative beyond rounding."""
        return bool(np.all(self.slack >= -self.rounding))


def dissipation(certificate: Certificate, u: ArrayLike, reference: ArrayLike | None = None) -> Dissipation:
    """Stored, supplied and delivered energy of the run of u beside that of a reference input, both from rest.

    Args:
        certificate: verified or not; its network is what is run.
        u: (T, n_u), physical units.
        reference: (T, n_u) or (n_u,) input of the other run; default 0, the only one for a certificate from rest.

    Raises:
        OptionError: not a certificate, or a reference that is not zero for one of kind "l2", or of another shape.
        DataError: an input or a reference that is not finite numbers.
        CertificateError: a layer without a quadratic storage along a trajectory; it is named.
    """
    if not isinstance(certificate, Certificate):
        raise OptionError(f"{type(certificate).__name__} is not a certificate; `certify` makes one, `verify` reads one")
    network = certificate.network
    inputs = signal(u, network.n_u)
    given = np.asarray(0.0 if reference is None else reference)
    if given.shape not in ((), (network.n_u,), inputs.shape):
        raise OptionError(f"reference has shape {given.shape}, expected {inputs.shape} or ({network.n_u},)")
    other = signal(np.broadcast_to(given, inputs.shape), network.n_u, "reference")
    if certificate.kind == "l2" and np.any(other):
        raise OptionError("the certificate is from rest (kind 'l2'): the reference is 0")
    y, z, stored = _chain(network.layers, certificate.claims, inputs, other)
    units = set(network.output_units)
    unit = units.pop() if len(units) == 1 else ""
    gamma = certificate.gamma
    supplied, delivered = gamma**2 * _energy(inputs - other), _energy(y - z)
    level = max(float(np.max(_energy(one), initial=0.0)) for one in (gamma * inputs, gamma * other, y, z))
    return Dissipation(network.dt, stored, supplied, delivered, gamma, f"{unit}²" if unit else "", level)


def _energy(signals: Array) -> Array:
    """(T,) of (T, n)."""
    return np.asarray(np.sum(signals**2, axis=1))


def _chain(layers: Sequence[Layer], claims: Sequence[Claim], u: Array, v: Array) -> tuple[Array, Array, Array]:
    """(output of u, output of v, S (T + 1,)) of a chain."""
    stored, first = np.zeros(len(u) + 1), 0
    for claim in claims:
        run, first = layers[first : first + claim.layers], first + claim.layers
        u, v, own = _run(run, claim, u, v)
        stored = claim.gain**2 * stored + own
    return u, v, stored


def _run(run: Sequence[Layer], claim: Claim, u: Array, v: Array) -> tuple[Array, Array, Array]:
    layer = run[0]
    if claim.method in (JOINT, JOINT_AT_REST):
        y, states = _trace(run, u)
        z, others = _trace(run, v)
        d = np.hstack([np.zeros((len(u) + 1, 0)), *(a - b for a, b in zip(states, others, strict=True))])
        return y, z, np.einsum("ti,ij,tj->t", d, claim.witness["P"], d)
    if isinstance(layer, Residual):
        y, z, stored = _chain(layer.layers, claim.inner, u, v)
        inner = float(np.prod([one.gain for one in claim.inner]))
        return u + y, v + z, (1 + 1 / inner) * stored
    if isinstance(layer, Dynamic):
        d = layer.G.states(u) - layer.G.states(v)
        rest = np.zeros(layer.n_x)
        return layer.run(u, rest), layer.run(v, rest), _storage(layer.G, claim, d)
    if layer.n_x:
        raise _no_storage(layer)
    return layer.run(u, np.zeros(0)), layer.run(v, np.zeros(0)), np.zeros(len(u) + 1)


def _trace(layers: Sequence[Layer], u: Array) -> tuple[Array, list[Array]]:
    """(output, states (T + 1, n) of every linear system in the order of `Layer.leaves`) from rest."""
    states: list[Array] = []
    for layer in layers:
        if isinstance(layer, Dynamic):
            states.append(layer.G.states(u))
            u = layer.run(u, np.zeros(layer.n_x))
        elif isinstance(layer, Residual):
            y, inner = _trace(layer.layers, u)
            u, states = u + y, states + inner
        elif isinstance(layer, Product):
            (y, left), (z, right) = _trace(layer.left, u), _trace(layer.right, u)
            u, states = y * z, states + left + right
        elif layer.n_x:
            raise _no_storage(layer)
        else:
            u = layer.run(u, np.zeros(0))
    return u, states


def _storage(G: StateSpace, claim: Claim, d: Array) -> Array:
    """V (T + 1,) of the states d (T + 1, n_x) of one linear system."""
    method, w = claim.method.removesuffix(AT_REST).strip(), claim.witness
    if method == "storage":
        return np.einsum("ti,ij,tj->t", d, w["P"], d)
    if method != "cauchy" or G.modes is None:
        raise CertificateError(f"a claim by {claim.method!r} has no storage function along a trajectory")
    modes = G.modes
    pair = modes.lam.imag != 0
    first = np.cumsum(np.where(pair, 2, 1)) - np.where(pair, 2, 1)
    x = d[:, first].astype(np.complex128)
    x[:, pair] += 1j * d[:, first[pair] + 1]
    V = cauchy_storage(modes.lam[:, None], modes.C, w["delta"], w["C2_real"] + 1j * w["C2_imag"])
    quadratic = np.einsum("ti,ij,tj->t", x.conj(), V.Q1, x) + np.einsum("ti,ij,tj->t", x, V.Q2, x)
    return np.asarray((np.abs(x) ** 2) @ V.pd[:, 0] + quadratic.real / 2)


def _no_storage(layer: Layer) -> CertificateError:
    return CertificateError(
        f"a {type(layer).__name__} layer: its storage is not a quadratic form of a linear system's states, so there is"
        " nothing to draw along a trajectory"
    )
