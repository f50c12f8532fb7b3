"""k-step prediction: the optimal error of exactly known innovations systems is reached, the free run is its limit."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy.signal import lfilter

import l2ssm as ls
from l2ssm.analysis.horizon_plot import horizon_figure
from l2ssm.errors import DataError, ModelFileError, OptionError
from l2ssm.identification.initial import InitialState
from l2ssm.identification.model import Model
from l2ssm.identification.model_file import read_tensors, write_tensors
from l2ssm.identification.noise_model import NoiseModel, fit_autoregression
from l2ssm.networks.scaling import Scaling
from l2ssm.systems.layers import Dynamic

DT = 0.1


def exact_model(G: ls.StateSpace) -> Model:
    """A "fitted" model that is the system itself."""
    network = ls.Interconnection((Dynamic(G),), DT, G.input_names, G.output_names, ("V",) * G.n_u, ("mm",) * G.n_y)
    scaling = Scaling(np.zeros(G.n_u), np.ones(G.n_u), np.zeros(G.n_y), np.ones(G.n_y))
    info = {"cell": "lru", "layers": 1, "d_model": 1, "n_parameters": 1, "valid_rmse": [0.0] * G.n_y}
    return Model(network, scaling, InitialState("zero", 0), info)


class Innovations:
    """x+ = A x + B u + K w, y = C x + D u + w, w white with covariance W: a steady Kalman filter written as a plant."""

    def __init__(self) -> None:
        self.A = np.array([[0.95, 0.2, 0.0], [-0.2, 0.95, 0.0], [0.0, 0.0, 0.7]])
        self.C = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, -1.0]])
        self.K = np.array([[0.6, 0.0], [0.1, 0.5], [0.2, -0.1]])
        self.B, self.D = np.array([[1.0], [0.0], [0.5]]), np.array([[0.0], [0.3]])
        self.root = np.array([[1.0, 0.0], [0.3, 0.2]])
        assert np.abs(np.linalg.eigvals(self.A - self.K @ self.C)).max() < 0.9

    @property
    def G(self) -> ls.StateSpace:
        return ls.StateSpace(self.A, self.B, self.C, self.D, DT)

    def record(self, T: int, seed: int) -> ls.Record:
        rng = np.random.default_rng(seed)
        u, w = rng.standard_normal((T, 1)), rng.standard_normal((T, 2)) @ self.root.T
        x, y = np.zeros(3), np.empty((T, 2))
        for t in range(T):
            y[t] = self.C @ x + self.D @ u[t] + w[t]
            x = self.A @ x + self.B @ u[t] + self.K @ w[t]
        return ls.Record(u, y, DT, output_names=("y1", "y2"))

    def optimal(self, record: ls.Record, k: int) -> np.ndarray:
        """Row t: the conditional mean of y[t] given y[: t - k + 1] and u, by the filter and k - 1 open-loop steps."""
        x, out = np.zeros(3), np.full(record.y.shape, np.nan)
        for t in range(record.T):
            x = self.A @ x + self.B @ record.u[t] + self.K @ (record.y[t] - self.C @ x - self.D @ record.u[t])
            ahead = x
            for j in range(t + 1, min(t + k, record.T)):
                ahead = self.A @ ahead + self.B @ record.u[j]
            if t + k < record.T:
                out[t + k] = self.C @ ahead + self.D @ record.u[t + k]
        return out


@pytest.fixture(scope="module")
def plant():
    return Innovations()


@pytest.fixture(scope="module")
def model(plant):
    return ls.fit_noise(exact_model(plant.G), plant.record(20000, 0))


@pytest.mark.parametrize("k", [1, 2, 5, 20])
def test_the_optimal_error_is_reached(plant, model, k):
    """Two outputs, correlated innovations: on new data within 0.5 % of the error of the Kalman predictor.

    Least squares of q coefficients an output from T samples costs about q / 2T: 22 of 20000 at one step.
    """
    test = plant.record(4000, 1)
    found = np.sqrt(np.mean((test.y - model.predict(test, k=k))[100:] ** 2, axis=0))
    best = np.sqrt(np.mean((test.y - plant.optimal(test, k))[100:] ** 2, axis=0))
    assert np.all(found <= 1.005 * best)
    np.testing.assert_allclose(model.noise.deviation(k), found, rtol=0.05)


def test_an_armax_process_by_its_long_division():
    """y = B/A u + C/A w: one-step variance that of w, k-step that of the first k terms of C/A, by scipy's filter."""
    A, C = [1.0, -1.6, 0.8], [1.0, 0.5, 0.3]
    rng = np.random.default_rng(0)
    u, w = rng.standard_normal((2, 40000))
    noise = 0.3 * lfilter(C, A, w)
    G = ls.StateSpace([[1.6, -0.8], [1.0, 0.0]], [[1.0], [0.0]], [[1.0, 0.2]], [[0.0]], DT)
    record = ls.Record(u, G.simulate(u)[:, 0] + noise, DT)
    model = ls.fit_noise(exact_model(G), record.samples(0, 20000))
    test = record.samples(20000)
    terms = 0.3 * lfilter(C, A, np.eye(1, 30)[0])
    start = G.states(u)[20000]  # the test record starts where the other one ended
    free = exact_model(G).simulate(test.u, x0=start)
    for k in (1, 2, 3, 10, 30):
        error = (test.y - free - model.noise.predict(test.y - free, k))[100:]
        assert error.std() == pytest.approx(np.sqrt(np.sum(terms[:k] ** 2)), rel=0.02)
        assert model.noise.deviation(k)[0] == pytest.approx(np.sqrt(np.sum(terms[:k] ** 2)), rel=0.05)


