"""`fit_noise`: a model that can predict, from the residuals of its free run on training data."""

from __future__ import annotations

import dataclasses

from l2ssm.data.arrays import finite_stretches
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.data.splitting import stretches
from l2ssm.data.summary import is_long
from l2ssm.errors import DataError
from l2ssm.identification.initial import BURN_IN
from l2ssm.identification.model import Model
from l2ssm.identification.noise_model import fit_autoregression

EXCERPT = 8192, 16  # of long data: samples of a stretch, stretches


def fit_noise(model: Model, data: Dataset | Record, max_order: int = 30) -> Model:
    """The model with a noise model: an autoregression of y - simulate(data), so that `Model.predict` works.

    The simulation is not changed by it, nor is a certificate of its network. Data the model was trained on has smaller
    residuals than new data; where there is enough, data kept from training gives a better noise model.

    Args:
        model: fitted; a noise model that it has is replaced.
        data: records with outputs; the first n_init samples of each are not used, nor records with no more. Of a record
            with missing outputs the stretches between them are used, of more than a million samples in all 16 stretches
            of 8192.
        max_order: largest order tried, see `fit_autoregression`.

    Raises:
        DataError: no outputs, too few samples, channels or dt that do not fit, or a free run that diverges.
        OptionError: max_order below 0.
    """
    records = [data] if isinstance(data, Record) else list(data)
    unused = [model.n_init] * len(records)
    if is_long(records):
        places = stretches([record.T for record in records], *EXCERPT)
        inside = [model.initial.known_at_start and first > 0 for _, first, _ in places]
        records = [records[i].samples(first, stop) for i, first, stop in places]
        unused = [max(model.n_init, r.T // BURN_IN * wrong) for r, wrong in zip(records, inside, strict=True)]
    residuals = []
    for record, start in zip(records, unused, strict=True):
        if record.y is None:
            raise DataError(f"record {record.name!r} has no outputs: a noise model is fitted to y - simulate(record)")
        if len(record) > start:
            error = (record.y - model.simulate(record))[start:]
            residuals += [error[part] for part in finite_stretches(error)] if record.missing else [error]
    return dataclasses.replace(model, noise=fit_autoregression(residuals, model.network.digest, max_order))
