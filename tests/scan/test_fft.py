"""The impulse response and its generating function."""

from __future__ import annotations

import pytest
import torch
from scan_cases import assert_equal, lti

from l2ssm.scan.fft import final_state, generating_function, impulse_response


@pytest.mark.parametrize("time", [1, 2, 7, 64, 513, 1500])
def test_impulse_response_is_c_lam_power_b(time):
    _, lam, B, C, _, _ = (t.detach() for t in lti(1, 1, 4, 2, 3))
    response = impulse_response(lam, B, C, time)
    expected = torch.stack([((C * lam**k) @ B).real for k in range(time)])
    assert_equal([response], [expected], 1e-12)


@pytest.mark.parametrize("nodes", [None, 64, 101, 150])
@pytest.mark.parametrize("time", [1, 50, 51])
def test_generating_function_is_the_transform_of_the_impulse_response(time, nodes):
    _, lam, B, C, _, _ = (t.detach() for t in lti(1, 1, 4, 2, 3, radius=(0.1, 0.98)))
    found = generating_function(lam, B, C, time, nodes)
    expected = torch.fft.rfft(impulse_response(lam, B, C, time), nodes or time, dim=0)
    assert_equal([found], [expected], 1e-12)


def test_final_state_alone():
    u, lam, B, _, _, x0 = (t.detach() for t in lti(2, 700, 4, 2, 3))
    x = x0
    for k in range(700):
        x = lam * x + u[:, k].to(B.dtype) @ B.mT
    assert_equal([final_state(u, lam, B, x0)], [x], 1e-12)
