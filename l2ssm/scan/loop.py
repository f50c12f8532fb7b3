"""The reference: the recurrence written as it is defined, one sample after the other. Slow, obvious, differentiable."""

from __future__ import annotations

from itertools import repeat

import torch
from torch import Tensor

from l2ssm.scan.contract import Readout


def diag_scan(a: Tensor, b: Tensor, x0: Tensor) -> Tensor:
    """x[:, k+1] = a[k] * x[:, k] + b[:, k], returned for k = 0..time."""
    x = [x0]
    for a_k, b_k in zip(repeat(a) if a.ndim == 1 else a.unbind(1), b.unbind(1), strict=False):
        x.append(a_k * x[-1] + b_k)
    return torch.stack(x, dim=1)


def lti_scan(
    u: Tensor, lam: Tensor, B: Tensor, C: Tensor, D: Tensor | None, x0: Tensor, readout: Readout
) -> tuple[Tensor, Tensor]:
    """x[k+1] = lam x[k] + B u[k]; y[k] = Re(C x[k]) + D u[k], or Re(C x[k+1]) + D u[k] with readout "post"."""
    x, outputs = x0, [u.new_zeros((u.shape[0], 0, C.shape[0]))]
    for u_k in u.unbind(1):  # one node in the graph: indexing makes backward quadratic in time
        before, x = x, lam * x + u_k.to(B.dtype) @ B.mT
        y = ((before if readout == "pre" else x) @ C.mT).real
        outputs.append((y if D is None else y + u_k @ D.mT)[:, None])
    return torch.cat(outputs, dim=1), x


def dense_scan(
    u: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None, x0: Tensor, readout: Readout
) -> tuple[Tensor, Tensor]:
    """x[k+1] = A x[k] + B u[k]; y[k] = C x[k] + D u[k], or C x[k+1] + D u[k] with readout "post"."""
    x, outputs = x0, [u.new_zeros((u.shape[0], 0, C.shape[0]))]
    for u_k in u.unbind(1):
        before, x = x, x @ A.mT + u_k @ B.mT
        y = (before if readout == "pre" else x) @ C.mT
        outputs.append((y if D is None else y + u_k @ D.mT)[:, None])
    return torch.cat(outputs, dim=1), x
