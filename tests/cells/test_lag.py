"""The lag-operator cells: forward is the realization, gains proved in closed form, steps that depend on the input."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import l2ssm as ls
from l2ssm.cells.lag import Lag
from l2ssm.cells.lag_selective import SelectiveLag
from l2ssm.certificates.certificate import Certificate, Claim, chain_of
from l2ssm.errors import CertificateError, NotCertifiableError, OptionError
from l2ssm.systems.discretize import zoh
from l2ssm.systems.hippo import legs

KINDS = {
    "legendre": {},
    "post": {"readout": "post"},
    "jacobi": {"basis": "jacobi", "shape": 1.5},
    "laguerre": {"basis": "laguerre", "shape": 0.25, "order": 4},
    "hyperbolic": {"warp": "hyperbolic"},
    "window": {"warp": "window"},
    "fourier": {"basis": "fourier"},
}
CLOSED = ("legendre", "post", "jacobi", "laguerre")


def cell(kind="legendre", n_u=3, n_x=10, n_y=2, seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    made = Lag(n_u, n_x, n_y, slowest=30.0, generator=generator, **(KINDS[kind] | options)).double()
    with torch.no_grad():
        made.D.add_(0.3 * torch.randn(made.D.shape, generator=generator))
    return made


def signals(batch=2, time=77, n_u=3, n_x=10, seed=1):
    generator = torch.Generator().manual_seed(seed)
    u = torch.randn(batch, time, n_u, dtype=torch.float64, generator=generator)
    return u, torch.view_as_complex(torch.randn(batch, n_x, 2, dtype=torch.float64, generator=generator))


@pytest.mark.parametrize("kind", KINDS)
def test_forward_is_the_realization(kind):
    lag = cell(kind)
    (u, x0), G = signals(), lag.realization()
    y, x_end = lag(u, x0)
    for k in range(2):
        start = torch.view_as_real(x0[k]).flatten().numpy()
        np.testing.assert_allclose(y[k].detach(), G.simulate(u[k].numpy(), start), rtol=0, atol=1e-11)
        end = torch.view_as_real(x_end[k].detach()).flatten()
        np.testing.assert_allclose(end, G.states(u[k].numpy(), start)[-1], rtol=0, atol=1e-11)


@pytest.mark.parametrize("kind", CLOSED)
@pytest.mark.parametrize("time", [1, 2, 60, 130])
def test_convolution_is_the_scan_with_its_gradients(kind, time):
    lag = cell(kind)
    u, x0 = signals(time=time)
    weights = signals(time=time, n_u=2, seed=5)[0]
    found = []
    for forward in (lag.forward, lag.convolve):
        for start in (None, x0):
            y, end = forward(u, start)
            loss = (weights * y).sum() + end.abs().square().sum()
            found.append([y, end, *torch.autograd.grad(loss, list(lag.parameters()))])
    for scan, convolution in zip(found[:2], found[2:], strict=True):
        for a, b in zip(scan, convolution, strict=True):
            torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-10)


def test_large_cells_train_by_the_convolution():
    """64 states: no array of batch x time x states is made."""
    lag = cell(n_x=32, order=64, n_u=1, n_y=1)
    u = torch.randn(3, 500, 1, dtype=torch.float64)
    largest = 0

    class Sizes(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            nonlocal largest
            result = function(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                largest = max(largest, result.numel())
            return result

    with Sizes():
        y, _ = lag(u)
    assert largest < 3 * 500 * 64
    np.testing.assert_allclose(y[1].detach(), lag.realization().simulate(u[1].numpy()), rtol=0, atol=1e-11)


def test_default_cell_is_hippo_legs_under_its_zero_order_hold():
    lag = Lag(1, 4, 1, slowest=20.0).double()
    assert float(lag.log_step.detach()) == pytest.approx(-math.log(20), rel=1e-7)
    with torch.no_grad():
        lag.log_step.fill_(-math.log(20))  # in all digits
    A, b, _ = legs(8)
    Ad, bd = zoh(A, b, 1 / 20)
    G = lag.realization()
    np.testing.assert_allclose(G.A, Ad, rtol=0, atol=1e-13)
    np.testing.assert_allclose(G.B, bd[:, None] * lag.W.item(), rtol=0, atol=1e-13)


def prove(lag):
    gamma, P = lag.storage()
    G = lag.realization()
    claim = Claim("storage", gamma, {"P": P})
    return ls.verify(Certificate("l2", gamma, chain_of(G), "product", (claim,))), G


@pytest.mark.parametrize("kind", ["legendre", "jacobi", "laguerre"])
@pytest.mark.parametrize("seed", range(3))
def test_closed_form_storage_is_a_certificate(kind, seed):
    lag = cell(kind, seed=seed)
    with torch.no_grad():
        lag.log_step.copy_(
            torch.empty(lag.log_step.shape).uniform_(-9, 3, generator=torch.Generator().manual_seed(seed))
        )
    certificate, G = prove(lag)
    assert certificate.verified
    assert G.hinf().lower <= certificate.gamma
    k = {"legendre": 1.0, "jacobi": 2.5**-0.5, "laguerre": 0.5**-0.5}[kind]
    C, W, D = (float(torch.linalg.matrix_norm(M.detach(), ord=2)) for M in (lag.C, lag.W, lag.D))
    assert certificate.gamma == pytest.approx(k * C * W + D, rel=1e-5)


def test_unit_gain_from_the_input_to_the_coefficients():
    """C = I, W = 1: the bound 1 is proved, and reached at frequency zero."""
    lag = Lag(1, 8, 16, order=16, slowest=50.0).double()
    with torch.no_grad():
        lag.C.copy_(torch.eye(16))
        lag.W.fill_(1.0)
    certificate, G = prove(lag)
    assert 1 < certificate.gamma <= 1 + 1.1e-6
    assert np.linalg.norm(G.frequency_response([0.0])[0], 2) == pytest.approx(1.0, abs=1e-12)


def test_closed_form_storage_of_no_gain_and_forged():
    lag = cell()
    with torch.no_grad():
        for parameter in (lag.C, lag.W, lag.D):
            parameter.zero_()
        lag.D.fill_(0.5)
    assert prove(lag)[0].gamma == pytest.approx(0.5 * math.sqrt(6), rel=1e-5)
    lag = cell()
    gamma, P = lag.storage()
    forged = Claim("storage", gamma, {"P": 1e-3 * P})
    with pytest.raises(CertificateError):
        ls.verify(Certificate("l2", gamma, chain_of(lag.realization()), "product", (forged,)))


@pytest.mark.parametrize("kind", ["hyperbolic", "window", "fourier", "post"])
def test_no_closed_form_where_memories_do_not_contract(kind):
    with pytest.raises(NotCertifiableError, match="no storage function in closed form"):
        cell(kind).storage()


@pytest.mark.parametrize("kind", KINDS)
def test_h_infinity_certificate(kind):
    G = cell(kind, n_x=4).realization(dt=0.1)
    certificate = ls.certify(G)
    assert certificate.verified
    lower = G.hinf().lower
    assert lower <= certificate.gamma <= 1.001 * lower


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [-1e4, -30.0, 0.0, 5.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_steps(kind, value, dtype):
    """Schur stable, outputs and gradients finite."""
    lag = cell(kind).to(dtype)
    with torch.no_grad():
        lag.log_step.fill_(value)
    u, x0 = signals()
    for forward in (lag.forward, *([lag.convolve] if kind in CLOSED else [])):
        lag.zero_grad()
        y, end = forward(u.to(dtype), x0.to(dtype.to_complex()))
        (y.square().sum() + end.abs().square().sum()).backward()
        assert torch.isfinite(y).all()
        assert all(torch.isfinite(p.grad).all() for p in lag.parameters())
    if dtype == torch.float64:
        assert lag.realization().is_schur()


@pytest.mark.parametrize("kind", KINDS)
def test_every_tensor_is_made_where_the_input_is(kind):
    """The meta device refuses to mix with tensors of the CPU, as an accelerator does."""
    lag = Lag(3, 32, 2, **(KINDS[kind] | {"order": 64})).to("meta")
    u, x0 = torch.empty(2, 40, 3, device="meta"), torch.empty(2, 32, dtype=torch.complex64, device="meta")
    y, end = lag(u, x0)
    assert y.is_meta
    assert end.is_meta


def test_resampled_cell_sees_the_same_time():
    """Half the sample time, every input held for two samples: the same output at the old instants."""
    lag = cell()
    u, x0 = signals()
    y, end = lag(u, x0)
    fine, fine_end = lag.resampled(0.5)(u.repeat_interleave(2, dim=1), x0)
    torch.testing.assert_close(fine[:, ::2], y, atol=1e-12, rtol=0)
    torch.testing.assert_close(fine_end, end, atol=1e-12, rtol=0)


# ---- selective --------------------------------------------------------------------------------------------------


def selective(seed=0, size=1.0, **options):
    generator = torch.Generator().manual_seed(seed)
    made = SelectiveLag(3, 10, 2, slowest=30.0, generator=generator, **options).double()
    with torch.no_grad():
        made.S.copy_(size * torch.randn(made.S.shape, generator=generator))
    return made


def test_selective_is_the_projection_with_its_own_steps():
    layer = selective()
    u, _ = signals()
    delta, v = layer.steps(u).detach(), (u @ layer.lag.W.mT).detach()
    c = layer.states(u).detach().unflatten(2, (layer.lag.memories, layer.lag.order))
    assert float(delta.max() / delta.min()) > 100
    for h in range(layer.lag.memories):
        want = layer.lag.operator.project(v[0, :, h], delta[0, :, h])
        torch.testing.assert_close(c[0, 1:, h], want, atol=1e-12, rtol=0)


@pytest.mark.parametrize("size", [0.0, 1.0, 100.0])
def test_selective_memories_never_exceed_their_input(size):
    layer = selective(size=size)
    u = torch.sign(signals(time=300)[0])
    v = (u @ layer.lag.W.mT).detach()
    c = layer.states(u).detach().unflatten(2, (layer.lag.memories, layer.lag.order)).norm(dim=-1)
    assert torch.all(c.amax(1) <= v.abs().amax(1) * (1 + 1e-12))
    forgetting = -torch.expm1(-layer.steps(u).detach())
    ratio = forgetting.amax(1) / forgetting.amin(1)
    assert torch.all(c.square().sum(1) <= ratio * v.square().sum(1) * (1 + 1e-12))


def test_selective_forgets_its_start():
    """Two starts, one input: the distance never grows, whatever the steps are."""
    layer = selective(size=5.0)
    u, x0 = signals()
    distance = (layer.states(u, x0) - layer.states(u)).detach().norm(dim=-1)
    assert torch.all(distance[:, 1:] <= distance[:, :-1] * (1 + 1e-12))


def test_selective_with_constant_steps_is_the_cell():
    layer = selective(size=0.0)
    u, x0 = signals()
    for got, want in zip(layer(u, x0), layer.lag(u, x0), strict=True):
        torch.testing.assert_close(got, want, atol=1e-12, rtol=0)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_selective_gradients_are_finite(scale):
    layer = selective(size=scale).float()
    with torch.no_grad():
        layer.lag.log_step.mul_(scale)
    u, x0 = signals()
    y, _ = layer(u.float(), x0.to(torch.complex64))
    y.square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in layer.parameters())


def test_selective_trains():
    """Target: a memory that holds the second input at the last sample where the first one was on."""
    generator = torch.Generator().manual_seed(0)
    gate = (torch.rand(16, 80, generator=generator) < 0.1).float()
    value = torch.randn(16, 80, generator=generator)
    held = torch.zeros(16)
    target = []
    for k in range(80):
        held = torch.where(gate[:, k] > 0, value[:, k], held)
        target.append(held)
    u, y = torch.stack([gate, gate * value], 2), torch.stack(target, 1)[..., None]
    losses = {}
    for name, kind in (("selective", SelectiveLag), ("fixed", Lag)):
        layer = kind(2, 4, 1, slowest=20.0, readout="post", generator=torch.Generator().manual_seed(1))
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
        for _ in range(80):
            optimizer.zero_grad()
            loss = (layer(u)[0] - y).square().mean()
            loss.backward()
            optimizer.step()
        losses[name] = float(loss.detach())
    assert losses["selective"] < 0.5 * losses["fixed"]


# ---- in a model, and refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"basis": "laguerre"}, {"warp": "hyperbolic", "order": 4}], ids=str)
def test_fit_save_certify(options, tmp_path):
    data = ls.plants.CascadedTanks().experiment(seed=0, samples=600)
    model = ls.fit(data["train"], cell="lag", layers=1, d_model=4, n_x=6, steps=40, window=128, cell_options=options)
    model.save(tmp_path / "m.l2ssm")
    again = ls.load(tmp_path / "m.l2ssm")
    assert again.digest == model.digest
    certificate = ls.certify(again, lower=False)
    assert certificate.verified
    assert math.isfinite(certificate.gamma)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"basis": "hermite"}, "unknown basis 'hermite'"),
        ({"warp": "linear"}, "the warp 'linear' changes with time"),
        ({"warp": "shift"}, "do not fit"),
        ({"order": 3}, "order is 3, expected a divisor of the 20 real states"),
        ({"shape": 2.0}, "basis 'legendre' has no shape"),
        ({"readout": "both"}, "both"),
        ({"slowest": float("nan")}, "slowest is nan, expected a finite number of samples > 0"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(OptionError, match=message):
        Lag(3, 10, 2, **options)
