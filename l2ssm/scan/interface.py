"""The scans a cell calls: arguments are checked once here, then the chosen backend runs."""

from __future__ import annotations

from torch import Tensor

from l2ssm.scan.contract import Readout, check_dense, check_diag, check_lti, check_readout
from l2ssm.scan.selection import resolve
from l2ssm.scan.sequence_parallel import diag_chunk, in_chunks, lti_chunk, refuse_dense


def diag_scan(a: Tensor, b: Tensor, x0: Tensor | None = None, *, backend: str = "auto") -> Tensor:
    """x[:, k+1] = a[k] * x[:, k] + b[:, k], all states x[:, 0..time].

    `x[:, :-1]` is the control read-out, `x[:, 1:]` the machine-learning one, `x[:, -1]` the state to carry on.
    For time = 0 the result is `x0` alone. Differentiable in a, b and x0.

    Args:
        a: (n,) for a time-invariant system, or (batch, time, n); same dtype as `b`.
        b: (batch, time, n), float32, float64, complex64 or complex128.
        x0: (batch, n), the state before the first sample; zero if None.
        backend: a key of `BACKENDS`, or "auto" (see `select_backend`).

    Returns:
        x of shape (batch, time + 1, n).

    Raises:
        RealizationError: shapes, dtypes or devices that do not fit together.
        OptionError: a backend that does not exist or cannot do this.

    >>> import torch
    >>> diag_scan(torch.tensor([0.5]), torch.ones(1, 3, 1))[0, :, 0]
    tensor([0.0000, 1.0000, 1.5000, 1.7500])
    """
    x0 = check_diag(a, b, x0)
    chosen = resolve(backend, "diag_scan", b, time_varying=a.ndim == 3, others=(a, x0))
    if in_chunks():
        return diag_chunk(chosen.diag_scan, a, b, x0)
    return chosen.diag_scan(a, b, x0)


def lti_scan(
    u: Tensor,
    lam: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    x0: Tensor | None = None,
    *,
    readout: Readout = "pre",
    backend: str = "auto",
) -> tuple[Tensor, Tensor]:
    """x[k+1] = lam x[k] + B u[k], y[k] = Re(C x[k]) + D u[k]; or Re(C x[k+1]) + D u[k] with readout="post".

    Carrying `x_end` into the next call as `x0` gives the same outputs as one call over the whole record.
    For time = 0 there are no outputs and `x_end` is `x0`. Differentiable in u, lam, B, C, D and x0.

    Args:
        u: (batch, time, n_u), float32 or float64.
        lam: (n_x,) complex of the same precision.
        B: (n_x, n_u) complex.
        C: (n_y, n_x) complex.
        D: (n_y, n_u) real, or None for no direct term.
        x0: (batch, n_x) complex, the state before the first sample; zero if None.
        readout: "pre" (control convention) or "post" (usual in machine learning).
        backend: a key of `BACKENDS`, or "auto" (see `select_backend`).

    Returns:
        y of shape (batch, time, n_y) and x[time] of shape (batch, n_x).

    Raises:
        RealizationError: shapes, dtypes or devices that do not fit together.
        OptionError: an unknown read-out, or a backend that does not exist or cannot run here.

    >>> import torch
    >>> lam, B, C = torch.tensor([0.5j]), torch.ones(1, 1) + 0j, torch.ones(1, 1) + 0j
    >>> y, x_end = lti_scan(torch.tensor([[[1.0], [0.0], [0.0], [0.0]]]), lam, B, C)
    >>> y[0, :, 0], x_end[0].imag
    (tensor([ 0.0000,  1.0000,  0.0000, -0.2500]), tensor([-0.1250]))
    """
    check_readout(readout)
    x0 = check_lti(u, lam, B, C, D, x0)
    chosen = resolve(backend, "lti_scan", u, others=(lam, B, C, D, x0))
    if in_chunks():
        return lti_chunk(chosen.lti_scan, u, lam, B, C, D, x0, readout)
    return chosen.lti_scan(u, lam, B, C, D, x0, readout)


def dense_scan(
    u: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    x0: Tensor | None = None,
    *,
    readout: Readout = "pre",
    backend: str = "auto",
) -> tuple[Tensor, Tensor]:
    """x[k+1] = A x[k] + B u[k], y[k] = C x[k] + D u[k] for a full real A; the contract of `lti_scan`.

    Args:
        u: (batch, time, n_u), float32 or float64; all other tensors have its dtype.
        A: (n_x, n_x).
        B: (n_x, n_u).
        C: (n_y, n_x).
        D: (n_y, n_u), or None for no direct term.
        x0: (batch, n_x), the state before the first sample; zero if None.
        readout: "pre" or "post", as in `lti_scan`.
        backend: "loop", "chunked" or "auto".

    Returns:
        y of shape (batch, time, n_y) and x[time] of shape (batch, n_x).

    Raises:
        RealizationError: shapes, dtypes or devices that do not fit together.
        OptionError: an unknown read-out, a backend that does not exist or has no dense scan, or `sequence_parallel`.
    """
    refuse_dense()
    check_readout(readout)
    x0 = check_dense(u, A, B, C, D, x0)
    chosen = resolve(backend, "dense_scan", u, others=(A, B, C, D, x0))
    assert chosen.dense_scan is not None  # resolve refuses a backend without one
    return chosen.dense_scan(u, A, B, C, D, x0, readout)


def step(
    x: Tensor, u: Tensor, lam: Tensor, B: Tensor, C: Tensor, D: Tensor | None = None, *, readout: Readout = "pre"
) -> tuple[Tensor, Tensor]:
    """One sample of `lti_scan` for real time: (y[k], x[k+1]) from x[k] (batch, n_x) and u[k] (batch, n_u).

    Args:
        x: state x[k], complex.
        u: input u[k].
        lam: (n_x,) poles, complex.
        B: (n_x, n_u) complex.
        C: (n_y, n_x) complex.
        D: (n_y, n_u) real; zero if None.
        readout: "pre": y[k] from x[k]; "post": from x[k+1].

    Raises:
        RealizationError: shapes, dtypes or devices that do not fit together.
        OptionError: an unknown read-out.

    >>> import torch
    >>> one = torch.ones(1, 1)
    >>> step(one + 0j, one, torch.tensor([0.5 + 0j]), one + 0j, one + 0j)
    (tensor([[1.]]), tensor([[1.5000+0.j]]))
    """
    check_readout(readout)
    x = check_lti(u[:, None], lam, B, C, D, x)
    after = lam * x + u.to(B.dtype) @ B.mT
    y = ((x if readout == "pre" else after) @ C.mT).real
    return (y if D is None else y + u @ D.mT), after
