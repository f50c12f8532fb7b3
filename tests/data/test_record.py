"""`Record`: shapes, slicing in seconds, immutability, and one clear error for every way the arrays can be wrong."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest

from l2ssm.data import Record
from l2ssm.errors import DataError, L2ssmError, OptionError

U = np.linspace(0.0, 1.0, 100)
Y = U**2


def record(**changes):
    arguments = {"u": U, "y": np.column_stack([Y, -Y]), "dt": 0.1, "name": "mon", "t0": 2.0}
    arguments |= {"input_names": ["pump"], "output_names": ["h1", "h2"], "units": {"pump": "V", "h1": "mm"}}
    return Record(**(arguments | changes))


def test_one_dimensional_arrays_become_columns():
    one = Record(U, Y, 0.5)
    assert one.u.shape == one.y.shape == (100, 1)
    assert (one.T, one.n_u, one.n_y, one.duration, len(one)) == (100, 1, 1, 50.0, 100)
    assert one.input_names == ("u",)
    assert one.output_names == ("y",)
    np.testing.assert_array_equal(one.u[:, 0], U)


def test_default_names_are_numbered():
    two = Record(np.zeros((5, 2)), np.zeros((5, 3)), 1.0)
    assert two.channels == ("u1", "u2", "y1", "y2", "y3")


def test_input_only_record():
    one = Record(U, None, 0.5)
    assert one.y is None
    assert one.n_y == 0
    assert one.output_names == ()
    assert one[1.0:2.0].y is None


def test_time_axis_transposes():
    given = Record(np.vstack([U, U]), np.vstack([Y, 2 * Y, 3 * Y]), 1.0, time_axis=1)
    assert given.u.shape == (100, 2)
    np.testing.assert_array_equal(given.y[:, 2], 3 * Y)
    assert given.u.flags.c_contiguous


@pytest.mark.parametrize("values", [[0, 1, 2], [True, False, True], np.arange(3, dtype=np.float32), (0.0, 1.0, 2.0)])
def test_numbers_of_any_type_become_float64(values):
    one = Record(values, values, 1)
    assert one.u.dtype == one.y.dtype == np.float64
    assert isinstance(one.dt, float)


def test_arrays_are_copied_and_read_only():
    mine = U.copy()
    one = Record(mine, Y, 1.0)
    mine[0] = 99.0
    assert one.u[0, 0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        one.u[0, 0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        one[0.0:3.0].y[0, 0] = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.dt = 2.0


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_keep_everything_and_stay_read_only(clone):
    one = record()
    other = clone(one)
    assert other.digest == one.digest
    assert not other.u.flags.writeable


def test_slice_in_seconds_keeps_name_axis_and_units():
    part = record()[3.0:4.5]
    assert part.T == 15
    np.testing.assert_allclose(part.t, record().t[10:25], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(part.y, record().y[10:25])
    assert (part.name, part.dt, part.channels) == ("mon", 0.1, ("pump", "h1", "h2"))
    assert part.units == {"pump": "V", "h1": "mm"}
    assert part.t0 == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("first", "stop", "samples"), [(None, None, 100), (None, 3.0, 10), (11.0, None, 10), (-5, 99, 100)]
)
def test_open_and_outside_bounds(first, stop, samples):
    part = record()[first:stop]
    assert len(part) == samples


def test_slices_of_seconds_tile_the_record():
    """Half-open slices at every sample instant, rounding of k*0.1 included, lose and repeat nothing."""
    one = Record(U, Y, 0.1)
    for k in range(1, 100):
        before, after = one[: k * 0.1], one[k * 0.1 :]
        assert (len(before), len(after)) == (k, 100 - k)


def test_slicing_a_slice_uses_the_same_clock():
    np.testing.assert_array_equal(record()[3.0:8.0][4.0:5.0].u, record()[4.0:5.0].u)


@pytest.mark.parametrize("key", [5, (1, 2), slice(0.0, 1.0, 2), "u"])
def test_only_seconds_slice_a_record(key):
    with pytest.raises(DataError, match=r"sliced in seconds"):
        record()[key]


def test_empty_slices_say_where_the_record_is():
    with pytest.raises(DataError, match=r"no sample of record 'mon' in \[50.0:60.0\] s; it spans 2 s to 12 s"):
        record()[50.0:60.0]
    with pytest.raises(DataError, match="not a time in seconds"):
        record()["a":"b"]
    with pytest.raises(DataError, match="not a time"):
        record()[float("nan") :]


def test_samples_by_number():
    part = record().samples(10, 20)
    assert part.T == 10
    assert part.t0 == pytest.approx(3.0)
    for bounds in [(5, 5), (-1, 3), (90, 101)]:
        with pytest.raises(DataError, match="not in record 'mon' of 100 samples"):
            record().samples(*bounds)


def test_digest_sees_every_part():
    one = record()
    assert record().digest == one.digest
    bent = record().y.copy()
    bent[50, 1] = np.nextafter(bent[50, 1], 1.0)
    changes = [
        {"y": bent},
        {"u": U + 1},
        {"dt": 0.2},
        {"t0": 0.0},
        {"name": "tue"},
        {"units": {}},
        {"input_names": ["q"], "units": {}},
    ]
    assert len({one.digest, *(record(**change).digest for change in changes)}) == len(changes) + 1


def test_repr_is_one_line():
    assert repr(record()) == "Record('mon': T=100, dt=0.1 s, pump [V] -> h1 [mm], h2)"


WRONG = {
    "unequal lengths": ({"u": U[:90]}, r"record 'mon': unequal lengths, u \(90, 1\) and y \(100, 2\)"),
    "y transposed": ({"y": np.zeros((2, 100))}, r"u \(100, 1\) and y \(2, 100\).*y looks transposed, pass y\.T"),
    "y row vector": ({"y": Y[None], "output_names": None, "units": None}, "y looks transposed"),
    "u row vector": ({"u": U[None]}, r"u looks transposed, pass u\.T"),
    "both transposed": ({"u": np.zeros((3, 100)), "y": np.zeros((2, 100))}, "transposed, pass time_axis=1"),
    "both transposed, as many": (
        {"u": np.zeros((2, 100)), "y": np.zeros((2, 100))},
        "looks transposed, pass time_axis=1",
    ),
    "both row vectors": ({"u": U[None], "y": Y[None]}, "more channels than samples looks transposed, pass time_axis=1"),
    "one sample short": ({"u": U[:1]}, r"u \(1, 1\) and y \(100, 2\).*one output sample"),
    "NaN in u": (
        {"u": np.where(np.arange(100) == 17, np.nan, U)},
        r"NaN in channel 'pump', first at row 17 \(1 of 100",
    ),
    "inf in y": (
        {"y": np.where(np.arange(200).reshape(100, 2) == 7, np.inf, 1)},
        "infinity in channel 'h2', first at row 3",
    ),
    "NaN says the way out": ({"u": np.full(100, np.nan)}, r'dropna="split"'),
    "masked": ({"u": np.ma.masked_equal(np.arange(100.0), 4.0)}, "NaN in channel 'pump', first at row 4"),
    "empty": ({"u": [], "y": []}, "u is empty"),
    "no channels": ({"u": np.zeros((100, 0))}, r"u is empty \(shape \(100, 0\)\)"),
    "dt zero": ({"dt": 0.0}, "dt=0.0: the sampling time must be positive"),
    "dt negative": ({"dt": -1.0}, "dt=-1.0"),
    "dt NaN": ({"dt": float("nan")}, "dt=nan is not a finite number"),
    "dt infinite": ({"dt": float("inf")}, "dt=inf is not a finite number"),
    "dt text": ({"dt": "Ts"}, "dt='Ts' is not a finite number"),
    "dt None": ({"dt": None}, "dt=None"),
    "t0 NaN": ({"t0": float("nan")}, "t0=nan"),
    "text": ({"u": ["a"] * 100}, "u is not numeric"),
    "dates": ({"u": np.arange(100).astype("datetime64[s]")}, "u is not numeric"),
    "object text": ({"u": np.array(["a"] * 100, dtype=object)}, "u is not numeric"),
    "ragged": ({"u": [[1.0], [1.0, 2.0]]}, "u is not a rectangular array"),
    "too large": ({"u": [10**400] * 100}, "u is not numeric"),
    "complex": ({"y": Y + 1j}, "y is complex"),
    "three dimensions": ({"u": np.zeros((2, 100, 1))}, r"u has shape \(2, 100, 1\): one record is \(T, channels\)"),
    "scalar": ({"u": 3.0}, "u is a single number"),
    "names twice": ({"output_names": ["h1", "h1"]}, "channel name 'h1' is used twice"),
    "name in both": ({"output_names": ["h1", "pump"]}, "channel name 'pump' is used twice"),
    "too few names": ({"output_names": ["h1"]}, r"output_names=\['h1'\] has 1 names for 2 channels"),
    "empty name": ({"input_names": [""]}, "empty name"),
    "unknown unit": (
        {"units": {"q": "V"}},
        r"unit given for unknown channel 'q'; the channels are \['pump', 'h1', 'h2'\]",
    ),
}


@pytest.mark.parametrize(("changes", "message"), WRONG.values(), ids=WRONG)
def test_wrong_data_gives_one_clear_line(changes, message):
    with pytest.raises(DataError, match=message) as caught:
        record(**changes)
    assert isinstance(caught.value, L2ssmError)
    assert "\n" not in str(caught.value)


def test_time_axis_is_zero_or_one():
    with pytest.raises(OptionError, match="time_axis=2"):
        Record(U, Y, 1.0, time_axis=2)


def test_unpacking_a_record_is_refused():
    with pytest.raises(DataError, match="sliced in seconds"):
        _u, _y = Record(U, Y, 1.0)
