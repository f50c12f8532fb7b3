"""A million samples with |lam| = 1 - 1e-7: every backend against the loop, the compiled one against a closed form."""

from __future__ import annotations

from functools import partial
from unittest.mock import patch

import pytest
import torch
from scan_cases import TOLERANCE, assert_equal, lti, outputs_and_gradients
from torch.utils.checkpoint import checkpoint

from l2ssm.scan import BACKENDS, diag_scan, lti_scan

OTHERS = [n for n, e in BACKENDS.items() if n != "loop" and e.unavailable(torch.device("cpu")) is None]
MILLION = 1_000_000


def test_a_constant_input_against_the_geometric_sum():
    lam = torch.polar(torch.tensor([1 - 1e-7], dtype=torch.float64), torch.tensor([1e-3], dtype=torch.float64))
    one = torch.ones(1, 1, dtype=torch.float64)
    u = torch.ones(1, MILLION, 1, dtype=torch.float64)
    y, end = lti_scan(u, lam, one + 0j, one + 0j, backend="compiled")
    log = torch.log(lam)
    k = torch.arange(MILLION + 1, dtype=torch.float64)
    exact = (torch.exp(k * log) - 1) / torch.expm1(log)  # sum_{j < k} lam^j
    assert_equal([y[0, :, 0], end[0]], [exact[:-1].real, exact[-1:]], 1e-10)  # log(lam) is itself rounded


def loop_in_pieces(u, lam, B, C, D, x0, readout):
    """The loop with its graph rebuilt piece by piece, so that a million samples fit in memory."""
    x, outputs = x0, []
    for piece in u.split(10_000, dim=1):
        scan = partial(lti_scan, readout=readout, backend="loop")
        y, x = checkpoint(scan, piece, lam, B, C, D, x, use_reentrant=True)  # frees each piece once it is done
        outputs.append(y)
    return torch.cat(outputs, 1), x


@pytest.fixture(scope="module")
def reference():
    """Inputs that float32 holds exactly, in float64, and what the loop makes of them; minutes."""
    single = lti(1, MILLION, 2, 1, 1, torch.float32, radius=(1 - 1e-7, 1 - 1e-7))
    inputs = [t.detach().to(torch.complex128 if t.is_complex() else torch.float64).requires_grad_() for t in single]
    with patch("torch.autograd.grad", gradients_by_backward):  # what this form of checkpoint asks for
        return single, inputs, outputs_and_gradients(partial(loop_in_pieces, readout="pre"), inputs)


def gradients_by_backward(outputs, leaves, weights, allow_unused):
    """`torch.autograd.grad` of leaves, through `backward`."""
    assert allow_unused
    torch.autograd.backward(outputs, weights)
    return [leaf.grad for leaf in leaves]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("backend", OTHERS)
def test_every_backend_equals_the_loop_over_a_million_samples(reference, backend, dtype):
    single, double, expected = reference
    inputs = double if dtype == torch.float64 else single
    found = outputs_and_gradients(partial(lti_scan, backend=backend), inputs)
    assert_equal(found, [e.to(f.dtype) for e, f in zip(expected, found, strict=True)], TOLERANCE[dtype])


@pytest.mark.parametrize("backend", OTHERS)
def test_slow_modes_do_not_drift_in_float32(backend):
    """|x| of an unforced mode changes by |lam|^time and by no more."""
    lam = torch.polar(torch.ones(3), torch.tensor([0.0, 0.5, 3.0]))
    lam = lam / lam.abs()
    x0 = torch.ones(1, 3) + 0j
    x = diag_scan(lam, torch.zeros(1, 100_000, 3) + 0j, x0, backend=backend)
    exact = lam.to(torch.complex128).abs() ** 100_000
    assert ((x[0, -1].abs() - exact).abs() < 5e-4).all()
