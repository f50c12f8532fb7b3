"""`select`: seeds and options chosen by successive halving on validation data, before the one fit that counts.

Every candidate is fitted with few steps, the better half again with twice as many, until one is left. Each trial is a
whole short fit - a cycle of the learning rate that has ended says more than the beginning of a long one - and the last
fit is an ordinary one: what is returned is, to the bit, what `fit` gives with the chosen seed and options.

Source: Karnin, Koren and Somekh, "Almost optimal exploration in multi-armed bandits", ICML 2013; Jamieson and
Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", AISTATS 2016.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from l2ssm.errors import CertificateError, FitError, OptionError
from l2ssm.identification.fit_options import FitOptions, plain
from l2ssm.identification.model import Model
from l2ssm.identification.outcome import INTERRUPTED
from l2ssm.options import integer

SEARCHED = ("cell", "layers", "d_model", "n_x", "scaffold", "static", "static_layers", "hidden", "activation",
            "cell_options", "scaffold_options", "linear_start", "window", "batch", "carry_state", "learning_rate",
            "weight_decay", "average")  # fmt: skip
"""Options that may be searched over: none of them changes what the validation error means."""
MOST = 64  # candidates
LEAST = 50  # steps of a trial
TRIAL_TIME = 0.5  # of the minutes, for all trials together
SHORTEST = 1e-6  # minutes: what a fit gets that is late


def candidates(search: Mapping[str, Sequence[Any]] | None, starts: int, seed: int) -> list[dict[str, Any]]:
    """Every combination of the options, each with `starts` seeds: that of the fit, and others that follow from it.

    Args:
        search: values of options to choose among.
        starts: seeds of each combination.
        seed: the first of them.

    Raises:
        OptionError: an option that is not searched over, no list of values, one candidate alone, or too many.

    >>> [found["n_x"] for found in candidates({"n_x": [4, 8]}, 1, 0)]
    [4, 8]
    """
    starts = integer("starts", starts, 1)
    space = plain("search", search)
    require_searched(space)
    for name, values in space.items():
        if not isinstance(values, list) or not values:
            raise OptionError(f"search of {name!r} is {values!r}, expected a list of values to try")
    seeds = [seed, *(int(np.random.SeedSequence([seed, k]).generate_state(1)[0]) for k in range(1, starts))]
    combined = [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]
    found = [options | {"seed": one} for options in combined for one in seeds]
    if not 2 <= len(found) <= MOST:
        raise OptionError(f"search and starts make {len(found)} candidates, expected 2 to {MOST}")
    return found


def require_searched(names: Iterable[str]) -> None:
    """Nothing, where every one of the `names` is that of an option that may be searched over.

    Raises:
        OptionError: one is not.
    """
    for name in names:
        if name not in SEARCHED:
            raise OptionError(f"search names {name!r}, expected names among {', '.join(SEARCHED)}")


@dataclass(frozen=True)
class Trial:
    """A candidate, the steps it was given, and its model, or why there is none.

    Attributes:
        candidate: options and seed.
        steps: of its training.
        model: the fitted one, or None.
        failure: why there is none.
    """

    candidate: dict[str, Any]
    steps: int
    model: Model | None
    failure: str = ""

    @property
    def loss(self) -> float:
        """On validation data; infinite where there is none."""
        loss = None if self.model is None else self.model.info["valid_loss"]
        return math.inf if loss is None else float(loss)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it."""
        return (self.failure if self.model is None else self.model.info["stopped"]).startswith(INTERRUPTED)

    @property
    def told(self) -> dict[str, Any]:
        """For a model file."""
        if self.model is None:
            return self.candidate | {"steps": self.steps, "failure": self.failure}
        seconds = self.model.info["seconds"]
        return self.candidate | {"steps": self.steps, "valid_loss": self.model.info["valid_loss"], "seconds": seconds}


