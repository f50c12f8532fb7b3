"""The table of backends, and the rule by which `backend="auto"` picks one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad

from l2ssm.errors import OptionError
from l2ssm.scan import chunked, compiled, dense, fft, loop
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
    "fft": Backend(
        fft.diag_scan,
        fft.lti_scan,
        time_varying=False,
        unavailable=_everywhere,
        about="convolution with the impulse response, plain torch; constant lam only",
    ),
    "compiled": Backend(
        compiled.diag_scan,
        compiled.lti_scan,
        time_varying=True,
        unavailable=compiled.unavailable,
        about="numba kernels between BLAS products (CPU), Triton (CUDA); states are not kept",
    ),
}


SHORT = 8  # samples


def select_backend(like: Tensor, *, operation: str = "lti_scan", others: Sequence[Tensor | None] = ()) -> Choice:
    """The backend that "auto" takes for an input like this one, and the reason.

    Args:
        like: the input (batch, time, n_u) of `lti_scan`/`dense_scan`, or the `b` of `diag_scan`.
        operation: "lti_scan", "diag_scan" or "dense_scan".
        others: the other tensors of the call; they matter only under torch.func, where any of them may be transformed.

    Raises:
        OptionError: an unknown operation.

    >>> select_backend(torch.zeros(1, 1000, 3), operation="dense_scan")
    Choice(name='chunked', reason='the fastest dense_scan')
    """
    if operation not in OPERATIONS:
        raise OptionError(f"operation is {operation!r}; it is one of {', '.join(OPERATIONS)}")
    if like.shape[1] <= SHORT:
        return Choice("loop", f"{like.shape[1]} samples: nothing takes fewer operations")
    if operation == "dense_scan":
        return Choice("chunked", "the fastest dense_scan")
    transformed = _transformed(like, *others)
    if transformed is not None:
        return Choice("chunked", f"{transformed}: kernels cannot run, plain torch can")
    if like.device.type != "cpu":
        return Choice("chunked", f"plain torch on {like.device}")
    missing = compiled.unavailable(like.device)
    if missing is not None:
        return Choice("chunked", f"{missing}, so no kernels")
    return Choice("compiled", f"kernels for {like.dtype} on the CPU, {torch.get_num_threads()} threads")


def resolve(
    backend: str, operation: str, like: Tensor, *, time_varying: bool = False, others: Sequence[Tensor | None] = ()
) -> Backend:
    """The entry of `BACKENDS` to run: the named one, or the one "auto" picks.

    Raises:
        OptionError: an unknown name, or a named backend that cannot do `operation` here.
    """
    if backend == "auto":
        return BACKENDS[select_backend(like, operation=operation, others=others).name]
    if backend not in BACKENDS:
        raise OptionError(f'backend is {backend!r}; it is "auto" or one of {", ".join(BACKENDS)}')
    chosen = BACKENDS[backend]
    if operation == "dense_scan" and chosen.dense_scan is None:
        able = ", ".join(name for name, entry in BACKENDS.items() if entry.dense_scan is not None)
        raise OptionError(f"backend {backend!r} has no dense_scan; these have: {able}")
    if time_varying and not chosen.time_varying:
        able = ", ".join(name for name, entry in BACKENDS.items() if entry.time_varying)
        raise OptionError(f"backend {backend!r} takes a constant a of shape (n,); one per sample is taken by: {able}")
    reason = chosen.unavailable(like.device)
    if reason is None and backend == "compiled":
        reason = _transformed(like, *others)
    if reason is not None:
        raise OptionError(f"backend {backend!r} cannot run here: {reason}")
    return chosen


def _transformed(*tensors: Tensor | None) -> str | None:
    """What torch is doing to the call that needs plain operations on its tensors, or None."""
    if torch.compiler.is_compiling():
        return "the call is being traced (compile or export)"
    if forward_ad._current_level >= 0:
        return "forward-mode derivatives are being taken"
    for tensor in tensors:
        if tensor is None:
            continue
        if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
            return "the call is inside a torch.func transform"
        if type(tensor) not in (Tensor, torch.nn.Parameter):
            return f"a tensor is a {type(tensor).__name__}"
    return None
