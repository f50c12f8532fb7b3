"""`diag_scan` as numba kernels, real or complex, constant or time-varying. Importing this module loads numba.

Every call works on items first..last-1 of the batch and columns low..high-1, holds no lock and starts no thread.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from l2ssm.scan.blas import compiled

FLUSH = 256  # samples summed in the working precision before they go into a sum in double precision


@compiled
def constant(a: Any, b: Any, x: Any, first: int, last: int, low: int, high: int) -> None:
    """x[k+1] = a x[k] + b[k] from x[0], a (n,)."""
    for t in range(first, last):
        for k in range(b.shape[1]):
            now, after, drive, factor = x[t, k, low:high], x[t, k + 1, low:high], b[t, k, low:high], a[low:high]
            for i in range(high - low):
                after[i] = factor[i] * now[i] + drive[i]


@compiled
def varying(a: Any, b: Any, x: Any, first: int, last: int, low: int, high: int) -> None:
    """x[k+1] = a[k] x[k] + b[k] from x[0], a like b."""
    for t in range(first, last):
        for k in range(b.shape[1]):
            now, after, drive, factor = x[t, k, low:high], x[t, k + 1, low:high], b[t, k, low:high], a[t, k, low:high]
            for i in range(high - low):
                after[i] = factor[i] * now[i] + drive[i]


@compiled
def constant_adjoint(
    a: Any, x: Any, x_grad: Any, b_grad: Any, x0_grad: Any, a_sum: Any, first: int, last: int, low: int, high: int
) -> None:
    """b_grad[k-1] = x_grad[k] + conj(a) b_grad[k], down to x0_grad; a_sum += sum_k b_grad[k] conj(x[k])."""
    time, width = b_grad.shape[1], high - low
    factor, part = np.conj(a[low:high]), np.zeros_like(a[low:high])
    for t in range(first, last):
        b_grad[t, time - 1, low:high] = x_grad[t, time, low:high]
        for k in range(time - 1, -1, -1):
            now, grad, state = b_grad[t, k, low:high], x_grad[t, k, low:high], x[t, k, low:high]
            before = b_grad[t, k - 1, low:high] if k > 0 else x0_grad[t, low:high]
            for i in range(width):
                part[i] += now[i] * np.conj(state[i])
                before[i] = grad[i] + factor[i] * now[i]
            if k % FLUSH == 0:
                for i in range(width):
                    a_sum[low + i] += part[i]
                    part[i] = 0


@compiled
def varying_adjoint(
    a: Any, x: Any, x_grad: Any, b_grad: Any, x0_grad: Any, a_grad: Any, first: int, last: int, low: int, high: int
) -> None:
    """b_grad[k-1] = x_grad[k] + conj(a[k]) b_grad[k], down to x0_grad; a_grad[k] = b_grad[k] conj(x[k])."""
    time = b_grad.shape[1]
    for t in range(first, last):
        b_grad[t, time - 1, low:high] = x_grad[t, time, low:high]
        for k in range(time - 1, -1, -1):
            now, grad, state = b_grad[t, k, low:high], x_grad[t, k, low:high], x[t, k, low:high]
            before = b_grad[t, k - 1, low:high] if k > 0 else x0_grad[t, low:high]
            factor, product = a[t, k, low:high], a_grad[t, k, low:high]
            for i in range(high - low):
                product[i] = now[i] * np.conj(state[i])
                before[i] = grad[i] + np.conj(factor[i]) * now[i]
