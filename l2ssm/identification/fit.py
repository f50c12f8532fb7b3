"""`fit`: from input/output records to a frozen `Model`."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import DataError
from l2ssm.identification.checkpoint import Checkpoint, remove_checkpoint
from l2ssm.identification.distributed import fit_together
from l2ssm.identification.fit_data import LINEAR, FitData
from l2ssm.identification.fit_options import FitOptions
from l2ssm.identification.fit_result import frozen_model, summary, versions, with_validation
from l2ssm.identification.gain_monitor import GainMonitor
from l2ssm.identification.gaps import filled_in
from l2ssm.identification.initial import feature_count
from l2ssm.identification.linear_start import Beginning, start_linear
from l2ssm.identification.losses import weights_digest
from l2ssm.identification.minimize import minimize, threads_for
from l2ssm.identification.model import Model
from l2ssm.identification.outcome import BUDGET, INTERRUPTED, Progress
from l2ssm.identification.prescribed_gain import PrescribedGainTraining
from l2ssm.identification.refine import refine
from l2ssm.identification.scale_to_gain import scale_to_gain
from l2ssm.identification.selection import select
from l2ssm.identification.shared_work import shared_work
from l2ssm.identification.trainee import Trainee
from l2ssm.networks.deep import DeepSSM
from l2ssm.networks.scaling import Scaling

SLOW_SHARE = 5  # one iteration of L-BFGS for so many steps, where windows hide what a plant remembers
LEAST_KEPT = 1e-3  # of a linear model that is brought to gamma: from here on the data ask for no finite gain


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
    loss: str = "mse",
    huber_delta: float = 0.1,
    channel_weights: Sequence[float] | None = None,
    weights: Mapping[str, Any] | None = None,
    initial: str = "encoder",
    n_init: int | None = None,
    horizon: int | None = None,
    window: int | None = None,
    batch: int | None = None,
    carry_state: bool = False,
    steps: int | None = None,
    refine_steps: int | None = None,
    learning_rate: float = 1e-2,
    weight_decay: float | None = None,
    average: float = 0.0,
    validate_every: int | None = None,
    patience: int | None = None,
    minutes: float | None = None,
    seed: int = 0,
    monitor: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    starts: int = 1,
    search: Mapping[str, Sequence[Any]] | None = None,
    nproc: int | None = None,
    shards: int | None = None,
    sequence_parallel: bool = False,
) -> Model:
    """Fit a deep state-space model by the error of its free run; the best parameters on validation data are kept.

    Args:
        train: records with u and y; NaN in y, of records made with missing=True, is a sample that is never scored.
        valid: records for early stopping; by default 15 % of the training samples, in five blocks spread over each
            record (of more than a million samples: 64 stretches of 4096), serve instead: neither the steps nor the
            linear start see them, the standardisation does.
        cell: a name of `CELLS` or `SELECTIVE_CELLS`; default "lru", with gamma in the series scaffold "contraction".
        gamma: prescribed incremental L2 gain, in output units per input unit; None: not prescribed. It holds by
            construction in the series scaffold (default); in "twofold" and "residual" the network is free and held by a
            certificate while it is trained, which takes two to three times as long.
        gamma_start: larger gain to start from; it falls to gamma in the first half of the steps.
        gain_penalty: a number makes gamma a parameter that starts at the given one, and gain_penalty * log(gamma) is
            added to the standardised mean squared error.
        layers, d_model, n_x: blocks, width of a block, complex states of a cell.
        scaffold, static, static_layers, hidden, activation: see `DeepSSM`.
        cell_options: keyword-only options of the cell: numbers, text and lists of them, kept in the model file.
        scaffold_options: options of the scaffold, likewise.
        linear_start: whether training starts at a linear model of the data (subspace identification, output-error
            refinement) that `initialize` puts into the first block; None: where a network can hold one and no gamma by
            construction.
        loss: "mse", or "huber": errors beyond huber_delta count linearly, which outliers of y cannot dominate.
        huber_delta: in standard deviations of the output.
        channel_weights: what a squared standardised error of each output counts, >= 0; default all the same.
        weights: by the name of a record what its errors count, >= 0: one number, or one a sample, where 0 is
            never scored. Records that are not named count 1. Standardisation and the features of an encoder still see
            the y that stands there: what was not measured is better NaN in a record made with missing=True.
        initial: initial state of a free run: "zero", "learned", "warmup" or "encoder"; see `identification.initial`.
        n_init: samples for the initial state, not scored; default 50, less where the shortest record is below 200.
        horizon: the errors of predictions 1, ..., horizon steps ahead are minimised instead of those of the free run,
            in training, validation and `info["valid_loss"]`: windows are n_init + horizon samples long, each from the
            state that the encoder reads from its first n_init. `info["valid_rmse"]` stays that of the free run.
        window: samples of a training window; default 512, or, where that is more, twice the correlation time of the
            slowest output, at most 4096, or twice n_init.
        batch: windows a step; default 8, less where windows are longer than 512, so that a step stays as long.
        carry_state: truncated backpropagation through time: windows follow each other and start from the state where
            the one before ended, instead of being drawn at random; for memory longer than a window.
        steps: optimiser steps at most; default one for five training samples, between 2000 and 15000.
        refine_steps: iterations of L-BFGS in float64 after the steps, on windows spread evenly over all records, and,
            without horizon, on whole ones too where a linear start remembers more than a window holds, as one that
            integrates. Default a twentieth of the steps, with whole records a fifth; it ends where 200 have not helped.
        learning_rate: peak of the one-cycle schedule.
        weight_decay: of AdamW, on all weights but the poles, storage and direct terms of the cells; 0 for none; default
            100 over the number of training samples, at most 0.1: what speaks for small weights is worth 100 samples.
        average: share of the steps, the last ones, whose parameters are averaged as well; the mean is kept, and
            refined, where its validation error is the smaller one, and info["averaged"] says so.
        validate_every: steps between validations; default a fiftieth of the steps, at least 100.
        patience: validations without improvement before stopping; None: never.
        minutes: wall-clock budget of all that is done, the linear start included, which is never cut short: where it
            takes as long, one step follows. The last proof of a gain that is held by a certificate comes on top of it.
            None: none.
        seed: of parameters and windows; the same seed on the same machine gives the same model.
        monitor: the gain is proved at every so many validations and kept in info["history"]; None: never.
        progress: called with a `Progress` at each validation.
        checkpoint: file that is written at each validation, whole or not at all, and removed when the fit is done; kept
            after Ctrl-C, a kill, or where the minutes are spent. The one before stays beside it, for a file that comes
            to harm: it is skipped then, with a warning. Where it exists, `fit` goes on from it and returns
            the model of an uninterrupted fit, bit for bit on the same machine. The refinement, which has no steps to
            go on from, is done again from its start. With starts or search it is that of the last fit: the trials are
            made again.
        starts: random starts to choose from by successive halving: all of them with few steps, the half of least
            validation error again with twice as many, the last one as asked for. The trials take together about as
            many steps as that fit, and a linear start each.
        search: lists of values by the names of options, such as {"n_x": [4, 8], "layers": [2, 5]}: all combinations,
            with `starts` seeds each, are candidates of the same halving. See `selection.SEARCHED` for the names.
        nproc: processes of this machine that share the fit out, each with one thread; killed ones are started again.
            1 is this process alone, None too, unless it belongs to a group of torch.distributed (under torchrun: see
            `process_group`).
        shards: parts of a batch, whose gradients the processes add in order: the same bits for every number of them,
            also 1, though not those of nproc=None. Default 8, from a million parameters on 0: torch's
            DistributedDataParallel.
        sequence_parallel: share out the time of each window instead of the windows: for few long ones, where nothing
            but diagonal recurrences looks along time.

    Of more than a million training samples in all, in memory or in a store (see `Dataset.save`), windows are read when
    they are drawn; the linear start, the refinement and the validation, where `valid` is not given or as long, see
    stretches evenly spread over them, and those that validate are not trained on. The model is the same, bit for bit,
    for the same numbers in memory and in a store.

    Ctrl-C ends the training and returns the best model so far; before the first step, and while a gain is proved in the
    end, there is none and it is raised. With nproc above 1 it is raised at any time: with `checkpoint` the next call
    goes on.

    Raises:
        ModelFileError: a checkpoint that is truncated, altered or of something else, and the one before it too.
        DataError: no outputs, a channel that does not vary, records too short, or valid of other channels or dt; or a
            plant that integrates, with gamma in a scaffold that starts at its linear model.
        OptionError: an option out of range, gamma with a cell or a static layer that cannot hold it, or a checkpoint of
            other options or data.
        CertificateError: a scaffold that is held by its certificate could not be brought to gamma.
        FitError: training gave nothing finite.
    """
    given, began = dict(locals()), time.monotonic()
    if nproc is not None:
        return fit_together(fit, given, nproc)
    train, valid = checked_data(train, valid)
    if search is not None or starts != 1:
        return select(fit, given | {"train": train, "valid": valid}, began)
    options = FitOptions.of(given, train, valid)
    rule = options.rule
    stats = train.statistics()
    scaling = Scaling(stats.u_mean, stats.u_std, stats.y_mean, stats.y_std)
    deep = DeepSSM(scaling, **options.model)
    prescribed = PrescribedGainTraining(deep, options.steps, gamma_start, gain_penalty)
    data = FitData.of(train, valid, weights, scaling, rule)
    trainee = Trainee(deep, feature_count(rule, deep.n_u + deep.n_y), options.criterion)
    work = shared_work(trainee, batch=options.batch, shards=options.shards, in_time=sequence_parallel)
    start = Beginning("random")
    if linear_start or (linear_start is None and deep.gains() is None):
        start = start_linear(trainee, filled_in(data.excerpt(LINEAR, rule), rule.n_init), rule, bool(linear_start))
    longest = max(len(record) for record in data.fitted)
    slow = work.agree(horizon is None and options.window < min(start.memory, longest))
    if slow and refine_steps is None:
        options = dataclasses.replace(options, refine_steps=options.steps // SLOW_SHARE)
    file = None
    if checkpoint is not None:
        digests = {
            "train": train.digest,
            "valid": None if valid is None else valid.digest,
            "weights": weights_digest([*data.fitted, *data.checked]),
        }
        file = Checkpoint(checkpoint, options.trajectory | digests | {"versions": versions(), "work": work.about})
    kept, started = prescribed.start(), start.words
    if kept < 1 and start.linear:
        started += f", times {kept:.3g} to fit below gamma"
        if kept < LEAST_KEPT:
            raise DataError(
                f"gamma is {gamma:g}, and the {started}: nothing of it would be left. A plant that integrates has no "
                f"finite gain: give its rate of change as output, or fit without gamma; else give a larger gamma"
            )
    refined, judged = data.fixed_batches(options, whole=slow)
    with threads_for(12.0 * options.batch * options.window * layers * d_model * (n_x + d_model)):
        outcome = minimize(
            trainee,
            partial(data.windows, options),
            judged,
            steps=options.steps,
            learning_rate=options.learning_rate,
            weight_decay=options.weight_decay,
            validate_every=options.validate_every,
            patience=options.patience,
            minutes=options.minutes,
            began=began,
            average=options.average,
            prescribed=prescribed,
            monitor=None if options.monitor is None else GainMonitor(deep, options.monitor),
            progress=progress,
            checkpoint=file,
            work=work,
        )
        refine(
            trainee,
            refined,
            judged,
            outcome,
            iterations=options.refine_steps,
            minutes=options.minutes,
            prescribed=prescribed,
            progress=progress,
            work=work,
        )
    info = options.model | {
        "gamma": deep.gamma,
        **options.training,
        "linear_start": started,
        "work": work.about,
        "n_parameters": sum(p.numel() for p in trainee.parameters()),
        "data_digest": train.digest,
        "validation": data.words,
        "versions": versions(),
        **summary(outcome),
    }
    prescribed.finish()
    model = frozen_model(trainee, train[0], scaling, rule, info)
    if deep.gamma is not None and deep.scaffold != "series":
        model = scale_to_gain(model, deep.gamma)
    model = with_validation(model, data.judged, data.checked, time.monotonic() - began)
    if checkpoint is not None and work.leads and not outcome.reason.startswith((INTERRUPTED, BUDGET)):
        remove_checkpoint(checkpoint)
    return model


def checked_data(train: Dataset | Record, valid: Dataset | Record | None) -> tuple[Dataset, Dataset | None]:
    """Both as datasets with outputs, train varying in every channel, valid like train.

    Raises:
        DataError: what is not so.
    """
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