def select(fit: Callable[..., Model], given: Mapping[str, Any], began: float) -> Model:
    """The fit with the best candidate; `info["search"]` says what was tried, round after round.

    The trials take together about as many steps as that fit, the same number in each round; with `minutes` at most half
    of these. Ctrl-C returns the best model of the round so far, or where there is none yet of the round before.

    Args:
        fit: makes one model.
        given: its arguments, with `search` and `starts`; data as datasets.
        began: the `time.monotonic()` that minutes count from.

    Raises:
        FitError: no trial of a round gave a model; every reason is named.
    """
    options = dict(given)
    alive = candidates(options.pop("search"), options.pop("starts"), options["seed"])
    steps = FitOptions.of(options, options["train"], options["valid"]).steps
    rounds, tried, best = math.ceil(math.log2(len(alive))), list[Trial](), list[Trial]()
    for number in range(1, rounds + 1):
        until = None if options["minutes"] is None else TRIAL_TIME * options["minutes"] * number / rounds
        found: list[Trial] = []
        for candidate in alive:
            minutes = _share(until, began, len(alive) - len(found))
            brief = _brief(options, max(LEAST, steps // (rounds * len(alive))), minutes)
            found.append(_trial(fit, brief, candidate))
            if found[-1].interrupted:
                break
        tried += found
        stopped, before = found[-1].interrupted, best
        best = sorted((trial for trial in found if trial.model is not None), key=lambda trial: trial.loss)
        if stopped and not (best or before):
            raise KeyboardInterrupt
        if stopped:
            return with_trials((best or before)[0].model, tried)
        if not best:
            raise FitError("no candidate gave a model: " + "; ".join(f"{t.candidate}: {t.failure}" for t in found))
        alive = [trial.candidate for trial in best[: (len(alive) + 1) // 2]]
    try:
        return with_trials(fit(**options | alive[0] | {"minutes": _share(options["minutes"], began)}), tried)
    except KeyboardInterrupt:  # before the first step
        return with_trials(best[0].model, tried)


def _brief(options: Mapping[str, Any], steps: int, minutes: float | None) -> dict[str, Any]:
    """The options of a trial: few steps, and nothing that takes time beside."""
    refine_steps = 0 if options["refine_steps"] == 0 else None
    own = {"steps": steps, "refine_steps": refine_steps, "minutes": minutes, "monitor": None, "checkpoint": None}
    return dict(options) | own


def _share(minutes: float | None, began: float, fits: int = 1) -> float | None:
    """Of each of so many fits, that end together after so many minutes from the beginning."""
    return None if minutes is None else max((minutes - (time.monotonic() - began) / 60) / fits, SHORTEST)


def _trial(fit: Callable[..., Model], brief: Mapping[str, Any], candidate: dict[str, Any]) -> Trial:
    try:
        return Trial(candidate, brief["steps"], fit(**dict(brief) | candidate))
    except (FitError, CertificateError) as error:
        return Trial(candidate, brief["steps"], None, str(error))
    except KeyboardInterrupt:  # outside training, which ends by itself
        return Trial(candidate, brief["steps"], None, f"{INTERRUPTED} 0")


def with_trials(model: Model | None, tried: Sequence[Trial]) -> Model:
    """The model with what was tried in `info["search"]`.

    Args:
        model: the chosen one.
        tried: in the order of their fits.
    """
    assert model is not None
    return dataclasses.replace(model, info=dict(model.info) | {"search": [trial.told for trial in tried]})


def search_table(model: Model) -> str:
    """What `select` tried, one line a trial: steps, validation loss, options and seed; "" where nothing was.

    Args:
        model: a model that `fit` chose.
    """
    return "\n".join(trial_line(told) for told in model.info.get("search", ()))


def trial_line(told: Mapping[str, Any]) -> str:
    """Steps, validation loss or failure, options and seed of a trial.

    Args:
        told: what `Trial.told` is, or an entry of `info["search"]`.
    """
    options = {name: value for name, value in told.items() if name not in ("steps", "valid_loss", "seconds", "failure")}
    what = ", ".join(f"{name} {shown(value)}" for name, value in options.items())
    score = f"NO MODEL, {told['failure']}" if "failure" in told else f"validation loss {told['valid_loss']:.4g}"
    return f"{told['steps']:6d} steps  {score}  {what}"


def shown(value: Any) -> str:
    """An option for a table: four digits of a float.

    Args:
        value: of any kind.
    """
    return f"{value:.4g}" if isinstance(value, float) else str(value)
