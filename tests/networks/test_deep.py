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

SCALING = Scaling(np.array([3.0, -1.0]), np.array([2.0, 0.5]), np.array([10.0, 0.0, 1.0]), np.array([4.0, 1.0, 0.1]))
KINDS = [
    {"cell": "lru"},
    {"cell": "lru", "activation": "tanh", "static_layers": 2, "layers": 1},
    {"cell": "bounded", "gamma": 3.0},
    {"cell": "bounded", "gamma": 3.0, "scaffold": "residual"},
    {"cell": "bounded"},
    {"cell": "bounded", "scaffold": "series", "activation": "relu", "gamma": 0.1},
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


@pytest.mark.parametrize("scaffold", ["series", "residual"])
@pytest.mark.parametrize("seed", range(4))
def test_prescribed_gain_is_proved_for_random_parameters(scaffold, seed):
    """The rigorous certificate of the frozen numbers never exceeds gamma, physical units, however large the weights."""
    gamma = [0.1, 1.0, 7.5, 100.0][seed]
    model = perturbed(seed, size=[0.1, 1.0, 5.0, 0.5][seed], cell="bounded", gamma=gamma, scaffold=scaffold)
    certificate = certify(freeze(model, 1.0), lower=False)
    assert 0 < certificate.gamma <= gamma


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
        model.blocks[0].cell.nu[0] = float("nan")
    with pytest.raises(RealizationError, match="not finite"):
        freeze(model, 1.0)
