"""Random windows of ragged records, each with the features of its initial state and the samples that are scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from l2ssm.data.dataset import Dataset
from l2ssm.errors import DataError, OptionError
from l2ssm.identification.initial import BURN_IN, InitialState, start_is_measured
from l2ssm.networks.scaling import Scaling

Array = NDArray[np.float64]
SHORTEST_BLOCK = 10  # held-out samples in a row: fewer are predicted by their neighbours


@dataclass(frozen=True)
class Batch:
    """u (batch, T, n_u), y (batch, T, n_y), features (batch, k) or None, scored (batch, T, n_y) - standardised.

    An output counts `scored` times: 0, where it was not measured too, or 1, or the weight of its sample.

    Where `continues` (batch,) is True the window goes on where the same item of the batch before ended.
    """

    u: Tensor
    y: Tensor
    features: Tensor | None
    scored: Tensor
    continues: Tensor


@dataclass(frozen=True, eq=False)
class Scored:
    """One record in standardised units, y NaN where it was not measured, and which samples count: scored (T,) bool.

    Their weights (T,) are >= 0; None stands for 1. Where it is a part of a record, `inside` says that others go before.
    """

    u: Array
    y: Array
    scored: NDArray[np.bool_]
    weight: Array | None = None
    inside: bool = False

    def __len__(self) -> int:
        return len(self.u)

    def cut(self, first: int, stop: int) -> Scored:
        """Samples first..stop-1, no more than there are."""
        part = slice(first, stop)
        weight = None if self.weight is None else self.weight[part]
        return Scored(self.u[part], self.y[part], self.scored[part], weight, self.inside or first > 0)

    def weighing(self, weight: Array) -> Scored:
        """The record with weights (T,); where they are 0 nothing is scored."""
        return replace(self, scored=self.scored & (weight > 0), weight=weight)


class Windowed(Protocol):
    """What windows are cut from: `Scored`, or a `LongRecord` that reads them."""

    def __len__(self) -> int: ...
    def cut(self, first: int, stop: int) -> Scored:
        """Samples first..stop-1, no more than there are."""


def standardise(data: Dataset, scaling: Scaling) -> list[Scored]:
    """Every record, all samples scored that hold a measured output."""
    data.require_outputs()
    pairs = [scaling.apply(record.u, record.y) for record in data if record.y is not None]
    return [Scored(u, y, np.asarray((~np.isnan(y)).any(axis=1))) for u, y in pairs]


def hold_out(records: Sequence[Scored], n_init: int, fraction: float, blocks: int) -> tuple[list[Scored], list[Scored]]:
    """(train, valid): the same records, evenly spread blocks of samples scored only in valid, the others only in train.

    A free run passes through all of a record, so that a short record keeps its length and validation sees every part
    of it, not only the end.

    Args:
        records: at least one.
        n_init: samples at the start of each record that are never scored.
        fraction: of the other samples, scored in valid.
        blocks: a record; fewer where a block would have less than SHORTEST_BLOCK samples.

    Raises:
        DataError: no record is long enough for training and validation samples.
    """
    train, valid = [], []
    for record in records:
        count = len(record.u) - n_init
        phase = np.full(len(record.u), -1.0)
        if count > 0:
            used = int(np.clip(fraction * count / SHORTEST_BLOCK, 1, blocks))
            phase[n_init:] = np.arange(1, count + 1) * used / count % 1.0
            phase[-1] = 1.0
        held = phase > 1 - fraction
        train.append(replace(record, scored=record.scored & (phase >= 0) & ~held))
        valid.append(replace(record, scored=record.scored & held))
    if not any(r.scored.any() for r in train):
        longest = max(len(r.u) for r in records)
        raise DataError(
            f"records too short: the longest has {longest} sample{'s' * (longest != 1)} and n_init is {n_init}, "
            f"expected at least {n_init + 2}"
        )
    return train, valid


def whole_records(records: Sequence[Scored], initial: InitialState) -> list[Batch]:
    """One batch of one a record, for validation."""
    return [_batch([settled(record, 0, len(record), initial)], initial, [False]) for record in records]


def prediction_windows(
    records: Sequence[Scored], initial: InitialState, *, horizon: int, most: int | None = None, batch: int = 64
) -> list[Batch]:
    """Windows of n_init + horizon samples, one after the other so that each sample from n_init on is in one horizon.

    Those in which nothing is scored are left out, and every so many-th alone is taken where they are more than `most`.
    """
    length = initial.n_init + horizon
    cuts = [_cut(r, first, length) for r in records for first in range(0, len(r.u) - initial.n_init, horizon)]
    cuts = [cut for cut in cuts if cut.scored[initial.n_init :].any()]
    cuts = cuts[:: 1 if most is None else -(-len(cuts) // most)]
    groups = [cuts[k : k + batch] for k in range(0, len(cuts), batch)]
    return [_batch(group, initial, [False] * len(group)) for group in groups]


def random_windows(
    records: Sequence[Windowed], initial: InitialState, *, window: int, batch: int, seed: int, skip: int = 0
) -> Iterator[Batch]:
    """Endless batches of windows, uniform over all their possible starts in all records; the first `skip` are left out.

    A record shorter than the window is one window, held at its last sample, and not scored, beyond its end.

    Raises:
        DataError: no record is longer than n_init samples.
        OptionError: a window of n_init samples or fewer.
    """
    length = window_length(records, initial, window)
    usable = [record for record in records if len(record) > initial.n_init]
    starts = np.array([max(len(record) - length, 0) + 1 for record in usable])
    edges = np.cumsum(starts)
    rng = np.random.default_rng(seed)
    for step in count():
        draw = rng.integers(edges[-1], size=batch)
        if step < skip:
            continue
        which = np.searchsorted(edges, draw, side="right")
        first = draw - (edges[which] - starts[which])
        cuts = [settled(usable[i], k, length, initial) for i, k in zip(which, first, strict=True)]
        yield _batch(cuts, initial, [False] * batch)


def spread_windows(
    records: Sequence[Windowed], initial: InitialState, *, window: int, most: int = 64, batch: int = 16
) -> list[Batch]:
    """Windows that overlap by three quarters, or as much less as makes them `most` over all records; in batches.

    The first begins and the last ends where its record does, so that records of at most `most` windows side by side are
    covered whole; of longer ones what lies between the windows is left out.

    Raises:
        DataError, OptionError: see `random_windows`.
    """
    length = window_length(records, initial, window)
    usable = [record for record in records if len(record) > initial.n_init]
    spare = [max(len(record) - length, 0) for record in usable]
    stride = max(1, length // 4, -(-sum(spare) // max(1, most - 2 * len(usable))))
    cuts = [
        settled(record, int(first), length, initial)
        for record, extra in zip(usable, spare, strict=True)
        for first in np.linspace(0, extra, -(-extra // stride) + 1).astype(int)
    ]
    groups = [cuts[k : k + batch] for k in range(0, len(cuts), batch)]
    return [_batch(group, initial, [False] * len(group)) for group in groups]


def consecutive_windows(
    records: Sequence[Windowed], initial: InitialState, *, window: int, batch: int, seed: int, skip: int = 0
) -> Iterator[Batch]:
    """Endless batches for truncated backpropagation: each item walks through the records window after window.

    Every pass over the data begins at another offset, and its windows are dealt out to the items in equal stretches.
    The first `skip` batches are left out.

    Raises:
        DataError: no record is longer than n_init samples.
    """
    length = window_length(records, initial, window)
    rng = np.random.default_rng(seed)
    while True:
        shift = int(rng.integers(length))
        cuts = [
            (i, first, position > 0)
            for i, record in enumerate(records)
            if len(record) > initial.n_init
            for position, first in enumerate(_starts(len(record), length, shift))
        ]
        items = min(batch, len(cuts))
        share = len(cuts) // items
        first_wanted, skip = min(skip, share), max(skip - share, 0)
        for step in range(first_wanted, share):
            drawn = [cuts[item * share + step] for item in range(items)]
            continues = [step > 0 and follows for _, _, follows in drawn]
            windows = [
                _cut(records[i], first, length) if goes_on else settled(records[i], first, length, initial)
                for (i, first, _), goes_on in zip(drawn, continues, strict=True)
            ]
            yield _batch(windows, initial, continues)


def _starts(samples: int, length: int, shift: int) -> range:
    """Starts of the windows of a record, side by side from `shift`, or from 0 where it is too short for that."""
    return range(shift if samples - shift >= length else 0, max(samples - length, 0) + 1, length)


def window_length(records: Sequence[Windowed], initial: InitialState, window: int) -> int:
    """`window`, or the longest record where that is shorter; an error where nothing is left after n_init samples."""
    longest = max(len(record) for record in records)
    if longest <= initial.n_init:
        raise DataError(
            f"the longest training record has {longest} samples and n_init is {initial.n_init}: nothing is left to fit"
        )
    if window <= initial.n_init:
        raise OptionError(f"window is {window} and n_init is {initial.n_init}: expected a window > n_init")
    return int(min(window, longest))


def settled(record: Windowed, first: int, length: int, initial: InitialState) -> Scored:
    """A window; where it begins inside a record, at a wrong state, what that state spoils is not scored."""
    cut = _cut(record, first, length)
    if not (cut.inside and initial.known_at_start):
        return cut
    return replace(cut, scored=cut.scored & (np.arange(length) >= length // BURN_IN))


def _cut(record: Windowed, first: int, length: int) -> Scored:
    cut = record.cut(first, first + length)
    missing = length - len(cut)
    if missing == 0:
        return cut
    ends, across = (0, missing), ((0, missing), (0, 0))
    weight = None if cut.weight is None else np.pad(cut.weight, ends)
    u, y = (np.pad(values, across, "edge") for values in (cut.u, cut.y))
    return replace(cut, u=u, y=y, scored=np.pad(cut.scored, ends), weight=weight)


def _batch(records: Sequence[Scored], initial: InitialState, continues: Sequence[bool]) -> Batch:
    U, Y = np.stack([r.u for r in records]), np.stack([r.y for r in records])
    found, measured, goes_on = initial.features(U, Y), ~np.isnan(Y), np.array(continues)
    settled = np.tile(np.arange(U.shape[1]) >= initial.n_init, (len(U), 1))
    if initial.kind == "encoder":
        settled &= start_is_measured(Y, initial.n_init)[:, None]
    counts = np.stack([r.scored * (1.0 if r.weight is None else r.weight) for r in records])
    scored = (counts * (settled | goes_on[:, None]))[:, :, None] * measured

    def tensor(v: NDArray) -> Tensor:
        return torch.as_tensor(v, dtype=torch.float32)

    fresh = None if found is None else tensor(found)
    return Batch(tensor(U), tensor(np.where(measured, Y, 0.0)), fresh, tensor(scored), torch.as_tensor(goes_on))
