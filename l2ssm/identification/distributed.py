"""Processes that fit one model together: joining a group under torchrun, or starting one with torch's elastic launcher.

A forked process never collects garbage that was there before: among it are stores of processes that went before, which
would wait in it for threads that it does not have.

Two things make processes find each other again after one of them was killed. The launcher's agent, for whom
TORCH_DISABLE_SHARE_RDZV_TCP_STORE is set, makes a new store for every attempt; and in a store that it does share,
the keys of each attempt have a prefix of their own. Without either, torch 2.13 with gloo reads the addresses of the
processes before and waits for them.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits
from torch import distributed as dist

from l2ssm.errors import FitError, L2ssmError, OptionError
from l2ssm.identification.minimize import threads_for
from l2ssm.options import integer

T = TypeVar("T")
TIMEOUT = timedelta(seconds=120)  # of whatever one process waits for another
RESTARTS = 3
ENVIRONMENT = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1", "OMP_NUM_THREADS": "1"} | (
    {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
)
"""Of the launcher and its processes: a new store for every attempt, one thread, gloo on the loopback interface."""

_alone: ContextVar[bool] = ContextVar("l2ssm_alone", default=False)
_launching: ContextVar[bool] = ContextVar("l2ssm_launching", default=False)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: gc.freeze() if _launching.get() else None)


@dataclass(frozen=True)
class Place:
    """Of this process among those that fit together."""

    rank: int
    size: int


def place() -> Place | None:
    """That of the group of torch.distributed where there is one; None where a fit is nobody else's business."""
    if dist.is_available() and dist.is_initialized():
        return Place(dist.get_rank(), dist.get_world_size())
    return Place(0, 1) if _alone.get() else None


@contextmanager
def process_group() -> Iterator[None]:
    """Inside the block a process that torchrun started belongs to the group of all of them (gloo), with one thread.

    Nothing happens where torchrun did not start it, or it belongs to a group already. One block is to hold everything
    that the processes do together. On several hosts the agents need TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1.
    """
    if dist.is_initialized() or not dist.is_torchelastic_launched():
        yield
        return
    store, rank, size = next(dist.rendezvous("env://", timeout=TIMEOUT))
    attempt = os.environ["TORCHELASTIC_RESTART_COUNT"] if os.environ["GROUP_WORLD_SIZE"] == "1" else "any"
    store = dist.PrefixStore(f"l2ssm attempt {attempt}", store)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=TIMEOUT)
    try:
        with _one_thread():
            yield
    finally:
        dist.destroy_process_group()


def launch(function: Callable[[], T], nproc: int, *, start_method: str = "spawn", restarts: int = RESTARTS) -> T:
    """What the function returns in the first of `nproc` processes that run it in one group, each with one thread.

    With one process it is this one: no sockets, no children. Where one of several is killed or fails, all are started
    again; an `L2ssmError` is an answer, and is raised here.

    Args:
        function: of no arguments; it and what it returns have to be pickled, except where processes are forked.
        nproc: number of processes.
        start_method: "spawn" (a script needs the usual `if __name__ == "__main__":`), "fork" or "forkserver".
        restarts: at most.

    Raises:
        OptionError: several processes, of one that may not start any.
        FitError: the processes failed more often than that.
        KeyboardInterrupt: Ctrl-C, which ends the processes.
    """
    if integer("nproc", nproc, 1) == 1:
        token = _alone.set(True)
        try:
            with _one_thread():
                return function()
        finally:
            _alone.reset(token)
    if multiprocessing.current_process().daemon:
        raise OptionError(f"nproc is {nproc} in a worker process, which may not start others: leave nproc out")
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    with TemporaryDirectory() as logs, _own_signals(), _environment(ENVIRONMENT):
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=nproc,
            run_id=uuid.uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="127.0.0.1",
            max_restarts=restarts,
            monitor_interval=0.1,
            start_method=start_method,
            logs_specs=DefaultLogsSpecs(log_dir=logs),
        )
        token = _launching.set(True)
        try:
            results = elastic_launch(config, _in_group)(function)
        except ChildFailedError as error:
            raise FitError(f"the {nproc} processes failed {restarts + 1} times; the last failure: {error}") from None
        except SignalException as error:
            if error.sigval == signal.SIGINT:
                raise KeyboardInterrupt from None
            raise
        finally:
            _launching.reset(token)
    for result in results.values():
        if isinstance(result, L2ssmError):
            raise result
    value: T = results[0]
    return value


def fit_together(fit: Callable[..., T], given: Mapping[str, Any], nproc: int) -> T:
    """`fit` by so many processes, with a checkpoint for those that are started again.

    Args:
        fit: of one process.
        given: its arguments.
        nproc: number of processes.

    Raises:
        OptionError: nproc below 1, or inside a group, or a `progress` that cannot be sent to the processes.
    """
    nproc = integer("nproc", nproc, 1)
    if place() is not None:
        raise OptionError(f"nproc is {nproc}, and this process belongs to a group already: leave nproc out")
    try:
        ForkingPickler.dumps(given["progress"] if nproc > 1 else None)
    except Exception as error:  # whatever a class of somebody else raises
        raise OptionError(f"progress goes to another process: expected a function of a module ({error})") from None
    with TemporaryDirectory() as folder:
        options = dict(given) | {"nproc": None}
        if nproc > 1 and options["checkpoint"] is None:
            options["checkpoint"] = Path(folder) / "fit.checkpoint"
        return launch(partial(fit, **options), nproc)


def _in_group(function: Callable[[], Any]) -> Any:
    """In a process of `launch`: its result where it is the first, or the error that is an answer."""
    driver = os.getppid()
    with process_group():
        rank = dist.get_rank()
        try:
            result = function()
        except L2ssmError as error:
            result = error
    if os.getppid() != driver:  # it was killed, and nobody waits for the result
        raise SystemExit
    return result if rank == 0 or isinstance(result, L2ssmError) else None


@contextmanager
def _one_thread() -> Iterator[None]:
    with threads_for(0.0), threadpool_limits(1):
        yield


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def _own_signals() -> Iterator[None]:
    """The handlers of this process are as before after the block: the launcher sets its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = [name for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT") if hasattr(signal, name)]
    before = {name: signal.getsignal(getattr(signal, name)) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
