"""`GainMonitor`: the proved gain of a model while it is trained."""

from __future__ import annotations

from l2ssm.certificates.compose import certify
from l2ssm.errors import CertificateError, RealizationError
from l2ssm.networks.deep import DeepSSM
from l2ssm.networks.freeze import freeze

SECONDS = 5.0  # of a proof, for the tiers beyond the product of the gains


class GainMonitor:
    """Called at each validation: the gain of the frozen model, proved within `SECONDS`, at every `every`-th one.

    Args:
        model: in training; it is not changed.
        every: validations from one proof to the next.
    """

    def __init__(self, model: DeepSSM, every: int) -> None:
        self.model, self.every = model, every

    def __call__(self, validation: int) -> float | None:
        """The best gain that `certify` proves in time, in physical units; None where none is due or none was proved."""
        if validation % self.every:
            return None
        try:
            return certify(freeze(self.model, 1.0), lower=False, time_limit=SECONDS).gamma
        except (CertificateError, RealizationError):
            return None
