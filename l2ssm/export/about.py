"""What an exported file says about itself: channels, units, sample time, the gain proved, the origin of its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from typing import Any

from l2ssm.certificates.certificate import Certificate, chain_of, model_digest
from l2ssm.certificates.statement import MEANINGS, rounded_up, sense
from l2ssm.errors import ExportError
from l2ssm.systems.interconnection import Interconnection

NO_PROOF = "none: no certificate was given"


@dataclass(frozen=True, eq=False)
class About:
    """The facts of an export.

    Attributes:
        network: the numbers that are exported.
        precision: of them and of the arithmetic.
        model_sha256: of the model they are from, before any rounding; None for a bare system.
        certificate: a verified one about just these numbers, or None.
    """

    network: Interconnection
    precision: str
    model_sha256: str | None
    certificate: Certificate | None

    def facts(self) -> dict[str, str]:
        """Name and text of every fact, in order."""
        network = self.network
        found = {
            "program": _version(),
            "precision": self.precision,
            "sample_time_s": repr(network.dt),
            "inputs": _channels(network.input_names, network.input_units),
            "outputs": _channels(network.output_names, network.output_units),
            "states": str(network.n_x),
            "system_sha256": network.digest,
            "model_sha256": self.model_sha256 or "none: not from a model file",
            "gain_certified": NO_PROOF,
        }
        if self.certificate is None:
            return found
        gain = f"{rounded_up(self.certificate.gamma)} {self.certificate.unit}".strip()
        found["gain_certified"] = f"{gain} ({float(self.certificate.gamma).hex()})"
        found["gain_meaning"] = MEANINGS[sense(self.certificate)]
        found["certificate_sha256"] = self.certificate.file_digest
        found["gain_covers"] = "the numbers in this file, taken as exact; not the rounding of the arithmetic"
        return found


def about(system: Any, precision: str, certificate: Certificate | None) -> About:
    """The facts of exporting a system.

    Raises:
        ExportError: the certificate is not verified, or about other numbers.
    """
    network = chain_of(system)
    if certificate is not None and not certificate.verified:
        raise ExportError("the certificate is not verified here; pass what l2ssm.verify or l2ssm.certify returned")
    if certificate is not None and certificate.digest != network.digest:
        raise ExportError(
            f"the certificate is about the system {certificate.digest[:12]}..., what is exported is "
            f"{network.digest[:12]}...; for float32 export what certified_float32 returned"
        )
    return About(network, precision, _origin(system), certificate)


def _origin(system: Any) -> str | None:
    """The digest of the model, or of the one that was rounded to it."""
    export = getattr(system, "info", {}).get("export")
    origin = export.get("from") if isinstance(export, dict) else None
    return origin if isinstance(origin, str) else model_digest(system)


def _channels(names: tuple[str, ...], units: tuple[str, ...]) -> str:
    return ", ".join(f"{name} [{unit or '1'}]" for name, unit in zip(names, units, strict=True))


def _version() -> str:
    try:
        return f"l2ssm {metadata.version('l2ssm')}"
    except metadata.PackageNotFoundError:
        return "l2ssm, not installed"
