"""`FitData`: what a fit draws its windows from, what it validates on, and what it looks at whole.

Data of more than `LONG` samples (`data.summary`) are never copied: their windows are read when they are drawn, and what
looks at whole records looks at stretches of them. It makes no difference whether they are in memory or in a store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from l2ssm.data.dataset import Dataset
from l2ssm.data.splitting import Stretch, stretches
from l2ssm.data.summary import is_long
from l2ssm.errors import DataError
from l2ssm.identification.fit_options import FitOptions
from l2ssm.identification.initial import InitialState, require_start, start_is_measured
from l2ssm.identification.long_data import LongRecord, prefetched
from l2ssm.identification.losses import check_names, weighted
from l2ssm.identification.windows import (
    Batch,
    Scored,
    consecutive_windows,
    hold_out,
    prediction_windows,
    random_windows,
    settled,
    spread_windows,
    standardise,
    whole_records,
)
from l2ssm.networks.scaling import Scaling

HELD_OUT, BLOCKS = 0.15, 5  # validation samples where no validation data is given: fraction, blocks a record
REFINED = 64 * 512  # samples of windows with a horizon, on which L-BFGS works
VALIDATION = 4096, 64  # of long data: samples of a stretch, n_init not counted, and stretches
LINEAR = 8192, 16  # for the linear start
REFINEMENT = 1024, 32  # for L-BFGS
WHOLE = 2**15, 2**16  # samples of a stretch, where whole records have more than so many (second)
Weights = Mapping[str, Any] | None
Records = list[Scored] | list[LongRecord]


@dataclass(frozen=True, eq=False)
class FitData:
    """Training and validation records, standardised.

    Attributes:
        fitted: training records; what validates is not scored in them.
        checked: validation records; of long ones stretches, each run freely from a start of its own.
        judged: the records in physical units that `checked` is of, in the same order.
        words: what validates, for the model file.
    """

    fitted: Records
    checked: list[Scored]
    judged: Dataset
    words: str

    @classmethod
    def of(
        cls, train: Dataset, valid: Dataset | None, weights: Weights, scaling: Scaling, rule: InitialState
    ) -> FitData:
        """Standardised and weighted; validation samples are cut from the training ones where there are no others.

        Raises:
            DataError: nothing to train or to validate on, or a start of a record that says nothing of its state.
            OptionError: weights that are not those of the records.
        """
        check_names(weights, train, valid)
        for record in (*train, *(valid or ())):
            if rule.kind == "encoder" and rule.n_init < record.T:
                start = record.block(0, rule.n_init)[1]
                assert start is not None
                require_start(start, rule.n_init, f"record {record.name!r}: ")
        if valid is not None:
            places = _places(valid, rule, VALIDATION[0])
            seen = _seen(_records(valid, weights, scaling), valid, places, rule)
            found = cls(_records(train, weights, scaling), *seen, "given")
            found._require_scored(train, rule, "given")
            return found
        if not is_long(train):
            fitted, checked = hold_out(_short(train, weights, scaling), rule.n_init, HELD_OUT, BLOCKS)
            words = f"{HELD_OUT:.0%} of the training samples, {BLOCKS} blocks a record"
            found = cls(fitted, checked, train, words)
        else:
            places = _places(train, rule, min(VALIDATION[0], int(HELD_OUT * train.T) // VALIDATION[1]))
            records = _long(train, weights, scaling)
            words = f"{len(places)} stretches of the training samples"
            kept = [record.without([p[1:] for p in places if p[0] == i]) for i, record in enumerate(records)]
            found = cls(kept, *_seen(records, train, places, rule), words)
        found._require_scored(train, rule, f"cut from the training ones ({words})")
        return found

    @property
    def long(self) -> bool:
        """Whether training windows are read when they are drawn."""
        return isinstance(self.fitted[0], LongRecord)

    def excerpt(self, size: tuple[int, int], rule: InitialState) -> list[Scored]:
        """Training records as they are; of long ones so many (second) stretches of so many samples (first).

        Where the rule knows a state at the start of a record only, the starts of those records come with them.
        """
        lengths = [len(record) for record in self.fitted]
        places = stretches(lengths, *size) if self.long else [(i, 0, length) for i, length in enumerate(lengths)]
        if self.long and rule.known_at_start:
            places = sorted({*places, *((i, 0, min(size[0], lengths[i])) for i, _, _ in places)})
        return [self.fitted[i].cut(first, stop) for i, first, stop in places]

    def windows(self, options: FitOptions, skip: int = 0) -> Iterator[Batch]:
        """Endless training batches after the first `skip`; of long data made by a thread while one is used."""
        drawn = consecutive_windows if options.carry_state else random_windows
        sizes = {"window": options.window, "batch": options.batch, "seed": options.seed}
        batches = drawn(self.fitted, options.rule, **sizes, skip=skip)
        return prefetched(batches) if self.long else batches

    def fixed_batches(self, options: FitOptions, whole: bool = False) -> tuple[list[Batch], list[Batch]]:
        """What is refined on, and what is validated on: free runs, or predictions up to a horizon.

        Args:
            options: of the fit.
            whole: refine free runs over whole records too, which count as much as all windows; one has to be longer.
        """
        rule, k = options.rule, options.horizon
        refined = self.excerpt((max(REFINEMENT[0], options.window), REFINEMENT[1]), rule)
        if k is not None:
            most = REFINED // (rule.n_init + k)
            checked = prediction_windows(self.checked, rule, horizon=k)
            return prediction_windows(refined, rule, horizon=k, most=most), checked
        windows, checked = spread_windows(refined, rule, window=options.window), whole_records(self.checked, rule)
        if not whole:
            return windows, checked
        runs = whole_records(self._whole(options.window), rule)
        share = sum(float(run.scored.sum()) for run in runs) / sum(float(cut.scored.sum()) for cut in windows)
        return [*runs, *(replace(cut, scored=share * cut.scored) for cut in windows)], checked

    def _whole(self, window: int) -> list[Scored]:
        """The training records longer than a window; of more than `WHOLE` samples stretches spread over them."""
        records = [record for record in self.fitted if len(record) > window]
        lengths, (length, most) = [len(record) for record in records], WHOLE
        if sum(lengths) <= most:
            return [record.cut(0, len(record)) for record in records]
        places = stretches(lengths, length, most // length)
        return [records[i].cut(first, stop) for i, first, stop in places]

    def _require_scored(self, train: Dataset, rule: InitialState, where: str) -> None:
        left = [(~np.isnan(record.y) & record.scored[:, None])[rule.n_init :] for record in self.checked]
        unseen = np.flatnonzero(~np.concatenate(left).any(axis=0))
        if unseen.size:
            raise DataError(
                f"nothing of {train.output_names[unseen[0]]!r} is left to score: every validation sample, {where}, has"
                f" the weight 0, was not measured, or is among the first n_init = {rule.n_init}; give valid, or other"
                " records"
            )


def _short(data: Dataset, weights: Weights, scaling: Scaling) -> list[Scored]:
    return weighted(standardise(data, scaling), data, weights)


def _long(data: Dataset, weights: Weights, scaling: Scaling) -> list[LongRecord]:
    return weighted([LongRecord(record, scaling) for record in data], data, weights)


def _records(data: Dataset, weights: Weights, scaling: Scaling) -> Records:
    return _long(data, weights, scaling) if is_long(data) else _short(data, weights, scaling)


def _places(data: Dataset, rule: InitialState, samples: int) -> list[Stretch]:
    """All of every record, or of long data stretches of n_init and so many samples, which take half of it at most."""
    if not is_long(data):
        return [(i, 0, record.T) for i, record in enumerate(data)]
    length = rule.n_init + samples
    return stretches([record.T for record in data], length, max(1, min(VALIDATION[1], data.T // (2 * length))))


def _seen(
    records: Records, data: Dataset, places: Sequence[Stretch], rule: InitialState
) -> tuple[list[Scored], Dataset]:
    """(standardised, in physical units) what validates, without what begins where no state can be told."""
    if not is_long(data):
        return [records[i].cut(first, stop) for i, first, stop in places], data
    cuts = {place: settled(records[place[0]], place[1], place[2] - place[1], rule) for place in places}
    if rule.kind == "encoder":
        cuts = {place: cut for place, cut in cuts.items() if start_is_measured(cut.y, rule.n_init)}
    if not cuts:
        raise DataError(
            f"no validation stretch has every output measured among its first n_init = {rule.n_init} samples;"
            ' give valid, or fit with initial="warmup"'
        )
    parts = [data[i].samples(first, stop).renamed(f"{data[i].name}[{first}:{stop}]") for i, first, stop in cuts]
    return list(cuts.values()), Dataset(parts)