def test_a_prediction_uses_no_later_output(plant, model):
    test = plant.record(300, 2)
    for k in (1, 4):
        y = test.y.copy()
        y[150:] += 100.0
        changed = ls.Record(test.u, y, DT, output_names=("y1", "y2"))
        before, after = model.predict(test, k=k), model.predict(changed, k=k)
        np.testing.assert_array_equal(before[: 150 + k - 1], after[: 150 + k - 1])
        assert np.abs(before[150 + k] - after[150 + k]).max() > 1


def test_the_free_run_is_the_limit(plant, model):
    test = plant.record(2000, 3)
    simulated = model.simulate(test)
    np.testing.assert_array_equal(model.predict(test, k=math.inf), simulated)
    np.testing.assert_array_equal(model.predict(test, k=5000), simulated)
    assert np.abs(model.predict(test, k=1000) - simulated).max() < 1e-6


def test_arrays_records_and_datasets_agree(plant, model):
    test = plant.record(200, 4)
    one = model.predict(test, k=3)
    np.testing.assert_array_equal(model.predict(test.u, test.y, k=3), one)
    np.testing.assert_array_equal(model.predict(ls.Dataset([test.renamed("a"), test.renamed("b")]), k=3)[1], one)


def test_records_without_a_scored_sample_are_left_out(plant):
    start = InitialState("encoder", 20, np.zeros((3, 18)), np.zeros(3))
    model = dataclasses.replace(exact_model(plant.G), initial=start)
    long, short = plant.record(500, 0).renamed("long"), plant.record(20, 1).renamed("short")
    both, one = ls.fit_noise(model, ls.Dataset([long, short])), ls.fit_noise(model, long)
    np.testing.assert_array_equal(both.noise.coefficients, one.noise.coefficients)
    with pytest.raises(DataError, match="no residual is left"):
        ls.fit_noise(model, short)


def test_white_residuals_need_no_past():
    rng = np.random.default_rng(0)
    noise = fit_autoregression([rng.standard_normal((3000, 2)) for _ in range(3)])
    assert noise.order == 0
    np.testing.assert_allclose(noise.covariance, np.eye(2), atol=0.05)
    assert not noise.predict(np.ones((50, 2)), 1).any()


def test_a_residual_that_is_zero():
    noise = fit_autoregression([np.zeros((100, 1))])
    assert (noise.order, noise.covariance[0, 0]) == (0, 0)


def test_units_do_not_matter():
    """The same residual in other units gives the same model in those units."""
    e = lfilter([1.0], [1.0, -0.8], np.random.default_rng(0).standard_normal((4000, 2)), axis=0) @ [[1, 0.3], [0, 1]]
    scale = np.array([1e-6, 1e6])
    a, b = fit_autoregression([e]), fit_autoregression([e * scale])
    assert a.order == b.order > 0
    np.testing.assert_allclose(b.predict(e * scale, 2), a.predict(e, 2) * scale, rtol=1e-8, atol=1e-12 * scale.min())
    np.testing.assert_allclose(b.deviation(3), a.deviation(3) * scale, rtol=1e-8)


def test_a_growing_residual_gives_a_stable_model():
    """Least squares finds the pole 1.01; predictions far ahead must still fade to the free run."""
    e = 1.01 ** np.arange(600)[:, None] + 0.01 * np.random.default_rng(0).standard_normal((600, 1))
    noise = fit_autoregression([e])
    assert noise.order >= 1
    assert noise.innovations_form().spectral_radius() < 1
    few = fit_autoregression([np.arange(6.0)[:, None]])  # too short for any order
    assert few.order == 0


