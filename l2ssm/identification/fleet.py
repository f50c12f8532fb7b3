"""`Fleet`: one function on many specs, here or by dask, with results on disk that survive workers and driver. No torch.

The driver submits, waits and reads; a worker writes the result before it returns. So a task may be done twice, or a
worker or the driver be killed at any moment, and nothing that was finished is lost or done again.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from l2ssm.errors import L2ssmError, OptionError
from l2ssm.identification.result_store import ResultStore
from l2ssm.options import integer

Task = Callable[[Any, Path], Any]
STOPPED = "interrupted"
INSTALL = "workers in other processes need dask.distributed: pip install l2ssm[fleet]"
LOOPBACK = "127.0.0.1:0"


@dataclass(frozen=True)
class TaskResult:
    """What became of one spec.

    Attributes:
        spec: as given.
        folder: of the task, with result.json or error.json and what the function wrote there.
        value: what the function returned, as JSON gives it back; None where it failed.
        error: why there is no value, "" where there is one; "interrupted" where Ctrl-C came before it.
    """

    spec: Any
    folder: Path
    value: Any = None
    error: str = ""


@dataclass(frozen=True)
class Fleet:
    """Where tasks run, and where their results are kept.

    Args:
        folder: of the results; on several machines one that all of them share under the same path.
        workers: None: one task after the other in this process, without dask, sockets or children; a number: so many
            processes on this machine (a script needs the usual `if __name__ == "__main__":`); an address such as
            "tcp://10.0.0.1:8786": the workers of that scheduler; or a `dask.distributed.Client` of yours.
        retries: how often a task is done again whose worker was killed, or that ended with an error which is not an
            `L2ssmError` (those are answers). How many killed workers a scheduler of yours allows, it knows itself:
            "distributed.scheduler.allowed-failures".

    Raises:
        OptionError: no such number of workers or retries.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fleet = Fleet(folder)
    ...     [result.value for result in fleet.run(lambda spec, place: spec["x"] ** 2, [{"x": 2}, {"x": 3}])]
    [4, 9]
    """

    folder: str | os.PathLike[str]
    workers: Any = None
    retries: int = 3

    def __post_init__(self) -> None:
        integer("retries", self.retries, 0)
        if isinstance(self.workers, (int, float)):
            integer("workers", self.workers, 1)

    def run(
        self, task: Task, specs: Iterable[Any], on_result: Callable[[TaskResult], None] | None = None
    ) -> list[TaskResult]:
        """`task(spec, folder)` for every spec that has no result yet; results in the order of the specs.

        A task that fails, or that kills its workers, is a result with an error, and leaves the others alone. Errors are
        tried again by the next run, results never. Ctrl-C keeps what is done. On a killed worker's heir `folder` still
        holds what the task wrote there, such as a checkpoint to go on from.

        Args:
            task: a function that pickle or cloudpickle can send to a worker. What it returns is kept as JSON; arrays
                and models are files that it writes to its folder. The name of the function belongs to the key of a
                result, what a `partial` binds does not: whatever changes a result has to be in the spec.
            specs: JSON values.
            on_result: called in this process with each result, as soon as it is there.

        Raises:
            OptionError: a spec that is not JSON, or dask is not installed.
            OSError: the folder cannot be written, or the scheduler not be reached.
        """
        store, listed = ResultStore(self.folder, _name(task)), list(specs)
        keys = [store.key(spec) for spec in listed]
        wanted = dict(zip(keys, listed, strict=True))
        store.folder.mkdir(parents=True, exist_ok=True)
        found: dict[str, TaskResult] = {}

        def tell(key: str, error: str) -> None:
            there, value = store.result(key)
            if there:
                error = ""
            elif not error:
                error = store.error(key) or f"no result came to {store.folder}: all workers must share it"
            elif error != STOPPED:
                store.keep_error(key, wanted[key], error)
            found[key] = TaskResult(wanted[key], store.place(key), value, error)
            if on_result is not None:
                on_result(found[key])

        try:
            for key in wanted:
                if store.result(key)[0]:
                    tell(key, "")
            missing = {key: spec for key, spec in wanted.items() if key not in found}
            if missing and self.workers is None:
                for key, error in _in_turn(store, task, missing, self.retries):
                    tell(key, error)
            elif missing:
                with self._client(len(missing)) as client:
                    for key, error in _by_dask(client, store, task, missing, self.retries):
                        tell(key, error)
        except KeyboardInterrupt:
            for key in wanted:
                if key not in found:
                    tell(key, STOPPED)
        return [found[key] for key in keys]

    @contextmanager
    def started(self, tasks: int) -> Iterator[Fleet]:
        """This fleet for several runs: what each of them would start and end is started once, and ends here.

        Args:
            tasks: of a run, at most: more workers than that are not started.
        """
        if self.workers is None:
            yield self
        else:
            with self._client(tasks) as client:
                yield replace(self, workers=client)

    @contextmanager
    def _client(self, tasks: int) -> Iterator[Any]:
        """A client, closed again with all it started; that of the user is left as it is."""
        try:
            import dask
            from distributed import Client, LocalCluster
        except ImportError:
            raise OptionError(INSTALL) from None
        if isinstance(self.workers, Client):
            yield self.workers
            return
        if not isinstance(self.workers, (int, str)):
            raise OptionError(f"workers is {self.workers!r}, expected a number, an address, a dask Client or None")
        if isinstance(self.workers, str):
            with Client(self.workers, set_as_default=False) as client:
                yield client
            return
        settings = {
            "distributed.scheduler.allowed-failures": self.retries,
            "distributed.deploy.lost-worker-timeout": "1 day",  # or a worker killed twice in 15 s is not replaced
            "distributed.worker.profile.enabled": False,  # or every 10 ms of a fit its stack is walked
        }
        with (
            dask.config.set(settings),
            LocalCluster(
                n_workers=min(self.workers, tasks),
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=LOOPBACK,  # None would open port 8787 to everybody
                worker_dashboard_address=LOOPBACK,
                memory_limit=0,
                silence_logs=logging.CRITICAL,  # a killed worker is expected here, and told of by the results
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client


def _name(task: Task) -> str:
    """Module and name of a function, or of the one that a `partial` calls."""
    while isinstance(task, partial):
        task = task.func
    return f"{task.__module__}.{getattr(task, '__qualname__', type(task).__qualname__)}"


def _in_turn(store: ResultStore, task: Task, wanted: dict[str, Any], retries: int) -> Iterator[tuple[str, str]]:
    """(key, what went wrong or "") of each task, one after the other."""
    for key, spec in wanted.items():
        failure: Exception | None = None
        for _ in range(retries + 1):
            try:
                _attempt(task, store, key, spec)
                failure = None
                break
            except Exception as error:  # of the function: it ends this task alone
                failure = error
        yield key, _words(failure)


def _by_dask(
    client: Any, store: ResultStore, task: Task, wanted: dict[str, Any], retries: int
) -> Iterator[tuple[str, str]]:
    """(key, what went wrong or "") of each task as it ends.

    A scheduler counts a killed worker against every task that waited on it. So those that are given up for that reason
    are done once more, one at a time: then the one that kills is known, and its neighbours are finished. Nothing is
    fetched from a worker, which may be dead by then: what tasks return is on disk.
    """
    from distributed import KilledWorker, as_completed

    def submit(key: str, function: Any) -> Any:
        return client.submit(_attempt, function, store, key, wanted[key], retries=retries, pure=False)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sending large graph", UserWarning)  # data go with the function, on purpose
        held = client.submit(_held, task, pure=False)
        running = {submit(key, held): key for key in wanted}
    killed = []
    for future in as_completed(list(running), loop=client.loop):
        key, failure = running.pop(future), _failure(future)
        if isinstance(failure, KilledWorker) and not store.result(key)[0]:
            killed.append(key)
        else:
            yield key, _words(failure)
    for key in killed:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
            alone = submit(key, task)  # the one that is held may have been given up too
        for future in as_completed([alone], loop=client.loop):
            yield key, _words(_failure(future))


def _failure(future: Any) -> BaseException | None:
    """What ended a task that has ended: nothing, the exception of the function or of a worker, or of the cluster."""
    return None if future.status == "finished" else future.exception()


def _words(failure: BaseException | None) -> str:
    if failure is None:
        return ""
    kind = type(failure).__name__
    if kind == "KilledWorker":
        return "KilledWorker: every worker that was given this task died of it, or with it (memory, a crash, a kill)"
    return f"{kind}: {failure}"


def _held(task: Task) -> Task:
    """The function, sent once and kept by the workers; a task of its own, so that it outlives the one that has it."""
    return task


def _attempt(task: Task, store: ResultStore, key: str, spec: Any) -> None:
    """On a worker: result or error is on disk. Another error than ours is raised, and tried again."""
    if store.result(key)[0]:
        return
    place = store.open(key, spec)
    try:
        store.keep(key, task(spec, place))
    except L2ssmError as error:
        store.keep_error(key, spec, str(error))
