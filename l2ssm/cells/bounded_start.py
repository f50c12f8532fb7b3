"""The free parameters of a given system in `bounded_diagonal`: its Cauchy certificate, in a well-scaled gauge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l2ssm.cells.linear_start import decay_and_phase
from l2ssm.errors import CertificateError, RealizationError
from l2ssm.parametrizations.bounded_diagonal import LOG_PD_MAX, LOG_PD_MIN
from l2ssm.systems.modal import Modes
from l2ssm.systems.state_space import StateSpace

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

MOST_SLACK = 0.05  # of the certificate, where the gain is far below gamma
LEAST_NORM = 0.1  # relative to gamma: a smaller gain gets the certificate of this one
SPARE_PD = 0.05  # diagonal storage of a mode that is not used yet
PD_MIN = 10 * np.exp(LOG_PD_MIN)


@dataclass(frozen=True)
class FreeParameters:
    """The arguments of `bounded_diagonal`, n_x modes."""

    nu: Array
    theta: Array
    B: ComplexArray
    C: ComplexArray
    C2: ComplexArray
    D: Array
    log_pd: Array


def free_parameters(modes: Modes, gamma: float, n_x: int) -> FreeParameters:
    """Parameters whose T is below the identity, so that the map returns `modes` unscaled.

    Raises:
        RealizationError: no certificate below gamma was found, or a pole is too near the unit circle.
    """
    from l2ssm.certificates.cauchy import search

    dual = modes.D.shape[0] < modes.D.shape[1]
    nu, theta = decay_and_phase(modes.lam)
    B, C, D = modes.B / gamma, modes.C, modes.D / gamma
    form = Modes(modes.lam, C.T, B.T, D.T) if dual else Modes(modes.lam, B, C, D)
    norm = StateSpace.from_modes(form.lam, form.B, form.C, form.D).hinf().upper
    norm = max(norm, LEAST_NORM)
    try:
        witness = search(form, norm, min(0.5 * (1 / norm - 1), MOST_SLACK))
    except CertificateError as error:
        raise RealizationError(f"the gain is too near gamma = {gamma:.9g}: {error}") from None
    if not witness.gain < 1:
        raise RealizationError(
            f"the gain is too near gamma = {gamma:.9g}: the best certificate is {witness.gain * gamma:.9g}"
        )
    s = np.sqrt((1 - np.abs(modes.lam)) * (1 + np.abs(modes.lam)))
    k = _gauge(form, witness.delta[:, 0], s)
    log_pd = np.log(witness.delta[:, 0] / (k * s) ** 2)
    drive, read = (k / s)[:, None] * form.B, form.C / (k * s)
    spare = n_x - modes.lam.size
    rng = np.random.default_rng(0)
    unused = rng.standard_normal((spare, drive.shape[1], 2)) @ np.array([1.0, 1.0j])
    unused *= 0.5 * np.sqrt((1 - witness.gain**2) / max(1.0, float(np.sum(np.abs(unused) ** 2))))
    drive = np.concatenate([drive, unused])
    read, C2 = (np.pad(M, ((0, 0), (0, spare))) for M in (read, witness.C2 / (k * s)))
    return FreeParameters(
        np.concatenate([nu, -np.log(np.geomspace(2.0, 50.0, spare))]),
        np.concatenate([theta, np.zeros(spare)]),
        read.T if dual else drive,
        drive.T if dual else read,
        C2,
        D,
        np.concatenate([np.clip(log_pd, LOG_PD_MIN, LOG_PD_MAX), np.full(spare, np.log(SPARE_PD))]),
    )


def _gauge(form: Modes, delta: Array, s: Array) -> Array:
    """k (n,) of the states k x: |b| = |c|, or less where pd = delta / (k s)^2 would leave its range."""
    b, c = np.linalg.norm(form.B, axis=1), np.linalg.norm(form.C, axis=0)
    usable = (b > 0) & (c > 0)
    k = np.sqrt(np.where(usable, c, 1.0) / np.where(usable, b, 1.0))
    return np.clip(k, np.sqrt(delta / np.exp(LOG_PD_MAX)) / s, np.sqrt(delta / PD_MIN) / s)
