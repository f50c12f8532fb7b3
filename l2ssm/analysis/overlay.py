"""What a report draws beside the model: the response in the data and in the simulation, a certificate's energies."""

from __future__ import annotations

from typing import Any

import numpy as np

from l2ssm.analysis.compare import Comparison
from l2ssm.analysis.dissipation import Dissipation, dissipation
from l2ssm.analysis.frequency_response import FrequencyResponse
from l2ssm.analysis.frf import frf
from l2ssm.certificates.certificate import Certificate
from l2ssm.certificates.falsify import waveform
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import CertificateError, DataError


def measured_responses(comparison: Comparison | None, name: str) -> dict[str, FrequencyResponse]:
    """ "data" and "model": both by the same method from the same scored samples; empty where the data cannot give one.

    Args:
        comparison: of `compare`.
        name: of the model in it.
    """
    if comparison is None or any(record.missing for record in comparison.records):
        return {}
    first, labels = comparison.n_init, zip(comparison.output_names, comparison.output_units, strict=True)
    units = {y: unit for y, unit in labels if unit}
    given = [_with_output(r, np.asarray(r.y), first, units) for r in comparison.records]
    try:
        data = frf(Dataset(given))
        simulated = zip(comparison.records, comparison.outputs[name], strict=True)
        return {"data": data, "model": frf(Dataset([_with_output(r, y, first, units) for r, y in simulated]))}
    except DataError:
        return {}


def _with_output(record: Record, y: Any, first: int, units: dict[str, str]) -> Record:
    """The record from sample `first` on with other outputs, and units where it has none."""
    about: dict[str, Any] = {"input_names": record.input_names, "output_names": record.output_names}
    return Record(
        record.u[first:], y[first:], record.dt, name=record.name, units={**units, **dict(record.units)}, **about
    )


def energies(certificate: Certificate | None, comparison: Comparison | None) -> tuple[Dissipation | None, str]:
    """(energies, "") of the first record's input beside its first value held, or of the worst input; or why not."""
    if certificate is None:
        return None, "no certificate was given"
    worst = waveform(certificate.lower)
    u, reference = (None, None) if worst is None else (worst.u + worst.du, worst.u)
    if comparison is not None:
        u = comparison.records[0].u
        reference = np.broadcast_to(u[0], u.shape)
    if u is None:
        return None, "neither data nor a worst input was given"
    try:
        return dissipation(certificate, u, None if certificate.kind == "l2" else reference), ""
    except CertificateError as error:
        return None, str(error)


def response_facts(found: dict[str, FrequencyResponse]) -> dict[str, Any] | None:
    """All points of the responses of `measured_responses`: gain, phase in degrees and radius of the 95 % circle."""
    if not found:
        return None
    data = found["data"]
    return {
        "method": data.method,
        "inputs": list(data.input_names),
        "outputs": list(data.output_names),
        "omega_rad_s": data.omega.tolist(),
        "coherence": None if data.coherence is None else data.coherence.tolist(),
        **{
            name: {
                "gain": np.abs(one.H).tolist(),
                "phase_degrees": np.rad2deg(np.angle(one.H)).tolist(),
                "radius_95_percent": one.radius(0.95).tolist(),
            }
            for name, one in found.items()
        },
    }


def energy_facts(found: Dissipation | None) -> dict[str, Any] | None:
    """Totals of a dissipation plot, and the smallest slack beside its rounding."""
    if found is None:
        return None
    return {
        "unit": found.energy_unit,
        "supplied": float(found.supplied.sum()),
        "delivered": float(found.delivered.sum()),
        "stored_at_the_end": float(found.stored[-1]),
        "stored_at_most": float(found.stored.max()),
        "smallest_slack": float(found.slack.min()),
        "rounding": found.rounding,
        "holds": found.holds,
    }
