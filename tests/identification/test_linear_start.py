"""Fits that start at a linear model of their data: which one, how it ends, and that nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import l2ssm as ls
from l2ssm.certificates.compose import certify
from l2ssm.data.plants import PLANTS
from l2ssm.errors import OptionError
from l2ssm.identification.initial import InitialState, feature_count
from l2ssm.identification.linear_start import start_linear
from l2ssm.identification.trainee import Trainee, evaluate
from l2ssm.identification.windows import hold_out, spread_windows, standardise, whole_records
from l2ssm.networks.deep import DeepSSM
from l2ssm.networks.scaling import Scaling

SMALL = {"layers": 2, "d_model": 5, "n_x": 10}
SHORT = SMALL | {"steps": 20, "validate_every": 10, "refine_steps": 5, "window": 128}


def starting(data, rule, **options):
    """(trainee, standardised records) as `fit` has them before it starts."""
    stats = data.statistics()
    scaling = Scaling(stats.u_mean, stats.u_std, stats.y_mean, stats.y_std)
    deep = DeepSSM(scaling, **SMALL | options)
    return Trainee(deep, feature_count(rule, deep.n_u + deep.n_y)), standardise(data, scaling)


def ends_no_worse_than_linear(name):
    """On the validation data of a fit: its error is at most that of the linear model that it started at."""
    data = PLANTS[name]().experiment(seed=1, samples=400)
    train, valid = data["train"], data["test"]
    rule = InitialState("encoder", 50)
    trainee, records = starting(ls.Dataset([train]), rule)
    words = start_linear(trainee, records, rule, True).words
    stats = ls.Dataset([train]).statistics()
    scaling = Scaling(stats.u_mean, stats.u_std, stats.y_mean, stats.y_std)
    start = evaluate(trainee, whole_records(standardise(ls.Dataset([valid]), scaling), rule))
    model = ls.fit(train, valid, n_init=50, **SHORT)
    assert model.info["linear_start"] == words
    assert words.startswith("linear model of order")
    end = np.mean((np.array(model.info["valid_rmse"]) / stats.y_std) ** 2)
    assert end <= start * (1 + 1e-6)


@pytest.mark.parametrize("name", ["cascaded_tanks", "duffing"])
def test_no_fit_ends_worse_than_its_linear_model(name):
    ends_no_worse_than_linear(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PLANTS if name not in ("cascaded_tanks", "duffing")])
def test_no_fit_of_the_other_plants_does(name):
    ends_no_worse_than_linear(name)


def test_the_start_is_as_good_as_the_linear_model():
    """Of a linear plant with little noise: the free run of the start is the record, from any initial state."""
    rng = np.random.default_rng(0)
    G = ls.StateSpace([[0.97, 0.1], [-0.1, 0.95]], [[0.0], [0.1]], [[1.0, 0.0]], [[0.0]])
    records = []
    for k in range(3):
        u = np.repeat(rng.normal(size=60), 5)
        y = G.simulate(u, rng.normal(size=2)) + 4.0 + 1e-3 * rng.normal(size=(300, 1))
        records.append(ls.Record(u, y, 1.0, name=f"r{k}"))
    rule = InitialState("encoder", 20)
    trainee, scored = starting(ls.Dataset(records), rule)
    words = start_linear(trainee, scored, rule, True).words
    assert words in ("linear model of order 2", "linear model of order 3")  # an offset of the mean may take a state
    assert evaluate(trainee, whole_records(scored, rule)) < 1e-4
    linear = ls.fit_linear(ls.Dataset(records), 20)
    assert str(linear).startswith(f"{words}, slowest pole of modulus 0.9")
    assert linear.scores(ls.Dataset(records)).fit.min() > 99
    assert all(np.abs(linear.G.poles() - pole).min() < 1e-3 for pole in G.poles())


def test_with_a_prescribed_gain_below_that_of_the_linear_model():
    record = ls.plants.CascadedTanks().experiment(seed=1, samples=400)["train"]
    model = ls.fit(record, gamma=2.0, linear_start=True, **SHORT)
    assert "fit below gamma" in model.info["linear_start"]
    assert certify(model, method="product", lower=False).gamma <= 2.0


def test_what_cannot_start_there_stays_random_or_is_refused():
    record = ls.plants.CascadedTanks().experiment(seed=1, samples=400)["train"]
    rule = InitialState("zero", 0)
    trainee, records = starting(ls.Dataset([record]), rule, cell="s5")
    before = {name: v.clone() for name, v in trainee.state_dict().items()}
    assert start_linear(trainee, records, rule, False).words.startswith("random: S5 is not a cell")
    assert all(torch.equal(v, before[name]) for name, v in trainee.state_dict().items())
    with pytest.raises(OptionError, match="no linear start: S5 is not a cell"):
        start_linear(trainee, records, rule, True)
    few = standardise(ls.Dataset([record[:6]]), Scaling(np.zeros(1), np.ones(1), np.zeros(1), np.ones(1)))
    trainee, _ = starting(ls.Dataset([record]), rule)
    assert start_linear(trainee, few, rule, False).words.startswith("random: ")


@pytest.mark.parametrize("options", [{}, {"gamma": 5.0, "linear_start": True}], ids=["lru", "bounded"])
def test_same_fit_again_and_the_global_random_state_is_left_alone(options):
    record = ls.plants.CascadedTanks().experiment(seed=1, samples=300)["train"]
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    one, two = (ls.fit(record, **SHORT | {"steps": 3, "refine_steps": 1}, **options) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(numpy_before, np.random.get_state()[1])  # noqa: NPY002
    np.testing.assert_array_equal(one.simulate(record), two.simulate(record))
    assert one.info["linear_start"] == two.info["linear_start"] != "random"


@pytest.mark.parametrize("lengths", [(300,), (150, 90, 301), (40,), (100, 131), (2000, 60)])
def test_spread_windows_cover_every_sample_and_their_number_is_bounded(lengths):
    """u counts the samples of all records, so that every window says which ones it holds."""
    ends = np.cumsum(lengths)
    data = ls.Dataset(
        [
            ls.Record(np.arange(end - n, end) * 1.0, np.zeros(n), 1.0, name=f"r{k}")
            for k, (n, end) in enumerate(zip(lengths, ends, strict=True))
        ]
    )
    records = standardise(data, Scaling(np.zeros(1), np.ones(1), np.zeros(1), np.ones(1)))
    batches = spread_windows(records, InitialState("zero", 0), window=100, most=40, batch=7)
    seen = {int(v) for b in batches for row, s in zip(b.u, b.scored, strict=True) for v in row[s[:, 0] > 0, 0]}
    assert seen == set(range(ends[-1]))
    assert sum(len(b.u) for b in batches) <= 40
    assert max(len(b.u) for b in batches) <= 7


def test_spread_windows_of_long_records_reach_both_ends_evenly():
    data = ls.Dataset([ls.Record(np.arange(9000.0), np.zeros(9000), 1.0)])
    records = standardise(data, Scaling(np.zeros(1), np.ones(1), np.zeros(1), np.ones(1)))
    train, _ = hold_out(records, 10, 0.15, 5)
    windows = torch.cat([b.u for b in spread_windows(train, InitialState("warmup", 10), window=100, most=30)])
    first = windows[:, 0, 0].numpy()
    assert 25 <= len(first) <= 30
    assert (first[0], windows[-1, -1, 0]) == (0, 8999)
    assert np.ptp(np.diff(first)) <= 1
