"""The tube around a simulation that no admissible perturbation of its input can leave.

Two runs with inputs u, u + du and initial states that differ by dx0 satisfy, at every k,

    |dy[k]|^2  <=  sum_{j<=k} |dy[j]|^2  <=  gamma^2 E[k] + V(dx0)  =  r[k]^2,    E[k] >= sum_{j<=k} |du[j]|^2.

E[k] is the energy allowed, or (k + 1) d^2 where |du[j]| <= d at every sample. The second kind grows with sqrt(k): a
gain in energies does not know when the energy was spent. It is guaranteed, and for long records far from tight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2ssm.certificates.certificate import Certificate, chain_of
from l2ssm.certificates.rigorous import exact
from l2ssm.certificates.smallest import smallest_float
from l2ssm.errors import CertificateError, OptionError
from l2ssm.options import positive

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tube:
    """|y_perturbed[k] - y[k]| <= radius[k] for every admissible perturbation.

    Attributes:
        y: (T, n_y) the nominal simulation, in float64.
        radius: (T,) of a ball in the output space, rounded up; never falling.
        dt: sample time in seconds.
        output_names, output_units: one a channel.
        condition: what is admissible, in words.
    """

    y: Array
    radius: Array
    dt: float
    output_names: tuple[str, ...]
    output_units: tuple[str, ...]
    condition: str

    def contains(self, y: ArrayLike) -> bool:
        """Whether a simulation y (T, n_y) stays inside at every sample.

        Args:
            y: (T, n_y) outputs of the perturbed run.
        """
        return bool(np.all(np.linalg.norm(np.reshape(y, self.y.shape) - self.y, axis=1) <= self.radius))


def deviation_tube(
    model: Any,
    certificate: Certificate,
    data: Any,
    *,
    energy: float | None = None,
    peak: float | None = None,
    x0: ArrayLike | None = None,
    dx0: ArrayLike | None = None,
) -> Tube:
    """The nominal run of a model and, at every sample, how far a perturbed input can move the output.

    Args:
        model: what the certificate is about: a `StateSpace`, an `Interconnection` or a fitted model.
        certificate: verified, of kind "incremental".
        data: the nominal input, as `model.simulate` takes it: u (T, n_u), for a fitted model also a record.
        energy: sum |du|^2 <= energy over the whole record.
        peak: |du[k]| <= peak at every sample (norm over the inputs); with both, both hold.
        x0: initial state of the nominal run; default that of `model.simulate`. The perturbed run starts there too, even
            where the model would estimate another one from the perturbed input.
        dx0: (n_x,) by how much the perturbed run starts elsewhere; its storage is added.

    Raises:
        CertificateError: not verified, another kind, about another model, or no storage for a non-zero dx0.
        OptionError: no bound on du, or one that is not a finite number > 0.
    """
    if not (certificate.verified and certificate.kind == "incremental"):
        raise CertificateError(
            f"the certificate is of kind {certificate.kind!r}, {'' if certificate.verified else 'not '}verified here; "
            "a tube needs a verified one of kind 'incremental'"
        )
    if chain_of(model).digest != certificate.digest:
        raise CertificateError("the certificate is about other numbers than those of the model")
    if energy is None and peak is None and dx0 is None:
        raise OptionError("give energy, peak or dx0: what may be perturbed")
    energy = None if energy is None else positive("energy", energy)
    peak = None if peak is None else positive("peak", peak, "amplitude")
    y = np.asarray(model.simulate(data) if x0 is None else model.simulate(data, x0=x0))
    spent = _energies(len(y), energy, peak)
    bounds = {e: certificate.bound(dx0, e) for e in np.unique(spent).tolist()}
    radius = np.nextafter(np.sqrt([bounds[e] for e in spent.tolist()]), np.inf)
    network = certificate.network
    condition = _condition(energy, peak, dx0 is not None, set(network.input_units))
    return Tube(y, radius, network.dt, network.output_names, network.output_units, condition)


def _energies(count: int, energy: float | None, peak: float | None) -> Array:
    """E[k] of each sample, rounded up."""
    limit = math.inf if energy is None else energy
    if peak is None:
        return np.full(count, 0.0 if energy is None else energy)
    square = exact(peak) ** 2
    return np.array([min(limit, smallest_float((k + 1) * square)) for k in range(count)])


def _condition(energy: float | None, peak: float | None, moved: bool, units: set[str]) -> str:
    """The bounds as they were used: rounded, they would admit more than the tube holds for."""
    unit = units.pop() if len(units) == 1 else ""
    parts = [] if energy is None else [f"sum |du|² <= {energy!r} {unit + '²' if unit else ''}".strip()]
    parts += [] if peak is None else [f"|du| <= {peak!r} {unit}".strip()]
    return ", ".join(parts + (["another initial state"] if moved else [])) or "the same input"
