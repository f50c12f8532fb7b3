"""The parts of `analyse` as plain dictionaries: operators, data, fit, residuals and certificate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from l2ssm.analysis.compare import Comparison
from l2ssm.analysis.directions import worst_direction
from l2ssm.analysis.metrics import Array, Scores, score
from l2ssm.analysis.modes import mode_table
from l2ssm.analysis.operators import is_frozen
from l2ssm.analysis.residuals import Residuals
from l2ssm.analysis.subject import Subject, gain_unit, measured
from l2ssm.certificates.certificate import Certificate, chain_of
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import CertificateError, OptionError, RealizationError
from l2ssm.systems.circle import gap
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.stability import Mode
from l2ssm.systems.state_space import StateSpace

NAME = "model"  # what the model is called in the comparison with the data
ON_TRAINING_DATA = "on the TRAINING data"


def is_training_data(model: Subject, records: Sequence[Record]) -> bool:
    """Whether the records are the very ones the model was fitted to: same numbers, names, units and instants."""
    known = getattr(model, "info", {}).get("data_digest")
    return known is not None and known == Dataset(records).digest


def operator_facts(G: StateSpace, name: str = "") -> dict[str, Any]:
    """Size, Schur test, H-infinity bracket with its peak and direction, and the modal table of one linear operator.

    "margin" is 1 - |pole| of the pole next to the unit circle, to its last digits; "unit" is that of all gains.
    """
    bracket = G.hinf()
    return {
        "n_x": G.n_x,
        "n_u": G.n_u,
        "n_y": G.n_y,
        "dt_s": G.dt,
        "sha256": G.digest,
        "frozen": is_frozen(name),
        "schur": G.is_schur(),
        "spectral_radius": G.spectral_radius(),
        "margin": float(np.min(gap(G.poles()), initial=1.0)) + 0.0,  # not -0
        "unit": gain_unit(G),
        "hinf": {
            "lower": bracket.lower,
            "upper": bracket.upper,
            "omega_peak_rad_s": bracket.omega_peak,
            "frequency_peak_hz": bracket.omega_peak / (2 * np.pi),
            "reason": bracket.reason,
            "direction": _direction(G),
        },
        "poles": [
            {**_pole(row.mode, G.dt), "residue_norm": row.residue_norm, "hankel": row.hankel, "hankel_share": row.share}
            for row in mode_table(G)
        ],
    }


def _direction(G: StateSpace) -> dict[str, Any] | None:
    """Share and phase of every channel at the peak; None where there is no finite gain."""
    try:
        found = worst_direction(G)
    except RealizationError:
        return None
    sides = {"inputs": (G.input_names, found.input), "outputs": (G.output_names, found.output)}
    return {
        side: [
            {"name": name, "amplitude": float(abs(a)), "phase_degrees": float(np.rad2deg(np.angle(a)))}
            for name, a in zip(names or (), amplitudes, strict=True)
        ]
        for side, (names, amplitudes) in sides.items()
    }


def _pole(mode: Mode, dt: float) -> dict[str, Any]:
    omega = abs(float(np.angle(mode.pole))) / dt
    return {
        "real": mode.pole.real,
        "imag": mode.pole.imag,
        "modulus": abs(mode.pole),
        "states": mode.states,
        "time_constant_s": float(mode.time_constant),
        "oscillation_rad_s": omega,
        "oscillation_hz": omega / (2 * np.pi),
        "natural_frequency_rad_s": float(mode.frequency),
        "damping": float(mode.damping),
    }


def data_facts(comparison: Comparison) -> list[dict[str, Any]]:
    """Length, sampling and the range of every channel of every record."""
    rows = []
    for record in comparison.records:
        y = measured(record)
        channels = [(n, record.u[:, i], "input") for i, n in enumerate(record.input_names)]
        channels += [(n, y[:, i], "output") for i, n in enumerate(record.output_names)]
        rows.append(
            {
                "record": record.name,
                "samples": record.T,
                "dt_s": record.dt,
                "duration_s": record.duration,
                "sha256": record.digest,
                "channels": [
                    {"name": name, "unit": record.units.get(name, ""), "role": role, **_range(v)}
                    for name, v, role in channels
                ],
            }
        )
    return rows


def _range(values: Array) -> dict[str, Any]:
    """Smallest, largest, mean and standard deviation of what was measured; None where nothing was."""
    known = values[~np.isnan(values)]
    found = {"not_measured": values.size - known.size}
    if not known.size:
        return found | dict.fromkeys(("min", "max", "mean", "std"))
    extent = {"min": known.min(), "max": known.max(), "mean": known.mean(), "std": known.std()}
    return found | {key: float(value) for key, value in extent.items()}


def fit_facts(comparison: Comparison, training: bool = False) -> dict[str, Any]:
    """RMSE, NRMSE and fit of the model called `NAME`, over all records and for each; "on" names the training data."""

    n_init = comparison.n_init
    labels = list(zip(comparison.output_names, comparison.output_units, strict=True))
    records = []
    for record, y_hat in zip(comparison.records, comparison.outputs[NAME], strict=True):
        y = measured(record)
        seen = np.flatnonzero(~np.isnan(y[n_init:]).all(axis=0))  # of what was not measured there is no fit
        rows = _scores(score(y[:, seen], y_hat[:, seen], n_init, missing=True), [labels[i] for i in seen])
        records.append({"record": record.name, "outputs": rows})
    return {
        "on": ON_TRAINING_DATA if training else None,
        "n_init": n_init,
        "samples_scored": comparison.scored,
        "outputs": _scores(comparison.scores[NAME], labels),
        "records": records,
    }


def _scores(s: Scores, labels: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    return [
        {"output": name, "unit": unit, "rmse": float(s.rmse[i]), "nrmse": float(s.nrmse[i]),
         "fit_percent": float(s.fit[i])}
        for i, (name, unit) in enumerate(labels)
    ]  # fmt: skip


def residual_facts(result: Residuals) -> dict[str, Any]:
    """The two verdicts, and the largest correlation of every output with every input beside its band."""
    pairs = [
        {"output": y, "input": u, "largest_correlation": float(np.max(np.abs(result.cross[i, j]))),
         "band": float(result.cross_band[i, j]), "effective_samples": float(result.effective[i, j]),
         "largest_correlation_square": float(np.max(np.abs(result.square[i, j]))),
         "band_square": float(result.square_band[i, j])}
        for i, y in enumerate(result.output_names)
        for j, u in enumerate(result.input_names)
    ]  # fmt: skip
    return {
        "verdict": result.verdict,
        "independent_of_input": result.independent,
        "white": result.white,
        "false_alarm": result.false_alarm,
        "lags": int(result.lags[-1]),
        "mean": [float(m) for m in result.mean],
        "pairs": pairs,
    }


def certificate_facts(certificate: Certificate, network: Interconnection | StateSpace) -> dict[str, Any]:
    """The claim, its status and its hashes.

    Raises:
        OptionError: not a certificate.
        CertificateError: it is about other numbers than those of the network.
    """
    if not isinstance(certificate, Certificate):
        raise OptionError(f"{type(certificate).__name__} is not a certificate; `certify` makes one, `verify` reads one")
    if chain_of(network).digest != certificate.digest:
        raise CertificateError(
            f"the certificate is about the numbers {certificate.digest[:12]}..., the model has"
            f" {network.digest[:12]}...; certify this model"
        )
    lower = None if certificate.lower is None else float(certificate.lower.gain)
    return {
        "kind": certificate.kind,
        "gamma": float(certificate.gamma),
        "unit": gain_unit(certificate.network),
        "verified": bool(certificate.verified),
        "verified_in": certificate.verified_in,
        "lower": lower,
        "lower_from": None if certificate.lower is None else str(certificate.lower.description),
        "gap_percent": 100 * (float(certificate.gamma) / lower - 1) if lower else None,
        "numbers_sha256": certificate.digest,
        "model_file_sha256": certificate.model_sha256,
        "certificate_sha256": certificate.file_digest,
        "statement": str(certificate).splitlines(),
    }
