"""Files made by hand to fill the memory, to run code or to read other files: each is refused, and says why."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import pickle
import runpy
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

import l2ssm
from l2ssm.certificates.certificate import Certificate
from l2ssm.cli.source import recall
from l2ssm.data.matlab_sizes import check_matlab_sizes
from l2ssm.errors import DataError, L2ssmError, MalformedCertificateError, ModelFileError, OptionError, RealizationError
from l2ssm.identification.initial import InitialState
from l2ssm.identification.model_file import read_tensors, write_tensors
from l2ssm.systems.attention import Attention
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Dynamic
from l2ssm.systems.state_space import StateSpace

PACKAGE = Path(l2ssm.__file__).parent
LIMIT = 2**26  # bytes that refusing a file may take


@pytest.fixture
def small(monkeypatch):
    """Files may unpack to 1 MiB, so that those of the test can be small too."""
    monkeypatch.setattr("l2ssm.data.limits.FREE", 2**20)


def refused(path, error=DataError, match=None, **options):
    """The file is refused, and little memory was taken to see it."""
    tracemalloc.start()
    try:
        with pytest.raises(error, match=match):
            l2ssm.read(path, inputs=["u"], outputs=None, dt=1.0, **options)
        assert tracemalloc.get_traced_memory()[1] < LIMIT
    finally:
        tracemalloc.stop()


def npy(shape, descr="<f8", data=b"\0" * 64):
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


@pytest.mark.parametrize("shape", [(10**12, 2), (8, 10**9), (0, 10**12), (2**62, 2**62)])
def test_npy_that_tells_of_more_than_it_holds(shape, tmp_path):
    path = tmp_path / "u.npy"
    path.write_bytes(npy(shape))
    refused(path, match=r"u\.npy.*(takes|empty)")
    with zipfile.ZipFile(tmp_path / "u.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("u.npy", npy(shape))
    refused(tmp_path / "u.npz", match=r"u\.npz.*(takes|empty)")


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemExit('code of the file was run')",)


def test_pickles_are_not_read(tmp_path):
    content = io.BytesIO()
    np.save(content, np.array([Evil()], dtype=object), allow_pickle=True)
    (tmp_path / "u.npy").write_bytes(content.getvalue())
    refused(tmp_path / "u.npy", match="Python objects")
    with zipfile.ZipFile(tmp_path / "u.npz", "w") as archive:
        archive.writestr("u.npy", content.getvalue())
    refused(tmp_path / "u.npz", match="Python objects")
    for name in ("m.npy", "m.npz", "m.mat", "m.h5", "m.csv"):
        (tmp_path / name).write_bytes(pickle.dumps(Evil()))
        refused(tmp_path / name)
    (tmp_path / "m.l2ssm").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ModelFileError, match="not a safetensors file"):
        l2ssm.load(tmp_path / "m.l2ssm")
    with pytest.raises(MalformedCertificateError, match=r"cannot read|not a readable"):
        l2ssm.verify(tmp_path / "m.l2ssm")


def test_a_zip_of_zeros(tmp_path, small):
    with zipfile.ZipFile(tmp_path / "u.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("u.npy", npy((2**18,), data=b"") + bytes(2**21))
    assert (tmp_path / "u.npz").stat().st_size < 2**12
    refused(tmp_path / "u.npz", match="store it uncompressed")


def test_a_table_with_one_wide_line(tmp_path):
    (tmp_path / "v.csv").write_text("1\n" * 30_000 + "," * 30_000 + "1\n")
    with pytest.raises(DataError, match=r"30001 lines of 30001 columns.*memory"):
        l2ssm.read(tmp_path / "v.csv", inputs=[0], outputs=None, dt=1.0)


def matlab(*elements):
    return b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM" + b"".join(elements)


def element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(kind, sizes, *rest):
    flags = element(6, struct.pack("<II", kind, 0))
    return element(14, flags + element(5, struct.pack(f"<{len(sizes)}i", *sizes)) + element(1, b"u") + b"".join(rest))


HUGE = (2**15, 2**15)
NUMBERS = element(9, bytes(64))
MATLAB = {
    "an array": matrix(6, HUGE, NUMBERS),
    "cells": matrix(1, HUGE, matrix(6, (1, 1), NUMBERS)),
    "no cells": matrix(1, HUGE),
    "structs": matrix(2, HUGE, element(5, struct.pack("<i", 8)), element(1, b"f" * 8), matrix(6, (1, 1), NUMBERS)),
    "a sparse array": matrix(5, (2**30, 2**30), element(5, bytes(8)), element(5, bytes(8)), NUMBERS),
    "dimensions below 0": matrix(6, (-5, -5), NUMBERS),
    "a cell in a cell": matrix(1, (1, 1), matrix(1, HUGE)),
    "an element behind the end": struct.pack("<II", 14, 2**31),
    "numbers of no type": matrix(6, (1, 1), element(32777, bytes(8))),  # scipy alone ends in a segmentation fault
    "indices out of range": matrix(
        5,
        (3, 3),
        element(5, struct.pack("<i", 10**8)),
        element(5, struct.pack("<4i", 0, 1, 1, 1)),
        element(9, bytes(8)),
    ),
    "a function of no type": matrix(16, (1, 1), matrix(6, (1, 1), element(32777, bytes(8)))),
}


@pytest.mark.parametrize("variable", MATLAB.values(), ids=MATLAB)
def test_matlab_files(variable, tmp_path):
    (tmp_path / "u.mat").write_bytes(matlab(variable))
    refused(tmp_path / "u.mat", match=r"u\.mat")
    (tmp_path / "c.mat").write_bytes(matlab(struct.pack("<II", 15, len(packed := zlib.compress(variable))) + packed))
    refused(tmp_path / "c.mat", match=r"c\.mat")


def test_matlab_files_that_unpack_to_nothing_but_size(tmp_path, small):
    packed = zlib.compress(bytes(2**22))
    (tmp_path / "u.mat").write_bytes(matlab(struct.pack("<II", 15, len(packed)) + packed))
    with pytest.raises(DataError, match="store it uncompressed"):
        check_matlab_sizes(tmp_path / "u.mat")
    nested = matrix(6, (1, 1), element(9, bytes(8)))
    for _ in range(50):
        nested = matrix(1, (1, 1), nested)
    (tmp_path / "u.mat").write_bytes(matlab(nested))
    refused(tmp_path / "u.mat", match="32 deep")
    (tmp_path / "u.mat").write_bytes(struct.pack("<5i", 0, 2**30, 2**30, 0, 2) + b"u\0" + bytes(64))
    refused(tmp_path / "u.mat", match="the file ends before")


def test_hdf5_files(tmp_path, small):
    h5py = pytest.importorskip("h5py", reason="needs the extra data")
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["u"] = np.arange(9.0)
    path = tmp_path / "u.h5"

    def made(write, match):
        with h5py.File(path, "w") as file:
            write(file)
        refused(path, match=match)
        path.unlink()

    made(lambda f: f.create_dataset("u", (10**12,), "f8", chunks=(1000,)), "store it uncompressed")
    many = [f"v{i}" for i in range(40)]
    made(lambda f: [f.create_dataset(name, (2**15,), "f8", chunks=(1000,)) for name in many], "store it uncompressed")
    made(lambda f: f.__setitem__("u", h5py.ExternalLink(str(secret), "/u")), "no variable 'u'")
    made(lambda f: f.__setitem__("u", h5py.SoftLink("/absent")), "no variable 'u'")
    made(lambda f: f.create_dataset("u", (72,), "u1", external=[(str(secret), 0, 72)]), "in other files")
    layout = h5py.VirtualLayout((9,), "f8")
    layout[:] = h5py.VirtualSource(str(secret), "u", (9,))
    made(lambda f: f.create_virtual_dataset("u", layout), "in other files")

    def circle(file):
        file.create_group("g")["again"] = file["/"]

    made(circle, "no variable 'u' .* the variables are none")


def test_parquet_of_a_constant(tmp_path, small):
    pandas = pytest.importorskip("pandas", reason="needs the extra data")
    pytest.importorskip("pyarrow", reason="needs the extra data")
    pandas.DataFrame({f"v{i}": np.zeros(20_000) for i in range(20)}).to_parquet(tmp_path / "u.parquet")
    refused(tmp_path / "u.parquet", match="20000 rows of 20 columns.*store it uncompressed")


def test_model_files(tmp_path):
    path = tmp_path / "m.l2ssm"
    for text in ("[" * 100_000, "{" * 10, "[]", "1e999", '{"schema": "l2ssm-model-1", "network": ' + "[" * 90_000):
        write_tensors(path, text, {})
        with pytest.raises(ModelFileError):
            l2ssm.load(path)
    header = json.dumps({"w": {"dtype": "F64", "shape": [2**40], "data_offsets": [0, 2**43]}}).encode()
    for content in (struct.pack("<Q", 2**63) + b"{}", struct.pack("<Q", len(header)) + header + bytes(8)):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match="not a safetensors file"):
            read_tensors(path)
    for dtype in ("BF16", "F8_E4M3", "F16", "BOOL"):
        one = json.dumps(
            {"w": {"dtype": dtype, "shape": [8], "data_offsets": [0, {"F8_E4M3": 8, "BOOL": 8}.get(dtype, 16)]}}
        )
        path.write_bytes(struct.pack("<Q", len(one)) + one.encode() + bytes(16 if "16" in dtype else 8))
        with pytest.raises(ModelFileError):
            l2ssm.load(path)
    path.write_bytes(save({"network/w": np.ones(2)}, {"l2ssm": "{}"}))
    with pytest.raises(ModelFileError, match="schema"):
        l2ssm.load(path)


def test_numbers_that_would_fill_the_memory_later():
    one = np.ones((1, 1))
    with pytest.raises(RealizationError, match="at most 65536 samples"):
        Attention(one, one, one, np.array([1e12]))
    with pytest.raises(OptionError, match="at most 1048576 samples"):
        InitialState("encoder", 10**12, np.ones((1, 1)), np.ones(1))
    empty = np.zeros((0, 0))
    with pytest.raises(RealizationError, match="no entries"):
        StateSpace(empty, empty, np.zeros((10**12, 0)), np.zeros((10**12, 0)))
    grown = Dynamic(StateSpace(empty, empty, np.zeros((100, 0)), np.zeros((100, 0))))
    with pytest.raises(RealizationError, match="no inputs or no outputs"):
        Interconnection((Affine(np.zeros((0, 1)), np.zeros(0)), grown), 1.0, ("u",), ("y",), ("",), ("",))


def test_run_files_of_another_shape(tmp_path):
    for text in ("[" * 100_000, "[]", '{"source": 5}', '{"source": {"path": 5}, "command": "x"}', "\0"):
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(DataError, match="not a run file"):
            recall(tmp_path)


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["0x1p+0", "0x1p+9999", "nan"])
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))


def with_another_value(data, document):
    """One value of the document replaced by anything."""
    *outer, last = data.draw(st.sampled_from(list(paths(document))))
    inside = document
    for key in outer:
        inside = inside[key]
    inside[last] = data.draw(JSON)


FORMATS = runpy.run_path(str(Path(__file__).parent / "formats.py"))
FEW = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FEW
@given(data=st.data())
def test_certificates_with_any_value_in_the_place_of_another(data, certificate_text):
    """With the digest of what is in them: refused, or as good as before."""
    from l2ssm.certificates.document import _sha256

    document = json.loads(certificate_text)
    with_another_value(data, document)
    document["sha256"] = _sha256({key: value for key, value in document.items() if key != "sha256"})
    text = json.dumps(document, sort_keys=True, ensure_ascii=True, indent=1) + "\n"
    with contextlib.suppress(L2ssmError):
        l2ssm.verify(Certificate.from_json(text), arithmetic="float")


@FEW
@given(data=st.data())
def test_models_with_any_value_in_the_place_of_another(data, tmp_path):
    """Refused, or a model that runs."""
    path = tmp_path / "m.l2ssm"
    FORMATS["_model"](path)
    text, arrays = read_tensors(path)
    head = json.loads(text)
    if data.draw(st.booleans()):
        with_another_value(data, head)
    else:
        name = data.draw(st.sampled_from(sorted(arrays)))
        shape = data.draw(st.lists(st.integers(0, 3), max_size=3))
        arrays[name] = np.full(shape, data.draw(st.floats() | st.integers(-3, 3)))
    write_tensors(path, json.dumps(head, sort_keys=True), arrays)
    with contextlib.suppress(L2ssmError):
        FORMATS["_use_model"](path)


@pytest.fixture(scope="module")
def certificate_text():
    G = StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]])
    return l2ssm.certify(G, lower=False).to_json()


def paths(value, above=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*above, key)
        yield from paths(inner, (*above, key))


FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def test_nothing_that_is_read_can_run_code():
    nodes = [(path, node) for path in sorted(PACKAGE.rglob("*.py")) for node in ast.walk(ast.parse(path.read_text()))]
    for path, node in nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            assert not FORBIDDEN & {name.split(".")[0] for name in names}, f"{path}:{node.lineno}"
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
        if called in ("np.load", "numpy.load"):
            assert keywords.get("allow_pickle") == "False", f"{path}:{node.lineno}"
        assert keywords.get("allow_pickle", "False") == "False", f"{path}:{node.lineno}"
        assert called not in ("torch.load", "eval", "exec", "yaml.load"), f"{path}:{node.lineno}"
        assert "read_pickle" not in called, f"{path}:{node.lineno}"
