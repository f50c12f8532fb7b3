"""Every backend equals the loop: states, outputs, final state, all gradients; in pieces as in one; both read-outs."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from scan_cases import TOLERANCE, assert_equal, diagonal, lti, outputs_and_gradients

from l2ssm.scan import BACKENDS, dense_scan, diag_scan, lti_scan, step

HERE = [name for name, entry in BACKENDS.items() if entry.unavailable(torch.device("cpu")) is None]
OTHERS = [name for name in HERE if name != "loop"]
VARYING = [name for name in OTHERS if BACKENDS[name].time_varying]
DENSE = [name for name in OTHERS if BACKENDS[name].dense_scan is not None]
DTYPES = [torch.float64, torch.float32]

# batch, time, n_x, n_u, n_y
SHAPES = {
    "length 0": (2, 0, 3, 2, 2),
    "length 1": (2, 1, 3, 2, 2),
    "length 2, one of everything": (1, 2, 1, 1, 1),
    "batch 1": (1, 77, 5, 2, 3),
    "chunks end with the record": (2, 64, 9, 3, 2),
    "a rest after the chunks": (3, 601, 17, 4, 5),
    "wide": (2, 90, 70, 150, 140),
    "one input, one output": (1, 1100, 16, 1, 1),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("readout", ["pre", "post"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("backend", OTHERS)
def test_lti_scan_equals_the_loop(backend, shape, readout, dtype):
    inputs = lti(*shape, dtype)
    found = outputs_and_gradients(partial(lti_scan, readout=readout, backend=backend), inputs)
    expected = outputs_and_gradients(partial(lti_scan, readout=readout, backend="loop"), inputs)
    assert_equal(found, expected, TOLERANCE[dtype])


@pytest.mark.parametrize("backend", OTHERS)
def test_without_direct_term_and_initial_state(backend):
    inputs = lti(2, 130, 4, 2, 3, direct=False, start=False)
    found = outputs_and_gradients(partial(lti_scan, backend=backend), inputs)
    assert_equal(found, outputs_and_gradients(partial(lti_scan, backend="loop"), inputs), 1e-11)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128], ids=str)
@pytest.mark.parametrize("shape", [(2, 0, 3), (1, 1, 1), (3, 26, 5), (2, 700, 9)], ids=str)
@pytest.mark.parametrize(
    ("backend", "varying"), [(name, False) for name in OTHERS] + [(name, True) for name in VARYING], ids=str
)
def test_diag_scan_equals_the_loop(backend, shape, dtype, varying):
    inputs = diagonal(*shape, dtype, varying=varying)
    found = outputs_and_gradients(partial(diag_scan, backend=backend), inputs)
    expected = outputs_and_gradients(partial(diag_scan, backend="loop"), inputs)
    assert_equal(found, expected, 1e-11 if dtype in (torch.float64, torch.complex128) else 1e-4)


@pytest.mark.parametrize("readout", ["pre", "post"])
@pytest.mark.parametrize("time", [0, 1, 24, 25, 700])
@pytest.mark.parametrize("backend", DENSE)
def test_dense_scan_equals_the_loop(backend, time, readout):
    u, _, B, C, D, x0 = lti(2, time, 5, 3, 2)
    A = torch.randn(5, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    A = 0.99 * A / torch.linalg.matrix_norm(A, 2)
    inputs = [t.detach().requires_grad_() for t in (u, A, B.real, C.real, D, x0.real)]
    found = outputs_and_gradients(partial(dense_scan, readout=readout, backend=backend), inputs)
    expected = outputs_and_gradients(partial(dense_scan, readout=readout, backend="loop"), inputs)
    assert_equal(found, expected, 1e-11)


@pytest.mark.parametrize("backend", OTHERS)
def test_lam_zero_is_a_delay(backend):
    u, lam, B, C, D, x0 = lti(2, 140, 4, 2, 3)
    lam = torch.zeros_like(lam).requires_grad_()
    y, x_end = lti_scan(u, lam, B, C, D, x0, backend=backend)
    driven = torch.cat([x0[:, None], u.to(B.dtype) @ B.mT], dim=1)
    assert_equal([y, x_end], [(driven[:, :-1] @ C.mT).real + u @ D.mT, driven[:, -1]], 1e-12)
    inputs = [u, lam, B, C, D, x0]
    expected = outputs_and_gradients(partial(lti_scan, backend="loop"), inputs)
    assert_equal(outputs_and_gradients(partial(lti_scan, backend=backend), inputs), expected, 1e-11)


@pytest.mark.parametrize("backend", VARYING)
def test_a_zero_somewhere_resets_the_state(backend):
    a, b, x0 = diagonal(2, 150, 3, varying=True)
    a = a.detach().clone()
    a[:, ::7] = 0
    a.requires_grad_()
    expected = outputs_and_gradients(partial(diag_scan, backend="loop"), [a, b, x0])
    assert_equal(outputs_and_gradients(partial(diag_scan, backend=backend), [a, b, x0]), expected, 1e-11)


@pytest.mark.parametrize("backend", OTHERS)
def test_inputs_that_are_views(backend):
    u, lam, B, C, D, x0 = (t.detach() for t in lti(3, 200, 6, 4, 2))
    strided = [
        u.repeat_interleave(2, 2)[:, :, ::2],  # columns apart
        torch.stack([lam, lam], 1)[:, 0],
        B.conj().resolve_conj().conj(),  # lazily conjugated
        C.mT.contiguous().mT,
        torch.complex(D, -D).conj().imag,  # lazily negated
        x0.mT.contiguous().mT,
    ]
    u_last = u.permute(2, 0, 1).contiguous().permute(1, 2, 0)
    for first in (strided[0], u_last):
        inputs = [t.requires_grad_() for t in (first.detach(), *(t.detach() for t in strided[1:]))]
        plain = [t.detach().resolve_conj().resolve_neg().clone().contiguous().requires_grad_() for t in inputs]
        found = outputs_and_gradients(partial(lti_scan, backend=backend), inputs)
        assert_equal(found, outputs_and_gradients(partial(lti_scan, backend="loop"), plain), 1e-11)


@pytest.mark.parametrize("backend", OTHERS)
def test_an_expanded_gradient(backend):
    inputs = lti(2, 90, 4, 2, 2)
    y, _ = lti_scan(*inputs, backend=backend)
    found = torch.autograd.grad(y.sum(), inputs)  # a gradient of stride 0
    y, _ = lti_scan(*inputs, backend="loop")
    assert_equal(found, torch.autograd.grad(y.sum(), inputs), 1e-11)


@pytest.mark.parametrize("readout", ["pre", "post"])
@pytest.mark.parametrize("backend", HERE)
def test_pieces_equal_the_whole(backend, readout):
    u, lam, B, C, D, x0 = (t.detach() for t in lti(2, 700, 6, 3, 2, radius=(0.9, 0.9999)))
    whole, end = lti_scan(u, lam, B, C, D, x0, readout=readout, backend=backend)
    x, pieces = x0, []
    for piece in u.split([1, 0, 33, 500, 2, 164], dim=1):
        y, x = lti_scan(piece, lam, B, C, D, x, readout=readout, backend=backend)
        pieces.append(y)
    assert_equal([torch.cat(pieces, 1), x], [whole, end], 1e-12)
    a, b, x0 = (t.detach() for t in diagonal(2, 300, 4))
    whole = diag_scan(a, b, x0, backend=backend)
    first = diag_scan(a, b[:, :171], x0, backend=backend)
    rest = diag_scan(a, b[:, 171:], first[:, -1], backend=backend)
    assert_equal([torch.cat([first, rest[:, 1:]], 1)], [whole], 1e-12)


@pytest.mark.parametrize("readout", ["pre", "post"])
def test_steps_equal_the_scan(readout):
    u, lam, B, C, D, x = (t.detach() for t in lti(2, 40, 6, 3, 2))
    y, end = lti_scan(u, lam, B, C, D, x, readout=readout, backend="loop")
    for k in range(40):
        y_k, x = step(x, u[:, k], lam, B, C, D, readout=readout)
        assert_equal([y_k], [y[:, k]], 1e-13)
    assert_equal([x], [end], 1e-13)


@pytest.mark.parametrize("backend", HERE)
def test_post_read_out_is_pre_of_the_converted_system(backend):
    """A <- A, B <- B, C <- C A, D <- D + Re(C B) turns y[k] = C x[k+1] into the control convention."""
    u, lam, B, C, D, x0 = (t.detach() for t in lti(2, 120, 6, 3, 2))
    post = lti_scan(u, lam, B, C, D, x0, readout="post", backend=backend)
    pre = lti_scan(u, lam, B, C * lam, D + (C @ B).real, x0, readout="pre", backend=backend)
    assert_equal(post, pre, 1e-12)


@pytest.mark.parametrize("backend", HERE)
def test_length_zero_returns_the_initial_state(backend):
    u, lam, B, C, D, x0 = lti(2, 0, 3, 2, 4)
    y, end = lti_scan(u, lam, B, C, D, x0, backend=backend)
    assert y.shape == (2, 0, 4)
    assert torch.equal(end, x0)
    _, end = lti_scan(u, lam, B, C, D, backend=backend)
    assert torch.equal(end, torch.zeros(2, 3, dtype=torch.complex128))
    a, b, x0 = diagonal(2, 0, 3)
    assert torch.equal(diag_scan(a, b, x0, backend=backend), x0[:, None])


@pytest.mark.parametrize("backend", HERE)
@pytest.mark.parametrize("sizes", [(0, 5, 3, 2, 2), (2, 30, 3, 0, 2), (2, 30, 3, 2, 0), (2, 30, 0, 2, 2)], ids=str)
def test_empty_axes(backend, sizes):
    inputs = [t.detach() for t in lti(*sizes)]
    found = lti_scan(*inputs, backend=backend)
    assert_equal(found, lti_scan(*inputs, backend="loop"), 1e-11)
