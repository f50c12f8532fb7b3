"""Which backend runs, what it says, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from scan_cases import diagonal, lti

from l2ssm.errors import L2ssmError, OptionError, RealizationError
from l2ssm.scan import BACKENDS, compiled, dense_scan, diag_scan, lti_scan, select_backend, step


def test_auto_says_what_it_picks():
    choice = select_backend(torch.zeros(2, 500, 3))
    assert choice.name == "compiled"
    assert "float32" in choice.reason
    assert select_backend(torch.zeros(2, 3, 3)).name == "loop"
    assert select_backend(torch.zeros(2, 500, 3), operation="dense_scan").name == "chunked"
    meta = select_backend(torch.zeros(2, 500, 3, device="meta"))
    assert meta.name == "chunked"
    assert "meta" in meta.reason
    with pytest.raises(OptionError, match="lti_scan, diag_scan, dense_scan"):
        select_backend(torch.zeros(2, 500, 3), operation="scan")


def test_without_numba(monkeypatch):
    monkeypatch.setattr(compiled.importlib.util, "find_spec", lambda name: None)
    choice = select_backend(torch.zeros(2, 500, 3))
    assert choice.name == "chunked"
    assert "numba is not installed" in choice.reason
    inputs = lti(2, 30, 3, 2, 2)
    lti_scan(*inputs)
    with pytest.raises(OptionError, match="numba is not installed"):
        lti_scan(*inputs, backend="compiled")


@pytest.mark.parametrize("backend", ["numba", "AUTO", "", None])
def test_an_unknown_backend_is_refused_with_the_known_ones(backend):
    u, lam, B, C, _, _ = lti(2, 30, 3, 2, 2)
    with pytest.raises(OptionError, match="loop, chunked, fft, compiled"):
        lti_scan(u, lam, B, C, backend=backend)


def test_what_a_backend_cannot_do():
    a, b, x0 = diagonal(2, 30, 3, varying=True)
    with pytest.raises(OptionError, match=r"'fft' takes a constant a .*loop, chunked, compiled"):
        diag_scan(a, b, x0, backend="fft")
    one = torch.ones(1, 1)
    with pytest.raises(OptionError, match="'fft' has no dense_scan; these have: loop, chunked"):
        dense_scan(torch.ones(1, 30, 1), one, one, one, backend="fft")
    with pytest.raises(OptionError, match="kernels for cpu and cuda, none for meta"):
        lti_scan(*(t.detach().to("meta") for t in lti(2, 30, 3, 2, 2)), backend="compiled")


def test_a_read_out_is_pre_or_post():
    u, lam, B, C, D, x0 = lti(2, 30, 3, 2, 2)
    with pytest.raises(OptionError, match="'after'"):
        lti_scan(u, lam, B, C, D, x0, readout="after")
    with pytest.raises(OptionError, match="'after'"):
        step(x0, u[:, 0], lam, B, C, D, readout="after")


WRONG = {
    "u without batch": ({"u": lambda t: t[0]}, r"u has shape \(30, 2\); it must be \(batch, time, n_u\)"),
    "u complex": ({"u": lambda t: t + 0j}, "u has dtype torch.complex128; it must be float32 or float64"),
    "u half": ({"u": lambda t: t.half()}, "float16"),
    "u a list": ({"u": lambda t: t.tolist()}, r"u is a list; it must be a torch\.Tensor"),
    "lam real": ({"lam": lambda t: t.real}, "lam has dtype torch.float64; .* must be torch.complex128"),
    "lam a matrix": ({"lam": torch.diag}, r"lam has shape \(3, 3\); it must be \(n_x,\)"),
    "B transposed": ({"B": lambda t: t.mT}, r"B has shape \(2, 3\); it must be \(3, 2\)"),
    "B single": ({"B": lambda t: t.to(torch.complex64)}, "B has dtype torch.complex64"),
    "C transposed": ({"C": lambda t: t.mT}, r"C has shape \(3, 4\); it must be \(n_y, 3\)"),
    "C None": ({"C": lambda t: None}, "C is a NoneType"),
    "D transposed": ({"D": lambda t: t.mT}, r"D has shape \(2, 4\); it must be \(4, 2\)"),
    "D complex": ({"D": lambda t: t + 0j}, "D has dtype torch.complex128; .* must be torch.float64"),
    "x0 of one item": ({"x0": lambda t: t[0]}, r"x0 has shape \(3,\); it must be \(2, 3\)"),
    "x0 real": ({"x0": lambda t: t.real}, "x0 has dtype torch.float64"),
    "D elsewhere": ({"D": lambda t: t.to("meta")}, "D is on meta and u on cpu"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_tensors_that_do_not_fit(change, message):
    names = ("u", "lam", "B", "C", "D", "x0")
    inputs = dict(zip(names, lti(2, 30, 3, 2, 4), strict=True))
    for name, wrong in change.items():
        inputs[name] = wrong(inputs[name])
    with pytest.raises(RealizationError, match=message) as caught:
        lti_scan(**inputs)
    assert isinstance(caught.value, L2ssmError)


def test_diagonal_tensors_that_do_not_fit():
    a, b, x0 = (t.detach() for t in diagonal(2, 30, 3))
    for wrong in [
        (a[:2], b, x0),
        (a[None], b, x0),
        (a, b[0], x0),
        (a.real, b, x0),
        (a, b, x0[:1]),
        (a, torch.zeros(2, 30, 3, dtype=torch.int32), x0),
    ]:
        with pytest.raises(RealizationError, match="must be"):
            diag_scan(*wrong)


def test_dense_matrices_that_do_not_fit():
    u, one = torch.ones(1, 30, 1), torch.ones(1, 1)
    with pytest.raises(RealizationError, match="must be square"):
        dense_scan(u, torch.ones(1, 2), one, one)
    with pytest.raises(RealizationError, match=r"A has dtype torch\.float64"):
        dense_scan(u, one.double(), one, one)


def test_importing_the_scan_loads_no_compiler():
    program = (
        "import sys, l2ssm.scan, l2ssm.scan.bench\n"
        "print([m for m in ('numba', 'triton', 'matplotlib') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_backend_says_what_it_is():
    assert all(entry.about for entry in BACKENDS.values())