def test_the_innovations_form_is_the_recursion():
    A = np.array([[[0.5, 0.1], [0.0, 0.3]], [[0.2, 0.0], [-0.1, 0.1]]])
    H = NoiseModel(A, np.eye(2), "").innovations_form(DT)
    w = np.random.default_rng(0).standard_normal((50, 2))
    e = np.zeros((52, 2))
    for t in range(50):
        e[t + 2] = A[0] @ e[t + 1] + A[1] @ e[t] + w[t]
    np.testing.assert_allclose(H.simulate(w), e[2:], atol=1e-12)


def test_the_file_holds_the_noise_model(plant, model, tmp_path):
    test = plant.record(100, 5)
    model.save(tmp_path / "m.l2ssm")
    again = ls.load(tmp_path / "m.l2ssm")
    assert again.digest == model.digest != dataclasses.replace(model, noise=None).digest
    np.testing.assert_array_equal(again.predict(test, k=2), model.predict(test, k=2))
    assert f"autoregression of order {model.noise.order}" in str(again)
    metadata, tensors = read_tensors(tmp_path / "m.l2ssm")
    for spoiled in (
        {k: v for k, v in tensors.items() if not k.startswith("noise/")},
        tensors | {"noise/covariance": np.eye(3)},
        tensors | {"noise/other": np.eye(2)},
    ):
        write_tensors(tmp_path / "bad.l2ssm", metadata, spoiled)
        with pytest.raises(ModelFileError):
            ls.load(tmp_path / "bad.l2ssm")
    plain = tmp_path / "plain.l2ssm"
    dataclasses.replace(model, noise=None).save(plain)
    write_tensors(plain, read_tensors(plain)[0], read_tensors(plain)[1] | {"noise/covariance": np.eye(2)})
    with pytest.raises(ModelFileError):
        ls.load(plain)


def test_what_is_refused(plant, model):
    test = plant.record(100, 6)
    for k in (0, -1, 1.5, True, -math.inf, math.nan):
        with pytest.raises(OptionError, match="k is"):
            model.predict(test, k=k)
    with pytest.raises(OptionError, match=r"no noise model.*fit_noise"):
        exact_model(plant.G).predict(test)
    with pytest.raises(DataError, match="needs the measured outputs"):
        model.predict(test.u)
    with pytest.raises(DataError, match=r"\(100, 2\), got shape \(50, 2\)"):
        model.predict(test.u, test.y[:50])
    moved = dataclasses.replace(
        model, network=exact_model(ls.StateSpace(plant.A, plant.B, 2 * plant.C, plant.D, DT)).network
    )
    with pytest.raises(OptionError, match="residuals of the network"):
        moved.predict(test)
    with pytest.raises(DataError, match="has no outputs"):
        ls.fit_noise(model, ls.Record(test.u, None, DT))
    with pytest.raises(DataError, match="not finite"):
        fit_autoregression([np.full((30, 1), np.inf)])
    with pytest.raises(DataError, match="no residual is left"):
        fit_autoregression([np.zeros((0, 1))])


def test_horizon_scores_every_step_like_the_free_run(plant, model):
    test = plant.record(1000, 7)
    found = ls.horizon(model, test, (5, 1, 5))
    assert found.steps == (1, 5, math.inf)
    for i, k in enumerate(found.steps):
        np.testing.assert_allclose(found.rmse[i], np.sqrt(np.mean((test.y - model.predict(test, k=k)) ** 2, axis=0)))
    np.testing.assert_allclose(found.rmse[-1], ls.compare(test, {"m": model}).scores["m"].rmse)
    np.testing.assert_array_equal(found.expected[0], model.noise.deviation(1))
    assert np.isnan(found.expected[-1]).all()
    text = str(found)
    assert "0.5 s" in text
    assert text.count("free run") == 2
    with pytest.raises(OptionError, match="steps is empty"):
        ls.horizon(model, test, ())
    with pytest.raises(OptionError, match="no noise model"):
        ls.horizon(exact_model(plant.G), test)


def test_the_picture_of_the_horizon(plant, model):
    found = ls.horizon(model, plant.record(500, 8), (1, 2, 5))
    figure = horizon_figure(found)
    assert [axes.get_ylabel() for axes in figure.axes] == ["RMSE of y1 (mm)", "RMSE of y2 (mm)"]
    assert figure.axes[-1].get_xlabel() == "steps ahead (samples of 0.1 s)"
    for i, axes in enumerate(figure.axes):
        measured, expected, free = axes.lines
        np.testing.assert_array_equal(measured.get_ydata(), found.rmse[:-1, i])
        np.testing.assert_array_equal(expected.get_ydata(), found.expected[:-1, i])
        assert set(free.get_ydata()) == {found.rmse[-1, i]}
    figure.canvas.draw()
