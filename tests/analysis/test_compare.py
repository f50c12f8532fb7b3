"""`compare`: one metric, one scored stretch, and channels, units and dt that must fit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

import l2ssm as ls
from l2ssm.analysis import plots
from l2ssm.analysis.compare import compare
from l2ssm.analysis.residuals import residuals
from l2ssm.analysis.summary import analyse
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import DataError, OptionError
from l2ssm.identification.initial import InitialState
from l2ssm.identification.model import Model
from l2ssm.networks.scaling import Scaling
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Dynamic
from l2ssm.systems.state_space import StateSpace

from .systems_under_test import FakeModel, network, random_modes


def _data(G: StateSpace, lengths: tuple[int, ...] = (120, 80), noise: float = 0.1) -> Dataset:
    rng = np.random.default_rng(3)
    records = []
    for i, T in enumerate(lengths):
        u = rng.standard_normal((T, G.n_u))
        y = G.simulate(u) + noise * rng.standard_normal((T, G.n_y))
        names = dict.fromkeys(G.input_names or (), "V") | dict.fromkeys(G.output_names or (), "mm")
        records.append(Record(u, y, G.dt, name=f"r{i}", units=names))
    return Dataset(records)


def test_every_model_is_scored_on_the_samples_after_the_largest_n_init() -> None:
    net = network(2, 3, 4, 2, 0.5)
    G = random_modes(3, 2, 3, 0.5)
    data = _data(G)
    result = compare(data, {"deep": FakeModel(net, n_init=10), "true": G, "frozen": net})
    assert result.n_init == 10
    assert result.initial == {"deep": 10, "true": 0, "frozen": 0}
    e = np.concatenate([r.y[10:] - G.simulate(r.u)[10:] for r in data])
    np.testing.assert_allclose(result.scores["true"].rmse, np.sqrt(np.mean(e**2, axis=0)), rtol=1e-12)
    assert [len(y) for y in result.outputs["deep"]] == [120, 80]


def test_the_table_names_models_outputs_units_and_the_initial_state() -> None:
    G = random_modes(3, 2, 3, 0.5)
    text = str(compare(_data(G), {"A": FakeModel(network(2, 3, 4, 2, 0.5), n_init=7), "B": G}))
    lines = text.splitlines()
    assert len(lines) == 1 + 2 * 3 + 1
    assert "mm" in lines[1]
    assert lines[1].endswith("first 7 samples")
    assert lines[4].endswith("zero")
    assert "186 samples scored" in lines[-1]


def test_a_diverging_system_is_shown_as_infinite_not_as_a_crash() -> None:
    unstable = StateSpace([[3.0]], [[1.0]], [[1.0]], [[0.0]])
    data = Dataset([Record(np.ones(2000), np.arange(2000.0), 1.0)])
    result = compare(data, {"unstable": unstable})
    assert result.scores["unstable"].rmse[0] == np.inf
    assert "inf" in result.table


def test_what_does_not_fit_is_refused() -> None:
    G = random_modes(3, 2, 3, 0.5)
    data = _data(G)
    with pytest.raises(OptionError, match="no model"):
        compare(data, {})
    with pytest.raises(OptionError, match="reads the first 50 outputs"):
        compare(data, {"m": FakeModel(network(2, 3, 4, 1, 0.5), n_init=50)}, n_init=5)
    with pytest.raises(DataError, match="2 inputs and 3 outputs, the model 1 and 3"):
        compare(data, {"G": random_modes(3, 1, 3, 0.5)})
    with pytest.raises(DataError, match=r"dt = 0\.5 s, the model with 0.25 s"):
        compare(data, {"G": random_modes(3, 2, 3, 0.25)})
    with pytest.raises(DataError, match=r"is in mm .* in m in the model"):
        compare(data, {"G": random_modes(3, 2, 3, 0.5, output_units=("m", "m", "m"))})
    with pytest.raises(DataError, match="no outputs"):
        compare(Record(np.zeros((10, 2)), None, 0.5), {"G": G})
    with pytest.raises(DataError, match="expected a Record or a Dataset"):
        compare(np.zeros((10, 2)), {"G": G})  # type: ignore[arg-type]


def test_a_model_alone_is_not_a_mapping_of_models():
    G = StateSpace(np.array([[0.5]]), np.ones((1, 1)), np.ones((1, 1)), np.zeros((1, 1)))
    record = Record(np.arange(10.0), np.arange(10.0), 1.0)
    with pytest.raises(OptionError, match="expected a mapping such as"):
        compare(record, G)


def test_models_are_compared_k_steps_ahead() -> None:
    rng = np.random.default_rng(0)
    G = random_modes(2, 1, 1, 4.0, output_names=("h",), output_units=("mm",))
    u = rng.standard_normal((1500, 1))
    slow = lfilter([0.1], [1.0, -0.95], rng.standard_normal((1500, 1)), axis=0)
    record = Record(u, G.simulate(u) + slow, 4.0, output_names=("h",), units={"h": "mm"})
    one = np.ones(1)
    models = {}
    for name, gain in (("m0", 1.0), ("m1", 0.9)):
        net = Interconnection((Dynamic(G), Affine([[gain]], [0.0])), 4.0, ("u",), ("h",), ("",), ("mm",))
        models[name] = ls.fit_noise(
            Model(net, Scaling(0 * one, one, 0 * one, one), InitialState("zero", 0), {}), record
        )
    result = compare(record, models, k=5)
    for name, model in models.items():
        np.testing.assert_array_equal(result.outputs[name][0], model.predict(record, k=5))
        np.testing.assert_array_equal(result.scores[name].rmse, ls.horizon(model, record, [5]).rmse[0])
    assert result.table.splitlines()[-1].startswith("5 steps ahead (20 s), 1 record(s)")
    assert plots.compare(result).axes[-1].get_xlabel() == "time (s), predicted 5 steps ahead (20 s)"
    free = compare(record, models)
    assert np.all(result.scores["m0"].rmse < free.scores["m0"].rmse)

    drawn = plots.horizon({name: ls.horizon(model, record, [1, 5]) for name, model in models.items()})
    assert [t.get_text() for t in drawn.legends[0].get_texts()] == ["m0", "m1"]
    assert drawn.axes[0].get_ylabel() == "RMSE of h (mm)"
    with pytest.raises(OptionError, match="expected at least one"):
        plots.horizon({})
    with pytest.raises(OptionError, match="model 'bare' has no noise model"):
        compare(record, {**models, "bare": G}, k=5)
    for k in (0, 2.5, np.nan, "a"):
        with pytest.raises(OptionError, match="k is "):
            compare(record, models, k=k)


def test_a_linear_baseline_is_a_model_like_others() -> None:
    data = ls.plants.CascadedTanks().experiment(seed=0)
    linear = ls.fit_linear(data["train"], n_init=50)
    result = compare(data["test"], {"linear": linear})
    np.testing.assert_array_equal(result.outputs["linear"][0], linear.simulate(data["test"]))
    np.testing.assert_array_equal(result.scores["linear"].rmse, linear.scores(data["test"]).rmse)
    u = data["test"].u
    expected = linear.scaling.y_mean + linear.G.simulate(u - linear.scaling.u_mean)
    np.testing.assert_allclose(linear.network.simulate(u), expected, rtol=0, atol=1e-10)
    assert (linear.network.input_names, linear.network.output_units) == (("u",), ("V",))
    facts = analyse(linear, data=data["test"])
    assert facts["fit"]["outputs"][0]["rmse"] == linear.scores(data["test"]).rmse[0]
    assert [*facts["operators"]] == ["block0"]


@pytest.mark.parametrize("name", [1, None])
def test_a_model_has_a_name(name: object) -> None:
    G = random_modes(1, 1, 1)
    with pytest.raises(OptionError, match="without a name"):
        compare(_data(G), {name: G})  # type: ignore[dict-item]


@pytest.mark.parametrize("n_init", [1.5, "a", -1, True])
def test_the_first_scored_sample_is_a_number(n_init: object) -> None:
    G = random_modes(1, 1, 1)
    for call in (lambda: compare(_data(G), {"a": G}, n_init), lambda: residuals(G, _data(G), n_init)):
        with pytest.raises(OptionError, match="n_init is"):
            call()
