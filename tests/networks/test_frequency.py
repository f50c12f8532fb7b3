"""The differentiable signals of a deep model against those of its frozen layers, which certificates are made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from l2ssm.certificates.network_response import evaluate
from l2ssm.errors import OptionError
from l2ssm.networks.deep import DeepSSM
from l2ssm.networks.freeze import freeze
from l2ssm.networks.frequency import signals
from l2ssm.networks.scaling import Scaling

SCALING = Scaling(np.array([3.0, -1.0]), np.array([2.0, 0.5]), np.array([10.0, 0.0, 1.0]), np.array([4.0, 1.0, 0.1]))
THETA = np.array([0.0, 0.01, 0.7, 3.0])
KINDS = [
    {"cell": "lru", "scaffold": "twofold"},
    {"cell": "lru", "scaffold": "residual", "static": "sandwich", "static_layers": 2},
    {"cell": "s4d", "scaffold": "twofold", "static": "contractive"},
    {"cell": "s5", "scaffold": "residual"},
    {"cell": "lag", "scaffold": "twofold", "static": "orthogonal"},
    {"cell": "bounded", "scaffold": "residual"},
    {"cell": "l2ru", "scaffold": "twofold", "static": "gated"},
    {"cell": "contraction_dense", "scaffold": "twofold"},
]


def model_of(options: dict) -> DeepSSM:
    """Away from its initial parameters, in float64."""
    model = DeepSSM(SCALING, d_model=4, n_x=3, layers=2, gamma=2.0, **options).double()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    return model


@pytest.mark.parametrize("options", KINDS, ids=lambda o: " ".join(map(str, o.values())))
def test_signals_are_those_of_the_frozen_layers(options):
    model = model_of(options)
    expected = evaluate(freeze(model, 1.0).layers, False, THETA)
    for found, reference in zip(signals(model, torch.tensor(THETA)), (expected.W, expected.Y), strict=True):
        np.testing.assert_allclose(found.detach().numpy(), reference, rtol=1e-11, atol=1e-12)


def test_signals_are_differentiable_by_every_weight_that_matters():
    model = model_of(KINDS[0])
    W, Y = signals(model, torch.tensor(THETA))
    (W.abs().square().sum() + Y.abs().square().sum()).backward()
    without = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert all(name.rpartition(".")[2] in ("b1", "b2", "e", "h") for name in without)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "s4", "scaffold": "twofold"}, "the frequency response of a S4 is not known"),
        ({"cell": "s6"}, "'twofold' with such cells is not linear but for activations"),
        ({"scaffold": "mamba"}, "'mamba' with such cells"),
    ],
)
def test_what_is_not_linear_but_for_activations_is_refused(options, message):
    with pytest.raises(OptionError, match=message):
        signals(DeepSSM(SCALING, d_model=4, n_x=4, layers=1, **options), torch.tensor(THETA))
