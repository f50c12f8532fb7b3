"""`compare`: one metric, one scored stretch, and channels, units and dt that must fit."""

from __future__ import annotations

import numpy as np
import pytest

from l2ssm.analysis.compare import compare
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import DataError, OptionError
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
