"""The benchmark: one row a contestant, ratios to the bare products, what is too large said and left out."""

from __future__ import annotations

import pytest

from l2ssm.errors import OptionError
from l2ssm.scan import bench


def test_rows_and_table():
    rows = bench.run(
        [(2, 40, 4, 2), (1, 2**17, 2, 1)], backends=["loop", "chunked"], peers=False, repeats=2, memory=False
    )
    assert [row["name"] for row in rows] == [bench.BARE, "l2ssm loop", "l2ssm chunked"] * 2
    assert rows[0]["ratio"] == 1.0
    for row in rows[:3]:
        assert row["forward_s"] > 0
        assert row["ratio"] > 0
        assert row["peak_mb"] is None
    assert rows[4]["both_s"] is None
    assert "131072" in rows[4]["note"]
    text = bench.table(rows).splitlines()
    assert len(text) == 2 + len(rows)
    assert "(2, 40, 4, 2), 1" in text[2]
    assert {line.count("|") for line in text} == {7}


def test_peers_are_there():
    assert {"torch LSTM", "torch GRU"} <= set(bench.contestants())


@pytest.mark.slow
def test_peak_memory_of_the_fused_scan_is_a_fraction_of_the_states():
    case = bench.Case(4, 8192, 64, 4)
    states = case.batch * case.time * case.n_x * 8
    fused = bench.peak_memory(case, "l2ssm compiled", 1)
    assert fused < states / 4 < states < bench.peak_memory(case, "l2ssm chunked", 1)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(OptionError, match="nothing"):
        bench.run(backends=["nothing"])
    with pytest.raises(OptionError, match="threads is 0"):
        bench.run(threads=0)
