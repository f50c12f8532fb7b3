"""`fit_many`: the same fit for several seeds, one after the other, side by side, or by a fleet of workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import CertificateError, FitError, OptionError
from l2ssm.identification.checkpoint import remove_checkpoint
from l2ssm.identification.ensemble import Ensemble
from l2ssm.identification.fit import fit
from l2ssm.identification.fit_result import versions
from l2ssm.identification.fleet import STOPPED, Fleet, TaskResult
from l2ssm.identification.minimize import INTERRUPTED
from l2ssm.identification.model import Model, load
from l2ssm.options import integer

MODEL, CHECKPOINT = "model.l2ssm", "checkpoint"


def fit_many(
    train: Dataset | Record,
    seeds: Iterable[int] = (0, 1, 2, 3, 4),
    *,
    valid: Dataset | Record | None = None,
    processes: int = 1,
    fleet: Fleet | None = None,
    on_fit: Callable[[int, Model | str], None] | None = None,
    **options: Any,
) -> Ensemble:
    """`fit` once for each seed. Seeds that fail are in `Ensemble.failures` with the reason; Ctrl-C keeps what is done.

    The same seeds, processes and machine give the same models.

    Args:
        train, valid, options: as for `fit`; `minutes` is the budget of each fit.
        seeds: distinct.
        processes: fits side by side. Each gets an equal share of the cores, at least one, so that all together do not
            use more threads than there are cores. Processes are spawned: a script that asks for several needs the usual
            `if __name__ == "__main__":`.
        fleet: of workers that do the fits, instead of processes, and keep every model and checkpoint in its folder:
            what a killed worker, a crash or Ctrl-C leaves undone is gone on with by the next call, and what is done is
            read. Any error ends its seed alone.
        on_fit: called after each fit with the seed and the model, or the reason why there is none.

    Raises:
        OptionError: no seeds, a seed twice, `seed` or `checkpoint` among the options, a fleet and processes, an option
            of a fleet that is not JSON (such as `progress`), or what `fit` finds wrong.
        DataError: see `fit`.
        FitError: no seed gave a model; every reason is named.
    """
    wanted = [integer("seeds", seed, 0) for seed in seeds]
    processes = integer("processes", processes, 1)
    if not wanted or len(set(wanted)) != len(wanted) or "seed" in options:
        raise OptionError(f"seeds are {wanted}, expected at least one, each once, and no option seed")
    if "checkpoint" in options:
        raise OptionError("checkpoint is of one fit, and fit_many makes several: give it to fit")
    if fleet is not None and processes > 1:
        raise OptionError(f"processes is {processes}, and there is a fleet, whose workers do the fits")
    found: dict[int, Model | str] = {}

    def keep(seed: int, result: Model | str) -> None:
        found[seed] = result
        if on_fit is not None:
            on_fit(seed, result)

    if fleet is None:
        results = _side_by_side if min(processes, len(wanted)) > 1 else _in_turn
        for seed, result in results(train, valid, wanted, processes, options):
            keep(seed, result)
    else:
        fits = [(seed, options) for seed in wanted]
        stored_fits(fleet, train, valid, fits, lambda done: keep(done.spec["seed"], stored_model(done)))
    models = {seed: result for seed in wanted if isinstance(result := found[seed], Model)}
    failures = {seed: result for seed in wanted if isinstance(result := found[seed], str)}
    if not models:
        raise FitError("no seed gave a model: " + "; ".join(f"seed {seed}: {why}" for seed, why in failures.items()))
    return Ensemble(models, failures)


def stored_fits(
    fleet: Fleet,
    train: Dataset | Record,
    valid: Dataset | Record | None,
    wanted: Iterable[tuple[int, dict[str, Any]]],
    on_fit: Callable[[TaskResult], None] | None = None,
) -> list[TaskResult]:
    """A fit for each seed and options, in the folder of the fleet; `stored_model` reads them. See `Fleet.run`."""
    about = {"train": train.digest, "valid": None if valid is None else valid.digest, "versions": versions()}
    specs = [about | {"seed": seed, "options": options} for seed, options in wanted]
    return fleet.run(partial(_fit_and_save, train, valid), specs, on_fit)


def stored_model(done: TaskResult) -> Model | str:
    """The model of a fit of `stored_fits`, or why there is none."""
    return done.error or load(done.folder / MODEL)


def _fit_and_save(
    train: Dataset | Record, valid: Dataset | Record | None, spec: dict[str, Any], folder: Path
) -> dict[str, Any]:
    """On a worker: the fit of a spec, from the checkpoint of a killed one where there is one."""
    model = _one(train, valid, spec["seed"], spec["options"] | {"checkpoint": folder / CHECKPOINT})
    if model == STOPPED:
        raise KeyboardInterrupt
    if isinstance(model, str):
        raise FitError(model)
    model.save(folder / MODEL)
    remove_checkpoint(folder / CHECKPOINT)  # kept by a fit that used up its minutes
    return {"model": model.digest}


def _one(train: Dataset | Record, valid: Dataset | Record | None, seed: int, options: dict[str, Any]) -> Model | str:
    """The model of a seed, or why there is none."""
    try:
        model = fit(train, valid, seed=seed, **options)
    except (FitError, CertificateError) as error:
        return STOPPED if INTERRUPTED in str(error) else str(error)
    return STOPPED if str(model.info["stopped"]).startswith(INTERRUPTED) else model


def _in_turn(
    train: Dataset | Record, valid: Dataset | Record | None, seeds: list[int], _: int, options: dict[str, Any]
) -> Iterator[tuple[int, Model | str]]:
    result: Model | str = ""
    for seed in seeds:
        try:
            result = STOPPED if result == STOPPED else _one(train, valid, seed, options)
        except KeyboardInterrupt:  # outside training, which ends by itself
            result = STOPPED
        yield seed, result


def _side_by_side(
    train: Dataset | Record, valid: Dataset | Record | None, seeds: list[int], processes: int, options: dict[str, Any]
) -> Iterator[tuple[int, Model | str]]:
    workers = min(processes, len(seeds))
    threads = max(1, (os.cpu_count() or 1) // workers)
    with ProcessPoolExecutor(workers, get_context("spawn"), _limit_threads, (threads,)) as pool:
        running = [(seed, pool.submit(_one, train, valid, seed, options)) for seed in seeds]
        for seed, future in running:
            try:
                result: Model | str = STOPPED if future.cancelled() else future.result()
            except KeyboardInterrupt:  # the workers get it too, and end their fits
                pool.shutdown(wait=False, cancel_futures=True)
                result = STOPPED
            yield seed, result


def _limit_threads(threads: int) -> None:
    """The share of this process; OMP_NUM_THREADS below it is kept."""
    torch.set_num_threads(min(threads, torch.get_num_threads()))
    threadpool_limits(threads)
