"""`analyse` against closed forms, and its refusal of certificates about other numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from l2ssm.analysis.summary import analyse, plain
from l2ssm.certificates.certificate import Certificate
from l2ssm.certificates.compose import certify
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import CertificateError, DataError, OptionError
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine
from l2ssm.systems.state_space import StateSpace

from .systems_under_test import FakeModel, network, random_modes


def test_one_pole_has_its_closed_form_time_constant_frequency_and_gain() -> None:
    dt, tau, omega = 0.1, 3.0, 4.0
    G = StateSpace.from_modes([np.exp((-1 / tau + 1j * omega) * dt)], [[1.0]], [[1.0]], [[0.0]], dt)
    facts = analyse(G)["operators"]["block0"]
    (pole,) = facts["poles"]
    assert pole["time_constant_s"] == pytest.approx(tau, rel=1e-12)
    assert pole["oscillation_rad_s"] == pytest.approx(omega, rel=1e-12)
    assert pole["oscillation_hz"] == pytest.approx(omega / (2 * np.pi), rel=1e-12)
    assert pole["damping"] == pytest.approx(1 / np.hypot(1, omega * tau), rel=1e-12)
    assert pole["states"] == 2
    grid = np.linspace(0, np.pi / dt, 200001)
    sampled = np.abs(G.frequency_response(grid)).max()
    assert facts["hinf"]["lower"] <= facts["hinf"]["upper"]
    assert sampled <= facts["hinf"]["upper"]
    assert facts["hinf"]["lower"] == pytest.approx(sampled, rel=1e-5)
    assert facts["hinf"]["frequency_peak_hz"] == pytest.approx(facts["hinf"]["omega_peak_rad_s"] / (2 * np.pi))


def test_stability_is_that_of_the_worst_operator() -> None:
    stable = analyse(FakeModel(network(1, 1, 3, 3, 0.5)))
    radii = [facts["spectral_radius"] for facts in stable["operators"].values()]
    assert stable["stability"]["schur"] is True
    assert stable["stability"]["spectral_radius"] == max(radii)
    facts = analyse(StateSpace([[1.0]], [[1.0]], [[1.0]], [[0.0]]))
    assert facts["stability"] == {
        "schur": False,
        "unstable": ["block0"],
        "spectral_radius": 1.0,
        "margin": 0.0,
        "slowest_time_constant_s": np.inf,
    }
    assert facts["operators"]["block0"]["hinf"]["upper"] == np.inf


def test_a_static_network_has_facts_too() -> None:
    facts = analyse(Interconnection((Affine([[2.0]], [0.0]),), 1.0, ("u",), ("y",), ("",), ("",)))
    assert facts["operators"] == {}
    assert facts["stability"]["schur"] is True


def test_what_is_missing_is_said() -> None:
    facts = analyse(random_modes(2, 1, 1))
    assert [facts[part] for part in ("fit", "residuals", "certificate", "training", "data")] == [None] * 5
    assert set(facts["missing"]) == {"fit", "residuals", "certificate", "dissipation", "training"}
    short = Record(np.ones(50), np.arange(50.0), 1.0)
    facts = analyse(random_modes(2, 1, 1), data=short)
    assert facts["fit"] is not None
    assert "expected at least 100" in facts["missing"]["residuals"]


def test_the_fit_is_scored_after_n_init_for_all_records_and_each() -> None:
    net = network(1, 2, 3, 1, 0.5)
    rng = np.random.default_rng(0)
    records = [Record(u, net.simulate(u) + 0.1 * rng.standard_normal((150, 2)), 0.5, name=str(i))
               for i, u in enumerate(rng.standard_normal((2, 150, 1)))]  # fmt: skip
    facts = analyse(FakeModel(net, n_init=30), data=Dataset(records))
    e = np.concatenate([(r.y - FakeModel(net, n_init=30).simulate(r))[30:] for r in records])
    assert facts["fit"]["samples_scored"] == 240
    np.testing.assert_allclose([row["rmse"] for row in facts["fit"]["outputs"]], np.sqrt(np.mean(e**2, axis=0)))
    halves = [[row["rmse"] for row in r["outputs"]] for r in facts["fit"]["records"]]
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(halves), axis=0)), np.sqrt(np.mean(e**2, axis=0)))
    assert facts["residuals"]["independent_of_input"] is True
    assert len(facts["residuals"]["pairs"]) == 2


def test_everything_is_json_once_the_infinities_are_gone() -> None:
    net = network(1, 1, 3, 1, 0.5)
    info = {"sizes": (3, 4), "seed": np.int64(1), "w": np.ones(2), "history": [{"step": 1, "valid_mse": np.float32(2)}]}
    facts = analyse(FakeModel(net, info=info), data=Record(np.sin(np.arange(300.0)), np.arange(300.0), 0.5))
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["model"]["info"] == {"sizes": [3, 4], "seed": 1, "w": [1.0, 1.0]}
    assert facts["training"] == [{"step": 1, "valid_mse": 2.0}]
    assert plain(Record) == str(Record)


def test_the_certificate_is_quoted_and_must_be_about_these_numbers() -> None:
    G = random_modes(2, 1, 1, input_units=["V"], output_units=["mm"])
    certificate = certify(G)
    claim = analyse(G, certificate)["certificate"]
    assert claim["gamma"] == certificate.gamma
    assert claim["unit"] == "mm/V"
    assert claim["verified"] is True
    assert claim["numbers_sha256"] == certificate.digest
    assert certificate.lower is not None
    assert claim["gap_percent"] == pytest.approx(100 * (certificate.gamma / certificate.lower.gain - 1))
    assert G.hinf().lower <= claim["gamma"]
    unchecked = analyse(G, Certificate.from_json(certificate.to_json()))["certificate"]
    assert unchecked["verified"] is False
    assert "NOT VERIFIED" in unchecked["statement"][0]
    with pytest.raises(CertificateError, match="certify this model"):
        analyse(random_modes(2, 1, 1, seed=1), certificate)
    with pytest.raises(CertificateError, match="certify this model"):
        analyse(FakeModel(network(1, 1, 3, 1, 0.5)), certificate)


def test_wrong_subjects_and_data_are_refused() -> None:
    with pytest.raises(OptionError):
        analyse("model.l2ssm")  # type: ignore[arg-type]
    with pytest.raises(DataError):
        analyse(random_modes(2, 1, 1), data=Record(np.ones((9, 2)), np.ones(9), 1.0))
