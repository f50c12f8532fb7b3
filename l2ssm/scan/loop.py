"""The reference: the recurrence written as it is defined, one sample after the other. Slow, obvious, differentiable."""

from __future__ import annotations

import torch
from torch import Tensor

from l2ssm.scan.contract import Readout


def diag_scan(a: Tensor, b: Tensor, x0: Tensor) -> Tensor:
    """x[:, k+1] = a[k] * x[:, k] + b[:, k], returned for k = 0..time."""
    x = [x0]
    for k in range(b.shape[1]):
        x.append((a if a.ndim == 1 else a[:, k]) * x[-1] + b[:, k])
    return torch.stack(x, dim=1)


def lti_scan(
    u: Tensor, lam: Tensor, B: Tensor, C: Tensor, D: Tensor | None, x0: Tensor, readout: Readout
) -> tuple[Tensor, Tensor]:
    """x[k+1] = lam x[k] + B u[k]; y[k] = Re(C x[k]) + D u[k], or Re(C x[k+1]) + D u[k] with readout "post"."""
    x, outputs = x0, [u.new_zeros((u.shape[0], 0, C.shape[0]))]
    for k in range(u.shape[1]):
        before, x = x, lam * x + u[:, k].to(B.dtype) @ B.mT
        y = ((before if readout == "pre" else x) @ C.mT).real
        outputs.append((y if D is None else y + u[:, k] @ D.mT)[:, None])
    return torch.cat(outputs, dim=1), x


def dense_scan(
    u: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None, x0: Tensor, readout: Readout
) -> tuple[Tensor, Tensor]:
    """x[k+1] = A x[k] + B u[k]; y[k] = C x[k] + D u[k], or C x[k+1] + D u[k] with readout "post"."""
    x, outputs = x0, [u.new_zeros((u.shape[0], 0, C.shape[0]))]
    for k in range(u.shape[1]):
        before, x = x, x @ A.mT + u[:, k] @ B.mT
        y = (before if readout == "pre" else x) @ C.mT
        outputs.append((y if D is None else y + u[:, k] @ D.mT)[:, None])
    return torch.cat(outputs, dim=1), x
