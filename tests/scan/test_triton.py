"""The Triton kernel in Triton's interpreter, where triton is installed (no GPU needed)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")

PROGRAM = """
import torch
from scan_cases import assert_equal, diagonal, outputs_and_gradients
from l2ssm.scan import loop, triton_scan
triton_scan.LONGEST = 16
for dtype in (torch.float32, torch.float64, torch.complex64, torch.complex128):
    for time, varying in ((1, False), (7, True), (40, False), (40, True)):
        inputs = diagonal(2, time, 3, dtype, varying=varying)
        tolerance = 1e-4 if dtype in (torch.float32, torch.complex64) else 1e-11
        found = outputs_and_gradients(triton_scan.diag_scan, inputs)
        assert_equal(found, outputs_and_gradients(loop.diag_scan, inputs), tolerance)
inputs = diagonal(1, 5, 2)
assert torch.autograd.gradgradcheck(triton_scan.diag_scan, inputs)
print("equal")
"""


def test_the_kernel_in_the_interpreter():
    path = os.pathsep.join([str(Path(__file__).parent), *(p for p in sys.path if p)])
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM], capture_output=True, text=True, timeout=600,
        env={**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": path},
    )  # fmt: skip
    assert found.stdout.strip() == "equal", found.stderr


def test_the_kernel_compiles_for_a_gpu():
    triton = pytest.importorskip("triton")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from l2ssm.scan import triton_scan

    for varying in (False, True):
        signature = dict.fromkeys(("a_ptr", "b_ptr", "x0_ptr", "x_ptr"), "*fp32") | {"time": "i32", "n": "i32"}
        constants = {"VARYING": varying, "COMPLEX": True, "BLOCK": 64}
        source = ASTSource(triton_scan._scan, signature | dict.fromkeys(constants, "constexpr"), constexprs=constants)
        compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32))
        assert "ld.global" in compiled.asm["ptx"]
