"""The recurrence x[k+1] = a x[k] + b[k], on every device, in every read-out convention, with exact gradients."""

from __future__ import annotations

from l2ssm.scan.contract import Backend, Choice
from l2ssm.scan.interface import dense_scan, diag_scan, lti_scan, step
from l2ssm.scan.selection import BACKENDS, select_backend

__all__ = ["BACKENDS", "Backend", "Choice", "dense_scan", "diag_scan", "lti_scan", "select_backend", "step"]
