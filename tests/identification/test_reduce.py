"""Reduction of a model: proved errors, the bound of the output, the state it starts from, and what it refuses."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

import l2ssm as ls
from l2ssm.errors import CertificateError, OptionError, RealizationError
from l2ssm.identification.initial import InitialState
from l2ssm.identification.model import Model
from l2ssm.identification.reduce import reduce, verify_reduction
from l2ssm.networks.scaling import Scaling
from l2ssm.systems.layers import Affine, Contractive, Dynamic, Gated, Residual
from l2ssm.systems.truncation import difference

RNG = np.random.default_rng(0)


def modes(n: int, width: int, seed: int) -> ls.StateSpace:
    rng = np.random.default_rng(seed)
    lam = np.exp(-(10.0 ** rng.uniform(-2, -0.3, n)) + 1j * rng.uniform(0, 2.5, n))
    B = (1 - np.abs(lam))[:, None] * (rng.standard_normal((n, width)) + 1j * rng.standard_normal((n, width)))
    C = rng.standard_normal((width, n)) + 1j * rng.standard_normal((width, n))
    return ls.StateSpace.from_modes(lam, B, C, 0.1 * rng.standard_normal((width, width)), 0.5)


def model(last=None, gamma=None, bias=0.1) -> Model:
    """Affine, a residual block, a plain one, Affine; an encoder that takes every state from 3 samples."""
    rng, width = np.random.default_rng(1), 3
    static = Contractive(0.4 * rng.standard_normal((width, width)), bias * rng.standard_normal(width), 1.0, "tanh")
    layers = (
        Affine(rng.standard_normal((width, 1)), np.zeros(width)),
        Residual((Dynamic(modes(6, width, 2)), static)),
        Dynamic(modes(5, width, 3)),
        last or Affine(np.eye(width), np.zeros(width)),
        Affine(rng.standard_normal((2, width)), bias * np.ones(2)),
    )
    network = ls.Interconnection(layers, 0.5, ("u",), ("a", "b"), ("V",), ("mm", "mm"))
    weight, start = 0.1 * rng.standard_normal((network.n_x, 9)), 0.1 * rng.standard_normal(network.n_x)
    info = {"cell": "lru", "layers": 2, "d_model": 3, "n_parameters": 99, "gamma": gamma, "valid_rmse": [0.1, 0.2]}
    scaling = Scaling(np.zeros(1), np.ones(1), np.zeros(2), np.ones(2))
    return Model(network, scaling, InitialState("encoder", 3, weight, start), info, {"p": np.ones(3)})


@pytest.fixture(scope="module")
def full() -> Model:
    return model()


@pytest.fixture(scope="module")
def reduction(full):
    return reduce(full, order=4)


def test_each_error_is_proved_about_the_very_blocks(full, reduction, tmp_path):
    before, after = full.network.dynamic_layers(), reduction.model.network.dynamic_layers()
    assert [after[name].n_x for name in after] == [4, 4]
    u = RNG.standard_normal((3000, 3))
    for name, block in reduction.blocks.items():
        E = difference(before[name].G, after[name].G)
        assert ls.verify(block.certificate, E).gamma == block.error
        assert E.hinf().lower <= block.error <= E.hinf().upper * 1.02
        assert np.linalg.norm(before[name].G.simulate(u) - after[name].G.simulate(u)) <= block.error * np.linalg.norm(u)
        assert str(block.before.n_x) in str(reduction)
    reduction.save(tmp_path)
    found = verify_reduction(tmp_path, full)
    assert {name: c.gamma for name, c in found.items()} == {n: b.error for n, b in reduction.blocks.items()}
    assert ls.load(tmp_path / "model.l2ssm").digest == reduction.model.digest


def test_errors_of_other_models_are_not_accepted(full, reduction, tmp_path):
    """The certificates of one reduction do not prove another one, nor that of a block that was changed by an ulp."""
    reduction.save(tmp_path)
    other = reduce(full, order=3)
    other.model.save(tmp_path / "model.l2ssm")
    with pytest.raises(CertificateError, match="about the system"):
        verify_reduction(tmp_path, full)
    layers = list(reduction.model.network.layers)
    G = layers[2].G
    layers[2] = Dynamic(dataclasses.replace(G, B=np.nextafter(G.B, np.inf)))
    network = dataclasses.replace(reduction.model.network, layers=tuple(layers))
    dataclasses.replace(reduction.model, network=network).save(tmp_path / "model.l2ssm")
    with pytest.raises(CertificateError, match="about the system"):
        verify_reduction(tmp_path, full)
    with pytest.raises(OptionError, match="not of the same chain"):
        verify_reduction(tmp_path, model(last=Contractive(np.eye(3), np.zeros(3), 1.0, "tanh")))


@pytest.mark.parametrize("size", [1e-2, 1.0, 1e2])
def test_the_output_error_is_within_its_bound(full, reduction, size):
    u = size * RNG.standard_normal((400, 1))
    error = np.linalg.norm(full.simulate(u, x0=0) - reduction.model.simulate(u, x0=0))
    bound = reduction.output_error(u)
    assert error <= bound < 200 * error
    assert reduction.reason == ""


@pytest.mark.parametrize("around", ["alone", "gains behind it", "skip around it"])
def test_the_bound_of_the_output_is_attained(around):
    """One truncated block in scalar gains: the bound is error * |u| times them, reached at the peak of the error."""
    G = modes(5, 1, 4)
    behind = (Affine([[3.0]], [0.2]), Residual((Affine([[2.0]], [0.0]),)))
    layers = {
        "alone": (Dynamic(G),),
        "gains behind it": (Affine([[0.5]], [0.0]), Dynamic(G), *behind),
        "skip around it": (Residual((Dynamic(G), Affine([[2.0]], [0.0]))), *behind),
    }[around]
    network = ls.Interconnection(layers, 0.5, ("u",), ("y",), ("",), ("",))
    info = {"cell": "lru", "layers": 1, "d_model": 1, "n_parameters": 1, "valid_rmse": [0.0]}
    one = Model(network, Scaling(*(np.ones(1),) * 4), InitialState("zero", 0), info)
    reduction = reduce(one, order=2)
    block = reduction.blocks["block0"]
    omega = difference(G, block.after).hinf().omega_peak
    u = np.cos(omega * 0.5 * np.arange(20000))[:, None]
    error = np.linalg.norm(one.simulate(u) - reduction.model.simulate(u))
    assert 0.98 * reduction.output_error(u) <= error <= reduction.output_error(u)


def test_without_a_finite_gain_no_bound_of_the_output_follows():
    gate = Gated(np.eye(3), np.zeros(3), np.eye(3), np.zeros(3), "identity")
    reduction = reduce(model(last=gate), order=4)
    assert math.isinf(reduction.output_error(np.ones((5, 1))))
    assert "no finite gain" in reduction.reason
    assert all(block.certificate.verified for block in reduction.blocks.values())


def test_the_initial_state_is_that_of_the_kept_states(full):
    """Where (nearly) nothing is left out, the run from the estimated state is the same one."""
    doubled = []
    for layer in full.network.layers:
        if isinstance(layer, Dynamic):
            G = layer.G
            twice = np.kron(np.eye(2), G.A), np.vstack([G.B, G.B]) / 2, np.hstack([G.C, G.C])
            layer = Dynamic(ls.StateSpace(*twice, G.D, G.dt))
        doubled.append(layer)
    network = dataclasses.replace(full.network, layers=tuple(doubled))
    weight = RNG.standard_normal((network.n_x, 9))
    big = dataclasses.replace(full, network=network, initial=InitialState("encoder", 3, weight, weight[:, 0]))
    reduction = reduce(big, order={"block1": 10})
    small = reduction.model
    assert (big.network.n_x, small.network.n_x) == (12 + 20, 12 + 10)
    record = ls.Record(RNG.standard_normal((200, 1)), RNG.standard_normal((200, 2)), 0.5, output_names=("a", "b"))
    np.testing.assert_allclose(small.simulate(record), big.simulate(record), rtol=0, atol=1e-6)
    assert reduction.blocks["block1"].error < 1e-3 * reduction.blocks["block1"].before.hinf().lower


def test_a_tolerance_is_relative_to_each_block(full):
    reduction = reduce(full, tolerance=0.4)
    for block in reduction.blocks.values():
        assert 0 < block.error <= 0.4 * block.before.hinf().upper * 1.00001
        assert block.after.n_x < block.before.n_x


def test_blocks_that_are_kept_keep_their_numbers(full):
    assert reduce(full, order=99).model.network.digest == full.network.digest
    assert reduce(full, tolerance=1e-9).model.network.digest == full.network.digest
    one = reduce(full, order={"block0": 3})
    assert list(one.blocks) == ["block0"]
    assert one.model.network.layers[2] is full.network.layers[2]


def test_a_block_without_states_is_left(full, tmp_path):
    """Order 0 leaves D; the names of the other blocks in the certificates stay those of the original."""
    reduction = reduce(full, order={"block0": 0, "block1": 3})
    assert reduction.blocks["block0"].after.n_x == 0
    reduction.save(tmp_path)
    assert set(verify_reduction(tmp_path, full)) == {"block0", "block1"}
    reduce(full, order={"block1": 3}).save(tmp_path)
    assert [p.name for p in (tmp_path / "errors").iterdir()] == ["block1.cert.json"]
    assert set(verify_reduction(tmp_path, full)) == {"block1"}


def test_a_prescribed_gain_is_proved_again_and_not_inherited():
    """A gain just above that of the original and below that of the reduced model is dropped from its description."""
    proved = ls.certify(model(), method="product", lower=False).gamma
    kept = reduce(model(gamma=2 * proved), order=4)
    assert kept.model.info["gamma"] == 2 * proved
    assert kept.gain.verified
    assert ls.certify(kept.model, method="product").gamma == kept.gain.gamma
    whole = ls.certify(model(), lower=False).gamma
    near = reduce(model(gamma=1.02 * whole), tolerance=1e-4)  # which the product of the gains does not prove
    assert near.model.info["gamma"] == 1.02 * whole < proved
    assert near.gain.gamma <= 1.02 * whole
    lost = reduce(model(gamma=0.5 * whole), order=4)
    assert lost.model.info["gamma"] is None
    assert "above that prescribed" in str(lost)
    assert "not prescribed" in str(lost.model)


def test_the_reduced_model_is_an_ordinary_one(full, reduction):
    text = str(reduction.model)
    assert f"{full.digest[:12]}..., states block0 12 -> 4, block1 10 -> 4" in text
    assert "0.1 mm, b 0.2 mm, before the reduction" in text
    assert reduction.model.n_init == full.n_init
    assert not reduction.model.parameters
    assert reduction.model.info["reduction"]["from"] == full.digest
    certificate = ls.certify(reduction.model, method="product")
    assert ls.verify(certificate, reduction.model).verified


def test_what_is_refused(full):
    for wrong in ({}, {"order": 2, "tolerance": 0.1}):
        with pytest.raises(OptionError, match="expected one of the two"):
            reduce(full, **wrong)
    with pytest.raises(OptionError, match="order is -1"):
        reduce(full, order=-1)
    with pytest.raises(OptionError, match=r"order names 'block7'; the blocks are block0, block1"):
        reduce(full, order={"block7": 2})
    with pytest.raises(OptionError, match="tolerance is 0"):
        reduce(full, tolerance=0)
    unstable = dataclasses.replace(
        full,
        network=dataclasses.replace(
            full.network, layers=(*full.network.layers[:2], pole_at_one(), Affine(np.eye(2, 3), np.zeros(2)))
        ),
    )
    with pytest.raises(RealizationError, match=r"block1: .*Schur stable"):
        reduce(unstable, order=2)


def pole_at_one() -> Dynamic:
    return Dynamic(ls.StateSpace([[1.0]], np.ones((1, 3)), np.ones((3, 1)), np.eye(3), 0.5))


def test_a_prescribed_gain_that_nothing_incremental_proves_is_dropped():
    gate = Gated(np.eye(3), np.zeros(3), np.eye(3), np.zeros(3), "identity")
    reduction = reduce(model(last=gate, gamma=5.0), order=4)
    assert reduction.gain is None
    assert reduction.model.info["gamma"] is None


def test_a_selective_block_is_named_and_others_can_be_reduced():
    u = np.repeat(RNG.standard_normal(60), 5)
    y = ls.StateSpace([[0.8]], [[1.0]], [[0.4]], [[0.0]]).simulate(u)
    sizes = {"layers": 1, "d_model": 3, "n_x": 3, "steps": 1, "initial": "zero", "window": 128}
    selective = ls.fit(ls.Record(u, y, 1.0), cell="s6", **sizes)
    with pytest.raises(RealizationError, match="block0 is a Selective: not a linear time-invariant system"):
        reduce(selective, order=2)


def test_models_of_continuous_time_are_resampled_before():
    u = np.repeat(RNG.standard_normal(60), 5)
    y = ls.StateSpace([[0.8]], [[1.0]], [[0.4]], [[0.0]]).simulate(u)
    sizes = {"layers": 1, "d_model": 3, "n_x": 3, "steps": 1, "initial": "zero", "window": 128}
    fitted = ls.fit(ls.Record(u, y, 1.0), cell="s5", **sizes)
    with pytest.raises(OptionError, match="resample the one it was reduced from"):
        ls.resample_model(reduce(fitted, order=2).model, 0.5)
