"""Selective cells against the reference arrays, their own stream, their frozen numbers, and extremes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from l2ssm.cells import SELECTIVE_CELLS
from l2ssm.cells.rglru import RGLRU, SCALE
from l2ssm.cells.s6 import S6
from l2ssm.cells.selective import complex_states
from l2ssm.errors import OptionError
from l2ssm.parametrizations.selective import ring_of_gates, s6_coefficients, step_bias
from l2ssm.scan import diag_scan
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layer import Layer

GOLDEN = Path(os.environ.get("L2SSM_GOLDEN", "golden"))
KINDS = {
    "s6": {},
    "s6 zoh": {"input_rule": "zoh", "rank": 2},
    "s6 complex": {"field": "complex"},
    "s6 complex zoh": {"field": "complex", "input_rule": "zoh"},
    "rglru": {"blocks": 3},
    "rglru bounded": {"gate_min": 0.1, "init": "paper"},
    "bounded_selective": {"selectivity": 1.0, "through": 0.2},
    "bounded_clocked": {"selectivity": 1.0, "span": 8.0},
    "lag_selective": {"step_min": 0.01, "step_max": 2.0},
}


def golden(name: str) -> dict[str, torch.Tensor]:
    path = GOLDEN / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"no reference vectors: set L2SSM_GOLDEN to the folder of {name}.npz")
    with np.load(path) as data:
        return {key: torch.tensor(data[key]) for key in data}


def close(got: torch.Tensor, want: torch.Tensor) -> None:
    """1e-10 of the largest number."""
    torch.testing.assert_close(got, want, rtol=0, atol=1e-10 * float(want.abs().max()))


def made(kind: str, n: int = 3, n_x: int = 5, seed: int = 0, **more) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(seed)
    options = KINDS[kind] | more
    return SELECTIVE_CELLS[kind.split()[0]].start(n, n_x, n, slowest=30.0, generator=generator, **options).double()


def network(layer: Layer) -> Interconnection:
    names = [tuple(f"{c}{i}" for i in range(k)) for c, k in (("u", layer.n_in), ("y", layer.n_out))]
    return Interconnection((layer,), 1.0, *names, *[("",) * len(n) for n in names])


def scanned(step, A, B, C, u, rule="euler", weight=1):
    """The selective scan of the reference, its tensors with time before channels."""
    a, b = s6_coefficients(step, A, B, u, rule)
    x = diag_scan(a.flatten(2), b.flatten(2))[:, 1:].unflatten(2, A.shape)
    return weight * torch.einsum("btdn,btdn->btd", x, C.expand_as(x)).real, x


def test_s6_scan_against_the_reference():
    g = golden("s6_selective_scan")
    u, delta, z = (g[k].mT for k in ("u", "delta", "z"))
    B, C = g["B"].mT[:, :, None], g["C"].mT[:, :, None]
    step, through, gate = functional.softplus(delta + g["delta_bias"]), g["D"] * u, functional.silu(z)
    y, x = scanned(step, g["A"], B, C, u)
    close((y + through).mT, g["out_noz"])
    close(((y + through) * gate).mT, g["out_full"])
    close(x[:, -1], g["last_state"])
    without_bias, _ = scanned(functional.softplus(delta), g["A"], B, C, u)
    close(without_bias.mT, g["out_noD"])
    close(without_bias.mT, g["out_nosoftplus"])
    groups = [g[k].movedim(3, 1).repeat_interleave(2, dim=2) for k in ("B_group", "C_group")]
    close((scanned(step, g["A"], *groups, u)[0] + through).mT, g["out_group"])
    close((scanned(step, g["A"], g["B_const"], g["C_const"], u)[0] + through).mT, g["out_constBC"])
    packed = [g[f"{k}_complex_packed"].unflatten(2, (-1, 2)).contiguous() for k in "BC"]
    pair = [torch.view_as_complex(v).mT[:, :, None] for v in packed]
    y_complex, _ = scanned(step, g["A_complex"], *pair, u, weight=2)
    close(((y_complex + through) * gate).mT, g["out_complex"])


def griffin_rglru(g: dict[str, torch.Tensor], prefix: str, n: int) -> RGLRU:
    """The cell with the numbers of the reference."""
    cell = RGLRU(n, 1, n, blocks=int(g["num_heads"])).double()
    names = {"recurrence": "a_param", "W_a": "a_gate__w", "b_a": "a_gate__b", "W_i": "input_gate__w"}
    with torch.no_grad():
        for ours, theirs in (names | {"b_i": "input_gate__b"}).items():
            parameter = getattr(cell, ours)
            parameter.copy_(g[f"{prefix}{theirs}"].reshape(parameter.shape))
    return cell


def test_rglru_against_the_reference():
    g = golden("rglru")
    cell = griffin_rglru(g, "p__", 8)
    for positions, y, end in (("segment_pos", "y", "last_h"), ("segment_pos_reset", "y_reset", "last_h_reset")):
        got, state = cell(g["x"], resets=g[positions] == 0)
        close(got, g[y])
        close(torch.view_as_real(state).flatten(1), g[end])
    assert g["c"].item() == SCALE
    step, state = cell.stepper()(g["x"][:, 0], complex_states(g["step_h0"]))
    close(step, g["step_y"][:, 0])
    close(torch.view_as_real(state).flatten(1), g["step_h"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [3, 6])
def test_stream_equals_parallel_run_and_frozen_numbers(kind, n):
    """Sample by sample, in two pieces and in numpy: the same outputs and states, from a state that is not zero."""
    cell = made(kind, n)
    u = torch.randn(2, 40, n, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x0 = torch.randn(2, cell.n_x, dtype=torch.complex128, generator=torch.Generator().manual_seed(2))
    if getattr(cell, "real", False) and cell.states % 2:
        x0[:, -1] = x0[:, -1].real + 0j
    with torch.no_grad():
        y, end = cell(u, x0)
        first, middle = cell(u[:, :15], x0)
        second, last = cell(u[:, 15:], middle)
        step, x, stream = cell.stepper(), x0, []
        for k in range(40):
            v, x = step(u[:, k], x)
            stream.append(v)
    torch.testing.assert_close(torch.stack(stream, dim=1), y, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(torch.cat([first, second], dim=1), y, rtol=1e-12, atol=1e-12)
    for state in (x, last):
        torch.testing.assert_close(state, end, rtol=1e-12, atol=1e-12)
    frozen = network(cell.frozen())
    for i in range(2):
        start = torch.view_as_real(x0[i]).flatten().numpy()
        np.testing.assert_allclose(frozen.simulate(u[i].numpy(), start), y[i].numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_frozen_layers_differentiate_and_survive_bit_by_bit(kind):
    layer = made(kind).frozen()
    rng = np.random.default_rng(3)
    u, du = rng.normal(size=(2, 25, layer.n_in))
    w, x0 = rng.normal(size=(25, layer.n_out)), 0.3 * rng.normal(size=layer.n_x)
    jvp, vjp = layer.derivative(u, x0)
    central = (layer.run(u + 1e-6 * du, x0) - layer.run(u - 1e-6 * du, x0)) / 2e-6
    np.testing.assert_allclose(jvp(du), central, rtol=1e-7, atol=1e-8)
    assert np.sum(w * jvp(du)) == pytest.approx(np.sum(vjp(w) * du), rel=1e-11)
    net = network(layer)
    back = Interconnection.build(*net.describe())
    assert back.digest == net.digest
    np.testing.assert_array_equal(back.simulate(u, x0), net.simulate(u, x0))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "lag_selective"])
def test_a_reset_starts_a_new_record(kind):
    cell = made(kind)
    u = torch.randn(1, 30, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    resets = torch.zeros(1, 30, dtype=torch.bool)
    resets[0, [0, 12]] = True
    with torch.no_grad():
        y, _ = cell(u, resets=resets)
        alone, _ = cell(u[:, 12:], resets=resets[:, 12:])
    torch.testing.assert_close(y[:, 12:], alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e6])
def test_gradients_are_finite_at_extremes(kind, dtype, size):
    """Gates shut or wide open, steps that underflow or forget at once, poles at both ends, inputs zero or huge."""
    extreme = ("step_bias", "recurrence", "b_a", "b_i", "nu", "log_decay", "log_step", "poles_ri", "log_pd", "S")
    for shift in (-200.0, 0.0, 200.0):
        cell = made(kind).to(dtype)
        with torch.no_grad():
            for name, parameter in cell.named_parameters():
                if name.rpartition(".")[2] in extreme:
                    parameter.add_(shift)
        u = (size * torch.randn(2, 20, 3, generator=torch.Generator().manual_seed(5))).to(dtype).requires_grad_()
        y, end = cell(u)
        (y.abs().sum() + end.abs().sum()).backward()
        assert torch.isfinite(y).all()
        for value in (u, *cell.parameters()):
            assert value.grad is None or torch.isfinite(value.grad).all()


def test_published_initialisations():
    """A = -(1 .. N), D = 1, softplus(b) log-uniform; |a| of RG-LRU at the gates where its authors state it."""
    cell = S6(3, 5, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(cell.A()[0].detach(), -torch.arange(1.0, 6.0))
    assert torch.equal(cell.D.detach(), torch.ones(3))
    steps = functional.softplus(step_bias(4000, generator=torch.Generator().manual_seed(1)))
    assert 1e-3 <= float(steps.min()) < 1.05e-3
    assert 0.095 < float(steps.max()) <= 0.1
    assert float(steps.log().mean()) == pytest.approx(np.log(1e-2), abs=0.05)
    for init, gate, median in (("code", 0.5, 0.82), ("paper", 0.5, 0.974)):
        w = ring_of_gates(4000, init=init, generator=torch.Generator().manual_seed(2))
        a = torch.exp(-8 * gate * functional.softplus(w))
        assert float(a.median()) == pytest.approx(median, abs=0.005)
    with pytest.raises(OptionError, match="code"):
        ring_of_gates(3, init="other")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: S6(3, 4, 2), "as many outputs"),
        (lambda: S6(3, 4, 3, field="quaternion"), "real, complex"),
        (lambda: S6(3, 4, 3, input_rule="tustin"), "euler, zoh"),
        (lambda: RGLRU(4, 1, 4, blocks=3), "divisor"),
        (lambda: RGLRU(4, 1, 4, gate_min=1.0), r"\[0, 1\)"),
        (lambda: made("bounded_clocked", span=0.5), "span is 0.5, expected a finite number >= 1"),
        (lambda: made("bounded_clocked", spam=2.0), "no option 'spam'.*span"),
    ],
)
def test_refusals(build, message):
    with pytest.raises(OptionError, match=message):
        build()
