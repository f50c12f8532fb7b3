"""The numba kernels: products in tiles, their cache on disk, threads that do not race and do not multiply."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from scan_cases import assert_equal, diagonal, lti, outputs_and_gradients

import l2ssm
from l2ssm.scan import diag_scan, fused, lti_scan, workers

pytest.importorskip("numba")
from l2ssm.scan import kernels
from l2ssm.scan.blas import gemm_address


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1, 1), (32, 64, 128), (7, 300, 290), (512, 4, 128), (3, 1, 5), (5, 2, 1)])
def test_tiled_products_equal_numpy(shape, dtype):
    rows, inner, columns = shape
    rng = np.random.default_rng(0)
    A, B, C = (rng.standard_normal(s).astype(dtype) for s in ((rows, inner), (inner, columns), (rows, columns)))
    gemm, out = gemm_address(np.dtype(dtype)), C.copy()
    error = 1e-4 if dtype == np.float32 else 1e-12
    kernels.multiply(gemm, A, B, out, False)
    np.testing.assert_allclose(out, A @ B, atol=error, rtol=error)
    kernels.multiply(gemm, A, B, out, True)
    np.testing.assert_allclose(out, 2 * (A @ B), atol=2 * error, rtol=error)
    out = B.copy()
    kernels.add_product(gemm, A, C, out)
    np.testing.assert_allclose(out, B + A.T @ C, atol=error, rtol=error)


@pytest.fixture(params=[2, 3, 8])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_twenty_runs_on_threads_are_identical_and_right(threads, batch, monkeypatch):
    monkeypatch.setattr(fused, "WORK_PER_THREAD", 1)
    inputs = lti(batch, 400, 24, 3, 2)
    cut = fused.plan(inputs[0], 24, 2, threads)
    assert len(cut.batches) * len(cut.modes) > 1
    function = partial(lti_scan, backend="compiled")
    first = outputs_and_gradients(function, inputs)
    assert_equal(first, outputs_and_gradients(partial(lti_scan, backend="loop"), inputs), 1e-11)
    for _ in range(19):
        for found, expected in zip(outputs_and_gradients(function, inputs), first, strict=True):
            assert torch.equal(found, expected)


@pytest.mark.parametrize("varying", [False, True])
def test_diag_scan_on_threads(threads, varying, monkeypatch):
    monkeypatch.setattr("l2ssm.scan.compiled.WORK_PER_THREAD", 1)
    for batch in (1, 5):
        inputs = diagonal(batch, 300, 24, varying=varying)
        expected = outputs_and_gradients(partial(diag_scan, backend="loop"), inputs)
        for _ in range(5):
            assert_equal(outputs_and_gradients(partial(diag_scan, backend="compiled"), inputs), expected, 1e-11)


def test_callers_on_several_threads_at_once(monkeypatch):
    monkeypatch.setattr(fused, "WORK_PER_THREAD", 1)
    cases = [lti(3, 300, 16, 2, 2, seed=k) for k in range(6)]
    expected = [outputs_and_gradients(partial(lti_scan, backend="loop"), inputs) for inputs in cases]
    found: dict[int, list] = {}

    def call(k):
        torch.set_num_threads(2)
        for _ in range(5):
            found[k] = outputs_and_gradients(partial(lti_scan, backend="compiled"), cases[k])

    running = [threading.Thread(target=call, args=(k,)) for k in range(6)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    for k in range(6):
        assert_equal(found[k], expected[k], 1e-11)


def test_as_many_threads_as_torch_is_set_to(threads):
    u = torch.zeros(16, 4096, 64)
    cut = fused.plan(u, 64, 64, torch.get_num_threads())
    assert len(cut.batches) * len(cut.modes) == threads
    small = fused.plan(torch.zeros(4, 20, 2), 8, 2, threads)
    assert len(small.batches) * len(small.modes) == 1


def test_an_error_in_a_task_is_raised_after_the_others_end():
    done = []

    def fails():
        raise ValueError("task")

    with pytest.raises(ValueError, match="task"):
        workers.run([partial(done.append, 0), fails, partial(done.append, 2)])
    assert sorted(done) == [0, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_after_a_fork():
    program = (
        "import os, torch\n"
        "from l2ssm.scan import diag_scan, compiled\n"
        "compiled.WORK_PER_THREAD = 1\n"
        "torch.set_num_threads(2)\n"
        "b = torch.ones(4, 50, 3); a = torch.full((3,), 0.5)\n"
        "x = diag_scan(a, b, backend='compiled')\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if torch.equal(diag_scan(a, b, backend='compiled'), x) else 3)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=120)
    assert found.stdout.strip() == "0", found.stderr


@pytest.mark.parametrize("home", [True, False], ids=["user cache", "no cache at all"])
def test_kernels_from_a_package_that_cannot_be_written(tmp_path, home):
    """`__pycache__` is a file, so that even root cannot write there: numba must use the user's cache, or none."""
    package = tmp_path / "l2ssm"
    shutil.copytree(Path(l2ssm.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "scan" / "__pycache__").touch()
    user = tmp_path / "home"
    user.mkdir() if home else user.touch()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "HOME": str(user), "XDG_CACHE_HOME": str(user / "cache")}
    environment.pop("NUMBA_CACHE_DIR", None)
    program = (
        "import torch, l2ssm\n"
        "from l2ssm.scan import diag_scan\n"
        "x = diag_scan(torch.tensor([0.5]), torch.ones(1, 20, 1), backend='compiled')\n"
        "print(l2ssm.__file__, x[0, 2].item())\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=300
    )
    assert found.returncode == 0, found.stderr
    where, value = found.stdout.split()
    assert Path(where).parent == package
    assert float(value) == 1.5
    assert not home or list(user.rglob("*.nbi"))
