"""The table of backends, and the rule by which `backend="auto"` picks one."""

from __future__ import annotations

import torch
from torch import Tensor

from l2ssm.errors import OptionError
from l2ssm.scan import chunked, dense, loop
from l2ssm.scan.contract import Backend, Choice

OPERATIONS = ("lti_scan", "diag_scan", "dense_scan")


def _everywhere(device: torch.device) -> str | None:
    return None


BACKENDS: dict[str, Backend] = {
    "loop": Backend(
        loop.diag_scan,
        loop.lti_scan,
        time_varying=True,
        unavailable=_everywhere,
        dense_scan=loop.dense_scan,
        about="the reference, one sample after the other",
    ),
    "chunked": Backend(
        chunked.diag_scan,
        chunked.lti_scan,
        time_varying=True,
        unavailable=_everywhere,
        dense_scan=dense.dense_scan,
        about="plain torch on any device; vmap, export, derivatives of any order",
    ),
}


def select_backend(
    like: Tensor, *, operation: str = "lti_scan", n: int | None = None, time_varying: bool = False
) -> Choice:
    """The backend that "auto" takes for an input like this one, and the reason.

    Args:
        like: the input (batch, time, n_u) of `lti_scan`/`dense_scan`, or the `b` of `diag_scan`.
        operation: "lti_scan", "diag_scan" or "dense_scan".
        n: number of states; the width of `like` if None.
        time_varying: whether `a` changes with time (`diag_scan` only).

    Raises:
        OptionError: an unknown operation.

    >>> select_backend(torch.zeros(1, 2, 3)).name
    'loop'
    """
    if operation not in OPERATIONS:
        raise OptionError(f"operation is {operation!r}; it is one of {', '.join(OPERATIONS)}")
    if like.shape[1] <= 8:
        return Choice("loop", f"{like.shape[1]} samples: a loop takes no more operations than anything else")
    return Choice("chunked", f"plain torch on {like.device}")


def resolve(
    backend: str,
    operation: str,
    like: Tensor,
    *,
    n: int,
    time_varying: bool = False,
    others: tuple[Tensor | None, ...] = (),
) -> Backend:
    """The entry of `BACKENDS` to run: the named one, or the one "auto" picks.

    Raises:
        OptionError: an unknown name, or a named backend that cannot do `operation` on this device.
    """
    if backend == "auto":
        return BACKENDS[select_backend(like, operation=operation, n=n, time_varying=time_varying).name]
    if backend not in BACKENDS:
        raise OptionError(f'backend is {backend!r}; it is "auto" or one of {", ".join(BACKENDS)}')
    chosen = BACKENDS[backend]
    if operation == "dense_scan" and chosen.dense_scan is None:
        able = [name for name, entry in BACKENDS.items() if entry.dense_scan is not None]
        raise OptionError(f"backend {backend!r} has no dense_scan; these have: {', '.join(able)}")
    if time_varying and not chosen.time_varying:
        able = [name for name, entry in BACKENDS.items() if entry.time_varying]
        raise OptionError(f"backend {backend!r} needs a constant a of shape (n,); these take one per sample: {able}")
    reason = chosen.unavailable(like.device)
    if reason is not None:
        raise OptionError(f"backend {backend!r} cannot run here: {reason}")
    return chosen
