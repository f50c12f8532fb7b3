"""The lower bound of a certificate, measured again from its inputs. It can refuse a certificate, never prove one."""

from __future__ import annotations

import numpy as np

from l2ssm.certificates.certificate import Certificate
from l2ssm.certificates.statement import sense
from l2ssm.errors import CertificateError

LOSS, ROUNDING = 1e-6, 2.0**-37
"""How far two machines may differ in a simulation: of the difference of two outputs, and of the outputs themselves."""
LARGEST = 1e300


def assert_attained(certificate: Certificate) -> None:
    """The lower bound is within [0, gamma], and its inputs give it in float64, or CertificateError."""
    lower, network = certificate.lower, certificate.network
    if lower is None:
        return
    if not 0 <= lower.gain <= certificate.gamma:
        raise CertificateError(f"the lower bound {lower.gain} is not within [0, gamma], gamma = {certificate.gamma}")
    u, du = lower.u, lower.du
    if u is None and du is None:
        return
    if u is None or du is None or u.shape != du.shape or u.ndim != 2 or u.shape[1] != network.n_u:
        shapes = [None if M is None else M.shape for M in (u, du)]
        raise CertificateError(f"the worst input has shapes {shapes}, expected twice (T, {network.n_u})")
    if np.any(np.maximum(np.abs(u), np.abs(du)) > LARGEST):
        raise CertificateError("the worst input is out of the range of float64")
    if sense(certificate) == "rest" and np.any(u):
        raise CertificateError("the worst input does not start from rest, the only operating point of this claim")
    with np.errstate(all="ignore"):
        before, after = network.simulate(u), network.simulate(u + du)
        dy, size = float(np.linalg.norm(after - before)), float(np.linalg.norm((u + du) - u))
        margin = LOSS * dy + ROUNDING * float(np.linalg.norm(before) + np.linalg.norm(after))
    if not (np.isfinite(margin) and dy + margin >= lower.gain * size and (size > 0 or lower.gain == 0)):
        raise CertificateError(f"the worst input gives {dy:.6g} / {size:.6g}, not the gain {lower.gain:.6g} stated")
