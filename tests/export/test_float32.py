"""Float32 export: float32 numbers, a proved gain, close to the given system."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from export_models import apart, model_of, record

from l2ssm.certificates.compose import certify
from l2ssm.errors import CertificateError, ExportError, NotCertifiableError, OptionError
from l2ssm.export.float32 import certified_float32
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Contractive
from l2ssm.systems.state_space import StateSpace


def slow_system(seed, gap, n=6, m=2, p=2):
    rng = np.random.default_rng(seed)
    lam = (1 - gap * 10.0 ** rng.uniform(0, 2, n)) * np.exp(1j * rng.uniform(0, 0.5, n))
    s = np.sqrt(1 - np.abs(lam) ** 2)
    B, C = (rng.standard_normal((*shape, 2)) @ [1, 1j] for shape in ((n, m), (p, n)))
    return StateSpace.from_modes(lam, s[:, None] * B, C * s, rng.standard_normal((p, m)), dt=0.1)


@pytest.mark.parametrize("gap", [1e-2, 1e-3, 1e-4])
def test_gain_is_proved_for_the_rounded_numbers(gap):
    above, rounds = 0, []
    for seed in range(6):
        G = slow_system(seed, gap)
        gamma = G.hinf().upper
        rounded = StateSpace(*(M.astype(np.float32) for M in (G.A, G.B, G.C, G.D)))
        above += rounded.hinf().lower > gamma
        export = certified_float32(G, gamma)
        for M in (export.system.A, export.system.B, export.system.C, export.system.D):
            np.testing.assert_array_equal(M, M.astype(np.float32))
        assert export.certificate.gamma == gamma
        assert export.system.hinf().upper <= gamma * (1 + 1e-6)
        assert export.system.hinf().lower <= gamma
        assert export.scale > 1 - 10 * 6e-8 / gap
        assert export.system.dt == 0.1
        rounds.append(export.rounds)
    assert gap > 1e-3 or above > 0  # rounding alone does break the bound
    assert max(rounds) <= 6


def test_dense_system():
    A = np.random.default_rng(0).standard_normal((5, 5))
    A *= 0.9 / np.abs(np.linalg.eigvals(A)).max()
    G = StateSpace(A, np.eye(5)[:, :2], np.eye(5)[:1], np.zeros((1, 2)))
    export = certified_float32(G, 1.01 * G.hinf().upper)
    assert (export.scale, export.rounds) == (1.0, 1)


def test_refusals():
    with pytest.raises(NotCertifiableError, match="unit circle"):
        certified_float32(StateSpace([[1 - 1e-9]], [[1e-9]], [[1.0]], [[0.0]]), 2.0)
    with pytest.raises(OptionError, match="gamma"):
        certified_float32(StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]]), -1.0)


def test_a_whole_model():
    model = model_of("bounded with gamma")
    found = certified_float32(model)
    assert (found.certificate.gamma, found.scale) == (3.0, 1.0)
    assert found.certificate.verified
    _, before = model.network.describe()
    _, after = found.system.network.describe()
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array.astype(np.float32), err_msg=name)
    assert found.system.info["export"]["from"] == model.digest
    assert not found.system.parameters
    u, y = record()
    assert apart(found.system.simulate(u, y), model.simulate(u, y)) < 1e-5
    assert load_again(found.system).digest == found.system.digest


def load_again(model):
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "m.l2ssm")
        return type(model).load(Path(folder) / "m.l2ssm")


def test_a_model_is_shrunk_to_a_gain_just_below_its_own():
    model = model_of("bounded with gamma")
    product = certify(model, lower=False, method="product").gamma
    gamma = product * (1 - 1e-6)
    found = certified_float32(Interconnection(model.network.layers, 0.25, *labels(model)), gamma, time_limit=1e-3)
    assert found.certificate.gamma == gamma
    assert found.rounds > 1
    assert 1 - 1e-4 < found.scale < 1
    W = found.system.layers[-1].W
    np.testing.assert_array_equal(W, W.astype(np.float32))
    np.testing.assert_allclose(W, found.scale * model.network.layers[-1].W, rtol=1e-6)


def labels(model):
    return model.input_names, model.output_names, model.input_units, model.output_units


def test_a_gain_far_below_is_refused():
    with pytest.raises(CertificateError, match=r"scaled by 0\.\d+, which makes it another one"):
        certified_float32(model_of("bounded with gamma"), 1.0, time_limit=1e-3)


def test_selective_models_are_proved_from_rest():
    found = certified_float32(model_of("bounded_selective with gamma"))
    assert (found.certificate.kind, found.certificate.gamma) == ("l2", 3.0)


def test_without_a_gain_prescribed_whatever_is_proved():
    found = certified_float32(model_of("bounded"), time_limit=2.0)
    assert found.certificate.verified
    assert found.certificate.digest == found.system.network.digest


def test_models_without_a_finite_gain_are_refused():
    with pytest.raises(NotCertifiableError, match="block0"):
        certified_float32(model_of("s6"))
    network = Interconnection((Affine(np.array([[1e39]]), np.zeros(1)),), 1.0, ("u",), ("y",), ("",), ("",))
    with pytest.raises(ExportError, match="too large for float32"):
        certified_float32(network)
    turned = Interconnection((Contractive(np.eye(1), np.zeros(1), 0.5, "tanh"),), 1.0, ("u",), ("y",), ("",), ("",))
    with pytest.raises(ExportError, match="last layer is a Contractive"):
        certified_float32(turned, 0.99)
