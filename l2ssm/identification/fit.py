"""`fit`: from input/output records to a frozen `Model`."""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import DataError, OptionError
from l2ssm.identification.gain_monitor import GainMonitor
from l2ssm.identification.initial import InitialState, feature_count
from l2ssm.identification.linear_start import start_linear
from l2ssm.identification.minimize import INTERRUPTED, Outcome, Progress, Trainee, minimize, threads_for
from l2ssm.identification.model import Model
from l2ssm.identification.prescribed_gain import PrescribedGainTraining
from l2ssm.identification.refine import refine
from l2ssm.identification.scale_to_gain import scale_to_gain
from l2ssm.identification.windows import (
    Scored,
    consecutive_windows,
    hold_out,
    random_windows,
    spread_windows,
    standardise,
    whole_records,
)
from l2ssm.networks.deep import DeepSSM
from l2ssm.networks.freeze import freeze
from l2ssm.networks.scaling import Scaling
from l2ssm.options import integer, positive

HELD_OUT, BLOCKS = 0.15, 5  # validation samples where no validation data is given: fraction, blocks a record
PRIOR = 100.0  # samples that the weight decay is worth: it is this over the number of samples, at most DECAY
DECAY = 0.1
STEPS = 2000, 15000  # least and most by default
SLOWEST = 0.25  # longest initial time constant, as a fraction of the samples a state lives for in training


