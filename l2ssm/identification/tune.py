"""`tune`: options of a fit proposed by Optuna, fitted by a fleet, kept in its folder.

Optuna decides in the driver alone. Its study is not kept: what it proposes follows from the seed and from the losses it
is told, and the fits that these come from are in the folder. A driver that starts again asks again for the same trials,
reads those that are done, and goes on at the first one that is not.
"""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import FitError, OptionError
from l2ssm.identification.columns import aligned
from l2ssm.identification.fit import checked_data, fit
from l2ssm.identification.fit_many import stored_fits, stored_model
from l2ssm.identification.fit_options import FitOptions, plain
from l2ssm.identification.fleet import STOPPED, Fleet, TaskResult
from l2ssm.identification.model import Model
from l2ssm.identification.proposals import Proposals, Range
from l2ssm.identification.selection import Trial, require_searched, shown, with_trials
from l2ssm.options import integer


@dataclass(frozen=True, eq=False)
class Tuned:
    """What `tune` tried, and the best of it.

    Attributes:
        trials: in the order of their proposal; one without a model says why in `failure`, and its `loss` is infinite.
        searched: names of the options that were searched.
        complete: whether all trials that were asked for are there.
    """

    trials: tuple[Trial, ...]
    searched: tuple[str, ...]
    complete: bool

    @property
    def best(self) -> Trial:
        """The trial of the least validation loss."""
        return min((trial for trial in self.trials if trial.model is not None), key=lambda trial: trial.loss)

    @property
    def options(self) -> dict[str, Any]:
        """What the best trial has for the options that were searched."""
        return {name: self.best.candidate[name] for name in self.searched}

    @property
    def model(self) -> Model:
        """Of the best trial, to the bit what `fit` gives with its options; `info["search"]` tells of all trials."""
        return with_trials(self.best.model, self.trials)

    def __str__(self) -> str:
        best = self.best
        rows = [["trial", "validation loss", "seconds", *self.searched, ""]]
        for number, trial in enumerate(self.trials):
            loss, seconds = "-", "-"
            if trial.model is not None:
                loss, seconds = f"{trial.loss:.4g}", f"{trial.model.info['seconds']:.3g}"
            options = [shown(trial.candidate[name]) for name in self.searched]
            rows.append([str(number), loss, seconds, *options, "<- best" if trial is best else trial.failure])
        return aligned(rows)


def tune(
    train: Dataset | Record,
    valid: Dataset | Record | None = None,
    *,
    search: Mapping[str, Range | Sequence[Any]],
    trials: int = 30,
    at_once: int = 4,
    fleet: Fleet | None = None,
    seed: int = 0,
    on_fit: Callable[[Trial], None] | None = None,
    **options: Any,
) -> Tuned:
    """Search for the options of `fit` with the least validation loss, by Optuna and a fleet; needs the extra `tune`.

    A trial is a fit like one of `fit_many`, kept in the folder of the fleet under what it is of: data, options, seed,
    versions. The same search, seed, `at_once` and version of Optuna propose the same trials, whoever fits them. So the
    next call after a kill reads what is done and does the rest, and one for more trials adds to those there. Ctrl-C
    ends the search and keeps what is done.

    A trial that fails or kills its workers is told to Optuna as a failure, and leaves the others alone; the next call
    does it again, and where it succeeds then, later proposals may differ.

    Args:
        train, valid, options: as for `fit`; `minutes` is the budget of each trial.
        search: by the names of options (those of `selection.SEARCHED`) a `Range`, or a list of values to choose among.
        trials: how many.
        at_once: trials that are proposed together, before any of them is fitted: no more workers than that are busy.
            Proposals depend on it; on the number of workers they do not.
        fleet: of workers that do the fits, and keep every model and checkpoint in its folder; None: one fit after the
            other in this process, and nothing is kept.
        seed: of the proposals, and of every fit.
        on_fit: called after each fit, in the order in which they end; trials of the same options share a fit.

    Raises:
        OptionError: Optuna is not installed, nothing to search, an option that is not searched over, `checkpoint` among
            the options, one that is not JSON (such as `progress`), or what `fit` finds wrong.
        DataError: see `fit`.
        FitError: no trial gave a model; every reason is named.
    """
    trials, at_once, seed = integer("trials", trials, 1), integer("at_once", at_once, 1), integer("seed", seed, 0)
    if "checkpoint" in options:
        raise OptionError("checkpoint is of one fit, and tune makes several: give it to fit")
    space = _space(search)
    given = inspect.signature(fit).bind(train, valid, seed=seed, **options)
    given.apply_defaults()
    steps = FitOptions.of(given.arguments, *checked_data(train, valid)).steps
    proposals, found, stopped = Proposals(space, seed), list[Trial](), False

    def trial(done: TaskResult) -> Trial:
        candidate = {name: done.spec["options"][name] for name in space} | {"seed": seed}
        model = stored_model(done)
        return Trial(candidate, steps, None, model) if isinstance(model, str) else Trial(candidate, steps, model)

    def tell(done: TaskResult) -> None:
        if on_fit is not None and done.error != STOPPED:
            on_fit(trial(done))

    with _kept(fleet) as kept, kept.started(at_once) as running:
        while len(found) < trials and not stopped:
            asked = proposals.ask(min(at_once, trials - len(found)))
            done = stored_fits(running, train, valid, [(seed, options | one) for one in asked], tell)
            stopped = any(result.error == STOPPED for result in done)
            found += [trial(result) for result in done if result.error != STOPPED]
            if not stopped:
                proposals.tell([one.loss for one in found[-len(done) :]])
    if all(one.model is None for one in found):
        reasons = dict.fromkeys([*(one.failure for one in found), *([STOPPED] if stopped else [])])
        raise FitError("no trial gave a model: " + "; ".join(reasons))
    return Tuned(tuple(found), tuple(space), not stopped)


def _space(search: Mapping[str, Range | Sequence[Any]]) -> dict[str, Range | list[Any]]:
    """The search with its values as JSON gives them back, or an OptionError."""
    ranges = {name: one for name, one in search.items() if isinstance(one, Range)}
    lists = plain("search", {name: one for name, one in search.items() if name not in ranges})
    require_searched(search)
    for name, values in lists.items():
        if not isinstance(values, list) or not values:
            raise OptionError(f"search of {name!r} is {values!r}, expected a Range or a list of values to try")
    if not search:
        raise OptionError("search is empty, expected a Range or a list of values for an option, at least")
    return {name: ranges[name] if name in ranges else lists[name] for name in search}


@contextmanager
def _kept(fleet: Fleet | None) -> Iterator[Fleet]:
    """The fleet, or one of this process alone whose folder goes away."""
    if fleet is not None:
        yield fleet
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Fleet(folder)
