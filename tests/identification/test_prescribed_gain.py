"""A prescribed gain in training: scheduled, learned, residual with a certificate; and a model scaled to a gain."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from l2ssm.certificates.compose import certify
from l2ssm.certificates.verify import verify
from l2ssm.data.record import Record
from l2ssm.errors import CertificateError, NotCertifiableError, OptionError
from l2ssm.identification.fit import fit
from l2ssm.identification.model import load
from l2ssm.identification.prescribed_gain import PrescribedGainTraining
from l2ssm.identification.scale_to_gain import scale_to_gain
from l2ssm.networks.deep import DeepSSM
from l2ssm.networks.scaling import Scaling

SMALL = {"layers": 2, "d_model": 4, "n_x": 3, "steps": 30, "validate_every": 15, "n_init": 10, "window": 100}
UNIT = Scaling(np.zeros(1), np.ones(1), np.zeros(1), np.ones(1))


@pytest.fixture(scope="module")
def record() -> Record:
    """A bent first-order lag of incremental gain 2 at low frequencies."""
    u = np.random.default_rng(0).normal(size=(600, 1)).repeat(3, axis=0)[:600]
    x = np.zeros_like(u)
    for k in range(599):
        x[k + 1] = 0.8 * x[k] + 0.4 * np.tanh(u[k])
    return Record(u, x, 0.5, name="lag")


@pytest.mark.parametrize("static", ["sandwich", "orthogonal", "gated"])
def test_every_1_lipschitz_layer_reaches_fit_and_holds_gamma(record, static, tmp_path):
    model = fit(record, gamma=1.5, static=static, **SMALL)
    assert model.info["static"] == static
    assert model.parameters["model.shares"].shape == (4,)
    certificate = certify(model, method="product", lower=False)
    assert certificate.gamma <= 1.5
    model.save(tmp_path / "model.l2ssm")
    assert verify(certificate, load(tmp_path / "model.l2ssm")).verified


@pytest.mark.parametrize("static", ["perceptron", "glu"])
def test_layers_without_a_bound_are_for_fits_without_gamma(record, static):
    with pytest.raises(
        OptionError, match=f"static '{static}' .* with gamma = 2 use one of contractive, sandwich, ortho"
    ):
        fit(record, gamma=2.0, static=static, **SMALL)
    model = fit(record, static=static, **SMALL)
    if static == "glu":
        with pytest.raises(NotCertifiableError, match=r"\(Gated\)"):
            certify(model, method="product")
    else:
        assert certify(model, method="product", lower=False).gamma > 0


def test_a_scheduled_gain_ends_at_gamma(record):
    model = fit(record, gamma=1.0, gamma_start=20.0, **SMALL)
    assert model.info["gamma"] == 1.0
    assert certify(model, method="product", lower=False).gamma <= 1.0
    deep = DeepSSM(UNIT, cell="bounded", gamma=1.0, layers=1)
    control = PrescribedGainTraining(deep, 10, 16.0)
    gains = []
    for step in range(1, 11):
        control.before_step(step)
        gains.append(deep.gamma)
        if step == 2:
            control.before_validation()
            assert deep.gamma == 1.0
    np.testing.assert_allclose(gains, [16, 8, 4, 2, 1, 1, 1, 1, 1, 1])


def test_a_learned_gain_follows_its_price(record):
    """A high price of gain gives a small one, a low price a larger one; both are proved."""
    options = SMALL | {"learning_rate": 2e-2, "linear_start": False}
    dear, cheap = (fit(record, gamma=1.0, gain_penalty=price, **options) for price in (1.0, 1e-4))
    assert dear.info["gamma"] < 0.95 < 1.05 < cheap.info["gamma"]
    assert "learned" in str(dear)
    for model in (dear, cheap):
        assert certify(model, method="product", lower=False).gamma <= model.info["gamma"]


def test_refining_never_ends_worse_and_holds_gamma(record):
    options = SMALL | {"linear_start": False, "learning_rate": 5e-3}
    before = fit(record, gamma=1.5, **options | {"refine_steps": 0})
    after = fit(record, gamma=1.5, **options | {"refine_steps": 50})
    assert after.info["history"][-1]["step"] == SMALL["steps"] + 50
    assert after.info["valid_rmse"][0] < 0.9 * before.info["valid_rmse"][0]
    assert certify(after, method="product", lower=False).gamma <= 1.5


def test_a_residual_scaffold_uses_its_gain_by_certificate(record):
    """The product bound of its blocks is several times the certified gain: without it most of gamma is never used."""
    small = SMALL | {"d_model": 3, "n_x": 2, "validate_every": 20}
    model = fit(record, gamma=2.0, scaffold="residual", **small)
    certificate = certify(model)
    assert certificate.gamma <= 2.0
    assert certificate.lower.gain > 0.5 * certificate.gamma
    assert certify(model, method="product", lower=False).gamma > 2.0


def test_scale_to_gain_shrinks_the_last_weights_only_where_needed(record):
    model = fit(record, layers=1, d_model=4, n_x=3, steps=20, n_init=10, window=100)
    proved = certify(model, lower=False).gamma
    assert scale_to_gain(model, 1.01 * proved).network is model.network
    scaled = scale_to_gain(model, 0.5 * proved)
    assert 0.499 * proved < certify(scaled, lower=False).gamma <= 0.5 * proved
    first, last = model.network.layers[-1], scaled.network.layers[-1]
    np.testing.assert_allclose(last.W, 0.5 * first.W, rtol=1e-6)
    assert np.array_equal(last.b, first.b)
    assert all(a is b for a, b in zip(model.network.layers[:-1], scaled.network.layers[:-1], strict=True))
    cut = dataclasses.replace(
        model.network, layers=model.network.layers[:-1], output_names=("y",) * 4, output_units=("",) * 4
    )
    with pytest.raises(CertificateError, match="the last layer is a Residual, expected an Affine one"):
        scale_to_gain(cut, 1.0)
    with pytest.raises(OptionError, match="gamma is 0, expected a finite gain > 0"):
        scale_to_gain(model, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gamma_start": 3.0}, "gamma_start and gain_penalty need gamma"),
        ({"gain_penalty": 0.1}, "learn_gamma needs gamma"),
        ({"gamma": 1.0, "gamma_start": 3.0, "gain_penalty": 0.1}, "give one of them"),
        ({"gamma": 1.0, "gamma_start": -3.0}, "gamma_start is -3.0, expected a finite gain > 0"),
        ({"gamma": 1.0, "gain_penalty": 0.0}, "gain_penalty is 0.0, expected a finite number > 0"),
        ({"gamma": 1.0, "cell_options": {"gamma": 9.0}}, "cell_options has 'gamma'"),
    ],
)
def test_options_that_make_no_sense(record, options, message):
    with pytest.raises(OptionError, match=message):
        fit(record, **options, **SMALL)
