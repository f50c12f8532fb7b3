"""Losses: the formulas, what weights do to a fit, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from l2ssm import Dataset, Record, fit
from l2ssm.errors import DataError, OptionError
from l2ssm.identification.losses import Loss, checked_loss

SMALL = {"layers": 1, "d_model": 3, "n_x": 2, "steps": 12, "validate_every": 6, "window": 40, "batch": 2, "n_init": 5,
         "refine_steps": 2, "linear_start": False}  # fmt: skip


def record(seed: int = 0, *, channels: int = 1, name: str = "") -> Record:
    u = np.random.default_rng(seed).normal(size=150)
    y = np.tanh(np.convolve(u, 0.8 ** np.arange(20))[:150])
    return Record(u, np.stack([y, np.cos(y)][:channels], axis=1), 0.5, name=name)


def test_huber_is_quadratic_then_linear_with_the_same_slope():
    error = torch.tensor([[0.0], [0.1], [-0.2], [0.5], [-3.0]])
    found = Loss(0.2)(error)[:, 0]
    torch.testing.assert_close(found, torch.tensor([0.0, 0.01, 0.04, 0.4 * 0.5 - 0.04, 0.4 * 3 - 0.04]))
    at = torch.tensor([[0.2 - 1e-4], [0.2 + 1e-4]], requires_grad=True)
    (slope,) = torch.autograd.grad(Loss(0.2)(at).sum(), at)
    torch.testing.assert_close(slope[:, 0], torch.tensor([0.4, 0.4]), atol=1e-3, rtol=0)


def test_channel_weights_have_mean_one():
    loss = checked_loss("mse", 1.0, [3, 1], 2)
    torch.testing.assert_close(loss(torch.tensor([[2.0, 2.0]])), torch.tensor([[6.0, 2.0]]))


def test_missing_samples_do_not_matter():
    """Whatever stands where y is missing, beyond the standardisation, the model is the same."""
    first, present = record(), np.ones(150)
    present[[30, 31, 32, 90]] = 0
    values = np.array(first.y)
    values[[30, 31, 32, 90]] = values[[90, 30, 31, 32]]  # other numbers of the same mean and spread
    options = SMALL | {"initial": "warmup"}
    models = [fit(Record(first.u, y, 0.5, name="a"), weights={"a": present}, **options) for y in (first.y, values)]
    for name, value in models[0].parameters.items():
        np.testing.assert_allclose(value, models[1].parameters[name], rtol=1e-5, atol=1e-7)
    assert fit(Record(first.u, values, 0.5), **options).network.digest != models[1].network.digest


def test_a_record_of_weight_zero_is_not_trained_on():
    data = [Dataset([record(0, name="a"), Record(*pair, 0.5, name="b")]) for pair in _mirrored()]
    one, two = (fit(d, weights={"b": 0, "a": 7.0}, **SMALL) for d in data)
    np.testing.assert_allclose(one.info["valid_rmse"], two.info["valid_rmse"], rtol=1e-4)
    for name, value in one.parameters.items():
        np.testing.assert_allclose(value, two.parameters[name], rtol=1e-4, atol=1e-6)


def _mirrored():
    """The same numbers for u, those of y the other way round."""
    b = record(1)
    return (b.u, b.y), (b.u, b.y[::-1])


def test_a_scale_of_all_weights_does_not_matter():
    one, two = (fit(record(name="a"), weights={"a": weight}, **SMALL) for weight in (1.0, 1e-6))
    assert one.network.digest == two.network.digest == fit(record(name="a"), **SMALL).network.digest


def test_a_channel_of_weight_zero_does_not_matter():
    """What the second output does is nothing to the first one then."""
    data = record(channels=2)
    other = Record(data.u, np.stack([data.y[:, 0], data.y[::-1, 1]], axis=1), 0.5)
    options = SMALL | {"initial": "zero", "n_init": 0, "channel_weights": [1, 0]}
    one, two = (fit(d, **options) for d in (data, other))
    np.testing.assert_allclose(one.simulate(data)[:, 0], two.simulate(other)[:, 0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "mae"}, "loss is 'mae', expected one of mse, huber"),
        ({"loss": "huber", "huber_delta": 0}, "huber_delta is 0, expected a finite number > 0"),
        ({"channel_weights": [1, 2]}, r"channel_weights has the shape \(2,\), expected one number or 1 of them"),
        ({"channel_weights": [0]}, "channel_weights are all 0"),
        ({"weights": {"b": 1}}, "weights name 'b', which is no record; the records are record0"),
        ({"weights": [1]}, "weights is a list, expected a dict by the names of records"),
        ({"weights": {"record0": -1}}, "holds -1.0, expected finite numbers >= 0"),
        ({"weights": {"record0": np.ones(9)}}, r"has the shape \(9,\), expected one number or 150 of them"),
        ({"weights": {"record0": "x"}}, "is 'x', expected numbers >= 0"),
    ],
)
def test_refused(options, message):
    with pytest.raises(OptionError, match=message):
        fit(record(), **options)


def test_nothing_left_to_validate_on():
    weights = np.zeros(150)
    weights[5:9] = 1
    with pytest.raises(DataError, match="has the weight 0"):
        fit(record(), weights={"record0": weights}, **SMALL)
