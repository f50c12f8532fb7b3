"""Derivatives against finite differences, second ones, forward mode, vmap, export, and what is kept for backward."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from scan_cases import assert_equal, diagonal, lti, outputs_and_gradients

from l2ssm.errors import OptionError
from l2ssm.scan import BACKENDS, diag_scan, lti_scan

HERE = [name for name, entry in BACKENDS.items() if entry.unavailable(torch.device("cpu")) is None]


@pytest.mark.parametrize("readout", ["pre", "post"])
@pytest.mark.parametrize("backend", HERE)
def test_gradcheck_and_gradgradcheck_of_lti_scan(backend, readout):
    inputs = lti(2, 11, 3, 2, 2)
    function = partial(lti_scan, readout=readout, backend=backend)
    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, lti(1, 5, 2, 1, 2))


@pytest.mark.parametrize("backend", [name for name in HERE if BACKENDS[name].time_varying])
def test_gradcheck_of_time_varying_diag_scan(backend):
    function = partial(diag_scan, backend=backend)
    assert torch.autograd.gradcheck(function, diagonal(2, 30, 2, varying=True))
    assert torch.autograd.gradgradcheck(function, diagonal(1, 4, 2, varying=True))
    assert torch.autograd.gradcheck(function, diagonal(2, 9, 2, torch.float64))
    assert torch.autograd.gradgradcheck(function, diagonal(1, 4, 2))


def test_a_hessian_vector_product_over_several_chunks():
    inputs = lti(2, 300, 4, 2, 2, radius=(0.5, 0.99))

    def product(backend):
        y, end = lti_scan(*inputs, backend=backend)
        first = torch.autograd.grad(y.square().sum() + end.abs().square().sum(), inputs, create_graph=True)
        return torch.autograd.grad(sum(g.abs().square().sum() for g in first), inputs)

    assert_equal(product("compiled"), product("loop"), 1e-10)


@pytest.mark.parametrize("wanted", range(6))
def test_a_gradient_for_one_input_alone(wanted):
    inputs = [t.detach() for t in lti(2, 90, 4, 2, 3)]
    inputs[wanted].requires_grad_()
    found = outputs_and_gradients(partial(lti_scan, backend="compiled"), inputs)
    assert_equal(found, outputs_and_gradients(partial(lti_scan, backend="loop"), inputs), 1e-11)


def test_only_border_states_are_kept():
    u, lam, B, C, D, x0 = lti(3, 4000, 16, 2, 2)
    y, _ = lti_scan(u, lam, B, C, D, x0, backend="compiled")
    kept = y.grad_fn.borders.numel()
    assert kept <= 2 * 3 * 4000 * 16 / 64  # real numbers: at most one state in 64
    tensors = {t.data_ptr() for t in y.grad_fn.saved_tensors}
    assert tensors == {t.data_ptr() for t in (u, lam, B, C, D, x0)}


def test_backward_twice_through_one_graph():
    inputs = lti(2, 200, 4, 2, 2)
    y, _ = lti_scan(*inputs, backend="compiled")
    first = torch.autograd.grad(y.sum(), inputs, retain_graph=True)
    assert_equal(torch.autograd.grad(y.sum(), inputs), first, 0.0)


@pytest.mark.parametrize("backend", ["chunked", "auto"])
def test_vmap_over_systems(backend):
    inputs = [t.detach() for t in lti(2, 60, 4, 2, 2)]
    stacked = [torch.stack([t, 0.7 * t, -0.4 * t]) for t in inputs]
    y, end = torch.func.vmap(partial(lti_scan, backend=backend))(*stacked)
    for k in range(3):
        assert_equal([y[k], end[k]], lti_scan(*(t[k] for t in stacked), backend="loop"), 1e-11)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # torch's own, at its first jvp
@pytest.mark.parametrize("backend", ["chunked", "auto"])
def test_forward_mode_and_functional_gradients(backend):
    u, lam, B, C, D, x0 = (t.detach() for t in lti(2, 60, 4, 2, 2))

    def output(lam, backend=backend):
        return lti_scan(u, lam, B, C, D, x0, backend=backend)[0]

    direction = torch.randn_like(lam)
    _, found = torch.func.jvp(output, (lam,), (direction,))
    step = 1e-6
    expected = (output(lam + step * direction, "loop") - output(lam - step * direction, "loop")) / (2 * step)
    assert_equal([found], [expected], 1e-7)
    gradient = torch.func.grad(lambda lam: output(lam).square().sum())(lam)
    reference = lam.clone().requires_grad_()
    output(reference, "loop").square().sum().backward()
    assert_equal([gradient], [reference.grad], 1e-11)


def test_kernels_refuse_transforms_by_name():
    u, lam, B, C, _, _ = (t.detach() for t in lti(2, 60, 4, 2, 2))
    with pytest.raises(OptionError, match=r"'compiled' cannot run here: .*torch\.func"):
        torch.func.vmap(lambda u: lti_scan(u[None], lam, B, C, backend="compiled")[0])(u)


@pytest.mark.slow
def test_export_of_a_module():
    class Layer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            _, self.lam, self.B, self.C, self.D, _ = (t.detach() for t in lti(2, 60, 4, 2, 2))

        def forward(self, u):
            return lti_scan(u, self.lam, self.B, self.C, self.D)

    u = lti(2, 60, 4, 2, 2)[0].detach()
    program = torch.export.export(Layer(), (u,))
    assert_equal(program.module()(u), Layer()(u), 1e-12)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_autograd(mode):
    inputs = lti(4, 600, 8, 3, 2)
    expected = lti_scan(*inputs, backend="loop")
    with mode():
        found = lti_scan(*inputs, backend="compiled")
    assert not found[0].requires_grad
    assert_equal([f.clone() for f in found], [e.detach() for e in expected], 1e-11)
