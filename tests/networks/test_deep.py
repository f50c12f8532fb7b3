"""DeepSSM against its frozen numbers, its prescribed gain against random inputs, and its options."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from l2ssm.certificates.compose import certify
from l2ssm.errors import DataError, OptionError, RealizationError
from l2ssm.networks.deep import DeepSSM
from l2ssm.networks.freeze import freeze
from l2ssm.networks.scaling import Scaling
from l2ssm.networks.static import LIPSCHITZ
from l2ssm.systems.layers import Residual

SCALING = Scaling(np.array([3.0, -1.0]), np.array([2.0, 0.5]), np.array([10.0, 0.0, 1.0]), np.array([4.0, 1.0, 0.1]))
KINDS = [
    {"cell": "lru"},
    {"cell": "lru", "scaffold": "residual", "activation": "gelu"},
    {"cell": "lru", "activation": "tanh", "static_layers": 2, "layers": 1},
    {"cell": "bounded", "gamma": 3.0},
    {"cell": "bounded", "gamma": 3.0, "scaffold": "residual"},
    {"cell": "bounded"},
    {"cell": "bounded", "scaffold": "series", "activation": "relu", "gamma": 0.1},
    {"cell": "contraction_dense", "gamma": 2.0, "static": "sandwich", "learn_gamma": True},
    {"cell": "l2ru_diagonal", "gamma": 2.0, "static": "orthogonal", "scaffold": "residual"},
    {"cell": "bounded", "gamma": 2.0, "static": "gated"},
    {"cell": "lru", "static": "glu"},
    {"cell": "lru", "scaffold": "twofold", "gamma": 2.0},
]
KIND_IDS = [" ".join(map(str, k.values())) for k in KINDS]


def perturbed(seed: int, size: float = 0.3, **options) -> DeepSSM:
    """A model away from its initial parameters."""
    model = DeepSSM(SCALING, seed=seed, d_model=6, n_x=5, **options)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(size * torch.randn(p.shape, generator=generator))
    return model


@pytest.mark.parametrize("options", KINDS, ids=KIND_IDS)
def test_frozen_numbers_simulate_to_the_same_output(options):
    model = perturbed(1, **options).double()
    network = freeze(model, 0.5)
    rng = np.random.default_rng(0)
    u = SCALING.u_mean + SCALING.u_std * rng.normal(size=(2, 80, 2))
    x0 = rng.normal(size=(2, sum(model.state_sizes))) + 1j * rng.normal(size=(2, sum(model.state_sizes)))
    with torch.no_grad():
        y, x_end = model(torch.tensor(u), torch.tensor(x0))
    assert y.shape == (2, 80, 3)
    assert x_end.shape == x0.shape
    for i in range(2):
        real = np.stack([x0[i].real, x0[i].imag], axis=1).ravel()
        np.testing.assert_allclose(network.simulate(u[i], real), y[i].numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("options", KINDS, ids=KIND_IDS)
def test_carrying_the_state_equals_one_run(options):
    model = perturbed(2, **options).double()
    u = torch.randn(3, 60, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        y, end = model(u)
        first, middle = model(u[:, :25])
        second, last = model(u[:, 25:], middle)
    torch.testing.assert_close(torch.cat([first, second], dim=1), y, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(last, end, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("static", LIPSCHITZ)
@pytest.mark.parametrize("seed", range(4))
def test_prescribed_gain_is_proved_for_random_parameters(static, seed):
    """The rigorous certificate of the frozen numbers never exceeds gamma, physical units, however large the weights."""
    gamma, size = [0.1, 1.0, 7.5, 100.0][seed], [0.1, 1.0, 5.0, 0.5][seed]
    model = perturbed(seed, size=size, cell="bounded", gamma=gamma, static=static)
    certificate = certify(freeze(model, 1.0), method="product", lower=False)
    assert 0 < certificate.gamma <= gamma


def test_the_gain_is_shared_by_learned_weights():
    model = perturbed(3, cell="bounded", gamma=7.0, layers=2)
    gains = torch.stack(model.gains())
    in_units = 7.0 * float(model.u_std.min() / model.y_std.max())
    product = float(gains.prod().detach())
    assert in_units * (1 - 2e-5) < product < in_units
    assert len(set(gains.tolist())) == 4
    gains[1].backward()
    assert float(model.shares.grad.abs().min()) > 0
    with torch.no_grad():
        encoder = model.encoder()[0] * (model.u_std.min() / model.u_std)
        decoder = model.decoder()[0] * (model.y_std / model.y_std.max())[:, None]
        for end, gain in ((encoder, gains[0]), (decoder, gains[-1])):
            torch.testing.assert_close(torch.linalg.matrix_norm(end, ord=2), gain, rtol=1e-6, atol=0)


def test_a_learned_gain_is_positive_and_trained():
    model = DeepSSM(SCALING, cell="bounded", gamma=3.0, learn_gamma=True, layers=1)
    u = 10 * torch.randn(2, 50, 2, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.SGD([p for n, p in model.named_parameters() if n == "gain.log_gamma"], lr=1e-2)
    for direction in (-1.0, 1.0):
        before = model.gamma
        (-direction * model(u)[0].square().mean()).backward()
        optimizer.step()
        optimizer.zero_grad()
        assert (model.gamma - before) * direction > 0
    with torch.no_grad():
        model.gain.log_gamma.fill_(-1e9)
    assert model.gamma > 0
    assert np.isfinite(model.gamma)


def test_a_factor_of_the_output_is_held_outside_the_series_scaffold():
    model = perturbed(0, size=0.1, cell="bounded", gamma=2.0, scaffold="residual")
    before = certify(freeze(model, 1.0), method="product", lower=False).gamma
    model.hold = lambda: torch.tensor(0.25)
    assert certify(freeze(model, 1.0), method="product", lower=False).gamma == pytest.approx(before / 4, rel=1e-6)
    torch.testing.assert_close(model.decoder()[0], model.decoder(factored=False)[0] / 4)
    model.held_at(0.5)
    assert certify(freeze(model, 1.0), method="product", lower=False).gamma == pytest.approx(before / 2, rel=1e-6)
    assert model.gains() is None


def test_prescribed_gain_holds_along_random_pairs_of_inputs():
    model = perturbed(3, cell="bounded", gamma=2.0)
    network = freeze(model, 1.0)
    rng = np.random.default_rng(0)
    for size in (1e-3, 1.0, 100.0):
        u, v = SCALING.u_mean + size * rng.normal(size=(2, 200, 2))
        assert np.linalg.norm(network.simulate(u) - network.simulate(v)) <= 2.0 * np.linalg.norm(u - v)


def test_same_seed_same_parameters():
    one, two, other = (DeepSSM(SCALING, seed=s) for s in (5, 5, 6))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "lstm"}, "unknown cell 'lstm'; known: .*lru"),
        ({"gamma": 0.0, "cell": "bounded"}, "gamma is 0.0, expected a finite gain > 0"),
        ({"gamma": -1.0, "cell": "bounded"}, "gamma is -1.0"),
        ({"gamma": float("nan"), "cell": "bounded"}, "gamma is nan"),
        ({"gamma": 2.0, "cell": "lru"}, "cell 'lru' cannot hold a prescribed gain"),
        ({"static": "maxout"}, "unknown static 'maxout'; known: perceptron, contractive, sandwich"),
        (
            {"gamma": 2.0, "cell": "bounded", "static": "glu"},
            "static 'glu' has no finite gain; with gamma = 2 use one of",
        ),
        (
            {"gamma": 2.0, "cell": "bounded", "static": "perceptron"},
            "static 'perceptron' can have any gain; with gamma",
        ),
        ({"gamma": 2.0, "cell": "bounded", "cell_options": {"gamma": 3.0}}, "cell_options has 'gamma', but the gains"),
        *(
            ({"cell": cell, "cell_options": {name: None}}, f"cell_options has '{name}', which the model sets")
            for cell in ("lag", "bounded")
            for name in ("slowest", "generator")
        ),
        ({"cell": "bounded", "cell_options": {"through": 1.0}}, "through is 1.0, expected a number in"),
        ({"learn_gamma": True}, "learn_gamma needs gamma, the value to start from"),
        ({"scaffold": "series"}, "series scaffold needs a bounded cell"),
        ({"scaffold": "ladder"}, "unknown scaffold 'ladder'; known: residual, series"),
        ({"layers": 0}, "layers is 0, expected an integer >= 1"),
        ({"n_x": 2.5}, "n_x is 2.5, expected an integer >= 1"),
        ({"cell": "bounded", "activation": "gelu"}, "slopes outside"),
        ({"activation": "sin"}, "unknown activation 'sin'"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(OptionError, match=message):
        DeepSSM(SCALING, **options)


def test_constant_channel_is_refused():
    with pytest.raises(DataError, match="every channel needs finite data that vary"):
        Scaling(np.zeros(1), np.zeros(1), np.zeros(1), np.ones(1))


def test_non_finite_parameters_are_not_frozen():
    model = DeepSSM(SCALING)
    with torch.no_grad():
        model.blocks[0].cell.D[0, 0] = float("nan")
    with pytest.raises(RealizationError, match="not finite"):
        freeze(model, 1.0)


def test_twofold_is_a_skip_around_every_part_and_both_proofs_hold_for_it():
    model = perturbed(3, 0.1, cell="lru", layers=2)
    assert model.scaffold == "twofold"
    network = freeze(model, 0.5)
    parts = [layer for layer in network.layers if isinstance(layer, Residual)]
    assert [len(part.layers) for part in parts] == [1, 1, 1, 1]
    product = certify(network, method="product")
    joint = certify(network, method="network")
    assert product.lower.gain <= joint.gamma <= product.gamma
    assert joint.lower.gain <= joint.gamma
