"""`Dataset`: ragged records found by name, splits with a gap that never overlap, statistics, and its errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from l2ssm.data import Dataset, Record
from l2ssm.errors import DataError, OptionError


def ramp(T, name="", start=0.0, **about):
    u = np.arange(start, start + T)
    return Record(u, 2 * u, 0.5, name=name, **about)


@pytest.fixture
def data():
    return Dataset([ramp(100, "mon"), ramp(40, "tue", 1000.0), ramp(61, "wed", 2000.0)])


def test_found_by_name_position_and_slice(data):
    assert data["tue"] is data[1]
    assert data[-1].name == "wed"
    assert [record.name for record in data] == ["mon", "tue", "wed"]
    assert data[1:].names == ("tue", "wed")
    assert (len(data), data.T, data.duration, data.dt, data.n_u, data.n_y) == (3, 201, 100.5, 0.5, 1, 1)
    assert (data.input_names, data.output_names, data.channels) == (("u",), ("y",), ("u", "y"))


def test_unnamed_records_are_named_by_position():
    assert Dataset([ramp(3), ramp(4)]).names == ("record0", "record1")
    assert Dataset(ramp(3, "only")).names == ("only",)


def test_unknown_keys_list_what_there_is(data):
    with pytest.raises(DataError, match="no record 'sun'; the records are 'mon', 'tue', 'wed'"):
        data["sun"]
    with pytest.raises(DataError, match="no record at position 3; there are 3"):
        data[3]
    with pytest.raises(DataError, match=r"slice a record in seconds, data\['mon'\]\[a:b\]"):
        data[1.0:2.0]
    with pytest.raises(DataError, match="neither a record's name nor its position"):
        data[1.5]


DIFFERENT = {
    "dt": (Record([0.0, 1], [0.0, 1], 0.25, name="b"), r"record 'b' differs in dt: 0.25 s, but record 'a' has 0.5 s"),
    "inputs": (Record([0.0, 1], [0.0, 1], 0.5, name="b", input_names=["v"]), r"differs in input channels: \['v'\]"),
    "outputs": (Record(np.eye(2)[0], np.eye(2), 0.5, name="b"), r"differs in output channels: \['y1', 'y2'\]"),
    "no outputs": (Record([0.0, 1], None, 0.5, name="b"), "differs in outputs: none"),
    "units": (Record([0.0, 1], [0.0, 1], 0.5, name="b", units={"u": "V"}), "differs in the unit of 'u': 'V'"),
}


@pytest.mark.parametrize(("other", "message"), DIFFERENT.values(), ids=DIFFERENT)
def test_a_record_that_differs_is_named(other, message):
    with pytest.raises(DataError, match=message):
        Dataset([ramp(5, "a"), other])


def test_empty_foreign_and_twin_records_are_refused():
    with pytest.raises(DataError, match="at least one record"):
        Dataset([])
    with pytest.raises(DataError, match="a Dataset is made of Records, not of int"):
        Dataset(3)
    with pytest.raises(DataError, match="item 1 of the Dataset is a ndarray, expected a Record"):
        Dataset([ramp(5), np.zeros(5)])
    with pytest.raises(DataError, match="two records are called 'a'"):
        Dataset([ramp(5, "a"), ramp(6, "a")])


@pytest.mark.parametrize("gap", [0, 1, 7])
@pytest.mark.parametrize("fractions", [[0.8, 0.2], [0.5, 0.25, 0.25], [1.0]])
def test_split_by_time_is_disjoint_ordered_and_leaves_exactly_the_gap(data, fractions, gap):
    parts = data.split(fractions, gap=gap)
    assert len(parts) == len(fractions)
    for record in data:
        pieces = [part[record.name] for part in parts]
        kept = np.concatenate([piece.u[:, 0] for piece in pieces])
        assert kept[0] == record.u[0, 0]
        assert kept[-1] == record.u[-1, 0]
        assert record.T - kept.size == gap * (len(fractions) - 1)
        steps = np.diff(kept)
        assert sorted(set(steps)) == ([1.0] if gap == 0 or len(fractions) == 1 else [1.0, 1.0 + gap])
        for piece, share in zip(pieces, fractions, strict=True):
            assert abs(piece.T - share * kept.size) <= 1
            np.testing.assert_array_equal(piece.t, record.t[np.isin(record.u[:, 0], piece.u[:, 0])])


def test_split_by_record_deals_out_whole_records(data):
    train, valid = data.split([2 / 3, 1 / 3], by="record")
    assert train.names == ("mon", "tue")
    assert valid["wed"] is data["wed"]


@pytest.mark.parametrize("fractions", [[0.8, 0.3], [1.2, -0.2], [], [0.5], [float("nan"), 1.0], [1.0, 0.0]])
def test_fractions_must_be_positive_and_sum_to_one(data, fractions):
    with pytest.raises(OptionError, match="must be positive and sum to 1"):
        data.split(fractions)


def test_splits_that_cannot_be_made(data):
    with pytest.raises(DataError, match="record 'tue' has 40 samples, too few to split"):
        data.split([0.8, 0.2], gap=39)
    with pytest.raises(DataError, match=r'part 1 would be empty; by="time"'):
        Dataset(ramp(100)).split([0.8, 0.2], by="record")
    with pytest.raises(OptionError, match="by='name'"):
        data.split([0.8, 0.2], by="name")
    with pytest.raises(OptionError, match="gap=5 goes with"):
        data.split([0.8, 0.2], by="record", gap=5)
    for fractions in (0.8, "ab", [None]):
        with pytest.raises(OptionError, match="must be a list of numbers"):
            data.split(fractions)
    for gap in (-1, 1.5, True):
        with pytest.raises(OptionError, match="whole number of samples"):
            data.split([0.8, 0.2], gap=gap)


def test_statistics_are_over_all_samples_of_all_records(data):
    u = np.concatenate([np.arange(100.0), np.arange(1000.0, 1040.0), np.arange(2000.0, 2061.0)])
    found = data.statistics()
    np.testing.assert_allclose(found.u_mean, [u.mean()], rtol=1e-14)
    np.testing.assert_allclose(found.u_std, [u.std()], rtol=1e-14)
    np.testing.assert_allclose(found.y_std, [2 * u.std()], rtol=1e-14)
    assert Dataset(Record([1.0, 2.0], None, 1.0)).statistics().y_mean.shape == (0,)


def test_table_shows_every_column():
    text = str(Dataset([ramp(4, "mon", units={"u": "V"}), ramp(5, "tue", units={"u": "V"})]))
    head, _rule, first, second, *_rest, last = text.splitlines()
    assert head.split() == ["record", "T", "duration", "dt", "channel", "unit", "NaN", "range"]
    assert first.split() == ["mon", "4", "2", "s", "0.5", "s", "in:", "u", "V", "0", "0", "..", "3"]
    assert second.split() == ["out:", "y", "-", "0", "0", "..", "6"]
    assert last == "2 records, 9 samples, 4.5 s"


def test_long_table_is_cut():
    text = str(Dataset([ramp(3, f"r{i}") for i in range(25)]))
    assert "... and 5 more records" in text
    assert "r24" not in text


def test_digest_depends_on_records_and_order(data):
    assert Dataset(list(data)).digest == data.digest
    assert Dataset(list(data)[::-1]).digest != data.digest
    assert data[:2].digest != data.digest


def test_zero_variance_names_channel_and_record():
    flat = Record(np.column_stack([np.arange(9.0), np.full(9, 3.2)]), np.arange(9.0), 1.0, name="mon")
    with pytest.raises(DataError, match=r"input 'u2' has zero variance: it is constant \(3.2\) in record 'mon'"):
        Dataset(flat).require_variation()
    with pytest.raises(DataError, match=r"output 'y' has zero variance.*every record \('mon', 'tue'\)"):
        Dataset([Record(np.arange(9.0), np.ones(9), 1.0, name=name) for name in ("mon", "tue")]).require_variation()
    with pytest.raises(DataError, match="has no outputs"):
        Dataset(Record(np.arange(9.0), None, 1.0)).require_variation()


def test_a_rounding_ripple_is_no_variation_but_a_level_per_record_is():
    ripple = 1e6 + np.arange(9) * 1e-9
    with pytest.raises(DataError, match="zero variance"):
        Dataset(Record(ripple, np.arange(9.0), 1.0)).require_variation()
    steps = [Record(np.full(9, float(level)), np.full(9, level**2.0), 1.0) for level in (1, 2)]
    Dataset(steps).require_variation()


def test_from_arrays_takes_one_or_many():
    one = Dataset.from_arrays(np.arange(5.0), np.arange(5.0), 0.1, units={"u": "V"})
    assert one[0].units == {"u": "V"}
    many = Dataset.from_arrays([np.arange(5.0), np.arange(7.0)], [np.zeros(5), np.zeros(7)], 0.1, names=["a", "b"])
    assert [(record.name, record.T) for record in many] == [("a", 5), ("b", 7)]
    assert Dataset.from_arrays([np.zeros((2, 9))], [np.zeros((1, 9))], 0.1, time_axis=1)[0].u.shape == (9, 2)
    assert Dataset.from_arrays([np.arange(5.0)] * 2, None, 0.1).n_y == 0
    with pytest.raises(DataError, match="u has 2 records and y has 1"):
        Dataset.from_arrays([np.zeros(5)] * 2, [np.zeros(5)], 0.1)
    with pytest.raises(DataError, match="1 names for 2 records"):
        Dataset.from_arrays([np.zeros(5)] * 2, None, 0.1, names=["a"])


def test_dropna_split_keeps_every_finite_stretch_at_its_time():
    u, y = np.arange(20.0), np.arange(20.0) * 3
    u[5], y[[11, 13, 19]] = np.nan, np.inf
    data = Dataset.from_arrays(u, y, 0.5, dropna="split", names=["day"])
    assert [record.u[:, 0].tolist() for record in data] == [
        [0, 1, 2, 3, 4],
        [6, 7, 8, 9, 10],
        [14, 15, 16, 17, 18],  # sample 12 alone is too short to keep
    ]
    assert data.names == ("day/0", "day/1", "day/2")
    for record in data:
        np.testing.assert_allclose(record.t, record.u[:, 0] * 0.5)
        np.testing.assert_allclose(record.y, 3 * record.u)


def test_dropna_errors():
    with pytest.raises(DataError, match="no 2 consecutive rows without NaN"):
        Dataset.from_arrays(np.full(5, np.nan), np.zeros(5), 1.0, dropna="split")
    with pytest.raises(OptionError, match="dropna=True"):
        Dataset.from_arrays(np.zeros(5), np.zeros(5), 1.0, dropna=True)
    with pytest.raises(DataError, match="unequal lengths"):
        Dataset.from_arrays(np.zeros(5), np.zeros(6), 1.0, dropna="split")
    assert Dataset.from_arrays(np.zeros(5), np.zeros(5), 1.0, dropna="split").names == ("record0",)


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "run_id": ["a"] * 30 + ["b"] * 20,
            "t": np.concatenate([np.arange(30), np.arange(20)]) * 0.25,
            "q": np.arange(50.0),
            "h1": np.arange(50) % 7,
            "h2": -np.arange(50.0),
            "note": "fine",
        }
    )


def test_from_frame(frame):
    data = Dataset.from_frame(frame, ["q"], ["h1", "h2"], dt=0.25, record="run_id", units={"q": "l/s"})
    assert [(record.name, record.T) for record in data] == [("a", 30), ("b", 20)]
    np.testing.assert_array_equal(data["b"].y, frame[["h1", "h2"]].to_numpy()[30:])
    by_time = Dataset.from_frame(frame, "q", ["h1", "h2"], time="t", record="run_id", units={"q": "l/s"})
    assert by_time.digest == data.digest


def test_from_frame_errors(frame):
    with pytest.raises(DataError, match=r"no column 'h3' in the DataFrame; the columns are 'run_id', 't', 'q', 'h1'"):
        Dataset.from_frame(frame, "q", "h3", dt=1.0)
    with pytest.raises(DataError, match="column 'note' of the DataFrame is not numeric"):
        Dataset.from_frame(frame, "q", "note", dt=1.0)
    with pytest.raises(DataError, match=r"time does not increase: 7.25 s at row 29.*record=<column>"):
        Dataset.from_frame(frame, "q", "h1", time="t")
    with pytest.raises(DataError, match="sampling time is unknown: pass dt"):
        Dataset.from_frame(frame, "q", "h1")
    with pytest.raises(DataError, match="'q' is chosen twice"):
        Dataset.from_frame(frame, "q", "q", dt=1.0)
    with pytest.raises(OptionError, match="inputs is empty"):
        Dataset.from_frame(frame, [], "q", dt=1.0)
    with pytest.raises(DataError, match="no rows"):
        Dataset.from_frame(frame[:0], "q", "h1", dt=1.0)
