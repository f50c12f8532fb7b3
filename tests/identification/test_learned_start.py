"""`initial="learned"`: one initial state for all records, a parameter of the model."""

from __future__ import annotations

import numpy as np
import pytest

import l2ssm as ls
from l2ssm.data import summary
from l2ssm.errors import ExportError
from l2ssm.identification import fit_data
from l2ssm.identification.initial import InitialState
from l2ssm.identification.windows import Scored, random_windows, spread_windows

X0 = np.array([3.0, -2.0])
A = np.array([[0.95, 0.2], [-0.2, 0.95]]) * 0.99
B, C = np.array([[0.0], [0.3]]), np.array([[1.0, 0.0]])


def records(count: int, T: int = 150, seed: int = 0) -> ls.Dataset:
    """Runs of one second-order system, all from X0; its free response is about as large as the forced one."""
    rng, out = np.random.default_rng(seed), []
    for k in range(count):
        u, x, y = np.repeat(rng.normal(size=(T // 10, 1)), 10, axis=0), X0, []
        for sample in u:
            y.append(C @ x)
            x = A @ x + B @ sample
        out.append(ls.Record(u, np.array(y), dt=0.1, name=f"run {k}"))
    return ls.Dataset(out)


@pytest.fixture(scope="module")
def model() -> ls.Model:
    return ls.fit(records(6), initial="learned", layers=2, steps=300, window=150)


def test_records_from_one_state_are_explained_from_their_first_sample_on(model: ls.Model) -> None:
    new = records(3, seed=1)
    zero = ls.fit(records(6), initial="zero", layers=2, steps=300, window=150)
    size = np.sqrt(np.mean(np.concatenate([r.y for r in new]) ** 2))

    def worst(fitted: ls.Model) -> float:
        return max(float(np.abs(fitted.simulate(r) - r.y)[:20].max()) for r in new)

    assert model.n_init == 0
    assert worst(model) < 0.02 * size
    assert worst(zero) > 3 * worst(model)  # it has to make the free response out of the rest of the network


def test_no_outputs_are_needed_to_simulate(model: ls.Model) -> None:
    record = records(1, seed=2)[0]
    np.testing.assert_array_equal(model.simulate(record.u), model.simulate(record))


def test_the_file_and_the_runtime_know_the_state(model: ls.Model, tmp_path) -> None:
    model.save(tmp_path / "model.l2ssm")
    loaded, record = ls.load(tmp_path / "model.l2ssm"), records(1, seed=3)[0]
    np.testing.assert_array_equal(loaded.simulate(record), model.simulate(record))
    runtime = loaded.runtime()
    stepped = np.array([runtime.step(u).copy() for u in record.u])
    np.testing.assert_allclose(stepped, model.simulate(record), rtol=0, atol=1e-9)
    assert "initial state    learned, n_init = 0" in str(loaded)


def test_resampled_models_keep_it() -> None:
    fitted = ls.fit(records(6), cell="s4d", initial="learned", layers=1, steps=20)
    np.testing.assert_array_equal(ls.resample_model(fitted, 0.05).initial.bias, fitted.initial.bias)


def test_it_is_not_exported_silently_from_rest(model: ls.Model, tmp_path) -> None:
    from l2ssm.export.c_file import write_c

    with pytest.raises(ExportError, match=r"a constant, model\.initial\.bias"):
        write_c(model, tmp_path / "model.c")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["zero", "learned"])
def test_windows_inside_a_record_are_not_scored_where_their_state_is_wrong(kind: str) -> None:
    t = np.arange(200.0)[:, None]
    record, rule = Scored(t, t, np.ones(200, dtype=bool)), InitialState(kind, 0)
    drawn = random_windows([record], rule, window=40, batch=64, seed=0)
    for batch in [next(drawn), next(drawn), *spread_windows([record], rule, window=40)]:
        for u, scored in zip(batch.u, batch.scored, strict=True):
            unscored = 0 if u[0, 0] == 0 else 10
            assert scored[:, 0].tolist() == [0.0] * unscored + [1.0] * (40 - unscored)


def test_of_long_data_it_is_that_of_the_starts_of_records(monkeypatch) -> None:
    """The stretches that a linear start and the refinement look at begin inside of records, at other states."""
    monkeypatch.setattr(summary, "LONG", 3000)
    monkeypatch.setattr(fit_data, "LINEAR", (200, 8))
    monkeypatch.setattr(fit_data, "REFINEMENT", (200, 8))
    data = records(8, T=1000)
    fitted = ls.fit(data, initial="learned", layers=1, steps=1, window=100)
    assert fitted.info["linear_start"].startswith("linear")
    start = [fitted.simulate(record.u[:200]) - record.y[:200] for record in data]
    assert np.sqrt(np.mean(np.square(start))) < 0.02
