"""A model started at a linear one is that one: same free run, all else beside it; what cannot hold it is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from l2ssm.certificates.compose import certify
from l2ssm.errors import OptionError, RealizationError
from l2ssm.identification.initial import InitialState, feature_count
from l2ssm.identification.initialize import THROUGH, calibrate, initialize
from l2ssm.identification.start_states import ridge, start_states
from l2ssm.identification.trainee import Trainee
from l2ssm.identification.windows import Scored, whole_records
from l2ssm.networks.deep import DeepSSM
from l2ssm.networks.freeze import freeze
from l2ssm.networks.scaling import Scaling
from l2ssm.systems.state_space import StateSpace

POLES = {
    "real": [0.9, 0.5],
    "fast and negative": [0.0, -0.7, 0.2],
    "complex": [0.9 * np.exp(0.3j), 0.95 * np.exp(2.5j)],
    "slow": [0.99999, 0.999 * np.exp(0.002j)],
    "near integrator": [1 - 1e-6, 0.8],
    "repeated": [0.9, 0.9, 0.9],
}


def linear(poles, n_u=1, n_y=1, seed=0):
    """Modes of these poles with random input and output, each of about unit variance for white noise."""
    rng = np.random.default_rng(seed)
    lam = np.array(poles, dtype=complex)
    pair = lam.imag != 0
    s = np.sqrt(1 - abs(lam) ** 2)[:, None]
    B = s * (rng.normal(size=(len(lam), n_u)) + 1j * pair[:, None] * rng.normal(size=(len(lam), n_u)))
    C = rng.normal(size=(n_y, len(lam))) + 1j * pair * rng.normal(size=(n_y, len(lam)))
    full = StateSpace.from_modes(lam, B, C, rng.normal(size=(n_y, n_u)))
    keep = np.stack([np.ones_like(pair), pair], axis=1).ravel()  # one state of a real mode, two of a pair
    return StateSpace(full.A[np.ix_(keep, keep)], full.B[keep], full.C[:, keep], full.D)


def deep(n_u=1, n_y=1, *, u_std=None, y_std=None, dtype=torch.float64, **options):
    u_std, y_std = (np.ones(n) if v is None else np.array(v) for n, v in ((n_u, u_std), (n_y, y_std)))
    scaling = Scaling(np.full(n_u, 0.3), u_std, np.full(n_y, -2.0), y_std)
    sizes = {"layers": 2, "d_model": n_u + n_y + 1, "n_x": 5}
    return DeepSSM(scaling, **sizes | options).to(dtype)


def run(model, u):
    return model.standardised(torch.as_tensor(u, dtype=model.E.dtype)[None])[0][0].detach().double().numpy()


def gap(model, G, kept=1.0, T=200):
    """Largest difference of the free runs from zero, relative."""
    u = np.random.default_rng(1).normal(size=(T, G.n_u))
    want = kept * G.simulate(u)
    return np.abs(run(model, u) - want).max() / np.abs(want).max()


@pytest.mark.parametrize(("n_u", "n_y"), [(1, 1), (2, 1), (1, 3), (2, 2)])
@pytest.mark.parametrize("poles", POLES.values(), ids=POLES)
def test_free_run_is_that_of_the_linear_model(poles, n_u, n_y):
    G = linear(poles, n_u, n_y)
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 3e-5)):
        model = deep(n_u, n_y, layers=3, dtype=dtype)
        assert str(initialize(model, G)) == f"order {G.n_x}"
        assert gap(model, G) < tolerance


@pytest.mark.parametrize("size", [(1, 1), (2, 3)])
@pytest.mark.parametrize("poles", ["complex", "slow", "fast and negative"])
@pytest.mark.parametrize("use", [0.5, 3.0])
def test_with_a_prescribed_gain_it_is_a_multiple_that_fits(poles, size, use):
    """`use`: the gain of G over gamma. The proved bound stays below gamma, whatever G is."""
    G = linear(POLES[poles], *size)
    gamma = G.hinf().upper / use
    model = deep(*size, gamma=gamma, cell="bounded")
    start = initialize(model, G)
    assert gap(model, G, start.kept) < 1e-9
    assert start.kept * G.hinf().lower <= gamma
    assert start.kept == 1 if use < 1 else start.kept * use == pytest.approx(THROUGH**2, rel=2e-3)
    assert ("fit below gamma" in str(start)) == (use > 1)
    assert certify(freeze(model, 1.0), method="product", lower=False).gamma <= gamma


def test_a_gain_in_other_units_keeps_what_fits_in_those():
    """The second output is small in its unit: between standardised signals G is far above gamma, in units below."""
    G = StateSpace([[0.9]], [[0.1]], [[0.1], [1.0]], [[0.0], [0.0]])
    in_units = StateSpace(G.A, G.B / 5.0, np.array([[1.0], [0.01]]) * G.C, G.D)
    gamma = 2 * in_units.hinf().upper
    model = deep(1, 2, u_std=[5.0], y_std=[1.0, 0.01], gamma=gamma, cell="bounded")
    start = initialize(model, G)
    assert start.kept == 1
    assert gap(model, G) < 1e-9
    assert certify(freeze(model, 1.0), method="product", lower=False).gamma <= gamma


@pytest.mark.parametrize("cell", ["l2ru_diagonal", "contraction"])
def test_other_bounded_cells_hold_it_or_say_why(cell):
    G = linear([0.9, 0.5])
    model = deep(gamma=30 * G.hinf().upper, cell=cell)
    assert initialize(model, G).kept == 1
    assert gap(model, G) < 1e-8


@pytest.mark.parametrize("gamma", [None, 4.0])
def test_a_trained_model_starts_there_as_well(gamma):
    """Nothing of what it was before shows in the free run, biases included."""
    G = linear([0.9, 0.5 + 0.2j])
    G = StateSpace(G.A, G.B, G.C / G.hinf().upper, G.D / G.hinf().upper)
    model = deep(gamma=gamma, cell="lru" if gamma is None else "bounded")
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    assert initialize(model, G).kept == 1
    assert gap(model, G) < 1e-9


def test_every_parameter_is_reached_by_the_second_step_of_training():
    """The decoder does not see the other coordinates at first; one step of it, and the gradient goes everywhere."""
    model = deep()
    initialize(model, linear([0.9]))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    u = torch.randn(1, 50, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for _ in range(2):
        optimizer.zero_grad()
        (model.standardised(u)[0] - u**2).square().mean().backward()
        optimizer.step()
    assert [name for name, p in model.named_parameters() if not (p.grad.abs() > 0).any()] == []


REFUSED = {
    "needs n_u . n_y = 2": ({"d_model": 1}, [0.9]),
    "scaffold 'residual'": ({"scaffold": "residual"}, [0.9]),
    "S5 is not a cell": ({"cell": "s5", "scaffold": "twofold"}, [0.9]),
    "ContractiveLayer does not": ({"static": "contractive"}, [0.9]),
    "SandwichLayer does not": ({"gamma": 2.0, "cell": "bounded", "static": "sandwich"}, [0.9]),
    "ContractionDense is not": ({"gamma": 2.0, "cell": "contraction_dense"}, [0.9]),
    "has no inverse map": ({"cell_options": {"normalization": "learned"}}, [0.9]),
    "has 6 modes, a cell 5 states": ({}, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
    "modulus 1.1: a start needs a stable": ({}, [1.1]),
}


@pytest.mark.parametrize("message", REFUSED)
def test_refusals_name_the_part_and_leave_the_model_as_it_was(message):
    options, poles = REFUSED[message]
    G = StateSpace(np.diag(poles), np.ones((len(poles), 1)), np.ones((1, len(poles))), [[0.0]])
    model = deep(**options)
    before = {name: v.clone() for name, v in model.state_dict().items()}
    with pytest.raises((OptionError, RealizationError), match=message):
        initialize(model, G)
    assert all(torch.equal(v, before[name]) for name, v in model.state_dict().items())


def test_refusals_of_the_system():
    with pytest.raises(OptionError, match="G maps 2 to 1 signals, the model 1 to 1"):
        initialize(deep(), linear([0.9], 2, 1))
    jordan = StateSpace([[0.5, 1.0], [0.0, 0.5]], [[0.0], [1.0]], [[1.0, 0.0]], [[0.0]])
    with pytest.raises(RealizationError, match="basis of eigenvectors"):
        initialize(deep(), jordan)


@pytest.mark.parametrize("gamma", [None, 2.0])
def test_global_random_state_is_left_alone_and_the_start_repeats(gamma):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    models = [deep(gamma=gamma, cell="lru" if gamma is None else "bounded") for _ in range(2)]
    for model in models:
        initialize(model, linear([0.9]))
    assert torch.equal(before, torch.get_rng_state())
    one, two = (model.state_dict() for model in models)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_calibrate_keeps_the_linear_model_and_bounds_all_else():
    G = linear([0.999, 0.9])
    model = deep(layers=3, n_x=4)
    initialize(model, G)
    u = np.cumsum(np.random.default_rng(0).normal(size=(500, 1)), axis=0)
    short = Scored(u[:1], u[:1], np.ones(1, dtype=bool))
    calibrate(model, [short, Scored(u, u, np.ones(500, dtype=bool))])
    assert gap(model, G) < 1e-9
    s = torch.nn.functional.linear(torch.as_tensor(u)[None], *model.encoder())
    for block in model.chain():
        others = [k for k in range(model.E.shape[0]) if k != 1]
        assert float(block.cell(s)[0].detach().std(dim=(0, 1))[others].max()) <= 0.5 + 1e-9
        s = block(s)[0]


@pytest.mark.parametrize("gamma", [None, 50.0])
def test_records_that_start_away_from_rest_are_explained(gamma):
    """Three records of one system without noise, each from another state: the encoder finds them, zero does not."""
    G = linear([0.99, 0.95 * np.exp(0.1j)])
    G = StateSpace(G.A, G.B, G.C, 0 * G.D)
    rng = np.random.default_rng(2)
    records = []
    for _ in range(3):
        u = np.repeat(rng.normal(size=(30, 1)), 10, axis=0)
        records.append(Scored(u, G.simulate(u, 5 * rng.normal(size=3)), np.ones(300, dtype=bool)))
    rule = InitialState("encoder", 20)
    model = deep(gamma=gamma, cell="lru" if gamma is None else "bounded", dtype=torch.float32)
    trainee = Trainee(model, feature_count(rule, 2))
    start = initialize(model, G)
    assert start.kept == 1

    def error():
        runs = [trainee(batch)[0][0, 20:].detach().numpy() for batch in whole_records(records, rule)]
        return max(float(np.std(r.y[20:] - y)) for r, y in zip(records, runs, strict=True))

    level = max(float(np.std(r.y[20:])) for r in records)
    assert error() > 0.2 * level
    start_states(trainee, start, records, rule)
    assert error() < 0.03 * level


def test_ridge_is_the_best_of_its_grid_by_cross_validation():
    """The solution of every ridge from another program, its degrees of freedom from the trace of the hat matrix."""
    rng = np.random.default_rng(0)
    N = 40
    X = rng.normal(size=(N, 6)) * np.array([1, 1, 0.1, 1e-3, 1, 1e-6]) + 3
    Y = X[:, :2] @ rng.normal(size=(2, 2)) + np.array([0.01, 2.0]) * rng.normal(size=(N, 2)) - 7
    W, b = ridge(X, Y)
    x = X - X.mean(axis=0)
    largest = np.linalg.norm(x, 2) ** 2
    for column in range(2):
        scores, found = [], []
        for alpha in np.geomspace(1e-12, 1e2, 57) * largest:
            fit = Ridge(alpha=alpha, solver="svd").fit(X, Y[:, column])
            freedom = np.trace(x @ np.linalg.solve(x.T @ x + alpha * np.eye(6), x.T)) + 1
            scores.append(np.sum((Y[:, column] - fit.predict(X)) ** 2) / (1 - freedom / (N + 1)) ** 2)
            found.append((fit.coef_, fit.intercept_))
        coefficients, intercept = found[int(np.argmin(scores))]
        np.testing.assert_allclose(W[column], coefficients, rtol=1e-6, atol=1e-8)
        assert b[column] == pytest.approx(intercept, rel=1e-6)


def test_ridge_of_a_constant_input_is_the_mean():
    W, b = ridge(np.full((10, 2), 3.0), np.arange(10.0)[:, None])
    np.testing.assert_array_equal(W, np.zeros((1, 2)))
    assert b[0] == pytest.approx(4.5)
