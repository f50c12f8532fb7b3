"""Every scaffold over every cell that fits: forward, backward, streaming, frozen numbers, saving and loading."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from l2ssm.cells import BOUNDED_CELLS, BOUNDED_FROM_REST, CELLS, SELECTIVE_CELLS
from l2ssm.certificates.compose import certify
from l2ssm.certificates.falsify import worst_input
from l2ssm.data.record import Record
from l2ssm.errors import NotCertifiableError, OptionError
from l2ssm.identification.fit import fit
from l2ssm.identification.model import load
from l2ssm.networks.deep import DeepSSM
from l2ssm.networks.fitting_parts import SCAFFOLDS
from l2ssm.networks.freeze import freeze
from l2ssm.networks.scaling import Scaling
from l2ssm.networks.static import LIPSCHITZ
from l2ssm.systems.interconnection import Interconnection

SCALING = Scaling(np.array([1.0, -2.0]), np.array([2.0, 0.5]), np.array([3.0]), np.array([4.0]))
OPTIONS = {
    "mamba": {"expand": 1, "conv": 3},
    "hawk": {"width": 5},
    "griffin": {"width": 4, "heads": 2, "window": 5},
    "h3": {"shift": 3},
}
KINDS = [
    *((scaffold, cell) for scaffold in SCAFFOLDS if scaffold != "series" for cell in (*CELLS, *SELECTIVE_CELLS)),
    *(("series", cell) for cell in (*BOUNDED_CELLS, *BOUNDED_FROM_REST)),
    *(("h3 heads", cell) for cell in CELLS),
]


def made(scaffold: str, cell: str) -> DeepSSM:
    options = OPTIONS.get(scaffold, {"head_dim": 2} if scaffold == "h3 heads" else {})
    layers = 3 if scaffold == "griffin" else 1
    gain = {"gamma": 3.0} if scaffold == "series" else {"scaffold_options": options}
    model = DeepSSM(SCALING, cell=cell, layers=layers, d_model=4, n_x=2, scaffold=scaffold.split()[0], seed=1, **gain)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=generator))
    return model.double()


@pytest.mark.parametrize(("scaffold", "cell"), KINDS)
def test_every_scaffold_over_every_cell(scaffold, cell, tmp_path):
    model = made(scaffold, cell)
    u = torch.randn(2, 24, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    y, end = model(u)
    y.pow(2).sum().backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
    assert sum(p.grad is not None and bool((p.grad != 0).any()) for p in model.parameters()) > 4

    with torch.no_grad():
        state, pieces = None, []
        for piece in (u[:, :1], u[:, 1:3], u[:, 3:10], *u[:, 10:].split(1, dim=1)):
            out, state = model(piece, state)
            pieces.append(out)
    torch.testing.assert_close(torch.cat(pieces, dim=1), y.detach(), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(state, end.detach(), rtol=1e-9, atol=1e-9)

    torch.save(model.state_dict(), tmp_path / "model.pt")
    other = made(scaffold, cell)
    with torch.no_grad():
        for p in other.parameters():
            p.zero_()
    other.load_state_dict(torch.load(tmp_path / "model.pt"))
    assert torch.equal(other(u)[0], y)

    network = freeze(model, 0.5)
    loaded = Interconnection.build(*network.describe())
    assert loaded.digest == network.digest
    middle = model(u[:, :9])[1].detach()
    start = torch.view_as_real(middle).flatten(1).numpy()
    for i in range(2):
        np.testing.assert_allclose(loaded.simulate(u[i]), y[i].detach().numpy(), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(loaded.simulate(u[i, 9:], start[i]), y[i, 9:].detach().numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scaffold", ["mamba", "griffin", "h3", "half_glu2"])
def test_frozen_scaffolds_differentiate(scaffold):
    network = freeze(made(scaffold, "s6"), 0.5)
    rng = np.random.default_rng(0)
    u, du = rng.normal(size=(2, 15, 2))
    tangent = network.tangent(u)
    central = (network.simulate(u + 1e-6 * du) - network.simulate(u - 1e-6 * du)) / 2e-6
    np.testing.assert_allclose(tangent.jvp(du), central, rtol=1e-6, atol=1e-7)
    w = rng.normal(size=(15, 1))
    assert np.sum(w * tangent.jvp(du)) == pytest.approx(np.sum(tangent.vjp(w) * du), rel=1e-10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "s7"}, "s6"),
        ({"scaffold": "mambo"}, "mamba"),
        ({"scaffold": "mamba", "static": "glu"}, "its own static layers"),
        ({"scaffold": "mamba", "cell": "bounded", "gamma": 2.0}, "no finite gain"),
        ({"cell": "bounded_selective", "gamma": 2.0, "scaffold": "residual"}, "from rest.*'series'"),
        ({"cell": "bounded_selective", "gamma": 2.0, "static": "glu"}, "no finite gain"),
        ({"cell": "bounded_clocked", "gamma": 2.0, "cell_options": {"gamma": 3.0}}, "gamma of the model"),
        ({"cell": "bounded_clocked", "scaffold": "series"}, "with gamma one that is bounded from rest"),
        ({"cell": "s6", "gamma": 2.0}, "cannot hold a prescribed gain"),
        ({"scaffold": "mamba", "scaffold_options": {"expnad": 3}}, "expnad"),
        ({"scaffold": "residual", "scaffold_options": {"expand": 3}}, "has none"),
        ({"scaffold": "mamba", "scaffold_options": {"expand": 1.5}}, "expand is 1.5"),
        ({"scaffold": "hawk", "scaffold_options": {"width": 0}}, "width is 0"),
        ({"scaffold": "full_glu", "scaffold_options": {"width": 3}}, "no option 'width'; it has none"),
        *(({"cell": cell, "cell_options": {"bogus": 1}}, "no option 'bogus'; it has") for cell in SELECTIVE_CELLS),
        *(({"cell": "s6", "cell_options": {"n_u": 1}, "scaffold": name}, "model sets") for name in ("residual", "h3")),
        ({"cell": "s6", "cell_options": {"step_min": -1.0}}, "step_min is -1.0"),
        ({"cell": "s6", "cell_options": {"step_min": 0.5, "step_max": 0.1}}, "above step_max"),
        ({"cell": "bounded_selective", "cell_options": {"through": 2.0}}, r"expected a number in \[0, 1\)"),
        *(
            ({"cell": cell, "cell_options": {"selectivity": float("nan")}}, "selectivity is nan")
            for cell in BOUNDED_FROM_REST
        ),
        ({"scaffold": "griffin", "layers": 3, "scaffold_options": {"heads": 3}}, "divisor"),
        ({"scaffold": "h3", "cell": "s6", "scaffold_options": {"head_dim": 2}}, "linear cell"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(OptionError, match=message):
        DeepSSM(SCALING, d_model=4, n_x=2, **options)


def from_rest(cell: str, seed: int, **options) -> DeepSSM:
    """A model with a prescribed gain from rest, away from its initial parameters; its signals have a mean."""
    model = DeepSSM(SCALING, cell=cell, gamma=3.0, layers=2, d_model=4, n_x=3, seed=seed, **options)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.add_((0.1, 0.5, 2.0)[seed % 3] * torch.randn(p.shape, generator=generator))
    return model


@pytest.mark.parametrize("cell", BOUNDED_FROM_REST)
@pytest.mark.parametrize("static", LIPSCHITZ)
def test_a_prescribed_gain_from_rest_holds_for_all_parameters(cell, static):
    for seed in range(3):
        model = from_rest(cell, seed, static=static)
        network = freeze(model, 1.0)
        assert certify(network, kind="l2", gamma=3.0, lower=False).verified
        assert worst_input(network, horizon=64, starts=("zero",), iterations=6).gain <= 3.0
        rest = network.simulate(np.zeros((40, 2)))
        u = 10 * np.random.default_rng(seed).normal(size=(40, 2))
        assert np.ptp(rest, axis=0).max() == 0  # at rest nothing moves
        assert np.linalg.norm(network.simulate(u) - rest) <= 3.0 * np.linalg.norm(u)
        with pytest.raises(NotCertifiableError, match=r"block0: .*kind='l2'"):
            certify(network)


@pytest.mark.parametrize("cell", BOUNDED_FROM_REST)
def test_a_model_trained_with_a_gain_from_rest_is_certified(cell):
    rng = np.random.default_rng(0)
    u = 2 + rng.normal(size=(200, 1))
    record = Record(u, 5 + 0.2 * np.cumsum(u - 2, axis=0), 1.0)
    model = fit(record, cell=cell, gamma=2.0, layers=1, d_model=4, n_x=2, window=64, steps=5)
    assert certify(model, kind="l2", gamma=2.0, lower=False).verified


@pytest.mark.parametrize(("scaffold", "cell"), [("mamba", "s6"), ("griffin", "rglru"), ("h3", "s4d")])
def test_fitted_scaffolds_are_saved_and_loaded(scaffold, cell, tmp_path):
    rng = np.random.default_rng(0)
    u = rng.normal(size=(120, 1))
    record = Record(u, np.cumsum(u, axis=0) * 0.1, 1.0)
    sizes = {"layers": 3 if scaffold == "griffin" else 1, "d_model": 4, "n_x": 2, "window": 32, "steps": 2}
    model = fit(record, cell=cell, scaffold=scaffold, **sizes)
    model.save(tmp_path / "model.l2ssm")
    loaded = load(tmp_path / "model.l2ssm")
    np.testing.assert_array_equal(loaded.simulate(record), model.simulate(record))
    with pytest.raises(NotCertifiableError, match="Product"):
        certify(loaded, lower=False)
