"""`FitOptions`: the options of `fit`, checked, with the defaults that depend on the data filled in."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from l2ssm.data.dataset import Dataset
from l2ssm.errors import OptionError
from l2ssm.identification.default_window import SHORTEST, default_window
from l2ssm.identification.initial import InitialState
from l2ssm.identification.losses import Loss, checked_loss
from l2ssm.options import integer, positive

PRIOR = 100.0  # samples that the weight decay is worth: it is this over the number of samples, at most DECAY
DECAY = 0.1
STEPS = 2000, 15000  # least and most by default
VALIDATIONS, LEAST_EVERY = 50, 100  # in a default fit; steps between two of them, at least
BATCH, FEWEST = 8, 2  # windows a step: of the shortest default windows, and of the longest
SLOWEST = 0.25  # longest initial time constant, as a fraction of the samples a state lives for in training

LEAST = {"layers": 1, "d_model": 1, "n_x": 1, "seed": 0}
LEAST_OR_NONE = {"static_layers": 1, "hidden": 1, "n_init": 0, "steps": 1, "refine_steps": 0, "patience": 1,
                 "validate_every": 1, "monitor": 1, "horizon": 1, "window": 1, "batch": 1, "shards": 0}  # fmt: skip


@dataclass(frozen=True)
class FitOptions:
    """See `fit` for what each of them means."""

    cell: str
    gamma: float | None
    gamma_start: float | None
    gain_penalty: float | None
    layers: int
    d_model: int
    n_x: int
    scaffold: str | None
    static: str | None
    static_layers: int | None
    hidden: int | None
    activation: str | None
    cell_options: dict[str, Any]
    scaffold_options: dict[str, Any]
    linear_start: bool | None
    initial: str
    n_init: int
    horizon: int | None
    window: int
    batch: int
    carry_state: bool
    steps: int
    refine_steps: int
    learning_rate: float
    weight_decay: float
    average: float
    validate_every: int
    patience: int | None
    minutes: float | None
    seed: int
    monitor: int | None
    slowest: float
    loss: str
    huber_delta: float | None
    channel_weights: list[float]
    shards: int | None

    @classmethod
    def of(cls, given: Mapping[str, Any], train: Dataset, valid: Dataset | None) -> FitOptions:
        """What the arguments of `fit` mean for these data.

        Raises:
            OptionError: one that is out of range.
        """
        values = {name: value for name, value in given.items() if name in cls.__dataclass_fields__}
        for name, least in (LEAST | LEAST_OR_NONE).items():
            if name in LEAST or values[name] is not None:
                values[name] = integer(name, values[name], least)
        lengths = [record.T for data in (train, valid) if data is not None for record in data]
        samples = sum(record.T for record in train)
        if values["n_init"] is None:
            values["n_init"] = 0 if values["initial"] in ("zero", "learned") else max(1, min(50, min(lengths) // 4))
        if values["horizon"] is not None:
            if values["initial"] != "encoder" or values["carry_state"]:
                raise OptionError(
                    f"horizon needs the state at the start of every window: initial='encoder' without carry_state, not "
                    f"initial={values['initial']!r} with carry_state={values['carry_state']!r}"
                )
            values["window"] = values["n_init"] + values["horizon"]
        if values["window"] is None:
            remembered = SHORTEST if values["carry_state"] else default_window(train)
            values["window"] = max(remembered, 2 * values["n_init"])
        if values["batch"] is None:
            values["batch"] = max(FEWEST, min(BATCH, BATCH * SHORTEST // values["window"]))
        lives = math.inf if values["carry_state"] else values["window"]
        values["slowest"] = SLOWEST * min(lives, max(record.T for record in train))
        if values["steps"] is None:
            values["steps"] = int(np.clip(samples // 5, *STEPS))
        if values["validate_every"] is None:
            values["validate_every"] = max(LEAST_EVERY, values["steps"] // VALIDATIONS)
        if values["refine_steps"] is None:
            values["refine_steps"] = values["steps"] // 20
        if values["weight_decay"] is None:
            values["weight_decay"] = min(DECAY, PRIOR / samples)
        elif values["weight_decay"] != 0:
            values["weight_decay"] = positive("weight_decay", values["weight_decay"])
        share = values["average"]
        if share != 0 and positive("average", share, "share") > 1:
            raise OptionError(f"average is {share!r}, expected a share of the steps, at most 1")
        values["average"] = float(share)
        values["learning_rate"] = positive("learning_rate", values["learning_rate"])
        for name, what in (("minutes", "number"), ("gamma", "gain")):
            values[name] = None if values[name] is None else positive(name, values[name], what)
        by_construction = values["scaffold"] in (None, "series")
        values["cell"] = values["cell"] or ("contraction" if values["gamma"] is not None and by_construction else "lru")
        values |= {name: plain(name, values[name]) for name in ("cell_options", "scaffold_options")}
        criterion = checked_loss(values["loss"], values["huber_delta"], values["channel_weights"], train.n_y)
        values["huber_delta"], values["channel_weights"] = criterion.delta, list(criterion.channels)
        return cls(**values)

    @property
    def rule(self) -> InitialState:
        """For the initial state of a free run."""
        return InitialState(self.initial, self.n_init)

    @property
    def criterion(self) -> Loss:
        """What is minimised."""
        return Loss(self.huber_delta, tuple(self.channel_weights))

    @property
    def model(self) -> dict[str, Any]:
        """The arguments of `DeepSSM`."""
        names = ("cell", "gamma", "layers", "d_model", "n_x", "scaffold", "static", "static_layers", "hidden",
                 "activation", "slowest", "cell_options", "scaffold_options", "seed")  # fmt: skip
        return {name: getattr(self, name) for name in names} | {"learn_gamma": self.gain_penalty is not None}

    @property
    def trajectory(self) -> dict[str, Any]:
        """What the parameters depend on at each step and in the end."""
        return {name: value for name, value in asdict(self).items() if name not in ("minutes", "monitor")}

    @property
    def training(self) -> dict[str, Any]:
        """What a model file tells about the training."""
        names = ("gamma_start", "gain_penalty", "steps", "refine_steps", "horizon", "window", "batch", "carry_state",
                 "learning_rate", "weight_decay", "average", "loss", "huber_delta", "channel_weights")  # fmt: skip
        return {name: getattr(self, name) for name in names}


def plain(name: str, options: Mapping[str, Any] | None) -> dict[str, Any]:
    """The options as a model file will hold them, or an OptionError before anything is trained."""
    try:
        return dict(json.loads(json.dumps(dict(options or {}), allow_nan=False)))
    except (TypeError, ValueError) as error:
        raise OptionError(f"{name} is {options!r}, expected a dict of numbers and text: {error}") from None
