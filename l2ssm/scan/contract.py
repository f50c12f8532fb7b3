"""What every scan backend promises: the signatures, the entry of the backend table, and the checks before one runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from l2ssm.errors import OptionError, RealizationError

Readout = Literal["pre", "post"]
DiagScan = Callable[[Tensor, Tensor, Tensor], Tensor]
LtiScan = Callable[[Tensor, Tensor, Tensor, Tensor, "Tensor | None", Tensor, Readout], "tuple[Tensor, Tensor]"]

READOUTS = ("pre", "post")
COMPLEX_OF = {torch.float32: torch.complex64, torch.float64: torch.complex128}
REAL_OF = {
    torch.complex64: torch.float32,
    torch.complex128: torch.float64,
    torch.float32: torch.float32,
    torch.float64: torch.float64,
}
DOUBLE_OF = {
    torch.float32: torch.float64,
    torch.float64: torch.float64,
    torch.complex64: torch.complex128,
    torch.complex128: torch.complex128,
}


@dataclass(frozen=True)
class Backend:
    """One way to run the recurrence; its functions get checked tensors and an `x0` that is never None.

    Attributes:
        diag_scan: `(a, b, x0) -> x[0..time]`.
        lti_scan: `(u, lam, B, C, D, x0, readout) -> (y, x_end)`.
        time_varying: whether `diag_scan` takes `a` of shape (batch, time, n).
        unavailable: `device -> reason` why it cannot run there, or None where it can.
        dense_scan: as `lti_scan` with a full real A, or None where the backend has none.
        about: one line for a person.
    """

    diag_scan: DiagScan
    lti_scan: LtiScan
    time_varying: bool
    unavailable: Callable[[torch.device], str | None]
    dense_scan: LtiScan | None = None
    about: str = ""


class Choice(NamedTuple):
    """The backend that `backend="auto"` takes, and why."""

    name: str
    reason: str


def check_readout(readout: str) -> None:
    """Raise OptionError unless `readout` is "pre" or "post"."""
    if readout not in READOUTS:
        raise OptionError(f'readout is {readout!r}; it is "pre" (y[k] from x[k]) or "post" (y[k] from x[k+1])')


def check_diag(a: Tensor, b: Tensor, x0: Tensor | None) -> Tensor:
    """Check the arguments of `diag_scan` and return `x0`, zeros where it was None.

    Raises:
        RealizationError: wrong shapes, mixed dtypes or devices, or a dtype that is not float32/64 or complex64/128.
    """
    _tensors(a=a, b=b, x0=x0)
    if b.ndim != 3:
        raise RealizationError(f"b has shape {tuple(b.shape)}; it must be (batch, time, n)")
    if b.dtype not in REAL_OF:
        raise RealizationError(f"b has dtype {b.dtype}; it must be float32, float64, complex64 or complex128")
    n = b.shape[2]
    if a.shape != (n,) and a.shape != b.shape:
        raise RealizationError(f"a has shape {tuple(a.shape)}; it must be ({n},) or {tuple(b.shape)} to go with b")
    _same("a", a, "b", b, b.dtype)
    return _initial(x0, b, n, b.dtype)


def check_lti(u: Tensor, lam: Tensor, B: Tensor, C: Tensor, D: Tensor | None, x0: Tensor | None) -> Tensor:
    """Check the arguments of `lti_scan` and return `x0`, zeros where it was None.

    Raises:
        RealizationError: wrong shapes, mixed dtypes or devices, u or D not real, or lam, B, C, x0 not complex.
    """
    _tensors(u=u, lam=lam, B=B, C=C, D=D, x0=x0)
    _check_input(u)
    if lam.ndim != 1:
        raise RealizationError(f"lam has shape {tuple(lam.shape)}; it must be (n_x,)")
    return _check_matrices(u, lam, "lam", B, C, D, x0, COMPLEX_OF[u.dtype])


def check_dense(u: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None, x0: Tensor | None) -> Tensor:
    """Check the arguments of `dense_scan` (all real) and return `x0`, zeros where it was None.

    Raises:
        RealizationError: wrong shapes, mixed dtypes or devices, or a tensor that is not real.
    """
    _tensors(u=u, A=A, B=B, C=C, D=D, x0=x0)
    _check_input(u)
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise RealizationError(f"A has shape {tuple(A.shape)}; it must be square, (n_x, n_x)")
    return _check_matrices(u, A, "A", B, C, D, x0, u.dtype)


def _tensors(**named: Tensor | None) -> None:
    for name, value in named.items():
        if not isinstance(value, Tensor) and not (value is None and name in ("x0", "D")):
            raise RealizationError(f"{name} is a {type(value).__name__}; it must be a torch.Tensor")


def _check_input(u: Tensor) -> None:
    if u.ndim != 3:
        raise RealizationError(f"u has shape {tuple(u.shape)}; it must be (batch, time, n_u)")
    if u.dtype not in COMPLEX_OF:
        raise RealizationError(f"u has dtype {u.dtype}; it must be float32 or float64")


def _check_matrices(
    u: Tensor, A: Tensor, name: str, B: Tensor, C: Tensor, D: Tensor | None, x0: Tensor | None, dtype: torch.dtype
) -> Tensor:
    """Shapes of B, C, D, x0 against u and the transition; the transition, B, C and x0 have `dtype`."""
    n_x, n_u = A.shape[0], u.shape[2]
    if B.shape != (n_x, n_u):
        raise RealizationError(f"B has shape {tuple(B.shape)}; it must be ({n_x}, {n_u}) = (n_x, n_u)")
    if C.ndim != 2 or C.shape[1] != n_x:
        raise RealizationError(f"C has shape {tuple(C.shape)}; it must be (n_y, {n_x}) = (n_y, n_x)")
    for label, matrix in ((name, A), ("B", B), ("C", C)):
        _same(label, matrix, "u", u, dtype)
    if D is not None:
        if D.shape != (C.shape[0], n_u):
            raise RealizationError(f"D has shape {tuple(D.shape)}; it must be ({C.shape[0]}, {n_u}) = (n_y, n_u)")
        _same("D", D, "u", u, u.dtype)
    return _initial(x0, u, n_x, dtype)


def _initial(x0: Tensor | None, like: Tensor, n: int, dtype: torch.dtype) -> Tensor:
    if x0 is None:
        return like.new_zeros((like.shape[0], n), dtype=dtype)
    if x0.shape != (like.shape[0], n):
        raise RealizationError(f"x0 has shape {tuple(x0.shape)}; it must be ({like.shape[0]}, {n}) = (batch, n)")
    _same("x0", x0, "the input", like, dtype)
    return x0


def _same(name: str, tensor: Tensor, other_name: str, other: Tensor, dtype: torch.dtype) -> None:
    if tensor.dtype != dtype:
        raise RealizationError(
            f"{name} has dtype {tensor.dtype}; with {other_name} of {other.dtype} it must be {dtype}"
        )
    if tensor.device != other.device:
        raise RealizationError(f"{name} is on {tensor.device} and {other_name} on {other.device}; move them together")
