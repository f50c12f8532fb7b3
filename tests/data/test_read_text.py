"""Reading text: separators, decimal marks, headers, comments, padding, instants; each mistake is one clear line."""

from __future__ import annotations

import numpy as np
import pytest

from l2ssm.data import benchmarks, read
from l2ssm.errors import DataError, MissingDataError, OptionError

T = np.arange(6) * 0.5
U = np.array([0.0, 1.5, -2.25, 3.0, 1e-3, 5.0])
H = np.array([10.0, 11.0, 12.5, 13.0, 12.0, 11.0])
PLAIN = "t,u,h\n" + "".join(f"{t},{u},{h}\n" for t, u, h in zip(T, U, H, strict=True))


@pytest.fixture
def write(tmp_path):
    def write(text, name="tanks.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return write


DIALECTS = {
    "plain": PLAIN,
    "semicolon and decimal comma": PLAIN.replace(",", ";").replace(".", ","),
    "semicolon and decimal point": PLAIN.replace(",", ";"),
    "tab": PLAIN.replace(",", "\t"),
    "tab and decimal comma": PLAIN.replace(",", "\t").replace(".", ","),
    "pipe": PLAIN.replace(",", "|"),
    "white space": PLAIN.replace(",", "   "),
    "white space and decimal comma": PLAIN.replace(",", "  ").replace(".", ","),
    "spaces after commas": PLAIN.replace(",", ", "),
    "trailing comma": PLAIN.replace("\n", ",\n"),
    "several trailing commas": PLAIN.replace("\n", ",,,\n"),
    "trailing semicolon": PLAIN.replace(",", ";").replace("\n", ";\n"),
    "quoted names": '"t","u","h"\n' + PLAIN.split("\n", 1)[1],
    "quoted numbers": PLAIN.replace(",", '","').replace("\n", '"\n"').rstrip('"').join(['"', ""]),
    "quoted decimal commas": PLAIN.replace(",", '";"')
    .replace(".", ",")
    .replace("\n", '"\n"')[:-1]
    .replace('";"', '","')
    .join(['"', ""]),
    "windows lines": PLAIN.replace("\n", "\r\n"),
    "old mac lines": PLAIN.replace("\n", "\r"),
    "blank lines": PLAIN.replace("\n", "\n\n"),
    "rows of commas at the end": PLAIN + ",,\n,,\n",
    "comments": "# pump test\n% of monday\n// by the lab\n" + PLAIN,
    "comments inside": PLAIN.replace("\n", "\n# note\n"),
    "header in a comment": "# a note\n# " + PLAIN,
    "text column": "".join(f"{line},{extra}\n" for line, extra in zip(PLAIN.split(), ["note", *"abcdef"], strict=True)),
    "text column first": "".join(f"{e},{line}\n" for line, e in zip(PLAIN.split(), ["note", *"abcdef"], strict=True)),
    "plus signs and exponents": PLAIN.replace("1.5", "+0.15E1"),
}


@pytest.mark.parametrize("text", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_dialect_gives_the_same_data(text, encoding, write):
    data = read(write(text, encoding=encoding), inputs=["u"], outputs=["h"], time="t")
    assert len(data) == 1
    record = data["tanks"]
    np.testing.assert_array_equal(record.u[:, 0], U)
    np.testing.assert_array_equal(record.y[:, 0], H)
    assert (record.dt, record.t0) == (0.5, 0.0)
    assert (record.input_names, record.output_names) == (("u",), ("h",))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt", "a.dat", "A.CSV"])
def test_extensions_of_text(name, write):
    assert read(write(PLAIN, name), inputs="u", outputs="h", dt=0.5)[0].T == 6


def test_without_header_columns_are_numbered(write):
    body = PLAIN.split("\n", 1)[1]
    data = read(write(body), inputs=1, outputs=[2], time=0)
    np.testing.assert_array_equal(data[0].u[:, 0], U)
    assert data.channels == ("1", "2")
    with pytest.raises(DataError, match=r"no column 'u' in .*tanks.csv; the columns are '0', '1', '2'"):
        read(write(body), inputs="u", outputs=2, dt=1.0)


def test_named_columns_may_be_chosen_by_position(write):
    assert read(write(PLAIN), inputs=1, outputs=2, dt=0.5).channels == ("u", "h")


def test_names_in_latin_1(write):
    data = read(write(PLAIN.replace("h", "höhe"), encoding="latin-1"), inputs="u", outputs="höhe", dt=0.5)
    assert data.output_names == ("höhe",)


def test_options_override_what_is_found(write):
    path = write("t;u;h\n0;1,5;2\n1;2,5;3\n")
    assert read(path, inputs="u", outputs="h", dt=1.0, delimiter=";", decimal=",")[0].u[0, 0] == 1.5
    numbers_as_names = write("1,2\n3,4\n5,6\n")
    assert read(numbers_as_names, inputs="1", outputs="2", dt=1.0, header=True)[0].u[:, 0].tolist() == [3, 5]
    assert read(numbers_as_names, inputs="1", outputs="0", dt=1.0, header=False)[0].u[:, 0].tolist() == [2, 4, 6]


def test_units_name_and_several_channels(write):
    data = read(write(PLAIN), inputs="u", outputs=["h", "t"], dt=0.5, units={"u": "V", "h": "mm"}, name="mon")
    assert data["mon"].units == {"u": "V", "h": "mm"}
    np.testing.assert_array_equal(data["mon"].y, np.column_stack([H, T]))
    assert read(write(PLAIN), inputs="u", outputs=None, dt=0.5)[0].y is None


def test_a_shorter_column_holding_dt(write):
    """As exported from MATLAB: columns of different lengths, empty cells below the shorter ones, trailing commas."""
    path = write('"u","h","Ts",\n1,2,4,\n2,3,,\n3,4,,\n,\n')
    data = read(path, inputs="u", outputs="h", dt="Ts")
    assert data.dt == 4.0
    assert data[0].u[:, 0].tolist() == [1, 2, 3]


def test_measured_cascaded_tanks_from_plain_csv():
    try:
        path = benchmarks.find_file("cascaded_tanks/dataBenchmark.csv")
    except MissingDataError as error:
        pytest.skip(str(error))
    data = read(path, inputs="uEst", outputs="yEst", dt="Ts")
    train = benchmarks.benchmark("cascaded_tanks").train[0]
    assert (data[0].T, data.dt) == (1024, 4.0)
    np.testing.assert_allclose(data[0].u, train.u, rtol=2e-4)
    np.testing.assert_allclose(data[0].y, train.y, rtol=2e-4)


def test_records_by_a_column(write):
    rows = "run,t,u,h\n" + "a,0,1,2\na,1,2,3\nb,0,5,6\nb,1,6,7\nb,2,7,8\n"
    data = read(write(rows), inputs="u", outputs="h", time="t", record="run")
    assert [(record.name, record.T) for record in data] == [("a", 2), ("b", 3)]


@pytest.mark.parametrize("mark", ["T", " "])
@pytest.mark.parametrize("zone", ["", "Z", "+02:00", "-0330"])
def test_dates_as_instants(mark, zone, write):
    rows = "".join(f"2024-05-01{mark}10:00:0{k}.500{zone},{k},{2 * k}\n" for k in range(5))
    data = read(write("when,u,h\n" + rows), inputs="u", outputs="h", time="when")
    assert (data.dt, data[0].t0, data[0].T) == (1.0, 0.0, 5)


def test_changing_offsets_and_times_of_day(write):
    rows = "2024-10-27T02:59:59+02:00,1,2\n2024-10-27T02:00:00+01:00,2,3\n2024-10-27T02:00:01+01:00,3,4\n"
    assert read(write("when,u,h\n" + rows), inputs="u", outputs="h", time="when").dt == 1.0
    rows = "9:59:59.5,1,2\n10:00:00.0,2,3\n10:00:00.5,3,4\n"
    assert read(write("when,u,h\n" + rows), inputs="u", outputs="h", time="when").dt == 0.5


@pytest.mark.parametrize("text", ["pump voltage\n1\n2\n3\n", "pump voltage,level\n1,5\n2,6\n3,7\n", "1\n2\n3\n"])
def test_names_with_spaces_and_single_columns(text, write):
    key = 0 if text[0] == "1" else "pump voltage"
    assert read(write(text), inputs=key, outputs=None, dt=1.0)[0].u[:, 0].tolist() == [1, 2, 3]


def test_a_jittering_clock_gives_its_round_sampling_time(write):
    rows = "".join(f"{0.1 * k + 2e-6 * (k % 3)!r},{k},{k * k}\n" for k in range(30))
    assert read(write("t,u,h\n" + rows), inputs="u", outputs="h", time="t").dt == 0.1


def test_measured_emps_by_its_clock():
    try:
        path = benchmarks.find_file("emps/DATA_EMPS.mat")
    except MissingDataError as error:
        pytest.skip(str(error))
    data = read(path, inputs="vir", outputs="qm", time="t")
    assert data.dt == 1e-3
    np.testing.assert_array_equal(data[0].y, benchmarks.benchmark("emps").train[0].y)


def test_instants_keep_their_origin_and_printed_digits_are_forgiven(write):
    rows = "".join(f"{100 + k / 3:.2f},{k},{k * k}\n" for k in range(31))
    data = read(write("t,u,h\n" + rows), inputs="u", outputs="h", time="t")
    assert data.dt == pytest.approx(1 / 3, rel=1e-5)
    assert data[0].t0 == 100.0


def test_jitter_is_told_and_resample_repairs_it(write):
    t = np.array([0.0, 0.1, 0.2, 0.35, 0.4, 0.5])
    path = write("t,u,h\n" + "".join(f"{a},{2 * a},{3 * a}\n" for a in t))
    with pytest.raises(DataError, match=r"time is not uniform: the mean step is 0.1 s.*jitter of 50 %.*resample=0.1"):
        read(path, inputs="u", outputs="h", time="t")
    data = read(path, inputs="u", outputs="h", time="t", resample=0.05)
    assert (data.dt, data[0].T) == (0.05, 11)
    np.testing.assert_allclose(data[0].u[:, 0], 2 * data[0].t, atol=1e-12)
    np.testing.assert_allclose(data[0].y[:, 0], 3 * data[0].t, atol=1e-12)


def test_resampling_uniform_data_by_dt(write):
    data = read(write(PLAIN), inputs="u", outputs="h", dt=0.5, resample=1.0)
    assert data[0].u[:, 0].tolist() == U[::2].tolist()
    assert data.dt == 1.0


def test_time_errors(write):
    for t, message in (
        ([0, 1, 1, 2], "time does not increase: 1 s at row 1, 1 s at row 2"),
        ([0, 2, 1, 3], "time does not increase: 2 s at row 1, 1 s at row 2"),
        ([0, 1, "", 3], "the time column has a NaN or infinity, first at row 2"),
        (["a", "b", "c", "d"], "holds 'a': neither a number nor an ISO date"),
    ):
        path = write("t,u,h\n" + "".join(f"{a},{k},{k}\n" for k, a in enumerate(t)))
        with pytest.raises(DataError, match=message):
            read(path, inputs="u", outputs="h", time="t")
    one = write("t,u,h\n0,1,2\n")
    with pytest.raises(DataError, match="implies no dt"):
        read(one, inputs="u", outputs="h", time="t")
    with pytest.raises(DataError, match=r"dt=0.1 s, but the time column has steps of 0.5 s"):
        read(write(PLAIN), inputs="u", outputs="h", time="t", dt=0.1)
    assert read(write(PLAIN), inputs="u", outputs="h", time="t", dt=0.5).dt == 0.5
    for wrong in (0.0, -1.0, 99.0, "1", True, float("nan")):
        with pytest.raises(DataError, match="resample="):
            read(write(PLAIN), inputs="u", outputs="h", time="t", resample=wrong)


def test_nan_is_located_and_split_on_request(write):
    path = write(PLAIN.replace("-2.25", "NaN"))
    with pytest.raises(
        DataError, match=r"record 'tanks': NaN in channel 'u', first at row 2 \(1 of 6 rows\).*dropna=\"split\""
    ):
        read(path, inputs="u", outputs="h", time="t")
    data = read(path, inputs="u", outputs="h", time="t", dropna="split")
    assert [(record.name, record.t0, record.T) for record in data] == [("tanks/0", 0.0, 2), ("tanks/1", 1.5, 3)]
    resampled = read(path, inputs="u", outputs="h", time="t", dropna="split", resample=0.25)
    assert [record.T for record in resampled] == [3, 5]
    with pytest.raises(DataError, match="NaN in channel 'u', first at row 2"):
        read(path, inputs="u", outputs="h", time="t", resample=0.25)
    with pytest.raises(OptionError, match="dropna='all'"):
        read(path, inputs="u", outputs="h", time="t", dropna="all")


@pytest.mark.parametrize("token", ["", "nan", "NaN", "NA", "N/A", "null", "-"])
def test_ways_to_write_nothing(token, write):
    path = write(f"u,h\n1,2\n{token},3\n4,5\n")
    with pytest.raises(DataError, match="NaN in channel 'u', first at row 1"):
        read(path, inputs="u", outputs="h", dt=1.0)


def test_unequal_lengths_are_called_so(write):
    path = write("u,h\n1,2\n2,3\n3,\n4,\n")
    with pytest.raises(DataError, match=r"unequal lengths in .*tanks.csv: 'u' 4, 'h' 2 samples"):
        read(path, inputs="u", outputs="h", dt=1.0)
    assert read(path, inputs="u", outputs="h", dt=1.0, dropna="split")[0].T == 2
    with pytest.raises(DataError, match=r"column 'h' of .* is empty"):
        read(write("u,h\n1,\n2,\n"), inputs="u", outputs="h", dt=1.0)


WRONG = {
    "empty": ("", {}, r"tanks.csv is empty \(0 bytes\)"),
    "white space only": ("\n \n\n", {}, "holds no data"),
    "comments only": ("# a\n# b\n", {}, r"holds no data, only 2 comment line\(s\)"),
    "header only": ("t,u,h\n", {}, r"has columns \['t', 'u', 'h'\] but no rows"),
    "wrong column": (PLAIN, {"inputs": "pump"}, r"no column 'pump' in .*tanks.csv; the columns are 't', 'u', 'h'"),
    "wrong output": (PLAIN, {"outputs": ["h", "q"]}, "no column 'q'"),
    "wrong time": (PLAIN, {"dt": None, "time": "s"}, "no column 's'"),
    "wrong record": (PLAIN, {"record": "run"}, "no column 'run'"),
    "wrong dt column": (PLAIN, {"dt": "Ts"}, "no column 'Ts'"),
    "position too high": (PLAIN, {"inputs": 7}, "no column 7"),
    "column twice": (PLAIN, {"outputs": "u"}, "'u' is chosen twice"),
    "same name twice": (PLAIN.replace("t,u,h", "u,u,h"), {}, "has 2 columns called 'u'; choose by position"),
    "no dt": (PLAIN, {"dt": None}, r"sampling time is unknown: pass dt=<seconds>, dt=<name of a column"),
    "dt negative": (PLAIN, {"dt": -1.0}, "dt=-1.0: the sampling time must be positive"),
    "dt column varies": (PLAIN, {"dt": "t"}, r"column 't' of .* varies \(0 .. 2.5\).*use time='t'"),
    "dt column starts empty": ("u,h,Ts\n1,2,\n2,3,4\n", {"dt": "Ts"}, "has no dt in its first row"),
    "text in a column": (PLAIN.replace("-2.25", "open"), {}, r"line 4, column 'u': 'open' is not a number"),
    "too many fields": (PLAIN + "3,4,5,6\n", {}, "line 8: 4 fields, but there are 3 columns"),
    "infinity": (PLAIN.replace("-2.25", "-inf"), {}, "infinity in channel 'u', first at row 2"),
    "zero bytes": (b"u,h\n1,2\x00\n", {}, "is not a text file"),
    "open quote": ('u,h\n1,"2\n2,3\n', {}, r"tanks.csv, line 2: a quotation mark is opened and not closed"),
    "unit of nothing": (PLAIN, {"units": {"x": "V"}}, "unit given for unknown channel 'x'"),
}


@pytest.mark.parametrize(("content", "changes", "message"), WRONG.values(), ids=WRONG)
def test_mistakes_give_one_clear_line(content, changes, message, write):
    arguments = {"inputs": "u", "outputs": "h", "dt": 0.5} | changes
    with pytest.raises(DataError, match=message) as caught:
        read(write(content), **arguments)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path, write):
    arguments = {"inputs": "u", "outputs": "h", "dt": 0.5}
    with pytest.raises(MissingDataError, match=r"there is no file .*gone.csv \(looked in"):
        read(tmp_path / "gone.csv", **arguments)
    with pytest.raises(DataError, match="is a directory; give one file"):
        read(tmp_path, **arguments)
    with pytest.raises(DataError, match=r"unknown format '.xlsx'; known are .csv"):
        read(write(PLAIN, "a.xlsx"), **arguments)
    with pytest.raises(DataError, match=r"unknown format 'without extension'"):
        read(write(PLAIN, "a"), **arguments)
    with pytest.raises(DataError, match="cannot read a ndarray; expected a path or a pandas DataFrame"):
        read(U, **arguments)


def test_options_that_make_no_sense(write):
    arguments = {"inputs": "u", "outputs": "h", "dt": 0.5}
    for wrong, message in (
        ({"delimiter": ";;"}, "delimiter=';;' must be one character"),
        ({"decimal": "'"}, "decimal="),
        ({"decimal": ",", "delimiter": ","}, "delimiter and decimal are both"),
        ({"time_axis": 1}, "rows of a table are samples"),
        ({"inputs": []}, "inputs is empty"),
        ({"inputs": None}, "inputs is empty"),
    ):
        with pytest.raises(OptionError, match=message):
            read(write(PLAIN), **(arguments | wrong))
