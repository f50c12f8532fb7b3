"""NaN in outputs: kept only where it was asked for, and by the option that the error names."""

from __future__ import annotations

import numpy as np
import pytest

from l2ssm import Dataset, Record, read
from l2ssm.errors import DataError


def test_a_record_keeps_them_where_asked():
    y = np.array([1.0, np.nan, 3.0])
    with pytest.raises(DataError, match=r"NaN in channel 'y', first at row 1 .*dropna=\"mask\" .*missing=True"):
        Record([1.0, 2, 3], y, 1.0)
    record = Record([1.0, 2, 3], y, 1.0, missing=True)
    assert record.missing
    np.testing.assert_array_equal(record.y[:, 0], y)
    assert not record.samples(2).missing
    assert record.renamed("a").missing
    assert not Record([1.0, 2, 3], [1.0, 2, 3], 1.0, missing=True).missing
    assert record.digest != Record([1.0, 2, 3], [1.0, 2, 3], 1.0).digest


@pytest.mark.parametrize(("u", "y"), [([1.0, np.nan], [1.0, 2.0]), ([1.0, 2.0], [1.0, np.inf])])
def test_nothing_else_is_let_through(u, y):
    with pytest.raises(DataError, match="in channel"):
        Record(u, y, 1.0, missing=True)


def test_empty_cells_of_a_file(tmp_path):
    file = tmp_path / "slow.csv"
    file.write_text("t,u,h\n0,1,5\n1,2,\n2,3,nan\n3,4,8\n4,5,\n")
    with pytest.raises(DataError, match='dropna="mask"'):
        read(file, inputs="u", outputs="h", time="t")
    data = read(file, inputs="u", outputs="h", time="t", dropna="mask")
    np.testing.assert_array_equal(data[0].y[:, 0], [5, np.nan, np.nan, 8, np.nan])
    assert str(data).splitlines()[3].split()[-4:] == ["3", "5", "..", "8"]
    half = read(file, inputs="u", outputs="h", time="t", dropna="mask", resample=0.5)
    assert np.isfinite(half[0].y[:, 0]).sum() == 2
    file.write_text("t,u,h\n0,1,5\n1,,6\n2,3,7\n")
    with pytest.raises(DataError, match="NaN in channel 'u'"):
        read(file, inputs="u", outputs="h", time="t", dropna="mask")


def test_an_output_that_was_never_measured():
    data = Dataset(Record([1.0, 2, 3], [np.nan] * 3, 1.0, missing=True))
    with pytest.raises(DataError, match="output 'y' has no measured sample"):
        data.require_variation()
    assert str(data).splitlines()[3].endswith("-")