def fit(
    train: Dataset | Record,
    valid: Dataset | Record | None = None,
    *,
    cell: str | None = None,
    gamma: float | None = None,
    gamma_start: float | None = None,
    gain_penalty: float | None = None,
    layers: int = 5,
    d_model: int = 8,
    n_x: int = 8,
    scaffold: str | None = None,
    static: str | None = None,
    static_layers: int | None = None,
    hidden: int | None = None,
    activation: str | None = None,
    cell_options: Mapping[str, Any] | None = None,
    scaffold_options: Mapping[str, Any] | None = None,
    linear_start: bool | None = None,
    initial: str = "encoder",
    n_init: int | None = None,
    window: int = 512,
    batch: int = 8,
    carry_state: bool = False,
    steps: int | None = None,
    refine_steps: int | None = None,
    learning_rate: float = 1e-2,
    weight_decay: float | None = None,
    validate_every: int = 100,
    patience: int | None = None,
    minutes: float | None = None,
    seed: int = 0,
    monitor: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Model:
    """Fit a deep state-space model by the error of its free run; the best parameters on validation data are kept.

    Args:
        train: records with u and y.
        valid: records for early stopping; by default 15 % of the training samples, in five blocks spread over each
            record, are not trained on and serve instead.
        cell: a name of `CELLS` or `SELECTIVE_CELLS`; default "bounded" with gamma, "lru" without.
        gamma: prescribed incremental L2 gain, in output units per input unit; None: not prescribed. Certified by
            construction in the series scaffold (default), by a certificate at the end in the residual one.
        gamma_start: larger gain to start from; it falls to gamma in the first half of the steps.
        gain_penalty: a number makes gamma a parameter that starts at the given one, and gain_penalty * log(gamma) is
            added to the standardised mean squared error.
        layers, d_model, n_x: blocks, width of a block, complex states of a cell.
        scaffold, static, static_layers, hidden, activation: see `DeepSSM`.
        cell_options: keyword-only options of the cell: numbers, text and lists of them, kept in the model file.
        scaffold_options: options of the scaffold, likewise.
        linear_start: whether training starts at a linear model of the data (subspace identification, output-error
            refinement) that `initialize` puts into the first block; None: without gamma, where a network can hold one.
        initial: initial state of a free run: "zero", "warmup" or "encoder"; see `identification.initial`.
        n_init: samples for the initial state, not scored; default 50, less where the shortest record is below 200.
        window, batch: training windows: samples, number.
        carry_state: truncated backpropagation through time: windows follow each other and start from the state where
            the one before ended, instead of being drawn at random; for memory longer than a window.
        steps: optimiser steps at most; default one for five training samples, between 2000 and 15000.
        refine_steps: iterations of L-BFGS in float64 after the steps, on windows spread evenly over all records;
            default a twentieth of the steps.
        learning_rate: peak of the one-cycle schedule.
        weight_decay: of AdamW, on all weights but the poles, storage and direct terms of the cells; 0 for none; default
            100 over the number of training samples, at most 0.1: what speaks for small weights is worth 100 samples.
        validate_every: steps between validations.
        patience: validations without improvement before stopping; None: never.
        minutes: wall-clock budget; None: none.
        seed: of parameters and windows; the same seed on the same machine gives the same model.
        monitor: the gain is proved at every so many validations and kept in info["history"]; None: never.
        progress: called with a `Progress` at each validation.

    Raises:
        DataError: no outputs, a channel that does not vary, records too short, or valid of other channels or dt.
        OptionError: an option out of range, or gamma with a cell or a static layer that cannot hold it.
        CertificateError: the residual scaffold could not be brought to gamma.
        FitError: training gave nothing finite.
    """
    began = time.monotonic()
    train, valid = _checked(train, valid)
    window, batch = integer("window", window, 1), integer("batch", batch, 1)
    validate_every = integer("validate_every", validate_every, 1)
    samples = sum(record.T for record in train)
    steps = int(np.clip(samples // 5, *STEPS)) if steps is None else integer("steps", steps, 1)
    refine_steps = steps // 20 if refine_steps is None else integer("refine_steps", refine_steps, 0)
    layers, d_model, n_x = integer("layers", layers, 1), integer("d_model", d_model, 1), integer("n_x", n_x, 1)
    hidden = None if hidden is None else integer("hidden", hidden, 1)
    static_layers = None if static_layers is None else integer("static_layers", static_layers, 1)
    patience = None if patience is None else integer("patience", patience, 1)
    n_init = None if n_init is None else integer("n_init", n_init, 0)
    monitor = None if monitor is None else integer("monitor", monitor, 1)
    seed, learning_rate = integer("seed", seed, 0), positive("learning_rate", learning_rate)
    weight_decay = min(DECAY, PRIOR / samples) if weight_decay is None else weight_decay
    weight_decay = 0.0 if weight_decay == 0 else positive("weight_decay", weight_decay)
    minutes = None if minutes is None else positive("minutes", minutes)
    gamma = None if gamma is None else positive("gamma", gamma, "gain")
    lengths = [record.T for data in (train, valid) if data is not None for record in data]
    if n_init is None:
        n_init = 0 if initial == "zero" else max(1, min(50, min(lengths) // 4))
    rule = InitialState(initial, n_init)
    stats = train.statistics()
    scaling = Scaling(stats.u_mean, stats.u_std, stats.y_mean, stats.y_std)
    options = {
        "cell": cell or ("bounded" if gamma is not None else "lru"),
        "gamma": gamma,
        "learn_gamma": gain_penalty is not None,
        "layers": layers,
        "d_model": d_model,
        "n_x": n_x,
        "scaffold": scaffold,
        "static": static,
        "static_layers": static_layers,
        "hidden": hidden,
        "activation": activation,
        "slowest": SLOWEST * min(math.inf if carry_state else window, max(record.T for record in train)),
        "cell_options": _plain("cell_options", cell_options),
        "scaffold_options": _plain("scaffold_options", scaffold_options),
        "seed": seed,
    }
    deep = DeepSSM(scaling, **options)  # type: ignore[arg-type]
    prescribed = PrescribedGainTraining(deep, steps, gamma_start, gain_penalty)
    fitted = standardise(train, scaling)
    if valid is None:
        fitted, checked = hold_out(fitted, n_init, HELD_OUT, BLOCKS)
    else:
        checked = standardise(valid, scaling)
        if max(record.T for record in valid) <= n_init:
            raise DataError(f"every validation record has {n_init} samples or fewer, n_init: nothing is left to score")
    trainee = Trainee(deep, feature_count(rule, deep.n_u + deep.n_y))
    started = "random"
    if linear_start or (linear_start is None and gamma is None):
        started = start_linear(trainee, standardise(train, scaling), rule, bool(linear_start))
    windows = consecutive_windows if carry_state else random_windows
    with threads_for(12.0 * batch * window * layers * d_model * (n_x + d_model)):
        outcome = minimize(
            trainee,
            windows(fitted, rule, window=window, batch=batch, seed=seed),
            whole_records(checked, rule),
            steps=steps,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            validate_every=validate_every,
            patience=patience,
            minutes=minutes,
            prescribed=prescribed,
            monitor=None if monitor is None else GainMonitor(deep, monitor),
            progress=progress,
        )
        left = math.inf if minutes is None else 60 * minutes - (time.monotonic() - began)
        if refine_steps and left > 0 and not outcome.reason.startswith(INTERRUPTED):
            refine(
                trainee,
                spread_windows(fitted, rule, window=window),
                whole_records(checked, rule),
                outcome,
                iterations=refine_steps,
                seconds=left,
                prescribed=prescribed,
                progress=progress,
            )
    info = options | {
        "gamma": deep.gamma,
        "gamma_start": gamma_start,
        "gain_penalty": gain_penalty,
        "linear_start": started,
        "steps": steps,
        "refine_steps": refine_steps,
        "window": window,
        "batch": batch,
        "carry_state": carry_state,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "n_parameters": sum(p.numel() for p in trainee.parameters()),
        "data_digest": train.digest,
        "validation": "given"
        if valid is not None
        else f"{HELD_OUT:.0%} of the training samples, {BLOCKS} blocks a record",
        "versions": {name: version(name) for name in ("l2ssm", "torch", "numpy", "scipy")}
        | {"python": platform.python_version()},
        **_summary(outcome),
    }
    model = _frozen(trainee, train[0], scaling, rule, info)
    if deep.gamma is not None and deep.scaffold == "residual":
        model = scale_to_gain(model, deep.gamma)
    return _with_validation(model, train if valid is None else valid, checked, time.monotonic() - began)


def _checked(train: Dataset | Record, valid: Dataset | Record | None) -> tuple[Dataset, Dataset | None]:
    """Both as datasets with outputs, train varying in every channel, valid like train."""
    made = [Dataset([d]) if isinstance(d, Record) else d for d in (train, valid)]
    for name, data in zip(("train", "valid"), made, strict=True):
        if data is None and name == "valid":
            continue
        if not isinstance(data, Dataset):
            raise DataError(f"{name} is a {type(data).__name__}, expected a Dataset or a Record; see l2ssm.read")
        data.require_outputs()
    assert made[0] is not None
    made[0].require_variation()
    if made[1] is not None:
        Dataset([r.renamed(f"{part}/{r.name}") for part, d in zip("tv", made, strict=True) if d is not None for r in d])
    return made[0], made[1]


def _plain(name: str, options: Mapping[str, Any] | None) -> dict[str, Any]:
    """The options as the model file will hold them, or an OptionError before anything is trained."""
    try:
        return dict(json.loads(json.dumps(dict(options or {}), allow_nan=False)))
    except (TypeError, ValueError) as error:
        raise OptionError(f"{name} is {options!r}, expected a dict of numbers and text: {error}") from None


def _summary(outcome: Outcome) -> dict[str, Any]:
    history = [
        {"step": p.step, "train_mse": p.train_mse, "valid_mse": p.valid_mse, "seconds": round(p.seconds, 1)}
        | ({} if p.gain is None else {"gain": p.gain})
        for p in outcome.history
        if math.isfinite(p.valid_mse) and math.isfinite(p.train_mse)
    ]
    return {
        "best_step": outcome.best_step,
        "stopped": outcome.reason,
        "rollbacks": outcome.rollbacks,
        "history": history,
    }


def _frozen(trainee: Trainee, record: Record, scaling: Scaling, rule: InitialState, info: dict[str, Any]) -> Model:
    units = record.units
    network = freeze(
        trainee.model,
        record.dt,
        input_names=record.input_names,
        output_names=record.output_names,
        input_units=[units.get(name, "") for name in record.input_names],
        output_units=[units.get(name, "") for name in record.output_names],
    )
    if trainee.initial is not None:
        weight, bias = (p.detach().double().numpy() for p in (trainee.initial.weight, trainee.initial.bias))
        rule = InitialState(rule.kind, rule.n_init, weight, bias)
    parameters = {name: p.detach().numpy().copy() for name, p in trainee.named_parameters()}
    return Model(network, scaling, rule, info, parameters)


def _with_validation(model: Model, data: Dataset, records: Sequence[Scored], seconds: float) -> Model:
    """The model with its validation error, measured on the frozen numbers, in physical units."""
    squares, count = np.zeros(model.network.n_y), 0
    for record, scored in zip(data, records, strict=True):
        rows = scored.scored & (np.arange(record.T) >= model.n_init)
        assert record.y is not None
        squares += ((model.simulate(record) - record.y)[rows] ** 2).sum(axis=0)
        count += int(rows.sum())
    rmse = np.sqrt(squares / max(count, 1)).tolist()
    info = dict(model.info) | {"valid_rmse": rmse, "seconds": round(seconds, 1)}
    return Model(model.network, model.scaling, model.initial, info, model.parameters)
