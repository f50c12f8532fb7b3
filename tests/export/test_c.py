"""C99 source: compiles without a warning, passes its own test, equal to `simulate` when called; what it says."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess

import numpy as np
import pytest
from export_models import CASES, N_INIT, apart, model_of, record

from l2ssm.errors import OptionError
from l2ssm.export.c_body import Body
from l2ssm.export.c_file import write_c
from l2ssm.export.float32 import certified_float32
from l2ssm.export.steps import step_program
from l2ssm.identification.model import Model
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine
from l2ssm.systems.state_space import StateSpace

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror")
TOLERANCES = {"float64": 1e-9, "float32": 1e-5}
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler (cc, gcc or clang)")


def compiled(source, *options, name):
    target = source.with_name(name)
    run = subprocess.run(
        [COMPILER, *STRICT, *options, str(source), "-o", str(target), "-lm"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return target


def self_test(source, macro="L2SSM_SELF_TEST"):
    return subprocess.run([compiled(source, f"-D{macro}", name="test")], capture_output=True, text=True)


class Loaded:
    """The functions of a shared library made from the source."""

    def __init__(self, source, network, precision, name="l2ssm"):
        self.library = ctypes.CDLL(str(compiled(source, "-shared", "-fPIC", name=f"{name}.so")))
        header = source.with_suffix(".h").read_text()
        sizes = [int(size) for size in re.findall(r"l?\w*_real \w\[(\d+)\]", header)]
        self.state, self.n_x, self.dtype = np.zeros(sum(sizes), precision), network.n_x, precision
        self.state[:] = 7  # scratch may hold anything
        self.y, self.name = np.zeros(network.n_y, precision), name

    def call(self, function, *arrays):
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (self.state, *arrays)]
        getattr(self.library, f"{self.name}_{function}")(*pointers)

    def run(self, u):
        y = np.empty((len(u), self.y.size))
        for k, sample in enumerate(u.astype(self.dtype)):
            self.call("step", sample, self.y)
            y[k] = self.y
        return y


@needs_compiler
@pytest.mark.parametrize(("kind", "precision"), CASES)
def test_compiles_passes_its_test_and_is_equal_to_simulate(kind, precision, tmp_path):
    model, (u, y) = model_of(kind), record()
    write_c(model, tmp_path / "model.c", precision=precision)
    if kind in ("bounded", "s6 complex zoh", "scaffold griffin"):  # a program of its own: compiled twice
        run = self_test(tmp_path / "model.c")
        assert run.returncode == 0, run.stdout
        assert run.stdout.count("largest difference") == 2
    loaded = Loaded(tmp_path / "model.c", model.network, precision)
    loaded.call("reset")
    assert apart(loaded.run(u), model.simulate(u, x0=0)) < TOLERANCES[precision]
    loaded.call("start", u[:N_INIT].astype(precision).copy(), y[:N_INIT].astype(precision).copy())
    assert apart(loaded.run(u), model.simulate(u, y)) < TOLERANCES[precision]
    x0 = np.random.default_rng(5).standard_normal(model.network.n_x)
    loaded.state[: loaded.n_x] = x0
    assert apart(loaded.run(u), model.simulate(u, x0=x0)) < TOLERANCES[precision]


@needs_compiler
def test_the_self_test_finds_a_wrong_number(tmp_path):
    write_c(model_of("bounded"), tmp_path / "model.c")
    text = (tmp_path / "model.c").read_text()
    first = re.search(r"l2ssm_c1\[\d+\] = \{\n    ([^,]+),", text)
    (tmp_path / "model.c").write_text(text.replace(first[1], "0x1.23456p-3", 1))
    run = self_test(tmp_path / "model.c")
    assert run.returncode == 1
    assert "largest difference" in run.stdout
    (tmp_path / "model.c").write_text(text.replace(first[1], "(0.0 / 0.0)", 1))
    assert self_test(tmp_path / "model.c").returncode == 1  # NaN is no small difference


@needs_compiler
def test_two_models_in_one_program(tmp_path):
    u = record(5)[0]
    for name in ("tanks", "l2ssm_pump"):
        write_c(model_of("lru"), tmp_path / f"l2ssm_{name}.c", name=name)
        loaded = Loaded(tmp_path / f"l2ssm_{name}.c", model_of("lru").network, "float64", name)
        loaded.call("reset")
        assert apart(loaded.run(u), model_of("lru").simulate(u, x0=0)) < 1e-9
        assert self_test(tmp_path / f"l2ssm_{name}.c", f"{name.upper()}_SELF_TEST").returncode == 0


@needs_compiler
def test_bare_and_static_systems(tmp_path):
    G = StateSpace([[0.5, 1.0], [0.0, 0.3]], [[1.0], [2.0]], [[1.0, 0.0]], [[3.0]], dt=0.1)
    still = Interconnection((Affine(np.ones((1, 1)), np.ones(1)),), 1.0, ("u",), ("y",), ("",), ("",))
    for number, system in enumerate((G, still)):
        write_c(system, tmp_path / f"{number}.c")
        assert self_test(tmp_path / f"{number}.c").returncode == 0


def test_what_the_header_says(tmp_path):
    model = model_of("bounded with gamma")
    found = certified_float32(model)
    write_c(found.system, tmp_path / "m.c", precision="float32", certificate=found.certificate)
    for path in (tmp_path / "m.c", tmp_path / "m.h"):
        text = path.read_text(encoding="ascii").split("*/")[0]
        assert "inputs: v [V], w [\\xb0C]" in text
        assert "sample_time_s: 0.25" in text
        assert f"gain_certified: 3 ({(3.0).hex()})" in text
        assert f"certificate_sha256: {found.certificate.file_digest}" in text
        assert f"model_sha256: {model.digest}" in text
    assert "malloc" not in (tmp_path / "m.c").read_text()
    assert set(re.findall("#include (.*)", (tmp_path / "m.c").read_text())) == {"<math.h>", '"m.h"', "<stdio.h>"}
    write_c(model, tmp_path / "n.c")
    assert "gain_certified: none" in (tmp_path / "n.h").read_text()


def test_names_and_units_cannot_leave_the_comment(tmp_path):
    model = model_of("lru")
    network = model.network
    hostile = ("*/ int evil; /*", "x\n*/\n#error \\")
    bad = Interconnection(network.layers, network.dt, hostile, ("??/", "*\\/"), ("@header@", "{x}"), ("", ""))
    altered = Model(bad, model.scaling, model.initial, {"cell": "lru"})
    write_c(altered, tmp_path / "m.c")
    text = (tmp_path / "m.c").read_text()
    assert text.index("*/") == text.index("*/\n#include <math.h>")
    assert not re.search(r"\\\n|\?\?", text)
    if COMPILER is not None:
        assert self_test(tmp_path / "m.c").returncode == 0


def test_every_number_is_exact(tmp_path):
    model = model_of("contraction")
    write_c(model, tmp_path / "m.c")
    written = re.findall(r"-?(?:0x[0-9a-f.]+p[+-]\d+|\d+\.\d+)", (tmp_path / "m.c").read_text().split("#include")[2])
    values = {abs(float.fromhex(text) if "x" in text else float(text)) for text in written}
    for layer in model.network.layers:
        arrays: dict[str, np.ndarray] = {}
        layer.describe("l", arrays)
        for array in arrays.values():
            assert set(np.abs(array).ravel().tolist()) <= values | {0.0}


def test_scratch_is_used_again():
    program = step_program(model_of("scaffold mamba").network)
    body = Body(program, {"u": "u", "x": "x"}, np.dtype(np.float64), "c")
    computed = sum(op.out.size for op in program.tape.operations if op.kind != "gather")
    assert body.scratch < computed / 3


def test_refusals(tmp_path):
    for path, name in (("m.cpp", "m"), ('a"b.c', "m"), ("m.c", "2m"), ("m.c", "m;")):
        with pytest.raises(OptionError, match=r"file name|name is"):
            write_c(model_of("lru"), tmp_path / path, name=name)
    with pytest.raises(OptionError, match="float64, float32"):
        write_c(model_of("lru"), tmp_path / "m.c", precision="double")
    with pytest.raises(FileNotFoundError, match="no folder"):
        write_c(model_of("lru"), tmp_path / "absent" / "m.c")
    assert not list(tmp_path.iterdir())
